"""``erlangen list`` and ``erlangen data``: what there is to run, and what it reads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from erlangen.cli.options import Parser
from erlangen.data import SOURCES, VARIABLE, data_root, look
from erlangen.recipes import CATALOG


def list_command(given: list[str]) -> int:
    """Prints the catalogue."""
    parser = Parser("erlangen list", "What recipes there are.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    if parser.read(given).json:
        print(json.dumps([dataclasses.asdict(entry) | {"module": entry.module} for entry in CATALOG], indent=1))
        return 0
    width = max(len(entry.name) for entry in CATALOG)
    for entry in CATALOG:
        print(f"{entry.name:<{width}}  {entry.summary}")
        if entry.paper:
            print(f"{'':<{width}}  {entry.paper}")
        needs = f"pip install 'erlangen[{','.join(entry.extras)}]'"
        print(f"{'':<{width}}  experiments: {', '.join(entry.experiments)} · needs {needs}")
    print("\nerlangen run NAME runs one; erlangen run NAME --help shows its claims and options")
    return 0


def data_command(given: list[str]) -> int:
    """Prints the table of data sets."""
    parser = Parser("erlangen data", "What data sets recipes can use, whether they are here, and where to get them.")
    parser.add_argument("--data", type=Path, help=f"the data root; default: ${VARIABLE}")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.read(given)
    root = data_root(options.data)
    found = {name: look(source, root) for name, source in SOURCES.items()}
    if options.json:
        rows = [dataclasses.asdict(SOURCES[name]) | {"name": name, "found": f.there} for name, f in found.items()]
        print(json.dumps(rows, indent=1))
        return 0
    print(f"data root: {root}" if root else f"data root: none ({VARIABLE} is not set, and no --data was given)")
    for name, one in found.items():
        print(f"\n{name:<8} {'found' if one.there else f'not found: {one.missing}'}")
        print(f"         {one.source.summary}")
        print(f"         belongs in: {one.source.layout}")
        print(f"         from: {one.source.publisher}" + (f" ({one.source.licence})" if one.source.licence else ""))
    return 0
