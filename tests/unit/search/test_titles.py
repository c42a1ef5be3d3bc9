"""Title cards: drawn ones are recognised by what they share, and nothing is hidden where the encoder sees nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.cli.search import print_hits
from ops.core.settings import load_settings
from ops.index.lake_videos import read_wanted_rows
from ops.index.publishing import publish
from ops.search.schema import Query
from ops.search.searcher import Searcher
from ops.search.titles import LEAST_GAP, TitleDirection, draw_cards, is_about_writing
from tests.builders.colours import ColourEncoder, lean, shot, write_video
from tests.builders.lakes import ENCODER


class WritingEncoder(ColourEncoder):
    """Sees writing on a plain background: most of the picture is one colour, and the edges are hard."""

    def encode_prepared(self, prepared_N: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors = super().encode_prepared(prepared_N)
        for vector, frame in zip(vectors, prepared_N, strict=True):
            middle = np.median(frame.reshape(-1, 3), axis=0)
            plain = np.abs(frame - middle).max(axis=2) < 0.05
            if 0.6 < plain.mean() < 0.999:
                vector[:] = 0
                vector[7] = 1
        return vectors


def test_cards_are_always_the_same_and_are_writing_on_plain_paper() -> None:
    cards = draw_cards()
    assert cards.dtype == np.uint8 and cards.ndim == 4 and cards.shape[3] == 3
    np.testing.assert_array_equal(cards, draw_cards())
    for card in cards:
        middle = np.median(card.reshape(-1, 3), axis=0)
        inked = (np.abs(card - middle).max(axis=2) > 60).mean()
        assert 0.001 < inked < 0.3
    assert {bool(card.mean() > 128) for card in cards} == {True, False}, "light and dark"


def test_a_direction_needs_cards_that_stand_apart_from_the_catalogue() -> None:
    generator = np.random.default_rng(0)
    cards = np.eye(8, dtype=np.float32)[[7]] + np.float32(0.1) * generator.standard_normal((12, 8)).astype(np.float32)
    cards /= np.linalg.norm(cards, axis=1, keepdims=True)
    direction = TitleDirection.fit(cards)
    assert direction.agreement > 0.9 and np.linalg.norm(direction.vector) == pytest.approx(1)
    threshold = direction.compute_threshold(np.zeros(50, np.float32))
    assert threshold is not None and 0.7 < threshold < direction.agreement
    assert direction.compute_threshold(np.full(50, direction.agreement - LEAST_GAP / 2, np.float32)) is None


@pytest.mark.parametrize("text", ["end credits", "a title card", "white TEXT on black", "film logo with a tree"])
def test_who_asks_for_writing_gets_it(text: str) -> None:
    assert is_about_writing(text)
    assert not is_about_writing("a rabbit in a meadow")


def test_titles_come_after_the_other_shots_of_their_page_unless_asked(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    card = np.zeros(8, np.float32)
    card[7], card[0] = 0.95, 0.3122499
    write_video(settings, 0, [card, lean((1, 0, 0)), lean((0, 1, 0)), lean((0, 0, 1)), card])
    publish(settings, ENCODER, lambda: read_wanted_rows(settings, ENCODER))
    searcher = Searcher(settings, encoder=WritingEncoder())
    titles = {shot(0, 0), shot(0, 4)}

    def found(**query: object) -> list[str]:
        return [hit["shot_id"] for hit in searcher.search(Query(**query)).document()["hits"]]  # type: ignore[arg-type]

    assert set(found(text="red")[-2:]) == titles
    assert not searcher.search(Query(text="red")).document()["reading"]["notes"]
    assert [hit.is_weak for hit in searcher.search(Query(text="red")).hits if hit.is_title] == [True, True]
    nearest = found(text="red", include_titles=True)
    assert nearest[-1] not in titles and set(nearest) == set(found(text="red"))
    assert found(text="red logo").index(shot(0, 0)) < len(nearest) - 2
    assert set(found(text="red", limit=3)) == set(nearest[:3]), "a page has the nearest shots, titles too"
    assert shot(0, 4) in found(like=(shot(0, 1),))
    assert not set(found(all=({"text": "red"},))) & titles, "a condition is about what a shot shows"
    marks = {hit["shot_id"]: hit["is_title"] for hit in searcher.search(Query(text="red logo")).document()["hits"]}
    assert marks == {shot(0, 0): True, shot(0, 1): False, shot(0, 3): False, shot(0, 4): True}
    assert list((tmp_path / "cache" / "search").iterdir()), "kept for the next process"


def test_a_home_that_cannot_be_written_is_searched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings(home=tmp_path)
    write_video(settings, 0, [lean((1, 0, 0)), lean((0, 1, 0))])
    publish(settings, ENCODER, lambda: read_wanted_rows(settings, ENCODER))
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "search").write_text("a file where the folder should be: for root, too")
    assert len(Searcher(settings, encoder=WritingEncoder()).search(Query(text="red")).hits) == 2
    assert "cannot be written" in caplog.text and "each process computes it again" in caplog.text


def test_an_encoder_that_sees_no_writing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings(home=tmp_path)
    write_video(settings, 0, [lean(colour) for colour in ((1, 0, 0), (0.3, 0.3, 0.3), (0, 0, 0), (0.5, 0.5, 0.4))])
    publish(settings, ENCODER, lambda: read_wanted_rows(settings, ENCODER))
    searcher = Searcher(settings, encoder=ColourEncoder())
    answer = searcher.search(Query(text="red"))
    assert len(answer.hits) == 3, "all but the blank one"
    assert [note[:27] for note in answer.reading.notes] == ["title cards stand among the"]
    print_hits(answer)
    assert "note: title cards stand among" in capsys.readouterr().err
    for asked in (Query(text="red", include_titles=True), Query(text="red logo"), Query(like=(shot(0, 0),))):
        assert not searcher.search(asked).document()["reading"]["notes"]
