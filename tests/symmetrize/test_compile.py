"""What of the soft side of `erlangen.symmetrize` works under torch.compile(fullgraph=True) and torch.export."""

import subprocess
import sys
from pathlib import Path


def test_compile_and_export():
    """In a process of its own: run-time checks of signatures, which tests switch on, stand in the compiler's way."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("compiled.py"))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["SoftEMLP", "EMLP", "ResidualPathwayEMLP", "SoftEquivariantLinear"]
