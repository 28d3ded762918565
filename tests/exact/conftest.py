"""Each test has its own copy of a database that is made once."""

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def config(config: dict[str, Any], prepared_database: Path) -> dict[str, Any]:
    shutil.copy(prepared_database, config["DATABASE"])
    return config
