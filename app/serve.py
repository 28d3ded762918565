"""gunicorn embedded: listen, announce, stop. Only workers open the database."""

import errno
import gc
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import AppImportError

from . import heap, places
from .logs import Logger, clean, clean_uri
from .reload import Preparation
from .storage.errors import Gone, Refused, StorageError
from .storage.index_builder import IndexBuilder
from .storage.migrations import reopen
from .worker import LINE, STOP_SIGNALS, Worker

KEEP_ALIVE = 15  # seconds that an idle connection stays open

PAGE_CACHE = 64  # KiB of each thread, as fast as SQLite's own 2,000: what is not there is in the kernel's cache

STOP = 5  # seconds that a stop may take, whatever clients do; Docker's patience is 10

EXPOSED = (
    "Other machines can reach this address, and nothing between them and it is encrypted; "
    "put a proxy with TLS before it, or listen on 127.0.0.1."
)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections; raise Refused where the address is not to be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except UnicodeError:
        raise Refused(f"Cannot listen on {host}:{port}: that is no name of a host; name another with --host") from None
    except OSError as error:
        busy = error.errno in (errno.EADDRINUSE, errno.EACCES)
        remedy = "--port or STRUERE_PORT, or 0 for any free one" if busy else "--host"
        raise Refused(f"Cannot listen on {host}:{port}: {error.strerror}; name another with {remedy}") from None
    return listener


def url(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    listener: socket.socket,
    settings: dict[str, Any],
    create_app: Callable[[Any], Flask],
    ready: Callable[[], None],
    load_again: Callable[[Any], dict[str, Any]],
) -> None:
    """Serve an application until a signal, then finish what is running and exit with 0.

    SIGHUP loads settings again; where that raises StorageError, they stay as they were.
    """

    def when_ready(arbiter: Arbiter) -> None:
        ready()
        _warn_if_exposed(arbiter)

    here = {"bind": f"fd://{listener.detach()}", "when_ready": when_ready, "post_fork": _Arbiter.after_fork}
    _Arbiter(_Application(settings, here, create_app, load_again)).run()


def gunicorn_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return gunicorn's settings that go with ours."""
    host = f"[{settings['HOST']}]" if ":" in settings["HOST"] else settings["HOST"]
    return {
        **SETTINGS,
        **({"post_request": _log_request} if settings["LOG_REQUESTS"] else {}),
        "bind": f"{host}:{settings['PORT']}",
        "workers": settings["WORKERS"],
        "threads": settings["THREADS"],
    }


def part_with_workers(arbiter: Arbiter) -> None:
    """Let a reload not wait for the workers of before: gunicorn heeds no signal while it does.

    It waits for those that are older than the first new one, and tells whom to stop by age as well.
    """
    for worker in arbiter.WORKERS.values():
        worker.age = arbiter.worker_age + 0.5


SETTINGS = {
    "worker_class": Worker,
    "keepalive": KEEP_ALIVE,
    "graceful_timeout": STOP,
    "limit_request_line": LINE,
    # No header says what the path is, and no answer depends on the scheme.
    "forwarder_headers": "",
    "secure_scheme_headers": {},
    "loglevel": "warning",
    "logger_class": Logger,
    "control_socket_disable": True,
    "proc_name": "struere-local",
    "pre_fork": lambda arbiter, worker: _before_fork(arbiter, worker),
    "post_fork": places.pin,
    "child_exit": places.give_back,
    "post_worker_init": lambda worker: _open(worker),
    "when_ready": lambda arbiter: _warn_if_exposed(arbiter),
    "on_reload": part_with_workers,
    "worker_exit": lambda arbiter, worker: _close(worker),
}


def _warn_if_exposed(arbiter: Arbiter) -> None:
    addresses = [listener.getsockname() for listener in arbiter.LISTENERS]
    if not all(ipaddress.ip_address(address[0]).is_loopback for address in addresses if isinstance(address, tuple)):
        _tell(EXPOSED)


def _tell(sentence: object) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _log_request(worker: Worker, request: Any, environ: Any, response: Any) -> None:
    status = response.status_code if response else "-"
    _tell(clean(f"{request.method} {clean_uri(request.uri)} {status}"))


def _before_fork(arbiter: Arbiter, worker: Worker) -> None:
    places.take(arbiter, worker)
    heap.share()
    # To look for garbage writes to every object, and so copies the pages that a worker shares with the arbiter.
    gc.freeze()


def _open(worker: Worker) -> None:
    """Open the worker's database, so that SQLite's lock tells others all along that the file is in use.

    Of one that was moved away requests tell, until it is back.
    """
    parts = worker.wsgi.extensions["struere"]
    parts.database.page_cache = PAGE_CACHE
    try:
        reopen(parts.database)
    except Gone as error:
        _tell(error)
    except StorageError as error:
        # gunicorn prints this one as a line and stops, where it would restart its worker for ever.
        raise AppImportError(f"struere-local: {error}") from None
    worker.indexes = IndexBuilder(
        parts.database, parts.outside, worker.wsgi.config["AUTO_INDEXES"], lambda sentence: _tell(clean(sentence))
    )
    worker.indexes.start()


def _close(worker: Worker) -> None:
    """Close the worker's database, so that SQLite moves its write-ahead log into the file."""
    if worker.booted:
        worker.indexes.stop()
        worker.wsgi.extensions["struere"].database.close()


class _Application(BaseApplication):  # type: ignore[misc]
    def __init__(
        self,
        settings: dict[str, Any],
        here: dict[str, Any],
        create_app: Callable[[Any], Flask],
        load_again: Callable[[Any], dict[str, Any]],
    ) -> None:
        self.settings = settings
        self.load_again = load_again
        self._here = here
        self._create_app = create_app
        super().__init__()

    def load_config(self) -> None:
        for name, value in (gunicorn_settings(self.settings) | self._here).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._create_app(self.settings)


class _Arbiter(Arbiter):  # type: ignore[misc]
    _preparation: Preparation | None = None

    def handle_hup(self) -> None:
        """Load the settings again; when what they need is done, new workers have them and the old ones stop."""
        try:
            settings = self.app.load_again(self.app.settings)
        except StorageError as error:
            _tell(f"{error}; the settings stay as they were.")
            return
        self._give_up()
        self._preparation = Preparation(self, settings)

    def handle_chld(self) -> None:
        """Reap processes; reload when that of a preparation has ended well."""
        super().handle_chld()
        preparation = self._preparation
        if preparation and preparation.ended:
            self._preparation = None
            if failure := preparation.failure():
                _tell(f"{failure}; the settings stay as they were.")
                return
            self.app.settings = preparation.settings
            _tell("The settings were read again.")
            super().handle_hup()

    handle_cld = handle_chld  # of the two names of the signal gunicorn takes either

    def stop(self, graceful: bool = True) -> None:
        """Stop the workers, and what was to be done for others."""
        self._give_up()
        super().stop(graceful)

    def _give_up(self) -> None:
        if self._preparation:
            self._preparation.stop()
            self._preparation = None

    def after_fork(self, worker: Worker) -> None:
        """Pin a worker, and close in it what the arbiter has open for itself alone."""
        places.pin(self, worker)
        if self._preparation:
            self._preparation.close()

    def spawn_worker(self) -> int:
        """Fork with the signals that stop held back, so that none is lost before the worker handles them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            pid: int = super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        return pid

    def handle_int(self) -> None:
        """Finish what is running, as after SIGTERM; a second SIGINT stops at once."""
        self.handle_term()
