"""What layers on parts and partitions from votes cost: against a loop over parts, and against scikit-learn.

One thread. A layer on the parts of a cloud of 1024 points, 64 parts, against the same layer written as it is read: part
after part, the backbone on the whole cloud with the other points masked out, in eight frames; both compute the same,
which is checked first. Mixtures of 32 clouds of 256 votes with 32 centres, 15 steps, against scikit-learn's
GaussianMixture of one spherical width for each cloud, 15 steps from the same centres. Rounds alternate between the
competitors, and the least time of each counts. Where a cost should grow linearly, its exponent is fitted. Prints
tables, and writes the same to results/apen.json.

    python benchmarks/apen.py
"""

import json
import platform
import warnings
from pathlib import Path

import numpy as np
import sklearn
import torch
from frames import exponent, fastest
from sklearn.mixture import GaussianMixture

from erlangen.groups import E
from erlangen.points import APEN, GaussianPartition, PartPointNet, PiecewiseEquivariant, voronoi_partition
from erlangen.symmetrize import PCAFrame

HERE = Path(__file__).resolve().parent
NODES, PARTS, WIDTH = 1024, 64, 48
CLOUDS, VOTES, CENTERS, STEPS, SIGMA = 32, 256, 32, 15, 0.4


def looped(layer, pos, part):
    """Part after part, on the whole cloud with the others masked out."""
    backbone, invariants = layer.backbone, torch.zeros(len(pos), layer.out_scalar, dtype=pos.dtype)
    vectors = torch.zeros(len(pos), 3, dtype=pos.dtype)
    for j in range(part.num_cells):
        mask = (part.index == j)[:, None].to(pos.dtype)
        elements, _ = PCAFrame(E(3), degenerate="keep")(pos[part.index == j][None])
        frames, centre = E(3).matrix(elements)[0].to(pos.dtype), E(3).translation(elements)[0, 0].to(pos.dtype)
        views = ((pos - centre) * mask) @ frames
        f = backbone.deeper(backbone.coordinates(views).relu()).relu()
        # Masked points are no part of the maximum: features are not negative.
        most = (f * mask).amax(1, keepdim=True)
        y = backbone.last((backbone.own(f) + backbone.pooled(most)).relu()) * mask
        invariants += y[..., : layer.out_scalar].mean(0)
        vectors += (y[..., layer.out_scalar :] @ frames.mT).mean(0)
    return invariants, vectors


def layers():
    torch.manual_seed(0)
    pos = torch.randn(NODES, 3)
    layer = PiecewiseEquivariant(PartPointNet(0, 3, WIDTH, 35), 32, 1)
    part = voronoi_partition(pos, PARTS)
    with torch.no_grad():
        ours, theirs = layer(None, pos, part), looped(layer, pos, part)
        apart = max(float((ours.scalar - theirs[0]).abs().max()), float((ours.vector[:, 0] - theirs[1]).abs().max()))
        assert apart < 1e-4, apart
        best = fastest({"ours": lambda: layer(None, pos, part), "loop": lambda: looped(layer, pos, part)}, rounds=5)
    row = {"what": f"layer, {NODES} points, {PARTS} parts", "ms": round(1e3 * best["ours"], 2)}
    return row | {"peer ms": round(1e3 * best["loop"], 1), "peer / ours": round(best["loop"] / best["ours"], 1)}


def mixtures(dtype):
    torch.manual_seed(0)
    batch = torch.arange(CLOUDS).repeat_interleave(VOTES)
    votes = 2 * torch.randn(CLOUDS, 8, 3).repeat_interleave(VOTES // 8, 1).flatten(0, 1)
    votes = (votes + 0.5 * torch.randn(votes.shape)).to(dtype)
    part = voronoi_partition(votes, CENTERS, batch)
    fit = GaussianPartition(SIGMA, iters=STEPS, merge_radius=0)
    clouds = votes.numpy().reshape(CLOUDS, VOTES, 3)
    starts = [
        np.stack([cloud[index == j].mean(0) for j in range(CENTERS)])
        for cloud, index in zip(clouds, part.index.numpy().reshape(CLOUDS, VOTES), strict=True)
    ]

    def peer():
        for cloud, start in zip(clouds, starts, strict=True):
            model = GaussianMixture(
                CENTERS,
                covariance_type="spherical",
                means_init=start,
                precisions_init=np.full(CENTERS, SIGMA**-2),
                weights_init=np.full(CENTERS, 1 / CENTERS),
                max_iter=STEPS,
                tol=0.0,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(cloud)

    with torch.no_grad():
        best = fastest({"ours": lambda: fit(votes, part), "peer": peer}, rounds=5)
    name = str(dtype).removeprefix("torch.")
    row = {"what": f"mixtures of {CLOUDS} clouds, {VOTES} votes, {CENTERS} centres, {STEPS} steps, {name}"}
    row |= {"ms": round(1e3 * best["ours"], 2), "peer ms": round(1e3 * best["peer"], 1)}
    return row | {"peer / ours": round(best["peer"] / best["ours"], 1)}


def growth():
    """Over points, with as many points for each part, and over clouds."""
    rows = []
    torch.manual_seed(0)
    layer = PiecewiseEquivariant(PartPointNet(0, 3, 16, 19), 16, 1)
    network = APEN(0, 16, 4, task="node", parts=16)
    sizes = [2048, 4096, 8192, 16384]
    larger = {}
    for n in sizes:
        pos = torch.randn(n, 3)
        larger[str(n)] = lambda pos=pos, part=voronoi_partition(pos, n // 16): layer(None, pos, part)
    clouds = [4, 8, 16, 32]
    many = {}
    for b in clouds:
        pos, batch = torch.randn(128 * b, 3), torch.arange(b).repeat_interleave(128)
        many[str(b)] = lambda pos=pos, batch=batch: network(None, pos, None, batch)
    with torch.no_grad():
        for what, size, calls in (("layer over points", sizes, larger), ("APEN over clouds", clouds, many)):
            best = fastest(calls)
            seconds = [best[str(n)] for n in size]
            ms = [round(1e3 * s, 2) for s in seconds]
            rows.append({"cost": what, "sizes": size, "ms": ms, "exponent": exponent(size, seconds)})
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows, grown = [layers(), mixtures(torch.float32), mixtures(torch.float64)], growth()
    for row in rows + grown:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    about = {"torch": torch.__version__, "scikit-learn": sklearn.__version__, "processor": platform.processor()}
    out = HERE / "results" / "apen.json"
    out.write_text(json.dumps({"rows": rows, "growth": grown, **about}, indent=1) + "\n")
