"""A start that ends by itself: how, how soon, and what it changed around it."""

import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from tests.server import COMMAND, PATIENCE, environment

ROOT = Path(__file__).parents[2]
STARTS: dict[str, list[str]] = {
    "serve": [str(COMMAND), "serve"],
    "gunicorn wsgi:app": [str(COMMAND.parent / "gunicorn"), "wsgi:app"],
    "keys revoke": [str(COMMAND), "keys", "revoke", "key_0"],
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
    before = contents(watched)
    code, output, errors, seconds = timed(command, variables, cwd)
    after = contents(watched)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return Ended(code, output, errors, seconds, changed)


def timed(command: Sequence[str | Path], variables: Mapping[str, str], cwd: Path) -> tuple[int, str, str, float]:
    """Run a command to its end; return its code, output, errors and seconds.

    They are those of a clock without those in which the process could run, but others had the processors.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.monotonic()
        with subprocess.Popen(command, cwd=cwd, env=environment(variables), stdout=output, stderr=errors) as process:
            watch = threading.Timer(PATIENCE, process.kill)
            watch.start()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            seconds = time.monotonic() - started - kept_waiting(process.pid)
            watch.cancel()
        output.seek(0)
        errors.seek(0)
        return process.returncode, output.read(), errors.read(), seconds


def kept_waiting(pid: int) -> float:
    """Return the seconds that a process has waited for a processor: https://docs.kernel.org/scheduler/sched-stats.html"""
    statistics = Path(f"/proc/{pid}/schedstat")
    return int(statistics.read_text().split()[1]) / 1e9 if statistics.exists() else 0.0


def contents(folder: Path) -> dict[str, str]:
    """Return the mode of everything in a folder, with what tells whether a file has changed."""
    return {str(path): f"{path.lstat().st_mode:o} {digest(path)}" for path in [folder, *sorted(folder.rglob("*"))]}


def digest(path: Path) -> str:
    """Return a file's SHA-256, or its size and time where it cannot be read; nothing of SQLite's shared memory."""
    if not stat.S_ISREG(path.lstat().st_mode) or path.name.endswith("-shm"):
        return ""
    if not os.access(path, os.R_OK):
        return f"{path.stat().st_size} bytes at {path.stat().st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bound_by_rights(command: Sequence[str]) -> list[str]:
    """Return a command that the rights of files bind, although root runs it."""
    if os.geteuid():
        return list(command)
    override = "-dac_override,-dac_read_search"
    return ["setpriv", "--inh-caps", override, "--bounding-set", override, *command]


NAMESPACE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
can_mount = pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="this system lets this user mount nothing, not even in a namespace of its own",
)


def attempt_mounted(kind: str, command: Sequence[str], path: Path, cwd: Path) -> Ended:
    """Run a command on a database whose folder is mounted for it; see `tests.faults.mounted`."""
    mount = [*NAMESPACE, sys.executable, "-m", "tests.faults.mounted", kind, str(path.parent), str(path)]
    ran = subprocess.run(
        [*mount, *bound_by_rights(command)],
        cwd=cwd, env=environment({"PYTHONPATH": str(ROOT)}), capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return Ended(*json.loads(ran.stdout))


def crash(path: Path, slug: str = "late") -> None:
    """Store an organization in a database, and leave it as a crash does: in its log, with the log's index."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("INSERT INTO organization (slug, created_at) VALUES (?, 0)", (slug,))
        files = [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]
        left = [(file, file.read_bytes()) for file in files]
    for file, content in left:
        file.write_bytes(content)
