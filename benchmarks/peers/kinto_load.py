"""A plugin of Kinto that puts the entities into its memory as it starts.

By its API each entity would take longer than the one before, and 100,000 of them half an hour.
"""

from typing import Any

from benchmarks.entities import SLUG, entity

PARENT = f"/buckets/peer/collections/{SLUG}"


def includeme(config: Any) -> None:
    """Load as many entities as the settings say, when the application is complete."""
    size = int(config.get_settings()["peer.size"])
    config.add_subscriber(lambda event: _load(event.app.registry.storage, size), "pyramid.events.ApplicationCreated")


def _load(storage: Any, size: int) -> None:
    for made in map(entity, range(size)):
        record = made["data"] | {"last_modified": made["createdAt"]}
        storage.update("record", PARENT, made["id"], record)
