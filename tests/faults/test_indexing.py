"""A command that fills an index and is killed at any moment harms nothing, and the next one goes on from there."""

import json
import random
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from app.config import load
from app.parts import assemble
from app.storage.check import problems
from app.storage.database import Database
from app.storage.outside import Outside
from tests.exact.planted import plant
from tests.profiles import rounds
from tests.server import COMMAND, environment, run

FILE = "slug: customer\nname: Customer\nschema: {}\nindexes: ["
COUNT = 20_000
HALF = """
from struere_local.storage import entries
every = entries.of_type
entries.of_type = lambda *of: (entry for entry in every(*of) if entry[1] > 10000)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a database of customers."""
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "customer.yaml").write_text(f"{FILE}]\n")
    lines = (json.dumps({"type": "customer", "data": {"n": number * 7919 % COUNT}}) for number in range(COUNT))
    (tmp_path / "customers.jsonl").write_text("\n".join(lines))
    for arguments in (("types", "apply", "types"), ("import", "customers.jsonl")):
        assert run(*arguments, folder=tmp_path).returncode == 0
    (tmp_path / "types" / "customer.yaml").write_text(f"{FILE}n]\n")
    return tmp_path


def opened(folder: Path) -> Database:
    return assemble(load({"DATABASE": folder / "instance" / "struere.db"}), Outside()).database


def apply_and_kill(folder: Path, seconds: float) -> None:
    """Kill the command so long after it has begun to fill."""
    command = [COMMAND, "types", "apply", "types"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()


def test_a_kill_in_the_middle_of_filling_harms_nothing(folder: Path) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    filled = -1
    for _ in range(rounds(3, 30)):
        apply_and_kill(folder, dice.uniform(0, 0.05))
        with closing(opened(folder)) as database:
            assert list(problems(database)) == [], seed
            count = database.connection.execute("SELECT count(*) FROM field_1").get
        assert count >= filled, seed
        filled = count
    done = run("types", "apply", "types", folder=folder)
    assert done.returncode == 0, done.stderr
    explained = run("explain", "customer", '{"n": 7919}', "--json", folder=folder)
    assert [json.loads(explained.stdout)[name] for name in ("field", "scanned", "matched")] == ["n", 1, 1], seed


def test_the_check_finds_an_index_that_lacks_half(folder: Path, tmp_path: Path) -> None:
    planted = run("types", "apply", "types", folder=folder, command=plant(tmp_path, HALF))
    assert planted.returncode == 0, planted.stderr
    with closing(opened(folder)) as database:
        assert list(problems(database)) == [f"The index of field n, table field_1, lacks entries: {COUNT // 2}"]
