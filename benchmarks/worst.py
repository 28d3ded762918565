"""What others feel of one bad query: GETs at a million entities, quiet and beside a query that no index helps.

Run it with make bench-worst; SIZES, ROUNDS and SECONDS set how much.
"""

import json
import statistics
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

from benchmarks import cache, options
from benchmarks.load import Request
from benchmarks.process import stop_on_signals
from benchmarks.struere import TYPE, Struere
from benchmarks.tasks import OPERATIONS

MOST_P99 = 5  # goal: times the quiet one
MOST_SECONDS = 2.5  # goal: until the query is answered or refused, 2 as the setting has it and what noticing takes
GET = next(each for each in OPERATIONS if each.name == "get")

# Deep equality asks Python about every array; a field that is not there is looked for in every document.
WORST = {
    "deep equality": {"tags": ["nobody has", "these"]},
    "no such field": {"nothing": {"$gt": "a"}},
    "a substring": {"notes": {"$contains": "no note has this"}},
}


class Unindexed(Struere):
    """The server, which makes no index by itself."""

    def variables(self) -> Mapping[str, str]:
        """Return the settings of all contenders, and this one."""
        return {**super().variables(), "STRUERE_AUTO_INDEXES": "off"}


def main() -> None:
    """Print a line a query and the worst ratios; exit with 1 where a goal is missed."""
    asked = options.parse(__doc__, name="worst", sizes="1000000")
    cpus = options.cpus(asked.settings()["WORKERS"])
    stop_on_signals()
    missed = False
    with cache.work_folder() as folder:
        server = Unindexed(asked.sizes[-1], folder, cpus, asked.serve_options())
        try:
            server.start()
            server.prepare(GET)
            for name, filters in WORST.items():
                missed |= _is_missed(server, name, filters, asked)
        finally:
            server.close()
    raise SystemExit(missed)


def _is_missed(server: Struere, name: str, filters: object, asked: options.Options) -> bool:
    ratios, took = [], []
    for number in range(asked.rounds):
        quiet = server.measure(GET, asked.seconds, number).p99
        with _asking(server, filters, took):
            ratios.append(server.measure_now(GET, asked.seconds, number).p99 / quiet)
    ratio, longest = statistics.median(ratios), max(took)
    print(
        f"{name}: p99 of a GET {ratio:.1f} times the quiet one (goal: at most {MOST_P99}); {len(took)} queries, each "
        f"answered or refused within {longest:.2f} s (goal: at most {MOST_SECONDS})",
        flush=True,
    )
    return ratio > MOST_P99 or longest > MOST_SECONDS


@contextmanager
def _asking(server: Struere, filters: object, took: list[float]) -> Iterator[None]:
    """Send a query again and again, one at a time, until the end; add how long each took."""
    over = threading.Event()
    query = Request("POST", f"{TYPE}/query", json.dumps({"filters": filters}))

    def ask() -> None:
        while not over.is_set():
            began = monotonic()
            answers.append(server.send(query))
            took.append(monotonic() - began)

    answers: list[tuple[int, Any]] = []
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    for status, body in answers:
        if status != 200 and not (status == 400 and "would take longer" in body["error"]):
            raise SystemExit(f"The query is answered wrongly: {status} {body}")


if __name__ == "__main__":
    main()
