"""The networks that are compared: what each one is, and what it adds to the loss while it learns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from erlangen.groups import Hom, Representation
from erlangen.symmetrize import EMLP, PenaltyTuner, ResidualPathwayEMLP, SoftEMLP


@dataclass(frozen=True)
class Task:
    """Flat inputs and outputs with their representations, and the candidates by name.

    Args:
        rep_in: Of one group in which all candidates have a place.
        rep_out: Of the same group.
        candidates: The symmetries that may hold.
        train: Inputs and outputs to learn from.
        validation: Those that choose the epoch.
        test: Those that are reported.
    """

    rep_in: Representation
    rep_out: Representation
    candidates: Mapping[str, Hom]
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Training:
    """The budget that all networks of an experiment share, and the penalties of the soft one.

    Args:
        steps: Steps of the optimizer.
        batch: Samples per step.
        lr: Learning rate at the start; half a cosine leads to zero.
        lr_of: Other learning rates of some arms, by name.
        decay: Weight decay.
        channels: Size of hidden features of networks on tensors.
        width: Size of hidden layers of the plain network.
        strength: Of each penalty, until they are tuned.
        power: How hard strengths react when they are tuned.
        init: Of the soft network's linear maps.
    """

    steps: int
    batch: int
    lr: float
    decay: float
    channels: int
    width: int
    strength: float
    lr_of: Mapping[str, float] = field(default_factory=dict)
    power: float = 2.0
    init: str = "orthogonal"

    @property
    def record(self) -> int:
        """Steps between two looks at the violations, and between validations: a hundredth of all."""
        return max(1, self.steps // 100)

    @property
    def tuned_at(self) -> int:
        """The step after which strengths are tuned: two fifths of all."""
        return max(2 * self.record, int(0.4 * self.steps))


class Learner(nn.Module):
    """A network while it learns: what it adds to the loss, what it sees at each step, and what it says of itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: nn.Module = network

    def forward(self, x: Tensor) -> Tensor:
        """What the network computes."""
        return self.network(x)

    def look(self, training: Training) -> None:
        """Called before each step."""

    def extra(self, training: Training) -> Tensor | float:
        """What is added to the error; here nothing."""
        return 0.0

    def notes(self) -> dict[str, float]:
        """Numbers for the history, taken at each validation."""
        return {}

    @property
    def eligible(self) -> bool:
        """Whether the weights, as they are now, may be chosen as the best."""
        return True


class Residual(Learner):
    """A residual pathway prior: weights of the free path cost more than those of the equivariant one."""

    def extra(self, training: Training) -> Tensor:
        """The decay of both paths."""
        assert isinstance(self.network, ResidualPathwayEMLP)
        return self.network.penalty() + self.network.leak_penalty()


class Soft(Learner):
    """A network with a penalty for each candidate, and the tuner of their strengths.

    Args:
        network: What learns.
        names: Of its candidates.
        training: The schedule: when to look at violations and to tune, and from when on weights may be chosen. That is
            after twice the step of the tuning, as the authors do, and at the latest for the last tenth of all steps.
    """

    steps: Tensor

    def __init__(self, network: SoftEMLP, names: Iterable[str], training: Training) -> None:
        super().__init__(network)
        self.names = tuple(names)
        looks = training.tuned_at // training.record
        # Of the looks only the last quarter counts.
        self.tuner = PenaltyTuner(
            [training.strength] * len(self.names), looks, training.power, window=max(1, looks // 4)
        )
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.eligible_from = min(2 * training.tuned_at, round(0.9 * training.steps))

    @property
    def soft(self) -> SoftEMLP:
        """The network."""
        assert isinstance(self.network, SoftEMLP)
        return self.network

    def look(self, training: Training) -> None:
        """Shows the tuner violations every few steps, until it has tuned."""
        if not self.tuner.tuned and int(self.steps) % training.record == 0:
            with torch.no_grad():
                violations = self.soft.penalties()
            if bool(violations.isfinite().all()):  # a training that diverges is told by its loss
                self.tuner.record(violations)
        self.steps += 1

    def extra(self, training: Training) -> Tensor:
        """The penalties; the leaks of the gates, which break all candidates, pay as before the tuning."""
        return self.soft.penalty(self.tuner.strengths) + training.strength * self.soft.leak_penalty()

    def notes(self) -> dict[str, float]:
        """Violations and strengths of each candidate, and violations over the squared norm of the linear maps."""
        with torch.no_grad():
            violations = self.soft.penalties()
            norm = sum(float(p.square().sum()) for p in self.soft.linears.parameters())
        found = {f"violation_{name}": float(value) for name, value in zip(self.names, violations, strict=True)}
        found |= {f"relative_{name}": float(value) / norm for name, value in zip(self.names, violations, strict=True)}
        return found | {
            f"strength_{name}": float(value) for name, value in zip(self.names, self.tuner.strengths, strict=True)
        }

    @property
    def eligible(self) -> bool:
        """Whether it is late enough."""
        return int(self.steps) >= self.eligible_from


@dataclass(frozen=True)
class Arm:
    """A network to compare.

    Args:
        title: Its name in tables.
        build: Makes it for a task and a budget, with first weights from a generator.
        decays: Whether the optimizer decays its weights; otherwise its own loss does.
    """

    title: str
    build: Callable[[Task, Training, torch.Generator], Learner]
    decays: bool = True


def plain(task: Task, training: Training, generator: torch.Generator) -> Learner:
    """Three hidden layers with swish, which know of no symmetry."""
    sizes = [task.rep_in.dim, *[training.width] * 3, task.rep_out.dim]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    return Learner(nn.Sequential(*[module for layer in layers[:-1] for module in (layer, nn.SiLU())], layers[-1]))


def hard(group: Hom | str) -> Callable[[Task, Training, torch.Generator], Learner]:
    """Networks on tensors that keep a symmetry exactly."""

    def build(task: Task, training: Training, generator: torch.Generator) -> Learner:
        return Learner(EMLP(task.rep_in, task.rep_out, group, training.channels, generator=generator))

    return build


def residual(group: Hom | str, side: Hom | str | None = None) -> Callable[[Task, Training, torch.Generator], Learner]:
    """Networks with a path that keeps a symmetry, and one beside it that keeps nothing, or another symmetry."""

    def build(task: Task, training: Training, generator: torch.Generator) -> Learner:
        network = ResidualPathwayEMLP(task.rep_in, task.rep_out, group, side, training.channels, generator=generator)
        return Residual(network)

    return build


def soft(task: Task, training: Training, generator: torch.Generator) -> Learner:
    """Networks with a penalty for each candidate of the task."""
    candidates = list(task.candidates.values())
    network = SoftEMLP(
        task.rep_in, task.rep_out, candidates, training.channels, init=training.init, generator=generator
    )
    return Soft(network, task.candidates, training)


PLANE_ARMS = {
    "mlp": Arm("plain", plain),
    "wrong": Arm("hard, O(3)", hard("O(3)")),
    "oracle": Arm("hard, O(2) in xy", hard("O(2)@xy")),
    "rpp": Arm("residual, O(3)", residual("O(3)"), decays=False),
    "mixed": Arm("residual, O(3) + O(2) in yz", residual("O(3)", "O(2)@yz"), decays=False),
    "soft": Arm("soft", soft),
}
"""Where candidates are planes, of which xy is kept: hard networks are too strict, or know what nobody tells the others;
the mixed prior was told the wrong plane."""

SCALE_ARMS = {
    "mlp": Arm("plain", plain),
    "turning": Arm("hard, SO(3)", hard("SO(3)")),
    "rpp": Arm("residual, SO(3)", residual("SO(3)"), decays=False),
    "soft": Arm("soft", soft),
}
"""Where candidates are rotations and changes of scale. There is no hard network that keeps scale, for it would be a
constant: no map from vectors to numbers keeps it."""
