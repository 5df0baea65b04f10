"""A program that trains, is killed at chosen moments, goes on, and says how it ended. Run by test_kill.py.

Each training runs in a process forked from this one, which has imported everything and computed nothing.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
import types
from pathlib import Path

import lightning.pytorch  # noqa: F401
import numpy as np
import torch
from torch import nn

from erlangen import atomic
from erlangen.train import fit, folder

torch.set_num_threads(1)
EPOCHS, ITEMS, BATCH = 5, 40, 7  # 6 steps per epoch, the last of them smaller
SHORT_PATIENCE = 2


class Noisy(torch.utils.data.Dataset):
    """Every item draws from all three global generators."""

    def __init__(self):
        generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(ITEMS, 4, generator=generator)
        self.y = self.x.prod(1, keepdim=True)

    def __len__(self):
        return ITEMS

    def __getitem__(self, index):
        noise = 0.1 * torch.randn(4) + 0.1 * np.random.randn() + 0.1 * random.random()
        return self.x[index] + noise.float(), self.y[index]


class Model(nn.Module):
    """Dropout, running statistics, and a generator of its own."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))
        self.generator = torch.Generator().manual_seed(5)

    def forward(self, x):
        if self.training:
            x = x + 0.05 * torch.randn(x.shape, generator=self.generator)
        return self.layers(x)


STEPS = [0]
SAY = [-1]


def loss(model, batch):
    if not STEPS[0] and SAY[0] >= 0:
        os.write(SAY[0], b"training")
    STEPS[0] += model.training
    x, y = batch
    time.sleep(0.001)
    return (model(x + 0.05 * torch.rand_like(x)) - y).square().mean()


def train(out, checkpoint_every, early):
    torch.manual_seed(0)
    fitted = fit(
        Model(),
        Noisy(),
        loss,
        val_data=Noisy(),
        metrics=lambda model, batch: {"error": (model(batch[0]) - batch[1]).abs().mean()},
        epochs=EPOCHS,
        batch_size=BATCH,
        lr=0.02,
        schedule="cosine",
        clip=1.0,
        patience=SHORT_PATIENCE if early else 3,
        mode="max" if early else "min",  # "max" makes all that is learned a step backwards
        seed=3,
        out=out,
        resume=True,
        checkpoint_every=checkpoint_every,
        progress=False,
    )
    digest = hashlib.sha256()
    for name, value in fitted.model.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    (out.parent / "seconds.json").write_text(json.dumps([row["seconds"] for row in fitted.history]))
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in fitted.history]
    return {"weights": digest.hexdigest(), "history": history, "best": [fitted.best_epoch, fitted.best]}


def run(folder, checkpoint_every, kill_after=None, trap=None, early=False):
    """One process; returns its result and the number of steps it made, or None if it was killed.

    Args:
        folder: Where it works.
        checkpoint_every: As `fit` takes it.
        kill_after: Seconds from its first step on.
        trap: Called in the process, first of all.
        early: Whether patience ends the training before its last epoch.
    """
    result = folder / "result.json"
    listen, SAY[0] = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if trap is not None:
                trap()
            result.write_text(json.dumps([train(folder / "out", checkpoint_every, early), STEPS[0]]))
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    os.close(SAY[0])
    begun = os.read(listen, 8)
    os.close(listen)
    if begun and kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)  # of a process that is over but not yet waited for, this changes nothing
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if status != 0:
        raise SystemExit("a training failed")
    return json.loads(result.read_text())


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def trap_at(where, count):
    """Dies at the ``count``-th write of a file: in the middle of its content, before its name is given, or after."""

    def set_trap():
        calls = [0]
        real_fdopen, real_replace = os.fdopen, os.replace

        class Half:
            def __init__(self, file):
                self.file = file

            def __enter__(self):
                self.file.__enter__()
                return self

            def __exit__(self, *stop):
                return self.file.__exit__(*stop)

            def write(self, data):
                calls[0] += 1
                if where == "within" and calls[0] == count:
                    self.file.write(data[: len(data) // 2])
                    self.file.flush()
                    die()
                return self.file.write(data)

            def flush(self):
                self.file.flush()

            def fileno(self):
                return self.file.fileno()

        def replace(*names):
            if where == "before" and calls[0] == count:
                die()
            real_replace(*names)
            if where == "after" and calls[0] == count:
                die()

        seen = types.SimpleNamespace(**vars(os))  # only what the writer sees is replaced
        seen.fdopen, seen.replace = (lambda handle, mode: Half(real_fdopen(handle, mode))), replace
        atomic.os = seen

    return set_trap


def trap_at_the_end(written):
    """Dies when patience is spent, and nothing says yet that this was the end: before or after that checkpoint."""

    def set_trap():
        real_write = folder.Folder.write

        def write(self, state):
            journey = state["journey"]
            last = journey["waited"] >= SHORT_PATIENCE and not journey["finished"]
            if last and not written:
                die()
            real_write(self, state)
            if last:
                die()

        folder.Folder.write = write

    return set_trap


def measure(folder, early=False):
    """The result of a process that nobody kills, and how long it trained."""
    result, steps = run(folder, 0.0, early=early)
    assert steps == len(result["history"]) * -(-ITEMS // BATCH)
    return result, sum(json.loads((folder / "seconds.json").read_text()))


def main(folder, seed, chains):
    folder = Path(folder)
    draws = random.Random()
    for name in ("whole", "early"):
        (folder / name).mkdir()
    whole, length = measure(folder / "whole")
    early, _ = measure(folder / "early", early=True)
    report = {"whole": whole, "early": early, "chains": [], "early_chains": []}

    def chain(name, how, every, kill, early=False, limit=4):
        draws.seed(f"{seed} {name}")
        (folder / name).mkdir()
        kills, ended = 0, None
        while ended is None:
            ended = run(folder / name, every, **kill() if kills < limit else {}, early=early)
            kills += ended is None
        result, steps = ended
        chains = report["early_chains" if early else "chains"]
        chains.append({"how": how, "kills": kills, "steps": steps, "result": result})

    for index, every in enumerate([0.0, 0.0, 0.0, 0.02, 1000.0][:chains]):
        how = f"at any moment, checkpoint every {every} s"
        chain(
            f"{index}", how, every, lambda every=every: {"kill_after": draws.uniform(0, length * (0.3 if every else 1))}
        )
    for where in ("within", "before", "after"):
        chain(where, f"{where} a write", 0.0, lambda where=where: {"trap": trap_at(where, draws.randint(1, 12))})
    for written in (False, True):
        how, trap = f"{'after' if written else 'before'} the last checkpoint", trap_at_the_end(written)
        chain(f"stops {how}", how, 0.0, lambda trap=trap: {"trap": trap}, early=True, limit=1)
    chain("stops early", "before a write", 0.0, lambda: {"trap": trap_at("before", draws.randint(1, 12))}, early=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
