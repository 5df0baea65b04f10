"""Figures are put on a page whole, or not at all and with the reason."""

import base64

import pytest

from erlangen.report import ImageError, inline_image, new_figure, save_figure


@pytest.fixture
def folder(tmp_path):
    for ending in ("png", "svg", "pdf"):
        save_figure(new_figure(width=3.0, height=2.0)[0], tmp_path / f"figure.{ending}")
    return tmp_path


def reason(folder, name):
    with pytest.raises(ImageError) as caught:
        inline_image(folder, name)
    return str(caught.value)


def test_an_address_holds_the_very_file_and_a_png_its_width_on_paper(folder):
    for ending, kind in (("png", "png"), ("svg", "svg+xml")):
        image = inline_image(folder, f"figure.{ending}")
        head, _, data = image.address.partition(",")
        assert head == f"data:image/{kind};base64"
        assert base64.b64decode(data) == (folder / f"figure.{ending}").read_bytes()
    assert inline_image(folder, "figure.png").width == 3 * 96  # inches, whatever the resolution


def test_a_figure_keeps_its_colours_and_is_small(tmp_path):
    image = pytest.importorskip("PIL.Image")
    figure, (axes,) = new_figure()
    axes.plot([0, 1], [0, 1], color="#0a4b86", linewidth=9)
    path = save_figure(figure, tmp_path / "a.png")
    colours = {colour for _, colour in image.open(path).convert("RGB").getcolors(1 << 24)}
    assert {(255, 255, 255), (10, 75, 134)} <= colours and len(colours) <= 256


def test_every_truncation_and_every_damage_of_a_png_is_told(folder):
    whole = (folder / "figure.png").read_bytes()
    for length in range(8, len(whole), 331):
        (folder / "part.png").write_bytes(whole[:length])
        assert reason(folder, "part.png") == "the file is cut off"
    for place in range(16, len(whole) - 12, 331):
        (folder / "part.png").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert reason(folder, "part.png") in ("the file is damaged", "the file is cut off")


def test_what_is_no_image_is_told(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    outside.write_bytes((folder / "figure.png").read_bytes())
    (folder / "link.png").symlink_to(outside)
    (folder / "text.png").write_text("accuracy 0.9")
    (folder / "page.svg").write_text("<html></html>")
    (folder / "cut.svg").write_bytes((folder / "figure.svg").read_bytes()[:-20])
    (folder / "bomb.svg").write_text('<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg xmlns="http://www.w3.org/2000/svg"/>')
    (folder / "cut.jpeg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (folder / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(4_000_001))
    (folder / "folder.png").mkdir()
    expected = {
        "link.png": "it lies outside the run's folder",
        "nowhere.png": "the file is missing",
        "zero\0.png": "no file can have this name",
        "folder.png": "the file is missing",
        "text.png": "it is no PNG, JPEG or SVG",
        "page.svg": "it is no PNG, JPEG or SVG",
        "bomb.svg": "an SVG with entities is not shown",
        "cut.jpeg": "the file is cut off",
        "figure.pdf": "a PDF is not drawn on a page",
        "large.png": "the file is too large (4.0 MB, at most 4 MB)",
    }
    assert {name: reason(folder, name) for name in expected} == expected
    assert reason(folder, "cut.svg").startswith("the file is cut off, or no SVG (")
