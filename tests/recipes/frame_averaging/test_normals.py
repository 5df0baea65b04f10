"""The experiment on normals at size smoke; its networks against the formulas written out."""

import pytest
import torch

from erlangen.data.shapes import solids
from erlangen.groups import SO
from erlangen.recipes import ConfigError
from erlangen.recipes.frame_averaging import Config, run
from erlangen.recipes.frame_averaging.normals import CLAIMS, FRAMED, TITLES, _title
from erlangen.recipes.frame_averaging.point_networks import DGCNN, EdgeConv, MeanLine, PointNet, framed, normal_error
from erlangen.report import Result
from erlangen.testing import assert_equivariant


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("normals")


@pytest.fixture(scope="module")
def result(folder):
    return run(Config(size="smoke", experiment="normals", out=folder))


@pytest.fixture
def clouds():
    return solids(4, 40, torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_measures_what_it_claims_and_its_checks_pass(result):
    verdicts = [verdict for claim, verdict in result.claims if claim.experiment == "normals"]
    assert len(verdicts) == len(CLAIMS) and {verdict.verdict for verdict in verdicts} == {"undecided"}  # two seeds
    assert all(verdict.effect is not None for verdict in verdicts)
    assert [check for check in result.checks if not check.passed] == [] and len(result.checks) == 7


def test_the_audit_tells_the_networks_apart(result):
    verdicts = {report["name"]: report["verdict"] for report in result.audits}
    assert verdicts == {_title(name): "exact" if name in FRAMED else "breaks" for name in TITLES}


def test_its_files_are_whole(result, folder):
    path = result.save(folder / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert sorted(file.name for file in folder.iterdir() if file.is_file()) == ["normals.png", "result.json"]


def test_the_same_seed_gives_the_same_numbers(result):
    again = run(Config(size="smoke", seeds=1, seed=1, experiment="normals")).metrics["normals"]
    for name, values in result.metrics["normals"].items():
        assert name.endswith("_seconds") or again[name] == values[1:]


@pytest.mark.parametrize("build", [PointNet, DGCNN])
def test_averaged_networks_keep_motions_and_renumbering(build, clouds):
    torch.manual_seed(0)
    network, order = framed(build(4)).eval(), torch.randperm(40)
    assert_equivariant(network, clouds.points, num_elements=12)
    network = network.double()
    torch.testing.assert_close(network(clouds.points[:, order]), network(clouds.points)[:, order])


def test_mean_lines_keep_motions_and_do_not_cancel(clouds):
    torch.manual_seed(0)
    assert_equivariant(MeanLine(PointNet(4)).eval(), clouds.points, num_elements=12)

    class Undecided(torch.nn.Module):  # the direction from the centre, with a sign for every frame
        def forward(self, x):
            return x * x.reshape(len(x), -1)[:, :1].sign()[..., None]

    outward = clouds.points - clouds.points.mean(1, keepdim=True)
    outward = outward / outward.norm(dim=-1, keepdim=True)
    assert normal_error(framed(Undecided())(clouds.points), outward) > 0.1
    assert normal_error(MeanLine(Undecided())(clouds.points), outward) < 1e-10


def test_a_framed_network_learns_the_same_from_turned_clouds(clouds):
    rotation = SO(3).sample(4, generator=torch.Generator().manual_seed(1))
    losses = []
    for turn in (torch.eye(3).double(), rotation):
        torch.manual_seed(0)
        network = framed(PointNet(4)).double().train()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(5):
            loss = normal_error(network(clouds.points @ turn.mT), clouds.normals @ turn.mT)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.detach())
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-8, atol=0)


def test_the_error_is_the_squared_sine_and_blind_to_signs_and_lengths():
    angle = torch.tensor([0.3, 1.2]).double()
    normals = torch.tensor([1.0, 0.0, 0.0]).double().expand(1, 2, 3)
    vectors = torch.stack([angle.cos(), angle.sin(), 0 * angle], -1)[None]
    for factor in (1, -1, 7):
        torch.testing.assert_close(normal_error(factor * vectors, normals), angle.sin().square().mean())
    torch.testing.assert_close(normal_error(vectors, normals, each=True), angle.sin().square().mean()[None])
    by_chance = torch.nn.functional.normalize(
        torch.randn(1, 50000, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    assert float(normal_error(by_chance, torch.eye(3)[:1].expand(1, 50000, 3))) == pytest.approx(2 / 3, abs=0.01)


def test_an_edge_convolution_is_what_its_equation_says(clouds):
    torch.manual_seed(0)
    layer, x = EdgeConv(3, 5, k=4).double().eval(), clouds.points
    wanted = torch.empty(4, 40, 5).double()
    for b in range(4):
        for i in range(40):
            near = (x[b] - x[b, i]).norm(dim=-1).argsort()[:4]
            edges = [layer.difference(x[b, j] - x[b, i]) + layer.own(x[b, i]) for j in near]
            wanted[b, i] = torch.stack(edges).amax(0)
    wanted = torch.nn.functional.leaky_relu(layer.norm(wanted.flatten(0, 1)), 0.2).unflatten(0, (4, 40))
    torch.testing.assert_close(layer(x), wanted)


def test_pointnet_has_the_published_shape():
    network = PointNet(64)
    widths = [layer.linear.out_features for layer in network.layers]
    assert widths == [64, 128, 128, 512, 2048] and [layer.active for layer in network.layers] == [True] * 4 + [False]
    assert network.head.points.in_features + network.head.cloud.in_features == 4928
    assert [network.head.points.out_features, *(layer.linear.out_features for layer in network.head.hidden)] == [
        256,
        256,
        128,
    ]


def test_points_far_apart_still_hear_of_each_other_through_the_cloud(clouds):
    torch.manual_seed(0)
    for network in (PointNet(4).double().eval(), DGCNN(4, k=8).double().eval()):
        x = clouds.points.clone().requires_grad_()
        network(x)[0, 0].sum().backward()
        assert (x.grad[0].abs().sum(-1) > 0).sum() > 5 and x.grad[1:].abs().max() == 0


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ConfigError, match="normals_points is 10; it takes a whole number from 20"):
        Config(normals_points=10)
