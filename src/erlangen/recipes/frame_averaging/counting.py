"""Counting the pairs of different small graphs that random networks take for the same.

Every graph gets ten numbers from a randomly initialised network. Two graphs are undistinguished when these differ by
less than 0.001 in sum, for every one of many networks. Frames are whole here: with a random element of the frame even
two copies of one graph would differ. Copies with relabelled nodes are the control. Computed in float64.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor, nn

from erlangen.audit import audit
from erlangen.data import SOURCES, data_root, look
from erlangen.data.small_graphs import load_graph7c, load_graph8c
from erlangen.groups import Nodes, Scalar, Symmetric, Symmetry
from erlangen.recipes.frame_averaging.graph_networks import GIN, FlatMLP
from erlangen.recipes.frame_averaging.orderings import Orderings, orderings
from erlangen.recipes.frame_averaging.refinement import pairs_alike, refined
from erlangen.recipes.frame_averaging.settings import Config
from erlangen.recipes.seeds import Tick
from erlangen.symmetrize import SpectralFrame, symmetrize

NETWORKS = {
    "gin": "GIN",
    "gin_zero": "GIN, eps = 0",
    "fa": "FA-GIN+ID",
    "fa_zero": "FA-GIN+ID, eps = 0",
    "mlp": "FA-MLP",
}

GROUP = Symmetric("n")
NEAR = 1e-3
EQUAL = 1e-9  # what rounding leaves of no difference
CONTROLS = 100
PART = 4096  # matrices at a time

Embed = Callable[[int, Tensor], Tensor]  # number of the random network, graphs -> ten numbers each


@dataclass
class Counted:
    """What one seed counted."""

    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # of the first random network, on all graphs
    controls: dict[str, float] = field(default_factory=dict)
    listing: float = 0.0  # between the mean over different matrices and the average over the frame
    audits: list[dict[str, Any]] = field(default_factory=list)
    frames: str = ""


def source(config: Config) -> str:
    """``"graph8c"`` where it is asked for and its file is there, else ``"graph7c"``."""
    there = look(SOURCES["graph8c"], data_root(config.data)).there
    return "graph8c" if config.small_graphs == "graph8c" and there else "graph7c"


def load_graphs(config: Config) -> Tensor:
    """The graphs to tell apart.

    Raises:
        MissingDataError: If the file of GRAPH8c is there and broken.
    """
    return load_graph8c(config.data) if source(config) == "graph8c" else load_graph7c()


def frames_of(graphs: Tensor) -> Orderings:
    """The different matrices in the frame of every graph."""
    return orderings(graphs, SpectralFrame(GROUP).ranks(graphs))


def random_network(name: str, nodes: int, seed: int) -> nn.Module:
    """A randomly initialised network, float64, with tanh and sums over nodes; eps is 0 where the name says zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "mlp":
            network: nn.Module = FlatMLP(nodes, 1, (128, 64, 10), "tanh")
        else:
            identified = nodes if name.startswith("fa") else 0
            network = GIN(1, (10,), identified=identified, activation="tanh", pool="sum")
            if name.endswith("zero"):
                nn.init.zeros_(network.eps)
    return network.double().requires_grad_(False)


def embed(network: nn.Module, adjacency: Tensor, device: str = "cpu") -> Tensor:
    """The network's numbers for matrices as they are, with degrees as features, ``(matrices, 10)``."""
    network, outputs = network.to(device), []
    for part in adjacency.split(PART):
        part = part.to(device, torch.float64)
        features = part.sum(-1, keepdim=True)
        outputs.append(network(part, features, torch.zeros_like(features)).cpu())
    return torch.cat(outputs)


def embedding(name: str, graphs: Tensor, frames: Orderings, seed: int, device: str = "cpu") -> Embed:
    """The numbers of graphs under a random network, averaged over whole frames where the network is not invariant."""
    nodes = graphs.shape[1]

    def numbers(index: int, chosen: Tensor) -> Tensor:
        network = random_network(name, nodes, 10_000 * seed + index)
        if name.startswith("gin"):
            return embed(network, graphs[chosen], device)
        some = frames.of(chosen)
        return some.mean(embed(network, some.adjacency, device))

    return numbers


def undistinguished(first: Tensor, numbers: Embed, networks: int, near: float = NEAR) -> tuple[Tensor, Tensor]:
    """Pairs of graphs whose numbers differ by less than ``near`` (in sum) under every network.

    Args:
        first: The numbers of all graphs under the first network.
        numbers: Those of some graphs under the others.
        networks: Number of random networks.
        near: When two are the same.

    Returns:
        The pairs, ``(pairs, 2)``, and the largest difference of each, ``(pairs,)``.
    """
    found = KDTree(first.numpy()).query_pairs(np.nextafter(near, 0), p=1, output_type="ndarray")
    pairs = torch.from_numpy(found).long().reshape(-1, 2)
    largest = (first[pairs[:, 0]] - first[pairs[:, 1]]).abs().sum(-1)
    for index in range(1, networks):
        if len(pairs) == 0:
            break
        chosen, where = pairs.unique(return_inverse=True)
        values = numbers(index, chosen)
        largest = torch.maximum(largest, (values[where[:, 0]] - values[where[:, 1]]).abs().sum(-1))
        pairs, largest = pairs[largest < near], largest[largest < near]
    return pairs, largest


def count(config: Config, seed: int, tick: Tick) -> Counted:
    """Counts for every network of one seed."""
    graphs = load_graphs(config)
    frames = frames_of(graphs)
    some = _controls(frames, seed)
    relabelled = _relabelled(graphs[some], seed)
    relabelled_frames = frames_of(relabelled)
    counted = Counted(frames=_describe(frames))
    counted.metrics["refinement"] = float(pairs_alike(refined(graphs)))
    for name in NETWORKS:
        numbers = embedding(name, graphs, frames, seed, config.device)
        started = time.perf_counter()
        first = numbers(0, torch.arange(len(graphs)))
        counted.seconds[name] = time.perf_counter() - started
        pairs, largest = undistinguished(first, numbers, config.graph_inits)
        counted.metrics[name] = float(len(pairs))
        counted.metrics[f"{name}_equal"] = float((largest < EQUAL).sum())
        copies = embedding(name, relabelled, relabelled_frames, seed, config.device)
        change = copies(0, torch.arange(len(some))) - first[some]
        counted.controls[name] = float(change.abs().sum(-1).max())
        tick()
    _identities(counted, graphs, frames, seed)
    return counted


def _controls(frames: Orderings, seed: int) -> Tensor:
    """Some graphs: the ten of the largest frames, and others at random."""
    large = frames.sizes.argsort(descending=True)[:10]
    order = torch.randperm(len(frames.sizes), generator=torch.Generator().manual_seed(seed))
    return torch.cat([large, order[~torch.isin(order, large)][: CONTROLS - 10]])


def _relabelled(graphs: Tensor, seed: int) -> Tensor:
    g = Symmetric(graphs.shape[1]).sample(len(graphs), generator=torch.Generator().manual_seed(seed))
    return Nodes(GROUP, order=2, features=0)(g, graphs)


def _describe(frames: Orderings) -> str:
    sizes = frames.sizes.double()
    return (
        f"Frames of {len(sizes)} graphs: {int(sizes.median())} elements in the median, {float(sizes.mean()):.2f} in "
        f"the mean, {int(sizes.max())} at most; all whole, in {len(frames.graph)} different matrices"
    )


def _identities(counted: Counted, graphs: Tensor, frames: Orderings, seed: int) -> None:
    """Compares with the library's own average, and audits it, on some graphs of small frames."""
    small = (frames.sizes <= 24).nonzero()[:, 0]
    small = small[torch.randperm(len(small), generator=torch.Generator().manual_seed(seed))[:16]]
    adjacency = graphs[small].double()
    features = adjacency.sum(-1, keepdim=True)
    nodes = Nodes(GROUP)
    promise = Symmetry(GROUP, (Nodes(GROUP, order=2, features=0), nodes, nodes), Scalar(GROUP))
    inputs = (adjacency, features, torch.zeros_like(features))
    for name, title in (("gin", "GIN"), ("fa", "FA-GIN+ID"), ("mlp", "FA-MLP")):
        network = random_network(name, graphs.shape[1], 10_000 * seed)
        if name == "gin":
            reports = {title: audit(network, *inputs, symmetry=promise)}
        else:
            average = symmetrize(network, promise, SpectralFrame(GROUP))
            listed = embedding(name, graphs, frames, seed)(0, small)
            counted.listing = max(counted.listing, float((average(*inputs) - listed).abs().max()))
            bare = title.removeprefix("FA-")
            reports = {title: audit(average, *inputs), bare: audit(network, *inputs, symmetry=promise)}
        counted.audits += [{"name": f"relabelling: {key}"} | report.to_dict() for key, report in reports.items()]
