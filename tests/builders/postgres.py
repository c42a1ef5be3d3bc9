"""A Postgres server of the test's own, on loopback, with a password; it can be stopped and started again."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

USER, PASSWORD = "needle", "se/cret %word"
QUOTED = quote(PASSWORD, safe="")
"""As the password stands in an address."""


def find_binaries() -> Path | None:
    """The folder of Postgres' programs, such as Debian's, which is not on the path; ``None`` without one."""
    folders = [Path(folder) for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    if program := shutil.which("initdb"):
        folders.insert(0, Path(program).parent)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class PostgresServer:
    """A running server. It refuses root, so root starts it as another user."""

    def __init__(self, folder: Path, binaries: Path, name: str = USER, password: str = PASSWORD) -> None:
        self._data, self._binaries = folder / "data", binaries
        self._name, self._password = name, password
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._user = next((name for name in ("postgres", "nobody") if _exists(name)), None) if not os.getuid() else None
        (folder / "password").write_text(password)
        if self._user:
            shutil.chown(folder, self._user)
            shutil.chown(folder / "password", self._user)
        folder.chmod(0o755)
        self._call(
            "initdb", "-U", name, "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C"
        )
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -k {self._data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._call("pg_ctl", "-w", "-o", options, "-l", str(self._data / "log"), "start")

    def stop(self) -> None:
        """Stop at once, as if the machine went away."""
        self._call("pg_ctl", "-m", "immediate", "-w", "stop")

    def create_database(self, name: str) -> str:
        """The address of a new database, as ``NEEDLE_POSTGRES`` has it."""
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql://{self._name}:{quote(self._password, safe='')}@127.0.0.1:{self.port}/{name}"

    @contextmanager
    def connect(self, database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=self._name, password=self._password, dbname=database, autocommit=True
        ) as connection:
            yield connection

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._data), *arguments]
        # pg_ctl's server keeps the standard output, so it must not be a pipe
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.run(
                command,
                user=self._user,
                extra_groups=[] if self._user else None,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=60,
                check=False,
            )
            output.seek(0)
            assert process.returncode == 0, output.read()


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
