"""Which file systems a database must not lie on: those of a network, which SQLite's write-ahead log does not work on.

https://sqlite.org/wal.html: all processes that use a database must be on one machine.
"""

import os
import re
from pathlib import Path

from .errors import Refused

MOUNTS = Path("/proc/self/mountinfo")  # of Linux; elsewhere nothing is known and nothing refused
NETWORK = {
    *("9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs"),
    *("nfs", "nfs4", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "vboxsf", "vmhgfs"),
    # as fuse. and the name
    *("cephfs", "ceph-fuse", "curlftpfs", "gcsfuse", "goofys", "juicefs", "mfs", "rclone", "s3fs", "seaweedfs"),
    *("smbnetfs", "sshfs", "vmhgfs-fuse"),
}

READ_ONLY_DISK = (
    "{} lies on a read-only file system; copy it, with the files beside it, to a disk that can be written, "
    "and name the copy with --database"
)


def is_on_read_only_disk(path: Path) -> bool:
    """Tell whether nobody can write a file, whatever its rights."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def refuse_network(path: Path) -> None:
    """Raise Refused where a file lies, or would lie, on the file system of a network."""
    if not MOUNTS.exists():
        return
    kind = network_file_system(path, MOUNTS.read_text(errors="surrogateescape"))
    if kind:
        raise Refused(
            f"{path} lies on a network file system ({kind}), which SQLite cannot share safely; "
            "name a file on a local disk with --database"
        )


def network_file_system(path: Path, mounts: str) -> str | None:
    """Return the type of the network file system that an absolute path lies on, by the text of mountinfo, or None."""
    deepest, kind = "", ""
    for line in mounts.splitlines():
        # https://www.kernel.org/doc/html/latest/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts
        mount, _, source = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), mount.split(" ")[4])
        # Of two mounts at one point the later hides the earlier.
        if path.is_relative_to(point) and len(point) >= len(deepest):
            deepest, kind = point, source.split(" ")[0]
    # Sandboxes of containers, such as gVisor's, serve a container's own root by 9p.
    return kind if kind.removeprefix("fuse.") in NETWORK and (kind, deepest) != ("9p", "/") else None
