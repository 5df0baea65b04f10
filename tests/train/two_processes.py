"""A program that trains in two processes and writes what each ends with. Run by test_processes.py."""

import json
import os
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

from erlangen.train import fit

torch.set_num_threads(1)
X = torch.linspace(-1, 1, 23, dtype=torch.float64)[:, None]  # 23 items in batches of 5: the last two halves differ
DATA = (X, X.square())


STOP = os.environ.get("STOP_AT_EPOCH_2")


def loss(model, batch):
    if STOP and model.training and Path(STOP, "best.safetensors").exists():
        raise RuntimeError("stopped")
    return (model(batch[0]) - batch[1]).square().mean()


def train(out, **how):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    settings = dict(val_data=(X[:9], X[:9]), epochs=3, batch_size=5, lr=0.02, schedule="cosine", clip=0.5, seed=1)
    fitted = fit(model, DATA, loss, out=out, resume=out is not None, progress=False, **settings, **how)
    weights = {name: value.tolist() for name, value in fitted.model.state_dict().items()}
    return {"weights": weights, "history": fitted.history, "best": fitted.best_epoch}


def main(folder, strategy):
    folder = Path(folder)
    how = {"accelerator": "cpu", "devices": 2, "strategy": strategy}
    if strategy == "ddp_spawn":  # stopped after its first epoch, and taken up again
        os.environ["STOP_AT_EPOCH_2"] = str(folder / "two")
        try:
            train(folder / "two", **how)
        except Exception as error:
            assert "RuntimeError: stopped" in str(error)
        del os.environ["STOP_AT_EPOCH_2"]
    two = train(folder / "two", **how)
    rank = int(os.environ.get("LOCAL_RANK", 0))
    (folder / f"rank{rank}.json").write_text(json.dumps(two))
    if rank == 0:
        (folder / "one.json").write_text(json.dumps(train(None)))


if __name__ == "__main__":
    warnings.simplefilter("error", ResourceWarning)
    main(*sys.argv[1:])
