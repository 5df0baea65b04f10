"""Digits to learn from, in the middle of their frame, and digits to test on, moved in several ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from erlangen.data.affnist import load_affnist
from erlangen.data.digits import load_digits, load_mnist_test
from erlangen.data.sources import MissingDataError
from erlangen.data.warps import centred, random_affine, random_homographies, resized, warp
from erlangen.recipes.lie_decomposition.settings import Config

FRAME, DIGIT = 40, 28
BACKGROUND = -1.0
POOL = 0.8  # of all digits are learned from and tested on; on the others settings were chosen

Move = Callable[[Tensor, torch.Generator], Tensor]


def _stay(images: Tensor, generator: torch.Generator) -> Tensor:
    return images


def _affine(images: Tensor, generator: torch.Generator) -> Tensor:
    return warp(images, random_affine(images, generator))


def _homography(images: Tensor, generator: torch.Generator) -> Tensor:
    return warp(images, random_homographies(images, generator))


def _turn(images: Tensor, generator: torch.Generator) -> Tensor:
    still = {"shear": 0.0, "scale": (1.0, 1.0), "translate": False}
    return warp(images, random_affine(images, generator, rotation=180.0, **still))


MOVES: dict[str, Move] = {"centred": _stay, "affine": _affine, "homography": _homography, "turned": _turn}
"""How each set of digits to test on is made of digits in the middle of their frame."""


@dataclass(frozen=True)
class Digits:
    """Digits in frames of 40 x 40, from 0 to 1; ``source`` says in words where they are from."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    source: str


def load(config: Config, train: int, tests: int, seed: int) -> Digits:
    """Digits to learn from, and others to test on, chosen by the seed.

    Those on which pilots were judged are left to the last: they are tested on only where no others are left.

    MNIST's where its file is at hand, else scikit-learn's. At size paper those that affNIST is published with, none of
    which is in MNIST's test file.
    """
    images, labels, source = _all(config.data)
    images = centred(images, FRAME)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    pool, rest = order.split([round(POOL * len(order)), len(order) - round(POOL * len(order))])
    generator = torch.Generator().manual_seed(seed)
    if config.digits_published:
        learned, learned_labels = load_affnist("centred/train", config.data)
        chosen = torch.randperm(len(learned), generator=generator)[:train]
        held = torch.arange(len(images))[:tests]
        return Digits(learned[chosen], learned_labels[chosen], images[held], labels[held], f"affNIST and {source}")
    drawn = torch.cat([pool[torch.randperm(len(pool), generator=generator)], rest])
    train = min(train, len(pool))
    chosen, held = drawn[:train], drawn[train : train + tests]
    return Digits(images[chosen], labels[chosen], images[held], labels[held], source)


def _all(root: Path | None) -> tuple[Tensor, Tensor, str]:
    try:
        return *load_mnist_test(root), "MNIST"
    except MissingDataError:
        images, labels = load_digits()
        return resized(images, DIGIT), labels, "scikit-learn"


def moved(digits: Digits, how: str, size: int, seed: int = 0) -> Tensor:
    """The digits to test on, moved and made smaller, from -1 to 1; the same for all seeds of a recipe."""
    generator = torch.Generator().manual_seed(1000 + seed)
    return prepared(MOVES[how](digits.test, generator), size)


def prepared(images: Tensor, size: int) -> Tensor:
    """Images of another size, the background at -1 and ink up to 1."""
    return 2 * resized(images, size) + BACKGROUND
