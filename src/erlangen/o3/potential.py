"""An interatomic potential made of Gaunt products: energies, and forces as their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from erlangen.groups import E, Nodes, Points, Scalar, Symmetric, Symmetry, Vector
from erlangen.neighbours import radius_graph
from erlangen.o3.convolution import GauntConv
from erlangen.o3.many_body import GauntManyBody
from erlangen.o3.mixing import DegreeLinear
from erlangen.o3.radial import RadialNetwork

MakeManyBody = Callable[[str, str, int, int], nn.Module]


class GauntPotential(nn.Module):
    r"""A potential of MACE's kind whose products are Gaunt products.

    Atoms carry channels of functions on the sphere. In each layer a node sums its neighbours' functions times filters
    along the edges (:class:`GauntConv`), mixes channels, and takes powers (:class:`GauntManyBody`):

    .. math::
        A_i = \frac{1}{\sqrt{\lambda}} W \sum_{j \to i} x_j \odot f_{ij}, \qquad
        x_i \leftarrow W \sum_{n=1}^{\nu} w^{(n)}_{z_i} P[A_i^n] + W x_i, \qquad
        E = \sum_i \Big( E_{z_i} + \sigma \sum_{\text{layers}} \text{readout}(x_i) \Big)

    and forces are :math:`F_i = -\partial E / \partial x_i`. It starts from :math:`x_i` = an embedding of the element.
    Energies are smooth where atoms come within the cutoff: filters end there with zero slope and curvature. An atom
    without neighbours has the energy of its kind, and some constant.

    Args:
        elements: atomic numbers it knows.
        cutoff: radius of the neighbourhood, in the unit of the positions (Angstrom).
        channels: of each irrep.
        lmax: largest degree of functions and filters.
        correlation: largest power, :math:`\nu`; ``correlation + 1`` atoms meet in one term.
        num_layers: rounds of messages.
        num_radial: Bessel functions of the distance.
        hidden: width of radial networks and of the last read-out.
        neighbours: the mean number of neighbours, :math:`\lambda`, that sums are scaled by.
        references: energies :math:`E_z` of single atoms by atomic number; zero by default. Constants, no parameters.
        scale: :math:`\sigma`, about the size of forces (eV/Angstrom).
        many_body: makes the step that takes powers, from irreps in, irreps out, correlation and number of elements;
            :class:`GauntManyBody` by default.

    Raises:
        ValueError: when an argument has no meaning; when called, for an unknown element or atoms at the same place.

    Source: Batatia, Kovacs, Simm, Ortner, Csanyi, "MACE: Higher Order Equivariant Message Passing Neural Networks for
    Fast and Accurate Force Fields", 2022; Luo, Chen, Krishnapriyan, "Enabling Efficient Equivariant Operations in the
    Fourier Basis via Gaunt Tensor Products", 2024.

    Example:
        >>> potential = GauntPotential(elements=[1, 8], cutoff=3.0).eval()
        >>> water = torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
        >>> energy, forces = potential(water, torch.tensor([8, 1, 1]))
        >>> energy.shape, forces.shape, float(forces.sum(0).abs().max()) < 1e-5
        (torch.Size([1]), torch.Size([3, 3]), True)
    """

    def __init__(
        self,
        elements: Sequence[int],
        cutoff: float,
        channels: int = 16,
        lmax: int = 2,
        correlation: int = 3,
        num_layers: int = 1,
        num_radial: int = 6,
        hidden: int = 32,
        neighbours: float = 10.0,
        references: Mapping[int, float] | None = None,
        scale: float = 1.0,
        many_body: MakeManyBody = GauntManyBody,
    ) -> None:
        super().__init__()
        elements = sorted(set(elements))
        if not elements or min(elements) < 1:
            raise ValueError(f"GauntPotential(elements): atomic numbers from 1, got {elements}")
        for name, value in (("cutoff", cutoff), ("neighbours", neighbours), ("scale", scale)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"GauntPotential({name}): a positive number, got {value}")
        sizes = {"channels": channels, "num_layers": num_layers, "num_radial": num_radial, "hidden": hidden}
        for name, least, value in (("lmax", 0, lmax), *((name, 1, value) for name, value in sizes.items())):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"GauntPotential({name}): a whole number from {least}, got {value!r}")
        self.elements, self.cutoff = tuple(elements), float(cutoff)
        references = references or {}
        missing = [z for z in elements if z not in references] if references else []
        if missing:
            raise ValueError(f"GauntPotential(references): an energy for each element, got none for {missing[0]}")
        strange = [z for z in elements if not math.isfinite(references.get(z, 0.0))]
        if strange:
            raise ValueError(f"GauntPotential(references): finite, got {references[strange[0]]} for {strange[0]}")
        kind = torch.full((max(elements) + 1,), -1)
        kind[elements] = torch.arange(len(elements))
        self.register_buffer("kind", kind, persistent=False)
        energies = [references.get(z, 0.0) for z in elements]
        self.register_buffer("references", torch.tensor(energies, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        # In the state, so that weights are not loaded into a potential of other atoms or neighbourhoods.
        self.register_buffer("domain", torch.tensor([self.cutoff, *self.elements], dtype=torch.float64))
        self.embedding = nn.Embedding(len(elements), channels)
        self.layers = nn.ModuleList()
        scalars = f"{channels}x0e"
        for layer in range(num_layers):
            first, last = layer == 0, layer == num_layers - 1
            whole = "+".join(f"{channels}x{l}{'eo'[l % 2]}" for l in range(lmax + 1))
            self.layers.append(
                _Layer(
                    scalars if first else whole,
                    whole,
                    scalars if last else whole,
                    RadialNetwork(cutoff, num_radial, hidden, channels * (lmax + 1)),
                    many_body(whole, scalars if last else whole, correlation, len(elements)),
                    neighbours,
                )
            )
        plain = [nn.Linear(channels, 1, bias=False) for _ in range(num_layers - 1)]
        deep = nn.Sequential(nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, 1))
        self.readouts = nn.ModuleList([*plain, deep])
        self.channels = channels
        atoms = Symmetric("atoms")
        self.symmetry = Symmetry(
            atoms * E(3),
            (Nodes(atoms) & Points(E(3)), Nodes(atoms, features=0)),
            (Scalar(atoms * E(3)), Nodes(atoms) & Vector(E(3))),
        )

    def forward(
        self,
        position: Float[Tensor, "atoms 3"],
        numbers: Int[Tensor, " atoms"],
        batch: Int[Tensor, " atoms"] | None = None,
        edge_index: Int[Tensor, "2 edges"] | None = None,
        shift: Float[Tensor, "edges 3"] | None = None,
        num_systems: int | None = None,
    ) -> tuple[Float[Tensor, " systems"], Float[Tensor, "atoms 3"]]:
        """Energies and forces.

        Args:
            position: positions.
            numbers: atomic numbers.
            batch: the system of each atom; one system by default.
            edge_index: edges from sources to targets, as of :func:`erlangen.neighbours.radius_graph`; by default found
                here, in open space.
            shift: what to add to the position of each source, in periodic cells.
            num_systems: how many systems there are; by default as many as ``batch`` names.

        Returns:
            The energy of every system in float64, and the force on every atom in the dtype of the positions; with
            gradients, to the weights and to the positions, while training or where the positions want them.

        Raises:
            TypeError: when the positions are not float32 or float64: neighbours would be told apart too coarsely.
        """
        if position.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"position: float32 or float64, got {position.dtype}")
        keep = torch.is_grad_enabled() and (self.training or position.requires_grad)
        if edge_index is None:
            edge_index = radius_graph(position, self.cutoff, batch)
        if batch is None:
            batch, num_systems = torch.zeros_like(numbers), num_systems or 1
        if num_systems is None:
            num_systems = int(batch.max()) + 1 if len(batch) else 0
        # Forces are derivatives, wherever they are asked for: also where others have switched derivatives off.
        with torch.inference_mode(False), torch.enable_grad():
            position, numbers, batch, edge_index = map(_recordable, (position, numbers, batch, edge_index))
            place = position if position.requires_grad else position.detach().requires_grad_(True)
            vectors = place[edge_index[0]] - place[edge_index[1]]
            vectors = vectors if shift is None else vectors + _recordable(shift)
            energy = self.energy(vectors, self.kinds(numbers), edge_index, batch, num_systems)
            (slope,) = torch.autograd.grad(  # without any edge nothing depends on places
                energy.sum(), place, create_graph=keep, materialize_grads=True
            )
        return (energy if keep else energy.detach()), -slope

    def kinds(self, numbers: Int[Tensor, " atoms"]) -> Int[Tensor, " atoms"]:
        """The place of each atom's element among ``elements``."""
        kind = self.get_buffer("kind")
        known = (numbers > 0) & (numbers < len(kind))
        found = torch.where(known, kind[numbers.clamp(0, len(kind) - 1)], -1)
        if bool((found < 0).any()):
            stranger = int(numbers[found < 0][0])
            raise ValueError(f"numbers: one of the elements {list(self.elements)}, got {stranger}")
        return found

    def energy(self, vectors: Tensor, kinds: Tensor, edge_index: Tensor, batch: Tensor, num_systems: int) -> Tensor:
        """Energies from the vectors to the neighbours; the part that compiles and exports.

        Args:
            vectors: from each edge's target to its source, ``(edges, 3)``.
            kinds: places of elements, as :meth:`kinds` gives, ``(atoms,)``.
            edge_index: edges, ``(2, edges)``.
            batch: the system of each atom, ``(atoms,)``.
            num_systems: how many systems there are.

        Returns:
            Shape ``(systems,)``, float64 whatever the dtype of the vectors.
        """
        one_hot = nn.functional.one_hot(kinds, len(self.elements)).to(vectors.dtype)
        distance = vectors.square().sum(-1, keepdim=True).sqrt()
        x: Tensor = self.embedding(kinds)
        atomic = vectors.new_zeros(kinds.shape[0])
        for layer, readout in zip(self.layers, self.readouts, strict=True):
            x = layer(x, one_hot, edge_index, vectors, distance)
            atomic = atomic + readout(x[:, : self.channels])[:, 0]
        # Total energies are thousands of eV: in float32 the part that matters would be lost in them.
        atomic = self.get_buffer("scale").double() * atomic.double() + self.get_buffer("references").double()[kinds]
        return atomic.new_zeros(num_systems).index_add(0, batch, atomic)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        given, own = state_dict.get(f"{prefix}domain"), self.get_buffer("domain")
        if given is not None and not torch.equal(given.to(own), own):
            cutoff, *elements = given.tolist()
            raise ValueError(
                f"state_dict: of a potential for elements {list(self.elements)} with cutoff {self.cutoff}, got one for "
                f"elements {[int(z) for z in elements]} with cutoff {cutoff}"
            )
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> GauntPotential:
        # Energies of atoms stay in float64 whatever the weights are in: they are large, and only added.
        exact = {name: self.get_buffer(name) for name in ("references", "scale", "domain")}
        super()._apply(fn, recurse)
        for name, value in exact.items():
            setattr(self, name, value.to(self.get_buffer(name).device))
        return self

    def calculator(self, **settings: Any) -> Any:
        """The potential for ASE, see :class:`erlangen.o3.calculator.PotentialCalculator`.

        Raises:
            MissingExtra: if ase is not installed.
        """
        from erlangen.o3.calculator import PotentialCalculator

        return PotentialCalculator(self, **settings)


def _recordable(x: Tensor) -> Tensor:
    """A tensor that derivatives can be taken through: one made in inference mode is copied."""
    return x.clone() if x.is_inference() else x


class _Layer(nn.Module):
    def __init__(
        self, irreps_in: str, irreps: str, irreps_out: str, radial: nn.Module, many_body: nn.Module, neighbours: float
    ) -> None:
        super().__init__()
        lmax = irreps.count("x") - 1
        harmonics = "+".join(f"1x{l}{'eo'[l % 2]}" for l in range(lmax + 1))
        self.up = DegreeLinear(irreps_in, irreps_in)
        self.convolution = GauntConv(irreps_in, harmonics, irreps, radial)
        self.mix = DegreeLinear(irreps, irreps)
        self.many_body = many_body
        self.down = DegreeLinear(irreps_out, irreps_out)
        both = irreps_in if irreps_in.count("x") <= irreps_out.count("x") else irreps_out
        self.skip = DegreeLinear(irreps_in, both)
        self.divisor = math.sqrt(neighbours)

    def forward(self, x: Tensor, one_hot: Tensor, edge_index: Tensor, vectors: Tensor, distance: Tensor) -> Tensor:
        a = self.mix(self.convolution(self.up(x), edge_index, vectors, distance)) / self.divisor
        z, old = self.down(self.many_body(a, one_hot)), self.skip(x)
        return torch.cat([z[:, : old.shape[1]] + old, z[:, old.shape[1] :]], -1)
