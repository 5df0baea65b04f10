"""How long each route of a Gaunt product takes: the numbers behind `method="auto"`.

One thread, float32, inputs of all degrees up to L in the order of functions (`gaunt_product`), outputs up to 2 L or up
to L. All routes of a row are warmed and then timed in turn; the least time of each counts, as other programs can only
add to it. Prints a row as it is measured, then the two tables that src/erlangen/o3/route.py holds; writes
results/gaunt_routes.json.

    python benchmarks/gaunt_routes.py [--items 1024 8192] [--rounds 20] [--degrees 1 2 3 4 5 6 8 10] [--backward]
"""

import argparse
import json
import platform
from pathlib import Path

import torch

from erlangen.o3 import gaunt_product
from erlangen.o3.operation import PRODUCT
from erlangen.o3.route import choose

HERE = Path(__file__).resolve().parent
GRIDS = ("grid:gl", "grid:lebedev", "grid:interpolation", "grid:half")


def forward(x, y, lmax, lmax_out, method):
    with torch.no_grad():
        gaunt_product(x, y, lmax, lmax, lmax_out, method=method)


def both(x, y, lmax, lmax_out, method):
    torch.autograd.grad(gaunt_product(x, y, lmax, lmax, lmax_out, method=method).sum(), (x, y))


def measure(lmax, lmax_out, items, rounds, step):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(items, (lmax + 1) ** 2, generator=generator, requires_grad=step is both) for _ in range(2))
    # The transforms are tens of times slower: fewer rounds of them, and none where they would take minutes.
    methods = [m for m in (*GRIDS, "fourier") if m != "fourier" or items * lmax**2 < 5e4]
    times = {}
    for group, number in ((GRIDS, rounds), (("fourier",), 3)):
        names = [m for m in group if m in methods]
        functions = [lambda m=m: step(x, y, lmax, lmax_out, m) for m in names]
        times.update(zip(names, interleaved(functions, number), strict=True))
    every = tuple(range(lmax + 1))
    return {
        "degree": lmax,
        "degree out": lmax_out,
        "items": items,
        "what": step.__name__,
        "auto": choose(PRODUCT, (every, every), tuple(range(lmax_out + 1))),
        **{name: round(t, 4) for name, t in times.items()},
    }


def tables(rows):
    """For whole and truncated outputs, the route with the least sum of logarithms over the numbers of items."""
    found = {"whole": [], "truncated": []}
    for lmax in sorted({r["degree"] for r in rows}):
        for name, lmax_out in (("whole", 2 * lmax), ("truncated", lmax)):
            own = [r for r in rows if (r["degree"], r["degree out"], r["what"]) == (lmax, lmax_out, "forward")]
            if own:
                score = {m: sum(torch.tensor(r[m]).log().item() for r in own) for m in GRIDS}
                found[name].append((2 * lmax, min(score, key=score.__getitem__).removeprefix("grid:")))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1024, 8192])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--degrees", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 8, 10])
    parser.add_argument("--backward", action="store_true", help="also forward and backward together")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for lmax in options.degrees:
        for lmax_out in (2 * lmax, lmax):
            for items in options.items:
                for step in (forward, both) if options.backward else (forward,):
                    rows.append(measure(lmax, lmax_out, items, options.rounds, step))
                    print(", ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    found = tables(rows)
    for name, table in found.items():
        print(f"{name} outputs, fastest by degree of the product: {table}")
    about = {"torch": torch.__version__, "machine": platform.machine(), "threads": 1, "unit": "ms"}
    out = HERE / "results" / "gaunt_routes.json"
    out.write_text(json.dumps({"rows": rows, "fastest": found, **about}, indent=1) + "\n")


if __name__ == "__main__":
    main()
