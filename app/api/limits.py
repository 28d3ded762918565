"""The two rate scopes, counted by Flask-Limiter over all routes of the Data API together."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from logging import Logger
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask
from flask_limiter import Limiter
from limits import parse
from limits.errors import StorageError

from ..storage.api_keys import ApiKey
from ..storage.counters import MemoryCounters
from ..storage.outside import Outside
from ..storage.rate_counters import ExactStorage
from .errors import RateLimited

BESIDE_THE_DATA = "shared://"
IN_TROUBLE_FOR = 5_000  # milliseconds until a storage that failed is asked again: it may take long to fail
LOGGED_EVERY = 60_000  # milliseconds


class Limit(NamedTuple):
    """As many requests in so many seconds as `amount`; the key is the name of their counter.

    What is counted is of no one limit, and stays when another is set.
    """

    key: str
    amount: int
    seconds: int

    @property
    def scope(self) -> str:
        """What it is a limit of: a key, or an organization."""
        return self.key.partition("/")[0]


def counting(app: Flask, outside: Outside) -> Callable[[ApiKey], object]:
    """Return what counts a request of a key, and raises RateLimited."""
    if not app.config["LIMITS"]:
        return lambda key: None
    address, options = storage_of(app.config, outside)
    limiter = Limiter(_no_key, storage_uri=address, storage_options=options, strategy="moving-window")
    # The extension's own hook counts per endpoint and cannot say when to retry to the millisecond:
    # it is not registered where the app knows the extension already.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    counter = Counting(limiter.storage, outside, app.logger)
    return lambda key: counter.hit(limits_of(app.config, key))


def storage_of(settings: Mapping[str, Any], outside: Outside) -> tuple[str, dict[str, Any]]:
    """Return the address and the options of the storage that counts requests."""
    address: str = settings["LIMIT_STORAGE"]
    if address == BESIDE_THE_DATA:
        address += quote(f"{settings['DATABASE']}-limits")
    own = {"outside": outside} if address.startswith(BESIDE_THE_DATA) else {}
    return address, {"wrap_exceptions": True, **own}


def limits_of(settings: Mapping[str, Any], key: ApiKey) -> Sequence[Limit]:
    """Return the limits of a request of a key, the key's own first."""
    rate = key.limit or settings["LIMIT_PER_KEY"]
    return _limits(rate, key.id, settings["LIMIT_PER_ORGANIZATION"], key.environment.organization_id)


class Counting:
    """Count by a storage, and while there is trouble with it in the memory of this process."""

    def __init__(self, storage: Any, outside: Outside, logger: Logger) -> None:
        """Take a storage of moving windows, whose trouble must be a StorageError or an OSError."""
        self._storage = storage
        self._outside = outside
        self._logger = logger
        self._memory = ExactStorage(MemoryCounters(), outside)
        self._failed_at = self._logged_at = -LOGGED_EVERY

    def hit(self, limits: Sequence[Limit]) -> None:
        """Count a request; raise RateLimited by the first limit that refuses it."""
        free_at = self._free_at(limits)
        if free_at is not None:
            now = self._outside.now()
            retry_at = max(now, milliseconds(free_at))
            raise RateLimited(retry_at, max(1, math.ceil((retry_at - now) / 1000)))

    def _free_at(self, limits: Sequence[Limit]) -> float | None:
        if not self._is_in_trouble():
            try:
                return _free_at(self._storage, limits)
            except (StorageError, OSError) as error:
                self._note(error)
        return _free_at(self._memory, limits)

    def _is_in_trouble(self) -> bool:
        # The clock may be set back, so nothing is later than now for long.
        return self._failed_at > 0 and 0 <= self._outside.now() - self._failed_at < IN_TROUBLE_FOR

    def _note(self, error: Exception) -> None:
        self._failed_at = self._outside.now()
        if not 0 <= self._failed_at - self._logged_at < LOGGED_EVERY:
            self._logged_at = self._failed_at
            self._logger.warning("Requests are counted by each worker for itself, because of trouble: %s", error)


def milliseconds(seconds: float) -> int:
    """Return a time in Unix milliseconds, none too early; of its seconds as a double the rest is noise."""
    return math.ceil(round(seconds * 1000, 2))


def _free_at(storage: Any, limits: Sequence[Limit]) -> float | None:
    """Count a request, or return when one is admitted, in Unix seconds."""
    if _is_admitted(storage, limits):
        return None
    windows = [(limit, *storage.get_moving_window(*limit)) for limit in limits]
    return max((start + limit.seconds for limit, start, count in windows if count >= limit.amount), default=0)


def _is_admitted(storage: Any, limits: Sequence[Limit]) -> bool:
    if isinstance(storage, ExactStorage):
        return storage.acquire_all(limits)  # under one lock, which costs half
    return all(storage.acquire_entry(*limit) for limit in limits)


@functools.lru_cache(10_000)
def _limits(rate: str, key_id: str, organization_rate: str, organization_id: int) -> Sequence[Limit]:
    scopes = ((rate, f"key/{key_id}"), (organization_rate, f"organization/{organization_id}"))
    return [Limit(key, *_parsed(rate)) for rate, key in scopes if rate != "off"]


def _parsed(rate: str) -> tuple[int, int]:
    item = parse(rate)
    return item.amount, item.get_expiry()


def _no_key() -> str:
    raise NotImplementedError("Requests are counted by caller, not by the extension's key function")
