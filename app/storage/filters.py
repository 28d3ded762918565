"""Filters: from the client's JSON to conditions, and from conditions to SQL.

Pure. What a client writes reaches SQL only as a bound value, field names and all.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import orjson

MAXIMUM_CONDITIONS = 1_024  # as many as an object may have fields; the time to compile SQL grows with their square

FLAT = 16  # terms that stand side by side

KINDS = {type(None): "null", int: "number", float: "number", str: "text", list: "array", dict: "object"}
OWN_COLUMNS = {
    "id": ("text", "entity.id"),
    "type": ("text", "(SELECT slug FROM entity_type WHERE entity_type.id = entity.type_id)"),
    "status": ("text", "entity.status"),
    "createdAt": ("integer", "entity.created_at"),
    "updatedAt": ("integer", "entity.updated_at"),
}


class InvalidFilters(ValueError):
    """Filters that are no filters, with a sentence that tells how to mend them."""


class Condition(NamedTuple):
    """One operator on one field; `own` names the entity's own field for where `data` has none."""

    path: tuple[str, ...]
    own: str | None
    operator: str
    operand: Any


class Parameters(list[Any]):
    """Values bound to one statement, by number: SQLite finds a name among n in n steps."""

    def bind(self, value: Any) -> str:
        """Add a value and return the SQL that stands for it."""
        self.append(value)
        return f"?{len(self)}"


class Field(NamedTuple):
    """SQL of a field: its JSON kind (NULL where it is missing), its value, and its array's elements."""

    kind: str
    value: str
    elements: str


def parse(filters: Any) -> tuple[Condition, ...]:
    """Turn a client's filters into conditions that all must hold; raise InvalidFilters."""
    if filters is None:
        return ()
    if not isinstance(filters, dict):
        raise InvalidFilters("filters must be an object of field names and conditions")
    conditions = tuple(condition for name, value in filters.items() for condition in _conditions(name, value))
    if len(conditions) > MAXIMUM_CONDITIONS:
        raise InvalidFilters(f"filters must not have more than {MAXIMUM_CONDITIONS} conditions")
    return conditions


def where(conditions: Sequence[Condition], parameters: Parameters) -> str:
    """Return SQL that is true for the rows of `entity` that meet every condition, and bind its values."""
    fields: dict[tuple[str, ...], Field] = {}
    terms = []
    for condition in conditions:
        key = (*condition.path, condition.own or "")
        field = fields.get(key) or fields.setdefault(key, _field(condition, parameters))
        terms.append(OPERATORS[condition.operator].sql(field, condition.operand, parameters))
    return _all(terms) if terms else "TRUE"


def json_path(path: Iterable[str]) -> str:
    """Return SQLite's path of a field: labels with any escape, written by the encoder that wrote the document."""
    return "$" + "".join(["." + orjson.dumps(part).decode() for part in path])


def equality_key(text: str) -> str:
    """Return a text that is the same for two JSON texts exactly if their values are equal."""
    return orjson.dumps(_plain(orjson.loads(text)), option=orjson.OPT_SORT_KEYS).decode()


def _conditions(name: str, value: Any) -> Iterable[Condition]:
    path, own = _path(name)
    for operator, operand in _operators(name, value):
        OPERATORS[operator].check(operator, operand)
        yield Condition(path, own, operator, operand)


def _path(name: str) -> tuple[tuple[str, ...], str | None]:
    parts = tuple(name.removeprefix("data.").split("."))
    if not all(parts):
        raise InvalidFilters(f"A field name in filters must not be empty or have an empty part: {_shown(name)}")
    if "$" in name and any(part.startswith("$") for part in parts):
        raise InvalidFilters(f"A field name in filters must not start with $: {_shown(name)}")
    return parts, name if name in OWN_COLUMNS else None


def _operators(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, dict) or not any(key.startswith("$") for key in value):
        return [("$eq", value)]
    if not all(key.startswith("$") for key in value):
        raise InvalidFilters(f"The condition on {_shown(name)} mixes operators and field names; use one or the other")
    for key in value:
        if key not in OPERATORS:
            raise InvalidFilters(f"Unknown filter operator: {_shown(key)}")
    return value.items()


def _shown(name: str) -> str:
    return name if len(name) <= 80 else name[:80] + "…"


# Conditions to SQL. Every expression is true, false or NULL; `IS NOT TRUE` takes NULL for false.


def _field(condition: Condition, parameters: Parameters) -> Field:
    path = parameters.bind(json_path(condition.path))
    kind, value = f"json_type(entity.data, {path})", f"json_extract(entity.data, {path})"
    if condition.own:
        own_kind, own_value = OWN_COLUMNS[condition.own]
        value = f"iif({kind} IS NULL, {own_value}, {value})"
        kind = f"ifnull({kind}, '{own_kind}')"
    return Field(kind, value, f"json_each(entity.data, {path})")


def _all(terms: Sequence[str]) -> str:
    """Join terms; of many make a balanced tree, since SQLite refuses expressions deeper than 1,000."""
    if len(terms) <= FLAT:
        return f"({' AND '.join(terms)})"
    middle = len(terms) // 2
    return f"({_all(terms[:middle])} AND {_all(terms[middle:])})"


def _is_any(field: Field, values: Sequence[Any], parameters: Parameters) -> str:
    """Return SQL for: the field equals one of the values, as JSON defines equality."""
    kinds: dict[str, list[Any]] = {}
    for value in values:
        kinds.setdefault(_kind(value), []).append(value)
    terms = [_is_any_of_kind(field, kind, operands, parameters) for kind, operands in kinds.items()]
    # Of no values none is equal; the field is named all the same, since SQLite refuses bound values that have no use.
    return f"({' OR '.join(terms)})" if terms else f"({field.kind} = 'none')"


def _is_any_of_kind(field: Field, kind: str, values: Sequence[Any], parameters: Parameters) -> str:
    if kind in ("true", "false", "null"):
        return f"{field.kind} = '{kind}'"
    if kind in ("array", "object"):
        keys = [equality_key(orjson.dumps(operand).decode()) for operand in values]
        # CASE, not AND, of which SQLite may evaluate both sides.
        return f"CASE {field.kind} WHEN '{kind}' THEN equality_key({field.value}) {_among(keys, parameters)} END"
    return f"({_has_kind(field, kind)} AND {field.value} {_among(values, parameters)})"


def _among(values: Sequence[Any], parameters: Parameters) -> str:
    if len(values) == 1:
        return f"= {parameters.bind(values[0])}"
    return f"IN (SELECT value FROM json_each({parameters.bind(orjson.dumps(values).decode())}))"


def _has_kind(field: Field, kind: str) -> str:
    return f"{field.kind} IN ('integer', 'real')" if kind == "number" else f"{field.kind} = '{kind}'"


def _compare(comparison: str) -> Callable[[Field, Any, Parameters], str]:
    def sql(field: Field, operand: Any, parameters: Parameters) -> str:
        return f"({_has_kind(field, _kind(operand))} AND {field.value} {comparison} {parameters.bind(operand)})"

    return sql


def _contains(field: Field, operand: Any, parameters: Parameters) -> str:
    element = _equals(Field("element.type", "element.value", ""), operand, parameters)
    sql = f"CASE {field.kind} WHEN 'array' THEN EXISTS (SELECT 1 FROM {field.elements} AS element WHERE {element})"
    if isinstance(operand, str):
        sql += f" WHEN 'text' THEN instr({field.value}, {parameters.bind(operand)}) > 0"
    return f"{sql} END"


def _exists(field: Field, operand: bool, parameters: Parameters) -> str:
    return f"({field.kind} IS {'NOT ' if operand else ''}NULL)"


def _not(sql: Callable[[Field, Any, Parameters], str]) -> Callable[[Field, Any, Parameters], str]:
    return lambda field, operand, parameters: f"(({sql(field, operand, parameters)}) IS NOT TRUE)"


def _equals(field: Field, operand: Any, parameters: Parameters) -> str:
    return _is_any_of_kind(field, _kind(operand), [operand], parameters)


def _kind(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else KINDS[type(value)]


def _plain(value: Any) -> Any:
    """Write every number that is a whole number within 64 bits as an integer: 1.0 equals 1."""
    if isinstance(value, float) and value.is_integer() and -(2.0**63) <= value < 2.0**63:
        return int(value)
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value


def _any(operator: str, operand: Any) -> None:
    """Accept any operand."""


def _array(operator: str, operand: Any) -> None:
    if not isinstance(operand, list):
        raise InvalidFilters(f"{operator} needs an array of values")


def _ordered(operator: str, operand: Any) -> None:
    if _kind(operand) not in ("number", "text"):
        raise InvalidFilters(f"{operator} needs a number or a string")


def _boolean(operator: str, operand: Any) -> None:
    if not isinstance(operand, bool):
        raise InvalidFilters(f"{operator} needs true or false")


class Operator(NamedTuple):
    """What an operator takes, and its SQL."""

    check: Callable[[str, Any], None]
    sql: Callable[[Field, Any, Parameters], str]


OPERATORS = {
    "$eq": Operator(_any, _equals),
    "$ne": Operator(_any, _not(_equals)),
    "$neq": Operator(_any, _not(_equals)),
    "$in": Operator(_array, _is_any),
    "$nin": Operator(_array, _not(_is_any)),
    "$gt": Operator(_ordered, _compare(">")),
    "$gte": Operator(_ordered, _compare(">=")),
    "$lt": Operator(_ordered, _compare("<")),
    "$lte": Operator(_ordered, _compare("<=")),
    "$exists": Operator(_boolean, _exists),
    "$contains": Operator(_any, _contains),
}
