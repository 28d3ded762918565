"""Load on a server by wrk: keep-alive connections, requests from a file in turn, answers looked at on the way."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.process import pinned, tool

SCRIPT = Path(__file__).with_name("rotate.lua")
CONNECTIONS = 8
TIMEOUT = 60  # seconds that one answer may take
LONGER = 10  # times the seconds of a load that got no answer at all, for a second try


class Request(NamedTuple):
    """An HTTP request as wrk sends it; the body is a text without line breaks."""

    method: str
    path: str
    body: str = ""


class Shape(NamedTuple):
    """What every answer of a load must have: a status, and a text within the body."""

    status: int
    text: str


class Load(NamedTuple):
    """What a load met: answers a second and their number; the median and 99th percentile of latency in microseconds."""

    rate: float
    requests: int
    p50: int
    p99: int


def write_requests(path: Path, requests: Iterable[Request]) -> Path:
    """Write requests to a file as the script reads them."""
    path.write_text("".join(f"{' '.join(request).rstrip()}\n" for request in requests))
    return path


def load(
    url: str,
    headers: Mapping[str, str],
    requests: Path,
    shape: Shape,
    seconds: int,
    skip: int = 0,
    cpus: set[int] | None = None,
    is_last: bool = False,
) -> Load:
    """Send requests for some seconds; stop with a sentence where an answer was broken off or is not as it must be.

    A load without any answer is tried once more, ten times as long; without one again, that time is its latency.
    """
    command = [tool("wrk", "wrk"), "--threads", "1", "--connections", str(CONNECTIONS), "--timeout", f"{TIMEOUT}s"]
    command += ["--duration", f"{seconds}s", "--script", str(SCRIPT)]
    command += [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    command += [url, "--", str(requests), str(skip), str(shape.status), shape.text]
    command = pinned(command, cpus) if cpus else command
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + TIMEOUT)
    *_, line, wrong = done.stdout.splitlines()
    found = json.loads(line)
    if found["broken"] or found["wrong"]:
        raise SystemExit(f"{url}: {found['broken']} requests broke off, {found['wrong']} answers are wrong: {wrong}")
    if not found["requests"]:
        if is_last:
            return Load(0, 0, found["duration"], found["duration"])
        return load(url, headers, requests, shape, min(seconds * LONGER, TIMEOUT), skip, cpus, is_last=True)
    return Load(found["requests"] / found["duration"] * 1e6, found["requests"], found["p50"], found["p99"])
