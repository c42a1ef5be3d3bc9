"""Ingest against its unavoidable parts, against what a user would do by hand, against itself, and its memory.

``python -m tests.bench.bench_ingest FILM [--long]`` runs everything in one go on the same film:

- CPU time of ``needle ingest``, into a fresh home and into one in use (where the image tower is exported
  already), over the sum of: decoding the film once, encoding its proxies, running the
  encoder on the sampled frames (target: at most 1.3);
- wall time of ``scenedetect detect-adaptive split-video`` plus decord and the same encoder one shot at a time,
  over the wall time of ``needle ingest`` (target: at least 2, on two cores);
- a second ``needle ingest`` over the first (target: at most 0.03, and not one file written);
- with ``--long``: peak memory for the film six times over, against once (target: at most 1.2).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--long", action="store_true", help="also the film six times over, for memory")
    options = parser.parse_args()
    print(json.dumps(measure(options.film.absolute(), options.long), indent=2))


def measure(film: Path, long: bool) -> dict[str, Any]:
    """All figures of one film; seconds are of this run only, ratios are what counts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        fresh = timed([sys.executable, "-m", "ops.cli", "ingest", str(film)], folder / "fresh")
        shutil.copytree(folder / "fresh" / "cache", home / "cache")
        ingest = timed([sys.executable, "-m", "ops.cli", "ingest", str(film)], home)
        before = listing(home)
        again = timed([sys.executable, "-m", "ops.cli", "ingest", str(film)], home)
        written = sum(before.get(path) != stamp for path, stamp in listing(home).items())
        parts = part("decode", film, home) | part("encode", film, home) | part("embed", film, home)
        hand = timed([sys.executable, "-m", "tests.bench.by_hand", str(film), str(folder / "by_hand")], home)
        sum_of_parts = parts["decode_cpu_s"] + parts["encode_cpu_s"] + parts["embed_cpu_s"]
        result = {
            "film": film.name,
            "ingest_fresh_home": fresh,
            "ingest": ingest,
            "second_run": again,
            "parts": parts,
            "by_hand": hand,
            "ratio_cpu_to_parts_fresh_home": round(fresh["cpu_s"] / sum_of_parts, 3),
            "ratio_cpu_to_parts": round(ingest["cpu_s"] / sum_of_parts, 3),
            "ratio_by_hand_to_ingest_wall_fresh_home": round(hand["wall_s"] / fresh["wall_s"], 2),
            "ratio_by_hand_to_ingest_wall": round(hand["wall_s"] / ingest["wall_s"], 2),
            "ratio_by_hand_to_ingest_cpu": round(hand["cpu_s"] / ingest["cpu_s"], 2),
            "ratio_second_to_first_wall": round(again["wall_s"] / ingest["wall_s"], 4),
            "files_written_by_second_run": written,
        }
        if long:
            result |= memory(film, folder)
            result["ratio_cpu_to_parts_six_times"] = round(result["six_times"]["cpu_s"] / (6 * sum_of_parts), 3)
        return result


def timed(command: list[str], home: Path) -> dict[str, float]:
    """Run a command: wall and CPU seconds of it and its children, peak memory of them together in MB."""
    environment = {**os.environ, "NEEDLE_HOME": str(home), "NEEDLE_ENCODER": "starter"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.DEVNULL)
    watch = PeakMemory(process.pid)
    watch.start()
    status = process.wait()
    wall = time.monotonic() - began
    watch.stop()
    if status not in (0, 3):
        raise SystemExit(f"{command} ended with {status}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mb": round(watch.peak / 1e6)}


class PeakMemory(threading.Thread):
    """Largest proportional set size of a process and its children, sampled twice a second (Linux)."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.5):
            self.peak = max(self.peak, sum(map(memory_of, family(self.pid))))

    def stop(self) -> None:
        self.done.set()
        self.join()


def family(pid: int) -> list[int]:
    """A process and all its descendants that are alive."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(member for child in text.split() for member in family(int(child)))]


def memory_of(pid: int) -> int:
    """Proportional set size in bytes: shared pages are counted once."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return 0


def part(name: str, film: Path, home: Path) -> dict[str, float]:
    """One unavoidable part, in a process of its own; it reports the CPU seconds of the work without imports."""
    command = [sys.executable, "-m", "tests.bench.parts", name, str(film), str(home)]
    environment = {**os.environ, "NEEDLE_HOME": str(home), "NEEDLE_ENCODER": "starter"}
    done = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True, env=environment)
    return {f"{name}_cpu_s": round(float(done.stdout.split()[-1]), 2)}


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of this process and its children while it does the work."""

    def used() -> float:
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    before = used()
    work()
    return used() - before


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def memory(film: Path, folder: Path) -> dict[str, Any]:
    """Peak memory for the film once and six times over."""
    import imageio_ffmpeg

    names = folder / "names.txt"
    names.write_text(f"file '{film}'\n" * 6)
    long = folder / f"six_times{film.suffix}"
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-v", "error", "-f", "concat", "-safe", "0", "-i", str(names), "-c", "copy", str(long)]
    subprocess.run(command, check=True)
    for name in ("once", "six"):
        shutil.copytree(folder / "fresh" / "cache", folder / name / "cache")
    once = timed([sys.executable, "-m", "ops.cli", "ingest", str(film)], folder / "once")
    six = timed([sys.executable, "-m", "ops.cli", "ingest", str(long)], folder / "six")
    return {"once": once, "six_times": six, "ratio_peak_memory": round(six["peak_mb"] / once["peak_mb"], 3)}


if __name__ == "__main__":
    main()
