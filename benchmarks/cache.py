"""What is made once and kept: databases full of entities, by the product's own storage code, and the right answers."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import benchmarks.entities
import benchmarks.expected
import benchmarks.fill
import benchmarks.tasks
from app.storage.migrations import MIGRATIONS
from benchmarks.entities import entity
from benchmarks.fill import fill
from benchmarks.telling import progress
from tests import reference

CACHE = Path(__file__).parent / ".cache"


def database(size: int) -> Path:
    """Return a database with so many entities, made on first use; nobody may write to it."""
    version = f"version{len(MIGRATIONS)}-{_digest(benchmarks.entities, benchmarks.fill)}"
    return once(f"database-{size}", version, lambda folder: fill(folder / "struere.db", size)) / "struere.db"


def answers(size: int) -> dict[str, list[Any]]:
    """Return what the first tasks of each reading operation must answer, by its name; asked of the reference once."""
    version = _digest(benchmarks.entities, benchmarks.tasks, benchmarks.expected, reference)

    def make(folder: Path) -> None:
        entities = list(map(entity, progress(range(size), f"Entities for the reference, of {size:,}")))
        expected = benchmarks.expected.answers(entities)
        found = dict(progress(expected, f"Operations that the reference has answered at {size:,}"))
        (folder / "answers.json").write_text(json.dumps(found))

    found: dict[str, list[Any]] = json.loads((once(f"answers-{size}", version, make) / "answers.json").read_text())
    return found


@contextmanager
def work_folder() -> Iterator[Path]:
    """Give a folder for one run's copies, beside the cache and so on the same disk."""
    CACHE.mkdir(exist_ok=True)
    folder = Path(mkdtemp(prefix="run-", dir=CACHE))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def once(name: str, version: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of a name and version, made aside and moved into place when complete; others of it go."""
    final = CACHE / f"{name}-{version}"
    if not final.exists():
        for stale in CACHE.glob(f"{name}-*"):
            shutil.rmtree(stale)
        with work_folder() as folder:
            make(folder)
            folder.rename(final)
    return final


def _digest(*modules: ModuleType) -> str:
    """Return a short text that changes with the source of modules."""
    sources = (Path(str(module.__file__)).read_bytes() for module in modules)
    return hashlib.sha256(b"".join(sources)).hexdigest()[:8]
