"""Notebooks: the only papermill, what they draw with, and what only they compute.

``run`` executes one, ``reports`` says which with what; ``page``, ``pictures`` and ``posters`` are how they look; the
rest are computations of single notebooks, as plain functions.
"""

from ops.notebooks.reports import (
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
    "build_benchmark",
    "build_catalogue_report",
    "build_cuts_report",
    "build_few_shot_report",
    "build_report",
    "few_shot_page",
    "run_notebook",
]
