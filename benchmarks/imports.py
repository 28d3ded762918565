"""What an import costs: `struere-local import` beside raw apsw that inserts the same rows, in one transaction too.

Run it with make bench-load; --sizes and --rounds set how much.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import orjson

from benchmarks import cache
from benchmarks.entities import SEARCH_FIELDS, SLUG, entity
from benchmarks.fill import fill
from benchmarks.telling import progress, tell
from tests.server import COMMAND, environment

LEAST = 0.5  # goal: of raw apsw's speed
AT_ONCE = 1_000  # rows of raw apsw's executemany
ROOT = Path(__file__).parents[1]


class Cost(NamedTuple):
    """Seconds of an import: by the clock, and of CPU."""

    wall: float
    cpu: float


def main() -> None:
    """Print a line a round and the medians of the ratios; exit with 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of both imports each; default 3")
    parser.add_argument("--sizes", type=int, default=1_000_000, help="how many entities; default 1000000")
    options = parser.parse_args()
    with cache.work_folder() as folder:
        lines = folder / "entities.jsonl"
        with lines.open("wb") as file:
            file.writelines(lines_of(progress(range(options.sizes), f"Entities written, of {options.sizes:,}")))
        rounds = [_round(folder, lines, options.sizes, number) for number in range(options.rounds)]
    for field in ("wall", "cpu"):
        ratio = statistics.median(getattr(raw, field) / getattr(own, field) for own, raw in rounds)
        print(
            f"raw apsw's {field} time through the import's, at {options.sizes:,}: {ratio:.2f} (goal: at least {LEAST})"
        )
    raise SystemExit(ratio < LEAST)


def insert(database: str, lines: str) -> None:
    """Insert the entities of a file with apsw alone."""
    connection = apsw.Connection(database, flags=apsw.SQLITE_OPEN_READWRITE)
    connection.pragma("synchronous", "full")
    type_id = connection.execute("SELECT id FROM entity_type WHERE slug = ?", (SLUG,)).get
    columns = "(sequence, id, type_id, status, data, created_at, updated_at)"
    with open(lines, "rb") as file, connection:
        entities = enumerate(map(orjson.loads, file), start=1)
        while some := list(islice(entities, AT_ONCE)):
            rows = (_row(number, type_id, each) for number, each in some)
            connection.executemany(f"INSERT INTO entity {columns} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            texts = ((number, "\n".join(each["data"][name] for name in SEARCH_FIELDS)) for number, each in some)
            connection.executemany(f"INSERT INTO search_{type_id} (rowid, text) VALUES (?, ?)", texts)
    connection.close()


def _row(number: int, type_id: int, each: dict[str, Any]) -> tuple[Any, ...]:
    data = orjson.dumps(each["data"]).decode()
    return number, each["id"], type_id, each["status"], data, each["createdAt"], each["updatedAt"]


def lines_of(numbers: Iterable[int]) -> Iterator[bytes]:
    """Yield entities as an export writes them."""
    return (orjson.dumps(entity(number), option=orjson.OPT_APPEND_NEWLINE) for number in numbers)


def _round(folder: Path, lines: Path, size: int, number: int) -> tuple[Cost, Cost]:
    """Import in both ways, in another order every other round."""
    commands: dict[str, list[str]] = {
        "own": [str(COMMAND), "import", "--database", "{}", str(lines)],
        "raw": [sys.executable, "-m", "benchmarks.imports", "{}", str(lines)],
    }
    costs = {}
    for name in list(commands)[:: -1 if number % 2 else 1]:
        database = folder / f"{name}-{number}.db"
        fill(database, 0)
        costs[name] = _cost([part.format(database) for part in commands[name]])
        _check(database, size)
        tell(f"round {number + 1}, {name}: {costs[name].wall:.1f} s, {costs[name].cpu:.1f} s of CPU")
        database.unlink()
    return costs["own"], costs["raw"]


def _cost(command: Sequence[str]) -> Cost:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)
    after, took = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(took, cpu)


def _check(database: Path, size: int) -> None:
    connection = apsw.Connection(str(database))
    for table in ("entity", "search_1"):
        if connection.execute(f"SELECT count(*) FROM {table}").get != size:
            raise SystemExit(f"{table} of {database} is not whole")
    connection.close()


if __name__ == "__main__":
    if len(sys.argv) == 3 and not sys.argv[1].startswith("-"):
        insert(*sys.argv[1:])
    else:
        main()
