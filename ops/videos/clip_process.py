"""Cut clips in a separate process: a film that crashes a decoder costs its own clips, and not the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.core.cancellation import CancelToken
from ops.core.media import MediaInfo
from ops.core.process_limits import ProcessLimits
from ops.videos.clips import ClipSpan, cut_clips
from ops.videos.film_process import FilmProcess, FilmStep

STEP = FilmStep(doing="cutting clips", did="cut clips of it", limit="NEEDLE_FILM_HOURS", again="export again")


@dataclass(frozen=True, kw_only=True)
class ClipRequest:
    """The arguments of :func:`ops.videos.clips.cut_clips`, and the limits of the files that it writes."""

    source: Path
    spans: tuple[ClipSpan, ...]
    frames: int
    threads: int
    info: MediaInfo | None
    limits: ProcessLimits


CutRequest = Callable[[ClipRequest], Iterator[ClipSpan]]


class ClipProcess:
    """Calls ``cut`` in another process, within all limits but that of a pause: a clip may be far into a film."""

    def __init__(self, limits: ProcessLimits, cut: CutRequest | None = None) -> None:
        self._limits = limits
        self._process: FilmProcess[ClipRequest, Iterator[ClipSpan]] = FilmProcess(cut or cut_request, STEP, limits)

    def __enter__(self) -> ClipProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.__exit__(None, None, None)

    def cut(
        self,
        source: Path,
        spans: Sequence[ClipSpan],
        *,
        name: str,
        frames: int,
        threads: int,
        stop: CancelToken,
        info: MediaInfo | None,
    ) -> Iterator[ClipSpan]:
        """Yield spans whose files are complete; see ``cut_clips``. Errors are reported about ``name``.

        Raises ``MediaError`` too if the film ends its process or exceeds a limit; its unfinished files remain.
        """
        request = ClipRequest(
            source=source, spans=tuple(spans), frames=frames, threads=threads, info=info, limits=self._limits
        )
        return self._process.ask_each(request, name, self._limits.total_s, stop)


def cut_request(request: ClipRequest) -> Iterator[ClipSpan]:
    """Cut the clips of a request in this process."""
    with request.limits.limit_files():
        yield from cut_clips(
            request.source, request.spans, frames=request.frames, threads=request.threads, info=request.info
        )
