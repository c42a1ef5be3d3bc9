"""The only place that runs notebooks: papermill executes, nbconvert makes the page.

A notebook runs in this very Python, whatever kernels a machine has installed under the name ``python3``, and
everything that Jupyter, IPython and matplotlib like to keep in a person's home goes beside the output.
papermill and nbconvert cost a second to import, so they are imported inside functions.
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
from ops.core.storage import atomic_path

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

log = logging.getLogger(__name__)

FOLDER = CHECKOUT / "notebooks"
RESULTS_TAG = "results"


@dataclass(frozen=True, kw_only=True)
class NotebookRun:
    """An executed notebook, its page, and the figures it handed out of its cell tagged ``results``."""

    notebook: Path
    html: Path
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def details(self) -> dict[str, Any]:
        """The figures that are plain numbers or texts, as metadata for people."""
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

    The kernel is this interpreter, its working directory the checkout. Each cell may take ``timeout_s``
    seconds; ``cache`` (in ``out_dir`` where not given) keeps what matplotlib wants to find again. Both files
    appear whole or not at all, and the executed notebook is kept with its page where a cell fails, too.
    Raises ``NotFoundError`` where there is no such notebook, ``UsageError`` for a parameter that it does not
    have, and ``NeedleError`` naming notebook and cell where one fails.
    """
    source = folder / f"{name}.ipynb"
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.ipynb"))) or "none"
        raise NotFoundError(f"there is no notebook {name!r} in {folder} (there: {known})")
    _check_parameters(source, parameters)
    out_dir.mkdir(parents=True, exist_ok=True)
    target = out_dir / f"{name}.ipynb"
    page = target.with_suffix(".html")
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".tmp-") as scratch:
        executed = Path(scratch) / source.name
        failure = _execute(
            source, executed, parameters, _kernel_manager(Path(scratch), cache or out_dir / ".cache"), timeout_s
        )
        if executed.exists():
            _keep(executed, target, page)
    if failure:
        raise NeedleError(f"notebook {name}: {failure}; as far as it got it is in {target}")
    return kept_run(target)


def kept_run(executed: Path) -> NotebookRun:
    """A notebook that was executed before, with its page beside it."""
    return NotebookRun(notebook=executed, html=executed.with_suffix(".html"), results=_results_of(executed))


def _check_parameters(source: Path, parameters: Mapping[str, Any]) -> None:
    import papermill

    known = papermill.inspect_notebook(_literal(source))
    if unknown := sorted(set(parameters) - set(known)):
        raise UsageError(f"notebook {source.stem} has no parameter {', '.join(unknown)} (it has: {', '.join(known)})")


def _literal(path: Path) -> str:
    """A path as papermill wants it, which reads braces in it as fields to fill in."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _execute(
    source: Path,
    executed: Path,
    parameters: Mapping[str, Any],
    kernel_manager: type[AsyncKernelManager],
    timeout_s: int,
) -> str | None:
    """Run the notebook into ``executed``; what went wrong, or ``None``."""
    import papermill
    from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError

    try:
        papermill.execute_notebook(
            _literal(source),
            _literal(executed),
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
        return f"cell {cell} failed with {error.ename}: {error.evalue} (it begins: {_first_line(error.source)!r})"
    except CellTimeoutError:
        return f"a cell took longer than {timeout_s} seconds"
    except (DeadKernelError, CellControlSignal) as error:
        return f"its Python process ended ({error}); out of memory is the usual reason"
    return None


def _first_line(source: str) -> str:
    return next((line for line in source.splitlines() if line.strip()), "")


def _kernel_manager(scratch: Path, cache: Path) -> type[AsyncKernelManager]:
    """A kernel manager that starts this interpreter and keeps all its files in ``scratch``.

    An installed kernel called ``python3`` may be any Python: the first one found counts, and a person's own
    come before this environment's.
    """
    import zmq
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
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


def _keep(executed: Path, target: Path, page: Path) -> None:
    """Put the executed notebook and its page in their places, each whole."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    with atomic_path(target) as temporary:
        shutil.copyfile(executed, temporary)
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]  # nbconvert is half typed
        config=Config({"TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": [RESULTS_TAG]}}),
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        # No address of another machine: the page must look the same without a network.
        mathjax_url="",
        require_js_url="",
        jquery_url="",
        mermaid_js_url="",
    )
    html, _ = exporter.from_filename(str(executed))
    with atomic_path(page) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _results_of(executed: Path) -> dict[str, Any]:
    """What the cell tagged ``results`` displayed as JSON; nothing where there is no such cell."""
    import nbformat

    results: dict[str, Any] = {}
    for cell in nbformat.read(executed, as_version=4).cells:  # type: ignore[no-untyped-call]
        if RESULTS_TAG in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                results.update(output.get("data", {}).get("application/json", {}))
    return results
