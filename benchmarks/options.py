"""What a run is asked for, on which CPUs, and what it says of itself."""

import argparse
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import apsw

from app.config import Settings, load
from benchmarks.load import CONNECTIONS
from benchmarks.tasks import Operation, chosen

RESULTS = Path(__file__).parent / "results"
SMALLEST = 200  # entities: four pages, of which a cursor skips two


class Options(argparse.Namespace):
    """The options of a run."""

    rounds: int
    seconds: int
    sizes: list[int]
    only: list[Operation]
    workers: int | None
    threads: int | None
    name: str

    def settings(self) -> Settings:
        """Return the server's settings: as shipped but for the options."""
        given = {"WORKERS": self.workers, "THREADS": self.threads}
        return load().with_options({name: value for name, value in given.items() if value is not None})

    def serve_options(self) -> list[str]:
        """Return the options of `struere-local serve` for these settings."""
        settings = self.settings()
        return ["--workers", str(settings["WORKERS"]), "--threads", str(settings["THREADS"])]


def parse(description: str | None, name: str, sizes: str, arguments: Sequence[str] | None = None) -> Options:
    """Parse the command line; the name and the sizes are defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=_positive, default=5, help="rounds of each operation; default 5")
    parser.add_argument("--seconds", type=_positive, default=3, help="seconds of each load; default 3")
    parser.add_argument("--sizes", type=_sizes, default=_sizes(sizes), help=f"numbers of entities; default {sizes}")
    parser.add_argument("--only", type=_only, default=_only(""), help="beginnings of operations' names, with commas")
    parser.add_argument("--workers", type=_positive, help="worker processes of server and floor; default as shipped")
    parser.add_argument("--threads", type=_positive, help="threads of each worker; default as shipped")
    parser.add_argument("--name", default=name, help=f"of the files in benchmarks/results/; default {name}")
    return parser.parse_args(arguments, Options())


def cpus(workers: int) -> dict[str, set[int]]:
    """Return the CPUs of servers, one a worker, and of wrk: the others, or where there are none all."""
    available = sorted(os.sched_getaffinity(0))
    return {"server": set(available[:workers]), "wrk": set(available[workers:]) or set(available)}


def about(options: Options, cpus: dict[str, set[int]]) -> list[str]:
    """Return lines that tell how a run was made."""
    settings = options.settings()
    apart = "apart from it" if not cpus["server"] & cpus["wrk"] else "which they share, since there is no other"
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_processor()}, {os.cpu_count()} CPUs, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, "
        f"Flask {version('flask')}, gunicorn {version('gunicorn')}",
        f"Rounds: {options.rounds}, of {options.seconds} s each; {CONNECTIONS} connections kept open; "
        f"workers: {settings['WORKERS']}, threads of each: {settings['THREADS']}",
        f"Every server on CPUs {_shown(cpus['server'])}, wrk on {_shown(cpus['wrk'])}, {apart}; load of the machine "
        f"before: {os.getloadavg()[0]:.1f}",
    ]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")


def _shown(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _sizes(text: str) -> list[int]:
    sizes = sorted({int(size) for size in text.replace(",", " ").split()})
    if not sizes or sizes[0] < SMALLEST:
        raise argparse.ArgumentTypeError(f"sizes are whole numbers from {SMALLEST}, such as 1000,100000")
    return sizes


def _only(text: str) -> list[Operation]:
    try:
        return chosen([name.strip() for name in text.split(",") if name.strip()])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
