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
    """A kind of work that is measured: its tasks at a size, what it is compared with, and the goal of that ratio."""

    name: str
    tasks: Callable[[Random, int], Sequence[Task]]
    floor: str  # get or post of the Flask floor, or an operation of the server itself
    goal: float | None = None


def tasks_of(operation: Operation, size: int) -> list[Task]:
    """Return the tasks of an operation among so many entities, always the same."""
    return list(operation.tasks(Random(f"{SEED} {operation.name} {size}"), size))


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
    Operation("get", _get, "flask get", 0.75),
    Operation("list", _list, "flask get", 0.60),
    Operation("list, deep cursor", _list_deep, "flask get", 0.60),
    Operation("query, common", _query(_common), "flask post", 0.50),
    Operation("query, selective", _query(_selective), "flask post", 0.50),
    Operation("query, empty", _query(_empty), "flask post", 0.50),
    Operation("query, empty range", _query(_empty_range), "flask post", 0.50),
    Operation("search, rare word", _search_rare, "flask post", 0.45),
    Operation("search, medium word", _search_medium, "flask post", 0.45),
    Operation("search, common word", _search_common, "flask post", 0.45),
    Operation("create", _create, "flask post", 0.50),
    Operation("patch", _patch, "create", 0.80),
)
