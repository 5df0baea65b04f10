"""Sampled molecules at size smoke; the networks against loops; what is counted and drawn."""

import pytest
import torch

from erlangen.data.bonds import bond_orders, stable_atoms
from erlangen.generative import EquivariantDiffusion, SamplingDiverged
from erlangen.points import PONITA, PointOutput
from erlangen.recipes.config import ConfigError
from erlangen.recipes.ponita import Config
from erlangen.recipes.ponita.denoisers import DenoisingEGNN, LevelOnEdges
from erlangen.recipes.ponita.generation import (
    CLAIMS,
    ENCODING,
    METHODS,
    REFERENCES,
    flattened,
    run,
    sampled,
    turned_loss,
)
from erlangen.report import judge_claims
from erlangen.train import AveragedWeights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("generation")


@pytest.fixture(scope="module")
def found(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERLANGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return run(Config(size="smoke", experiment="generation", out=folder))


def test_it_measures_what_it_claims_and_its_checks_pass(found, folder):
    verdicts = [verdict for _, verdict in judge_claims(CLAIMS, {"generation": found.metrics})]
    assert len(verdicts) == len(CLAIMS) and all(verdict.effect is not None for verdict in verdicts)
    assert len(found.checks) == 3 and [check for check in found.checks if not check.passed] == []
    assert {file.name for file in folder.iterdir() if file.is_file()} == set(found.figures)
    assert all(file.stat().st_size < 100_000 for file in folder.glob("*.png"))
    assert [row[0] for row in found.tables[0].rows][:3] == [method.title for method in METHODS.values()]
    assert len(found.tables[0].rows) == len(METHODS) + len(REFERENCES)


def test_true_molecules_are_stable_and_shaken_or_scattered_ones_less(found):
    metrics = found.metrics
    for training, shaken, places in zip(*(metrics[name] for name in REFERENCES), strict=True):
        assert training > 0.95 and training > shaken > places
    assert metrics["training_novel"] == [0.0, 0.0] and metrics["training_unique"] == [1.0, 1.0]
    assert metrics["training_molecules"][0] == metrics["training_molecules"][1]


def test_only_the_grid_lets_a_turned_molecule_look_different(found):
    for name, method in METHODS.items():
        assert (max(found.metrics[f"{name}_disagreement"]) < 1e-4) == method.exact


BATCH = torch.tensor([0, 0, 0, 1, 2, 2])


def cloud(features, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(6, n, generator=generator, dtype=torch.float64) for n in (features, 3)]


def test_the_egnn_is_what_it_says():
    torch.manual_seed(0)
    network = DenoisingEGNN(3, 5, 2, 2).double()
    x, pos = cloud(3)
    h, place = network.embed(x), pos
    for layer in network.layers:
        torch.nn.init.normal_(layer.move[-1].weight)
        whole = torch.cat([layer.target.weight, layer.source.weight, layer.lengths.weight], 1)
        sums, steps = torch.zeros_like(h), torch.zeros_like(pos)
        for i in range(6):
            for j in range(6):
                if i != j and BATCH[i] == BATCH[j]:
                    apart = place[i] - place[j]
                    lengths = torch.stack([apart.square().sum(), (pos[i] - pos[j]).square().sum()])
                    m = layer.message(whole @ torch.cat([h[i], h[j], lengths]) + layer.target.bias)
                    m = torch.sigmoid(layer.gate[0](m)) * m
                    sums[i] = sums[i] + m
                    steps[i] = steps[i] + layer.move(m) * apart / (apart.norm() + 1)
        h, place = h + layer.update(torch.cat([h, sums], 1)), place + steps
    scalar, vector = network(x, pos, None, BATCH)
    torch.testing.assert_close(scalar, network.readout(h))
    torch.testing.assert_close(vector[:, 0], place - pos)


def test_points_at_the_same_place_have_gradients():
    torch.manual_seed(0)
    network, pos = DenoisingEGNN(1, 4, 1, 2), torch.zeros(3, 3, requires_grad=True)
    scalar, vector = network(torch.ones(3, 1), pos, None, torch.zeros(3, dtype=torch.long))
    (scalar.sum() + vector.sum()).backward()
    assert bool(pos.grad.isfinite().all()) and all(bool(p.grad.isfinite().all()) for p in network.parameters())


def test_the_noise_level_is_on_every_edge_and_loop():
    class Echo(torch.nn.Module):
        def forward(self, x, pos, edge_index, batch, vec, edge_attr):
            return PointOutput(edge_index, edge_attr)

    x, pos = cloud(2)
    edge_index, edge_attr = LevelOnEdges(Echo())(x, pos, None, BATCH)
    pairs = (BATCH[:, None] == BATCH).nonzero().tolist()
    assert sorted(edge_index.T.tolist()) == sorted(pairs)
    assert torch.equal(edge_attr, x[edge_index[0], 1:])


def test_ponita_hears_the_level_on_its_edges():
    torch.manual_seed(0)
    network = LevelOnEdges(PONITA(3, 8, 2, 2, out_vector=1, num_ori=6, grid="octahedron", in_edge=1, task="node"))
    network.network.embedding.weight.data[:, -1] = 0  # deaf to the level as a feature
    x, pos = (t.float() for t in cloud(3))
    later = torch.cat([x[:, :2], x[:, 2:] + 0.5], 1)
    assert (network(x, pos, None, BATCH).scalar - network(later, pos, None, BATCH).scalar).abs().max() > 1e-3


def test_samples_that_run_away_count_as_no_molecules():
    class Running(EquivariantDiffusion):
        def sample(self, num_nodes, *, num_steps=None, generator=None):
            raise SamplingDiverged

    model = Running(torch.nn.Identity(), ENCODING.num_features)
    found = sampled(model, [3, 1, 5], 10, torch.Generator())
    assert [len(numbers) for numbers, _ in found] == [3, 1, 5]
    for numbers, position in found:
        assert not stable_atoms(numbers, bond_orders(numbers, position)).any()
        assert position.mean(0).abs().max() < 1e-4


def test_molecules_are_turned_only_while_the_network_learns():
    seen = []

    class Watching(torch.nn.Module):
        def forward(self, x, pos, edge_index=None, batch=None, vec=None):
            return x[:, :-1], pos[:, None]

    class Model(EquivariantDiffusion):
        def loss(self, x, pos, batch=None, **options):
            seen.append(pos)
            return super().loss(x, pos, batch, **options)

    from erlangen.recipes.ponita.clouds import cloud as one
    from erlangen.recipes.ponita.clouds import joined

    model = Model(AveragedWeights(Watching()), 0)
    batch = tuple(joined([one(torch.randn(4, 3)), one(torch.randn(2, 3))]))
    turned_loss(model.eval(), batch)
    turned_loss(model.train(), batch)
    assert torch.equal(seen[0], batch[0]) and not torch.allclose(seen[1], batch[0])
    for start, stop in ((0, 4), (4, 6)):
        torch.testing.assert_close(*(torch.cdist(p[start:stop], p[start:stop]) for p in seen), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("atoms", [1, 2, 3, 7])
def test_drawings_keep_distances_and_show_the_broad_side(atoms):
    position = torch.randn(atoms, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 3.0, 0.2])
    flat = flattened(position)
    torch.testing.assert_close(torch.cdist(flat, flat), torch.cdist(position, position), atol=1e-4, rtol=1e-4)
    spread = flat.var(0, correction=0)
    assert float(spread[0]) + 1e-6 >= float(spread[1]) and float(spread[1]) + 1e-6 >= float(spread[2])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"generation_heavy": 10}, "generation_heavy is 10; it takes a whole number from 1 to 9"),
        ({"generation_steps": 1001}, "generation_steps is 1001; it takes a whole number from 1 to 1000"),
        ({"generation_average": 1.0}, "generation_average is 1.0; it takes a number from 0 to below 1"),
        ({"generation_orientations": 3}, "generation_orientations is 3; it takes a whole number from 4"),
        ({"generation_lr": 0.0}, "generation_lr is 0.0; it takes a positive number"),
    ],
)
def test_what_has_no_meaning_is_refused_before_any_work(setting, message):
    with pytest.raises(ConfigError, match=message):
        Config(**setting)


def test_more_molecules_than_there_are_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ERLANGEN_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"generation_train and generation_validation: .* of at most 1 heavy"):
        run(Config(size="smoke", generation_heavy=1))
