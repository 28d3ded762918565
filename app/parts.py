"""The parts that views and commands work with, made from settings."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .storage.api_keys import ApiKeys
from .storage.bounds import Bounds
from .storage.database import Database
from .storage.documents import Limits
from .storage.outside import Outside


class Parts(NamedTuple):
    """The database and what stands on it; in the application it is app.extensions["struere"]."""

    database: Database
    outside: Outside
    keys: ApiKeys
    limits: Limits
    bounds: Bounds


def assemble(settings: Mapping[str, Any], outside: Outside) -> Parts:
    """Return the parts; nothing is opened."""
    database = Database(settings["DATABASE"], settings["BUSY_TIMEOUT"], settings["TOKENIZER"], settings["DURABILITY"])
    bounds = Bounds(page_bytes=settings["MAX_PAGE_BYTES"], milliseconds=settings["STATEMENT_TIMEOUT"])
    return Parts(database, outside, ApiKeys(database, outside), data_limits(settings), bounds)


def data_limits(settings: Mapping[str, Any]) -> Limits:
    """Return the limits of `data` that settings name."""
    return Limits(
        data_bytes=settings["MAX_DATA_BYTES"],
        depth=settings["MAX_DEPTH"],
        fields=settings["MAX_FIELDS"],
        elements=settings["MAX_ELEMENTS"],
        name_length=settings["MAX_NAME_LENGTH"],
    )
