from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from ops.core import settings as core_settings
from ops.core.errors import SettingsError
from ops.core.settings import CHECKOUT, describe_settings, load_settings


def test_defaults() -> None:
    settings = load_settings()
    assert settings.home == CHECKOUT / ".needle"
    assert settings.storage_uri == str(CHECKOUT / ".needle" / "media")
    assert settings.encoder == "auto"
    assert settings.frames_per_shot == 8


def test_option_before_environment_before_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(core_settings, "CHECKOUT", tmp_path)
    (tmp_path / "needle.toml").write_text('workers = 3\nframes_per_shot = 4\nlibrary = "/films"\n')
    monkeypatch.setenv("NEEDLE_FRAMES_PER_SHOT", "5")
    monkeypatch.setenv("NEEDLE_WORKERS", "6")
    settings = load_settings(workers=7)
    assert (settings.workers, settings.frames_per_shot, settings.library) == (7, 5, "/films")
    sources = {name: source for name, _, source in describe_settings(workers=7)}
    assert sources["NEEDLE_WORKERS"] == "option"
    assert sources["NEEDLE_FRAMES_PER_SHOT"] == "environment"
    assert sources["NEEDLE_LIBRARY"] == str(tmp_path / "needle.toml")
    assert sources["NEEDLE_ENCODER"] == "default"


@pytest.mark.parametrize(
    ("name", "value"), [("WORKERS", "none"), ("WORKERS", "0"), ("DETECTOR", "magic"), ("PARTITIONS", "bucket:0")]
)
def test_a_bad_value_is_shown_with_its_source(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"NEEDLE_{name}", value)
    with pytest.raises(SettingsError, match=rf"NEEDLE_{name} = '{value}' \(environment\)"):
        load_settings()


def test_a_broken_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(core_settings, "CHECKOUT", tmp_path)
    (tmp_path / "needle.toml").write_text("workers = = 3")
    with pytest.raises(SettingsError, match=r"needle\.toml cannot be read"):
        load_settings()


def test_secrets_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDLE_TOKENS", "hush, quiet")
    monkeypatch.setenv("NEEDLE_QDRANT_API_KEY", "silence")
    assert [token.get_secret_value() for token in load_settings().tokens] == ["hush", "quiet"]
    assert not {"hush", "quiet", "silence"} & set(" ".join(str(row) for row in describe_settings()).split())


@pytest.mark.parametrize("name", ["failure_webhook", "qdrant_api_key", "tokens"])
def test_an_invalid_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setattr(core_settings, "CHECKOUT", tmp_path)
    (tmp_path / "needle.toml").write_text(f"{name} = {{ hush = 4711 }}\n")
    with pytest.raises(SettingsError, match=f"NEEDLE_{name.upper()} = .hidden.") as refused:
        load_settings()
    assert "4711" not in str(refused.value) and refused.value.__suppress_context__


@pytest.mark.parametrize(
    ("name", "address"),
    [
        *(
            (name, "http://user:hidden-word@127.0.0.1:6333/path")
            for name in ("qdrant_url", "metrics_push", "public_url")
        ),
        ("qdrant_url", "user:hidden-word@127.0.0.1:6333"),
        ("qdrant_url", "http://user:hidden-word/slash@127.0.0.1"),
        ("metrics_push", "user:hidden-word@gateway:9091"),
        ("ray_address", "ray://user:hidden-word@head:6379"),
        ("storage", "s3://key:hidden-word@bucket/prefix"),
        ("library", "s3://key:hidden-word@bucket/films"),
    ],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv(f"NEEDLE_{name.upper()}", address)
    with pytest.raises(SettingsError, match=f"NEEDLE_{name.upper()} = .hidden.") as failure:
        load_settings()
    assert "hidden-word" not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize(("port", "is_one"), [("1", True), ("65535", True), ("0", False), ("65536", False)])
def test_every_port_can_be_that_of_the_page(port: str, is_one: bool) -> None:
    if is_one:
        assert load_settings(public_url=f"https://needle.example:{port}/").service_url.endswith(f":{port}")
    else:
        with pytest.raises(SettingsError, match="a host and"):
            load_settings(public_url=f"https://needle.example:{port}")


def test_an_unknown_name_in_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(core_settings, "CHECKOUT", tmp_path)
    (tmp_path / "needle.toml").write_text('libary = "/films"\n')
    with pytest.raises(SettingsError, match="no setting libary"):
        load_settings()


def test_a_strangers_folder_cannot_set_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "needle.toml").write_text('storage = "/elsewhere"\n')
    monkeypatch.chdir(tmp_path)
    assert load_settings().storage == ""


@pytest.mark.parametrize(
    ("given", "meant"),
    [("~/films/", str(Path("~/films").expanduser())), ("s3://b/p/", "s3://b/p"), ("file:///a%20b", "/a b")],
)
def test_addresses_are_what_a_scan_writes(given: str, meant: str) -> None:
    settings = load_settings(library=given, storage=given)
    assert settings.library == settings.storage == meant


def test_an_installed_wheel_keeps_files_of_the_user_in_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_settings, "CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    monkeypatch.delenv("NEEDLE_HOME", raising=False)
    (tmp_path / "site-packages" / "needle").mkdir(parents=True)
    assert load_settings().home == tmp_path / "ann" / ".needle"
    (tmp_path / "ann" / ".needle").mkdir(parents=True)
    (tmp_path / "ann" / ".needle" / "needle.toml").write_text('detector = "content"\n')
    assert load_settings().detector == "content"


TELEMETRY = """
import sys
from ops.core.settings import load_settings
load_settings(home=sys.argv[1])
import numpy, onnxruntime, openvino, torch
openvino.convert_model(torch.nn.Linear(2, 2), example_input=torch.zeros(1, 2))
"""


def test_libraries_of_models_report_nothing_to_their_makers(tmp_path: Path) -> None:
    """Both leave an id in the user's home before they send anything."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "CI"))}
    user = tmp_path / "user"
    user.mkdir()
    environment = clean | {"HOME": str(user), "XDG_CACHE_HOME": str(user / "cache")}
    command = [sys.executable, "-c", TELEMETRY, str(tmp_path / "home")]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, timeout=300)
    left = [path for path in user.rglob("*") if path.is_file() and {"intel", ".onnxruntime"} & set(path.parts)]
    assert left == []


@pytest.mark.parametrize(
    ("folder", "fault"),
    [("q?y", "a path with '?': choose another folder"), ("p%41", "a path with '%41'"), ("caf\udce9", "is not UTF-8")],
)
def test_a_home_on_a_path_that_dagster_misreads_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str, fault: str
) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path / folder / "home"))
    with pytest.raises(SettingsError, match=r"NEEDLE_HOME = '.*' \(environment\)") as refused:
        load_settings()
    assert fault in str(refused.value)
    str(refused.value).encode()  # can be printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["100% done", "a#b", "it's", 'a "b"', "a\nb", "Füm"])
def test_a_home_may_have_other_characters_in_its_path(tmp_path: Path, folder: str) -> None:
    assert load_settings(home=tmp_path / folder).home == tmp_path / folder
