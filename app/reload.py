"""What a reload needs before new workers start, done in a process of its own: the arbiter opens nothing and goes on."""

import os
import select
import signal
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

from gunicorn.arbiter import Arbiter

from .parts import assemble
from .storage.errors import StorageError
from .storage.migrations import reopen
from .storage.outside import Outside
from .storage.refusals import explained

DONE = "done"


class Preparation:
    """A database that is made to fit new settings, in a process that an arbiter has begun."""

    def __init__(self, arbiter: Arbiter, settings: Mapping[str, Any]) -> None:
        """Begin: rebuild the search indexes where they were made with another tokenizer."""
        self.settings = settings
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            _run(arbiter, settings, writer)
        os.close(writer)

    @property
    def ended(self) -> bool:
        """Tell whether the process has ended, or is about to."""
        return bool(select.select([self._reader], [], [], 0)[0])

    def failure(self) -> str | None:
        """Wait for the end; return what went wrong, or None."""
        with open(self._reader, encoding="utf-8") as said:
            sentence = said.read()
        return None if sentence == DONE else sentence or "The search indexes could not be made anew"

    def stop(self) -> None:
        """End the process where it stands; the database is as it was."""
        if not self.ended:
            os.kill(self._pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Leave the process to itself."""
        os.close(self._reader)


def fit(settings: Mapping[str, Any]) -> None:
    """Make a database fit settings; raise StorageError, and change nothing, where that cannot be."""
    database = assemble(settings, Outside()).database
    try:
        reopen(database)
        with explained(database.path):
            database.retokenize()
    finally:
        database.close()


def _run(arbiter: Arbiter, settings: Mapping[str, Any], writer: int) -> NoReturn:
    """Do the work in the new process, which has what the arbiter has: its signals and its sockets."""
    said = ""
    with suppress(Exception):
        for number in arbiter.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for listener in arbiter.LISTENERS:
            listener.close()
        try:
            fit(settings)
            said = DONE
        except StorageError as error:
            said = str(error)
        except Exception:
            traceback.print_exc()
        os.write(writer, said.encode())
    os._exit(0)
