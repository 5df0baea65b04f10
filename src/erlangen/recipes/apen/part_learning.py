"""What both experiments that train networks on parts share: endless scans, the networks, their loss and measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from erlangen.groups import SO
from erlangen.points import APEN, APENOutput, Partition, PointNet, PointOutput, degenerate_cells, pair_purity, vote_loss
from erlangen.recipes.apen.settings import Config
from erlangen.recipes.seeds import Tick
from erlangen.train import fit

Output = APENOutput | PointOutput


class Clouds(NamedTuple):
    """Clouds of equally many points: coordinates, the part of each point, its centre, and what is to be predicted.

    Labels have the shape ``(clouds, points)``, or ``(clouds,)`` where whole clouds are to be told apart.
    """

    points: Tensor
    part: Tensor
    center: Tensor
    label: Tensor

    @property
    def batch(self) -> Tensor:
        """The batch vector of the flat clouds."""
        count, points = self.part.shape
        return torch.arange(count, device=self.part.device).repeat_interleave(points)

    def on(self, device: str) -> Clouds:
        """The same on another device."""
        return Clouds(*(tensor.to(device) for tensor in self))


class Fresh(Dataset[Clouds]):
    """Clouds that are made when they are asked for: number i is always the same one.

    Args:
        make: makes clouds with a generator; the first of them is taken.
        length: how many there are.
        seed: of all of them.
    """

    def __init__(self, make: Callable[[torch.Generator], Clouds], length: int, seed: int) -> None:
        self.make, self.length, self.seed = make, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Clouds:
        if not 0 <= index < self.length:
            raise IndexError(index)
        generator = torch.Generator().manual_seed(1_000_003 * (self.seed + 1) + index)
        return Clouds(*(tensor[0] for tensor in self.make(generator)))


@dataclass(frozen=True)
class Method:
    """A network and how long it is trained.

    Args:
        title: As tables show it.
        build: Makes it: width of APEN, number of cells, classes, task, length of a part.
        times: How many times the steps of APEN.
        turned: Whether it is trained on clouds turned at random.
    """

    title: str
    build: Callable[[int, int, int, str, float], nn.Module]
    times: int = 1
    turned: bool = False


def _apen(width: int, parts: int, classes: int, task: str, length: float) -> nn.Module:
    return APEN(0, width, classes, 4, task=task, parts=parts, sigmas=(0.25, 0.4, 0.6), length=length)


def _epn(width: int, parts: int, classes: int, task: str, length: float) -> nn.Module:
    return APEN(0, width * 4 // 3, classes, 2, task=task, parts=1, length=length)


def _pointnet(width: int, parts: int, classes: int, task: str, length: float) -> nn.Module:
    return PointNet(0, width * 4 // 3, classes, 2, task=task)


APEN_METHOD = Method("APEN", _apen)
EPN_METHOD = Method("EPN: whole clouds", _epn, times=2)
POINTNET = Method("PointNet", _pointnet, times=5)
TURNED_POINTNET = Method("PointNet, turned at random", _pointnet, times=5, turned=True)


def call(network: nn.Module, clouds: Clouds) -> Output:
    """The network on clouds relative to their centroids."""
    points = clouds.points - clouds.points.mean(1, keepdim=True)
    return network(None, points.flatten(0, 1), None, clouds.batch)


def loss(network: nn.Module, clouds: Clouds) -> Tensor:
    """Cross entropy, and for networks that vote the distance of votes from centres."""
    out = call(network, clouds)
    total = nn.functional.cross_entropy(out.scalar, clouds.label.flatten())
    if isinstance(out, APENOutput):
        assert isinstance(network, APEN)
        centers = (clouds.center - clouds.points.mean(1, keepdim=True)).flatten(0, 1)
        total = total + vote_loss(out.votes, centers, network.length)
    return total


def turned(clouds: Clouds) -> Clouds:
    """Every cloud turned as a whole, at random."""
    turn = SO(3).sample(len(clouds.points)).to(clouds.points).mT
    return clouds._replace(points=clouds.points @ turn, center=clouds.center @ turn)


def train(
    method: Method, network: nn.Module, data: Fresh, batch: int, config: Config, seed: int, tick: Tick, *name: str
) -> float:
    """Trains a network on fresh clouds, each of which it sees once; returns the seconds that it took.

    Args:
        method: how it is trained.
        network: the network.
        data: the clouds.
        batch: clouds per step.
        config: the settings.
        seed: of the order and of rotations.
        tick: called after each step.
        name: what tells this training from others.
    """

    def step(model: nn.Module, clouds: Any) -> Tensor:
        clouds = Clouds(*clouds)
        return loss(model, turned(clouds) if method.turned else clouds)

    fitted = fit(
        network,
        data,
        step,
        epochs=1,
        batch_size=batch,
        lr=2e-3,
        schedule="cosine",
        clip=5.0,
        seed=seed,
        progress=tick,
        **config.fit_options(*name),
    )
    return fitted.processor_seconds if config.device == "cpu" else fitted.seconds


def predict(network: nn.Module, clouds: Clouds, chunk: int = 8) -> list[Output]:
    """The outputs for a few clouds at a time."""
    with torch.no_grad():
        return [call(network, Clouds(*part)) for part in zip(*(tensor.split(chunk) for tensor in clouds), strict=True)]


def logits(outputs: list[Output]) -> Tensor:
    """All numbers together, in float64."""
    return torch.cat([out.scalar for out in outputs]).double()


def mean_iou(predicted: Tensor, label: Tensor, classes: int) -> float:
    """Intersection over union of each class over all points, and of these the mean; classes that are nowhere count 1.

    >>> mean_iou(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1]), 2)
    0.5833333333333333
    """
    each = torch.arange(classes, device=label.device)[:, None]
    first, second = predicted == each, label == each
    both, either = (first & second).sum(1).double(), (first | second).sum(1).double()
    return float(torch.where(either > 0, both / either.clamp_min(1), 1.0).mean())


def stages(outputs: list[Output], clouds: Clouds, chunk: int = 8) -> dict[str, float]:
    """For every partition: parts, purity of pairs, share that refines the truth, votes off, degenerate parts."""
    rows: dict[str, list[Tensor]] = {}
    for out, points, label, center in zip(
        outputs, clouds.points.split(chunk), clouds.part.split(chunk), clouds.center.split(chunk), strict=True
    ):
        assert isinstance(out, APENOutput)
        middle = points.mean(1, keepdim=True)
        flat, centers = (points - middle).flatten(0, 1), (center - middle).flatten(0, 1)
        truth = Partition.from_labels(label.flatten(), out.partitions[0].batch)
        for stage, (part, votes) in enumerate(zip(out.partitions, out.votes, strict=True), 1):
            shapes = degenerate_cells(flat, part)
            for name, value in (
                ("parts", part.num_parts),
                ("purity", pair_purity(part, truth)),
                ("refines", part.refines(truth)),
                ("votes_off", (votes - centers).abs().mean(1)),
                ("few", shapes.few),
                ("symmetric", shapes.symmetric),
            ):
                rows.setdefault(f"stage{stage}_{name}", []).append(value.double())
    return {name: float(torch.cat(values).mean()) for name, values in rows.items()}


STAGES = 4


def stage_rows(metrics: dict[str, list[float]]) -> list[list[Any]]:
    """The rows of a table of stages, means over seeds."""

    def mean(name: str) -> float:
        return sum(metrics[name]) / len(metrics[name])

    names = ("parts", "purity", "refines", "votes_off", "few", "symmetric")
    digits = {"parts": 1, "purity": 4, "refines": 2, "votes_off": 3, "few": 3, "symmetric": 3}
    return [
        [stage, *(round(mean(f"stage{stage}_{name}"), digits[name]) for name in names)]
        for stage in range(1, STAGES + 1)
    ]


STAGE_COLUMNS = ["layer", "parts", "pair purity", "refines", "votes off", "few points", "symmetric"]
STAGE_NOTE = (
    "Means over test clouds and seeds. Pair purity: share of the pairs of points in one part that belong to one true "
    "part. Refines: share of clouds no part of which reaches into two true ones, 1 - lambda. Votes off: mean distance "
    "of a coordinate from that of the true centre. Of all parts, those with at most three points, and those with "
    "ambiguous principal axes, which the layer treats point by point."
)


def spread(numbers: list[float], digits: int = 3) -> str:
    """Mean and deviation over seeds."""
    values = torch.tensor(numbers, dtype=torch.float64)
    return f"{values.mean():.{digits}f}" + (f" ± {values.std():.{digits}f}" if len(values) > 1 else "")
