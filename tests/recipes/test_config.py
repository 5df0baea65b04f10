"""Settings: defaults by size, checks, and what of them is kept with a result."""

import dataclasses
from pathlib import Path

import pytest

from erlangen.recipes import Config, ConfigError, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mine(Config):
    experiments = ("first", "second")

    steps: int = option("training steps", smoke=1, small=20, paper=300)
    widths: tuple[int, ...] = option("of the layers", (8, 8))


def test_a_field_takes_the_default_of_its_size_unless_given():
    assert [Mine(size=size).steps for size in ("smoke", "small", "paper")] == [1, 20, 300]
    assert Mine().steps == 20 and Mine(size="paper", steps=7).steps == 7
    assert dataclasses.replace(Mine(size="smoke"), seed=3).steps == 1


def test_seeds_and_experiments():
    assert Mine(seed=4, seeds=3).seed_list == [4, 5, 6]
    assert Mine().chosen == ("first", "second") and Mine(experiment="second").chosen == ("second",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": 0}, "seeds is 0; it takes a whole number from 1"),
        ({"workers": 0}, "workers is 0; it takes a whole number from 1"),
        ({"devices": 0}, "devices is 0; it takes a whole number from 1"),
        ({"num_nodes": -1}, "num_nodes is -1; it takes a whole number from 1"),
        ({"workers": 2, "devices": 2}, "workers is 2; it takes 1 where devices or machines share a training"),
        ({"seed": -1}, "seed is -1; it takes a whole number from 0"),
        ({"experiment": "secnd"}, "experiment is 'secnd'; it takes all, first, second; did you mean 'second'?"),
    ],
)
def test_what_has_no_meaning_is_refused(settings, message):
    with pytest.raises(ConfigError) as caught:
        Mine(**settings)
    assert str(caught.value) == message


def test_a_result_keeps_what_can_change_a_number_and_no_places():
    kept = Mine(data=Path("/data"), out=Path("/out"), workers=3, resume=True).to_dict()
    assert kept == {
        "size": "small", "seed": 0, "seeds": 5, "experiment": "all", "device": "cpu", "devices": 1, "num_nodes": 1,
        "strategy": "auto", "steps": 20, "widths": (8, 8),
    }  # fmt: skip


def test_from_plain_values_and_back():
    plain = {"size": "smoke", "widths": [1, 2], "out": "here"}
    assert Mine.from_dict(plain) == Mine(size="smoke", widths=(1, 2), out=Path("here"))
    with pytest.raises(ConfigError, match="unknown setting 'stepz'; did you mean 'steps'"):
        Mine.from_dict({"stepz": 3})


def test_default_folder_is_below_the_current_one():
    assert Mine().output_folder("name") == Path("runs/name") and Mine(out=Path("x")).output_folder("name") == Path("x")


def test_an_option_has_one_default_or_one_for_each_size():
    for arguments in ({}, {"default": 1, "smoke": 1, "small": 2, "paper": 3}, {"smoke": 1, "small": 2}):
        with pytest.raises(TypeError, match="one for each of smoke, small, paper"):
            option("help", **arguments)


def test_trainings_are_kept_below_the_folder_each_in_its_own():
    assert Mine().fit_options("nbody", 0) == {"devices": 1, "num_nodes": 1, "strategy": "auto"}
    asked = Mine(out=Path("x"), devices=2, strategy="ddp").fit_options("nbody", 0, "fa")
    assert asked == {
        "devices": 2, "num_nodes": 1, "strategy": "ddp",
        "out": Path("x/trainings/nbody/0/fa"), "resume": False, "overwrite": True,
    }  # fmt: skip
    going_on = Mine(out=Path("x"), resume=True).fit_options(3)
    assert (going_on["resume"], going_on["overwrite"]) == (True, False)


def test_help_names_the_defaults():
    options = Mine.options()
    assert options["steps"] == (int, "training steps (default by size: smoke 1, small 20, paper 300)")
    assert options["seed"] == (int, "first seed (default: 0)")
