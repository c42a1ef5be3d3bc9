"""CPU time of the default detector beside TransNetV2 over the whole film: ``make bench BENCH=detectors``.

``python -m tests.bench.bench_detectors FOOTAGE [--frames N]``. FOOTAGE is a folder of films. Each is watched
three times, each time in a fresh process: decoded and scaled only, with the default detector, and with
TransNetV2. The figures are user and system seconds of the whole process tree, imports included. Goal: the default
detector takes at most a third of TransNetV2's time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from ops.shots.cutting import TimedFrame
from ops.shots.detectors.choice import load_detector
from ops.shots.pictures import make_detector_frame
from ops.shots.reading import read_proxy_frames
from ops.videos.probe import probe
from tests.bench.bench_ingest import timed

KINDS = {".mp4", ".mkv", ".webm", ".mov"}
NAMES = ("none", "auto", "transnetv2")


def watch(film: Path, name: str, frames: int) -> None:
    """Show the first frames of a film to a detector, or to none."""
    info = probe(film)
    detector = None if name == "none" else load_detector(name, info.fps)
    for item in read_proxy_frames(film, info, threads=1):
        if isinstance(item, TimedFrame):
            if item.index >= frames:
                break
            if detector is not None:
                detector.push(make_detector_frame(item.frame))
    if detector is not None:
        detector.finish()


def measure(film: Path, frames: int, home: Path) -> dict[str, float]:
    """CPU seconds of each way to watch one film."""
    command = [sys.executable, "-m", "tests.bench.bench_detectors", str(film), "--frames", str(frames), "--watch"]
    return {name: timed([*command, name], home)["cpu_s"] for name in NAMES}


def line(title: str, seconds: dict[str, float]) -> str:
    """One row of the table."""
    none, auto, network = (seconds[name] for name in NAMES)
    shares = f"{auto / network:8.3f} {(auto - none) / max(network - none, 1e-9):8.3f}"
    return f"{title:32} {none:8.1f} {auto:8.1f} {network:10.1f} {shares}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("footage", type=Path)
    parser.add_argument("--frames", type=int, default=sys.maxsize, help="of each film, from the first")
    parser.add_argument("--watch", choices=NAMES, help="watch one film in this process")
    options = parser.parse_args()
    if options.watch:
        watch(options.footage, options.watch, options.frames)
        return
    print(f"{'CPU seconds':32} {'decode':>8} {'auto':>8} {'transnetv2':>10} {'ratio':>8} {'alone':>8}")
    pooled = dict.fromkeys(NAMES, 0.0)
    with tempfile.TemporaryDirectory() as home:
        for film in sorted(path for path in options.footage.iterdir() if path.suffix in KINDS):
            seconds = measure(film, options.frames, Path(home))
            pooled = {name: pooled[name] + seconds[name] for name in NAMES}
            print(line(film.name, seconds), flush=True)
    print(line("pooled", pooled))
    print("ratio: auto to transnetv2; alone: the same without decoding and scaling. Goal: at most 0.333")


if __name__ == "__main__":
    main()
