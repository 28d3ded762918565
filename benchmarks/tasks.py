"""The work: operations, and of each many tasks that any contender may do in its own way. Pure."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from benchmarks.entities import BLOCK, COMMON_WORDS, SEED, SHARING, TOPICS, account, data

TASKS = 2_000  # of one operation at most
PAGE, QUERY_LIMIT, SEARCH_LIMIT = 50, 25, 10
NEW = 10**7  # the number of the first entity that is created, beyond every size


class Task(NamedTuple):
    """A piece of work; what its kind has no use for stays as it is here."""

    kind: str  # get, list, query, search, create or patch
    number: int = 0  # of the entity to get or patch
    after: int | None = None  # the number of the entity that a page follows
    filters: dict[str, Any] = {}  # noqa: RUF012
    words: str = ""
    data: dict[str, Any] = {}  # noqa: RUF012


class Operation(NamedTuple):
    """A kind of work that is measured: its tasks at a size, and the goals.

    `least` is of the floor's requests, `growth` the most that the median latency may grow from the smallest size to the
    largest; None is no goal.
    """

    name: str
    kind: str
    tasks: Callable[[Random, int], Sequence[Task]]
    least: float
    growth: float | None


def tasks_of(operation: Operation, size: int) -> list[Task]:
    """Return the tasks of an operation among so many entities, always the same."""
    return list(operation.tasks(Random(f"{SEED} {operation.name} {size}"), size))


def chosen(names: Sequence[str]) -> list[Operation]:
    """Return the operations whose names begin with one of some names, or all without any; raise ValueError."""
    unknown = [name for name in names if not any(operation.name.startswith(name) for operation in OPERATIONS)]
    if unknown:
        known = ", ".join(operation.name for operation in OPERATIONS)
        raise ValueError(f"There is no operation {unknown[0]}; there are {known}")
    return [each for each in OPERATIONS if not names or each.name.startswith(tuple(names))]


def _get(dice: Random, size: int) -> list[Task]:
    return [Task("get", number=dice.randrange(size)) for _ in range(TASKS)]


def _list(dice: Random, size: int) -> list[Task]:
    return [Task("list")]


def _list_deep(dice: Random, size: int) -> list[Task]:
    """Follow cursors in the second half of the entities; whole pages, for contenders that know no cursors."""
    pages = size // PAGE
    return [Task("list", after=dice.randrange(pages // 2, pages - 1) * PAGE - 1) for _ in range(TASKS)]


def _query(make: Callable[[Random, int], tuple[str, Any, str, dict[str, Any]]]) -> Callable[[Random, int], list[Task]]:
    """Return what makes tasks with an equality on one field and a range on another."""

    def tasks(dice: Random, size: int) -> list[Task]:
        made = (make(dice, size) for _ in range(TASKS))
        return [Task("query", filters={equal: value, ranged: bounds}) for equal, value, ranged, bounds in made]

    return tasks


def _common(dice: Random, size: int) -> tuple[str, Any, str, dict[str, Any]]:
    return "plan", dice.choice(("free", "pro")), "age", {"$gte": dice.randint(18, 29), "$lt": dice.randint(60, 81)}


def _selective(dice: Random, size: int) -> tuple[str, Any, str, dict[str, Any]]:
    return "account", account(dice.randrange(size)), "age", {"$gte": dice.randint(20, 40), "$lt": dice.randint(60, 81)}


def _empty(dice: Random, size: int) -> tuple[str, Any, str, dict[str, Any]]:
    return "account", f"none{dice.randrange(10**6):06}", "age", {"$gte": 20, "$lt": dice.randint(60, 81)}


def _empty_range(dice: Random, size: int) -> tuple[str, Any, str, dict[str, Any]]:
    least = dice.randint(81, 10**6)
    return "plan", dice.choice(("free", "pro")), "age", {"$gte": least, "$lt": least + dice.randint(10, 1000)}


def _search_rare(dice: Random, size: int) -> list[Task]:
    codes = range(min(size // SHARING, 50 * TASKS))
    accounts = BLOCK // SHARING
    numbers = [code // accounts * BLOCK + code % accounts for code in dice.sample(codes, min(len(codes), TASKS))]
    return [Task("search", words=account(number)) for number in numbers]


def _search_medium(dice: Random, size: int) -> list[Task]:
    return [Task("search", words=word) for word in dice.sample(TOPICS, len(TOPICS))]


def _search_common(dice: Random, size: int) -> list[Task]:
    return [Task("search", words=word) for word in COMMON_WORDS]


def _create(dice: Random, size: int) -> list[Task]:
    return [Task("create", data=data(NEW + number)) for number in range(TASKS)]


def _patch(dice: Random, size: int) -> list[Task]:
    """Change two fields of entities, an indexed word among them."""
    return [
        Task("patch", number=dice.randrange(size), data={"age": dice.randint(18, 80), "city": f"Moved {number}"})
        for number in range(TASKS)
    ]


# Reads first: what they must answer is known as long as nothing is written.
OPERATIONS = (
    Operation("get", "get", _get, 0.75, 1.15),
    Operation("list", "list", _list, 0.60, 1.15),
    Operation("list deep", "list", _list_deep, 0.60, 1.15),
    Operation("query common", "query", _query(_common), 0.50, 1.15),
    Operation("query selective", "query", _query(_selective), 0.50, 1.5),
    Operation("query empty", "query", _query(_empty), 0.50, 1.5),
    Operation("query empty range", "query", _query(_empty_range), 0.50, 1.5),
    Operation("search rare", "search", _search_rare, 0.45, 1.5),
    Operation("search medium", "search", _search_medium, 0.45, 1.5),
    Operation("search common", "search", _search_common, 0.45, 1.5),
    Operation("create", "create", _create, 0.50, None),
    Operation("patch", "patch", _patch, 0.80, None),
)
CREATE = next(operation for operation in OPERATIONS if operation.kind == "create")
