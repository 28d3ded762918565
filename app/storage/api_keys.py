"""API keys: made, found by their hash, listed and revoked. The plain key is never stored."""

import functools
import hashlib
import re
from typing import Any, NamedTuple

from . import filters
from .database import Database
from .documents import decode, encode
from .errors import ApiKeyNotFound, Refused
from .organizations import Environment
from .outside import Outside
from .repository import Scope

PREFIXES = {"development": "sk_dev_", "production": "sk_prod_", "eval": "sk_eval_"}
PERMISSIONS = ("*", "data", "chat", "sync")
USE_RECORDED_EVERY = 60_000  # milliseconds: a write a request would cost an fsync a request

COLUMNS = """
    id, organization_id, environment, prefix, name, permissions, scope, rate_limit,
    created_at, last_used_at, expires_at, revoked_at
"""


class ApiKey(NamedTuple):
    """A stored API key; `limit` is a rate of its own or `off`, times are Unix milliseconds."""

    id: str
    environment: Environment
    prefix: str
    name: str
    permissions: tuple[str, ...]
    scope: dict[str, Any] | None
    limit: str | None
    created_at: int
    last_used_at: int | None
    expires_at: int | None
    revoked_at: int | None

    def parsed_scope(self) -> Scope | None:
        """Return the scope with its filters parsed, or None for no scope."""
        return None if self.scope is None else parse_scope(self.scope)

    def works_at(self, time: int) -> bool:
        """Tell whether the key is neither revoked nor expired at a time."""
        return self.revoked_at is None and (self.expires_at is None or time < self.expires_at)


class ApiKeys:
    """The API keys of one database."""

    def __init__(self, database: Database, outside: Outside) -> None:
        self._database = database
        self._outside = outside

    def authenticate(self, plain: str) -> ApiKey | None:
        """Return the key that this is, and record its use; None where it is unknown, revoked or expired."""
        key, now = self._find(plain), self._outside.now()
        if key is None or not key.works_at(now):
            return None
        if key.last_used_at is None or now - key.last_used_at >= USE_RECORDED_EVERY:
            self._record_use(key, now)
        return key

    def create(
        self,
        environment: Environment,
        name: str,
        permissions: tuple[str, ...] = ("*",),
        scope: dict[str, Any] | None = None,
        expires_at: int | None = None,
        limit: str | None = None,
        plain: str | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key, of a given plain text or a random one; return it and the plain text, for the only time."""
        if scope is not None:
            parse_scope(scope)
        prefix = PREFIXES[environment.name]
        plain = plain or prefix + self._outside.secret()
        if not re.fullmatch(prefix + "[a-z0-9]{32,200}", plain):
            raise Refused(f"An API key of {environment.name} is {prefix} and at least 32 characters of a-z and 0-9")
        key = ApiKey(
            self._outside.api_key_id(), environment, plain[: len(prefix) + 4], name, permissions, scope, limit,
            self._outside.now(), None, expires_at, None,
        )  # fmt: skip
        self._insert(key, plain)
        return key, plain

    def ensure(self, environment: Environment, plain: str) -> None:
        """Make a given plain key, if it is not there; Refused where it is another environment's, revoked or expired."""
        self.create(environment, "given at the start", plain=plain)
        key = self._find(plain)
        if key is None or key.environment != environment or not key.works_at(self._outside.now()):
            raise Refused("The key given is revoked, expired or of another environment; give another")

    def all(self, organization_id: int) -> list[ApiKey]:
        """Return an organization's keys in creation order."""
        rows = self._database.read(
            f"SELECT {COLUMNS} FROM api_key WHERE organization_id = ? ORDER BY rowid", (organization_id,)
        )
        return [_api_key(*row) for row in rows]

    def revoke(self, organization_id: int, key_id: str) -> ApiKey:
        """Revoke a key, from its next request on; raise ApiKeyNotFound."""
        with self._database.transaction() as connection:
            row = connection.execute(
                f"""
                UPDATE api_key SET revoked_at = ifnull(revoked_at, ?)
                WHERE organization_id = ? AND id = ? RETURNING {COLUMNS}
                """,
                (self._outside.now(), organization_id, key_id),
            ).fetchone()
        if row is None:
            raise ApiKeyNotFound(key_id)
        return _api_key(*row)

    def _find(self, plain: str) -> ApiKey | None:
        sql = f"SELECT {COLUMNS} FROM api_key WHERE hash = ?"
        row = self._database.row(sql, (_hash(plain),))
        return _api_key(*row) if row else None

    def _record_use(self, key: ApiKey, now: int) -> None:
        # A full or locked database must neither turn readers away nor keep them waiting.
        self._database.write_if_free("UPDATE api_key SET last_used_at = ? WHERE id = ?", (now, key.id))

    def _insert(self, key: ApiKey, plain: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO api_key (hash, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (hash) DO NOTHING",
                (
                    _hash(plain), key.id, *key.environment, key.prefix, key.name, encode(key.permissions),
                    None if key.scope is None else encode(key.scope), key.limit,
                    key.created_at, key.last_used_at, key.expires_at, key.revoked_at,
                ),
            )  # fmt: skip


def parse_scope(scope: Any) -> Scope:
    """Parse the filters of a scope; raise Refused where it is not {entity type slug: filters}."""
    if not isinstance(scope, dict):
        raise Refused('A scope is a JSON object of entity type slugs and filters, such as {"customer": {}}')
    try:
        return {slug: filters.parse(conditions) for slug, conditions in scope.items()}
    except filters.InvalidFilters as error:
        raise Refused(f"The scope has invalid filters: {error}") from error


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


@functools.lru_cache(1_000)
def _api_key(
    key_id: str,
    organization_id: int,
    environment: str,
    prefix: str,
    name: str,
    permissions: str,
    scope: str | None,
    limit: str | None,
    *times: Any,
) -> ApiKey:
    return ApiKey(
        key_id,
        Environment(organization_id, environment),
        prefix,
        name,
        tuple(decode(permissions)),
        decode(scope) if scope is not None else None,
        limit,
        *times,
    )
