"""How large the write-ahead log grows: SQLite alone lets it grow for as long as there is always someone reading.

https://sqlite.org/wal.html, "Avoiding Excessively Large WAL Files"
"""

from contextlib import suppress

import apsw

PAGES = 1_000  # of 4 KiB; from here on each commit moves what it can into the database, as SQLite's own default
MANY_PAGES = 4_000  # from here on a commit waits for readers, so that the log starts again from its beginning
STEP = 1_000  # pages until the next try where that fails, as it does beside an export
PATIENCE = 500  # milliseconds that a commit, and the writers behind it, wait for readers
FILE_BYTES = MANY_PAGES * 4_096  # what is kept of the file of a log that has grown, as by an import


class Checkpoints:
    """The checkpoints of one connection."""

    def __init__(self, connection: apsw.Connection, busy_timeout: int) -> None:
        """Let no commit wait for one; the busy timeout, in milliseconds, is the connection's own."""
        self._busy_timeout = busy_timeout
        self._next_wait = MANY_PAGES
        self._pages = 0
        connection.pragma("journal_size_limit", FILE_BYTES)
        connection.set_wal_hook(self._after_commit)

    def run(self, connection: apsw.Connection, may_wait: bool = True) -> None:
        """Keep the log at some 16 MiB, after a commit and outside of any transaction; wait for readers if need be."""
        pages, self._pages = self._pages, 0
        # What was committed stands, whatever becomes of this; the next one tries again.
        with suppress(apsw.Error):
            if pages >= self._next_wait and may_wait:
                self._next_wait = pages + STEP
                self._wait_for_readers(connection)
            elif pages >= PAGES:
                connection.wal_checkpoint()

    def _after_commit(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        if pages < MANY_PAGES:
            self._next_wait = MANY_PAGES
        return apsw.SQLITE_OK

    def _wait_for_readers(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(PATIENCE)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        finally:
            connection.set_busy_timeout(self._busy_timeout)
