"""The catalogue agrees with the recipes, and costs nothing."""

import inspect
import json
import subprocess
import sys

import pytest

from erlangen.recipes import CATALOG, Config, UnknownRecipeError, find
from erlangen.report import Claim

HEAVY = {
    "torch_geometric", "e3nn", "lightning", "torchmetrics", "sklearn", "safetensors", "jsonargparse", "rich",
    "matplotlib", "jinja2", "yaml", "ase", "rdkit", "diffusers", "statsmodels", "optuna", "ray", "fastapi", "torch",
}  # fmt: skip


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_every_recipe_is_what_the_catalogue_says(entry):
    module = entry.load()
    assert issubclass(module.Config, Config) and module.Config is not Config
    assert tuple(module.EXPERIMENTS) == entry.experiments == module.Config.experiments
    assert list(inspect.signature(module.run).parameters) == ["config"]
    assert all(isinstance(claim, Claim) and claim.experiment in module.EXPERIMENTS for claim in module.CLAIMS)
    names = [claim.name for claim in module.CLAIMS]
    assert len(set(names)) == len(names)


def test_names_are_unique():
    assert len({entry.name for entry in CATALOG}) == len(CATALOG)


def test_an_unknown_name_is_answered_by_the_nearest():
    with pytest.raises(UnknownRecipeError) as caught:
        find("quikstart")
    names = ", ".join(entry.name for entry in CATALOG)
    assert str(caught.value) == f"unknown recipe 'quikstart'; did you mean 'quickstart'? (there are: {names})"


@pytest.mark.parametrize(
    "code",
    [
        "import erlangen",
        "import erlangen.recipes",
        "from erlangen.cli import main; main(['list'])",
        "from erlangen.cli import main; main(['--help'])",
        "from erlangen.cli import main; main(['data'])",
    ],
)
def test_looking_around_loads_nothing_heavy(code):
    script = f"import sys, json; {code}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & HEAVY
