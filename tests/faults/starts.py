"""A start that ends by itself: how, how soon, and what it changed around it."""

import hashlib
import os
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.server import COMMAND, PATIENCE, environment

STARTS: dict[str, list[str]] = {
    "serve": [str(COMMAND), "serve"],
    "gunicorn wsgi:app": [str(COMMAND.parent / "gunicorn"), "wsgi:app"],
    "keys list": [str(COMMAND), "keys", "list"],
}


class Ended(NamedTuple):
    """How a start ended; `seconds` is the time that it took, `changed` what differs in the folder that was watched."""

    code: int
    output: str
    errors: str
    seconds: float
    changed: list[str]


def attempt(command: Sequence[str], variables: Mapping[str, str], cwd: Path, watched: Path) -> Ended:
    """Run a command to its end and compare a folder with what it was."""
    before, started = contents(watched), time.monotonic()
    ended = subprocess.run(
        command, cwd=cwd, env=environment(variables), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    took, after = time.monotonic() - started, contents(watched)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return Ended(ended.returncode, ended.stdout, ended.stderr, took, changed)


def contents(folder: Path) -> dict[str, str]:
    """Return the mode of everything in a folder, with the SHA-256 of each file but SQLite's shared memory."""
    return {str(path): f"{path.lstat().st_mode:o} {digest(path)}" for path in [folder, *sorted(folder.rglob("*"))]}


def digest(path: Path) -> str:
    return (
        hashlib.sha256(path.read_bytes()).hexdigest()
        if stat.S_ISREG(path.lstat().st_mode) and not path.name.endswith("-shm")
        else ""
    )


def bound_by_rights(command: Sequence[str]) -> list[str]:
    """Return a command that the rights of files bind, although root runs it."""
    if os.geteuid():
        return list(command)
    override = "-dac_override,-dac_read_search"
    return ["setpriv", "--inh-caps", override, "--bounding-set", override, *command]
