"""Costs by the size of the catalogue: every part, a module ``bench_scale_*.py`` each, one after the other.

``make bench BENCH=scale``. The lake's part takes about half an hour of CPU time at its default sizes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    for part in sorted(HERE.glob("bench_scale_*.py")):
        print(f"== {part.stem.removeprefix('bench_scale_')}", flush=True)
        command = [sys.executable, "-m", f"tests.bench.{part.stem}", *sys.argv[1:]]
        if status := subprocess.run(command, cwd=HERE.parents[1], check=False).returncode:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
