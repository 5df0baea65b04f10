"""Any backbone, made to keep a promise."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from erlangen.groups import Action, Element, Group, Product, Symmetry
from erlangen.groups.element import cast, map_element, tensors
from erlangen.groups.fields import is_graph_data, map_leaves
from erlangen.groups.samples import Samples, leaves
from erlangen.symmetrize.frame import Frame
from erlangen.symmetrize.whole import WholeGroup

AVERAGES = ("full", "sample", "weighted")
CACHED = 2**15  # numbers of an input that a call of the backbone gets on the CPU, so that what it makes stays in caches


class Symmetrized(nn.Module):
    r"""A backbone averaged over a frame, :math:`\sum_{h \in F(x)} w_h\; h \cdot \phi(h^{-1} \cdot x)`.

    Made by :func:`symmetrize`. The copies of a batch run as larger batches, ``chunk`` copies in each; inputs without a
    batch axis are run one copy after another.

    Attributes:
        backbone: the wrapped module; its parameters are the only ones.
        frame: the frame.
        average: "full", "sample" or "weighted".
        chunk: how many copies of the batch the backbone gets at once; None chooses.
        symmetry: what the wrapper promises.
    """

    def __init__(
        self,
        backbone: nn.Module,
        symmetry: Symmetry,
        frame: Frame,
        average: str,
        generator: torch.Generator | None,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.frame = frame
        self.average = average
        self.generator = generator
        self.chunk = chunk
        self.symmetry = symmetry

    def forward(self, *inputs: Any) -> Any:
        """The averaged output; inputs and output as the backbone's."""
        promise = self.symmetry.bind(*inputs)
        samples = Samples.find(promise.inputs, inputs)
        elements, weight = self._elements(inputs, 1 if samples.count is None else samples.count)
        copies = _leading(elements)[1]
        if samples.count is None:
            return self._one_by_one(promise, inputs, elements, weight, copies)
        back = self.frame.group.inverse(elements)
        outputs, chunk = [], self._chunk(promise, inputs, copies)
        for first in range(0, copies, chunk):
            # Copy-major order: sample b of copy f is sample f * count + b of the larger batch.
            g, inverse = (
                self._whole(promise.group, map_element(partial(_copies, first, first + chunk), e))
                for e in (elements, back)
            )
            share = 1 / copies if weight is None else _copies(first, first + chunk, weight)
            n = min(chunk, copies - first)
            y = self.backbone(*samples.repeat(promise.inputs, inputs, n, inverse))
            outputs.append(map_leaves(partial(_move_back, samples, n, g, share), promise.output, y, "output"))
        return _total(promise.output, outputs)

    def _chunk(self, promise: Symmetry, inputs: tuple[Any, ...], copies: int) -> int:
        """How many copies run at once."""
        if self.chunk is not None:
            return self.chunk
        tensors = [x for _, _, x in leaves(promise.inputs, inputs) if isinstance(x, Tensor)]
        largest = max((x.numel() for x in tensors), default=0)
        if copies * largest <= CACHED or any(x.device.type != "cpu" for x in tensors):
            return copies
        # Statistics of a batch must be those of all copies, or they would depend on the order of the frame.
        if any(isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training for m in self.backbone.modules()):
            return copies
        return max(1, CACHED // largest)

    def _one_by_one(
        self, promise: Symmetry, inputs: tuple[Any, ...], elements: Element, weight: Tensor | None, copies: int
    ) -> Any:
        outputs = []
        for f in range(copies):
            g = self._whole(promise.group, map_element(lambda t, f=f: t[0, f], elements))
            back = promise.group.inverse(g)
            moved = tuple(action(back, x) for action, x in zip(promise.inputs, inputs, strict=True))
            share = 1 / copies if weight is None else weight[0, f]
            y = promise.output(g, self.backbone(*moved))
            outputs.append(map_leaves(lambda name, action, x, share=share: share * x, promise.output, y, "output"))
        return _total(promise.output, outputs)

    def _elements(self, inputs: tuple[Any, ...], count: int) -> tuple[Element, Tensor | None]:
        named = next((x.num_graphs for x in inputs if is_graph_data(x) and hasattr(x, "num_graphs")), count)
        if count != 1 and named > count:
            raise ValueError(f"the batch has {named} graphs, but no nodes belong to the last {named - count}")
        elements, weight = self.frame(*inputs)
        device = next((x.device for _, _, x in leaves(self.symmetry.inputs, inputs) if isinstance(x, Tensor)), None)
        elements = map_element(lambda t: t.to(device), elements)
        given, copies = _leading(elements)
        if given == 1 and count != 1 and getattr(self.frame, "shared", False):
            elements = map_element(lambda t: t.expand(count, *t.shape[1:]), elements)
            weight = None if weight is None else weight.expand(count, -1)
        elif given != count:
            raise ValueError(
                f"the frame gave elements for {given} sample{'s' * (given != 1)}, the inputs hold {count}; frames of "
                f"point clouds read (nodes, dim) as one cloud"
            )
        if self.average == "weighted" and weight is None:
            raise ValueError("symmetrize(average='weighted'): this frame gives no weights; use average='full'")
        weight = None if weight is None else weight.to(device)
        if self.average != "sample":
            return elements, weight
        chance = torch.full((count, copies), 1 / copies, dtype=torch.float64) if weight is None else weight.cpu()
        chosen = (
            torch.multinomial(chance, 1, generator=self.generator) if count else torch.zeros(0, 1, dtype=torch.long)
        )
        rows = torch.arange(count)[:, None]
        return map_element(lambda t: t[rows.to(t.device), chosen.to(t.device)], elements), None

    def _whole(self, group: Group, g: Element) -> Element:
        """An element of the promise's group; where the frame belongs to one factor, the others do nothing."""
        if not isinstance(group, Product) or isinstance(self.frame.group, Product):
            return g
        index = _factor(group, self.frame.group)
        neutral = group.identity(device=next(tensors(g)).device)
        return (*neutral[:index], g, *neutral[index + 1 :])

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"{self.symmetry!r}, frame={self.frame!r}, average={self.average!r}"


def _move_back(
    samples: Samples, copies: int, g: Element, share: Tensor | float, name: str, action: Action, y: Any
) -> Any:
    """One output of some copies, every copy moved back, times their shares, summed."""
    divides = isinstance(y, Tensor) and y.ndim > 0 and y.shape[0] % copies == 0
    rows = y.unflatten(0, (copies, y.shape[0] // copies)) if divides else None
    if rows is None or not samples.has_rows(name, action, rows[0]):
        got = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        wanted = copies * (samples.count or 0)
        raise ValueError(f"{name}: the backbone must return a row per sample, {wanted} here, got {got}")
    # The backbone has rounded to the dtype of its output: moving it back needs no finer one.
    back = cast(samples.lift(name, action, g, rows[0]), rows.dtype) if rows.is_floating_point() else g
    rows = action(back, rows)
    if not isinstance(share, Tensor):
        return (rows[0] if copies == 1 else rows.sum(0)) * share
    place = samples.place(name, action, rows[0])
    share = share if place is None else share[:, place]
    return (rows * share.reshape(*share.shape, *(1,) * (rows.ndim - 2)).to(rows.dtype)).sum(0)


def _leading(elements: Element) -> tuple[int, int]:
    first = next(tensors(elements))
    return first.shape[0], first.shape[1]


def _copies(first: int, last: int, t: Tensor) -> Tensor:
    """Some of the copies, ``(count, copies, ...)``, as a leading axis."""
    return t[:, first:last].transpose(0, 1)


def _total(action: Action, outputs: list[Any]) -> Any:
    if len(outputs) == 1:
        return outputs[0]
    sums = iter([sum(column) for column in zip(*(_values(action, y) for y in outputs), strict=True)])
    return map_leaves(lambda name, part, value: next(sums), action, outputs[0], "output")


def _values(action: Action, y: Any) -> list[Any]:
    return [value for _, _, value in leaves((action,), (y,))]


def _factor(group: Product, frame_group: Group) -> int:
    found = [i for i, factor in enumerate(group.factors) if factor == frame_group]
    if len(found) != 1:
        raise ValueError(f"symmetrize(frame): its group {frame_group} must be one factor of {group}")
    return found[0]


def symmetrize(
    backbone: nn.Module,
    symmetry: Symmetry,
    frame: Frame | None = None,
    average: str = "full",
    generator: torch.Generator | None = None,
    chunk: int | None = None,
) -> Symmetrized:
    r"""Makes a backbone keep a promise, by averaging it over a frame.

    For a frame :math:`F(g \cdot x) = g F(x)` the average
    :math:`\frac{1}{|F(x)|} \sum_{h \in F(x)} h \cdot \phi(h^{-1} \cdot x)` is exactly equivariant, whatever backbone
    :math:`\phi` is, and equals :math:`\phi` when :math:`\phi` already was. The frame may belong to one factor of a
    product: then the others must be kept by the backbone itself, and commute with the frame.

    Args:
        backbone: any module; called on larger batches of moved copies.
        symmetry: what it shall keep: the actions on its inputs and its output, all exact.
        frame: a :class:`~erlangen.symmetrize.Frame`; by default a finite group, whole.
        average: "full" over all elements (with the frame's weights, if it gives some); "weighted", the same, refusing a
            frame without weights; "sample", one random element per sample and call, which keeps the promise in
            expectation.
        generator: randomness of "sample"; by default torch's own.
        chunk: how many copies of the batch the backbone gets at once, which bounds memory where no gradient is kept. By
            default all of them on an accelerator; on the CPU as many as its caches hold, which is faster, unless batch
            normalisation is being trained, whose statistics are those of all copies.

    Raises:
        ValueError: when the frame does not fit the symmetry, an action is not exact, or the group is infinite and there
            is no frame.

    Source: Puny, Atzmon, Ben-Hamu, Misra, Grover, Smith, Lipman, "Frame Averaging for Invariant and Equivariant Network
    Design", 2022.

    Example:
        >>> from erlangen.groups import E, Points, Scalar
        >>> from erlangen.symmetrize import PCAFrame
        >>> promise = Symmetry(E(2), inputs=(Points(E(2)),), output=Scalar(E(2)))
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(10, 1))
        >>> model = symmetrize(net, promise, PCAFrame(E(2)))
        >>> x = torch.randn(3, 5, 2)
        >>> torch.allclose(model(x), model(x.flip(-1) + 1), atol=1e-5)
        True
    """
    if not isinstance(symmetry, Symmetry):
        raise TypeError(f"symmetrize(symmetry): a Symmetry, got {type(symmetry).__name__}")
    if average not in AVERAGES:
        raise ValueError(f"symmetrize(average): one of {', '.join(AVERAGES)}, got {average!r}")
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"symmetrize(chunk): a whole number from 1, or None, got {chunk!r}")
    inexact = next((a for a in (*symmetry.inputs, symmetry.output) if not a.exact), None)
    if inexact is not None:
        raise ValueError(f"symmetrize(symmetry): {inexact!r} resamples, and a frame of it would not be exact")
    group = symmetry.group
    if frame is None:
        if not group.names and group.order is None:
            raise ValueError(f"symmetrize(frame): {group} is infinite; pass a frame, for instance PCAFrame({group})")
        frame = WholeGroup(group)
    framed = frame.group
    where = [w for w in (symmetry.holds_where, frame.holds_where) if w]
    if framed != group:
        if not isinstance(group, Product):
            raise ValueError(f"symmetrize(frame): a frame of {group}, got one of {framed}")
        index = _factor(group, framed)
        rest = "*".join(repr(f) for i, f in enumerate(group.factors) if i != index)
        where.append(f"the backbone keeps {rest}")
    kind = "in_expectation" if average == "sample" else getattr(frame, "kind", "exact")
    promise = symmetry.replace(kind=kind, bound=None, holds_where=", ".join(where))
    return Symmetrized(backbone, promise, frame, average, generator, chunk)
