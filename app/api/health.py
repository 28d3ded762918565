"""The route /health."""

from flask import Blueprint, Response, current_app

from .json import respond

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def get_health() -> Response:
    """Tell that the server answers."""
    return respond({"status": "ok", "timestamp": current_app.extensions["struere"].outside.now()})
