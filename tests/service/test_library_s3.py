"""Footage in an S3 bucket, read through the real protocol from a server on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.core.errors import MediaError
from ops.videos.library import HashCache, open_local_source, scan
from ops.videos.probe import probe
from tests.builders.films import make_film


def upload(source: Path, uri: str) -> None:
    import s3fs

    s3fs.S3FileSystem().put_file(str(source), uri)


def test_a_bucket_is_scanned_once_and_read(bucket: str, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", frames=20, cuts=(10,))
    other = make_film(tmp_path / "other.mkv", frames=20, cuts=(10,), seed=1)
    table = tmp_path / "catalogue.csv"
    table.write_text("path,show\nSeries/ünï 'quoted' 100%.mkv,The Series\n")
    upload(film.path, f"{bucket}/lib/film.mp4")
    upload(film.path, f"{bucket}/lib/Series/copy.mp4")
    upload(other.path, f"{bucket}/lib/Series/ünï 'quoted' 100%.mkv")
    upload(table, f"{bucket}/lib/catalogue.csv")
    upload(table, f"{bucket}/lib/.hidden/x.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    upload(empty, f"{bucket}/lib/empty.mp4")

    hashes = HashCache(tmp_path / "hashes.db")
    result = scan([f"{bucket}/lib/"], hashes=hashes, settled_seconds=10)
    assert [(source.path, source.show) for source in result.files] == [
        (f"{bucket}/lib/Series/copy.mp4", "Series"),
        (f"{bucket}/lib/Series/ünï 'quoted' 100%.mkv", "The Series"),
    ]
    assert result.duplicates == [(f"{bucket}/lib/film.mp4", f"{bucket}/lib/Series/copy.mp4")]
    assert result.set_aside == [(f"{bucket}/lib/empty.mp4", "the file is empty (0 bytes): copy it again")]
    assert result.hashed == 3
    again = scan([f"{bucket}/lib"], hashes=hashes)
    assert (again.hashed, again.files) == (0, result.files)

    scratch = tmp_path / "scratch"
    with open_local_source(result.files[1].path, scratch) as path:
        assert path.read_bytes() == other.path.read_bytes()
        assert probe(path).frames == 20
    assert list(scratch.iterdir()) == []

    upload(film.path, result.files[1].path)
    changed = scan([f"{bucket}/lib"], hashes=hashes)
    assert changed.hashed == 1


def test_one_object_and_what_is_not_there(bucket: str, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", frames=5, cuts=())
    upload(film.path, f"{bucket}/lib/Show/film.mp4")
    hashes = HashCache(tmp_path / "hashes.db")
    uri = f"{bucket}/lib/Show/film.mp4"
    assert [source.show for source in scan([uri], library=f"{bucket}/lib", hashes=hashes).files] == ["Show"]
    assert [source.show for source in scan([uri], hashes=hashes).files] == ["film"]
    missing = scan([f"{bucket}/none", "s3://no-such-bucket/x"], hashes=hashes)
    assert missing.files == []
    assert [path for path, _ in missing.set_aside] == [f"{bucket}/none", "s3://no-such-bucket/x"]
    with pytest.raises(MediaError, match="no longer exists"), open_local_source(f"{bucket}/lib/gone.mp4", tmp_path):
        pass
