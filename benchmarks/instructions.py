"""How many Python instructions a request takes in the application, beside the floor's: the same in every run.

Run it with make bench-instructions. Neither gunicorn's nor those of the thread that writes are counted, nor what SQLite
does; so this tells where Python's time goes, and what a change adds, on a machine however noisy.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask

from app import create_app
from benchmarks import floor
from benchmarks.fill import KEY, fill
from benchmarks.hooks import HIGH, environ_of
from benchmarks.load import Request
from benchmarks.struere import request_of
from benchmarks.tasks import OPERATIONS, Operation, tasks_of

SIZE = 1_000
WARM_UP = 20  # requests after which nothing is done for the first time
LIBRARIES = ("flask", "werkzeug", "marshmallow", "limits")


def main() -> None:
    """Print a line an operation: instructions, the floor's, their ratio, and those of each part."""
    print(f"{'operation':<18}{'own':>7}{'floor':>7}{'ratio':>7}  parts")
    with TemporaryDirectory() as folder:
        application = filled(Path(folder))
        for operation in OPERATIONS:
            own, least = counted(application, requests(operation)), sum(counted(floor.app, floored(operation)).values())
            parts = ", ".join(f"{name} {count:,}" for name, count in own.most_common())
            print(f"{operation.name:<18}{own.total():>7,}{least:>7,}{own.total() / least:>7.2f}  {parts}")
        application.extensions["struere"].database.close()


def filled(folder: Path) -> Flask:
    """Return an application with entities in its database."""
    path = folder / "struere.db"
    fill(path, SIZE)
    return create_app({"DATABASE": path, **HIGH})


def requests(operation: Operation) -> list[Request]:
    """Return an operation's requests, enough of them for a warm-up and for one that is counted."""
    every = [request_of(task) for task in tasks_of(operation, SIZE)]
    return [every[number % len(every)] for number in range(WARM_UP + 1)]


def floored(operation: Operation) -> list[Request]:
    """Return the floor's requests for an operation."""
    bodies = [request.body for request in requests(operation)]
    return [Request("POST", floor.PARSE, body) if body else Request("GET", floor.READ) for body in bodies]


def counted(application: Flask, some: Iterable[Request]) -> Counter[str]:
    """Return the instructions of the last one of some requests, by who has them."""
    found: Counter[str] = Counter()

    def trace(frame: Any, event: str, argument: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        found[_part(frame.f_code.co_filename)] += event == "opcode"
        return trace

    former = sys.gettrace()
    for request in some:
        environ = environ_of(request, KEY)
        found.clear()
        sys.settrace(trace)
        try:
            answer = b"".join(application(environ, _start))
        finally:
            sys.settrace(former)
        assert answer
    return found


def _start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
    if not status.startswith("2"):
        raise SystemExit(f"A request is answered with {status}")


def _part(file: str) -> str:
    parts = Path(file).parts
    library = next((name for name in LIBRARIES if name in parts), None)
    return library or ("struere-local" if "app" in parts else "others")


if __name__ == "__main__":
    main()
