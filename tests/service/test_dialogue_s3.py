"""Subtitles beside and inside films of an object store, against an S3 server on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.builders.films import make_film, run_ffmpeg
from tests.builders.homes import Home
from tests.builders.subtitles import srt
from tests.service.test_ingest_s3 import s3  # noqa: F401 - a fixture


def test_dialogue_of_films_in_s3(s3: tuple[Any, dict[str, str]], tmp_path: Path) -> None:  # noqa: F811
    client, environment = s3
    film = make_film(tmp_path / "film.mp4", cuts=(30, 60), frames=90)
    (tmp_path / "x.srt").write_text(srt([(0.5, 1.0, "inside the file")]))
    run_ffmpeg(
        [
            "-i",
            str(film.path),
            "-i",
            str(tmp_path / "x.srt"),
            "-c",
            "copy",
            "-c:s",
            "subrip",
            str(tmp_path / "film.mkv"),
        ]
    )
    client.upload_file(str(tmp_path / "film.mkv"), "films", "talking/Show/film.mkv")
    client.put_object(
        Bucket="films", Key="talking/Show/film.en.srt", Body=srt([(0.2, 0.8, "beside the file")]).encode()
    )
    client.put_object(
        Bucket="films", Key="talking/Show/Subs/film.de.srt", Body=srt([(0.2, 0.8, "neben der Datei")]).encode()
    )
    home = Home(tmp_path / "home")
    environment = {**environment, "NEEDLE_STORAGE": "s3://store/talking"}
    assert home.json("ingest", "s3://films/talking", **environment)["lines"] == 3
    assert home.json("ingest", "s3://films/talking", **environment)["up_to_date"]
    client.put_object(
        Bucket="films", Key="talking/Show/film.en.srt", Body=srt([(0.2, 0.8, "one"), (1, 2, "two")]).encode()
    )
    assert home.json("ingest", "s3://films/talking", **environment)["lines"] == 4
    client.delete_object(Bucket="films", Key="talking/Show/Subs/film.de.srt")
    assert home.json("ingest", "s3://films/talking", **environment)["lines"] == 3
    assert home.json("ingest", "s3://films/talking", **environment)["up_to_date"]
