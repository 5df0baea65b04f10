"""Command line and YAML to settings and back; each wrong input with its one line."""

import sys
from pathlib import Path

import pytest

from erlangen.extras import MissingExtra
from erlangen.recipes import ConfigError
from erlangen.recipes.options import describe, parse, to_yaml
from erlangen.recipes.quickstart import Config


def test_values_get_their_types():
    config = parse(
        Config, ["--size=smoke", "--steps", "3", "--batch-size", "8", "--learning_rate", "1e-2", "--out", "x"]
    )
    assert config == Config(size="smoke", steps=3, batch_size=8, learning_rate=0.01, out=Path("x"))


def test_a_flag_stands_alone_or_with_its_value():
    assert [parse(Config, given).resume for given in ([], ["--resume"], ["--resume", "--seed", "1"])] == [
        False,
        True,
        True,
    ]
    assert [parse(Config, [f"--resume={word}"]).resume for word in ("true", "false")] == [True, False]


def test_yaml_gives_settings_and_later_options_win(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_text("size: smoke\nsteps: 5\nimages: mnist\n")
    assert parse(Config, ["--config", str(file), "--steps", "9"]) == Config(size="smoke", steps=9, images="mnist")


@pytest.mark.parametrize("config", [Config(), Config(size="paper", seed=3, learning_rate=0.5, out=Path("some/where"))])
def test_yaml_there_and_back(tmp_path, config):
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    assert parse(Config, ["--config", str(tmp_path / "c.yaml")]) == config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stepz", "3"], "unknown option '--stepz'; did you mean '--steps'? (`erlangen run NAME --help` lists them)"),
        (["-x"], "unknown option '-x'"),
        (["--steps", "many"], "--steps is 'many'; it takes int"),
        (["--steps", "1.5"], "--steps is '1.5'; it takes int"),
        (["--steps"], "argument --steps: expected one argument"),
        (["--steps", "-3"], "steps is -3; it takes a whole number from 1"),
        (["--batch-size", "x"], "--batch-size is 'x'; it takes int"),
        (["--learning-rate", "0"], "learning_rate is 0.0; it takes a positive number"),
        (["--size", "smal"], "--size is 'smal'; it takes one of 'smoke', 'small', 'paper'"),
        (["--experiment", "turn"], "experiment is 'turn'; it takes all, turns, angles; did you mean 'turns'?"),
        (["extra"], "unrecognized arguments: extra"),
        (["--config", "no/such.yaml"], "--config: File does not exist: "),
    ],
)
def test_wrong_options_are_told_in_one_line(arguments, message):
    with pytest.raises(ConfigError) as caught:
        parse(Config, arguments)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("stepz: 3\n", "--config: unknown setting 'stepz'; did you mean 'steps'?"),
        ("steps: many\n", "--steps is 'many'; it takes int"),
        ("steps: [\n", "Problems parsing config"),
    ],
)
def test_wrong_yaml_is_told_in_one_line(tmp_path, content, message):
    file = tmp_path / "my.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        parse(Config, ["--config", str(file)])
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_without_jsonargparse_the_line_that_mends_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonargparse", None)
    with pytest.raises(MissingExtra, match=r"`erlangen run` needs jsonargparse.*pip install 'erlangen\[recipes\]'"):
        parse(Config, [])


def test_every_field_is_described():
    text = describe(Config)
    for name in Config.options():
        assert f"--{name.replace('_', '-')}" in text
