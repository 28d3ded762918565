"""A reload that cannot be, and a file that is gone: told in a line, and whoever serves goes on serving."""

import os
import signal
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.serve import STOP
from tests.exact.planted import plant
from tests.faults.held import held
from tests.faults.test_stopping import gunicorn
from tests.server import COMMAND, CUSTOMERS, PATIENCE, Server, children, run, serve, until

OPTIONS = ("--limits", "off", "--project", str(CUSTOMERS))
LOCKED = "is locked by another program; try again when that has ended; "
TOKENIZER = "TOKENIZER = 'unicode61 remove_diacritics 0'\n"  # so that zoe no longer finds Zoë


def set_again(server: Server, settings: str) -> None:
    server.database.with_name("config.py").write_text(settings)
    server.process.send_signal(signal.SIGHUP)


def found(server: Server, query: str) -> int:
    answer = server.request("POST", "/v1/data/customer/search", json={"query": query})
    assert answer.status_code == 200
    return len(answer.json()["data"])


def status_of_a_list(address: tuple[str, int], key: str) -> int:
    with closing(HTTPConnection(*address, timeout=PATIENCE)) as connection:
        connection.request("GET", "/v1/data/customer", headers={"Authorization": f"Bearer {key}"})
        return connection.getresponse().status


def pipes(pid: int) -> set[str]:
    """Return the pipes that a process has open, but for its standard ones."""
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            found |= {os.readlink(path)} if int(path.name) > 2 else set()
    return {link for link in found if link.startswith("pipe:")}


def runs(pid: int) -> bool:
    with suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def refuse_a_reload(folder: Path, command: Path = COMMAND) -> None:
    """Set another tokenizer beside a writer that takes longer than the busy timeout, and again after it."""
    with serve(*OPTIONS, folder=folder, variables={"STRUERE_BUSY_TIMEOUT": "200"}, command=command) as server:
        old = server.workers(1)
        server.create({"name": "Zoë"})
        with held(server.database):
            set_again(server, TOKENIZER)
            assert server.told(f"{server.database} {LOCKED}") == "the settings stay as they were."
        assert (children(server.process.pid), found(server, "zoe")) == (old, 1)
        set_again(server, TOKENIZER)
        server.workers(1, without=old)
        assert server.told("The settings were read again") == "."
        assert (found(server, "zoe"), found(server, "zoë")) == (0, 1)
        assert server.stop() == 0
    assert run("check", folder=folder).returncode == 0


def test_a_tokenizer_that_cannot_be_set_beside_a_writer_changes_nothing_and_later_it_can(tmp_path: Path) -> None:
    refuse_a_reload(tmp_path)


def test_a_planted_worker_that_rebuilds_the_indexes_itself_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.server.PATIENCE", 5)
    bug = """
import struere_local
from struere_local import reload

reload.fit = lambda settings: None
struere_local.was_prepared = lambda database: False
"""
    with pytest.raises((AssertionError, OSError)):
        refuse_a_reload(tmp_path, plant(tmp_path, bug))


def test_a_server_goes_on_and_stops_in_time_while_indexes_are_rebuilt(tmp_path: Path) -> None:
    with serve(*OPTIONS, folder=tmp_path) as server:
        old = server.workers(1)
        server.create({"name": "Zoë"})
        with held(server.database):
            set_again(server, TOKENIZER)
            (rebuilding,) = server.workers(2) - old
            os.kill(*old, signal.SIGKILL)
            (new,) = server.workers(2, without=old) - {rebuilding}
            assert found(server, "zoe") == 1
            assert not pipes(new) & pipes(rebuilding)
            set_again(server, TOKENIZER)  # in place of the first
            server.workers(2, without=[rebuilding])
            server.process.terminate()
            assert server.process.wait(STOP) == 0
    assert not list(tmp_path.glob("instance/*-wal"))


def test_a_gunicorn_of_ones_own_serves_on_with_the_indexes_of_before(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--workers", "1", STRUERE_BUSY_TIMEOUT="200") as (process, address, key):
        assert status_of_a_list(address, key) == 200
        old = children(process.pid)
        (tmp_path / "instance").mkdir()
        (tmp_path / "instance" / "config.py").write_text(TOKENIZER)
        with held(tmp_path / "struere.db"):
            process.send_signal(signal.SIGHUP)
            until(lambda: old.isdisjoint(now := children(process.pid)) and len(now) == 1)
            assert status_of_a_list(address, key) == 200  # by the new worker
        assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("between", [True, False], ids=["while it rebuilds", "before it looks"])
def test_a_gunicorn_of_ones_own_stops_in_time_while_indexes_are_rebuilt(
    tmp_path: Path, number: signal.Signals, between: bool
) -> None:
    with gunicorn(tmp_path, "--workers", "1", STRUERE_BUSY_TIMEOUT="60000") as (process, address, key):
        assert status_of_a_list(address, key) == 200
        (tmp_path / "instance").mkdir()
        (tmp_path / "instance" / "config.py").write_text(TOKENIZER)
        old = children(process.pid)
        with held(tmp_path / "struere.db"):
            process.send_signal(signal.SIGHUP)
            rebuilding = until(lambda: children(process.pid) - old) if between else []
            process.send_signal(number)
            assert process.wait(STOP) == 0
            until(lambda: not any(map(runs, rebuilding)))


def test_settings_that_wait_for_a_restart_are_told_at_a_reload(tmp_path: Path) -> None:
    with serve(*OPTIONS, folder=tmp_path) as server:
        old = server.workers(1)
        set_again(server, "DATABASE = 'other.db'\nHOST = '0.0.0.0'\nPORT = 1\nLIMIT_PER_KEY = 'off'\n")
        assert server.told("To change ") == "DATABASE, HOST takes a restart; until then what held at the start does."
        server.workers(1, without=old)
        assert server.get("/v1/data/customer")["data"]


@pytest.mark.parametrize("variable", [{}, {"STRUERE_DURABILITY": "full"}], ids=["by default", "with a variable"])
def test_an_ephemeral_server_finds_nothing_that_waits_for_a_restart(variable: dict[str, str]) -> None:
    with serve(variables=variable) as server:
        old = server.workers(1)
        server.process.send_signal(signal.SIGHUP)
        server.workers(1, without=old)
        assert "restart" not in server.errors()
        assert server.database.exists()


# A file that is moved away


def move_away(server: Server) -> None:
    """Move the file away, kill the worker, and move it back."""
    away = server.database.with_name("away.db")
    before = server.get("/v1/data/customer")
    (worker,) = server.workers(1)
    server.database.rename(away)
    os.kill(worker, signal.SIGKILL)
    server.workers(1, without=[worker])
    told = f"{server.database} is no longer there; move it back, or stop the server and restore a backup"
    assert server.told(told) == ""
    answer = server.request("GET", "/v1/data/customer")
    assert (answer.status_code, answer.json()) == (500, {"error": "Storage cannot be read or written"})
    assert not server.database.exists()
    server.process.send_signal(signal.SIGHUP)
    assert server.told(f"{told}; ") == "the settings stay as they were."
    away.rename(server.database)
    assert server.get("/v1/data/customer") == before


def test_a_worker_makes_no_new_file_in_the_place_of_one_that_was_moved_away(tmp_path: Path) -> None:
    with serve(*OPTIONS, folder=tmp_path) as server:
        move_away(server)
        assert server.stop() == 0


def test_a_planted_worker_that_makes_a_file_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.server.PATIENCE", 5)
    bug = """
from struere_local import serve
from struere_local.storage.migrations import prepare

serve.reopen = prepare
"""
    with serve(*OPTIONS, folder=tmp_path, command=plant(tmp_path, bug)) as server, pytest.raises(AssertionError):
        move_away(server)


def test_a_worker_of_a_gunicorn_of_ones_own_makes_no_new_file_either(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--workers", "1") as (process, address, key):
        assert status_of_a_list(address, key) == 200
        old = children(process.pid)
        (tmp_path / "struere.db").rename(tmp_path / "away.db")
        os.kill(*old, signal.SIGKILL)
        until(lambda: old.isdisjoint(children(process.pid)) and children(process.pid))
        assert status_of_a_list(address, key) == 500
        assert not (tmp_path / "struere.db").exists()
