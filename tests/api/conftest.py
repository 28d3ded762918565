"""Each test has its own application and its own copy of a database that is made once."""

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def config(config: dict[str, Any], prepared_database: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The application's settings, with what a test's parameter adds."""
    shutil.copy(prepared_database, config["DATABASE"])
    return {**config, **getattr(request, "param", {})}
