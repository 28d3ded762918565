"""The files of a run: its rows as JSON, which are read back as they were."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ratios import Row


def write(path: Path, about: Sequence[str], rows: Sequence[Row]) -> None:
    """Write a run to a file of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f'{{"about": {json.dumps(about)},\n"fields": {json.dumps(Row._fields)},\n"rows": [\n{lines}\n]}}\n')


def read(path: Path) -> tuple[list[str], list[Row]]:
    """Return what was written."""
    found = json.loads(path.read_text())
    return found["about"], [Row(*row) for row in found["rows"]]
