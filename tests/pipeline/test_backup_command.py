"""`needle backup` while films are ingested and shots labelled, and `needle restore` into another home."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ops.core.restore_marker import RestoreMarker, write_marker
from tests.builders.films import make_film
from tests.builders.forked import ForkedCommand
from tests.builders.homes import Home


def test_a_backup_of_a_home_in_use_is_a_whole_catalogue(tmp_path: Path) -> None:
    home, copy = Home(tmp_path / "home"), Home(tmp_path / "copy")
    films = [
        make_film(tmp_path / f"{seed}.mp4", cuts=(20,), frames=40, width=160, height=90, seed=seed) for seed in (0, 1)
    ]
    home.run("ingest", str(films[0].path))
    first = [hit["shot_id"] for hit in home.json("search", "anything")["hits"]]
    with tempfile.TemporaryFile() as output:
        ingest = ForkedCommand(["ingest", str(films[1].path)], home.environment(), output, output)
        try:
            home.run("label", "dark", first[0], "--value", "yes")
            home.run("backup", str(tmp_path / "monday"))
        finally:
            status = ingest.wait(300)
    assert status == 0
    copy.run("restore", str(tmp_path / "monday"))
    found = {hit["shot_id"] for hit in copy.json("search", "anything")["hits"]}
    assert set(first) <= found
    copy.run("label", "dark", "--export", str(tmp_path / "dark.csv"))
    assert first[0] in (tmp_path / "dark.csv").read_text()
    # The second film was computed when the copy was made, or is now.
    copy.run("ingest", str(films[1].path))
    assert "no faults" in copy.run("doctor", "--faults").stdout
    assert len(copy.json("search", "anything")["hits"]) == len(home.json("search", "anything")["hits"]) == 4


def test_every_command_refuses_a_home_whose_restore_was_killed(tmp_path: Path) -> None:
    home, film = Home(tmp_path / "home"), tmp_path / "film.mp4"
    film.touch()
    write_marker(home.path, RestoreMarker(created_at="2026-11-30", source="/backups/monday"))
    before = home.files()
    for command in (
        *("status", "doctor", "doctor --faults", "doctor --repair", "compact", "report", "dagster", "serve", "people"),
        *(f"ingest {film}", f"doctor {film}", "search cat", f"similar {film}", "shots film.mp4", "forget film.mp4"),
        *(f"backup {tmp_path / 'copy'}", "collections list", "searches", "probe list", "token list", "evaluate"),
        *("upgrade --encoder starter", f"label dark --export {tmp_path / 'x.csv'}", "dialogue film.mp4"),
        *("train --recipe debug", f"export --query cat -o {tmp_path / 'x.edl'}"),
    ):
        refusal = home.run(*command.split(), expect=2).stderr
        assert f"`needle restore /backups/monday --home {home.path}` finishes it" in refusal, (command, refusal)
    assert home.files() == before and not (tmp_path / "copy").exists()
    assert home.run("search", "--help").stdout and home.run("--version").stdout
