"""Bodies and query strings: one marshmallow schema each; every message is a whole sentence."""

from typing import Any
from urllib.parse import parse_qsl

from flask import current_app, request
from marshmallow import EXCLUDE, Schema, ValidationError, fields

from ..storage import filters
from ..storage.documents import Document
from ..storage.errors import Invalid
from .bodies import read_body
from .json import InvalidJSON, parse

MAXIMUM_LIMIT = 100
WHITE_SPACE = b" \t\r\n"  # of JSON (RFC 8259)


def load_body(schema: Schema) -> Any:
    """Return the request's JSON body as a schema loads it; an empty one counts as {}."""
    text = read_body(request.environ, current_app.config["MAX_BODY_BYTES"])
    body = parse(text) if text.strip(WHITE_SPACE) else {}
    if not isinstance(body, dict):
        raise InvalidJSON("The request body must be a JSON object")
    return schema.load(body)


def load_query_string(schema: Schema) -> Any:
    """Return the request's query string as a schema loads it; of a name that it has twice the first value counts."""
    pairs = parse_qsl(request.query_string.decode(), keep_blank_values=True, errors="werkzeug.url_quote")
    return schema.load(dict(reversed(pairs)))


class DataField(fields.Field[Document]):
    """An object within the limits of `data`."""

    default_error_messages = dict.fromkeys(("required", "null"), "data object is required")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Document:
        if not isinstance(value, dict):
            raise self.make_error("required")
        try:
            return Document.of(value, current_app.extensions["struere"].limits)
        except Invalid as error:
            raise ValidationError(str(error)) from error


class FiltersField(fields.Field[tuple[filters.Condition, ...]]):
    """Filters, as conditions; null means none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> tuple[filters.Condition, ...]:
        try:
            return filters.parse(value)
        except filters.InvalidFilters as error:
            raise ValidationError(str(error)) from error


class StatusField(fields.Field[str]):
    """A non-empty string."""

    default_error_messages = {"null": "status must be a non-empty string"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self.make_error("null")
        return value


class NewStatusField(StatusField):
    """A status to store."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        status = super()._deserialize(value, attr, data)
        if status == "deleted":
            raise ValidationError("status must not be deleted; use DELETE to delete an entity")
        return status


class SearchTextField(fields.Field[str]):
    """The words to search for."""

    default_error_messages = dict.fromkeys(("required", "null"), "query is required")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        if value == "":
            raise self.make_error("required")
        if not isinstance(value, str):
            raise ValidationError("query must be a string")
        return value


class CursorField(fields.Field[str]):
    """The id of an entity; empty and null mean none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("Invalid cursor")
        return value


class LimitField(fields.Field[int]):
    """A whole number from 1; above 100 means 100."""

    default_error_messages = {"null": "limit must be a whole number from 1"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> int:
        number = self._number(value)
        if number is None or number < 1:
            raise self.make_error("null")
        return min(number, MAXIMUM_LIMIT)

    def _number(self, value: Any) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            return None
        return int(value)


class LimitParameter(LimitField):
    """A limit in a query string: digits."""

    def _number(self, value: Any) -> int | None:
        if not value.isascii() or not value.isdigit():
            return None
        return int(value[-9:]) if not value[:-9].strip("0") else MAXIMUM_LIMIT


# A default of None would make marshmallow take null as well.


class Body(Schema):
    """Unknown fields of a body or query string are ignored."""

    class Meta:
        unknown = EXCLUDE


class CreateBody(Body):
    """The body that creates an entity."""

    document = DataField(data_key="data", required=True)
    status = NewStatusField(load_default="active")


class UpdateBody(Body):
    """The body that updates an entity."""

    document = DataField(data_key="data", required=True)
    status = NewStatusField(load_default=None, allow_none=False)


class ListParameters(Body):
    """The query string of a list."""

    status = StatusField(load_default=None, allow_none=False)
    limit = LimitParameter(load_default=50)
    cursor = CursorField(load_default=None)


class QueryBody(Body):
    """The body of a query."""

    conditions = FiltersField(data_key="filters", load_default=(), allow_none=True)
    status = StatusField(load_default=None, allow_none=False)
    limit = LimitField(load_default=50)
    cursor = CursorField(load_default=None, allow_none=True)


class SearchBody(Body):
    """The body of a search."""

    text = SearchTextField(data_key="query", required=True)
    limit = LimitField(load_default=20)
