"""What SQLite and the system say, as a sentence with the file and a remedy."""

import errno
import os
from pathlib import Path

import apsw
import pytest

from app.storage.errors import Refused
from app.storage.refusals import explained

PATH = Path("/data/struere.db")


def system(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/data")


SAID: dict[str, tuple[Exception, str]] = {
    "a full file system": (
        system(errno.ENOSPC),
        "/data/struere.db cannot be written, since its disk is full; make room",
    ),
    "a full quota": (
        system(errno.EDQUOT),
        "/data/struere.db cannot be written, since its disk is full; make room on it",
    ),
    "a full database": (apsw.FullError("full"), "cannot be written, since its disk is full; make room on it"),
    "missing rights": (system(errno.EACCES), "cannot be used (/data: Permission denied); give this user the right to"),
    "a read-only database": (
        apsw.ReadOnlyError("read-only"),
        "cannot be used (read-only); give this user the right to",
    ),
    "damage": (apsw.CorruptError("malformed"), "is damaged (malformed); restore a backup of it with: struere-local "),
    "no database": (apsw.NotADBError("none"), "is damaged (none); restore a backup of it with: struere-local restore"),
    "a lock": (apsw.BusyError("locked"), "is locked by another program; try again when that has ended"),
    "anything else": (apsw.IOError("bad"), "Cannot use /data/struere.db (bad); name another file with --database"),
}


@pytest.mark.parametrize(("error", "sentence"), SAID.values(), ids=SAID)
def test_a_sentence_says_what_to_do_about(error: Exception, sentence: str) -> None:
    with pytest.raises(Refused) as caught, explained(PATH):
        raise error
    assert sentence in str(caught.value)
    assert str(PATH) in str(caught.value)


def test_bugs_are_not_explained() -> None:
    with pytest.raises(ZeroDivisionError), explained(PATH):
        raise ZeroDivisionError
