"""The experiment on charged particles at size smoke; its networks against the formulas written out."""

import copy

import pytest
import torch

from erlangen.data.nbody import charged_particles
from erlangen.recipes import ConfigError
from erlangen.recipes.frame_averaging import Config, run
from erlangen.recipes.frame_averaging.nbody import ANGLES, AUDITED, CLAIMS, METHODS, about
from erlangen.recipes.frame_averaging.particle_networks import EGNN, GNN, MessagePassing, Reframed, framed
from erlangen.report import Result
from erlangen.testing import assert_equivariant

EXACT = {
    "fa": lambda: framed(GNN(12, 2)),
    "reframed": lambda: Reframed(GNN(12, 2)),
    "egnn": lambda: EGNN(8, 2),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nbody")


@pytest.fixture(scope="module")
def result(folder):
    return run(Config(size="smoke", experiment="nbody", out=folder))


@pytest.fixture
def particles():
    return charged_particles(6, seed=0, dtype=torch.float64)


def test_it_measures_what_it_claims_and_its_checks_pass(result):
    verdicts = [verdict for claim, verdict in result.claims if claim.experiment == "nbody"]
    assert len(verdicts) == len(CLAIMS) and {verdict.verdict for verdict in verdicts} == {"undecided"}  # two seeds
    assert all(verdict.effect is not None for verdict in verdicts)
    assert [check for check in result.checks if not check.passed] == [] and len(result.checks) == 8
    assert result.status == "partial"


def test_the_audit_tells_the_networks_apart(result):
    verdicts = {report["name"]: report["verdict"] for report in result.audits}
    assert verdicts == {METHODS[name].title: "exact" if METHODS[name].exact else "breaks" for name in AUDITED}


def test_turning_changes_what_the_gnn_predicts_and_nothing_else(result):
    metrics = result.metrics["nbody"]
    for name, method in METHODS.items():
        changes = [metrics[f"{name}_disagreement_{angle:03d}"][0] for angle in ANGLES]
        assert (max(changes) < 1e-5) == method.exact == (metrics[f"{name}_disagreement"][0] < 1e-5)


def test_its_files_are_whole(result, folder):
    path = result.save(folder / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert sorted(file.name for file in folder.iterdir() if file.is_file()) == [
        "nbody-paths.png",
        "nbody-rotation.png",
        "result.json",
    ]
    assert sorted(result.figures) == ["nbody-paths.png", "nbody-rotation.png"]


def test_the_same_seed_gives_the_same_numbers(result):
    again = run(Config(size="smoke", seeds=1, seed=1, experiment="nbody")).metrics["nbody"]
    for name, values in result.metrics["nbody"].items():
        assert name.endswith("_seconds") or again[name] == values[1:]


@pytest.mark.parametrize("name", EXACT)
def test_what_promises_to_keep_motions_does(name, particles):
    torch.manual_seed(0)
    assert_equivariant(EXACT[name](), *particles[:3], num_elements=12)


def test_the_gnn_keeps_translations_and_renumbering_only(particles):
    torch.manual_seed(0)
    network, (x, v, q, _) = GNN(12, 2).double(), particles
    order = torch.tensor([2, 0, 1, 4, 3])
    torch.testing.assert_close(network(x + 3, v, q), network(x, v, q) + 3)
    torch.testing.assert_close(network(x[:, order], v[:, order], q[:, order]), network(x, v, q)[:, order])
    turn = about(torch.tensor([[0.0, 0.6, 0.8]]).double(), 40)
    assert (network(x @ turn.mT, v @ turn.mT, q) - network(x, v, q) @ turn.mT).abs().max() > 1e-2


def test_averaging_is_the_mean_over_eight_frames_of_the_particles(particles):
    torch.manual_seed(0)
    network, (x, v, q, _) = GNN(12, 2).double(), particles
    centre = x.mean(1, keepdim=True)
    _, axes = torch.linalg.eigh((x - centre).mT @ (x - centre))
    signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0])] * 3).double()
    frames = [axes * sign for sign in signs]
    wanted = sum(network((x - centre) @ R, v @ R, q) @ R.mT for R in frames) / 8 + centre
    torch.testing.assert_close(framed(network)(x, v, q), wanted)


def test_reframing_is_the_mean_over_frames_layer_by_layer(particles):
    torch.manual_seed(0)
    network, (x, v, q, _) = GNN(12, 2).double(), particles
    signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0])] * 3).double()

    def averaged(layer, *vectors):  # each (B, n, k, 3)
        _, axes = torch.linalg.eigh(vectors[0].flatten(1, 2).mT @ vectors[0].flatten(1, 2))
        total = 0
        for R in (axes * sign for sign in signs):
            h = torch.cat([(w @ R[:, None]).flatten(2) for w in vectors], -1)
            total = total + layer(h).unflatten(-1, (-1, 3)) @ R.mT[:, None]
        return total / 8

    square = (x[:, :, None] - x[:, None]).square().sum(-1)
    edges = torch.stack([q[:, :, None] * q[:, None], square], -1)
    h = averaged(network.embed, (x - x.mean(1, keepdim=True))[:, :, None], v[:, :, None])
    for layer in network.layers:
        h = averaged(lambda h, layer=layer: layer(h, edges), h)
    wanted = x + averaged(network.decode, h)[:, :, 0]
    torch.testing.assert_close(Reframed(network)(x, v, q), wanted)


def test_wrapping_adds_no_weights_and_shares_them():
    network = GNN(12, 2)
    weights = {id(parameter) for parameter in network.parameters()}
    for wrapped in (framed(network), Reframed(network)):
        assert {id(parameter) for parameter in wrapped.parameters()} == weights


def test_a_layer_is_what_its_equation_says():
    torch.manual_seed(0)
    layer, h, edges = MessagePassing(5).double(), torch.randn(2, 4, 5).double(), torch.randn(2, 4, 4, 2).double()
    first = torch.cat([layer.own.weight, layer.others.weight, layer.edge.weight], 1)
    silu, new = torch.nn.functional.silu, torch.empty(2, 4, 5).double()
    for b in range(2):
        for i in range(4):
            heard = torch.zeros(5).double()
            for j in range(4):
                if i != j:
                    pair = silu(first @ torch.cat([h[b, i], h[b, j], edges[b, i, j]]) + layer.own.bias)
                    heard += silu(layer.message(pair))
            new[b, i] = h[b, i] + layer.update(torch.cat([h[b, i], heard]))
    torch.testing.assert_close(layer(h, edges), new)


def test_sizes_are_the_publications():
    count = {name: sum(p.numel() for p in net.parameters()) for name, net in (("gnn", GNN()), ("egnn", EGNN()))}
    assert count == {"gnn": 92103, "egnn": 75752}
    assert METHODS["egnn"].build(GNN(60)).embed.out_features == 48


def test_one_particle_alone_has_nothing_to_hear():
    x, v, q = torch.randn(3, 1, 3), torch.randn(3, 1, 3), torch.ones(3, 1)
    for network in (GNN(6, 1), EGNN(6, 1)):
        assert network(x, v, q).isfinite().all()


def test_gradients_reach_all_weights_of_every_network(particles):
    torch.manual_seed(0)
    for build in (*EXACT.values(), lambda: GNN(12, 2)):
        network = build().double()
        network(*particles[:3]).square().mean().backward()
        unmoved = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()}
        # What nodes become after the last move of an EGNN is read by nobody: so in the publication.
        assert all(isinstance(network, EGNN) and name.startswith("layers.1.update") for name in unmoved)


def test_weights_there_and_back(particles):
    for build in EXACT.values():
        network, other = build().double(), build().double()
        other.load_state_dict(copy.deepcopy(network.state_dict()))
        assert torch.equal(network(*particles[:3]), other(*particles[:3]))


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ConfigError, match="nbody_channels is 20; it takes a multiple of three"):
        Config(nbody_channels=20)
    with pytest.raises(ConfigError, match="nbody_epochs is 0; it takes a whole number from 1"):
        Config(nbody_epochs=0)
    with pytest.raises(ValueError, match="channels come in threes, got 10"):
        Reframed(GNN(10, 1))
