"""The lines of one stemmer in a Tantivy index: BM25 over their terms, and phrases over their words.

Stemmers have indexes of their own, because BM25 weighs a word by all lines of an index, and a line by their mean
length. Tantivy never changes a file of a segment: lines that are added are a new segment, lines that are removed are
marked in a file beside it, and it merges segments itself. So an index is continued in another folder that shares its
files.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ops.core.errors import make_home_error
from ops.core.storage import read_umask
from ops.index.backends.shards import link_file, mapped
from ops.index.line_points import LinePayload, LinePoint, WantedLines
from ops.index.words import split_words

if TYPE_CHECKING:
    import tantivy

_BLANKS = "blanks"
"""The tokenizer that splits at blanks only: ``ops/index/words.py`` has made the words."""
_WRITER_BYTES = 50_000_000
"""Memory of a writer before it writes a segment; Tantivy's minimum is 15 MB."""


class LinePart:
    """The lines of one stemmer, open for reading; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        with _find_lockable(folder) as lockable:
            index = tantivy.Index.open(str(lockable))
            index.config_reader("manual")  # the default watches the files, in a thread
            index.reload()  # opens every file
        self._schema = index.schema
        self._searcher = index.searcher()

    @property
    def count(self) -> int:
        """Return the number of lines."""
        return self._searcher.num_docs

    @cached_property
    def videos(self) -> Mapping[str, int]:
        """Return the number of lines of each video."""
        return self._count_lines("video_id")

    @cached_property
    def removed(self) -> int:
        """Return the number of removed lines that are in the files still."""
        return sum(count for _, count in self._searcher.terms_with_prefix("video_id", "")) - self.count

    def rank(self, terms: str, depth: int, conditions: WantedLines) -> list[tuple[float, LinePayload]]:
        """Return up to ``depth`` of the best ``(BM25 score, payload)``, best first."""
        from tantivy import Occur, Query

        schema = self._schema
        words = [(Occur.Should, Query.term_query(schema, "terms", term)) for term in dict.fromkeys(terms.split())]
        if not words or not self.count:
            return []
        filters = ((Occur.Must, Query.const_score_query(each, 0.0)) for each in self._build_filters(conditions))
        query = Query.boolean_query([(Occur.Must, Query.boolean_query(words)), *filters])
        hits = self._searcher.search(query, limit=min(depth, self.count), count=False).hits
        return [(float(score), _parse_payload(self._searcher.doc(address))) for score, address in hits]

    def scroll(self, video_ids: Iterable[str] | None = None) -> Iterator[LinePayload]:
        """Yield the payload of every line, or of those of some videos."""
        for video_id in sorted(self.videos) if video_ids is None else video_ids:
            yield from map(_parse_payload, self._list_documents(video_id))

    def scroll_points(self) -> Iterator[LinePoint]:
        """Yield every line as it was written."""
        for video_id in sorted(self.videos):
            for document in self._list_documents(video_id):
                payload = _parse_payload(document)
                stemmer, words, terms = (document[key][0] for key in ("stemmer", "words", "terms"))
                yield LinePoint(line_id=payload["line_id"], payload=payload, words=words, stemmer=stemmer, terms=terms)

    def count_words(self) -> Mapping[str, int]:
        """Return in how many lines each word is."""
        return self._count_lines("spoken")

    def list_shot_ids(self) -> frozenset[str]:
        """Return the shots of all lines."""
        return frozenset(self._count_lines("shot_id"))

    def _count_lines(self, field: str) -> dict[str, int]:
        """Return the number of lines that have each term of a field. Without a filter, removed ones would count."""
        from tantivy import Query

        return dict(self._searcher.terms_with_prefix(field, "", filter_query=Query.all_query()))

    def _list_documents(self, video_id: str) -> list[tantivy.Document]:
        from tantivy import Query

        query = Query.term_query(self._schema, "video_id", video_id, index_option="basic")
        hits = self._searcher.search(query, limit=max(1, self.videos.get(video_id, 0)), count=False).hits
        return [self._searcher.doc(address) for _, address in hits]

    def _build_filters(self, conditions: WantedLines) -> list[tantivy.Query]:
        from tantivy import Occur, Query

        filters = [
            Query.term_set_query(self._schema, key, list(values))
            for key, values in (("show", conditions.shows), ("video_id", conditions.videos))
            if values
        ]
        phrases = [[self._build_phrase(each) for each in spellings] for spellings in conditions.phrases]
        return filters + [Query.boolean_query([(Occur.Should, each) for each in queries]) for queries in phrases]

    def _build_phrase(self, spelling: str) -> tantivy.Query:
        from tantivy import Query

        words: list[Any] = spelling.split()
        if len(words) == 1:
            return Query.term_query(self._schema, "words", words[0])
        return Query.phrase_query(self._schema, "words", words)


@contextmanager
def _find_lockable(folder: Path) -> Iterator[Path]:
    """Yield the folder, or one of links to its files if it may only be read: Tantivy creates a lock file to open them.

    The lock is not needed there, because no process changes the files of a version. Raises ``PermissionError`` for a
    file that this user may not read: Tantivy's error would count as damage, which `needle doctor --repair` deletes.
    """
    if os.access(folder, os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="needle-") as name:
        for file in folder.iterdir():
            if not os.access(file, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
            if file.suffix != ".lock":
                Path(name, file.name).symlink_to(file.absolute())
        yield Path(name)


def _parse_payload(document: tantivy.Document) -> LinePayload:
    return cast(LinePayload, json.loads(document["payload"][0]))


def continue_part(old: Path, new: Path) -> None:
    """Make ``new`` an index with the lines of ``old``, which shares its files."""
    new.mkdir()
    for file in old.iterdir():
        if file.suffix == ".json":  # a list of files; a copy is safe however Tantivy replaces it
            shutil.copyfile(file, new / file.name)
        elif file.suffix != ".lock":
            link_file(file, new / file.name)


class LinePartWriter:
    """Writes the index in ``folder``, which no other process uses yet; it is created if there is none."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._folder = folder
        with self._map_errors():
            folder.mkdir(exist_ok=True)
            index = tantivy.Index(_build_schema(), str(folder))  # opens one that exists
            index.config_reader("manual")
            index.register_tokenizer(_BLANKS, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
            self._writer = index.writer(_WRITER_BYTES, 1)

    def remove(self, video_id: str) -> None:
        """Remove the lines that a video has so far."""
        with self._map_errors():
            self._writer.delete_documents_by_term("video_id", video_id)

    def add(self, point: LinePoint) -> None:
        """Add a line."""
        import tantivy

        document = tantivy.Document()
        document.add_text("video_id", point.payload["video_id"])
        document.add_text("show", point.payload["show"])
        for shot_id in point.payload["shot_ids"]:
            document.add_text("shot_id", shot_id)
        document.add_text("stemmer", point.stemmer)
        document.add_text("words", point.words)
        document.add_text("terms", point.terms)
        document.add_text("spoken", " ".join(split_words(point.payload["text"])))
        document.add_bytes("payload", json.dumps(point.payload, ensure_ascii=False, separators=(",", ":")).encode())
        with self._map_errors():
            self._writer.add_document(document)

    def close(self) -> None:
        """Make the changes durable, and wait for merges."""
        with self._map_errors():
            self._writer.commit()
            self._writer.wait_merging_threads()
            for file in self._folder.glob("*.json"):  # Tantivy lets only the user who wrote them read these
                file.chmod(0o666 & ~read_umask())

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        with mapped(f"the index of lines cannot be written to {self._folder} (is its disk full?)"):
            try:
                yield
            except ValueError as error:
                # Tantivy does not report why a thread of its own could not write.
                if shutil.disk_usage(self._folder).free < _WRITER_BYTES:
                    raise make_home_error(self._folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) from error
                raise


def _build_schema() -> tantivy.Schema:
    import tantivy

    builder = tantivy.SchemaBuilder()
    for name in ("video_id", "show", "shot_id"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("stemmer", stored=True, tokenizer_name="raw", index_option="basic")
    # Words and terms are stored, because making them again takes longer than all else in writing a line.
    builder.add_text_field("words", stored=True, tokenizer_name=_BLANKS, index_option="position")
    builder.add_text_field("terms", stored=True, tokenizer_name=_BLANKS, index_option="freq")
    builder.add_text_field("spoken", tokenizer_name=_BLANKS, index_option="basic")
    builder.add_bytes_field("payload", stored=True)
    return builder.build()
