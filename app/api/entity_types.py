"""The route /v1/entity-types."""

from typing import Any

from flask import Blueprint, Response, current_app, g

from ..storage.entity_types import Definition, EntityTypes
from .json import respond

blueprint = Blueprint("entity_types", __name__, url_prefix="/v1/entity-types")


@blueprint.get("")
def list_entity_types() -> Response:
    """List the entity types of the environment that the key's scope lists."""
    parts, caller = current_app.extensions["struere"], g.caller
    definitions = [
        found.definition for found in EntityTypes(parts.database, parts.outside, caller.key.environment).all()
    ]
    inside = [shown(each) for each in definitions if caller.scope is None or each.slug in caller.scope]
    return respond({"data": inside})


def shown(definition: Definition) -> dict[str, Any]:
    """Return a definition as the API and the commands show it."""
    return {
        "slug": definition.slug,
        "name": definition.name,
        "schema": definition.schema,
        "searchFields": definition.search_fields,
    }
