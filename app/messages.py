"""HTTP messages in fewer steps than gunicorn's: requests that are as most are, and answers of one part."""

import re
from functools import lru_cache

from gunicorn import util
from gunicorn.http import message, wsgi

from .storage.outside import Outside

# A target in origin form (RFC 9112, section 3.2.1), whose path begins with one slash.
LINE = re.compile(rb"([A-Z]{3,20}) ((/(?!/)[!-\"$->@-~]*)(?:\?([!-\"$-~]*))?) HTTP/1\.1")
FIELD = rb"[A-Za-z0-9-]++:[ -~]*+"
FIELDS = re.compile(rb"%s(?:\r\n%s)*+" % (FIELD, FIELD))

MOST_COPIED = 2**18  # bytes of a body that are sent in one piece with the headers

outside = Outside()


class Request(message.Request):  # type: ignore[misc]
    """A request, parsed by gunicorn unless it is an ordinary one; then it is what gunicorn would make of it.

    No header of an ordinary one says what the scheme is: the setting secure_scheme_headers is taken to be empty.
    """

    def parse_request_line(self, line: bytes) -> None:
        """Take method, target and version."""
        found = LINE.fullmatch(line)
        if found is None:
            super().parse_request_line(line)
            return
        self.method, self.uri, self.path, self.query = [part.decode() for part in found.groups(b"")]
        self.fragment, self.version = "", (1, 1)

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        """Return names in capitals, and values."""
        headers = None if from_trailer else self._ordinary(data)
        return super().parse_headers(data, from_trailer) if headers is None else headers

    def _ordinary(self, data: bytes) -> list[tuple[str, str]] | None:
        """Return headers, or None where one may be too long, is said twice, asks for something, or is no plain text."""
        if len(data) + len("\r\n") > self.limit_request_field_size or not FIELDS.fullmatch(data):
            return None
        pairs = [line.partition(":") for line in data.decode().split("\r\n")]
        headers = {name.upper(): value.strip(" ") for name, _, value in pairs}
        if len(headers) < len(pairs) or len(pairs) > self.limit_request_fields or "EXPECT" in headers:
            return None
        return list(headers.items())


class Answer(wsgi.Response):  # type: ignore[misc]
    """A response whose headers werkzeug has checked, and of which none is about the connection.

    They go out with the body, in one piece.
    """

    headers_sent: bool
    _head = b""

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Take headers."""
        self.headers = headers
        self.response_length = next((int(value) for name, value in headers if name.lower() == "content-length"), None)

    def send_headers(self) -> None:
        """Keep them for the body."""
        if not self.headers_sent:
            fields = "".join([f"{name}: {value}\r\n" for name, value in self.headers])
            self._head = "".join([*self.default_headers(), fields, "\r\n"]).encode("latin-1")
            self.headers_sent = True

    def default_headers(self) -> list[str]:
        """Return the status line, and what gunicorn says of itself, the time and the connection."""
        major, minor = self.req.version
        return [
            f"HTTP/{major}.{minor} {self.status}\r\nServer: {self.version}\r\nDate: {_date(outside.now() // 1000)}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
            "Transfer-Encoding: chunked\r\n" if self.chunked else "",
        ]

    def can_sendfile(self) -> bool:
        """Let files be written as all else is."""
        return False

    def close(self) -> None:
        """End the answer, which may have no body."""
        self.send_headers()
        self._send(b"")
        super().close()

    def _emit_body(self, data: bytes) -> None:
        if self.chunked or len(data) > MOST_COPIED:
            self._send(b"")
            super()._emit_body(data)
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if head or data:
            util.write(self.sock, head + data)


@lru_cache(1)
def _date(second: int) -> str:
    date: str = util.http_date(second)
    return date
