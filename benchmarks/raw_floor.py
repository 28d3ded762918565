"""Raw apsw as a contender: no server, but a process a round that loops over the same requests."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks import cache
from benchmarks.contender import STEP, Contender, Measure
from benchmarks.expected import CHECKED, WRITES, patched
from benchmarks.load import TIMEOUT, write_requests
from benchmarks.process import pinned
from benchmarks.raw import Raw, Row
from benchmarks.struere import request_of
from benchmarks.tasks import Operation, Task, tasks_of

NAME = "apsw"
ROOT = Path(__file__).parents[1]


class RawFloor(Contender):
    """A copy of a prepared database, read and written without HTTP."""

    name = NAME

    def __init__(self, size: int, folder: Path, cpus: Mapping[str, set[int]]) -> None:
        """Copy the database of a size."""
        self.size, self._cpus = size, cpus
        self._folder = folder / f"{NAME}-{size}"
        self._folder.mkdir()
        self._database = self._folder / "struere.db"
        shutil.copyfile(cache.database(size), self._database)
        self._expected = cache.answers(size)

    def prepare(self, operation: Operation) -> bool:
        """Write the requests to a file and compare the first rows with the reference."""
        tasks = tasks_of(operation, self.size)
        file = write_requests(self._file(operation), map(request_of, tasks))
        raw = Raw(self._database)
        for number, line in enumerate(file.read_text().splitlines()[:CHECKED]):
            rows = raw.parse(line)()
            if not self._check(raw, operation, tasks[number], number, rows):
                raise SystemExit(f"apsw answers {operation.name} wrongly: {line} {rows}")
        return True

    def measure(self, operation: Operation, seconds: int, number: int) -> Measure:
        """Run the process of a round."""
        program = [sys.executable, "-m", "benchmarks.raw", str(self._database), str(self._file(operation))]
        done = subprocess.run(
            pinned([*program, str(seconds), str(number * STEP)], self._cpus["server"]),
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=seconds + TIMEOUT,
        )  # fmt: skip
        return Measure(**json.loads(done.stdout))

    def close(self) -> None:
        """Nothing runs between rounds."""

    def _check(self, raw: Raw, operation: Operation, task: Task, number: int, rows: list[Row]) -> bool:
        """Compare rows that were read with the reference, and what was written with what is read.

        A search ranks even what a common word finds, by hand; of one the words are compared.
        """
        if operation.kind in WRITES:
            [(_, _, data, *_)] = raw.get(rows[0][0])
            return bool(json.loads(data) == (task.data if operation.kind == "create" else patched(task)))
        answer = self._expected[operation.name][number]
        wanted = [answer] if operation.kind == "get" else answer["data"]
        if operation.kind == "search":
            return len(rows) == len(wanted) and all(task.words in row[2].lower() for row in rows)
        return [(row[0], json.loads(row[2])) for row in rows] == [(each["id"], each["data"]) for each in wanted]

    def _file(self, operation: Operation) -> Path:
        return self._folder / f"{operation.name}.txt"
