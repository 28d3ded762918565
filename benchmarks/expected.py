"""What contenders must answer, by the reference that the tests trust."""

import sys
from collections.abc import Iterator, Sequence
from heapq import nlargest
from typing import Any

from benchmarks.entities import SEARCH_FIELDS, Entity, entity, entity_id
from benchmarks.tasks import OPERATIONS, PAGE, QUERY_LIMIT, SEARCH_LIMIT, Task, tasks_of
from benchmarks.telling import progress
from tests import reference

CHECKED = 3  # tasks of each operation
WRITES = ("create", "patch")


def answers(entities: Sequence[Entity]) -> Iterator[tuple[str, list[Any]]]:
    """Yield each reading operation's name with the bodies that answer its first tasks; no entity may be deleted."""
    searched = progress((reference.text(each, SEARCH_FIELDS) for each in entities), "Texts that the reference has read")
    indexed = [[sys.intern(word) for word in reference.words(text)] for text in searched]
    for operation in OPERATIONS:
        if operation.kind not in WRITES:
            tasks = tasks_of(operation, len(entities))[:CHECKED]
            yield operation.name, [_answer(entities, indexed, task) for task in tasks]


def patched(task: Task) -> dict[str, Any]:
    """Return the data of an entity after a patch."""
    return reference.merge(entity(task.number)["data"], task.data)


def _answer(entities: Sequence[Entity], indexed: Sequence[Sequence[str]], task: Task) -> Any:
    if task.kind == "get":
        return entities[task.number]
    if task.kind == "query":
        return reference.page(entities, task.filters, limit=QUERY_LIMIT)
    if task.kind == "list":
        cursor = None if task.after is None else entity_id(task.after)
        return reference.page(entities, limit=PAGE, cursor=cursor)
    found = reference.places(indexed, task.words)
    best = nlargest(SEARCH_LIMIT, found, key=lambda number: (found[number], number))
    return {"data": [entities[number] for number in best], "cursor": None, "hasMore": False}
