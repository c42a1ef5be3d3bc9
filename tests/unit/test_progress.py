"""Progress bars on a terminal, by a real pseudo-terminal: known and unknown totals, set-aside inputs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

SCRIPT = """
from ops.cli.progress import Bars
with Bars() as bars:
    bars.start("shots", 20.0, "s of footage")
    bars.advance("shots", 5.0)
    bars.set_aside("shots", "a\\x1b[31m.mp4", "it is [bold]text[/bold]")
    bars.advance("shots", 15.0)
    bars.finish("shots")
    bars.start("index", 0, "vectors")
    bars.advance("index", 7)
    bars.finish("index")
"""


def test_bars_on_a_terminal_show_items_and_what_was_set_aside() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stderr=theirs,
        stdout=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "140"},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    text = written.decode()
    assert process.wait() == 0, text
    assert "Cutting shots" in text
    assert "20/20 s of footage" in text
    assert "7 vectors" in text
    assert "1 set aside" in text
    assert "a\\x1b[31m.mp4" in text
    assert "it is [bold]text[/bold]" in text


def test_a_step_without_work_has_no_line_in_a_file() -> None:
    script = SCRIPT + '    bars.start("dialogue", 0, "lines")\n    bars.finish("dialogue")\n'
    text = subprocess.run(
        [sys.executable, "-c", script], stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True
    ).stdout
    assert "7 vectors in" in text and "dialogue" not in text.lower()
