"""What the API must answer, in plain Python written from docs/api.md alone; nothing of the product is imported.

A stored entity is a dictionary as the API shows it.
"""

import math
import operator
import unicodedata
from collections.abc import Sequence
from typing import Any

Entity = dict[str, Any]
Place = tuple[int, float]  # of what a search finds: a class, and within it the score
COMMON = 2_000  # a word that more entities hold does not rank them
MISSING = object()
ALIASES = {"$neq": "$ne"}
COMPARISONS = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}


def matches(entity: Entity, filters: dict[str, Any]) -> bool:
    """Tell whether an entity meets every condition of valid filters."""
    return all(
        holds(field_value(entity, name), operation, operand)
        for name, condition in filters.items()
        for operation, operand in operations(condition)
    )


def field_value(entity: Entity, name: str) -> Any:
    """Return the value of a field of data, else the entity's own for the five bare names, else MISSING."""
    value = entity["data"]
    for part in name.removeprefix("data.").split("."):
        value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
    if value is MISSING and name in ("id", "type", "status", "createdAt", "updatedAt"):
        return entity[name]
    return value


def operations(condition: Any) -> list[tuple[str, Any]]:
    """Return the operators of a condition; a plain value is an equality."""
    if isinstance(condition, dict) and condition and all(name.startswith("$") for name in condition):
        return list(condition.items())
    return [("$eq", condition)]


def holds(value: Any, operation: str, operand: Any) -> bool:
    """Tell whether a value, or MISSING, meets one operator."""
    match ALIASES.get(operation, operation):
        case "$eq":
            return equal(value, operand)
        case "$ne":
            return not equal(value, operand)
        case "$in":
            return any(equal(value, each) for each in operand)
        case "$nin":
            return not any(equal(value, each) for each in operand)
        case "$exists":
            return (value is not MISSING) == operand
        case "$contains":
            if isinstance(value, list):
                return any(equal(element, operand) for element in value)
            return isinstance(value, str) and isinstance(operand, str) and operand in value
        case comparison:
            same_kind = kind(value) == kind(operand)
            return same_kind and COMPARISONS[comparison](value, operand)


def kind(value: Any) -> str:
    """Return the JSON kind of a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def equal(one: Any, other: Any) -> bool:
    """Tell whether two values are equal as JSON: 1 is 1.0, true is not 1, the order of fields does not count."""
    if kind(one) != kind(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    return bool(one == other)


def page(
    entities: Sequence[Entity],
    filters: dict[str, Any] | None = None,
    status: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Return the answer of a list or query over all entities ever created, oldest first."""
    ids = [entity["id"] for entity in entities]
    rest = entities[ids.index(cursor) + 1 :] if cursor else entities
    found = [
        entity
        for entity in rest
        if entity["status"] != "deleted"
        and (status is None or entity["status"] == status)
        and matches(entity, filters or {})
    ]
    has_more = len(found) > limit
    return {"data": found[:limit], "cursor": found[limit - 1]["id"] if has_more else None, "hasMore": has_more}


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return a shallow merge: each named field replaces the old value whole."""
    merged = dict(old)
    for name in new:
        merged[name] = new[name]
    return merged


def search(
    entities: Sequence[Entity], query: str, search_fields: Sequence[str] = (), common: int = COMMON
) -> list[tuple[Entity, Place]]:
    """Return the live entities that have any word of the query, the last one also as a prefix, with their place.

    Best first, ties newest first.
    """
    live = [entity for entity in entities if entity["status"] != "deleted"]
    found = places([words(text(entity, search_fields)) for entity in live], query, common)
    return [
        (live[index], found[index]) for index in sorted(found, key=lambda index: (found[index], index), reverse=True)
    ]


def places(indexed: Sequence[Sequence[str]], query: str, common: int = COMMON) -> dict[int, Place]:
    """Return the place of each text that is found, given as its words, by its index; the greater one comes first."""
    asked = words(query)
    if not asked:
        return {}
    last = asked[-1]
    uses = {word: [text.count(word) for text in indexed] for word in asked}
    begun = [sum(each.startswith(last) for each in text) for text in indexed]
    late = [0] * len(indexed)
    if held(uses[last]) > common:
        late = begun
    else:
        uses[f"{last}*"] = begun
    ranking = [each for each in uses.values() if held(each) <= common]
    frequent = [each for each in uses.values() if held(each) > common]
    found: dict[int, Place] = {}
    for index, score in enumerate(bm25(indexed, ranking)):
        has_all = bool(frequent) and all(each[index] for each in frequent)
        if any(each[index] for each in ranking):
            found[index] = (4 if has_all else 3, score)
        elif has_all:
            found[index] = (2, 0)
        elif any(each[index] for each in frequent):
            found[index] = (1, 0)
        elif late[index]:
            found[index] = (0, 0)
    return found


def held(uses: Sequence[int]) -> int:
    """Return how many texts have a word, given how often each does."""
    return sum(map(bool, uses))


def bm25(indexed: Sequence[Sequence[str]], words: Sequence[Sequence[int]]) -> list[float]:
    """Return the BM25 score of each text by some words, given how often each text has each.

    The formula, its constants and its floor for common words are FTS5's (https://sqlite.org/fts5.html#the_bm25_function).
    """
    scores = [0.0] * len(indexed)
    average = sum(map(len, indexed)) / max(len(indexed), 1) or 1
    for uses in words:
        having = held(uses)
        weight = max(math.log((len(indexed) - having + 0.5) / (having + 0.5)), 1e-6)
        for index, use in enumerate(uses):
            scores[index] += weight * use * 2.2 / (use + 1.2 * (0.25 + 0.75 * len(indexed[index]) / average))
    return scores


def text(entity: Entity, search_fields: Sequence[str]) -> str:
    """Return the strings and numbers under the search fields, or without any all top-level strings."""
    if not search_fields:
        return "\n".join(value for value in entity["data"].values() if isinstance(value, str))
    return "\n".join(each for name in search_fields for each in texts(field_value(entity, "data." + name)))


def texts(value: Any) -> list[str]:
    """Return a string, a number, or those of an array."""
    if isinstance(value, list):
        return [each for element in value for each in texts(element)]
    return [str(value)] if kind(value) in ("str", "number") else []


def words(value: str) -> list[str]:
    """Split a text at what is neither letter nor digit, without case and diacritics."""
    plain = "".join(each for each in unicodedata.normalize("NFD", value.lower()) if not unicodedata.combining(each))
    return "".join(each if each.isalnum() else " " for each in plain).split()
