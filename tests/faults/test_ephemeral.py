"""What an ephemeral server leaves when it is killed, the next one removes, and nothing else."""

import os
import signal
from pathlib import Path

import pytest

from tests.server import Server, serve, until


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """A folder for temporary files that no other test uses."""
    return {"TMPDIR": str(tmp_path)}


def folders(parent: Path) -> set[Path]:
    return {path for path in parent.iterdir() if path.name.startswith("struere-local-")}


def kill(server: Server) -> Path:
    """Kill a server with all its processes and return the folder that it leaves."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    return server.database.parent


def test_the_next_start_removes_what_a_killed_server_left(tmp_path: Path, variables: dict[str, str]) -> None:
    with serve(variables=variables) as killed:
        left = kill(killed)
        assert (left / "struere.db").exists()
        with serve(variables=variables) as server:
            assert folders(tmp_path) == {server.database.parent}
            assert server.stop() == 0
        assert folders(tmp_path) == set()


def test_servers_that_live_keep_their_folders(tmp_path: Path, variables: dict[str, str]) -> None:
    with serve(variables=variables) as killed, serve(variables=variables) as living:
        assert folders(tmp_path) == {killed.database.parent, living.database.parent}
        kill(killed)
        with serve(variables=variables) as next_one:
            assert folders(tmp_path) == {next_one.database.parent, living.database.parent}
            assert living.get("/v1/entity-types") == {"data": []}


def test_workers_that_outlive_their_arbiter_keep_the_folder_until_they_end(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with serve(variables=variables) as server:
        (worker,) = server.workers(1)
        os.kill(worker, signal.SIGSTOP)
        try:
            server.process.kill()
            server.process.wait()
            with serve(variables=variables):
                assert server.database.exists()
        finally:
            os.kill(worker, signal.SIGCONT)
        until(lambda: not Path(f"/proc/{worker}").exists())
        with serve(variables=variables):
            assert not server.database.exists()


def test_what_only_looks_like_a_folder_of_ours_stays(tmp_path: Path, variables: dict[str, str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "in-use").touch()
    (tmp_path / "struere-local-file").touch()
    (tmp_path / "struere-local-folder").mkdir()
    (tmp_path / "struere-local-link").symlink_to(other)
    before = set(tmp_path.rglob("*"))
    with serve(variables=variables):
        assert set(tmp_path.rglob("*")) > before
    assert set(tmp_path.rglob("*")) == before
