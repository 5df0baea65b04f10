"""What invariant coordinates cost: on one core, as clouds grow, and against four peers in the same process.

Peers: PyG's NormalizeRotation in a loop over the clouds of a batch (which fixes neither signs nor scale),
scikit-learn's classical scaling and SMACOF on the distances of one cloud, and our own n by n scaling. In the plane the
closed form of axes stands against LAPACK. Rounds alternate between the competitors, and the least time of each counts;
times are the processor's, on one thread, as other programs add to wall time. Where a cost should grow linearly, its
exponent is fitted. Prints tables, and writes the same to results/tinvnn.json.
"""

import functools
import json
import platform
import warnings
from pathlib import Path

import alternating
import numpy as np
import torch
from sklearn.manifold import MDS, ClassicalMDS
from torch_geometric.data import Data
from torch_geometric.transforms import NormalizeRotation

from erlangen.symmetrize import classical_mds, mds_coordinates
from erlangen.symmetrize.principal import small_eigh

HERE = Path(__file__).resolve().parent
BATCH, POINTS, ROUNDS = 256, 1024, 15
fastest = functools.partial(alternating.fastest, rounds=ROUNDS)
SIZES = (256, 512, 1024, 2048, 4096)


def skewed(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Anisotropic clouds with large odd moments."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return ((x + 0.3 * x**2) * torch.arange(shape[-1], 0, -1)).to(dtype)


def a_batch() -> dict[str, float]:
    """All clouds of a batch, and PyG's transform cloud by cloud."""
    x, turn = skewed(BATCH, POINTS, 3), NormalizeRotation()
    clouds = [Data(pos=cloud) for cloud in x]
    flat = x.flatten(0, 1), torch.arange(BATCH).repeat_interleave(POINTS)
    best = fastest({"dense": lambda: mds_coordinates(x), "flat": lambda: mds_coordinates(*flat)})
    best |= fastest({"NormalizeRotation": lambda: [turn(cloud) for cloud in clouds]}, rounds=5)
    small = skewed(BATCH, 64, 3)
    few = [Data(pos=cloud) for cloud in small]
    best |= fastest(
        {"dense, 64 points": lambda: mds_coordinates(small), "NormalizeRotation, 64 points": lambda: [*map(turn, few)]},
        rounds=5,
    )
    row = {f"{name}, ms": round(1e3 * seconds, 2) for name, seconds in best.items()}
    row["NormalizeRotation / dense"] = round(best["NormalizeRotation"] / best["dense"], 1)
    row["NormalizeRotation / dense, 64 points"] = round(
        best["NormalizeRotation, 64 points"] / best["dense, 64 points"], 1
    )
    return row


def against_scaling() -> dict[str, float]:
    """One cloud by its distances: n by n, by scikit-learn, and by SMACOF."""
    x = skewed(POINTS, 3, dtype=torch.float64)
    dist = (x[:, None] - x).norm(dim=-1)
    z, _ = classical_mds(dist, 3)
    torch.testing.assert_close(z.abs(), mds_coordinates(x, scale=None).coords.abs(), rtol=0, atol=1e-8)
    few, their = x[:256], ClassicalMDS(n_components=3, metric="precomputed")
    near = dist[:256, :256].numpy()
    smacof = MDS(n_components=3, metric="precomputed", n_init=1, init="random", max_iter=300, random_state=0)
    many = skewed(BATCH, POINTS, 3, dtype=torch.float64)
    best = fastest({"coordinates, 256 points": lambda: mds_coordinates(few)})
    best["coordinates of one cloud of a batch"] = fastest({"batch": lambda: mds_coordinates(many)})["batch"] / BATCH
    batch = many[:, :256].contiguous()
    best["coordinates of one cloud of a batch, 256 points"] = (
        fastest({"batch": lambda: mds_coordinates(batch)})["batch"] / BATCH
    )
    best |= fastest({"n by n, 1024 points": lambda: classical_mds(dist, 3)}, rounds=3)
    best |= fastest(
        {
            "n by n, 256 points": lambda: classical_mds(dist[:256, :256], 3),
            "ClassicalMDS, 256 points": lambda: their.fit_transform(near),
            "SMACOF, 256 points": lambda: smacof.fit_transform(near),
        },
        rounds=3,
    )
    row = {f"{name}, ms": round(1e3 * seconds, 3) for name, seconds in best.items()}
    alone, shared = best["coordinates of one cloud of a batch"], best["coordinates of one cloud of a batch, 256 points"]
    row["n by n / coordinates, 1024 points"] = round(best["n by n, 1024 points"] / alone)
    row["SMACOF / coordinates, 256 points"] = round(best["SMACOF, 256 points"] / shared)
    row["SMACOF / coordinates, 256 points, a single cloud"] = round(
        best["SMACOF, 256 points"] / best["coordinates, 256 points"]
    )
    row["ClassicalMDS / n by n, 256 points"] = round(best["ClassicalMDS, 256 points"] / best["n by n, 256 points"], 2)
    return row


def the_plane() -> dict[str, float]:
    """Axes of many clouds of the plane, in closed form and by LAPACK."""
    x = torch.randn(20_000, 6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moments = x.mT @ x
    best = fastest({"closed form": lambda: small_eigh(moments), "LAPACK": lambda: torch.linalg.eigh(moments)})
    row = {f"{name}, ms": round(1e3 * seconds, 2) for name, seconds in best.items()}
    return row | {"LAPACK / closed form": round(best["LAPACK"] / best["closed form"], 1)}


def growth() -> list[dict[str, object]]:
    """Over points, with as many clouds at each size."""
    rows = []
    for what, dim, count in (("space", 3, 64), ("plane", 2, 64)):
        clouds = {n: skewed(count, n, dim) for n in SIZES}
        best = fastest({str(n): (lambda x=clouds[n]: mds_coordinates(x)) for n in SIZES})
        seconds = [best[str(n)] for n in SIZES]
        slope = float(np.polyfit(np.log(SIZES[1:]), np.log(seconds[1:]), 1)[0])
        rows.append(
            {"cost": f"coordinates of {count} clouds in {what} over points", "sizes": list(SIZES)}
            | {"ms": [round(1e3 * s, 2) for s in seconds], "exponent": round(slope, 2)}
        )
    return rows


def main() -> None:
    warnings.filterwarnings("ignore", module="sklearn")
    torch.set_num_threads(1)
    result: dict[str, object] = {}
    for name, measure in {"batch": a_batch, "scaling": against_scaling, "plane": the_plane, "growth": growth}.items():
        result[name] = measure()
        print(name, json.dumps(result[name], indent=1))
    result |= {"threads": 1, "torch": torch.__version__, "machine": platform.machine()}
    out = HERE / "results" / "tinvnn.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
