"""Another program at work on a database: a process that holds its lock for writing, as a long import does."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.server import PATIENCE

PROGRAM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[Callable[[], object]]:
    """Let another process begin to write, and end at the end, or as soon as what is given is called."""
    command = [sys.executable, "-c", PROGRAM, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def release() -> None:
            process.communicate(timeout=PATIENCE)

        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield release
        finally:
            if process.poll() is None:
                release()
