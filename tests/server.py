"""A server started by the command struere-local, as a process of its own: for the tests that need a real one."""

import functools
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import requests

COMMAND = Path(sys.executable).parent / "struere-local"
CUSTOMERS = Path(__file__).parents[1] / "examples" / "customers"
PATIENCE = 20  # seconds: a bound against waiting for ever, many times what anything here takes

Found = TypeVar("Found")


class Server:
    """What a started server announced, and a client of it."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[bytes]) -> None:
        """Wait for the line that announces the server."""
        self.process = process
        self._errors = errors
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline() if readable else ""
        if not line:  # no AssertionError: a test that waits for one means a server that runs
            raise RuntimeError(f"The server did not start: {self.errors()}")
        self.announced: dict[str, Any] = json.loads(line)
        self.url: str = self.announced["url"]
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))
        self.database = Path(self.announced["database"])
        self.key: str | None = self.announced["keys"].get("development")

    def request(self, method: str, path: str, key: str | None = None, **options: Any) -> requests.Response:
        """Answer a request, on a connection of its own, of a key or the announced one."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        with requests.Session() as session:
            session.trust_env = False  # neither a proxy nor a .netrc
            return session.request(method, self.url + path, headers=headers, timeout=PATIENCE, **options)

    def get(self, path: str, key: str | None = None) -> Any:
        """Return the body of a successful answer."""
        response = self.request("GET", path, key)
        assert response.status_code == 200, response.text
        return response.json()

    def create(self, data: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Create a customer and return it."""
        response = self.request("POST", "/v1/data/customer", json={"data": data, **more})
        assert response.status_code == 201, response.text
        entity: dict[str, Any] = response.json()
        return entity

    def errors(self) -> str:
        """Return what the server has written to standard error."""
        # Seeking would move the server's place in the file as well.
        return os.pread(self._errors.fileno(), 2**20, 0).decode()

    def told(self, start: str) -> str:
        """Return the rest of the line on standard error that starts so, as soon as it is there."""
        return until(lambda: re.search(f"^{re.escape(start)}(.*)\n", self.errors(), re.MULTILINE))[1]

    def workers(self, count: int, without: Iterable[int] = ()) -> set[int]:
        """Return the process ids of the workers, when there are as many as there should be and none of some others."""
        look = functools.partial(children, self.process.pid)
        return until(lambda: found if len(found := look()) == count and found.isdisjoint(without) else None)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def serve(
    *options: str, folder: Path | None = None, variables: Mapping[str, str] | None = None, command: Path = COMMAND
) -> Iterator[Server]:
    """Run a server: in a folder, with data in its instance/; else an ephemeral one."""
    where = () if folder else ("--ephemeral",)
    with (
        tempfile.TemporaryDirectory() as empty,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [command, "serve", "--port", "0", *where, *options],
            cwd=folder or empty,
            env=environment(variables),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C at the terminal of the tests is for the tests
        ) as process,
    ):
        try:
            yield Server(process, errors)
        finally:
            end(process)


def run(
    *arguments: str, folder: Path, variables: Mapping[str, str] | None = None, command: Path = COMMAND
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a folder."""
    return subprocess.run(
        [command, *arguments],
        cwd=folder,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def run_on_terminal(*arguments: str | Path, folder: Path) -> str:
    """Run a command to its end, in a folder, and return what a terminal has seen of its standard error."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([COMMAND, *arguments], cwd=folder, env=environment(), stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while read := os.read(ours, 2**16):
                shown += read
        except OSError:  # Linux's end of a terminal
            pass
        assert process.wait(PATIENCE) == 0, shown
    os.close(ours)
    return shown.decode()


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process: this one's without proxies and settings, and what is given.

    Modules are compiled once and kept, as they are where the program is installed.
    """
    left_out = ("STRUERE_", "PYTHONDONTWRITEBYTECODE")
    own = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**own, "NO_PROXY": "*", "no_proxy": "*", **(variables or {})}


def end(process: subprocess.Popen[str]) -> None:
    """End a process that was started here, if it still runs."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def children(pid: int) -> set[int]:
    """Return the process ids of the children that a process has, as Linux tells them."""
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def until(look: Callable[[], Found | None]) -> Found:
    """Return the first true value that a look finds; fail after a while."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "It did not come to pass"
        time.sleep(0.01)
    return found
