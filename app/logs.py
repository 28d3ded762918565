"""Lines of the log that no request can forge, and that hold no API key."""

import logging
import re
from typing import Any
from urllib.parse import quote, unquote

from gunicorn import glogging

KEY = re.compile("(sk_(?:dev|prod|eval)_)[A-Za-z0-9]+")
FORMAT = "[%(asctime)s] %(levelname)s in %(module)s: %(message)s"  # as Flask's own


def clean(text: str) -> str:
    """Return a text as part of one line: what does not print is escaped, a key ends after its prefix."""
    printed = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return KEY.sub(r"\1…", printed)


def clean_uri(uri: str) -> str:
    """Return a path and query string as part of a line; a key in them ends after its prefix, however it is encoded."""
    return quote(KEY.sub(r"\1...", unquote(uri)), safe="/?&=:;,@!$'()*+~")


class Formatter(logging.Formatter):
    """An event is one line that is not indented; a traceback follows indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of an event."""
        return "\n    ".join(map(clean, super().format(record).split("\n")))


class Logger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's logger, with these lines."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's own form of a line."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(Formatter(self.error_fmt, self.datefmt))
        for handler in self.access_log.handlers:
            handler.setFormatter(Formatter("%(message)s"))
