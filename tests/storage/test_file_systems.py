"""Which file systems are those of a network, by the text of mountinfo."""

from pathlib import Path

import pytest

from app.storage import file_systems
from app.storage.errors import Refused
from app.storage.file_systems import network_file_system, refuse_network

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:40 / /home rw,relatime shared:7 master:2 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/ada/local rw - xfs /dev/vdb rw
32 27 0:42 / /srv/two\040words rw - cifs //server/share rw
33 27 0:43 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync,aname=drvfs
34 27 0:44 / /mnt/remote rw - fuse.sshfs ada@server: rw
35 27 0:45 / /mnt/disk rw - fuseblk /dev/sdb1 rw
36 27 0:46 / /mnt/twice rw - nfs server:/a rw
37 36 0:47 / /mnt/twice rw - tmpfs tmpfs rw
38 27 0:48 / /mnt/café rw - ceph server:/ rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/struere.db", None),
        ("/homes/struere.db", None),
        ("/home/ada/struere.db", "nfs4"),
        ("/home/ada/local/struere.db", None),
        ("/srv/two words/a/struere.db", "cifs"),
        ("/srv/two", None),
        ("/mnt/c/struere.db", "9p"),
        ("/mnt/remote/struere.db", "fuse.sshfs"),
        ("/mnt/disk/struere.db", None),
        ("/mnt/twice/struere.db", None),
        ("/mnt/café/struere.db", "ceph"),
    ],
)
def test_the_file_system_of_the_deepest_mount_counts(path: str, kind: str | None) -> None:
    assert network_file_system(Path(path), MOUNTS) == kind


def test_a_container_whose_root_is_served_by_9p_is_no_network() -> None:
    assert network_file_system(Path("/data/struere.db"), "1 0 0:1 / / rw - 9p none rw,trans=fd\n") is None


def test_a_path_on_a_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr(file_systems, "MOUNTS", mounts)
    with pytest.raises(Refused, match=r"/mnt/c/struere.db lies on a network file system \(9p.*name a file on a local"):
        refuse_network(Path("/mnt/c/struere.db"))
    refuse_network(Path("/struere.db"))


def test_where_mounts_are_not_told_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "nowhere")
    refuse_network(Path("/mnt/c/struere.db"))


def test_this_machine_tells_its_mounts(tmp_path: Path) -> None:
    refuse_network(tmp_path / "struere.db")
    if file_systems.MOUNTS.exists():
        assert network_file_system(tmp_path, file_systems.MOUNTS.read_text()) is None
