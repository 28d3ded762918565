"""gunicorn's own settings, from ours: gunicorn -c python:struere_local.gunicorn_conf 'struere_local:create_app()'."""

import os
import sys
from functools import partial
from queue import SimpleQueue

from gunicorn.arbiter import Arbiter

from .config import SettingError, load
from .parts import assemble
from .reload import Preparation
from .serve import gunicorn_settings, listen, part_with_workers
from .storage.errors import StorageError
from .storage.migrations import prepare
from .storage.outside import Outside, pause
from .storage.refusals import explained
from .worker import STOP_SIGNALS

try:
    globals().update(gunicorn_settings(load()))
except SettingError as error:
    raise SystemExit(f"struere-local: {error}") from None


def on_starting(arbiter: Arbiter) -> None:
    """End a bad start in one line: gunicorn would try a taken port for five seconds, and tell of its workers too."""
    arbiter.SIG_QUEUE = _Signals()
    database = assemble(load(), Outside()).database
    try:
        if not arbiter.master_pid and "LISTEN_FDS" not in os.environ:  # else the sockets are handed down
            for address in arbiter.cfg.address:
                if isinstance(address, tuple):
                    listen(*address).close()
        prepare(database, partial(print, file=sys.stderr, flush=True))
        with explained(database.path):
            database.retokenize()
    except StorageError as error:
        raise SystemExit(f"struere-local: {error}") from None
    database.close()


def on_reload(arbiter: Arbiter) -> None:
    """Rebuild the search indexes for another tokenizer before workers start, which might take too long for a worker."""
    part_with_workers(arbiter)
    try:
        settings = load()
    except SettingError:
        return  # the new workers tell it, and gunicorn stops
    if not settings["DATABASE"].exists():
        return  # the new workers tell it or, where the setting is another than before, make the file
    if failure := _outcome(Preparation(arbiter, settings), arbiter.SIG_QUEUE):
        print(f"struere-local: {failure}; the search indexes stay as they were.", file=sys.stderr, flush=True)


def _outcome(preparation: Preparation, signals: "_Signals") -> str | None:
    """Wait for the end; return what went wrong, or None. Where gunicorn is told to stop meanwhile, both do."""
    while not preparation.ended:
        if signals.tell_to_stop:
            preparation.stop()
            raise StopIteration  # as gunicorn's own handlers of these signals
        pause(0.01)
    return preparation.failure()


class _Signals(SimpleQueue[int]):
    """The signals that an arbiter has yet to handle; it takes all there are at once, and then handles each."""

    tell_to_stop = False

    def put_nowait(self, item: int) -> None:
        """Queue a signal, and remember one that stops."""
        self.tell_to_stop |= item in STOP_SIGNALS
        super().put_nowait(item)
