"""Load on a server by wrk, which Debian has as a package of that name."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

REPORT = Path(__file__).with_name("report.lua")
CONNECTIONS = 8


class Load(NamedTuple):
    """What a load met: requests a second, and the median and the 99th percentile of latency in microseconds."""

    rate: float
    p50: int
    p99: int


def load(url: str, key: str, seconds: int = 3) -> Load:
    """Send GET requests over keep-alive connections; stop with a sentence where one was not answered with 2xx."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("The benchmarks need wrk; on Debian: apt-get install wrk")
    command = [
        wrk, "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s",
        "--header", f"Authorization: Bearer {key}", "--script", str(REPORT), url,
    ]  # fmt: skip
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    found = json.loads(output.splitlines()[-1])
    if found["failed"]:
        raise SystemExit(f"{found['failed']} requests of {found['requests']} to {url} failed")
    return Load(found["requests"] / found["duration"] * 1e6, found["p50"], found["p99"])
