"""gunicorn embedded: listen, announce, stop. Only workers open the database."""

import errno
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers import gthread

from .headers import HEADERS
from .linger import linger
from .logs import Logger, clean
from .storage.errors import Refused
from .storage.migrations import prepare
from .storage.outside import Outside

KEEP_ALIVE = 15  # seconds that an idle connection stays open

LINE = 8190  # bytes of a request line or a header, the most that gunicorn takes

EXPOSED = (
    "Other machines can reach this address, and nothing between them and it is encrypted; "
    "put a proxy with TLS before it, or listen on 127.0.0.1."
)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

# How long a stopping worker listens on idle connections for a request that is on its way, in seconds.
# gunicorn's 2 would be most of the life of a throwaway server; on one machine nothing is on its way for so long.
gthread.STOP_KEEPALIVE_LINGER = 0.25
# How long a thread waits for the first byte of a connection, and reads a body that was not, in seconds; a stop waits
# as long. Browsers connect ahead.
gthread.DEFAULT_WORKER_DATA_TIMEOUT = 1.0

# How much of a body is read at once, in bytes; of gunicorn's mebibyte there would be several copies at a time.
SocketUnreader.max_body_chunk = 64 * 2**10


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections; raise Refused where the address is not to be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        busy = error.errno in (errno.EADDRINUSE, errno.EACCES)
        remedy = "--port or STRUERE_PORT, or 0 for any free one" if busy else "--host"
        raise Refused(f"Cannot listen on {host}:{port}: {error.strerror}; name another with {remedy}") from None
    return listener


def url(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_exposed(address: str) -> bool:
    """Tell whether other machines can reach an IP address."""
    return not ipaddress.ip_address(address).is_loopback


def run(
    listener: socket.socket, settings: dict[str, Any], create_app: Callable[[], Flask], ready: Callable[[], None]
) -> None:
    """Serve an application until a signal, then finish what is running and exit with 0."""
    here = {"bind": f"fd://{listener.detach()}", "when_ready": lambda arbiter: ready()}
    _Arbiter(_Application(gunicorn_settings(settings) | here, create_app)).run()


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


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """A thread worker that answers malformed HTTP with JSON and leaves Ctrl-C to the arbiter."""

    def init_signals(self) -> None:
        """Ignore SIGINT: a terminal sends it to workers too, and the arbiter tells them to finish."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def handle(self, conn: Any) -> Any:
        """Answer a request, and see that a client that is still sending gets the answer."""
        kept = super().handle(conn)
        if kept is False:
            linger(conn.sock, Outside())
        return kept

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what never reached the application."""
        if isinstance(exc, LimitRequestLine | LimitRequestHeaders):
            status, sentence = (
                "400 Bad Request",
                f"The request line and each header must not be longer than {LINE} bytes",
            )
        elif isinstance(exc, ParseException):
            status, sentence = "400 Bad Request", "The request is not well-formed HTTP/1.1"
        else:
            self.log.exception("Error handling request")
            status, sentence = "500 Internal Server Error", "Internal error"
        body = orjson.dumps({"error": sentence}, option=orjson.OPT_APPEND_NEWLINE)
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        head += "Access-Control-Allow-Origin: *\r\n"
        try:
            util.write_nonblock(client, head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        except OSError:
            self.log.debug("The client left before its error was sent.")


SETTINGS = {
    "worker_class": Worker,
    "keepalive": KEEP_ALIVE,
    "limit_request_line": LINE,
    # No header says what the path is, and no answer depends on the scheme.
    "forwarder_headers": "",
    "secure_scheme_headers": {},
    "loglevel": "warning",
    "logger_class": Logger,
    "control_socket_disable": True,
    "proc_name": "struere-local",
    "post_worker_init": lambda worker: _open(worker),
    "when_ready": lambda arbiter: _warn_if_exposed(arbiter),
    "worker_exit": lambda arbiter, worker: _close(worker),
}


def _warn_if_exposed(arbiter: Arbiter) -> None:
    addresses = [listener.getsockname() for listener in arbiter.LISTENERS]
    if any(is_exposed(address[0]) for address in addresses if isinstance(address, tuple)):
        print(EXPOSED, file=sys.stderr, flush=True)


def _log_request(worker: Worker, request: Any, environ: Any, response: Any) -> None:
    status = response.status_code if response else "-"
    print(clean(f"{request.method} {request.uri} {status}"), file=sys.stderr, flush=True)


def _open(worker: Worker) -> None:
    """Open the worker's database, so that SQLite's lock tells others all along that the file is in use."""
    prepare(worker.wsgi.extensions["struere"].database)


def _close(worker: Worker) -> None:
    """Close the worker's database, so that SQLite moves its write-ahead log into the file."""
    if worker.booted:
        worker.wsgi.extensions["struere"].database.close()


class _Application(BaseApplication):  # type: ignore[misc]
    def __init__(self, options: dict[str, Any], create_app: Callable[[], Flask]) -> None:
        self._options = options
        self._create_app = create_app
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._create_app()


class _Arbiter(Arbiter):  # type: ignore[misc]
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
