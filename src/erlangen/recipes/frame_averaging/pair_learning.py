"""Learning to tell the two graphs of a pair apart, where colour refinement sees no difference.

All methods get the same pairs, split and order of batches; the two identified ones begin with the same weights.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from erlangen.data import SOURCES, data_root, look
from erlangen.data.graph_pairs import GraphPairs, cycle_pairs, load_exp
from erlangen.groups import Nodes, Scalar, Symmetric, Symmetry
from erlangen.recipes.frame_averaging.graph_networks import GIN, FlatMLP
from erlangen.recipes.frame_averaging.settings import Config
from erlangen.recipes.seeds import Tick
from erlangen.symmetrize import SortFrame, SpectralFrame, symmetrize
from erlangen.train import fit

METHODS = {
    "gin": "GIN",
    "ga": "GA-GIN+ID (any order)",
    "fa": "FA-GIN+ID (frame)",
    "mlp": "FA-MLP (frame)",
}

GROUP = Symmetric("n")
PROMISE = Symmetry(GROUP, (Nodes(GROUP, order=2, features=0), Nodes(GROUP), Nodes(GROUP)), Scalar(GROUP))
BATCH = 100
DRAWS = 10
WIDTHS = (2048, 4096, 2048, 10, 1)  # of the MLP

Inputs = tuple[Tensor, Tensor, Tensor]  # adjacency, features, place: see `GIN.forward`


@dataclass
class Learned:
    """What one seed learned: metrics, validation accuracy per epoch and seconds of training of each method."""

    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)


def source(config: Config) -> str:
    """``"exp"`` where its file is, else ``"cycles"``."""
    return "exp" if look(SOURCES["exp"], data_root(config.data)).there else "cycles"


def load_pairs(config: Config) -> GraphPairs:
    """The pairs to learn from.

    Raises:
        MissingDataError: If the file of EXP is there and broken.
        ValueError: If it holds fewer pairs than the config asks for.
    """
    graphs = 2 * config.graph_pairs
    if source(config) == "cycles":
        return cycle_pairs(graphs)
    pairs = load_exp(config.data)
    if len(pairs.labels) < graphs:
        raise ValueError(f"graph_pairs is {config.graph_pairs}; EXP has {len(pairs.labels) // 2}")
    return pairs.first(graphs)


def methods(config: Config) -> list[str]:
    """Those that a config trains."""
    return [name for name in METHODS if name != "mlp" or config.graph_mlp]


def steps(config: Config) -> int:
    """Training steps of one seed."""
    training = 2 * (config.graph_pairs - 2 * (config.graph_pairs // 6))
    return len(methods(config)) * config.graph_epochs * -(-training // BATCH)


def spectral_ranks(pairs: GraphPairs) -> Tensor:
    """The place of each node after sorting by its bit, then its spectrum; equal nodes share one, ``(graphs, n)``."""
    frame = SpectralFrame(GROUP, features=1, sizes_input=2)
    return torch.cat([frame.ranks(*part) for part in zip(*(t.split(BATCH) for t in pairs[:3]), strict=True)])


def place(pairs: GraphPairs, ranks: Tensor) -> Tensor:
    """Ranks as a feature of the nodes, ``n`` for padding, ``(graphs, n, 1)``."""
    n = ranks.shape[1]
    return torch.where(torch.arange(n) < pairs.sizes[:, None], ranks, n)[..., None]


def split(pairs: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of graphs for training, validation and test; four sixths, one and one of the pairs, each kept together.

    >>> [sorted(part.tolist()) for part in split(6, seed=0)][1:]
    [[10, 11], [4, 5]]
    """
    order = torch.randperm(pairs, generator=torch.Generator().manual_seed(seed))
    held = pairs // 6
    test, val, train = order[:held], order[held : 2 * held], order[2 * held :]
    return tuple(torch.stack([2 * part, 2 * part + 1], 1).flatten() for part in (train, val, test))  # type: ignore[return-value]


def learn(config: Config, seed: int, tick: Tick) -> Learned:
    """Trains and tests every method of one seed."""
    pairs = load_pairs(config)
    features = torch.cat([pairs.bits, pairs.adjacency.sum(-1, keepdim=True)], -1)
    n = features.shape[1]
    spectral = spectral_ranks(pairs)
    places = {"spectral": place(pairs, spectral), "equal": place(pairs, torch.zeros_like(spectral))}
    train, val, test = split(config.graph_pairs, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        identified = GIN(2, (10, 1), identified=n)
        networks: dict[str, nn.Module] = {"gin": GIN(2, (10, 1)), "ga": copy.deepcopy(identified), "fa": identified}
        if config.graph_mlp:
            networks["mlp"] = FlatMLP(n, 2, WIDTHS)
    learned = Learned()
    for name, network in networks.items():
        # Sorting by equal places is no sorting: a draw is then any order of the nodes, the group average's.
        inputs = (pairs.adjacency, features, places["equal" if name in ("gin", "ga") else "spectral"])
        columns = tuple(tensor.to(config.device) for tensor in (*inputs, pairs.labels))
        network = network.to(config.device)
        model = network if name == "gin" else drawn(network, 1)
        fitted = fit(
            model,
            tuple(column[train] for column in columns),
            _loss,
            val_data=tuple(column[val] for column in columns),
            metrics=_accuracy,
            epochs=config.graph_epochs,
            batch_size=BATCH,
            lr=1e-3,
            seed=seed,
            progress=tick,
            **config.fit_options("graph-separation", seed, name),
        )
        learned.curves[name] = [float(row["val_accuracy"]) for row in fitted.history]
        learned.seconds[name] = fitted.seconds
        learned.weights[name] = sum(parameter.numel() for parameter in network.parameters())
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            batch = tuple(column[test] for column in columns)
            single = [_accuracy(model, batch)["accuracy"] for _ in range(DRAWS)]
            many = model if name == "gin" else drawn(network, DRAWS)
            learned.metrics[name] = float(torch.stack(single).mean())
            learned.metrics[f"{name}_ten"] = float(_accuracy(many, batch)["accuracy"])
    return learned


def drawn(network: nn.Module, draws: int) -> nn.Module:
    """A network averaged over random orders that sort the nodes by their places, drawn anew at every call."""
    return symmetrize(network, PROMISE, SortFrame(GROUP, rows=2, draws=draws))


def _loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(model(*batch[:3])[:, 0], batch[3])


def _accuracy(model: nn.Module, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
    return {"accuracy": ((model(*batch[:3])[:, 0] > 0) == (batch[3] > 0)).double().mean()}
