"""What convolutions on the plane and a group cost, against the official way to compute them, and against conv2d.

The official way is written down here, plainly: coordinates of all pairs of samples by eigen-decomposition, one network
of sines over the inputs of all pairs and all taps (nothing is shared, nothing is skipped), then the mask, then the
factors of the measure. It is given the same samples and weights, and must give the same numbers. Beside it stands our
kernel that is linear in its parameters. Layers of 16 channels at 6 samples see images of 20 by 20 pixels; a step is
forward and backward. In evaluation, where samples and weights stay, a layer should cost what its convolution costs.

    python benchmarks/affine_conv.py [--threads 1] [--rounds 40] [--write]

Rounds alternate between the competitors in one process, and the least time of each counts; with one thread the time of
the processor, else of the wall. Prints a table; ``--write`` keeps it in results/affine_conv.json.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from alternating import fastest
from torch import Tensor, nn

from erlangen.groups import SL, GLPlus, GroupSamples, sample_group
from erlangen.images import AffineConv2d, GroupFeature, SIRENKernel
from erlangen.images.kernel_grid import convolution_grid

HERE = Path(__file__).resolve().parent
CHANNELS, SAMPLES, PIXELS, TAPS = 16, 6, 20, 5


class OfficialConv(nn.Module):
    """The official way, with the corrections that its results need: samples and their inverses apart."""

    def __init__(self, kernel: SIRENKernel) -> None:
        super().__init__()
        self.kernel = kernel

    def coordinates(self, relative: Tensor) -> Tensor:
        """Of elements (out_samples, in_samples, 2, 2), by eigen-decomposition of A A^T."""
        values, vectors = torch.linalg.eigh(relative @ relative.mT)
        log = vectors @ torch.diag_embed(values.log() / 2) @ vectors.mT
        rotation = vectors @ torch.diag_embed(values.rsqrt()) @ vectors.mT @ relative
        angle = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
        if isinstance(self.kernel.group, SL):
            return torch.stack([(log[..., 0, 0] - log[..., 1, 1]) / 2**0.5, 2**0.5 * log[..., 0, 1], angle], -1)
        return torch.stack([log[..., 0, 0], 2**0.5 * log[..., 0, 1], log[..., 1, 1], angle], -1)

    def weight(self, samples: GroupSamples) -> Tensor:
        """The weight of the convolution."""
        kernel, n = self.kernel, len(samples)
        taps = TAPS * TAPS
        along = (2 * torch.arange(TAPS) + 1) / TAPS - 1
        up, right = torch.meshgrid(-along, along, indexing="ij")
        points = torch.stack([right, up], -1).view(taps, 2) @ samples.inverse.mT
        points = points[:, None].expand(n, n, taps, 2)
        coordinates = self.coordinates(samples.inverse[:, None] @ samples.matrix)[:, :, None].expand(n, n, taps, -1)
        x = inputs = torch.cat([points, coordinates], -1)
        for layer in (kernel.first, *kernel.hidden):
            x = torch.sin(kernel.omega * layer(x))
        x = kernel.last(x)
        if isinstance(kernel.group, SL):
            x = x * (points.norm(dim=-1, keepdim=True) <= 1)
        else:
            x = x * torch.sigmoid(2 * (1 - inputs.norm(dim=-1, keepdim=True)))
            x = x / torch.linalg.det(samples.matrix)[:, None, None]
        x = x.view(n, n, taps, kernel.out_channels, kernel.in_channels) / n
        return x.permute(3, 0, 4, 1, 2).reshape(kernel.out_channels * n, kernel.in_channels * n, TAPS, TAPS)

    def forward(self, feature: GroupFeature) -> GroupFeature:
        x = nn.functional.conv2d(feature.values.flatten(1, 2), self.weight(feature.samples), padding=TAPS // 2)
        return GroupFeature(x.unflatten(1, (self.kernel.out_channels, len(feature.samples))), feature.samples)


def layers(group: SL | GLPlus) -> tuple[AffineConv2d, OfficialConv]:
    """Ours and the official one, with the same weights."""
    torch.manual_seed(0)
    principal = lambda *a, **k: SIRENKernel(*a, **k, angle="principal")
    ours = AffineConv2d(group, CHANNELS, CHANNELS, TAPS, principal, padding=TAPS // 2)
    return ours, OfficialConv(ours.kernel)


def linear_layer(group: SL | GLPlus) -> AffineConv2d:
    """Ours with a kernel that is linear in its parameters."""
    torch.manual_seed(0)
    return AffineConv2d(group, CHANNELS, CHANNELS, TAPS, "basis", padding=TAPS // 2)


def drawn(group: SL | GLPlus, batch: int, seed: int = 0) -> GroupFeature:
    generator = torch.Generator().manual_seed(seed)
    samples = sample_group(group, SAMPLES, weights="proposal", generator=generator, dtype=torch.float32)
    values = torch.randn(batch, CHANNELS, SAMPLES, PIXELS, PIXELS, generator=generator)
    return GroupFeature(values, samples)


def a_layer(group: SL | GLPlus, batch: int, rounds: int, clock) -> dict[str, object]:
    """A step of a layer."""
    ours, official = layers(group)
    feature = drawn(group, batch)
    torch.testing.assert_close(ours(feature).values, official(feature).values, rtol=1e-3, atol=1e-5)
    inputs = feature.values.requires_grad_()
    against = torch.randn_like(ours(feature).values)

    def step(layer: nn.Module) -> None:
        layer(GroupFeature(inputs, feature.samples)).values.backward(against)

    def conv_step(weight=official.weight(feature.samples).detach().requires_grad_()) -> None:
        nn.functional.conv2d(inputs.flatten(1, 2), weight, padding=TAPS // 2).backward(against.flatten(1, 2))

    ways = {"ours": ours, "official": official, "ours, basis": linear_layer(group)}
    steps = {name: (lambda layer=layer: step(layer)) for name, layer in ways.items()}
    best = fastest(steps | {"conv2d": conv_step}, rounds, clock)
    return row(f"step of a layer, {group}, batch of {batch}", best, "official", "ours")


def a_kernel(group: SL | GLPlus, backward: bool, fresh: bool, rounds: int, clock) -> dict[str, object]:
    """Making a kernel, of samples that stay, or of new ones."""
    ours, official = layers(group)
    samples = drawn(group, 1).samples
    draws = iter(range(1, 1_000_000))
    against = torch.randn_like(official.weight(samples))

    def make(weight) -> None:
        at = drawn(group, 0, next(draws)).samples if fresh else samples
        if backward:
            weight(at).backward(against)
        else:
            with torch.no_grad():
                weight(at)

    def of(layer: AffineConv2d) -> Callable[[GroupSamples], Tensor]:
        return lambda at: layer._evaluate(convolution_grid(group, at, at, TAPS) if fresh else kept)

    kept = convolution_grid(group, samples, samples, TAPS)
    torch.testing.assert_close(of(ours)(samples), official.weight(samples), rtol=1e-3, atol=1e-5)
    ways = {"ours": of(ours), "official": official.weight, "ours, basis": of(linear_layer(group))}
    best = fastest({name: (lambda way=way: make(way)) for name, way in ways.items()}, rounds, clock)
    what = f"{'making a kernel and its gradient' if backward else 'making a kernel'}, {group}"
    return row(f"{what}, {'new samples' if fresh else 'samples that stay'}", best, "official", "ours")


def evaluation(group: SL | GLPlus, batch: int, rounds: int, clock) -> dict[str, object]:
    """A layer that keeps its kernel, and its convolution alone."""
    ours, official = layers(group)
    ours.eval()
    feature = drawn(group, batch)
    weight = official.weight(feature.samples).detach()
    with torch.inference_mode():
        best = fastest(
            {
                "ours": lambda: ours(feature),
                "conv2d": lambda: nn.functional.conv2d(feature.values.flatten(1, 2), weight, padding=TAPS // 2),
            },
            rounds,
            clock,
        )
    return row(f"evaluation, {group}, batch of {batch}", best, "ours", "conv2d")


def row(what: str, best: dict[str, float], above: str, below: str) -> dict[str, object]:
    found: dict[str, object] = {"what": what}
    found |= {f"{name}, ms": round(1e3 * seconds, 3) for name, seconds in best.items()}
    found[f"{above} / {below}"] = round(best[above] / best[below], 3)
    if "ours, basis" in best:
        found["official / ours, basis"] = round(best["official"] / best["ours, basis"], 3)
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--write", action="store_true", help="keep the result")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    rows = []
    for group in (SL(2), GLPlus(2)):
        for batch in (1, 8):
            rows.append(a_layer(group, batch, options.rounds, clock))
        for backward in (False, True):
            for fresh in (True, False):
                rows.append(a_kernel(group, backward, fresh, options.rounds, clock))
        for batch in (1, 32):
            rows.append(evaluation(group, batch, options.rounds, clock))
    result = {"rows": rows, "threads": options.threads, "torch": torch.__version__, "machine": platform.machine()}
    if options.write:
        (HERE / "results" / "affine_conv.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
