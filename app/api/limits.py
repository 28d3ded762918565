"""The two rate scopes, counted by Flask-Limiter over all routes of the Data API together."""

import math

from flask import Flask, g
from flask_limiter import Limiter
from limits import RateLimitItem, parse

from ..storage.outside import Outside
from .errors import RateLimited


def register(app: Flask, outside: Outside) -> None:
    """Count every authenticated request of an app; call it after registering authentication."""
    if not app.config["LIMITS"]:
        return
    scopes = [
        (parse(rate), kind)
        for kind, rate in (("key", app.config["LIMIT_PER_KEY"]), ("organization", app.config["LIMIT_PER_ORGANIZATION"]))
        if rate != "off"
    ]
    limiter = Limiter(_no_key, storage_uri=app.config["LIMIT_STORAGE"], strategy="moving-window")
    # The extension's own hook counts per endpoint and cannot say when to retry to the millisecond:
    # it is not registered where the app knows the extension already.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)

    @app.before_request
    def count_request() -> None:
        if g.caller is not None:
            _count(limiter, scopes, outside)


def _no_key() -> str:
    raise NotImplementedError("Requests are counted by caller, not by the extension's key function")


def _count(limiter: Limiter, scopes: list[tuple[RateLimitItem, str]], outside: Outside) -> None:
    """Spend a place in each scope, the key's first; raise RateLimited by the first that has none."""
    identifiers = {"key": g.caller.key_id, "organization": str(g.caller.environment.organization_id)}
    if all(limiter.limiter.hit(rate, kind, identifiers[kind]) for rate, kind in scopes):
        return
    resets = [
        limiter.limiter.get_window_stats(rate, kind, identifiers[kind]).reset_time
        for rate, kind in scopes
        if not limiter.limiter.test(rate, kind, identifiers[kind])
    ]
    # An entry counts until its very last moment, so the first free millisecond is the next one.
    now = outside.now()
    retry_at = math.floor(max(resets) * 1000) + 1 if resets else now
    raise RateLimited(retry_at, max(1, math.ceil((retry_at - now) / 1000)))
