"""The kill table: does the audit find nine kinds of bugs, at which size, and does it leave healthy networks alone?"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from tests.audit import models
from torch import Tensor, nn

from erlangen.audit import Report, audit
from erlangen.groups import (
    SL,
    SO,
    Affine,
    BatchVector,
    Cyclic,
    E,
    EdgeIndex,
    Embed,
    Fixed,
    GLPlus,
    Irreps,
    LinearPart,
    Nodes,
    O,
    Points,
    PseudoScalar,
    QuarterTurns,
    Regular,
    Scalar,
    Scaling,
    SignedPermutation,
    Symmetric,
    Symmetry,
    Vector,
)

SIZES = (1e-1, 1e-3, 1e-5)
SEEDS = (0, 1, 2)
SCALES = (1e-2, 1.0, 1e2)
OFFSET = 1e4

S = Symmetric("n")
SE3 = S * E(3)


@dataclass(frozen=True)
class Case:
    """A network with inputs and a promise."""

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    symmetry: Symmetry

    def audit(self) -> Report:
        return audit(self.module, *self.inputs, symmetry=self.symmetry)


def density_symmetry() -> Symmetry:
    group = Affine(2, GLPlus(2))
    as_density = Vector(Scaling()).along(models.Det(2)).dual
    return Symmetry(group, (Points(group),), as_density.along(LinearPart(group)))


def _case(name: str, module: nn.Module, *inputs: Any, symmetry: Symmetry) -> Case:
    return Case(name, module, inputs, symmetry)


# Each makes a network with a bug of the given size; of size zero it is healthy.
def transposed_matrix(bug: float) -> Case:
    G = SO(3)
    return _case(
        "transposed matrix", models.FrameNet(4, transposed=bug), torch.randn(8, 4, 3),
        symmetry=Symmetry(G, (Points(G),), Vector(G)),
    )  # fmt: skip


def missing_sign(bug: float) -> Case:
    promise = Symmetry(Symmetric(3), (Nodes(Symmetric(3)),), PseudoScalar(Symmetric(3)))
    return _case("missing sign", models.Slater(4, sign=bug), torch.randn(8, 3, 4), symmetry=promise)


def absolute_position(bug: float) -> Case:
    promise = Symmetry(SE3, (Nodes(S) & Points(E(3)), Nodes(S)), (Nodes(S) & Points(E(3)), Nodes(S)))
    net = models.EGNN(absolute=bug)
    return _case("absolute position", net, torch.randn(6, 5, 3), torch.randn(6, 5, 4), symmetry=promise)


def order_dependence(bug: float) -> Case:
    promise = Symmetry(S, (Nodes(S),), Scalar(S))
    return _case("order dependence", models.DeepSet(4, order=bug), torch.randn(8, 6, 4), symmetry=promise)


def cross_batch_leakage(bug: float) -> Case:
    G = SO(3)
    promise = Symmetry(G, (Points(G),), Vector(G))
    return _case("cross-batch leakage", models.Vectors(4, leak=bug), torch.randn(8, 4, 3), symmetry=promise)


def wrong_parity(bug: float) -> Case:
    G = O(3)
    promise = Symmetry(G, (Points(G),), Vector(G))
    return _case("wrong parity", models.Vectors(4, parity=bug), torch.randn(8, 4, 3), symmetry=promise)


def dropped_jacobian(bug: float) -> Case:
    return _case("dropped Jacobian", models.Density(bug), torch.randn(8, 7, 2), symmetry=density_symmetry())


def off_by_one_index(bug: float) -> Case:
    G = Cyclic(9)
    promise = Symmetry(G, (Regular(G),), Regular(G))
    return _case("off-by-one index", models.RingConv(index=bug), torch.randn(8, 1, 9), symmetry=promise)


def stale_buffer(bug: float) -> Case:
    promise = Symmetry(E(3), (Points(E(3)),), Scalar(E(3)))
    return _case("stale buffer", models.Centred(6, bug), torch.randn(8, 6, 3), symmetry=promise)


MUTANTS: tuple[Callable[[float], Case], ...] = (
    transposed_matrix, missing_sign, absolute_position, order_dependence, cross_batch_leakage, wrong_parity,
    dropped_jacobian, off_by_one_index, stale_buffer,
)  # fmt: skip


def mutant(make: Callable[[float], Case], size: float, seed: int) -> Case:
    """A network with a bug that changes its output by about ``size``; apart from that the same for every size."""
    dose = 0.0 if size == 0 else size * 1e-4 / change(make, 1e-4, seed)
    return _dosed(make, dose, seed)


def _dosed(make: Callable[[float], Case], dose: float, seed: int) -> Case:
    torch.manual_seed(seed)
    return make(dose)


def change(make: Callable[[float], Case], dose: float, seed: int) -> float:
    """How much a dose of the bug changes the output: root mean square over standard deviation, largest leaf."""
    return difference(_dosed(make, dose, seed), _dosed(make, 0.0, seed))


def difference(case: Case, other: Case) -> float:
    """The same for two cases with the same inputs."""

    def outputs(c: Case) -> list[Tensor]:
        module, (x, *rest) = copy.deepcopy(c.module).double(), [x.double() for x in c.inputs]
        module(x + 1, *rest)  # what is stale shows in a second call, on other inputs
        y = module(x, *rest)
        return list(y) if isinstance(y, tuple) else [y]

    with torch.no_grad():
        pairs = list(zip(outputs(case), outputs(other), strict=True))
    return max(((a - b).square().mean().sqrt() / b.std()).item() for a, b in pairs)


def _ragged() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    counts = torch.tensor([3, 5, 4])
    batch = torch.repeat_interleave(torch.arange(3), counts)
    n = int(counts.sum())
    pairs = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T
    edges = pairs[:, (batch[pairs[0]] == batch[pairs[1]]) & (pairs[0] != pairs[1])]
    return torch.randn(n, 3), torch.randn(n, 4), edges, batch


def _bases() -> Iterator[tuple[Case, bool]]:
    """Healthy networks, and whether an offset of the output keeps them so."""
    for make in MUTANTS:
        case = make(0.0)
        invariant = isinstance(case.symmetry.output, Scalar)
        yield case, invariant
    E2 = S * E(2)
    yield _case(
        "sorted distances", models.Distances(5), torch.randn(8, 5, 2),
        symmetry=Symmetry(E2, (Nodes(S) & Points(E(2)),), Scalar(E2)),
    ), True  # fmt: skip
    yield _case(
        "forces", models.Forces(), torch.randn(6, 5, 3),
        symmetry=Symmetry(SE3, (Nodes(S) & Points(E(3)),), (Scalar(SE3), Nodes(S) & Vector(E(3)))),
    ), False  # fmt: skip
    pos, h, edges, batch = _ragged()
    yield _case(
        "EGNN on a PyG batch", models.RaggedEGNN(), pos, h, edges, batch,
        symmetry=Symmetry(
            SE3, (Nodes(S) & Points(E(3)), Nodes(S), EdgeIndex(S), BatchVector(S)),
            (Nodes(S) & Points(E(3)), Scalar(SE3)),
        ),
    ), False  # fmt: skip
    irreps = Irreps("4x0e+2x1o+1x2e")
    yield _case("gates", models.NormGate(), torch.randn(8, 15), symmetry=Symmetry(O(3), (irreps,), irreps)), False
    yield (
        _case("set layer", models.SetLayer(4), torch.randn(8, 6, 4), symmetry=Symmetry(S, (Nodes(S),), Nodes(S))),
        False,
    )
    yield (
        _case("transformer", models.Attention(), torch.randn(4, 6, 8), symmetry=Symmetry(S, (Nodes(S),), Nodes(S))),
        False,
    )
    pairs = Nodes(S, order=2)
    yield _case("PPGN", models.PairNet(), torch.randn(4, 5, 5, 3), symmetry=Symmetry(S, (pairs,), pairs)), False
    turns = QuarterTurns()
    yield _case(
        "CNN over turns", models.Turned(models.Plain()), torch.randn(6, 1, 8, 8),
        symmetry=Symmetry(Cyclic(4), (turns,), Scalar(Cyclic(4))),
    ), True  # fmt: skip
    yield (
        _case(
            "round kernels", models.RoundConv(), torch.randn(6, 1, 8, 8), symmetry=Symmetry(Cyclic(4), (turns,), turns)
        ),
        False,
    )
    G: Any = Scaling()
    scaled = Vector(GLPlus(3)).along(Embed(G, GLPlus(3)))
    yield (
        _case("degree one", models.Directions(4), torch.randn(8, 4, 3), symmetry=Symmetry(G, (scaled,), scaled)),
        False,
    )
    yield (
        _case(
            "areas", models.Areas(5), torch.randn(8, 5, 2), symmetry=Symmetry(SL(2), (Points(SL(2)),), Scalar(SL(2)))
        ),
        True,
    )
    G = SignedPermutation(3)
    yield (
        _case("octahedral", models.Octahedral(), torch.randn(8, 3), symmetry=Symmetry(G, (Vector(G),), Scalar(G))),
        True,
    )
    G = SO(2)
    yield _case("complex", models.Complex(), torch.randn(8, 2, 2), symmetry=Symmetry(G, (Points(G),), Scalar(G))), True
    G = O(3)
    yield (
        _case(
            "batch statistics", models.Normalised(), torch.randn(8, 4, 3), symmetry=Symmetry(G, (Points(G),), Scalar(G))
        ),
        True,
    )
    yield (
        _case("casts inside", models.CastInside(), torch.randn(8, 3), symmetry=Symmetry(G, (Vector(G),), Scalar(G))),
        True,
    )
    promise = Symmetry(G, (Vector(G), Fixed()), (Vector(G), Scalar(G)))
    yield _case("two heads", _Heads(), torch.randn(8, 3), torch.randn(8, 2), symmetry=promise), False


class _Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = models.mlp(3, 16, 2)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        y = self.net(torch.cat([x.norm(dim=-1, keepdim=True), h], -1))
        return x * y[:, :1], y[:, 1]


def healthy() -> Iterator[Case]:
    """At least a hundred networks that keep their promise, inputs small and large, outputs with and without offset."""
    torch.manual_seed(100)
    for case, invariant in list(_bases()):
        for scale in SCALES:
            inputs = tuple(x * scale if x.is_floating_point() else x for x in case.inputs)
            for offset in (0.0, OFFSET) if invariant else (0.0,):
                module = models.Shifted(case.module, offset) if offset else case.module
                yield Case(f"{case.name}, inputs x {scale:g}, output + {offset:g}", module, inputs, case.symmetry)


@dataclass
class Table:
    """What was found."""

    rows: dict[str, dict[float, list[Report]]]
    healthy: list[tuple[str, Report]]
    milliseconds: float

    def found(self, name: str, size: float) -> int:
        return sum(report.verdict == "breaks" for report in self.rows[name][size])

    @property
    def false_alarms(self) -> list[str]:
        return [name for name, report in self.healthy if not report.holds()]

    def __str__(self) -> str:
        head = "".join(f"{f'{size:g}':>8}" for size in SIZES)
        lines = [f"{'bug':<22}{head}   smallest size found by all seeds"]
        for name, row in self.rows.items():
            cells = "".join(f"{f'{self.found(name, size)}/{len(row[size])}':>8}" for size in SIZES)
            sure = [size for size in SIZES if self.found(name, size) == len(row[size])]
            lines.append(f"{name:<22}{cells}   {min(sure, default=float('nan')):g}")
        lines.append(f"healthy networks: {len(self.false_alarms)} false alarms among {len(self.healthy)}")
        lines.append(f"{self.milliseconds:.0f} ms per audit of 32 elements (median)")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        return {
            "sizes": list(SIZES),
            "seeds": list(SEEDS),
            "found": {name: [self.found(name, size) for size in SIZES] for name in self.rows},
            "errors": {name: [[r.error for r in row[size]] for size in SIZES] for name, row in self.rows.items()},
            "healthy": len(self.healthy),
            "false_alarms": self.false_alarms,
            "milliseconds_per_audit": round(self.milliseconds, 1),
        }


def kill_table() -> Table:
    """Runs all of it."""
    seconds: list[float] = []

    def run(case: Case) -> Report:
        start = time.perf_counter()
        report = case.audit()
        seconds.append(time.perf_counter() - start)
        return report

    rows = {
        mutant(make, 0.0, 0).name: {size: [run(mutant(make, size, seed)) for seed in SEEDS] for size in SIZES}
        for make in MUTANTS
    }
    sound = [(case.name, run(case)) for case in healthy()]
    return Table(rows, sound, 1e3 * sorted(seconds)[len(seconds) // 2])
