"""Tracks of vehicles: read from files, drawn on hilly roads, selected, cut and measured."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from erlangen.data import MissingDataError
from erlangen.data.hilly_roads import drives, hilly_roads
from erlangen.data.tracks import PARTS, load_waymo_tracks, motions, moving, read_tracks, spread
from erlangen.groups import parse_group


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- files
def test_exported_tracks_are_read_part_by_part(tmp_path):
    folder = tmp_path / "waymo" / "tracks"
    folder.mkdir(parents=True)
    written = {part: np.random.default_rng(i).normal(size=(2 + i, 12, 3)) for i, part in enumerate(PARTS)}
    for part, array in written.items():
        np.save(folder / f"{part}.npy", array.astype(np.float32))
    for part, array in written.items():
        read = load_waymo_tracks(part, tmp_path)
        assert read.dtype == torch.float64 and torch.equal(read, torch.from_numpy(array.astype(np.float32)).double())


def test_files_that_are_missing_are_named(tmp_path):
    with pytest.raises(MissingDataError, match=r"training\.npy, validation\.npy, test\.npy in waymo/tracks/"):
        load_waymo_tracks("test", tmp_path)
    with pytest.raises(FileNotFoundError):
        read_tracks(tmp_path / "none.npy")
    with pytest.raises(ValueError, match="one of training, validation, test, got 'val'"):
        load_waymo_tracks("val", tmp_path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 12, 2)), r"shape \(tracks, 12, 3\), got \(4, 12, 2\)"),
        (np.zeros((0, 12, 3)), r"got \(0, 12, 3\)"),
        (np.zeros((4, 36)), r"got \(4, 36\)"),
        (np.zeros((4, 12, 3), dtype=complex), "real numbers, got numbers of type complex128"),
        (np.array([{"a": 1}]), "not an array of numbers in the format .npy"),
        (np.where(np.arange(72).reshape(2, 12, 3) == 40, np.nan, 0.0), "track 1 holds numbers that are not finite"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path, array, message):
    np.save(tmp_path / "tracks.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        read_tracks(tmp_path / "tracks.npy")


def test_files_in_another_format_are_refused(tmp_path):
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "several.npz", a=np.zeros((1, 12, 3)))
    for name in ("text.npy", "empty.npy", "several.npz"):
        with pytest.raises(ValueError, match=name):
            read_tracks(tmp_path / name)


# ---------------------------------------------------------------- roads
def test_without_noise_a_vehicle_drives_an_arc_over_waves():
    """Against an integrator, with the parameters that the generator draws in this order."""
    drawn = drives(4, seeded(), noise=0.0)
    generator = seeded()

    def uniform(columns=1):
        return torch.rand(4, columns, generator=generator, dtype=torch.float64)

    def normal():
        return torch.randn(4, 1, generator=generator, dtype=torch.float64)

    start, heading, speed, phase = 200 * uniform(3) - 100, uniform(), 3 + 9 * uniform(), uniform()
    yaw, slope = 0.15 * normal(), 0.05 * normal()
    for i in range(4):
        turn, v, w = float(2 * math.pi * heading[i] - math.pi), float(speed[i]), float(yaw[i])
        course = solve_ivp(
            lambda t, _, turn=turn, v=v, w=w: [v * math.cos(turn + w * t), v * math.sin(turn + w * t)],
            (0, 2.2), [0.0, 0.0], t_eval=0.2 * np.arange(12), rtol=1e-10, atol=1e-12,
        ).y.T  # fmt: skip
        torch.testing.assert_close(drawn[i, :, :2] - start[i, :2], torch.from_numpy(course), rtol=0, atol=1e-8)
        along, waves = v * 0.2 * torch.arange(12).double(), float(2 * math.pi * phase[i] - math.pi)
        height = along * math.tan(float(slope[i])) + 0.3 * torch.sin(2 * math.pi * along / 30 + waves)
        torch.testing.assert_close(drawn[i, :, 2] - start[i, 2], height)


def test_roads_are_those_tracks_that_move():
    made = hilly_roads(500, seeded(), dtype=torch.float64)
    drive = (made[:, 5] - made[:, 0]).abs()
    assert made.shape == (500, 12, 3) and moving(made).all()
    assert drive[:, 2].min() > 0.05 and drive[:, :2].max() < 5
    assert torch.equal(made, hilly_roads(500, seeded(), dtype=torch.float64))
    assert hilly_roads(3, seeded()).dtype == torch.float32


def test_headings_are_spread_evenly_and_height_is_not_like_the_rest():
    motion = motions(hilly_roads(4000, seeded(), dtype=torch.float64))
    x, y, z = spread(motion.past, per_axis=True).tolist()
    assert abs(x / y - 1) < 0.03 and z < 0.15 * x
    # The square over x and y lets the diagonals go farther: a symmetry of quarter turns, not of all.
    end = motion.future[:, 0]
    angle = torch.atan2(end[:, 1], end[:, 0])
    assert float(torch.stack([angle.cos().mean(), angle.sin().mean()]).norm()) < 0.05


def test_selection_looks_at_known_positions_alone():
    tracks = drives(300, seeded())
    changed = tracks.clone()
    changed[:, 6:] += 100
    assert torch.equal(moving(tracks), moving(changed)) and 0.05 < moving(tracks).double().mean() < 0.6


def test_motions_are_seen_from_the_mean_of_what_is_known():
    tracks = drives(10, seeded())
    motion = motions(tracks)
    assert motion.past.mean(1).abs().max() < 1e-12
    torch.testing.assert_close(torch.diff(torch.cat(motion, 1), dim=1), torch.diff(tracks, dim=1))
    g = parse_group("O(2)@xy")(parse_group("O(2)@xy").source.sample(generator=seeded(1)))
    for there, here in zip(motions(tracks @ g.mT), motion, strict=True):
        torch.testing.assert_close(there, here @ g.mT)


def test_the_unit_is_one_number_or_one_for_each_axis():
    motion = motions(hilly_roads(50, seeded(), dtype=torch.float64))
    both = torch.cat(motion, 1)
    assert float((both / spread(both)).square().mean()) == pytest.approx(1)
    torch.testing.assert_close((both / spread(both, per_axis=True)).square().mean((0, 1)), torch.ones(3).double())
    with pytest.raises(ValueError, match="tracks that stand still"):
        spread(torch.zeros(2, 12, 3))


def test_no_tracks_are_refused():
    with pytest.raises(ValueError, match="a whole number from 1, got 0"):
        hilly_roads(0, seeded())
