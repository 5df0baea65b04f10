"""Where data sets are looked for, and what is said when they are not there."""

import pickle
from pathlib import Path

import pytest

from erlangen.data import SOURCES, VARIABLE, MissingDataError, data_root, find_source, look


def test_the_root_given_wins_over_the_variable(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert data_root() is None and data_root(tmp_path) == tmp_path
    monkeypatch.setenv(VARIABLE, "/elsewhere")
    assert data_root() == Path("/elsewhere") and data_root(tmp_path) == tmp_path
    monkeypatch.setenv(VARIABLE, "")
    assert data_root() is None


def test_what_is_missing_is_said_with_its_place_and_its_publisher(monkeypatch, tmp_path):
    with pytest.raises(MissingDataError) as caught:
        find_source("mnist", tmp_path)
    said = str(caught.value)
    for part in (str(tmp_path), "mnist/MNIST/raw/", "t10k-labels-idx1-ubyte.gz", SOURCES["mnist"].publisher):
        assert part in said
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(MissingDataError, match="ERLANGEN_DATA is not set and no --data was given"):
        find_source("mnist")


def test_a_data_set_is_found_once_every_file_is_there(tmp_path):
    source = SOURCES["mnist"]
    folder = tmp_path / source.folder
    folder.mkdir(parents=True)
    for name in source.files:
        assert look(source, tmp_path).missing == str(Path(source.folder, name))
        (folder / name).touch()
    assert look(source, tmp_path).there and find_source("mnist", tmp_path) == folder


def test_packaged_data_are_found_without_being_imported():
    assert look(SOURCES["digits"], None).there


def test_the_error_survives_the_way_between_processes():
    assert str(pickle.loads(pickle.dumps(MissingDataError("what and where")))) == "what and where"
