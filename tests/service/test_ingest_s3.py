"""The whole ingest with library and storage in an object store, against an S3 server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.builders.films import make_film
from tests.builders.homes import Home


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[Any, dict[str, str]]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    for bucket in ("films", "store"):
        client.create_bucket(Bucket=bucket)
    yield client, environment
    client.close()
    server.stop()


def keys_of(client: Any, bucket: str, prefix: str = "needle/") -> dict[str, Any]:
    # moto keeps what other tests of this process stored: only our own part of the bucket is looked at.
    listing = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {entry["Key"]: (entry["ETag"], entry["LastModified"]) for entry in listing}


def test_footage_in_s3_becomes_searchable_and_a_second_run_writes_nothing(
    s3: tuple[Any, dict[str, str]], tmp_path: Path
) -> None:
    client, environment = s3
    film = make_film(tmp_path / "a film.mp4", cuts=(30, 60), frames=90, audio=True)
    client.upload_file(str(film.path), "films", "library/The Show/a film.mp4")
    client.put_object(Bucket="films", Key="library/The Show/broken.mp4", Body=b"no film")
    home = Home(tmp_path / "home")
    environment = {**environment, "NEEDLE_STORAGE": "s3://store/needle"}

    summary = home.json("ingest", "s3://films/library", expect=3, **environment)
    assert summary["shots"] == 3
    assert [Path(entry["path"]).name for entry in summary["set_aside"]] == ["broken.mp4"]
    shots = home.json("shots", "a film.mp4", **environment)
    assert [(shot["start_frame"], shot["end_frame"]) for shot in shots] == film.shots
    hits = home.json("search", "stripes", "--show", "The Show", **environment)["hits"]
    assert len(hits) == 3
    assert all(hit["proxy"].startswith("s3://store/needle/proxies/") for hit in hits)
    written = keys_of(client, "store")
    folders = {key.removeprefix("needle/").split("/")[0] for key in written}
    assert folders == {"encoder.json", "history", "lake", "proxies", "posters", "sheets"}
    assert not (home.path / "media").exists()

    local = home.files()
    assert home.json("ingest", "s3://films/library", expect=3, **environment)["up_to_date"]
    assert keys_of(client, "store") == written
    assert home.files() == local
