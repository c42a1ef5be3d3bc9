"""Notebooks: the only package that imports papermill, with the plots and computations of notebooks.

``run`` executes a notebook and ``reports`` chooses notebook and parameters. ``page``, ``plots`` and ``posters`` draw;
modules called ``..._page`` put the parts of one notebook; the others are computations, as plain functions.
"""

from ops.notebooks.reports import (
    build_active_learning,
    build_benchmark,
    build_catalogue_report,
    build_cuts_report,
    build_few_shot_report,
    build_report,
    few_shot_page,
)
from ops.notebooks.run import FOLDER, NotebookRun, run_notebook

__all__ = [
    "FOLDER",
    "NotebookRun",
    "build_active_learning",
    "build_benchmark",
    "build_catalogue_report",
    "build_cuts_report",
    "build_few_shot_report",
    "build_report",
    "few_shot_page",
    "run_notebook",
]
