"""Seeds one after another and side by side: the same numbers, and failures that are not lost."""

import contextlib
import os
import time

import pytest
import torch

from erlangen.recipes import Config, ConfigError, seeds
from erlangen.recipes.seeds import SeedError, over_seeds


def draw(config, seed, tick):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(40, 40, generator=generator)
    for _ in range(3):
        tick()
        matrix = (matrix @ matrix) / matrix.norm()
    return seed, float(matrix.sum()), torch.get_num_threads()


def fail(config, seed, tick):
    if seed == 1:
        raise ConfigError("steps is odd")
    return seed


def fail_strangely(config, seed, tick):
    class LocalError(Exception):
        pass

    raise LocalError("cannot be sent")


def die(config, seed, tick):
    if seed == 1:
        os._exit(9)
    time.sleep(0.1)
    return seed


def test_side_by_side_gives_the_same_numbers_in_the_same_order():
    alone = over_seeds(draw, Config(seeds=3, seed=5), "drawing", steps=3)
    beside = over_seeds(draw, Config(seeds=3, seed=5, workers=2), "drawing", steps=3)
    assert alone == beside and [seed for seed, _, _ in alone] == [5, 6, 7]
    assert {threads for _, _, threads in alone} == {1}


def matrices(config, seed, tick):
    tick()
    return torch.full((300, 300), float(seed))


def test_tensors_outlive_the_process_that_made_them(monkeypatch):
    @contextlib.contextmanager
    def slow(label, total):
        def tick(steps=1):
            if steps:
                time.sleep(3)  # meanwhile the processes have no seed left, and end

        yield tick

    monkeypatch.setattr(seeds, "progress_bar", slow)
    found = over_seeds(matrices, Config(seeds=2, workers=2), "making", steps=1)
    assert [float(matrix.mean()) for matrix in found] == [0, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_of_the_experiment_arrives_as_it_is(workers):
    with pytest.raises(ConfigError, match="steps is odd"):
        over_seeds(fail, Config(seeds=2, workers=workers), "failing", steps=1)


def test_an_exception_that_cannot_be_sent_arrives_as_text():
    with pytest.raises(SeedError, match="cannot be sent"):
        over_seeds(fail_strangely, Config(seeds=2, workers=2), "failing", steps=1)


def test_a_process_that_dies_is_noticed():
    with pytest.raises(SeedError, match="exit code 9"):
        over_seeds(die, Config(seeds=2, workers=2), "dying", steps=1)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        over_seeds(draw, Config(seeds=1), "drawing", steps=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
