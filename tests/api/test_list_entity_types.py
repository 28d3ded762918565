"""GET /v1/entity-types"""

import json
from typing import Any

import pytest

from app.parts import Parts
from app.storage.entity_types import Definition, EntityTypes
from app.storage.organizations import Environment
from tests.conftest import Key

PATH = "/v1/entity-types"


@pytest.fixture
def types(parts: Parts, environments: dict[str, Environment]) -> EntityTypes:
    return EntityTypes(parts.database, parts.outside, environments["development"])


def test_a_type_has_exactly_four_fields(owner: Key) -> None:
    response = owner.get(PATH)
    assert response.status_code == 200
    assert response.json == {
        "data": [
            {
                "slug": "customer",
                "name": "Customer",
                "schema": {"name": "string", "email": "string"},
                "searchFields": ["name", "email"],
            },
            {
                "slug": "player",
                "name": "Player",
                "schema": {"type": "object", "properties": {"nickname": {"type": "string"}}},
                "searchFields": [],
            },
        ]
    }


def test_types_come_in_creation_order(owner: Key, types: EntityTypes) -> None:
    types.apply([Definition(slug, slug, {}) for slug in ("b", "a")])
    types.apply([Definition("customer", "Changed", {})])
    assert [each["slug"] for each in owner.get(PATH).json["data"]] == ["customer", "player", "b", "a"]


SCHEMAS: dict[str, Any] = {
    "empty": {},
    "fields out of the alphabet's order": {"z": "string", "a": "number", "m": "string"},
    "JSON Schema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "required": ["b", "a"],
        "type": "object",
    },
    "no ASCII, fractions and large numbers": {"ключ": {"default": 1.50, "maximum": 2**63 - 1, "enum": ["☃", None]}},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_schema_is_word_for_word_as_defined(owner: Key, types: EntityTypes, schema: dict[str, Any]) -> None:
    types.apply([Definition("defined", "Defined", schema)])
    assert json.dumps(owner.get(PATH).json["data"][-1]["schema"]) == json.dumps(schema)
