"""Which encoder a home uses: explicit, or decided once within five seconds and then pinned."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from ops.core.errors import EncoderError, StorageError
from ops.core.settings import Settings, load_settings
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.embeddings.models import MODELS, list_auto_models
from ops.embeddings.pretrained import choose_auto
from ops.embeddings.registry import EncoderRegistry
from ops.embeddings.starter.head import load_head

AUTO_MODEL, AUTO_REPOSITORY = list_auto_models("cpu")[0].spec, list_auto_models("cpu")[0].repository
NOBODY = "http://127.0.0.1:9"
"""Nothing listens on the discard port: a connection is refused at once."""


def settings_for(home: Path, encoder: str = "auto") -> Settings:
    return load_settings(home=home, encoder=encoder)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def asked() -> list[str]:
    """What the hub was asked for."""
    return []


@pytest.fixture
def hub(asked: list[str]) -> Iterator[str]:
    """Answers a HEAD request for a file as the hub does."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            for name, value in (("ETag", '"abc"'), ("X-Repo-Commit", "0" * 40), ("Content-Length", "605000000")):
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not into the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_auto_without_a_network_is_the_starter_and_is_pinned(tmp_path: Path) -> None:
    first = resolve_encoder(settings_for(tmp_path), endpoint=NOBODY)
    assert first.spec == "starter" and AUTO_MODEL in first.reason
    pinned = json.loads((tmp_path / "encoder.json").read_text())
    assert pinned["auto"] == {"spec": "starter", "reason": first.reason}
    assert list(pinned["encoders"]) == [first.encoder_id]


def test_a_pinned_choice_stands_and_asks_no_server(
    tmp_path: Path, hub: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = resolve_encoder(settings_for(tmp_path), endpoint=NOBODY)
    before = (tmp_path / "encoder.json").stat().st_mtime_ns
    settings = settings_for(tmp_path)
    monkeypatch.setattr("ops.embeddings.pretrained.choose_auto", lambda **_: pytest.fail("it is chosen again"))
    assert resolve_encoder(settings, endpoint=hub) == first
    assert not asked
    assert (tmp_path / "encoder.json").stat().st_mtime_ns == before


def test_a_server_that_never_answers_costs_less_than_five_seconds(silent_server: str) -> None:
    started = time.perf_counter()
    spec, reason = choose_auto(endpoint=silent_server, seconds=0.5)
    assert spec == "starter" and reason
    assert time.perf_counter() - started < 5


def test_weights_that_a_server_offers_are_taken(hub: str, asked: list[str]) -> None:
    spec, reason = choose_auto(endpoint=hub)
    assert spec == AUTO_MODEL and "downloaded" in reason
    assert len(asked) == 1


def test_cached_weights_are_taken_without_asking(tmp_path: Path) -> None:
    repository = tmp_path / f"models--{AUTO_REPOSITORY.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_pytorch_model.bin").write_bytes(b"weights")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    program = (
        "import sys\nfrom ops.embeddings.pretrained import choose_auto\n"
        f"print(choose_auto(endpoint={NOBODY!r}))\nassert 'torch' not in sys.modules"
    )
    # The client library reads its cache's place once, when it is imported.
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert AUTO_MODEL in done.stdout and "local cache" in done.stdout


def test_a_gpu_gets_a_larger_model_and_a_refused_one_is_replaced_by_a_cached_one(tmp_path: Path, hub: str) -> None:
    assert choose_auto(endpoint=hub, device="cuda")[0] == list_auto_models("cuda")[0].spec != AUTO_MODEL
    snapshot = tmp_path / f"models--{AUTO_REPOSITORY.replace('/', '--')}" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_pytorch_model.bin").write_bytes(b"weights")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    program = (
        f"from ops.embeddings.pretrained import choose_auto\nprint(choose_auto(endpoint={NOBODY!r}, device='cuda'))"
    )
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"('{AUTO_MODEL}'") and "cannot be downloaded" in done.stdout


def test_the_models_of_the_table_are_those_that_open_clip_has() -> None:
    import open_clip

    for model in MODELS:
        name, tag = model.spec.removeprefix("open_clip:").split("/")
        assert open_clip.get_pretrained_cfg(name, tag)["hf_hub"].strip("/") == model.repository, name
    figures = [model.coco for model in MODELS]
    assert figures == sorted(figures, reverse=True), "best first"
    assert all(list_auto_models(device) for device in ("cpu", "cuda"))


def test_the_command_lists_them_and_names_the_choice_of_auto() -> None:
    listed = json.loads(CliRunner().invoke(cli, ["models", "--json"], standalone_mode=False).stdout)
    assert [each["spec"] for each in listed["models"]] == [model.spec for model in MODELS]
    assert set(listed["models"][0]) >= {"licence", "languages", "image_gflops", "coco", "source", "cached"}
    table = CliRunner().invoke(cli, ["models"], standalone_mode=False).stdout.splitlines()
    assert [each.split()[0] for each in table[2 : len(MODELS) + 3]] == [*(model.spec for model in MODELS), "starter"]
    assert table[1].split() == ["R@1", "%"] * 3 + ["GFLOPs"] * 2 and listed["starter"]["image_gflops"] == 1.7
    assert len(table) == len(MODELS) + 7 and table[-1].startswith(f"auto takes {listed['auto']['spec']}: ")


def test_the_first_of_many_processes_decides(tmp_path: Path) -> None:
    registries = [EncoderRegistry(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        chosen = list(pool.map(lambda number: registries[number].pin_auto(f"spec {number}", "raced"), range(8)))
    assert len(set(chosen)) == 1
    assert EncoderRegistry(tmp_path).read_auto() == chosen[0]


def test_an_explicit_encoder_is_taken_and_pins_nothing(tmp_path: Path) -> None:
    found = resolve_encoder(settings_for(tmp_path, "starter"))
    assert found.spec == "starter" and "NEEDLE_ENCODER" in found.reason
    assert EncoderRegistry(tmp_path).read_auto() is None


@pytest.mark.parametrize("spec", ["", "clip", "open_clip:", "finetuned:", "starter:x", "0123456789abcdef"])
def test_what_names_no_encoder_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(EncoderError, match="not an encoder of this home"):
        load_encoder(spec, tmp_path)


def test_a_fine_tuned_head_is_another_encoder_with_its_own_id(tmp_path: Path, encoder_home: Path) -> None:
    path = tmp_path / "encoders" / "mine" / "head.npz"
    replace(load_head(), conse_weight=0.25).save(path)
    found = resolve_encoder(settings_for(tmp_path, "finetuned:mine"))
    encoder = load_encoder(found.encoder_id, tmp_path, part="text")
    assert encoder.encoder_id == found.encoder_id != resolve_encoder(settings_for(tmp_path, "starter")).encoder_id
    for name in ("yours", "../mine"):
        with pytest.raises(EncoderError, match="no fine-tuned encoder"):
            resolve_encoder(settings_for(tmp_path, f"finetuned:{name}"))


def test_changed_weights_get_a_new_id_and_the_old_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoders" / "mine" / "head.npz"
    replace(load_head(), conse_weight=0.25).save(path)
    old = resolve_encoder(settings_for(tmp_path, "finetuned:mine"))
    replace(load_head(), conse_weight=0.75).save(path)
    new = resolve_encoder(settings_for(tmp_path, "finetuned:mine"))
    assert old.encoder_id != new.encoder_id
    assert load_encoder(new.encoder_id, tmp_path, part="text").encoder_id == new.encoder_id
    with pytest.raises(EncoderError, match="have changed"):
        load_encoder(old.encoder_id, tmp_path, part="text")


@pytest.mark.parametrize("content", ["", "[]", '{"auto": null}', "\x00"])
def test_a_broken_pin_file_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "encoder.json").write_text(content)
    with pytest.raises(EncoderError, match="delete it"):
        resolve_encoder(settings_for(tmp_path))


@pytest.mark.parametrize("home", ["afile", "/proc/self"])  # not even root may write there
def test_a_home_that_cannot_be_written_is_told_as_that(tmp_path: Path, home: str) -> None:
    (tmp_path / "afile").write_text("somebody's")
    with pytest.raises(StorageError, match=rf"home cannot be written \({tmp_path / home}.*NEEDLE_HOME") as told:
        resolve_encoder(settings_for(tmp_path / home, "starter"))
    assert "delete" not in str(told.value)


def test_the_research_only_data_of_the_starter_is_named_at_its_first_use(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings(home=tmp_path, encoder="starter")
    resolve_encoder(settings)
    assert "non-commercial research only" in caplog.text and "docs/licences.md" in caplog.text
    caplog.clear()
    resolve_encoder(settings)
    assert caplog.text == ""
