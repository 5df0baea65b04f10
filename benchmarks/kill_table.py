"""The audit against nine kinds of bugs at three sizes, and against healthy networks.

Prints how many of the bugs it finds, the smallest size it finds for every seed, false alarms, and what an audit costs;
writes the same beside itself to results/kill_table.json.
"""

import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import torch  # noqa: E402
from tests.audit.kill_table import kill_table  # noqa: E402

torch.set_num_threads(1)


def main() -> None:
    start = time.perf_counter()
    table = kill_table()
    print(table)
    print(f"{time.perf_counter() - start:.0f} s in all")
    out = HERE / "results" / "kill_table.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({**table.to_dict(), "torch": torch.__version__}, indent=1) + "\n")


if __name__ == "__main__":
    main()
