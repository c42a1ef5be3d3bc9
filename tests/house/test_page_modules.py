"""The page's modules fit together: what one imports by name, the other exports."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "ops" / "serve" / "page"
IMPORT = re.compile(r'^import \{([^}]+)\} from "\./([\w.]+)";', re.MULTILINE)
LATE = re.compile(r'\{([^{}]+)\} = await import\("\./([\w.]+)"\)')
EXPORT = re.compile(r"^export (?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)


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
