"""Where each worker process runs, and how many connections it has beside the others.

A worker has a place: the lowest number that no other has. gunicorn's hooks here take it, use it and give it back.
"""

import mmap
import os
from collections import Counter
from typing import Any

PLACES = 256  # of 64 workers at most, and as many that end beside them at a reload
# Those that this process may use; without such a thing, as on macOS, one stands for all.
CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
NOBODY = 2**31 - 1  # connections at a place that is not taken: more than a worker has

# Anonymous memory, which processes share across a fork.
connections = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("i")[:PLACES]
for place in range(PLACES):
    connections[place] = NOBODY


def take(arbiter: Any, worker: Any) -> None:
    """Give a worker that is about to be forked its place, and a CPU that no more of the others have than any other."""
    others = arbiter.WORKERS.values()
    worker.place = min(set(range(PLACES)) - {other.place for other in others})
    connections[worker.place] = 0
    shares = Counter(other.cpu for other in others)
    worker.cpu = min(CPUS, key=lambda cpu: (shares[cpu], cpu))


def give_back(arbiter: Any, worker: Any) -> None:
    """Let nobody count on a worker that is gone."""
    connections[worker.place] = NOBODY


def pin(arbiter: Any, worker: Any) -> None:
    """Keep a worker on one CPU where there is a worker for each: on two its threads fight over the interpreter."""
    if 1 < len(CPUS) <= arbiter.cfg.workers:
        os.sched_setaffinity(0, {worker.cpu})
