"""Each test has its own copy of a database that is made once."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from app.storage import index_keys, lookups, planning


@pytest.fixture
def config(config: dict[str, Any], prepared_database: Path) -> dict[str, Any]:
    shutil.copy(prepared_database, config["DATABASE"])
    return config


@pytest.fixture
def many_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a handful of entities be many, and a text of two characters long, so that queries go every way there is."""
    monkeypatch.setattr(planning, "LOOK", 1)
    monkeypatch.setattr(planning, "STRETCH", 1)
    monkeypatch.setattr(planning, "GROWTH", 2)
    monkeypatch.setattr(planning, "ENTRIES", 1)
    for module in (index_keys, lookups):
        monkeypatch.setattr(module, "KEY_LENGTH", 2)
