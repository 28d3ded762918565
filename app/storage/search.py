"""Full-text search: the text of an entity that is indexed, and an FTS5 query that cannot fail. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

MAXIMUM_WORDS = 1_000  # the time of an FTS5 query grows with words times rows


def index_text(fields: dict[str, Any], search_fields: Sequence[str]) -> str:
    """Return the text under the search fields, a value a line; without search fields, all top-level strings."""
    if not search_fields:
        return "\n".join(value for value in fields.values() if isinstance(value, str))
    return "\n".join(text for name in search_fields for text in _texts(_walk(fields, name.split("."))))


def match_expression(words: Iterable[str]) -> str:
    """Return the FTS5 query for entities that have any of the words, the last one also as a prefix.

    Each word is quoted, so that none is syntax. Of more than 1,000 different words the last 1,000 count.
    """
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    if quoted:
        quoted[-1] += "*"
    return " OR ".join(list(dict.fromkeys(quoted))[-MAXIMUM_WORDS:])


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
