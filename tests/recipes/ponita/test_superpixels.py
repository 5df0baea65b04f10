"""Digits as clouds at size smoke: their places, their graphs, and what counts as a mirror's confusion."""

import pytest
import torch

from erlangen.data.digits import load_digits, load_mnist_test
from erlangen.data.sources import MissingDataError
from erlangen.recipes import ConfigError
from erlangen.recipes.ponita import Config, run
from erlangen.recipes.ponita.superpixels import CLAIMS, CLASSES, confusion, digit_clouds, mirrored
from erlangen.report import Result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("superpixels")


@pytest.fixture(scope="module")
def result(folder):
    return run(Config(size="smoke", experiment="superpixels", out=folder))


def test_it_measures_what_it_claims_and_its_checks_pass(result, folder):
    verdicts = {claim.name: verdict for claim, verdict in result.claims if claim.experiment == "superpixels"}
    assert len(verdicts) == len(CLAIMS) and verdicts["superpixels-orientations"].effect is not None
    assert [check for check in result.checks if not check.passed] == []
    verdicts = {report["name"]: report["verdict"] for report in result.audits}
    assert verdicts == {"PONITA, 8 orientations": "approximate", "PNITA (positions)": "exact", "EGNN": "exact"}
    path = result.save(folder / "result.json")
    assert Result.load(path).to_dict() == result.to_dict()
    assert {file.name for file in folder.iterdir() if file.is_file()} == {"result.json", *result.figures}


def test_a_digit_is_its_pixels_with_ink():
    images, labels = load_digits()
    chosen = [0, 7, 9, 1796]
    for one, i in zip(digit_clouds(images[chosen], labels[chosen], patches=False), chosen, strict=True):
        image = images[i, 0]
        drawn = torch.zeros(8, 8)
        columns = (one.pos[:, 0] + 3.5).round().long()
        rows = (3.5 - one.pos[:, 1]).round().long()
        drawn[rows, columns] = one.x[:, 0]
        assert torch.equal(drawn, image)
        assert CLASSES[int(one.scalar)] == {6: "6 or 9", 9: "6 or 9"}.get(int(labels[i]), str(int(labels[i])))
        assert (one.edge_index[1].bincount() == 8).all()


def test_confusion_counts_rows_as_they_are_and_columns_as_they_are_read():
    two, five = CLASSES.index("2"), CLASSES.index("5")
    true, read = torch.tensor([two, two, five, five, 0]), torch.tensor([two, five, two, 0, five])
    counts = confusion(true, read)
    assert int(counts.sum()) == 5 and counts[two, five] == counts[five, two] == counts[five, 0] == 1
    assert mirrored(counts) == 2 / 4
    assert mirrored(torch.zeros(9, 9)) == 0.0


def test_superpixels_of_mnist_are_clouds_too():
    try:
        images, labels = load_mnist_test()
    except MissingDataError as error:
        pytest.skip(str(error))
    clouds = digit_clouds(images[:80], labels[:80], patches=True)
    assert len(clouds) == 80 and all(one.pos.abs().max() <= 4.5 for one in clouds)
    assert 10 < sum(len(one.pos) for one in clouds) / 80 < 60
    inked = torch.cat([one.x for one in clouds])
    assert inked.min() > 0 and inked.max() <= 1


def test_what_has_no_meaning_is_refused():
    with pytest.raises(ConfigError, match="superpixels_train is 0; it takes a whole number from 1"):
        Config(superpixels_train=0)
    with pytest.raises(ConfigError, match="are 1798 together; digits has 1797 images"):
        Config(superpixels_train=1298)
