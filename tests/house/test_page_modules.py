"""The page's modules: types and lint hold and can fail, and the types of the API are those of the service."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.service_types import TYPES, served_document, service_types, type_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "ops" / "serve" / "page"
PROGRAMS = Path(sys.executable).parent
DENO = ["check", "--quiet", "--no-remote", "--no-npm", "-c", "tsconfig.json"]
IMPORT = re.compile(r'^import \{([^}]+)\} from "\./([\w.]+)";', re.MULTILINE)
LATE = re.compile(r'\{([^{}]+)\} = await import\("\./([\w.]+)"\)')
EXPORT = re.compile(r"^export (?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)


def run_check(folder: Path, *command: str) -> str:
    """What a program of the checkout reports on the page in a copy of the checkout's folders; empty if nothing."""
    env = {"DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1", "HOME": str(folder), "DENO_DIR": str(folder / "deno")}
    program = [PROGRAMS / command[0], *command[1:], "ops/serve/page"]
    done = subprocess.run(program, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr if done.returncode else ""


def run_checks(folder: Path) -> tuple[str, str]:
    """What the type check and the linter report."""
    return run_check(folder, "deno", *DENO), run_check(folder, "oxlint")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(PAGE, tmp_path / "ops" / "serve" / "page")
    for name in ("tsconfig.json", ".oxlintrc.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_types_and_lint_of_the_page_can_fail(copy: Path) -> None:
    """Each mistake in its own module; without them, both checks pass."""
    page = copy / "ops" / "serve" / "page"
    assert run_checks(copy) == ("", "")
    (page / "wrong.js").write_text(
        'import { search } from "./api.js";\n'
        "const unused = 1;\n"
        'export const path = async () => (await search({ text: "x", limit: "many" })).hits[0].pathname;\n'
        "/** @param {number} one */\n"
        "export const same = (one, other) => one == other;\n"
    )
    types, lint = run_checks(copy)
    for expected in (
        "'string' is not assignable to type 'number'",
        "'pathname' does not exist",
        "implicitly has an 'any'",
    ):
        assert expected in types
    assert "eqeqeq" in lint and "no-unused-vars" in lint


def test_modules_that_import_each_other_are_refused(copy: Path) -> None:
    page = copy / "ops" / "serve" / "page"
    (page / "one.js").write_text('import { other } from "./other.js";\nexport const one = () => other();\n')
    (page / "other.js").write_text('import { one } from "./one.js";\nexport const other = () => one();\n')
    assert "no-cycle" in run_check(copy, "oxlint")


def test_types_of_the_page_are_not_switched_off() -> None:
    for path in PAGE.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"@ts-|oxlint-disable|eslint-disable", text), path.name
        tags = "\n".join(re.findall(r"@(?:param|type|typedef|property|returns) .*", text))
        assert not re.search(r"\{[^\n]*?\bany\b(?!\"|\??:)[^\n]*\}", tags), path.name


def test_types_of_the_api_are_those_of_the_document() -> None:
    assert TYPES.read_text() == service_types(served_document()), "run `make format`"


def test_schemas_become_types() -> None:
    assert type_of({"anyOf": [{"type": "string"}, {"type": "null"}]}) == "string | null"
    assert type_of({"type": "array", "items": {"enum": ["a", "b"]}}) == '("a" | "b")[]'
    assert (
        type_of({"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Hit"}})
        == "Record<string, Hit>"
    )
    one = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}, "required": ["a"]}
    assert type_of(one) == "{\n  a: number;\n  b?: boolean;\n}"
    with pytest.raises(ValueError, match="no TypeScript type"):
        type_of({"not": {"type": "string"}})


def test_every_import_of_the_page_exists() -> None:
    modules = {path.name: path.read_text() for path in PAGE.glob("*.js")}
    exported = {name: set(EXPORT.findall(text)) for name, text in modules.items()}
    seen = 0
    for name, text in modules.items():
        for names, source in [*IMPORT.findall(text), *LATE.findall(text)]:
            wanted = {each.split(" as ")[0].split(":")[0].strip() for each in names.split(",") if each.strip()}
            seen += len(wanted)
            assert wanted <= exported[source], f"{name} imports {sorted(wanted - exported[source])} from {source}"
    assert seen > 100
