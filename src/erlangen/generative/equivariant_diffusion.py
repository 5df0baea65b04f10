"""Diffusion of point clouds with features, whose distribution no rotation, reflection or renumbering changes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.generative.schedule import NoiseSchedule, polynomial_schedule
from erlangen.generative.subspace import normal, remove_mean, zero_mean_noise
from erlangen.groups import Action, BatchVector, Fixed, Nodes, Points, Product, Symmetric, Symmetry, Vector


class Noise(NamedTuple):
    """Noise on features, ``(nodes, in_scalar)``, and on positions, ``(nodes, dim)``, centred in every cloud."""

    x: Tensor
    pos: Tensor


class Clouds(NamedTuple):
    """Sampled clouds: features ``(nodes, in_scalar)``, positions ``(nodes, dim)``, the cloud of each node."""

    x: Tensor
    pos: Tensor
    batch: Tensor


class SamplingDiverged(ArithmeticError):
    """A state of a sampler is not finite; the message names the step."""


class EquivariantDiffusion(nn.Module):
    r"""A diffusion model of point clouds around a network that tells noise from signal.

    Positions, seen from their centre, and features become noise in T steps,
    :math:`z_t = \alpha_t\, [x, h] + \sigma_t\, \epsilon`; the noise on positions has its centre at the origin, too. The
    network :math:`\phi` learns which noise it was,

    .. math::
        L = \mathbb{E}_{t \sim \{0, \ldots, T\},\, \epsilon}\; \frac{1}{n (d + k)}
            \big\| \epsilon - \phi(z_t, t / T) \big\|^2

    for n points, d coordinates and k features. A sample begins as noise and goes back step by step,

    .. math::
        z_s = \frac{\alpha_s}{\alpha_t} \Big( z_t - \frac{\sigma_{t|s}^2}{\sigma_t}\, \phi(z_t, t / T) \Big)
              + \frac{\sigma_{t|s}\, \sigma_s}{\sigma_t}\, \epsilon,

    and from :math:`z_0` to :math:`(z_0 - \sigma_0\, \phi) / \alpha_0` in the end. Noise is the same from every side:
    with an equivariant network a sample and its mirror images, turned and renumbered, are equally likely, and with any
    network a shift makes no difference.

    The network is called as networks on points are, ``denoiser(x, pos, edge_index, batch)``, with ``edge_index=None``
    (all pairs), and returns numbers and vectors for each node, the noise on features and, as one vector, on positions.
    It takes one feature more than it returns: the last one is the noise level, t / T.

    Args:
        denoiser: the network, of ``in_scalar + 1`` features, ``in_scalar`` scalar outputs and one vector.
        in_scalar: features of a node.
        dim: of the space.
        schedule: how the noise grows; :func:`polynomial_schedule` by default.

    Attributes:
        symmetry: what the network promises of the inputs ``(x, pos, edge_index, batch)``, carried over to
            :meth:`forward`; None if it promises nothing.

    Raises:
        ValueError: if a size has no meaning; when called, if shapes, dtypes or steps do not fit, or a number is not
            finite.
        TypeError: if the network returns something else than numbers and a vector.

    Source: Hoogeboom, Satorras, Vignac, Welling, "Equivariant Diffusion for Molecule Generation in 3D", 2022.

    Example:
        >>> class Still(nn.Module):
        ...     def forward(self, x, pos, edge_index=None, batch=None, vec=None):
        ...         return x[:, :-1], 0 * pos[:, None]
        >>> diffusion = EquivariantDiffusion(Still(), in_scalar=2, schedule=polynomial_schedule(10))
        >>> diffusion.loss(torch.zeros(5, 2), torch.randn(5, 3), torch.tensor([0, 0, 0, 1, 1])).shape
        torch.Size([])
        >>> diffusion.sample([3, 2], generator=torch.Generator().manual_seed(0)).pos.shape
        torch.Size([5, 3])
    """

    def __init__(
        self, denoiser: nn.Module, in_scalar: int, dim: int = 3, schedule: NoiseSchedule | None = None
    ) -> None:
        super().__init__()
        for name, value, least in (("in_scalar", in_scalar, 0), ("dim", dim, 1)):
            if value < least:
                raise ValueError(f"EquivariantDiffusion({name}): a whole number from {least}, got {value}")
        self.denoiser, self.in_scalar, self.dim = denoiser, in_scalar, dim
        self.schedule = polynomial_schedule() if schedule is None else schedule
        self.symmetry = _promises(denoiser)

    @property
    def num_steps(self) -> int:
        """T, the steps from data to noise."""
        return self.schedule.num_steps

    def forward(
        self,
        x: Float[Tensor, "nodes features"],
        pos: Float[Tensor, "nodes dim"],
        step: Int[Tensor, " graphs"],
        batch: Int[Tensor, " nodes"],
    ) -> Noise:
        """The noise that the network sees.

        Args:
            x: noisy features.
            pos: noisy positions; where the centre of a cloud lies does not matter.
            step: how far each cloud has diffused, from 0 to T.
            batch: the cloud of each node, ascending.
        """
        self._check(x, pos, batch, step)
        graphs = len(step)
        level = (step.to(pos.dtype) / self.num_steps)[batch]
        z = remove_mean(pos, batch, graphs)
        scalar, vector = self.denoiser(torch.cat([x, level[:, None]], 1), z, None, batch)[:2]
        expected = (len(pos), 1, self.dim)
        if vector is None or tuple(vector.shape) != expected or tuple(scalar.shape) != tuple(x.shape):
            got = tuple(scalar.shape), None if vector is None else tuple(vector.shape)
            raise TypeError(f"EquivariantDiffusion(denoiser): returns {tuple(x.shape)} and {expected}, got {got}")
        return Noise(scalar, remove_mean(vector[:, 0], batch, graphs))

    def loss(
        self,
        x: Float[Tensor, "nodes features"],
        pos: Float[Tensor, "nodes dim"],
        batch: Int[Tensor, " nodes"] | None = None,
        *,
        step: Int[Tensor, " graphs"] | None = None,
        noise: Noise | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """The squared error of the noise, mean over the numbers of a cloud, then over clouds.

        Args:
            x: features of clean clouds.
            pos: their positions, anywhere.
            batch: the cloud of each node, ascending, none without nodes; one cloud by default.
            step: how far each cloud is to diffuse; drawn from all by default.
            noise: what is added; drawn by default. On positions it is centred.
            generator: torch's own if None.
        """
        if batch is None:
            batch = torch.zeros(len(pos), dtype=torch.long, device=pos.device)
        self._check(x, pos, batch, step)
        graphs = (int(batch[-1]) + 1 if len(batch) else 0) if step is None else len(step)
        size = torch.bincount(batch, minlength=graphs)
        if not graphs or not bool(size.all()):
            raise ValueError(f"batch: clouds of one point or more, got sizes {size.tolist()[:10]}")
        if step is None:
            where = pos.device if generator is None else generator.device
            step = torch.randint(self.num_steps + 1, (graphs,), generator=generator, device=where).to(pos.device)
        if noise is None:
            noise = self.noise(batch, graphs, pos.dtype, generator)
        if noise.x.shape != x.shape or noise.pos.shape != pos.shape:
            got = f"{tuple(noise.x.shape)} and {tuple(noise.pos.shape)}"
            raise ValueError(f"noise: shapes {tuple(x.shape)} and {tuple(pos.shape)}, got {got}")
        alpha, sigma = (f(step).to(pos.dtype)[batch, None] for f in (self.schedule.alpha, self.schedule.sigma))
        clean, added = remove_mean(pos, batch, graphs), remove_mean(noise.pos, batch, graphs)
        found = self(alpha * x + sigma * noise.x, alpha * clean + sigma * added, step, batch)
        error = (found.x - noise.x).square().sum(1) + (found.pos - added).square().sum(1)
        per_graph = error.new_zeros(graphs).index_add(0, batch, error) / size
        return per_graph.mean() / (self.in_scalar + self.dim)

    @torch.no_grad()
    def sample(
        self,
        num_nodes: Sequence[int] | Int[Tensor, " graphs"],
        *,
        num_steps: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Clouds:
        """Clouds from noise. The network is used in the mode it is in: call ``eval()`` first.

        Args:
            num_nodes: points of each cloud, one or more.
            num_steps: evaluations of the network before the last one; fewer than T take strides of about equal length.
            generator: torch's own if None.

        Raises:
            SamplingDiverged: if a state is not finite: what the network says grows without bounds.
            ValueError: if a cloud has no point, or there are more than T or no steps.
        """
        weight = next((p for p in self.denoiser.parameters() if p.is_floating_point()), torch.empty(0))
        size = torch.as_tensor(num_nodes, device=weight.device)
        whole = size.numel() and not (size.is_floating_point() or size.is_complex() or size.dtype == torch.bool)
        if size.ndim != 1 or not whole or int(size.min()) < 1:
            raise ValueError(
                f"sample(num_nodes): whole numbers from 1, got {size.tolist()[:10] if size.ndim else size}"
            )
        graphs, batch = len(size), torch.arange(len(size), device=size.device).repeat_interleave(size)
        path = self._path(self.num_steps if num_steps is None else num_steps)
        x, pos = self.noise(batch, graphs, weight.dtype, generator)
        for step, earlier in itertools.pairwise(path):
            found = self(x, pos, step.expand(graphs).to(size.device), batch)
            a, b, c = (value.item() for value in self.schedule.back(step, earlier))
            fresh = self.noise(batch, graphs, weight.dtype, generator)
            x = a * x - b * found.x + c * fresh.x
            # Rounding moves the centre by a little at each step: without this it would drift.
            pos = remove_mean(a * pos - b * found.pos + c * fresh.pos, batch, graphs)
            if not bool(x.isfinite().all() and pos.isfinite().all()):
                raise SamplingDiverged(f"the state at step {int(earlier)} of {self.num_steps} is not finite")
        found = self(x, pos, path[-1].expand(graphs).to(size.device), batch)
        alpha, sigma = self.schedule.alpha(path[-1]).item(), self.schedule.sigma(path[-1]).item()
        clean = remove_mean((pos - sigma * found.pos) / alpha, batch, graphs)
        return Clouds((x - sigma * found.x) / alpha, clean, batch)

    def noise(
        self, batch: Tensor, num_graphs: int, dtype: torch.dtype, generator: torch.Generator | None = None
    ) -> Noise:
        """Noise for clouds, as training and sampling draw it."""
        x = normal((len(batch), self.in_scalar), batch.device, dtype, generator)
        pos = zero_mean_noise(batch, self.dim, num_graphs=num_graphs, dtype=dtype, generator=generator)
        return Noise(x, pos)

    def _path(self, num_steps: int) -> Tensor:
        """Steps from T to 0, in strides."""
        if not 1 <= num_steps <= self.num_steps:
            raise ValueError(f"sample(num_steps): from 1 to {self.num_steps}, got {num_steps}")
        return torch.linspace(self.num_steps, 0, num_steps + 1, dtype=torch.float64).round().long()

    def _check(self, x: Tensor, pos: Tensor, batch: Tensor, step: Tensor | None) -> None:
        if pos.ndim != 2 or pos.shape[1] != self.dim or not pos.is_floating_point():
            raise ValueError(f"pos: floating point, shape (nodes, {self.dim}), got {pos.dtype} {tuple(pos.shape)}")
        if tuple(x.shape) != (len(pos), self.in_scalar) or x.dtype != pos.dtype:
            raise ValueError(f"x: shape {(len(pos), self.in_scalar)} of {pos.dtype}, got {tuple(x.shape)} of {x.dtype}")
        if tuple(batch.shape) != (len(pos),) or batch.dtype != torch.long:
            raise ValueError(f"batch: torch.int64, shape ({len(pos)},), got {batch.dtype} {tuple(batch.shape)}")
        if bool((batch[1:] < batch[:-1]).any()) or (len(batch) and int(batch[0]) < 0):
            raise ValueError("batch: ascending numbers from 0; sort the nodes by their cloud")
        clouds = int(batch[-1]) + 1 if len(batch) else 0
        if step is not None and (step.ndim != 1 or clouds > len(step) or step.is_floating_point()):
            got = f"{step.dtype} of shape {tuple(step.shape)}"
            raise ValueError(f"step: one whole number for each cloud, got {got} for {clouds} clouds")
        if step is not None and step.numel() and not 0 <= int(step.min()) <= int(step.max()) <= self.num_steps:
            raise ValueError(f"step: from 0 to {self.num_steps}, got {int(step.min())} to {int(step.max())}")
        for name, value in (("pos", pos), ("x", x)):
            if not bool(value.isfinite().all()):
                raise ValueError(f"{name}: finite numbers, got {value[~value.isfinite()][0].item()}")


def _promises(denoiser: nn.Module) -> Symmetry | tuple[Symmetry, ...] | None:
    """What the denoiser promises, for `forward`."""
    given = getattr(denoiser, "symmetry", None)
    if given is None:
        return None
    return _promise(given) if isinstance(given, Symmetry) else tuple(map(_promise, given))


def _promise(given: Symmetry) -> Symmetry:
    """The promise of a network on points, with a step in place of edges and one vector that has no axis of its own."""
    factors = given.group.factors if isinstance(given.group, Product) else (given.group,)
    nodes = next((group for group in factors if isinstance(group, Symmetric)), None)
    space = [group for group in factors if group is not nodes]
    if nodes is None or len(space) > 1:
        raise ValueError(f"EquivariantDiffusion(denoiser): promises for nodes and one group of space, got {given}")
    inside: Action = Nodes(nodes)
    place, shift = (inside & Points(space[0]), inside & Vector(space[0])) if space else (inside, inside)
    return given.replace(inputs=(inside, place, Fixed(), BatchVector(nodes)), output=(inside, shift))
