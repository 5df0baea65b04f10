"""The recipe at size smoke, and its measures on cases done by hand."""

import pytest
import torch
from torchmetrics import JaccardIndex

from erlangen.data.figures import KIND, KINDS, LIMBS
from erlangen.data.furniture import PIECES, arrangements
from erlangen.points import APEN, Partition
from erlangen.recipes.apen import CLAIMS, EXPERIMENTS, Config, run
from erlangen.recipes.apen.articulated import SEEN, UNSEEN
from erlangen.recipes.apen.lambdas import numbers_of_parts, touching_shapes
from erlangen.recipes.apen.oneshot import scans
from erlangen.recipes.apen.part_learning import Clouds, Fresh, call, loss, mean_iou, stages, turned
from erlangen.recipes.config import ConfigError
from erlangen.report import Result


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("apen")


@pytest.fixture(scope="module")
def result(folder):
    return run(Config(size="smoke", seeds=1, out=folder))


def test_it_measures_what_it_claims_and_its_checks_pass(result):
    assert {verdict.verdict for _, verdict in result.claims} == {"undecided"}  # one seed of three
    assert all(verdict.effect is not None for _, verdict in result.claims)
    assert [check for check in result.checks if not check.passed] == [] and len(result.checks) == 6
    assert result.status == "complete" and len(result.claims) == len(CLAIMS)
    assert {audit["verdict"] for audit in result.audits} <= {"exact", "float32"} and len(result.audits) == 2
    assert tuple(EXPERIMENTS) == Config.experiments


def test_its_files_are_whole(result, folder):
    path = result.save(folder / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert len(result.figures) == 6
    for name in result.figures:
        content = (folder / name).read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) < 100_000


def test_it_goes_on_from_what_is_there(result, folder):
    again = run(Config(size="smoke", seeds=1, experiment="oneshot", out=folder, resume=True))
    assert again.metrics["oneshot"] == result.metrics["oneshot"]


def test_the_same_seed_gives_the_same_numbers(result):
    for experiment in ("bound", "lambda"):
        again = run(Config(size="smoke", seeds=1, experiment=experiment))
        assert again.metrics[experiment] == result.metrics[experiment] and again.figures == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"oneshot_steps": 0}, "oneshot_steps is 0"),
        ({"oneshot_parts": 300}, "oneshot_parts is 300; it takes at most 256"),
        ({"articulated_points": 20}, "articulated_points is 20; it takes at least 32"),
        ({"lambda_points": 20}, "a multiple of eight"),
    ],
)
def test_settings_without_meaning(settings, message):
    with pytest.raises(ConfigError, match=message):
        Config(**settings)


def test_intersection_over_union_is_that_of_torchmetrics():
    predicted, label = (torch.randint(4, (200,), generator=seeded(seed)) for seed in (0, 1))
    peer = JaccardIndex("multiclass", num_classes=4, average="macro")
    assert mean_iou(predicted, label, 4) == pytest.approx(float(peer(predicted, label)), abs=1e-6)
    assert mean_iou(label, label, 5) == 1.0


def test_fresh_clouds_are_numbered():
    where = arrangements(1, seeded())
    data, other = (Fresh(lambda rng: scans(where, 8, rng), 5, seed) for seed in (0, 1))
    assert len(data) == 5 and data[3].points.equal(data[3].points) and data[3].points.shape == (32, 3)
    assert not data[3].points.equal(data[2].points) and not data[3].points.equal(other[3].points)
    with pytest.raises(IndexError):
        data[5]


def test_turning_moves_centres_along():
    clouds = scans(arrangements(2, seeded()), 8, seeded())
    other = turned(clouds)
    torch.testing.assert_close((other.points - other.center).norm(dim=-1), (clouds.points - clouds.center).norm(dim=-1))
    assert not torch.allclose(other.points, clouds.points)


def test_stages_of_a_network_whose_cells_are_the_pieces():
    """Four pieces far apart, four cells: every partition is the truth; votes are means moved by what is untrained."""
    clouds = scans(arrangements(3, seeded(4)), 16, seeded())
    # Apart by a factor: each piece is moved by nine times its centre.
    clouds = clouds._replace(points=clouds.points + 9 * clouds.center, center=10 * clouds.center)
    network = APEN(0, 8, 4, 4, task="node", parts=4)
    for layer in network.layers:
        torch.nn.init.zeros_(layer.backbone.last.weight)
        torch.nn.init.zeros_(layer.backbone.last.bias)
    with torch.no_grad():
        found = stages([call(network, clouds)], clouds)
    for stage in range(1, 5):
        assert found[f"stage{stage}_parts"] == 4 and found[f"stage{stage}_purity"] == 1
        assert found[f"stage{stage}_refines"] == 1 and found[f"stage{stage}_votes_off"] < 0.01
    # Without features all classes are equally likely but for the head, and votes cost next to nothing.
    torch.nn.init.zeros_(network.head[-1].weight)
    torch.nn.init.zeros_(network.head[-1].bias)
    with torch.no_grad():
        cost = float(loss(network, clouds))
    assert cost == pytest.approx(torch.tensor(4.0).log().item(), abs=0.05)


def test_ranges_of_angles_do_not_meet():
    assert SEEN[1] < UNSEEN[0] and len(PIECES) == 4 and len(LIMBS) == len(KIND) == 6 and len(KINDS) == 4


def test_two_shapes_touch():
    pos, truth = touching_shapes(2, 4000, seeded())
    assert truth.num_parts.tolist() == [2, 2]
    disc = truth.index == 0
    assert (pos[disc] + torch.tensor([1.0, 0.0])).norm(dim=1).max() <= 1
    assert pos[~disc].amin(0).tolist() >= [0.0, -1.0] and pos[~disc].amax(0).tolist() <= [2.0, 1.0]
    near = (pos[disc][:, 0].max(), pos[~disc][:, 0].min())
    assert near[0] > -0.05 and near[1] < 0.05
    assert numbers_of_parts(Config())[0] == 2 and 48 in numbers_of_parts(Config())


def test_a_batch_vector_for_clouds():
    clouds = Clouds(*scans(arrangements(2, seeded()), 2, seeded()))
    assert clouds.batch.tolist() == [0] * 8 + [1] * 8
    assert Partition.from_labels(clouds.part.flatten(), clouds.batch).num_parts.tolist() == [4, 4]
