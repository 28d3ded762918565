"""A server on a disk of two megabytes: full, it says so and reads on; with room again, it writes as before."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.exact.planted import plant
from tests.faults import planted
from tests.server import COMMAND, CUSTOMERS, Server, run, serve

MOST = 1_000  # of the larger ones have room in two megabytes
FULL = {"error": "Storage is full"}
SAMPLES = (CUSTOMERS / "entities" / "customer.jsonl").read_text().splitlines()
PATH = "/v1/data/customer"
SIZES = (2_000, 10)  # letters of an entity: the last fill what the others leave


def mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.mkdir()
    mounted = mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path))
    if mounted.returncode:
        pytest.skip(f"a file system of two megabytes cannot be mounted here: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(server: Server) -> dict[str, object]:
    """Create customers until there is no room for the smallest, and return what was acknowledged, by path."""
    created: dict[str, object] = {}
    for size in SIZES:
        for _ in range(MOST):
            response = server.request("POST", PATH, json={"data": {"name": "x" * size}})
            if response.status_code != 201:
                break
            created[response.headers["Location"]] = response.json()
        assert (response.status_code, response.json()) == (500, FULL)
    return created


def fill_and_make_room(disk: Path, folder: Path, command: Path = COMMAND) -> None:
    """Fill the disk by a server, read, and let it go on with a larger one; everything acknowledged must be there."""
    database = ("--database", str(disk / "struere.db"))
    options = (*database, "--project", str(CUSTOMERS), "--limits", "off")
    with serve(*options, folder=folder, command=command) as server:
        created = fill(server)
        assert len(created) > 20
        first, *_, last = created
        assert server.request("PATCH", first, json={"data": {"name": "y" * 20_000}}).json() == FULL
        deletion = server.request("DELETE", last).json()
        assert deletion in (FULL, {"success": True})
        if deletion != FULL:
            del created[last]
        look(server, created)
        assert "apsw.FullError" in server.errors()

        assert mount("-o", "remount,size=8m", str(disk)).returncode == 0
        more = [server.create({"name": "x" * 20_000}) for _ in range(20)]
        created |= {f"{PATH}/{entity['id']}": entity for entity in more}
        assert server.request("DELETE", first).json() == {"success": True}
        del created[first]
        look(server, created)
    checked = run("check", *database, folder=folder)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr


def look(server: Server, created: Mapping[str, object]) -> None:
    """Get, list and search what was created."""
    assert {path: server.get(path) for path in created} == created
    assert server.get(f"{PATH}?limit=100")["data"][len(SAMPLES) :] == list(created.values())
    found = server.request("POST", f"{PATH}/search", json={"query": "jane"})
    assert [entity["data"]["name"] for entity in found.json()["data"]] == ["Jane Doe"]
    assert server.get("/health")["status"] == "ok"


def test_a_full_disk_stops_writes_alone_and_room_lets_them_go_on(disk: Path, tmp_path: Path) -> None:
    fill_and_make_room(disk, tmp_path)


@pytest.mark.parametrize("bug", [planted.swallow_a_full_disk, planted.roll_back_what_is_rolled_back])
def test_a_planted_bug_is_caught(disk: Path, tmp_path: Path, bug: Callable[..., None]) -> None:
    with pytest.raises(AssertionError):
        fill_and_make_room(disk, tmp_path, plant(tmp_path, planted.in_the_command(bug)))
