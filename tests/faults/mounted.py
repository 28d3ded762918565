"""Run a start on a file system of its own, in a mount namespace that goes with the process: a program for `unshare`.

python -m tests.faults.mounted KIND FOLDER DATABASE COMMAND... prints how the command ended, as JSON.
"""

import ctypes
import errno
import json
import os
import shutil
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.faults.starts import attempt

# https://github.com/torvalds/linux/blob/master/include/uapi/linux/fuse.h
LOOKUP, FORGET, GETATTR, INIT, BATCH_FORGET = 1, 2, 3, 26, 42
REQUEST = struct.Struct("<IIQQ16x")
ANSWER = struct.Struct("<IiQ")
INITIAL = struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 1, 1, 65536, 1, 0, 0, 0)
FOLDER = struct.pack("<QII" + "6Q10I", 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
ROOM = 24 * 1024  # bytes that a full disk has left: less than the smallest database


def mount(source: str, folder: Path, kind: str, options: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), bytes(folder), kind.encode(), 0, options.encode()):
        raise OSError(ctypes.get_errno(), f"mount {kind}: {os.strerror(ctypes.get_errno())}")


def network(folder: Path, database: Path) -> None:
    """Mount an empty folder of another machine, as Linux knows it; this process answers for that machine."""
    device = os.open("/dev/fuse", os.O_RDWR)
    mount("elsewhere:/data", folder, "fuse.sshfs", f"fd={device},rootmode=40000,user_id=0,group_id=0")
    threading.Thread(target=answer, args=(device,), daemon=True).start()


def answer(device: int) -> None:
    while True:
        _, operation, unique, _ = REQUEST.unpack_from(os.read(device, 2**17))
        known = {INIT: INITIAL, GETATTR: FOLDER}
        failed = 0 if operation in known else -errno.ENOENT if operation == LOOKUP else -errno.ENOSYS
        body = known.get(operation, b"")
        if operation not in (FORGET, BATCH_FORGET):
            os.write(device, ANSWER.pack(ANSWER.size + len(body), failed, unique) + body)


def full(folder: Path, database: Path) -> None:
    """Mount a disk with hardly any room, for a database that is yet to be made or is there."""
    existing = database.read_bytes() if database.exists() else None
    mount("disk", folder, "tmpfs", "size=1m,mode=700")
    if existing is not None:
        database.write_bytes(existing)
    with (folder / "filler").open("wb") as filler, suppress(OSError):
        room = ROOM if existing is None else 0
        filler.write(bytes(shutil.disk_usage(folder).free - room))


def read_only(folder: Path, database: Path) -> None:
    """Mount a disk that nothing can be written to, with the database on it and what is beside that."""
    existing = {path: path.read_bytes() for path in folder.iterdir()}
    mount("disk", folder, "tmpfs", "size=1m,mode=700")
    for path, content in existing.items():
        path.write_bytes(content)
    libc = ctypes.CDLL(None)
    assert libc.mount(None, bytes(folder), None, 0x20 | 1, None) == 0  # MS_REMOUNT, MS_RDONLY


KINDS: dict[str, Callable[[Path, Path], None]] = {"network": network, "full": full, "read-only": read_only}


def main(kind: str, folder: str, database: str, *command: str) -> None:
    # What is mounted here stays in this namespace.
    libc = ctypes.CDLL(None)
    assert libc.mount(b"none", b"/", None, 0x44000, None) == 0  # MS_REC, MS_PRIVATE
    KINDS[kind](Path(folder), Path(database))
    watched = Path(folder) if kind != "network" else Path(folder).parent / "nothing"
    watched.mkdir(exist_ok=True)
    print(json.dumps(attempt(command, {"STRUERE_DATABASE": database, "STRUERE_PORT": "0"}, Path.cwd(), watched)))


if __name__ == "__main__":
    main(*sys.argv[1:])
