"""A contender's process and all that it starts: pinned, and read from /proc."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.server import end, environment

TICK = os.sysconf("SC_CLK_TCK")
UTIME, STIME = 11, 12  # of /proc/PID/stat after the name, which may hold spaces
POLL = 0.002  # seconds between attempts to get a first answer
PATIENCE = 300  # seconds that a contender may take to load its data
CALM, CALM_WITHIN = 0.1, 60  # seconds without CPU that show that nothing runs any more, and the longest wait for them


class Process:
    """A running contender; use it in `with`."""

    def __init__(
        self, command: Sequence[str], folder: Path, cpus: set[int], variables: Mapping[str, str] | None = None
    ) -> None:
        """Start a command on some CPUs; what it prints goes to a file in its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "output.txt"
        self.started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                pinned(command, cpus),
                cwd=folder,
                env=environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the benchmark, which then stops its contenders
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def first_answer(self, port: int, path: str, headers: Mapping[str, str]) -> float:
        """Return the seconds from the command to the first answer with 2xx."""
        while time.monotonic() - self.started < PATIENCE:
            if self._process.poll() is not None:
                break
            if _answers(port, path, headers):
                return time.monotonic() - self.started
            time.sleep(POLL)
        raise SystemExit(f"{self._process.args} did not answer {path}: {self._log.read_text(errors='replace')[-2000:]}")

    def cpu(self) -> float:
        """Return the seconds of CPU, user and system, of all its processes."""
        ticks = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[UTIME]) + int(fields[STIME])
        return ticks / TICK

    def memory(self) -> int:
        """Return the resident bytes of all its processes; what several share counts once."""
        return sum(map(resident, self._pids()))

    def settle(self) -> None:
        """Wait until nothing runs any more of what a load has left behind."""
        deadline = time.monotonic() + CALM_WITHIN
        before = -1.0
        while (now := self.cpu()) != before and time.monotonic() < deadline:
            before = now
            time.sleep(CALM)

    def stop(self) -> None:
        """End it."""
        end(self._process)

    def _pids(self) -> Iterator[int]:
        waiting = [self._process.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            children = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
            waiting += [int(child) for text in children for child in text.split()]


def resident(pid: int) -> int:
    """Return the resident bytes of a process, and of pages that it shares its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def stop_on_signals() -> None:
    """Let Ctrl-C and SIGTERM end the program by way of whatever it has to end and remove."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))


def pinned(command: Sequence[str], cpus: set[int]) -> list[str]:
    """Return a command that runs another on some CPUs only."""
    return [tool("taskset", "util-linux"), "--cpu-list", ",".join(map(str, sorted(cpus))), *command]


def tool(name: str, package: str) -> str:
    """Return the path of a program, or stop with a sentence that tells where to get it."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"The benchmarks need {name}; on Debian: apt-get install {package}")
    return found


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, path: str, headers: Mapping[str, str]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers=dict(headers))
        return connection.getresponse().status // 100 == 2
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
