"""``make bench``: every measurement in one run; ``make bench BENCH="ingest"`` or ``BENCH="index"`` for one of them.

The ingest is measured on the real film beside the checkout, or on the film that NEEDLE_BENCH_FILM names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CAPTIONS = str(CHECKOUT.parent / "shared" / "captions")
FILM = CHECKOUT.parent / "shared" / "footage" / "bbb_full_360p.mp4"


def main() -> int:
    wanted = sys.argv[1:] or ["index", "probes", "service", "ingest"]
    film = os.environ.get("NEEDLE_BENCH_FILM", str(FILM))
    commands = {
        "index": ["tests.bench.bench_index"],
        "probes": ["tests.bench.bench_probes", "--film", film],
        "service": ["tests.bench.bench_serve"],
        "ingest": ["tests.bench.bench_ingest", film],
        "long": ["tests.bench.bench_ingest", film, "--long"],
        "training": ["tests.bench.bench_training"],
        "embedding": ["tests.bench.bench_embedding", film],
        "gpu": ["tests.bench.bench_gpu", "--home", os.environ.get("NEEDLE_HOME", ".needle")],
        "packs": ["tests.bench.bench_packs", "--film", film],
        "adaptation": [
            "tests.bench.bench_adaptation",
            "--captions",
            CAPTIONS,
            "--footage",
            str(Path(film).parent),
            "--markdown",
        ],
        "detectors": ["tests.bench.bench_detectors", str(Path(film).parent)],
        "cuts": ["tests.bench.bench_cuts", str(Path(film).parent)],
        "thresholds": ["tests.bench.bench_thresholds", str(Path(film).parent)],
        "reedits": ["tests.bench.bench_reedits", str(Path(film).parent)],
        "match_cuts": ["tests.bench.bench_match_cuts", str(Path(film).parent)],
        "motion": ["tests.bench.bench_motion", str(Path(film).parent)],
        "screen_text": ["tests.bench.bench_screen_text"],
        "sound": ["tests.bench.bench_sound"],
        "people": ["tests.bench.bench_people", str(Path(film).parent)],
        "scale": ["tests.bench.bench_scale"],
        "lines": ["tests.bench.bench_lines"],
        "relevance": ["tests.bench.bench_relevance", str(Path(film).parent)],
    }
    # Throughput of the loop, then gain and forgetting of the recipes.
    wanted = [part for name in wanted for part in ([name, "adaptation"] if name == "training" else [name])]
    for name in wanted:
        status = subprocess.run([sys.executable, "-m", *commands[name]], cwd=CHECKOUT, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
