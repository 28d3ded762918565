"""kill -9 in the middle of writing: all that was acknowledged is there, and the server goes on at once.

A write that ended in a broken connection counts as unknown: it may have been stored or not, whole and once.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest

from app.config import load
from app.parts import assemble
from app.storage.check import problems
from app.storage.organizations import Environment, find_organization
from app.storage.outside import Outside
from app.storage.transfer import Transfer
from tests.exact.planted import plant
from tests.faults.writers import Writer, lost, writing
from tests.profiles import rounds
from tests.server import COMMAND, CUSTOMERS, Server, run, serve, until

CLIENTS = 8
KEY = "sk_dev_" + "killed00" * 5
OPTIONS = ("--workers", "4", "--limits", "off", "--key", KEY, "--project", str(CUSTOMERS))


@contextmanager
def started(folder: Path, command: Path = COMMAND, options: tuple[str, ...] = OPTIONS) -> Iterator[Server]:
    """Run a server on the data of a folder, whatever became of the one before."""
    with serve(*options, folder=folder, command=command) as server:
        yield server


def new_writers(server: Server, kill: int) -> list[Writer]:
    shared = server.create({"name": f"shared {kill}"})["id"]
    return [Writer(f"{kill}/{number}", server.address, KEY, shared) for number in range(CLIENTS)]


def write_until_killed(writers: list[Writer], chance: Random, process: int, killpg: bool = True) -> None:
    """Kill a process, or its group, at a random moment after a random number of writes."""
    enough, moment = chance.randint(CLIENTS, 150), chance.uniform(0, 0.01)
    until(lambda: sum(writer.acknowledged for writer in writers) >= enough)
    time.sleep(moment)
    (os.killpg if killpg else os.kill)(process, signal.SIGKILL)


def assert_kept(database_path: Path, writers: list[Writer], seed: int) -> None:
    """Hold the file to what the clients were told, and to being sound."""
    database = assemble(load({"DATABASE": database_path}), Outside()).database
    with closing(database):
        environment = Environment(find_organization(database, "local") or 0, "development")
        stored = {each.id: json.loads(each.data) for each in Transfer(database, Outside(), environment).export()}
        assert list(lost(writers, stored)) == [], f"seed {seed}"
        names = [data["name"] for data in stored.values()]
        assert len(names) == len(set(names)), f"seed {seed}"
        assert list(problems(database)) == [], f"seed {seed}"
    assert [failure for writer in writers for failure in writer.failures] == [], f"seed {seed}"


def kill_servers(folder: Path, seed: int, kills: int, **how: Any) -> list[float]:
    """Kill the process group of a server again and again; return how long each start after a kill took to answer."""
    chance, took, writers = Random(seed), [], list[Writer]()
    for kill in range(kills + 1):
        begun = time.monotonic()
        with started(folder, **how) as server:
            server.get("/v1/data/customer?limit=1", KEY)
            took.append(time.monotonic() - begun)
            assert_kept(server.database, writers, seed)
            if kill == kills:
                break
            writers += new_writers(server, kill)
            with writing(writers[-CLIENTS:]):
                write_until_killed(writers[-CLIENTS:], chance, server.process.pid)
    return took[1:]


def kill_workers(folder: Path, seed: int, kills: int) -> list[float]:
    """Kill one worker again and again; return how long a new client waited for an answer right after each."""
    chance, took, writers = Random(seed), [], list[Writer]()
    with started(folder) as server:
        for kill in range(kills):
            writers += new_writers(server, kill)
            with writing(writers[-CLIENTS:]):
                worker = chance.choice(sorted(server.workers(4)))
                write_until_killed(writers[-CLIENTS:], chance, worker, killpg=False)
                begun = time.monotonic()
                server.get("/v1/data/customer?limit=1", KEY)
                took.append(time.monotonic() - begun)
                until_all_write_on(writers[-CLIENTS:])
            assert_kept(server.database, writers, seed)
        assert server.stop() == 0
        return took


def until_all_write_on(writers: list[Writer]) -> None:
    before = [writer.acknowledged for writer in writers]
    until(lambda: all(writer.acknowledged > count for writer, count in zip(writers, before, strict=True)))


def test_a_server_killed_while_it_writes_has_lost_nothing_and_answers_within_a_second_of_its_next_start(
    tmp_path: Path,
) -> None:
    """From the start of the command to an answer with data, in the median: a busy machine slows down some."""
    took = kill_servers(tmp_path, Random().getrandbits(32), rounds(15, 250))
    print("start to first answer, in seconds:", sorted(round(each, 2) for each in took))
    assert median(took) < 1
    checked = run("check", folder=tmp_path)
    assert (checked.returncode, checked.stderr.endswith(" is sound.\n")) == (0, True)


def test_a_worker_killed_while_it_writes_has_lost_nothing_and_the_others_go_on(tmp_path: Path) -> None:
    took = kill_workers(tmp_path, Random().getrandbits(32), rounds(15, 250))
    print("kill to next answer, in seconds:", sorted(round(each, 2) for each in took))
    assert median(took) < 1
    assert run("check", folder=tmp_path).returncode == 0


ANSWERS_BEFORE_IT_COMMITS = """
import time
from struere_local.storage.group_commit import GroupCommit

def write_group(self):
    with self._transaction(lambda: bool(self._waiting)) as connection:
        for write in self._take():
            write.run(connection, is_alone=True)
            write.tell()
        time.sleep(0.05)

GroupCommit._write_group = write_group
"""


def test_a_planted_acknowledgement_before_the_commit_is_caught(tmp_path: Path) -> None:
    options = ("--threads", "8", "--limits", "off", "--key", KEY, "--project", str(CUSTOMERS))
    command = plant(tmp_path, ANSWERS_BEFORE_IT_COMMITS)
    with pytest.raises(AssertionError, match=r"is not there|, not \{"):
        kill_servers(tmp_path, seed=0, kills=5, command=command, options=options)
