"""``erlangen expressivity``: which equivariant polynomials a family of networks cannot compute."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from erlangen.cli.options import BadInputError, Parser

if TYPE_CHECKING:
    from erlangen.graphs import KnownNetwork, MarkedMultigraph

ORDERS = {0: "graphs", 1: "nodes", 2: "pairs"}
LISTED, DRAWN = 24, 60
EXAMPLES = """\
Networks differ in what they can sum over. BANK is one of

  node       a node with one neighbour: message passing
  edge       a node with two neighbours, which is a product of matrices: PPGN
  3, 4, ...  a node with as many neighbours: folklore networks of this order

or the name of a network: GCN, GIN, GatedGCN, 2-IGN, PPGN, 'PPGN++ (6)', 3-FWL, 3-WL, ...

examples:
  erlangen expressivity edge --degree 6        what PPGN lacks, and PPGN++ adds
  erlangen expressivity gin --degree 4 --order 1
  erlangen expressivity table                  well-known networks side by side
"""


def expressivity_command(given: list[str]) -> int:
    """Prints what can be computed, degree by degree, lists what cannot, and draws it."""
    parser = Parser("erlangen expressivity", "What can a network on graphs not compute?", EXAMPLES)
    parser.add_argument("bank", metavar="BANK", help="node, edge, a number, the name of a network, or 'table'")
    parser.add_argument("--degree", type=int, default=6, help="largest number of edges, 1 to 7 (default: 6)")
    parser.add_argument(
        "--order", type=int, nargs="+", choices=(0, 1, 2), help="0 graphs, 1 nodes, 2 pairs; default: all it computes"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the picture; default: expressivity-BANK.png")
    parser.add_argument("--no-picture", action="store_true", help="draw nothing")
    parser.add_argument("--json", action="store_true", help="everything as JSON, without a picture")
    options = parser.read(given)
    if not 1 <= options.degree <= 7:
        raise BadInputError(f"--degree is {options.degree}; it takes 1 to 7")
    if options.bank == "table":
        _print_table(options.degree, options.json)
        return 0
    network = _network(options.bank)
    orders = tuple(sorted(set(options.order or network.orders)))
    if absent := [order for order in orders if order not in network.orders]:
        raise BadInputError(f"--order {absent[0]}: {network.name} computes no numbers of {ORDERS[absent[0]]}")
    missing = [graph for graph in network.missing(options.degree) if graph.order in orders]
    counts = _counts(missing, options.degree, orders)
    exact = {order: network.exactness_degree(order, options.degree) for order in orders}
    if options.json:
        graphs = [{"edges": graph.edges, "marks": graph.marks} for graph in missing]
        rows = [
            {"degree": degree, "order": order, "missing": absent, "of": every}
            for (degree, order), (absent, every) in counts.items()
        ]
        found = {"network": network.name, "bank": network.bank, "exactness_degree": exact, "counts": rows}
        print(json.dumps(found | {"missing": graphs}, indent=1))
        return 0
    _print(network, missing, counts, options.degree, orders)
    if missing and not options.no_picture:
        out = options.out or Path(f"expressivity-{options.bank.lower().replace(' ', '')}.png")
        _draw(network, missing, out)
    return 0


def _network(bank: str) -> KnownNetwork:
    from erlangen.graphs import KnownNetwork, find_network

    if bank in ("node", "edge"):
        name = {"node": "message passing", "edge": "PPGN"}[bank]
        return KnownNetwork(name, bank, (0, 1, 2), "")
    if bank.isdecimal() and int(bank) >= 1:
        return KnownNetwork(f"folklore networks of order {bank}", int(bank), (0, 1, 2), "")
    try:
        return find_network(bank)
    except ValueError as error:
        raise BadInputError(f"BANK is {bank!r}; it takes node, edge, a number from 1, 'table' or a network: "
                            f"{str(error).partition('(name): ')[2].partition(', got')[0]}") from None  # fmt: skip


def _counts(
    missing: Sequence[MarkedMultigraph], degree: int, orders: tuple[int, ...]
) -> dict[tuple[int, int], tuple[int, int]]:
    """How many polynomials are missing, of how many, by degree and order."""
    from erlangen.graphs import enumerate_basis

    return {
        (d, order): (
            sum(graph.degree == d and graph.order == order for graph in missing),
            len(enumerate_basis(d, order, simple=True, connected=True)),
        )
        for d in range(1, degree + 1)
        for order in orders
    }


def _print(
    network: KnownNetwork,
    missing: Sequence[MarkedMultigraph],
    counts: dict[tuple[int, int], tuple[int, int]],
    degree: int,
    orders: tuple[int, ...],
) -> None:
    print(f"{network.name} sums over nodes with at most {_width(network)}.")
    if network.source:
        print(network.source)
    print("\npolynomials of simple graphs that it cannot compute, of all connected ones:\n")
    print("  degree" + "".join(f"{ORDERS[order]:>13}" for order in orders))
    for d in range(1, degree + 1):
        cells = (f"{counts[d, order][0]} of {counts[d, order][1]}" for order in orders)
        print(f"  {d:>6}" + "".join(f"{cell:>13}" for cell in cells))
    print()
    for order in orders:
        exact = network.exactness_degree(order, degree)
        print(f"  {'at least ' * (exact == degree)}{exact}: every polynomial of {ORDERS[order]} up to this degree")
    for graph in missing[:LISTED]:
        print(("\ncannot compute (edges; marked nodes):\n\n" if graph is missing[0] else "") + f"  {graph}")
    if len(missing) > LISTED:
        print(f"  and {len(missing) - LISTED} more (--json lists all)")


def _width(network: KnownNetwork) -> str:
    from erlangen.graphs.contraction import bank_width

    width = bank_width(network.bank)
    return f"{width} neighbour{'s' * (width > 1)}"


def _print_table(degree: int, as_json: bool) -> None:
    from erlangen.graphs import NETWORKS

    rows = [(network, {order: network.exactness_degree(order, degree) for order in ORDERS}) for network in NETWORKS]
    if as_json:
        print(json.dumps([{"network": one.name, "bank": one.bank, "exactness_degree": row} for one, row in rows]))
        return
    print(f"degree up to which every polynomial is computed ({degree} means at least {degree}; - has no such output)\n")
    print(f"  {'network':<12} {'bank':<6}" + "".join(f"{name:>8}" for name in ORDERS.values()) + "  source")
    for network, row in rows:
        cells = "".join(f"{'-' if exact is None else exact:>8}" for exact in row.values())
        print(f"  {network.name:<12} {network.bank:<6}{cells}  {network.source}")


def _draw(network: KnownNetwork, missing: Sequence[MarkedMultigraph], out: Path) -> None:
    from erlangen.graphs import draw_multigraph
    from erlangen.report import new_figure, save_figure

    drawn = missing[:DRAWN]
    rows = math.ceil(len(drawn) / 10)
    columns = math.ceil(len(drawn) / rows)
    figure, axes = new_figure(rows, columns, width=1.05 * max(columns, 4), height=1.15 * rows + 0.4)
    for place, one in enumerate(axes):
        if place < len(drawn):
            draw_multigraph(drawn[place], one)
            one.set_title(f"degree {drawn[place].degree}", fontsize=7)
        else:
            one.set_axis_off()
    which = f"these {len(drawn)} of {len(missing)}" if len(drawn) < len(missing) else f"these {len(drawn)}"
    figure.suptitle(f"polynomials that {network.name} cannot compute: {which}", fontsize=9)
    try:
        save_figure(figure, out)
    except ValueError as error:
        raise BadInputError(f"--out {out}: {error}") from None
    except OSError as error:
        raise BadInputError(f"--out {out}: cannot be written ({error.strerror})") from None
    print(f"\npicture: {out}")
