"""The routes of /v1/data."""

from itertools import chain, islice, repeat

import orjson
from flask import Blueprint, Response, current_app, g
from werkzeug.routing import BaseConverter

from ..storage.repository import EntityRepository, Page
from .json import respond, respond_text
from .schemas import CreateBody, ListParameters, QueryBody, SearchBody, UpdateBody, load_body, load_query_string

blueprint = Blueprint("entities", __name__, url_prefix="/v1/data")


class EntityId(BaseConverter):
    """A path segment that may name an entity: query and search never do."""

    regex = r"(?!(?:query|search)\Z)[^/]+"
    part_isolating = True  # werkzeug would guess otherwise from the slash in the expression


CREATE_BODY = CreateBody()
LIST_PARAMETERS = ListParameters()
QUERY_BODY = QueryBody()
SEARCH_BODY = SearchBody()
UPDATE_BODY = UpdateBody()


@blueprint.get("/<slug>")
def list_entities(slug: str) -> Response:
    """List entities of a type, oldest first."""
    entities = _entities(slug)
    return _respond(entities.query(**load_query_string(LIST_PARAMETERS)))


@blueprint.get("/<slug>/<entity_id:entity_id>")
def get_entity(slug: str, entity_id: str) -> Response:
    """Get one entity."""
    return respond_text([_entities(slug).get(entity_id).json])


@blueprint.post("/<slug>")
def create_entity(slug: str) -> Response:
    """Create an entity."""
    entities = _entities(slug)
    entity = entities.create(**load_body(CREATE_BODY))
    return respond_text([entity.json], 201, {"Location": f"/v1/data/{slug}/{entity.id}"})


@blueprint.post("/<slug>/query")
def query_entities(slug: str) -> Response:
    """List the entities of a type that match filters, oldest first."""
    entities = _entities(slug)
    return _respond(entities.query(**load_body(QUERY_BODY)))


@blueprint.post("/<slug>/search")
def search_entities(slug: str) -> Response:
    """Find entities of a type by the words of their search fields, best match first."""
    entities = _entities(slug)
    return _respond(entities.search(**load_body(SEARCH_BODY)))


@blueprint.patch("/<slug>/<entity_id:entity_id>")
def update_entity(slug: str, entity_id: str) -> Response:
    """Merge fields into an entity's data, and set its status if one is given."""
    entities = _entities(slug)
    return respond_text([entities.update(entity_id, **load_body(UPDATE_BODY)).json])


@blueprint.delete("/<slug>/<entity_id:entity_id>")
def delete_entity(slug: str, entity_id: str) -> Response:
    """Delete an entity softly."""
    _entities(slug).delete(entity_id)
    return respond({"success": True})


def _entities(slug: str) -> EntityRepository:
    parts, caller = current_app.extensions["struere"], g.caller
    environment = caller.key.environment
    return EntityRepository(parts.database, parts.outside, environment, caller.scope, slug, parts.bounds)


def _respond(page: Page) -> Response:
    data = islice(chain.from_iterable(zip(repeat(b","), page.entities)), 1, None)  # one copy of it is made, the answer
    rest = orjson.dumps({"cursor": page.cursor, "hasMore": page.has_more})
    return respond_text([b'{"data":[', *data, b"],", rest[1:]])
