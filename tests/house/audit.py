"""``make audit``: known vulnerabilities of the pinned packages, by pip-audit and the registry's advisory database.

Exit status 1 if a pinned version has one that ``ACCEPTED`` does not name. Where the database cannot be reached, that is
reported, and the status is 0: a build without a network must not fail, and must not look audited either.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
ACCEPTED: Mapping[str, str] = {}
"""Ids of vulnerabilities that do not concern Needle, each with the reason."""
TIMEOUT_S = 15


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the database answered: a line for each vulnerability, and the packages that it does not know."""

    packages: int
    vulnerabilities: tuple[str, ...]
    unknown: tuple[str, ...]


def read_pins(path: Path) -> list[str]:
    """Return the lines ``name==version`` of a constraints file."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if "==" in line]


def parse_report(text: str) -> Audit:
    """Parse pip-audit's JSON. Raises ``ValueError`` if it is something else."""
    packages = json.loads(text)["dependencies"]
    vulnerabilities = [
        f"{each['name']} {each['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for each in packages
        for fault in each.get("vulns", ())
        if not {fault["id"], *fault.get("aliases", ())} & ACCEPTED.keys()
    ]
    unknown = tuple(each["name"] for each in packages if "skip_reason" in each)
    return Audit(packages=len(packages), vulnerabilities=tuple(vulnerabilities), unknown=unknown)


def audit(pins: Sequence[str]) -> Audit | None:
    """Return the database's answer about these pins; ``None`` if it cannot be reached."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        command = ["-m", "pip_audit", "-r", file.name, "--no-deps", "--disable-pip", "--format", "json"]
        command += ["--progress-spinner", "off", "--timeout", str(TIMEOUT_S)]
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    try:
        return parse_report(done.stdout)
    except ValueError:
        print(done.stderr.strip().splitlines()[-1:] or "pip-audit printed nothing")
        return None


def main(constraints: Path = CHECKOUT / "constraints.txt") -> int:
    """Audit every pin, and print the result."""
    pins = read_pins(constraints)
    first = audit(pins[:1])  # one question shows whether there is a database
    answer = audit(pins) if first and not first.unknown else None
    if answer is None or len(answer.unknown) == answer.packages:
        print(f"NOT AUDITED: the advisory database cannot be reached from here; {len(pins)} packages are unchecked")
        return 0
    for line in answer.vulnerabilities:
        print(line)
    if answer.unknown:
        print(f"not audited, unknown to the database: {', '.join(answer.unknown)}")
    print(f"{answer.packages - len(answer.unknown)} packages audited, {len(answer.vulnerabilities)} vulnerabilities")
    return 1 if answer.vulnerabilities else 0


if __name__ == "__main__":
    sys.exit(main())
