"""Run notebooks: papermill executes them, nbconvert makes the pages.

A notebook runs in this Python, whatever kernel a machine has installed under the name ``python3``. Files that Jupyter,
IPython and matplotlib usually keep in a person's home are stored next to the output. papermill and nbconvert take a
second to import, so they are imported inside functions.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.core.errors import NeedleError, NotFoundError, UsageError
from ops.core.settings import CHECKOUT
from ops.core.storage import write_atomically

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

log = logging.getLogger(__name__)

FOLDER = CHECKOUT / "notebooks"
RESULTS_TAG = "results"
ATTEMPTS = 2
"""To start a kernel: Jupyter looks for free ports, and another process may take one before the kernel does."""


class _KernelStartError(Exception):
    """The process of a notebook ended, or did not answer, before its first cell."""


@dataclass(frozen=True, kw_only=True)
class NotebookRun:
    """An executed notebook, its page, and the figures from its cell tagged ``results``.

    ``page_url`` is the address of this page, ``latest_url`` that of the newest report of its kind and subject.
    """

    notebook: Path
    html: Path
    results: dict[str, Any] = field(default_factory=dict)
    page_url: str = ""
    latest_url: str = ""

    @property
    def details(self) -> dict[str, Any]:
        """The figures that are plain numbers or texts, as metadata."""
        return {name: value for name, value in self.results.items() if isinstance(value, str | int | float)}


def run_notebook(
    name: str,
    parameters: Mapping[str, Any],
    out_dir: Path,
    *,
    folder: Path = FOLDER,
    timeout_s: int = 1800,
    cache: Path | None = None,
) -> NotebookRun:
    """Execute ``<folder>/<name>.ipynb`` with ``parameters`` into ``out_dir/<name>.ipynb`` and ``<name>.html``.

    The kernel is this interpreter, its working directory the checkout. Each cell may take ``timeout_s`` seconds.
    ``cache`` (default: in ``out_dir``) keeps matplotlib's files for later runs. Both files appear complete or not at
    all; if a cell fails, the executed notebook is kept with its page, too.

    Raises:
        NotFoundError: the notebook does not exist.
        UsageError: the notebook does not have a parameter.
        NeedleError: a cell fails; names notebook and cell. Its process does not start, twice.
    """
    source = folder / f"{name}.ipynb"
    if not source.is_file():
        names = ", ".join(sorted(path.stem for path in folder.glob("*.ipynb"))) or "none"
        raise NotFoundError(f"there is no notebook {name!r} in {folder} (there: {names})")
    _check_parameters(source, parameters)
    out_dir.mkdir(parents=True, exist_ok=True)
    target = out_dir / f"{name}.ipynb"
    page = target.with_suffix(".html")
    for attempt in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(dir=out_dir, prefix=".tmp-") as scratch:
            executed_path = Path(scratch) / source.name
            kernel_manager = _build_kernel_manager(Path(scratch), cache or out_dir / ".cache")
            try:
                failure = _execute(source, executed_path, parameters, kernel_manager, timeout_s)
            except _KernelStartError as error:
                if attempt + 1 < ATTEMPTS:
                    continue
                raise NeedleError(f"notebook {name}: its Python process did not start, twice ({error})") from error
            if executed_path.exists():
                _keep(executed_path, target, page)
        break
    if failure:
        raise NeedleError(f"notebook {name}: {failure}; the cells up to it are in {target}")
    return open_kept_run(target)


def open_kept_run(executed_path: Path) -> NotebookRun:
    """Return a notebook that was executed before, with its page."""
    return NotebookRun(
        notebook=executed_path, html=executed_path.with_suffix(".html"), results=_read_results(executed_path)
    )


def _check_parameters(source: Path, parameters: Mapping[str, Any]) -> None:
    import papermill

    known_names = papermill.inspect_notebook(_escape_path(source))
    if unknown := sorted(set(parameters) - set(known_names)):
        raise UsageError(
            f"notebook {source.stem} has no parameter {', '.join(unknown)} (it has: {', '.join(known_names)})"
        )


def _escape_path(path: Path) -> str:
    """Escape a path for papermill, which reads braces in it as fields to fill in."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _execute(
    source: Path,
    executed_path: Path,
    parameters: Mapping[str, Any],
    kernel_manager: type[AsyncKernelManager],
    timeout_s: int,
) -> str | None:
    """Run the notebook into ``executed_path``; return the failure, or ``None``. Raises ``_KernelStartError``."""
    import papermill
    from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError

    try:
        papermill.execute_notebook(
            _escape_path(source),
            _escape_path(executed_path),
            parameters=dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            execution_timeout=timeout_s,
            kernel_manager_class=kernel_manager,
            # instead of papermill's ``cwd``, which changes the directory of this whole process
            resources={"metadata": {"path": str(CHECKOUT)}},
        )
    except papermill.PapermillExecutionError as error:
        cell = error.cell_index
        return f"cell {cell} failed with {error.ename}: {error.evalue} (it begins: {_find_first_line(error.source)!r})"
    except CellTimeoutError:
        return f"a cell took longer than {timeout_s} seconds"
    except (DeadKernelError, CellControlSignal) as error:
        return f"its Python process ended ({error}); out of memory is the usual reason"
    except RuntimeError as error:
        if not str(error).startswith(("Kernel died before", "Kernel didn't respond")):  # of jupyter_client 8.10
            raise
        raise _KernelStartError(str(error)) from error
    return None


def _find_first_line(source: str) -> str:
    return next((line for line in source.splitlines() if line.strip()), "")


def _build_kernel_manager(scratch: Path, cache: Path) -> type[AsyncKernelManager]:
    """Return a kernel manager that starts this interpreter and keeps all its files in ``scratch``.

    An installed kernel called ``python3`` may be any Python: the first one on Jupyter's path is used, and a person's
    kernels come before this environment's.
    """
    import zmq
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    spec = KernelSpec(
        # Its own log: cells that fail come with the notebook, and the interrupt with which jupyter_client 8.10 asks a
        # kernel to end is logged as an error if it comes at the wrong moment.
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=CRITICAL"],
        display_name="Python 3",
        metadata={"supported_encryption": ["curve"]},  # other users of the machine cannot listen
        language="python",
        env={
            "IPYTHONDIR": str(scratch / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
            "MPLCONFIGDIR": str(cache / "matplotlib"),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm's, on every page of code that could show a bar
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or the debugger that ipykernel brings warns on standard error
        },
    )

    class ThisPython(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.transport_encryption = "auto" if zmq.has("curve") else "disabled"

        @property
        def kernel_spec(self) -> KernelSpec:
            return spec

        def _connection_file_default(self) -> str:
            return str(scratch / "connection.json")

    return ThisPython


def _keep(executed_path: Path, target: Path, page: Path) -> None:
    """Move the executed notebook and its page to their places, each complete."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    with write_atomically(target) as temporary:
        shutil.copyfile(executed_path, temporary)
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]  # nbconvert is half typed
        config=Config({"TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": [RESULTS_TAG]}}),
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        # No address of another machine: the page must look the same offline.
        mathjax_url="",
        require_js_url="",
        jquery_url="",
        mermaid_js_url="",
    )
    html, _ = exporter.from_filename(str(executed_path))
    with write_atomically(page) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _read_results(executed_path: Path) -> dict[str, Any]:
    """Return the JSON output of the cell tagged ``results``; empty if there is no such cell."""
    import nbformat

    results: dict[str, Any] = {}
    for cell in nbformat.read(executed_path, as_version=4).cells:  # type: ignore[no-untyped-call]
        if RESULTS_TAG in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                results.update(output.get("data", {}).get("application/json", {}))
    return results
