"""What authentication and both limits cost a request, measured within real ones and without HTTP."""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from app import create_app
from app.config import load
from app.parts import assemble
from app.storage.organizations import Environment, ensure_organization
from app.storage.outside import Outside
from benchmarks.load import Request

REQUESTS, ROUNDS = 1_000, 30
HIGH = {"LIMIT_PER_KEY": "1000000/minute", "LIMIT_PER_ORGANIZATION": "1000000/minute"}


def cost() -> float:
    """Return the microseconds of a request in authentication and counting: the least of rounds, others had company."""
    with TemporaryDirectory() as folder:
        settings = {"DATABASE": Path(folder) / "struere.db", **HIGH}
        environ = environ_of(Request("GET", "/v1/entity-types"), _key(settings))
        app = create_app(settings)
        spent = _watch(app)
        _send(app, environ)
        rounds = []
        for _ in range(ROUNDS):
            spent[:] = [0.0]
            _send(app, environ)
            rounds.append(spent[0] / REQUESTS * 1e6)
        app.extensions["struere"].database.close()
        return min(rounds)


def _key(settings: dict[str, Any]) -> str:
    parts = assemble(load(settings), Outside())
    create_app(settings)  # which makes the database
    organization = ensure_organization(parts.database, parts.outside, "local")
    plain = parts.keys.create(Environment(organization, "development"), "benchmark")[1]
    parts.database.close()
    return plain


def environ_of(request: Request, key: str) -> dict[str, Any]:
    """Return a request as WSGI has it, with a key."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return EnvironBuilder(request.path, method=request.method, data=request.body, headers=headers).get_environ()


def _watch(app: Flask) -> list[float]:
    """Add up the seconds that authentication and counting take, in the one element of a list."""
    spent, [hook] = [0.0], app.before_request_funcs[None]

    def timed() -> Any:
        start = perf_counter()
        result = hook()
        spent[0] += perf_counter() - start
        return result

    app.before_request_funcs[None] = [timed]
    return spent


def _send(app: Flask, environ: dict[str, Any]) -> None:
    for _ in range(REQUESTS):
        answer = app.wsgi_app(dict(environ), lambda status, *rest: _check(status))
        for _part in answer:
            pass


def _check(status: str) -> Any:
    if not status.startswith("200"):
        raise SystemExit(f"The server answers wrongly: {status}")
