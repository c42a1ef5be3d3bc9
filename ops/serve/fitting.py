"""Fits that the page starts: ``needle probe fit LABEL`` as a separate process, one at a time.

The service itself opens everything to read. A fit is a run of Dagster assets that takes seconds and some hundred
megabytes. So it runs as the command-line program, started from here: it can be killed at any moment without harm.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock, Thread

from ops.serve.answers.probes import FitState
from ops.serve.problems import ProblemError

log = logging.getLogger(__name__)

# A catalogue of a million shots is fitted and scored in a minute.
LONGEST_S = 900.0
END_S = 10.0
FIT_DONE, FIT_REFUSED = 0, 3


@dataclass(frozen=True, kw_only=True)
class _FitJob:
    """The last fit of a label; ``message``, of an error, is empty while it runs and after success."""

    since: str
    runs: bool
    message: str = ""


class FitJobs:
    """``command``, with a label appended, fits that label; ``None`` if this service starts no fits.

    ``done`` is called with the label after each successful fit, in another thread. Safe to use from several threads.
    """

    def __init__(self, command: Sequence[str] | None, on_end: Callable[[str], None]) -> None:
        self._command = command
        self._on_end = on_end
        self._lock = Lock()
        self._fits: dict[str, _FitJob] = {}
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False

    @property
    def is_possible(self) -> bool:
        return self._command is not None

    def start(self, label: str) -> None:
        """Start to fit a label. Raises ``ProblemError`` 409 if a fit is running, or if this service starts none."""
        if self._command is None:
            raise ProblemError(409, f"this service starts no fits: run `needle probe fit {label}` where its home is")
        with self._lock:
            running = next((name for name, fit in self._fits.items() if fit.runs), None)
            if running or self._is_stopped:
                raise ProblemError(
                    409, f"{running or 'nothing'} is being fitted: one fit runs at a time, try again when it is done"
                )
            self._fits[label] = _FitJob(since=_format_now(), runs=True)
        Thread(target=self._run, args=(label, [*self._command, label]), name=f"fit {label}", daemon=True).start()

    def read_state(self, label: str) -> FitState:
        """Return the state of the label's last fit that this service started."""
        with self._lock:
            fit = self._fits.get(label)
        if not self.is_possible:
            return FitState(state="off", since=None, told="")
        if fit is None:
            return FitState(state="idle", since=None, told="")
        return FitState(
            state="running" if fit.runs else "failed" if fit.message else "idle", since=fit.since, told=fit.message
        )

    def stop(self) -> None:
        """Terminate a running fit; the next fit does the rest of its work."""
        with self._lock:
            self._is_stopped = True
            process = self._process
        if process and process.poll() is None:
            process.terminate()

    def _run(self, label: str, command: Sequence[str]) -> None:
        message = "the fit ended unexpectedly: the log of the service has more"
        try:
            message = self._run_fit(label, command)
            if not message:
                self._on_end(label)
        finally:
            with self._lock:
                self._process = None
                self._fits[label] = _FitJob(since=_format_now(), runs=False, message=message)

    def _run_fit(self, label: str, command: Sequence[str]) -> str:
        """Run the command; return an error message, empty on success."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except OSError as error:
            return f"the fit could not be started: {error}"
        with self._lock:
            self._process = process
            is_stopped = self._is_stopped
        if is_stopped:
            process.terminate()
        try:
            _, errors = process.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            _kill(process)
            return f"the fit was ended after {LONGEST_S:.0f} s: run `needle probe fit {label}` and watch its progress"
        if process.returncode in (FIT_DONE, FIT_REFUSED):  # the probe's own state reports a refusal
            return ""
        log.warning("fit of %s ended with status %d: %s", label, process.returncode, errors[-2000:])
        return _extract_reason(errors) or f"the fit ended with status {process.returncode}"


def _kill(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _extract_reason(errors: str) -> str:
    """Return the command's own last message, which it prints after its name, else its last line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    messages = [line.removeprefix("needle: ") for line in lines if line.startswith("needle: ")]
    return (messages or lines or [""])[-1][:1_000]


def _format_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
