"""What is made once and kept: databases full of entities, by the product's own storage code, and the right answers."""

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import benchmarks.entities
import benchmarks.expected
import benchmarks.tasks
from app.config import load
from app.parts import Parts, assemble
from app.storage.documents import Document
from app.storage.entity_types import Definition, EntityTypes
from app.storage.migrations import MIGRATIONS, prepare
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from app.storage.transfer import Record, Transfer
from benchmarks.entities import SCHEMA, SEARCH_FIELDS, SLUG, entity
from tests import reference

CACHE = Path(__file__).parent / ".cache"
KEY = "sk_dev_" + "benchmark" * 5  # the key that every prepared database knows
TOLD_EVERY = 2.0  # seconds

Item = TypeVar("Item")


def database(size: int) -> Path:
    """Return a database with so many entities, made on first use; nobody may write to it."""
    name = f"{size}-version{len(MIGRATIONS)}-{_digest(benchmarks.entities.__file__, __file__)}"
    return _once(name, lambda folder: _fill(folder / "struere.db", size)) / "struere.db"


def answers(size: int) -> dict[str, list[Any]]:
    """Return what the first tasks of each reading operation must answer, by its name; asked of the reference once."""
    sources = (benchmarks.entities, benchmarks.tasks, benchmarks.expected, reference)
    name = f"{size}-answers-{_digest(*(str(module.__file__) for module in sources))}"

    def make(folder: Path) -> None:
        entities = [entity(number) for number in progress(range(size), f"Entities of the reference, {size:,}")]
        expected = benchmarks.expected.answers(entities)
        found = {name: list(answers) for name, answers in progress(expected, f"Answers of the reference, {size:,}")}
        (folder / "answers.json").write_text(json.dumps(found))

    found: dict[str, list[Any]] = json.loads((_once(name, make) / "answers.json").read_text())
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


def progress(items: Iterable[Item], label: str) -> Iterator[Item]:
    """Yield items and tell every now and then on standard error how many it were."""
    told, count = time.monotonic(), 0
    for count, item in enumerate(items, start=1):
        if time.monotonic() - told > TOLD_EVERY:
            told = time.monotonic()
            print(f"{label}: {count:,}", file=sys.stderr, flush=True)
        yield item


def _once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of a name; one that is not there is made aside and moved into place when complete."""
    final = CACHE / name
    if not final.exists():
        with work_folder() as folder:
            make(folder)
            folder.rename(final)
    return final


def _digest(*paths: str) -> str:
    """Return a short text that changes with the contents of files."""
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()[:8]


def _fill(path: Path, size: int) -> None:
    settings = load({"DATABASE": path})
    parts = assemble(settings, Outside())
    prepare(parts.database)
    with closing(parts.database):
        environment = Environment(
            ensure_organization(parts.database, parts.outside, settings["ORGANIZATION"]), "development"
        )
        definition = Definition(SLUG, "Customer", SCHEMA, SEARCH_FIELDS)
        EntityTypes(parts.database, parts.outside, environment).apply([definition])
        parts.keys.create(environment, "benchmark", plain=KEY)
        transfer = Transfer(parts.database, parts.outside, environment)
        transfer.import_(progress(_records(parts, size), f"Entities stored, of {size:,}"))


def _records(parts: Parts, size: int) -> Iterator[Record]:
    for number in range(size):
        made = entity(number)
        document = Document.of(made["data"], parts.limits)
        yield Record(SLUG, document, made["status"], made["id"], made["createdAt"], made["updatedAt"])
