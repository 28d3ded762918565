"""Where each worker process runs, and how many connections it has beside the others.

A worker has a place: the lowest number that no other has. gunicorn's hooks here take it, use it and give it back.
"""

import mmap
import os
from typing import Any

NOBODY = 2**31 - 1  # connections at a place that is not taken: more than a worker has

# Anonymous memory, which processes share across a fork.
connections = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("i")
for place in range(len(connections)):
    connections[place] = NOBODY


def take(arbiter: Any, worker: Any) -> None:
    """Give a worker that is about to be forked its place."""
    taken = {other.place for other in arbiter.WORKERS.values()}
    worker.place = min(set(range(len(connections))) - taken)
    connections[worker.place] = 0


def give_back(arbiter: Any, worker: Any) -> None:
    """Let nobody count on a worker that is gone."""
    connections[worker.place] = NOBODY


def pin(arbiter: Any, worker: Any) -> None:
    """Keep a worker on one CPU where there is a worker for each: on two its threads fight over the interpreter."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cpus = sorted(os.sched_getaffinity(0))
    if 1 < len(cpus) <= arbiter.cfg.workers:
        os.sched_setaffinity(0, {cpus[worker.place % len(cpus)]})
