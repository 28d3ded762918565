"""Files that are put in place whole or not at all."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from app.storage import files
from app.storage.errors import Refused
from app.storage.files import SIDECARS, locked, make_folder, replacing


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "file"
    target.write_text("old")
    return target


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_draft_takes_the_place_of_a_file_when_it_is_complete(target: Path) -> None:
    with replacing(target) as draft:
        draft.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert names(target.parent) == {"file"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_the_file_is_as_it_was(target: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with replacing(target) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert names(target.parent) == {"file"}


def test_what_a_kill_left_is_taken_over(target: Path) -> None:
    for ending in ("", *SIDECARS):
        target.with_name(f".file.struere-draft{ending}").write_text("half of another")
    with replacing(target) as draft:
        assert draft.read_text() == ""
        assert names(target.parent) == {"file", ".file.struere-draft"}
        draft.write_text("new")
    assert target.read_text() == "new"
    assert names(target.parent) == {"file"}


def test_a_draft_that_another_is_writing_is_left_alone(target: Path) -> None:
    draft = target.with_name(".file.struere-draft")
    draft.write_text("half")
    with draft.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with (
            pytest.raises(Refused, match=r"\.file\.struere-draft is being written by another command"),
            replacing(target),
        ):
            pass
    assert (target.read_text(), draft.read_text()) == ("old", "half")


def test_a_draft_that_is_a_link_is_not_followed(target: Path) -> None:
    target.with_name(".file.struere-draft").symlink_to(target)
    with pytest.raises(OSError, match=r"\.file\.struere-draft"), replacing(target):
        pass
    assert target.read_text() == "old"


def test_a_draft_that_was_put_in_place_meanwhile_is_not_written_to(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft, flock = target.with_name(".file.struere-draft"), fcntl.flock
    draft.write_text("of another")

    def put_in_place_first(descriptor: int, operation: int) -> None:
        if target.read_text() == "old":
            os.replace(draft, target)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", put_in_place_first)
    with replacing(target):
        assert target.read_text() == "of another"


def test_one_at_a_time_has_a_database_locked_and_nothing_stays_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PATIENCE", 20)
    path = tmp_path / "struere.db"
    for _ in range(2):
        with (
            locked(path),
            pytest.raises(Refused, match=r"struere\.db is being made, migrated or restored"),
            locked(path),
        ):
            pass
    assert names(tmp_path) == set()


def test_another_database_of_the_folder_is_not_locked(tmp_path: Path) -> None:
    with locked(tmp_path / "a.db"), locked(tmp_path / "b.db"):
        assert names(tmp_path) == {"a.db-opening", "b.db-opening"}


def test_a_lock_that_a_kill_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "a.db-opening").touch()
    with locked(tmp_path / "a.db"):
        pass
    assert names(tmp_path) == set()


def test_where_no_lock_can_be_made_nothing_is_locked(tmp_path: Path) -> None:
    (tmp_path / "a.db-opening").mkdir()
    with locked(tmp_path / "a.db"):
        pass
    assert names(tmp_path) == {"a.db-opening"}


def test_folders_are_made_as_far_as_they_are_missing(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "a")
