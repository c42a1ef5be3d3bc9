"""AutoShot's ``gt_scenes_dict_baseline_v2.pickle``, read without executing any name in it.

A pickle is a program: a foreign one must not be loaded. It is the only published form of AutoShot's 200 test videos, so
its table would be out of reach if it were refused.

Here the interpreter of the standard library runs with every name replaced. Only the few names by which numpy writes an
array are known. They lead to stand-ins of this module, which keep bytes and decode them as numbers. No foreign code is
called, and not even numpy's own reconstruction. The size of the file is limited, and its references are checked first,
because one opcode could allocate gigabytes.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ops.core.errors import UsageError
from ops.evaluation.cut_sets.protocol import list_transitions
from ops.evaluation.cut_sets.transition_files import LAST_FRAME, MOST_BYTES, Annotated

CONVERT = (
    "convert it on a machine that may run it: one file annotations/<video>.txt for each video, with a line "
    "'first<TAB>last' for each shot"
)
MOST_TRANSITIONS = 200_000
"""SHOT has 2,716."""


class _Type:
    """Stand-in for a ``numpy.dtype``: the code of integers or floating-point numbers, and their byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"[<>|=]?[iuf][1248]|O8?", str(code)):
            raise pickle.UnpicklingError(f"arrays of type {str(code)[:20]!r} hold no frame numbers")
        self.code = str(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("an array has an unknown byte order")
        if self.code[0] in "iuf" and order in "<>":
            self.code = order + self.code


class _Array:
    """Stand-in for a ``numpy.ndarray``: shape and content as numbers."""

    def __init__(self, *_: Any) -> None:
        self.shape: tuple[int, ...] = ()
        self.numbers: list[Any] = []
        self.is_fortran = False

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, content = state
        self.set(content, kind, shape, is_fortran=bool(is_fortran))

    def set(self, content: Any, kind: Any, shape: Any, *, is_fortran: bool) -> None:
        """Set the content if its length matches the shape."""
        if not isinstance(kind, _Type) or not all(isinstance(side, int) and side >= 0 for side in shape):
            raise pickle.UnpicklingError("an array has an unknown layout")
        numbers = content if isinstance(content, list) else np.frombuffer(content, np.dtype(kind.code)).tolist()
        if len(numbers) != math.prod(shape):
            raise pickle.UnpicklingError("an array is shorter or longer than its shape")
        self.shape, self.numbers = tuple(shape), numbers
        self.is_fortran = is_fortran and not isinstance(content, list)  # numpy writes lists by rows, whatever this flag

    def list_rows(self) -> list[tuple[Any, ...]]:
        """Rows of two numbers. Raises ``ValueError`` for another shape."""
        if len(self.shape) != 2 or self.shape[1] != 2:
            raise ValueError(f"an array of shape {self.shape} is not a list of shots")
        half = len(self.numbers) // 2
        firsts, lasts = (
            (self.numbers[:half], self.numbers[half:]) if self.is_fortran else (self.numbers[::2], self.numbers[1::2])
        )
        return list(zip(firsts, lasts, strict=True))


class _Call:
    """A stand-in for a function; without attributes, so that a pickle cannot change it."""

    __slots__ = ("_make",)
    _make: Callable[..., Any]

    def __init__(self, make: Callable[..., Any]) -> None:
        object.__setattr__(self, "_make", make)

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError("it changes more than numbers")


def _read_buffer(content: Any, kind: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.set(bytes(content), kind, shape, is_fortran=order == "F")
    return array


def _read_scalar(kind: Any, content: Any) -> Any:
    array = _Array()
    array.set(bytes(content), kind, (1,), is_fortran=False)
    return array.numbers[0]


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("bytes are in an unknown encoding")
    return text.encode("latin-1")


_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_NAMES = {
    "_reconstruct": _Call(_Array),
    "_frombuffer": _Call(_read_buffer),
    "scalar": _Call(_read_scalar),
    "dtype": _Call(_Type),
    "ndarray": _Call(_Array),
}


class _NumbersOnly(pickle.Unpickler):
    """Resolves only the names of arrays of numbers, and returns stand-ins for them."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        if module_name in _MODULES and global_name in _NAMES:
            return _NAMES[global_name]
        if (module_name, global_name) == ("_codecs", "encode"):
            return _Call(_encode)
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which is not a list of numbers")


def read_pickled_scenes(path: Path) -> tuple[dict[str, Annotated], dict[str, str]]:
    """``{video: array of (first, last) of each shot}``: by video, and the reasons why others cannot be used.

    Raises ``UsageError`` if the file holds anything but names and numbers, or is not a pickle.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"it has more than {MOST_BYTES >> 20} MiB: this is not an annotation")
        data = path.read_bytes()
        check_references(data)
        document = _NumbersOnly(io.BytesIO(data)).load()
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror or error}") from error
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise UsageError(f"it is not a pickle of arrays of numbers alone ({error}): {CONVERT}") from error
    if not isinstance(document, dict) or not document or not all(isinstance(name, str) for name in document):
        raise UsageError(f"it is not a dictionary of videos: {CONVERT}")
    annotations: dict[str, Annotated] = {}
    reasons: dict[str, str] = {}
    count = 0
    for name, scenes in document.items():
        try:
            annotations[name] = _parse_shots(scenes)
            count += len(annotations[name].transitions)
        except (TypeError, ValueError, OverflowError) as error:
            reasons[name] = f"its annotation is damaged: {error}"
        if count > MOST_TRANSITIONS:  # few bytes can name one array a million times
            raise UsageError(f"it has more than {MOST_TRANSITIONS:,} transitions: this is not AutoShot's annotation")
    return annotations, reasons


def check_references(data: bytes) -> None:
    """Raise ``ValueError`` if a numbered reference is beyond the length of the file: it would only cost memory."""
    for opcode, argument, _ in pickletools.genops(data):
        if "PUT" in opcode.name and isinstance(argument, int) and argument > len(data):
            raise ValueError("a reference is beyond the end of the file")


def _parse_shots(scenes: Any) -> Annotated:
    rows = scenes.list_rows() if isinstance(scenes, _Array) else [tuple(row) for row in scenes]
    shots = [(_parse_frame(first), _parse_frame(last)) for first, last in rows]
    for before, (first, last) in zip([(-1, -1), *shots], shots, strict=False):
        if not before[0] < first <= last <= LAST_FRAME:
            raise ValueError(f"shot {first} to {last} ends before it begins, or begins too early")
    if not shots:
        raise ValueError("it has no shots")
    return Annotated(transitions=list_transitions(shots))


def _parse_frame(value: Any) -> int:
    if not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"{value!r} is not a frame number")
    return int(value)
