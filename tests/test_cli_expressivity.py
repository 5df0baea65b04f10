"""``erlangen expressivity``: what it prints and draws, and what it refuses."""

import json

import pytest

from erlangen.cli import main


def run(*arguments):
    return main(["expressivity", *arguments])


def test_what_ppgn_lacks(capsys, tmp_path):
    out = tmp_path / "lacks.png"
    assert run("edge", "--degree", "6", "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "PPGN sums over nodes with at most 2 neighbours." in said
    rows = [line.split() for line in said.splitlines() if line.strip()[:2] in ("5 ", "6 ")]
    assert rows == ["5 0 of 12 0 of 37 1 of 125".split(), "6 1 of 30 1 of 114 9 of 460".split()]
    assert "4: every polynomial of pairs up to this degree" in said
    assert said.count("; marks 0, 1") == 10 and f"picture: {out}" in said
    assert out.read_bytes().startswith(b"\x89PNG") and out.stat().st_size < 100_000


def test_many_are_listed_and_drawn_in_part(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("node", "--degree", "4") == 0
    said = capsys.readouterr().out
    assert "and 13 more (--json lists all)" in said
    assert (tmp_path / "expressivity-node.png").stat().st_size < 100_000


def test_orders_networks_and_numbers(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("gin", "--degree", "3", "--order", "1", "--no-picture") == 0
    said = capsys.readouterr().out
    assert "2: every polynomial of nodes" in said and "pairs" not in said and "graphs up" not in said
    assert run("3", "--degree", "4") == 0
    said = capsys.readouterr().out
    assert "at least 4: every polynomial of pairs" in said and "cannot compute (" not in said
    assert list(tmp_path.iterdir()) == []  # nothing missing, nothing drawn


def test_json(capsys):
    assert run("ppgn", "--degree", "5", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["network"] == "PPGN" and found["exactness_degree"] == {"0": 5, "1": 5, "2": 4}
    assert found["missing"] == [{"edges": [[0, 2], [0, 3], [1, 2], [1, 3], [2, 3]], "marks": [0, 1]}]
    assert {"degree": 5, "order": 2, "missing": 1, "of": 125} in found["counts"]
    assert run("table", "--degree", "4", "--json") == 0
    table = {row["network"]: row["exactness_degree"] for row in json.loads(capsys.readouterr().out)}
    assert table["GIN"] == {"0": 2, "1": 2, "2": None} and table["PPGN"] == {"0": 4, "1": 4, "2": 4}


def test_the_table_of_networks(capsys):
    assert run("table") == 0
    said = capsys.readouterr().out
    assert "  GCN          node         2       2       -  Kipf, Welling" in said
    assert "  PPGN         edge         5       5       4  Maron" in said


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["transformer"], "BANK is 'transformer'; it takes node, edge, a number from 1, 'table' or a network: GCN"),
        (["²"], "BANK is '²'; it takes node, edge, a number from 1"),
        (["edge", "--degree", "8"], "--degree is 8; it takes 1 to 7"),
        (["gin", "--order", "2"], "--order 2: GIN computes no numbers of pairs"),
        (["edge", "--degree", "5", "--out", "picture.gif"], "--out picture.gif: path ends in '.gif'"),
        (["edge", "--degree", "5", "--out", "no/folder/picture.png"], "--out no/folder/picture.png: cannot be written"),
        (["edge", "--degrees", "5"], "unknown option '--degrees'"),
        ([], "the following arguments are required: BANK"),
    ],
)
def test_wrong_input_is_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"erlangen: {said}") and err.count("\n") == 1
