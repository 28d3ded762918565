"""The two rate scopes, counted by Flask-Limiter over all routes of the Data API together."""

import functools
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from logging import Logger
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask, g
from flask_limiter import Limiter
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.strategies import MovingWindowRateLimiter, RateLimiter

from ..storage.api_keys import ApiKey
from ..storage.counters import MemoryCounters
from ..storage.outside import Outside
from ..storage.rate_counters import ExactStorage
from .errors import RateLimited

BESIDE_THE_DATA = "shared://"
IN_TROUBLE_FOR = 5_000  # milliseconds until a storage that failed is asked again: it may take long to fail
LOGGED_EVERY = 60_000  # milliseconds


class Rate(RateLimitItem):
    """So many requests in so many seconds; what is counted is no one rate's, and stays when another is set."""

    __slots__ = ("_seconds",)

    def __init__(self, amount: int, seconds: int) -> None:
        """Take the number of requests, and the window in seconds."""
        super().__init__(amount)
        self._seconds = seconds

    def get_expiry(self) -> int:
        """Return the window in seconds."""
        return self._seconds

    def key_for(self, *identifiers: object) -> str:
        """Return the name of a counter."""
        return "/".join(map(str, identifiers))


class Limit(NamedTuple):
    """A rate and whom it is for; a request counts towards the limit of its key and of its organization."""

    rate: Rate
    scope: str
    identifier: str


def register(app: Flask, outside: Outside) -> None:
    """Count every authenticated request of an app; call it after registering authentication."""
    if not app.config["LIMITS"]:
        return
    address, options = storage_of(app.config, outside)
    limiter = Limiter(_no_key, storage_uri=address, storage_options=options, strategy="moving-window")
    # The extension's own hook counts per endpoint and cannot say when to retry to the millisecond:
    # it is not registered where the app knows the extension already.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    counting = Counting(limiter.limiter, outside, app.logger)

    @app.before_request
    def count_request() -> None:
        if g.caller is not None:
            counting.hit(limits_of(app.config, g.caller.key))


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

    def __init__(self, limiter: RateLimiter, outside: Outside, logger: Logger) -> None:
        """Take what counts by the storage, whose trouble must be a StorageError or an OSError."""
        self._limiter = limiter
        # What the shared storage counts under one lock costs half, and nobody comes in between.
        self._held = limiter.storage.held if isinstance(limiter.storage, ExactStorage) else nullcontext()
        self._outside = outside
        self._logger = logger
        self._memory = MovingWindowRateLimiter(ExactStorage(MemoryCounters(), outside))
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
                with self._held:
                    return _free_at(self._limiter, limits)
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


def _free_at(limiter: RateLimiter, limits: Sequence[Limit]) -> float | None:
    """Count a request, or return when one is admitted, in Unix seconds."""
    for limit in limits:
        if not limiter.hit(*limit):
            break
    else:
        return None
    windows = [limiter.get_window_stats(*limit) for limit in limits]
    return max((window.reset_time for window in windows if window.remaining < 1), default=0)


@functools.lru_cache(10_000)
def _limits(rate: str, key_id: str, organization_rate: str, organization_id: int) -> Sequence[Limit]:
    scopes = ((rate, "key", key_id), (organization_rate, "organization", str(organization_id)))
    return [Limit(_parsed(rate), scope, identifier) for rate, scope, identifier in scopes if rate != "off"]


def _parsed(rate: str) -> Rate:
    item = parse(rate)
    return Rate(item.amount, item.get_expiry())


def _no_key() -> str:
    raise NotImplementedError("Requests are counted by caller, not by the extension's key function")
