"""The Flask floor as a contender, under the gunicorn settings that the server gives."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.config import Settings
from app.serve import gunicorn_settings
from benchmarks import floor
from benchmarks.contender import Server
from benchmarks.load import Request, Shape
from benchmarks.struere import Struere, request_of
from benchmarks.tasks import Operation, Task

ROOT = Path(__file__).parents[1]
NAME = "flask"

# What the server does with its database, its log and its connections, and where it listens.
LEFT_OUT = (
    *("post_worker_init", "worker_exit", "when_ready", "post_request", "logger_class", "proc_name", "bind"),
    *("pre_fork", "post_fork", "child_exit", "on_reload"),
)
# Each worker on a CPU where there is one for each, as the server has them.
PINNED = """
def post_fork(arbiter, worker):
    import os
    cpus = sorted(os.sched_getaffinity(0))
    if 1 < len(cpus) <= arbiter.cfg.workers:
        os.sched_setaffinity(0, {cpus[worker.age % len(cpus)]})
"""


class FlaskFloor(Server):
    """A constant for every read, and for every body that is parsed."""

    alive = floor.READ
    headers = Struere.headers  # which are parsed by both

    def __init__(self, size: int, folder: Path, cpus: Mapping[str, set[int]], settings: Settings) -> None:
        """Take the server's settings, and the size that the tasks are for."""
        super().__init__(NAME, size, folder, cpus)
        self._file_of_settings = self.folder / "gunicorn.conf.py"
        self._file_of_settings.write_text(configuration(gunicorn_settings(settings)))

    def command(self) -> Sequence[str]:
        """Return the command `gunicorn`."""
        gunicorn = Path(sys.executable).with_name("gunicorn")
        place = ["--bind", f"127.0.0.1:{self.port}", "--chdir", str(ROOT)]
        return [str(gunicorn), "--config", str(self._file_of_settings), *place, f"{floor.__name__}:app"]

    def request(self, task: Task) -> Request:
        """Return a request for a constant, with the body that the server gets for the same task."""
        if task.kind in ("get", "list"):
            return Request("GET", floor.READ)
        return Request("POST", floor.PARSE, request_of(task).body)

    def shape(self, operation: Operation) -> Shape:
        """Return the constant's beginning."""
        return Shape(200, '{"id":"k17000')

    def check(self, operation: Operation, task: Task, number: int, status: int, body: Any) -> bool:
        """Tell whether this is the constant."""
        return status == 200 and len(body["data"]["text"]) > 200


def configuration(settings: Mapping[str, Any]) -> str:
    """Return gunicorn's settings as a file that imports nothing of the server; stop where one cannot be written."""
    # The server's worker differs from gunicorn's in how it takes signals and answers what is no HTTP.
    kept = {name: value for name, value in settings.items() if name not in LEFT_OUT} | {"worker_class": "gthread"}
    hooks = [name for name, value in kept.items() if callable(value)]
    if hooks:
        raise SystemExit(f"The floor does not know the server's {', '.join(hooks)}; mend benchmarks/flask_floor.py")
    return "".join(f"{name} = {value!r}\n" for name, value in kept.items()) + PINNED
