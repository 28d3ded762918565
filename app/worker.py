"""A worker process: gunicorn's threads, and a stop that no client can hold up."""

import select
import signal
import socket
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import orjson
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers import gthread

from .headers import HEADERS
from .linger import linger
from .messages import Answer, Request
from .places import NOBODY, connections
from .storage.outside import Deadline

LINE = 8190  # bytes of a request line or a header, the most that gunicorn takes

# How long a thread stays with a connection for its next request, in milliseconds, while no other needs the thread.
# Most clients send it sooner, and to hand a connection over to the worker and back takes as long as to answer one.
STAY = 5

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# The signals of a terminal, which go to workers too, although the arbiter tells them what to do.
LEFT_TO_THE_ARBITER = (signal.SIGINT, signal.SIGHUP)

# How long a worker that stops listens on idle connections for a request that is on its way, in seconds.
# gunicorn's 2 would be most of the life of a throwaway server; on one machine nothing is on its way for so long.
gthread.STOP_KEEPALIVE_LINGER = 0.25
# How long a thread waits for the first byte of a connection, and reads a body that was not, in seconds; a stop waits
# as long. Browsers connect ahead.
gthread.DEFAULT_WORKER_DATA_TIMEOUT = 1.0
# gunicorn's workers take no others than these.
RequestParser.mesg_class = Request
wsgi.Response = Answer
# How much of a body is read at once, in bytes; of gunicorn's mebibyte there would be several copies at a time.
SocketUnreader.max_body_chunk = 64 * 2**10

# How often a worker looks whether another takes a connection: a millisecond in all, less than a busy one may need.
PATIENCE = 20

# How long a worker that stops waits for clients, in milliseconds: for the rest of a request, and for the taking of an
# answer that is being sent. It waits for itself, while an answer is yet to be made, up to gunicorn's graceful_timeout.
READ_FOR = 1_500
SEND_FOR = 1_000


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """A thread worker that answers malformed HTTP with JSON, and stops in time."""

    place: int | None = None
    cpu: int | None = None

    def __init__(self, *arguments: Any) -> None:
        """Start with no connection."""
        self._patience = PATIENCE
        super().__init__(*arguments)
        self.method_queue = _Callbacks()
        self._busy: set[gthread.TConn] = set()
        self._read_until: Deadline | None = None
        self._send_until: dict[gthread.TConn, Deadline] = {}

    def init_process(self) -> None:
        """Serve, with settings as plain attributes, which a later `set` does not change: each request asks for many."""
        self.cfg.__dict__.update((name, setting.get()) for name, setting in self.cfg.settings.items())
        super().init_process()

    def init_signals(self) -> None:
        """Ignore what a terminal sends: the arbiter gets it as well, and tells its workers what to do."""
        super().init_signals()
        for number in LEFT_TO_THE_ARBITER:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    @property
    def nr_conns(self) -> int:
        """How many connections it has, which the other workers see while it accepts more."""
        return self._connections

    @nr_conns.setter
    def nr_conns(self, number: int) -> None:
        self._connections = number
        if self.place is not None:
            connections[self.place] = number if self.alive else NOBODY

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, after leaving it a few times to a worker that has fewer."""
        if self.alive and self._patience and self._connections > min(connections):
            self._patience -= 1
            return
        self._patience = PATIENCE
        super().accept(listener)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not; a worker that stops accepts what waits, and lets the kernel refuse all others."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            before = None
            while before != self.nr_conns:
                before = self.nr_conns
                self.accept(listener)
            listener.close()

    def handle(self, conn: gthread.TConn) -> Any:
        """Answer a request and, where it was the last, close its connection here: a client may keep this waiting."""
        self._busy.add(conn)
        try:
            keep = super().handle(conn)
            while keep is True and self._may_stay and has_more(conn, STAY):
                keep = super().handle(conn)
            if keep is False:
                linger(conn.sock)
            return keep
        finally:
            self._busy.discard(conn)

    @property
    def _may_stay(self) -> bool:
        """Whether there is a thread for every connection or, with those that are left to the worker, one to spare."""
        left = len(self.keepalived_conns) + len(self.pending_conns)
        threads: int = self.cfg.threads
        return self.alive and (self.nr_conns <= threads or self.nr_conns - left < threads)

    def _keepalive_after(self, conn: gthread.TConn, keepalive: bool) -> bool:
        """Tell whether a connection can be used again; where a request was read whole, no one need look at it again."""
        if keepalive and getattr(conn.parser.mesg.body.reader, "length", None) == 0:
            conn.parser.mesg = None
            return True
        return bool(super()._keepalive_after(conn, keepalive))

    def finish_request(self, conn: gthread.TConn, fs: Future[Any]) -> None:
        """Keep the connection of a request that was answered, or count one less that was closed."""
        if conn.sock.fileno() < 0:
            self.nr_conns -= 1
        else:
            super().finish_request(conn, fs)

    def run(self) -> None:
        """Serve until told to stop, and end when every answer is made: what comes next closes the database."""
        super().run()
        self.tpool.shutdown()

    def murder_pending(self) -> None:
        """Close connections that never sent anything and, of a worker that stops, whatever would hold it up."""
        if not self.alive:
            self._read_until = self._read_until or Deadline(READ_FOR)
            for conn in self.pending_conns:
                conn.timeout = 0
            for conn in list(self._busy):
                with suppress(OSError, ValueError):  # closed by now
                    self._hurry(conn, self._read_until)
        super().murder_pending()

    def _hurry(self, conn: gthread.TConn, read_until: Deadline) -> None:
        if read_until.passed:
            conn.sock.shutdown(socket.SHUT_RD)
        # There is no room for more of an answer while the client takes nothing.
        if not is_ready(conn.sock, select.POLLOUT) and self._send_until.setdefault(conn, Deadline(SEND_FOR)).passed:
            conn.sock.shutdown(socket.SHUT_RDWR)

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


def has_more(conn: gthread.TConn, milliseconds: int) -> bool:
    """Tell whether a connection has another request, or has within some time."""
    return bool(conn.parser.unreader.buf.getvalue()) or is_ready(conn.sock, select.POLLIN, milliseconds)


def is_ready(connection: socket.socket, event: int, milliseconds: int = 0) -> bool:
    """Tell whether a connection can be read or written, or can within some time."""
    poll = select.poll()
    poll.register(connection, event)
    return bool(poll.poll(milliseconds))


class _Callbacks(gthread.PollableMethodQueue):  # type: ignore[misc]
    def close(self) -> None:
        """Keep the pipe open: a thread that is late would write into the file that gets its number next."""
