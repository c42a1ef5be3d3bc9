"""What every encoder must do, of whatever kind: vectors, texts, pictures, ids, threads, and damaged weights."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree, ignore_patterns

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.core.errors import EncoderError
from ops.core.settings import load_settings
from ops.core.storage import ObjectStore
from ops.embeddings.embed import ShotToEmbed, ShotVector, embed_shots
from ops.embeddings.encoder import (
    Encoder,
    encode_images,
    find_kind,
    load_encoder,
    load_encoder_kinds,
    load_preparation,
    resolve_spec,
)
from ops.embeddings.frames import read_frames
from ops.search.query_encoding import QueryEncoder
from tests.builders.films import make_film
from tests.contract.encoder_cases import CASES, Case

TEXTS = {
    "empty": "",
    "blank": " \t\n ",
    "a letter": "x",
    "a sentence": "two dogs run through deep snow",
    "a page": "a rabbit in a meadow " * 30,
    "a book": "word " * 20_000,
    "a word without end": "x" * 20_000,
    "German": "Füße im tiefen Schnee",
    "decomposed": "Fu\u0308\u00dfe im tiefen Schnee",
    "Chinese": "两只狗在雪地里奔跑",
    "Arabic, Hebrew": "كلبان يركضان في الثلج שלום",
    "Thai, without blanks": "สุนัขสองตัววิ่งในหิมะ",
    "emoji": "\U0001f415\U0001f415\u200d\U0001f9ba \U0001f1e9\U0001f1ea",
    "control characters": "a\x00dog\x1b[31m\u202e\ufeff",
    "marks of a tokenizer": "<|endoftext|> [CLS] [SEP] <s> </s> [MASK]",
    "noncharacters": "\ufffe\U0010ffff",
}
SIZES = ((1, 1), (2, 3), (1, 400), (400, 1), (36, 64), (64, 36), (101, 77))


@dataclass(frozen=True)
class Loaded:
    case: Case
    encoder: Encoder


@pytest.fixture(scope="module", params=CASES)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    case = CASES[request.param](tmp_path_factory.mktemp("encoder"))
    return Loaded(case, load_encoder(case.spec, case.home, device="cpu"))


@pytest.fixture
def encoder(loaded: Loaded) -> Encoder:
    return loaded.encoder


@pytest.fixture
def case(loaded: Loaded) -> Case:
    return loaded.case


def pictures(count: int, height: int = 36, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, -(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]


def require_vectors(vectors: NDArray[np.float32], count: int, encoder: Encoder) -> None:
    assert vectors.shape == (count, encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.ones(count), atol=1e-5)


def test_every_kind_has_a_case_and_no_other() -> None:
    assert {name.partition(" ")[0] for name in CASES} == set(load_encoder_kinds())
    for name, kind in load_encoder_kinds().items():
        assert kind.name == name
        assert kind.form.partition(":")[0] == name


def test_what_loaders_need_to_know_of_it(encoder: Encoder) -> None:
    assert encoder.dim > 0
    assert encoder.batch_frames >= 1 and encoder.parallel_calls >= 1
    assert isinstance(encoder.languages, tuple)
    assert all(re.fullmatch("[a-z]{2,3}", language) for language in encoder.languages)


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_has_a_vector(encoder: Encoder, name: str) -> None:
    text = TEXTS[name]
    vectors = encoder.encode_text([text])
    require_vectors(vectors, 1, encoder)
    assert np.array_equal(encoder.encode_text([text]), vectors), "the same again"
    length = encoder.read_length(text)
    assert 0 <= length <= len(text)
    if length < len(text):
        assert name in ("a page", "a book", "a word without end") or len(text.encode()) > 3 * len(text) // 2
        np.testing.assert_allclose(encoder.encode_text([text[:length]]), vectors, atol=1e-5)


def test_a_text_has_the_same_vector_alone_and_in_company(encoder: Encoder) -> None:
    texts = [*TEXTS.values(), *TEXTS.values()]
    together = encoder.encode_text(texts)
    require_vectors(together, len(texts), encoder)
    alone = np.concatenate([encoder.encode_text([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_texts_and_pictures_that_differ_have_different_vectors(encoder: Encoder) -> None:
    texts = encoder.encode_text(["a snowy mountain", "a man on a bicycle"])
    assert texts[0] @ texts[1] < 0.9999
    frames = encoder.encode_frames(pictures(2))
    assert not np.allclose(frames[0], frames[1], atol=1e-4)


@pytest.mark.parametrize("wrong", [3, b"a dog", None, ["a dog"]])
def test_what_is_not_a_text_is_refused(encoder: Encoder, wrong: object) -> None:
    with pytest.raises(EncoderError, match="not a text"):
        encoder.encode_text(["a dog", wrong])  # type: ignore[list-item]


def test_half_of_a_surrogate_pair_is_refused(encoder: Encoder) -> None:
    """It comes from bytes of a command line that are not UTF-8, and is in no text that can be written down."""
    with pytest.raises(EncoderError, match="not a text"):
        encoder.encode_text(["a dog \udcff"])


def test_nothing_gives_no_vectors(encoder: Encoder) -> None:
    require_vectors(encoder.encode_text([]), 0, encoder)
    none = np.zeros((0, 36, 64, 3), np.uint8)
    require_vectors(encoder.encode_frames(none), 0, encoder)
    require_vectors(encode_images(encoder, none), 0, encoder)
    assert len(encoder.prepare(none)) == 0
    require_vectors(encoder.encode_prepared(encoder.prepare(none)), 0, encoder)


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_of_any_size_has_a_vector(encoder: Encoder, size: tuple[int, int]) -> None:
    frames = pictures(2, *size)
    before = frames.copy()
    require_vectors(encoder.encode_frames(frames), 2, encoder)
    assert np.array_equal(frames, before), "it changes nothing of what it gets"
    read_only = frames.copy()
    read_only.flags.writeable = False
    backwards = np.asfortranarray(frames)
    for other in (read_only, backwards):
        np.testing.assert_allclose(encoder.encode_frames(other), encoder.encode_frames(frames), atol=1e-5)


@pytest.mark.parametrize("frames", [np.zeros((2, 36, 64, 3), np.uint8), np.full((2, 36, 64, 3), 255, np.uint8)])
def test_a_picture_of_one_colour_has_a_vector(encoder: Encoder, frames: NDArray[np.uint8]) -> None:
    require_vectors(encoder.encode_frames(frames), 2, encoder)


def test_a_frame_has_the_same_vector_whatever_is_beside_it(encoder: Encoder) -> None:
    frames = pictures(min(encoder.batch_frames, 8) + 3)
    whole = encoder.encode_frames(frames)
    require_vectors(whole, len(frames), encoder)
    assert np.array_equal(encoder.encode_frames(frames), whole), "the same again"
    prepared = encoder.prepare(frames)
    assert len(prepared) == len(frames)
    np.testing.assert_allclose(encoder.encode_prepared(prepared), whole, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_prepared(prepared[::-1])[::-1], whole, atol=1e-5)
    for row in (0, len(frames) - 1):
        np.testing.assert_allclose(encoder.encode_prepared(prepared[row : row + 1])[0], whole[row], atol=1e-5)


def test_pooling_gives_one_unit_vector(encoder: Encoder) -> None:
    vectors = encoder.encode_frames(pictures(9))
    for count in (1, 2, 8, 9):
        pooled = encoder.pool(vectors[:count])
        require_vectors(pooled[None], 1, encoder)
        assert np.array_equal(encoder.pool(vectors[:count].copy()), pooled)
    still = np.repeat(vectors[:1], 8, axis=0)
    assert encoder.pool(still) @ encoder.pool(still[:3]) > 0.9, "a still is the same, however long it stands"


def test_a_picture_query_is_the_vector_of_the_shot_of_this_one_frame(
    encoder: Encoder, case: Case, tmp_path: Path
) -> None:
    store = ObjectStore(str(tmp_path / "store"))
    store.write_bytes("one.mp4", make_film(tmp_path / "one.mp4", cuts=(), frames=1, seed=4).path.read_bytes())
    (shot,) = embed_shots([ShotToEmbed(shot_id="0123456789abcdef:0", proxy_key="one.mp4", frames=1)], store, encoder)
    assert isinstance(shot, ShotVector)
    frames = read_frames(store, "one.mp4", [0], 1)
    query = QueryEncoder(load_settings(home=case.home), encoder, lambda _: frames[0]).encode_frames(frames)
    np.testing.assert_allclose(query[0], shot.embedding, atol=1e-6)
    require_vectors(encode_images(encoder, pictures(3)), 3, encoder)


def test_several_threads_get_what_one_gets(encoder: Encoder) -> None:
    frames, texts = pictures(4), ["a dog", "two dogs run through deep snow"]
    wanted = encoder.encode_frames(frames), encoder.encode_text(texts)
    work: list[Callable[[], NDArray[np.float32]]] = [
        lambda: encoder.encode_frames(frames),
        lambda: encoder.encode_text(texts),
    ] * 4
    with ThreadPoolExecutor(4) as pool:
        for at, found in enumerate(pool.map(lambda act: act(), work)):
            np.testing.assert_allclose(found, wanted[at % 2], atol=1e-6)


def test_its_half_for_text_gives_the_same_and_refuses_pictures(encoder: Encoder, case: Case) -> None:
    half = load_encoder(case.spec, case.home, device="cpu", part="text")
    assert (half.encoder_id, half.dim, half.languages) == (encoder.encoder_id, encoder.dim, encoder.languages)
    texts = list(TEXTS.values())[:6]
    np.testing.assert_allclose(half.encode_text(texts), encoder.encode_text(texts), atol=1e-6)
    with pytest.raises(EncoderError, match="part='both'"):
        half.encode_frames(pictures(1))


def test_the_id_is_known_before_it_is_loaded(encoder: Encoder, case: Case) -> None:
    resolved = resolve_spec(case.spec, case.home)
    assert resolved.encoder_id == encoder.encoder_id
    assert re.fullmatch(r"[a-z0-9_]{10,80}", resolved.encoder_id)
    kind, rest = find_kind(case.spec)
    assert all(path.is_file() for path in kind.identify(rest, case.home).files)
    assert load_encoder(encoder.encoder_id, case.home, part="text").encoder_id == encoder.encoder_id


def test_ids_are_the_same_in_every_process(tmp_path: Path) -> None:
    program, ids = "from pathlib import Path\nfrom ops.embeddings.encoder import find_kind\n", []
    for number, make in enumerate(CASES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        case = make(folder)
        kind, rest = find_kind(case.spec)
        ids.append(kind.identify(rest, case.home).encoder_id)
        program += f"{case.set_up}\nkind, rest = find_kind({case.spec!r})\n"
        program += f"print(kind.identify(rest, Path({str(case.home)!r})).encoder_id)\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ids
    assert len({*ids}) == len(ids) - 1, "a copy of the starter is the starter"


def damaged(case: Case, folder: Path, weights: Path) -> tuple[Case, Path]:
    """A copy of the encoder, and its copy of the weights file."""
    copytree(weights.parent, folder / weights.parent.name)
    copy = folder / weights.parent.name / weights.name
    if weights.is_relative_to(case.home):
        home = folder / "home"
        (home / "encoders").mkdir(parents=True)
        copytree(weights.parent, home / "encoders" / "mine")
        return replace(case, home=home), home / "encoders" / "mine" / weights.name
    return replace(case, spec=case.spec.replace(str(weights), str(copy)), home=folder / "home"), copy


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"these are not weights",
    "half": lambda data: data[: len(data) // 2],
    "its beginning": lambda data: data[:100],
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_refused_by_the_name_of_their_file(case: Case, tmp_path: Path, damage: str) -> None:
    for number, weights in enumerate(case.weights):
        copy, path = damaged(case, tmp_path / str(number), weights)
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
        with pytest.raises(EncoderError, match=re.escape(path.name)):
            load_encoder(copy.spec, copy.home, device="cpu")


def test_changed_weights_change_the_id_and_the_old_id_is_refused(case: Case, tmp_path: Path) -> None:
    for number, weights in enumerate(case.weights):
        if weights.suffix == ".json":
            continue
        copy, path = damaged(case, tmp_path / str(number), weights)
        before = resolve_spec(copy.spec, copy.home).encoder_id
        path.write_bytes(path.read_bytes() + b" ")  # trailing bytes: archives are read from their ends
        assert resolve_spec(copy.spec, copy.home).encoder_id != before
        with pytest.raises(EncoderError):
            load_encoder(before, copy.home, device="cpu", part="text")


def test_weights_that_are_gone_are_named(case: Case, tmp_path: Path) -> None:
    for number, weights in enumerate(case.weights[:1]):
        copy, path = damaged(case, tmp_path / str(number), weights)
        path.unlink()
        for act in (load_encoder, resolve_spec):
            with pytest.raises(EncoderError, match=re.escape(path.name)):
                act(copy.spec, copy.home)


TOY = '''
"""An encoder of nothing but lengths and brightness: a toy."""

import numpy as np

from ops.embeddings.encoder import EncoderKind
from ops.embeddings.pooling import pool_mean
from ops.embeddings.weights import identify_weights


class Toy:
    languages, dim, batch_frames, parallel_calls = (), 2, 4, 1

    def __init__(self, encoder_id):
        self.encoder_id = encoder_id

    def encode_text(self, texts):
        return np.array([[1, 0] for _ in texts], np.float32).reshape(-1, 2)

    def read_length(self, text):
        return len(text)

    def prepare(self, frames):
        return frames.mean(axis=(1, 2, 3))

    def encode_prepared(self, prepared):
        return np.array([[np.cos(each), np.sin(each)] for each in prepared], np.float32).reshape(-1, 2)

    def encode_frames(self, frames):
        return self.encode_prepared(self.prepare(frames))

    def pool(self, vectors):
        return pool_mean(vectors)


class ToyKind(EncoderKind):
    name = "toy"
    form = "toy:<file>"

    def identify(self, rest, home):
        return identify_weights("toy", [home / rest], {})

    def load(self, rest, options):
        return Toy(self.identify(rest, options.home).encoder_id)


KIND = ToyKind()
'''
ASK = """
import sys
from pathlib import Path
from ops.core.errors import EncoderError
from ops.core.settings import load_settings
from ops.embeddings.encoder import load_encoder, resolve_encoder

home = Path(sys.argv[1])
found = resolve_encoder(load_settings(home=home, encoder="toy:weights"))
encoder = load_encoder(found.encoder_id, home)
assert encoder.encoder_id == found.encoder_id and encoder.encode_text(["a"]).shape == (1, 2)
print(found.spec, found.encoder_id)
try:
    load_encoder("toys:weights", home)
except EncoderError as error:
    print(error)
assert not {"open_clip", "torch", "onnxruntime"} & set(sys.modules), "no other kind's libraries"
"""


def test_a_new_kind_is_one_module(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    copytree(root / "ops", tmp_path / "ops", ignore=ignore_patterns("__pycache__", "serve", "deploy"))
    (tmp_path / "ops/embeddings/encoders/toy.py").write_text(TOY)
    (tmp_path / "weights").write_text("1")
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, error = done.stdout.splitlines()
    assert re.fullmatch(r"toy:weights toy_w[0-9a-f]{8}_p[0-9a-f]{6}", first)
    assert "'toys:weights' is not an encoder" in error and "toy:<file>" in error and "starter" in error


@pytest.mark.parametrize("size", SIZES)
def test_a_process_that_only_reads_prepares_the_same_bytes(encoder: Encoder, case: Case, size: tuple[int, int]) -> None:
    frames = np.random.default_rng(6).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    prepare = pickle.loads(pickle.dumps(load_preparation(case.spec, case.home)))
    prepared, expected = prepare(frames), encoder.prepare(frames)
    assert prepared.dtype == expected.dtype
    np.testing.assert_array_equal(prepared, expected)
