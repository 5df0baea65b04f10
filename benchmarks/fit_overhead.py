"""What `fit` costs on top of a PyTorch loop written by hand, per step and per training, for a tiny network.

Both make the same steps on the same batches; rounds alternate, and the least time of each counts, as other programs can
only add to it. Prints microseconds of process time and the ratio; writes the same to results/fit_overhead.json.
"""

import json
import platform
import tempfile
import time
from pathlib import Path

import lightning
import torch
from torch import nn

from erlangen.train import fit
from erlangen.train.randomness import ORDER, derive_seed

HERE = Path(__file__).resolve().parent
ITEMS, BATCH, EPOCHS, ROUNDS = 2048, 64, 10, 6
X = torch.randn(ITEMS, 8, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True)


def network(width: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))


def loss(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def by_hand(width: int, epochs: int) -> nn.Module:
    model = network(width)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(derive_seed(0, ORDER, epoch))
        for index in torch.randperm(ITEMS, generator=generator).split(BATCH):
            value = loss(model, (X[index], Y[index]))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            value.item()
    return model


def by_fit(width: int, epochs: int, out: Path | None = None) -> nn.Module:
    settings = {"epochs": epochs, "batch_size": BATCH, "lr": 1e-3, "out": out, "overwrite": out is not None}
    return fit(network(width), (X, Y), loss, progress=False, **settings).model


def clock(function, *arguments) -> float:
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def measure(width: int, folder: Path) -> dict[str, float]:
    first, second = by_hand(width, 1), by_fit(width, 1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    hand, ours, kept, one = [], [], [], []
    for _ in range(ROUNDS):
        hand.append(clock(by_hand, width, EPOCHS))
        ours.append(clock(by_fit, width, EPOCHS))
        kept.append(clock(by_fit, width, EPOCHS, folder))
        one.append(clock(by_fit, width, 1) - clock(by_hand, width, 1))
    steps = EPOCHS * ITEMS // BATCH
    microseconds = 1e6 / steps
    return {
        "width": width,
        "by hand, us per step": round(min(hand) * microseconds, 1),
        "fit, us per step": round(min(ours) * microseconds, 1),
        "fit with checkpoints, us per step": round(min(kept) * microseconds, 1),
        "added, us per step": round((min(ours) - min(hand)) * microseconds, 1),
        "ratio": round(min(ours) / min(hand), 2),
        "added by a training of one epoch, ms": round(min(one) * 1e3, 1),
    }


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(width, Path(folder)) for width in (32, 256, 1024)]
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    about = {"torch": torch.__version__, "lightning": lightning.__version__, "machine": platform.machine()}
    out = HERE / "results" / "fit_overhead.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"rows": rows, "batch": BATCH, **about}, indent=1) + "\n")


if __name__ == "__main__":
    main()
