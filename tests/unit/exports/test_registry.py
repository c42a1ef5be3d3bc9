"""A format is one file: a toy format in a copy of the tree is in the command, in the API and in the page's list."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest

from ops.core.settings import Settings
from ops.exports.formats.json import JsonFormat
from ops.exports.registry import collect_formats, export_formats
from tests.builders.timelines import fill_lake

CHECKOUT = Path(__file__).resolve().parents[3]
TOY = '''
"""One line a clip: a toy."""

from ops.exports.format import ExportFormat, ExportOutcome


class SlateFormat(ExportFormat):
    name = "slate"
    label = "Slates & <lists>"
    suffix = ".slate"
    media_type = "text/x-slate"
    summary = "has one line a clip"
    handles_note = "Slates have no handles."

    def write(self, clips, target, context):
        target.write_text("".join(f"{context.title}: {clip.shot_id}\\n" for clip in clips))
        return ExportOutcome(warnings=("slates are toys",))


FORMAT = SlateFormat()
'''
ASK = """
import json, sys
from click.testing import CliRunner
from fastapi.testclient import TestClient
from ops.cli.main import cli
from ops.core.settings import Settings
from ops.serve.app import create_app

shot, target = sys.argv[1:]
help_ = CliRunner().invoke(cli, ["export", "--help"]).output
done = CliRunner().invoke(cli, ["export", "-o", target, "--title", "T", shot])
client = TestClient(create_app(Settings()), base_url="http://localhost")
document = client.get("/openapi.json").json()
answer = client.post("/api/export", json={"format": "slate", "title": "T", "picks": [{"shot_id": shot}]})
print(json.dumps({
    "help": help_, "exit": done.exit_code, "output": done.output,
    "formats": client.get("/api/export/formats").json()["formats"],
    "field": document["components"]["schemas"]["ExportBody"]["properties"]["format"],
    "types": list(document["paths"]["/api/export"]["post"]["responses"]["200"]["content"]),
    "file": answer.text, "type": answer.headers["content-type"], "name": answer.headers["content-disposition"],
    "report": answer.headers["needle-export"],
}))
"""


def test_a_new_format_is_one_file(settings: Settings, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(CHECKOUT / "ops", tree / "ops", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "ops/exports/formats/slate.py").write_text(TOY)
    shot = fill_lake(settings, 1, Fraction(25))[0]
    environment = os.environ | {"NEEDLE_HOME": str(settings.home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, shot, str(tmp_path / "x.SLATE")],
        cwd=tree, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert re.search(r"^ +slate +Slates & <lists> \(\.slate\)$", found["help"], re.MULTILINE)
    assert re.search(r"\|sheet\|[a-z|]*\bslate\b", re.sub(r"\s", "", found["help"])), "a choice of --format"
    assert found["exit"] == 0, found["output"]
    assert "slates are toys" in found["output"]
    assert (tmp_path / "x.SLATE").read_text() == f"T: {shot}\n"
    toy = {"format": "slate", "label": "Slates & <lists>", "suffix": ".slate", "media_type": "text/x-slate"}
    assert found["formats"][-1] == toy | {"handles_note": "Slates have no handles.", "has_one_rate": False}
    assert found["field"]["enum"] == [*export_formats(), "slate"]
    assert found["field"]["description"].endswith("`slate` has one line a clip")
    assert found["types"][-1] == "text/x-slate"
    assert (found["file"], found["type"].partition(";")[0]) == (f"T: {shot}\n", "text/x-slate")
    assert 'filename="T.slate"' in found["name"]
    assert json.loads(found["report"])["warnings"] == ["slates are toys"]


def test_listing_the_formats_loads_no_library_of_pictures() -> None:
    code = "import sys; from ops.exports.registry import export_formats; export_formats(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"av", "PIL", "torch", "onnxruntime"} & set(loaded)


def module(name: str, **attributes: object) -> ModuleType:
    made = ModuleType(f"somewhere.{name}")
    if attributes:
        vars(made)["FORMAT"] = type("Toy", (JsonFormat,), {"name": name, **attributes})()
    return made


def test_the_order_of_lists_is_by_position_and_then_by_name() -> None:
    modules = [
        module("b", suffix=".b", position=2),
        module("c", suffix=".c", position=1),
        module("a", suffix=".a", position=2),
    ]
    assert list(collect_formats(modules)) == ["c", "a", "b"]
    shipped = ["edl", "otio", "fcpxml", "xmeml", "csv", "json", "zip", "sheet"]
    assert [name for name in export_formats() if name in shipped] == shipped


def test_a_module_that_is_not_a_format_is_named() -> None:
    with pytest.raises(TypeError, match=r"somewhere\.aaf: end it in FORMAT"):
        collect_formats([module("aaf")])
    other = module("other", suffix=".o")
    other.__name__ = "somewhere.aaf"
    with pytest.raises(TypeError, match="name = 'aaf'"):
        collect_formats([other])


@pytest.mark.parametrize("second", [{"suffix": ".x"}, {"suffix": ".y", "other_suffixes": (".x",)}])
def test_two_formats_of_one_suffix_are_named(second: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"(a and b|b and a) both have the suffix \.x"):
        collect_formats([module("a", suffix=".x"), module("b", **second)])
