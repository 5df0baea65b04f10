"""What every test process does before `erlangen` is imported, whether tests or docstrings are being run."""

import importlib
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers, each on one core; programs that tests start inherit it
os.environ.setdefault("MPLBACKEND", "Agg")

import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

torch.set_num_threads(1)

# Shapes in signatures are checked at run time here, and only here.
install_import_hook("erlangen", "beartype.beartype")

# A single file whose docstrings are run would otherwise be loaded twice: by pytest, and by its own package.
importlib.import_module("erlangen.groups")

# The same examples in every run; `HYPOTHESIS_PROFILE=search` looks for new ones.
settings.register_profile(
    "same", derandomize=True, deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
