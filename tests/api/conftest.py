"""Each test has its own application and its own copy of a database that is made once."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from tests.conftest import ReplacedOutside, make_environments


@pytest.fixture(scope="session")
def prepared_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the environments and their types."""
    path = tmp_path_factory.mktemp("prepared") / "struere.db"
    parts = create_app({"DATABASE": path}, ReplacedOutside()).extensions["struere"]
    make_environments(parts)
    parts.database.close()
    return path


@pytest.fixture
def config(config: dict[str, Any], prepared_database: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The application's settings, with what a test's parameter adds."""
    shutil.copy(prepared_database, config["DATABASE"])
    return {**config, **getattr(request, "param", {})}
