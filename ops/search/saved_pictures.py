"""Pictures of saved searches. They are in the store, because a search is answered long after its picture was uploaded.

A picture is named by its content, ``image:<32 hex digits>``, as uploads of the service are.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError, UsageError
from ops.core.storage import ObjectStore
from ops.core.types import parse_shot_id
from ops.search.query_encoding import Pictures, read_image_bytes, read_image_file
from ops.search.query_parts import is_words
from ops.search.schema import Query

FOLDER = "saved_pictures"
PREFIX = "image:"
QUALITY = 90
MOST_PICTURES = 8
"""Pictures of one search; each has at most 1,024 pixels on both sides."""
MOST_STORED = 1_000
_NAME = re.compile(r"image:[0-9a-f]{32}")


def encode_picture(picture: NDArray[np.uint8]) -> tuple[str, bytes]:
    """Return the name of an image, RGB (H, W, 3), and its JPEG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
    return PREFIX + hashlib.blake2b(buffer.getvalue(), digest_size=16).hexdigest(), buffer.getvalue()


def make_picture_key(name: str) -> str:
    """Object key of the picture called ``image:<32 hex digits>``."""
    return f"{FOLDER}/{name.removeprefix(PREFIX)}.jpg"


def keep_pictures(store: ObjectStore, query: Query, read_picture: Pictures) -> Query:
    """Put the pictures of a search into the store, and return the search with their names.

    Raises ``UsageError`` if there are too many, and the errors of ``read_picture``.
    """
    examples = list(dict.fromkeys(_list_pictures(query)))
    if not examples:
        return query
    if len(examples) > MOST_PICTURES:
        raise UsageError(f"a saved search takes at most {MOST_PICTURES} pictures, and this one has {len(examples)}")
    bytes_by_example = {example: encode_picture(read_picture(example)) for example in examples}
    stored_keys = set(store.list(FOLDER))
    missing = {make_picture_key(name): content for name, content in bytes_by_example.values()}
    missing = {key: content for key, content in missing.items() if key not in stored_keys}
    if len(stored_keys) + len(missing) > MOST_STORED:
        raise UsageError(
            f"saved searches have {len(stored_keys)} pictures, and {MOST_STORED} is the limit: "
            "delete one that has a picture"
        )
    for key, content in missing.items():
        store.write_bytes(key, content)
    return query.rename_examples({example: name for example, (name, _) in bytes_by_example.items()})


def delete_pictures(store: ObjectStore, query: Query, used: Collection[Query]) -> None:
    """Delete the pictures of a search, except for those that the searches ``used`` have, too."""
    names_in_use = {name for each in used for name in _list_pictures(each)}
    for name in set(_list_pictures(query)) - names_in_use:
        if _NAME.fullmatch(name):
            store.delete(make_picture_key(name))


def make_picture_reader(store: ObjectStore) -> Pictures:
    """Return a function that reads a picture of a saved search by its name, and any other example as a local file."""

    def read(example: str) -> NDArray[np.uint8]:
        if not _NAME.fullmatch(example):
            return read_image_file(example)
        try:
            return read_image_bytes(store.read_bytes(make_picture_key(example)))
        except FileNotFoundError as error:
            raise NotFoundError(f"the picture {example!r} is not stored (any more): save the search again") from error

    return read


def _list_pictures(query: Query) -> Iterator[str]:
    unlike = {*query.unlike, *(query.then.unlike if query.then else ())}
    for example in query.list_examples():
        if not parse_shot_id(example) and not (example in unlike and is_words(example)):
            yield example
