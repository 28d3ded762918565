"""gunicorn's own settings, from ours: gunicorn -c python:struere_local.gunicorn_conf 'struere_local:create_app()'."""

import os
import sys
from functools import partial

from gunicorn.arbiter import Arbiter

from .config import SettingError, load
from .parts import assemble
from .reload import Preparation
from .serve import gunicorn_settings, listen
from .storage.errors import StorageError
from .storage.migrations import prepare
from .storage.outside import Outside
from .storage.refusals import explained

try:
    globals().update(gunicorn_settings(load()))
except SettingError as error:
    raise SystemExit(f"struere-local: {error}") from None


def on_starting(arbiter: Arbiter) -> None:
    """End a bad start in one line: gunicorn would try a taken port for five seconds, and tell of its workers too."""
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
    try:
        settings = load()
    except SettingError:
        return  # the new workers tell it, and gunicorn stops
    if not settings["DATABASE"].exists():
        return  # the new workers tell it or, where the setting is another than before, make the file
    if failure := Preparation(arbiter, settings).failure():
        print(f"struere-local: {failure}; the search indexes stay as they were.", file=sys.stderr, flush=True)
