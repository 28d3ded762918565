"""A struere-local with a bug in it, to show that a harness catches it."""

import sys
from pathlib import Path

PROGRAM = """#!{python}
from contextlib import contextmanager
from struere_local import main
from struere_local.storage import search_index
from struere_local.storage.database import Database
from struere_local.storage.documents import Document
from struere_local.storage.repository import EntityRepository
{bug}
main()
"""


def plant(folder: Path, bug: str) -> Path:
    """Write the command with a line of Python run before it, and return its path."""
    command = folder / "struere-local"
    command.write_text(PROGRAM.format(python=sys.executable, bug=bug))
    command.chmod(0o700)
    return command
