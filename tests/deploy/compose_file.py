"""The compose file as one machine without containers runs it: commands, environment, and health checks of services.

Everything comes from ``deploy/compose.yaml``, ``deploy/env.example`` and ``deploy/Dockerfile``, so that a change of
them is what is run. Only addresses and paths are replaced, by those of this machine.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.builders.homes import CHECKOUT

DEPLOY = CHECKOUT / "deploy"
GRACE_S = 10.0
"""Compose's default between SIGTERM and SIGKILL."""
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::([?-])([^}]*))?\}")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A service of Needle's own image: what its container would run, and how its health is checked."""

    name: str
    arguments: Sequence[str]
    environment: dict[str, str]
    health: Sequence[str]
    grace_s: float


def fill_env_example() -> dict[str, str]:
    """Return the variables of ``env.example``, with a new secret for each that the example leaves empty."""
    lines = (line.partition("#")[0].strip() for line in (DEPLOY / "env.example").read_text().splitlines())
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name: value or secrets.token_hex(32) for name, value in pairs.items()}


def fill_in(value: Any, variables: Mapping[str, str]) -> Any:
    """Return a part of the file with its variables filled in. Raises ``LookupError`` if a needed one is missing."""
    if isinstance(value, dict):
        return {name: fill_in(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [fill_in(each, variables) for each in value]
    return _VARIABLE.sub(lambda match: _fill_one(match, variables), value) if isinstance(value, str) else value


def _fill_one(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, kind, rest = match.groups()
    if name is None:
        return "$"
    if variables.get(name):
        return variables[name]
    if kind == "?":
        raise LookupError(f"{name}: {rest}")
    return rest or ""


def read_services(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the services of the compose file that run without a profile."""
    services = fill_in(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"], variables)
    return {name: service for name, service in services.items() if not service.get("profiles")}


def read_image() -> tuple[list[str], dict[str, str]]:
    """Return the entry point of the image, as a program of this environment, and its variables."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    entry = json.loads(re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.M)[-1])
    base = text[text.index("AS base") : text.index("AS cpu\n")]
    pairs = re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.*)$", base, re.M)))
    entry[0] = str(Path(sys.executable).with_name(entry[0]))
    return entry, {name: value for name, value in pairs if name != "PATH"}


def read_commands(services: Mapping[str, Any], image: str, places: Mapping[str, str]) -> list[Command]:
    """Return the commands of the services of ``image``; each text of ``places`` is replaced by its value."""
    entry, variables = read_image()

    pattern = re.compile("|".join(map(re.escape, places)))

    def put(text: str) -> str:
        return pattern.sub(lambda match: places[match.group()], text)

    return [
        Command(
            name=name,
            arguments=[entry[0], *entry[1:], *map(put, service["command"])],
            environment={key: put(str(value)) for key, value in {**variables, **service["environment"]}.items()},
            health=[put(part) for part in service.get("healthcheck", {}).get("test", [])[1:]],
            grace_s=float(str(service.get("stop_grace_period", GRACE_S)).rstrip("s")),
        )
        for name, service in services.items()
        if service["image"] == image
    ]


def read_bucket(services: Mapping[str, Any]) -> str:
    """Return the name of the bucket that the service ``bucket`` creates."""
    (script,) = (part for part in services["bucket"]["entrypoint"] if "mc mb" in part)
    return re.findall(r"mc mb .*\bstore/(\S+)", script)[0]
