"""``GET /api/samples``: searches that this catalogue answers, one kind of query after the other.

A newcomer learns from a query with its shots more than from a rule. So general descriptions, lines and names of the
catalogue are searched once for each published version, and those that find something are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from threading import Lock

from fastapi import APIRouter, Request, Response

from ops.core.errors import NotFoundError
from ops.search.schema import Query, SearchResult
from ops.search.typed_filters import write_filter
from ops.serve.answers.samples import SampleKind, SampleQuery, SamplesAnswer
from ops.serve.answers.shots import Shot
from ops.serve.documents import send_json
from ops.serve.problems import describe_problems
from ops.serve.service import Service

DESCRIPTIONS = (
    "a close-up of a face", "a person walking", "people sitting at a table", "a crowd of people", "a child",
    "a man speaking to the camera", "a hand holding something", "a car on a road", "a street in a city", "a building",
    "a room with furniture", "food on a plate", "trees in a forest", "a meadow with flowers", "a mountain landscape",
    "water, a river or the sea", "the sky with clouds", "snow and ice", "fire or an explosion", "a dark scene at night",
    "an animal", "a bird", "a dog", "a horse", "an aeroplane in the air", "a boat on the water", "a computer screen",
    "a machine", "a cartoon character", "a black and white picture", "a rocket", "a bicycle",
)  # fmt: skip
"""What footage often shows; none of them is assumed to be in a catalogue."""
DEPTH = 12
MOST_SEEN, MOST_SAID, MOST_LABELS = 4, 2, 2
LINE_WORDS = range(3, 9)


class Samples:
    """The document of ``GET /api/samples``, computed once for each published version; safe to use from threads."""

    def __init__(self, service: Service, descriptions: Sequence[str] = DESCRIPTIONS) -> None:
        self._service = service
        self._descriptions = descriptions
        self._lock = Lock()
        self._last: tuple[str | None, SamplesAnswer] | None = None

    def read(self) -> SamplesAnswer:
        """Return searches that find something; none if nothing was ingested yet."""
        version = self._service.index_version()
        with self._lock:  # one computes, the others wait for it
            if self._last is None or self._last[0] != version:
                samples = () if version is None else tuple(self._find_all())
                self._last = (version, SamplesAnswer(samples=list(samples)))
            return self._last[1]

    def _find_all(self) -> Iterator[SampleQuery]:
        descriptions = self._describe()
        yield from (_build("seen", text, answer) for text, answer in descriptions[:MOST_SEEN])
        yield from self._quote()
        if descriptions:
            yield from self._narrow(descriptions)
            yield from self._leave_out(descriptions)
            shots = [answer.hits[0].shot_id for _, answer in reversed(descriptions)]
            yield from islice((each for shot in shots for each in self._ask("similar", "", (shot,))), 1)
        for label in list(self._service.list_probes())[:MOST_LABELS]:
            yield from self._ask("label", write_filter("label", label))

    def _describe(self) -> list[tuple[str, SearchResult]]:
        """Return the descriptions that clearly match, the best first, no two with the same first shot."""
        answers = [(text, self._search(text)) for text in self._descriptions]
        clear = [(text, answer) for text, answer in answers if answer.stands_out and answer.strong_hits()]
        clear.sort(key=lambda each: -each[1].hits[0].relevance)
        by_shot: dict[str, tuple[str, SearchResult]] = {}
        for text, answer in clear:
            by_shot.setdefault(answer.hits[0].shot_id, (text, answer))
        return list(by_shot.values())

    def _quote(self) -> Iterator[SampleQuery]:
        """Find spoken lines of a few words, at most one from each video."""
        count = 0
        for row, _ in self._service.details.list_videos():
            if count == MOST_SAID:
                return
            for text in self._list_lines(row.video_id)[:1]:
                for sample in self._ask("said", f'"{text}"'):
                    count += 1
                    yield sample

    def _list_lines(self, video_id: str) -> list[str]:
        """Return the lines of a video that are long enough to be found and short enough to be read, in order."""
        settings = self._service.settings
        table = settings.lake.read("dialogue", [settings.resolve_partition(video_id)], ("text", "start_frame"))
        rows = sorted(table.to_pylist(), key=lambda row: (row["start_frame"], row["text"]))
        lines = [" ".join(row["text"].replace('"', " ").split()) for row in rows]
        return [line for line in lines if len(line.split()) in LINE_WORDS and not set("“”„[]♪()") & set(line)]

    def _narrow(self, answers: Sequence[tuple[str, SearchResult]]) -> Iterator[SampleQuery]:
        """Search one show only, if there are several; the show of the best shot of a description."""
        text, answer = answers[-1]
        shows = {row.show for row, count in self._service.details.list_videos() if count}
        if len(shows) > 1:
            yield from self._ask("show", f"{write_filter('show', answer.hits[0].show)} {text}")

    def _leave_out(self, answers: Sequence[tuple[str, SearchResult]]) -> Iterator[SampleQuery]:
        """Exclude one description from another: of the two that share most of their first shots."""
        ids = {text: {hit.shot_id for hit in answer.hits} for text, answer in answers}
        pairs = [(len(ids[text] & ids[other]), text, other) for text, other in combinations(ids, 2)]
        shared_count, text, other = max(pairs, default=(0, "", ""))
        if shared_count:
            yield from self._ask("without", f'{text} -"{other}"')

    def _ask(self, kind: SampleKind, text: str, like: tuple[str, ...] = ()) -> Iterator[SampleQuery]:
        """Yield the search if it finds something, else nothing."""
        try:
            answer = self._search(text, like)
        except NotFoundError:  # a shot or a probe that was deleted meanwhile
            return
        if answer.strong_hits():
            yield _build(kind, text, answer, like)

    def _search(self, text: str, like: tuple[str, ...] = ()) -> SearchResult:
        return self._service.searcher.search(Query(text=text, like=like, limit=DEPTH, fold=True))


def _build(kind: SampleKind, text: str, answer: SearchResult, like: tuple[str, ...] = ()) -> SampleQuery:
    shots = [Shot(**{name: getattr(hit, name) for name in Shot.model_fields}) for hit in answer.strong_hits()[:3]]
    return SampleQuery(kind=kind, text=text, like=list(like), shots=shots)


def build_sample_routes(service: Service) -> APIRouter:
    """Return the route of this service."""
    router = APIRouter(tags=["search"])
    samples = Samples(service)

    @router.get(
        "/api/samples",
        response_model=None,
        responses={200: {"model": SamplesAnswer}, **describe_problems()},
        summary="Searches that this catalogue answers, for people who see Needle for the first time",
    )
    async def read_samples(request: Request) -> Response:
        return send_json(request, await service.queues.search.run(samples.read))

    return router
