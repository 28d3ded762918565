"""Lines of the log: no request forges one, and none holds a key."""

import logging
import sys

import pytest

from app.logs import Formatter, clean, clean_uri

KEY = "sk_dev_" + "a1b2" * 10
TEXTS = {
    "a line feed": ("a\nb", "a\\nb"),
    "a carriage return": ("a\rb", "a\\rb"),
    "an escape sequence": ("\x1b[2Ja", "\\x1b[2Ja"),
    "a NUL": ("a\0b", "a\\x00b"),
    "a C1 control": ("a\x9bb", "a\\x9bb"),
    "a next line": ("a\x85b", "a\\x85b"),
    "a line separator": ("a\u2028b", "a\\u2028b"),
    "a bidirectional override": ("a\u202eb", "a\\u202eb"),
    "half of a surrogate pair": ("a\udc80b", "a\\udc80b"),
    "other alphabets": ("José 李 🎉", "José 李 🎉"),
    "a key": (f"GET /v1?key={KEY} 401", "GET /v1?key=sk_dev_… 401"),
    "keys": (f"{KEY},sk_prod_abc sk_eval_x", "sk_dev_…,sk_prod_… sk_eval_…"),
}


@pytest.mark.parametrize(("text", "line"), TEXTS.values(), ids=TEXTS)
def test_a_text_is_cleaned(text: str, line: str) -> None:
    assert clean(text) == line


URIS = {
    "a path": ("/v1/data/customer?limit=1&status=a+b", "/v1/data/customer?limit=1&status=a+b"),
    "what is encoded": ("/v1/caf%C3%A9%0A%20x", "/v1/caf%C3%A9%0A%20x"),
    "a key": (f"/v1?key={KEY}", "/v1?key=sk_dev_..."),
    "an encoded key": (f"/v1?key=sk%5Fdev%5f{KEY[7:]}", "/v1?key=sk_dev_..."),
    "a key in the path": (f"/v1/data/%73k_dev_{KEY[7:]}", "/v1/data/sk_dev_..."),
}


@pytest.mark.parametrize(("uri", "line"), URIS.values(), ids=URIS)
def test_a_uri_is_cleaned(uri: str, line: str) -> None:
    assert clean_uri(uri) == line


def formatted(sentence: str, fault: Exception | None = None) -> list[str]:
    """Return the lines of an event, with the traceback of a fault."""
    information = None
    if fault:
        try:
            raise fault
        except Exception:
            information = sys.exc_info()
    record = logging.LogRecord("app", logging.ERROR, __file__, 1, sentence, None, information)
    return Formatter("%(levelname)s %(message)s").format(record).splitlines()


def test_an_event_is_one_line() -> None:
    assert formatted("Internal error\nERROR forged\r\x1b[2J") == ["ERROR Internal error", "    ERROR forged\\r\\x1b[2J"]


def test_a_traceback_is_indented_whatever_the_fault_says() -> None:
    first, *others = formatted("Internal error", ValueError(f"x\n[2026] ERROR forged {KEY}\x1b[2J\u2028ERROR"))
    assert first == "ERROR Internal error"
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-1] == "    [2026] ERROR forged sk_dev_…\\x1b[2J\\u2028ERROR"
    assert all(line.startswith("    ") for line in others)
