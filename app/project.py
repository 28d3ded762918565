"""A project folder: entity-types/, one file a type, and entities/, sample entities as JSON Lines."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from . import json_yaml
from .api.json import InvalidJSON, parse
from .api.records import read_records
from .storage.documents import Limits, encode
from .storage.entity_types import Definition
from .storage.errors import Refused
from .storage.field_indexes import MOST
from .storage.filters import OWN_COLUMNS
from .storage.transfer import Record

SLUG = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
KEYS = ("name", "slug", "schema", "searchFields", "indexes")


def read_definitions(folder: Path) -> list[Definition]:
    """Return the entity types that a folder, or the entity-types/ inside it, defines; raise Refused."""
    folder = folder / "entity-types" if (folder / "entity-types").is_dir() else folder
    if not folder.is_dir():
        raise Refused(f"{folder} is not a folder; name one with an entity type in each .json, .yaml or .yml file")
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".yaml", ".yml"))
    files: dict[str, Path] = {}
    definitions = []
    for path in paths:
        definition = _definition(path)
        if definition.slug in files:
            raise Refused(f"{path} has the slug {definition.slug} of {files[definition.slug]}; give it its own")
        files[definition.slug] = path
        definitions.append(definition)
    if not definitions:
        raise Refused(f"{folder} defines no entity type; put one in each .json, .yaml or .yml file")
    return definitions


def read_entities(project: Path, definitions: Iterable[Definition], limits: Limits) -> Iterator[Record]:
    """Yield the sample entities of a project, all of defined types; raise Refused."""
    slugs = {definition.slug for definition in definitions}
    for path in sorted((project / "entities").glob("*.jsonl")):
        with path.open("rb") as lines:
            for record in read_records(lines, limits, str(path)):
                if record.type not in slugs:
                    raise Refused(f"{record.place}: the project defines no entity type {record.type}")
                yield record


def _definition(path: Path) -> Definition:
    value = _value(path)
    if not isinstance(value, dict):
        raise Refused(f"{path} must hold an object with {', '.join(KEYS)}")
    for key in value:
        if key not in KEYS:
            raise Refused(f"{path} has the unknown key {key}; the keys are {', '.join(KEYS)}")
    slug, name, schema = value.get("slug"), value.get("name"), value.get("schema")
    search_fields = [] if value.get("searchFields") is None else value["searchFields"]
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        raise Refused(f"{path}: slug must be 1 to 64 letters, digits, - or _")
    if not isinstance(name, str) or not name:
        raise Refused(f"{path}: name must be a non-empty string")
    if not isinstance(schema, dict):
        raise Refused(f"{path}: schema must be an object, JSON Schema or {{field: type}}")
    if not isinstance(search_fields, list) or not all(map(_is_path, search_fields)):
        raise Refused(f"{path}: searchFields must be a list of field names, with dots between those of nested objects")
    return Definition(slug, name, schema, tuple(search_fields), _indexes(path, value.get("indexes")))


def _indexes(path: Path, names: Any) -> frozenset[str]:
    """Return the fields that are to be indexed, by their names from data inwards; raise Refused."""
    names = [] if names is None else names
    if not isinstance(names, list) or not all(map(_is_path, names)):
        raise Refused(f"{path}: indexes must be a list of field names, with dots between those of nested objects")
    fields = [name.removeprefix("data.") for name in names]
    for name, field in zip(names, fields, strict=True):
        if any(part.startswith("$") for part in name.split(".")):
            raise Refused(f"{path}: indexes has {name}, but no field name starts with $")
        if name in OWN_COLUMNS:
            raise Refused(
                f"{path}: indexes has {name}, which in filters may mean the entity's own {name}; "
                f"write data.{name} to index the field of data"
            )
        if fields.count(field) > 1:
            raise Refused(f"{path}: indexes has {name} twice")
    if len(fields) > MOST:
        raise Refused(f"{path}: indexes must not have more than {MOST} fields, since each costs every write")
    return frozenset(fields)


def _is_path(field: Any) -> bool:
    return isinstance(field, str) and all(field.split("."))


def _value(path: Path) -> Any:
    try:
        text = path.read_bytes()
        return parse(text if path.suffix == ".json" else _json_of_yaml(path, text))
    except (OSError, UnicodeDecodeError, InvalidJSON) as error:
        raise Refused(f"{path} cannot be read: {error}") from None
    except (TypeError, ValueError) as error:
        raise Refused(f"{path} holds what JSON cannot: {error}") from None
    except RecursionError:
        raise Refused(f"{path} is nested too deeply; no schema needs so many levels") from None


def _json_of_yaml(path: Path, text: bytes) -> bytes:
    try:
        value = json_yaml.load(text)
    except json_yaml.InvalidYAML as error:
        raise Refused(f"{path} is not YAML: {error}") from None
    # What YAML has beyond JSON - NaN, dates, sets, numbers as keys - has no place in an answer of the API.
    encode(value)  # raises at sets, bytes and names that are no text, some of which json would take
    return json.dumps(value).encode()
