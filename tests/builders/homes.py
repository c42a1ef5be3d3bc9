"""A home, a library of generated films, and the command line as a person calls it."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ops.cli.main import main
from tests.builders.films import Film, make_film
from tests.builders.forked import ForkedCommand

CHECKOUT = Path(__file__).resolve().parents[2]
_RIGHTS = "-dac_override,-dac_read_search"
WITHOUT_PRIVILEGES = [] if os.geteuid() else ["setpriv", f"--bounding-set={_RIGHTS}", f"--inh-caps={_RIGHTS}"]
"""The beginning of a command that may read only what its user may, also if that is root."""
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Home:
    """One ``NEEDLE_HOME`` and the command line on it.

    The encoder sees ``frames`` frames of a shot (``None``: the default, at four times the work).
    """

    path: Path
    frames: int | None = 2

    def environment(self, **extra: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLE_", "DAGSTER_"))}
        ours = {"NEEDLE_HOME": str(self.path), "NEEDLE_ENCODER": "starter"}
        if self.frames:
            ours["NEEDLE_FRAMES_PER_SHOT"] = str(self.frames)
        return {**clean, **ours, **extra}

    def run(self, *arguments: str, expect: int = 0, **extra: str) -> Done:
        """Run a command in this process: a new one takes two to four seconds to import what an ingest needs.

        With another engine, or with ``extra`` environment of others, it is a process of its own: this one would keep
        their clients.
        """
        if "NEEDLE_ENGINE" in extra:
            return self.start(*arguments, expect=expect, **extra)
        if not all(name.startswith("NEEDLE_") for name in extra):
            return self.fork(*arguments, expect=expect, **extra)
        return _checked(self._run_here(arguments, self.environment(**extra)), expect)

    def start(self, *arguments: str, expect: int = 0, **extra: str) -> Done:
        """Run a command as a process of its own, as a person does."""
        command = [sys.executable, "-m", "ops.cli", *arguments]
        environment = self.environment(**extra)
        result = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        return _checked(result, expect)

    def fork(self, *arguments: str, expect: int = 0, **extra: str) -> Done:
        """Run a command as a process of its own that has imported what it needs."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = ForkedCommand(arguments, self.environment(**extra), out, err)
            try:
                status = process.wait(600)
            finally:
                process.kill()
            out.seek(0)
            err.seek(0)
            return _checked(Done(arguments, status, out.read(), err.read()), expect)

    def _run_here(self, arguments: tuple[str, ...], environment: dict[str, str]) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, environment, clear=True))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")  # as a process of its own has it
            stack.enter_context(_kept_level("dagster"))
            stack.enter_context(redirect_stdout(out))
            stack.enter_context(redirect_stderr(err))
            # What the command leaves is collected, which closes its indexes; what was there before is not looked at.
            gc.freeze()
            stack.callback(gc.unfreeze)
            stack.callback(gc.collect)
            stack.enter_context(patch.object(gc, "freeze"))  # the last act of a command: the system frees its memory
            try:
                main(list(arguments))
            except SystemExit as exit_:
                return Done(arguments, int(exit_.code or 0), out.getvalue(), err.getvalue())
        raise AssertionError("a command ends with its exit status")

    def json(self, *arguments: str, expect: int = 0, **extra: str) -> Any:
        """Run a command with ``--json``; the document that it prints."""
        return json.loads(self.run(*arguments, "--json", expect=expect, **extra).stdout)

    def killed(self, *arguments: str, after: float) -> int:
        """Start a command and ``kill -9`` it and all its children after some seconds; its exit status."""
        with open(os.devnull, "wb") as nothing:
            process = ForkedCommand(arguments, self.environment(), nothing, nothing, new_session=True)
        try:
            return process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.killpg(process.pid, signal.SIGKILL)
            return process.wait(timeout=30)

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file of the home with its size and time of change, as a record of what was written."""
        stats = {}
        for path in sorted(self.path.rglob("*")):
            if path.is_file():
                status = path.stat()
                stats[str(path.relative_to(self.path))] = (status.st_size, status.st_mtime_ns)
        return stats


def _checked(result: Done, expect: int) -> Done:
    assert result.returncode == expect, (
        f"{result.args} ended with {result.returncode}\n{result.stdout}\n{result.stderr}"
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result


@contextmanager
def _kept_level(name: str) -> Iterator[None]:
    """Give a logger back the level that it had: commands silence Dagster's for the rest of their process."""
    logger = logging.getLogger(name)
    level = logger.level
    try:
        yield
    finally:
        logger.setLevel(level)


def make_library(folder: Path) -> dict[str, Film]:
    """Two shows, sound, an NTSC rate, a name with a quote and a space; and footage that cannot be used."""
    series = folder / "A Series"
    series.mkdir(parents=True)
    films = {
        "one": make_film(series / "it's one.mp4", cuts=(40, 90), frames=130, audio=True),
        "two": make_film(series / "two.mkv", cuts=(30, 70, 100), frames=140, fps=25, seed=1),
        "film": make_film(folder / "Füm.mov", cuts=(48,), frames=96, codec="libx264", seed=2),
    }
    (folder / "text.mp4").write_text("this is no film")
    (folder / "empty.mp4").write_bytes(b"")
    whole = films["one"].path.read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("not footage, and not asked about")
    return films


def wait_until(condition: Any, seconds: float, what: str, pause_s: float = 0.5) -> None:
    """Wait for a condition with a bound; fails with ``what`` was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(pause_s)
