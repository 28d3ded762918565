"""Full-text search: the text of an entity that is indexed, and an FTS5 query that cannot fail. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

WORDS = 1_000  # of one FTS5 query: its time grows with the square of their number
MAXIMUM_EXPRESSIONS = 400  # SQLite joins at most 500 by UNION


def index_text(fields: dict[str, Any], search_fields: Sequence[str]) -> str:
    """Return the text under the search fields, a value a line; without search fields, all top-level strings."""
    if not search_fields:
        return "\n".join(value for value in fields.values() if isinstance(value, str))
    texts: list[str] = []
    for name in search_fields:
        value = _walk(fields, name.split(".")) if "." in name else fields.get(name)
        texts += (value,) if isinstance(value, str) else _texts(value)
    return "\n".join(texts)


def phrases(words: Sequence[str]) -> list[str]:
    """Return each word as an FTS5 phrase, quoted, so that none is syntax; of more than 400,000 the last ones count."""
    return ['"' + word.replace('"', '""') + '"' for word in words[-WORDS * MAXIMUM_EXPRESSIONS :]]


def beginning(phrase: str) -> str:
    """Return the FTS5 phrase of the words that begin as a word does."""
    return phrase + "*"


def any_of(some: Sequence[str]) -> list[str]:
    """Return the FTS5 queries that together find what has any of some phrases."""
    return [" OR ".join(some[start : start + WORDS]) for start in range(0, len(some), WORDS)]


def all_of(some: Sequence[str]) -> str:
    """Return the FTS5 query that finds what has all of some phrases; of more than 1,000 the last ones count."""
    return " AND ".join(some[-WORDS:])


def _walk(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for element in value:
            yield from _texts(element)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield orjson.dumps(value).decode()
