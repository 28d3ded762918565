"""A request is parsed in fewer steps than gunicorn's to the same end, whatever bytes come."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import message
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import IterUnreader
from hypothesis import given
from hypothesis import strategies as st

from app import messages
from app.serve import SETTINGS
from tests.profiles import examples

PEER = ("127.0.0.1", 40_000)
LIMIT = 200  # bytes of a header, so that few are too long
FEW = 5  # headers

LINES = st.one_of(
    st.sampled_from(
        (
            *("GET / HTTP/1.1", "POST /v1/data/customer?limit=1&cursor=%20 HTTP/1.1", "GET //v1/data HTTP/1.1"),
            *("GET /v1?a?b HTTP/1.1", "GET /v1#a?b HTTP/1.1", "GET /v1?a#b HTTP/1.1", "GET /? HTTP/1.1"),
            *("GET http://a/b?c HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "CONNECT a:1 HTTP/1.1"),
            *("GET /v1 HTTP/1.0", "GET /v1 HTTP/2.0", "get /v1 HTTP/1.1", "GE /v1 HTTP/1.1", "GET  /v1 HTTP/1.1"),
            *("GET /[::1 HTTP/1.1", "GET /a:b@c;d,e HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /é HTTP/1.1"),
        )
    ),
    st.builds(
        "{} {} HTTP/1.1".format, st.from_regex("[A-Z]{2,21}", fullmatch=True), st.text("/?#%&=a.[:@ ", max_size=9)
    ),
)
NAMES = st.sampled_from(
    ("Host", "HOST", "Content-Type", "Content-Length", "Expect", "X-A", "x-a", "X_A", "X A", "", "é")
)
VALUES = st.one_of(
    st.sampled_from(
        ("", " a", "  a b\t", "\ta", "100-continue", "chunked", "0", "é", "a\x00", "a\r\n b", "a\nb", "a:b")
    ),
    st.text("a: \t", max_size=6),
    st.integers(LIMIT - 12, LIMIT + 2).map("x".__mul__),
)
HEADERS = st.one_of(st.builds("{}:{}".format, NAMES, VALUES), st.sampled_from(("Transfer-Encoding: chunked", "", "a")))


def config() -> Config:
    """Return the settings that workers have, with lower limits."""
    config = Config()
    for name in ("limit_request_line", "forwarder_headers", "secure_scheme_headers"):
        config.set(name, SETTINGS[name])
    config.set("limit_request_field_size", LIMIT)
    config.set("limit_request_fields", FEW)
    return config


CONFIG = config()


def outcome(kind: Callable[..., Any], head: bytes) -> object:
    """Return all that a request of a kind has of a head, or what is wrong with it."""

    def once() -> Iterator[bytes]:
        yield head

    try:
        found = kind(CONFIG, IterUnreader(once()), PEER)
    except (ParseException, StopIteration) as error:
        return type(error), str(error)
    target = (found.method, found.uri, found.path, found.query, found.fragment, found.version)
    body = (type(found.body.reader), getattr(found.body.reader, "length", None), found.unreader.buf.getvalue())
    return target, found.headers, found.scheme, found._expected_100_continue, found.should_close(), body


def heads(lines: st.SearchStrategy[str], most: int) -> st.SearchStrategy[bytes]:
    """Return heads of requests with at most so many headers."""
    return st.builds(
        lambda line, headers: "".join(f"{each}\r\n" for each in (line, *headers, "")).encode(),
        lines,
        st.lists(HEADERS, max_size=most),
    )


@examples(ci=600, full=20_000)
@given(head=heads(LINES, FEW + 1))
def test_a_request_is_what_gunicorn_makes_of_it(head: bytes) -> None:
    assert outcome(messages.Request, head) == outcome(message.Request, head)


@pytest.mark.parametrize("length", range(LIMIT - 4, LIMIT + 2))
@pytest.mark.parametrize("count", [1, 2])
def test_a_header_is_as_long_as_gunicorn_lets_it_be(length: int, count: int) -> None:
    headers = ["X: ".ljust(length, "x"), "Host: a"][:count]
    head = "\r\n".join(("GET / HTTP/1.1", *headers, "", "")).encode()
    assert outcome(messages.Request, head) == outcome(message.Request, head)


@pytest.mark.parametrize("count", range(FEW - 1, FEW + 3))
def test_there_are_as_many_headers_as_gunicorn_lets_there_be(count: int) -> None:
    head = "".join(["GET / HTTP/1.1\r\n", *(f"X-{number}: a\r\n" for number in range(count)), "\r\n"]).encode()
    assert outcome(messages.Request, head) == outcome(message.Request, head)


def test_an_ordinary_request_needs_nothing_of_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(message.Request, "parse_request_line")
    monkeypatch.delattr(message.Message, "parse_headers")
    head = b"GET /v1/data/customer?limit=2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer b \r\n\r\n"
    found: Any = outcome(messages.Request, head)
    target, headers, *_ = found
    assert target == ("GET", "/v1/data/customer?limit=2", "/v1/data/customer", "limit=2", "", (1, 1))
    assert headers == [("HOST", "a"), ("AUTHORIZATION", "Bearer b")]


@pytest.mark.parametrize(
    ("name", "wrong", "head"),
    [
        pytest.param("LINE", b"([A-Z]+) ((/[^ ?]*)[?]?([^ ]*)) HTTP/1.1", b"GET /a#b HTTP/1.1\r\n\r\n", id="fragment"),
        pytest.param("FIELDS", b"[^\n]+", b"GET / HTTP/1.1\r\nX_A: b\r\n\r\n", id="underscore"),
        pytest.param("FIELDS", b"[^\n]+", b"GET / HTTP/1.1\r\nX: \xff\r\n\r\n", id="beyond ASCII"),
    ],
)
def test_the_comparison_sees_what_it_looks_for(
    name: str, wrong: bytes, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, name, re.compile(wrong))
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        assert outcome(messages.Request, head) == outcome(message.Request, head)
