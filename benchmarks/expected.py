"""What contenders must answer, by the reference that the tests trust."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.entities import SEARCH_FIELDS, Entity, entity, entity_id
from benchmarks.tasks import OPERATIONS, PAGE, QUERY_LIMIT, SEARCH_LIMIT, Task, tasks_of
from tests import reference

CHECKED = 3  # tasks of each operation
WRITES = ("create", "patch")


def answers(entities: Sequence[Entity]) -> Iterator[tuple[str, list[Any]]]:
    """Yield each reading operation's name with the bodies that answer its first tasks."""
    for operation in OPERATIONS:
        if operation.kind not in WRITES:
            tasks = tasks_of(operation, len(entities))[:CHECKED]
            yield operation.name, [_answer(entities, task) for task in tasks]


def patched(task: Task) -> dict[str, Any]:
    """Return the data of an entity after a patch."""
    return reference.merge(entity(task.number)["data"], task.data)


def _answer(entities: Sequence[Entity], task: Task) -> Any:
    if task.kind == "get":
        return entities[task.number]
    if task.kind == "search":
        found = reference.search(entities, task.words, SEARCH_FIELDS)[:SEARCH_LIMIT]
        return {"data": [each for each, _ in found], "cursor": None, "hasMore": False}
    if task.kind == "query":
        return reference.page(entities, task.filters, limit=QUERY_LIMIT)
    cursor = None if task.after is None else entity_id(task.after)
    return reference.page(entities, limit=PAGE, cursor=cursor)
