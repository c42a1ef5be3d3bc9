"""Notebooks run in this Python, show what the lake holds, and fail with words that help."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
import numpy as np
import pytest
from jupyter_client.manager import AsyncKernelManager

import ops.notebooks.run
from ops.core.errors import NeedleError, NotFoundError, UsageError
from ops.core.settings import CHECKOUT, Settings, load_settings
from ops.notebooks import FOLDER, NotebookRun, build_catalogue_report, run_notebook
from ops.shots.segment import make_poster_key
from tests.builders.lakes import ENCODER, fill, picture_of, shot_rows, vector_rows, video_id, video_row


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three films of four shots with posters (one of them lost), and one removed film."""
    settings = load_settings(home=tmp_path_factory.mktemp("home {with} braces & spaces"))
    fill(settings, videos=4)
    gone = video_row(3, state="removed")
    settings.lake.write("videos", settings.resolve_partition(video_id(3)), [gone])
    for number in range(3):
        for shot in shot_rows(number):
            if (number, shot["index"]) != (1, 1):
                key = make_poster_key(shot["video_id"], shot["start_frame"], shot["end_frame"])
                settings.store.write_bytes(key, picture_of(number, shot["index"]))
    return settings


@pytest.fixture(scope="module")
def report(catalogue: Settings) -> NotebookRun:
    return build_catalogue_report(catalogue, ENCODER, "run-1")


def test_the_report_counts_what_the_lake_holds(report: NotebookRun) -> None:
    figures = dict(report.results)
    assert figures.pop("variance_mapped") == pytest.approx(_variance_of_two_axes(), abs=1e-3)
    assert figures == {
        "shows": 3,
        "videos": 3,
        "shots": 12,
        "footage_s": 12.012,
        "median_shot_s": 1.001,
        "shots_mapped": 12,
        "posters_shown": 8,  # nine shots are not blank, and one of their posters is lost
        "posters_missing": 1,
    }
    assert report.details == report.results


def test_the_page_shows_every_part_and_asks_no_other_machine(report: NotebookRun) -> None:
    page = report.html.read_text()
    for heading in ("Shots per show", "How long shots are", "A map of the embeddings", "Posters"):
        assert heading in page
    plots = re.findall(r'<img[^>]*alt="([^"]*)"[^>]*src="data:image/png', page)
    assert [words.split(";")[0].split(" ")[0] for words in plots] == ["12", "Half", "12"]
    assert page.count("data:image/jpeg;base64,") == 8
    assert page.count("no poster") == 1
    assert "show 0 · 01:00:01:00 · 1.0 s" in page
    assert "load_settings" not in page  # the code stays in the notebook
    assert not re.findall(r"""src=["']?(?:https?:)?//""", page)
    assert set(re.findall(r"""href=["']?((?:https?:)?//[^/"']*)""", page)) <= {"http://127.0.0.1:8080"}, (
        "links to shots"
    )


def test_the_executed_notebook_is_kept_and_has_no_error(report: NotebookRun) -> None:
    executed = nbformat.read(report.notebook, as_version=4)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.output_type in ("error", "stream")]
    assert sorted(path.name for path in report.notebook.parent.iterdir()) == [
        "catalogue_report.html",
        "catalogue_report.ipynb",
        "catalogue_report.json",
    ]


def test_an_empty_catalogue_gives_a_report_too(tmp_path: Path) -> None:
    report = build_catalogue_report(load_settings(home=tmp_path), ENCODER, "run-1")
    assert not any(report.results.values())
    assert "run <code>needle ingest</code>" in report.html.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"reports", "cache"}


def test_stored_notebooks_have_one_parameters_cell_and_no_output() -> None:
    for path in FOLDER.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        assert [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])].__len__() == 1
        for cell in cells:
            assert not cell.get("outputs"), path.name
            assert cell.get("execution_count") is None, path.name


# --- running


def test_the_kernel_is_this_python_whatever_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "jupyter" / "kernels" / "python3"
    wrong.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "wrong", "language": "python"}
    (wrong / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    here = os.getcwd()
    source = """
        import os, sys, warnings
        from IPython.display import display
        answer = {"python": sys.executable, "cwd": os.getcwd(), "word": word}
        display({"application/json": answer}, raw=True)
    """
    run = _run(tmp_path, [source], {"word": "né{}\n'\""}, results=0)
    assert run.results == {"python": sys.executable, "cwd": str(CHECKOUT), "word": "né{}\n'\""}
    assert os.getcwd() == here
    assert not (tmp_path / "person").exists()


def test_a_failing_cell_is_named_and_what_was_done_is_kept(tmp_path: Path) -> None:
    with pytest.raises(NeedleError, match=r"notebook trial: cell \d+ failed with ZeroDivisionError.*'1 / zero'"):
        _run(tmp_path, ["print('before')\nzero = 0", "1 / zero", "print('never')"], {})
    kept = (tmp_path / "out" / "trial.ipynb").read_text()
    assert "before" in kept
    assert "ZeroDivisionError" in kept
    assert "before" in (tmp_path / "out" / "trial.html").read_text()
    assert not list((tmp_path / "out").glob(".tmp-*"))


@pytest.mark.parametrize(
    ("source", "options", "reason"),
    [
        ("import os\nos._exit(9)", {}, "its Python process ended"),
        ("while True: pass", {"timeout_s": 2}, "longer than 2 seconds"),
    ],
)
def test_a_kernel_that_dies_or_hangs_is_an_error_too(
    tmp_path: Path, source: str, options: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="papermill")  # it logs what it raises
    with pytest.raises(NeedleError, match=f"notebook trial: .*{reason}"):
        _run(tmp_path, [source], {}, **options)


@pytest.mark.parametrize("failing", [1, 2])
def test_a_kernel_whose_port_was_taken_is_started_once_more(
    tmp_path: Path, failing: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="papermill")
    build, listeners = ops.notebooks.run._build_kernel_manager, list[socket.socket]()

    def take_a_port(scratch: Path, cache: Path) -> type[AsyncKernelManager]:
        """As another process may, after Jupyter has found it free and before the kernel listens."""

        class Robbed(build(scratch, cache)):  # type: ignore[misc]  # the class is built for each run
            async def _async_launch_kernel(self, *arguments: object, **options: object) -> object:
                listeners.append(socket.create_server((self.ip, self.shell_port)))
                return await super()._async_launch_kernel(*arguments, **options)

            _launch_kernel = _async_launch_kernel

        return Robbed if len(listeners) < failing else build(scratch, cache)

    monkeypatch.setattr(ops.notebooks.run, "_build_kernel_manager", take_a_port)
    try:
        if failing == 1:
            assert _run(tmp_path, ["print(word)"], {"word": "here"}).notebook.is_file()
        else:
            with pytest.raises(NeedleError, match="notebook trial: its Python process did not start, twice"):
                _run(tmp_path, [], {})
    finally:
        for listener in listeners:
            listener.close()
    assert len(listeners) == failing and [path.name for path in (tmp_path / "out").glob(".tmp-*")] == []


def test_unknown_notebooks_and_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no notebook 'nothing'.*catalogue_report"):
        run_notebook("nothing", {}, tmp_path / "out")
    with pytest.raises(UsageError, match=r"no parameter posterz \(it has: home.*posters"):
        run_notebook("catalogue_report", {"posterz": 3}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _run(
    folder: Path, sources: list[str], parameters: dict[str, Any], results: int = -1, **options: Any
) -> NotebookRun:

    cells = [nbformat.v4.new_code_cell('word = ""', metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(dedent(source).strip()) for source in sources]
    if results >= 0:
        cells[1 + results].metadata["tags"] = ["results"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "trial.ipynb")
    return run_notebook("trial", parameters, folder / "out", folder=folder, **options)


def _variance_of_two_axes() -> float:
    vectors = np.array([row["embedding"] for number in range(3) for row in vector_rows(number)])
    spread = np.linalg.eigvalsh(np.cov(vectors.T))
    return float(spread[-2:].sum() / spread.sum())
