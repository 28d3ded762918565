"""A VFS over the real file system that keeps account of what a power cut would leave of it, and cuts the power.

What was written is durable once its file is synced, a name once its folder is. Of the rest a cut keeps what its dice
say, sector by sector: so writes are lost, torn, and kept before others that came earlier. What a sync that fails leaves
is as unsure, and no later sync mends it, as on Linux: https://lwn.net/Articles/752063/.
"""

import itertools
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

NUMBERS = itertools.count()
# unixOpen of SQLite's os_unix.c syncs the folder with the first sync of a file that it opens so.
SYNCED_WITH_FOLDER = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


class PowerCut(Exception):
    """Raised by whatever is asked of the disk from the cut on."""


class Record:
    """One file: what is durable of it, and what was done to it since, in order."""

    def __init__(self, durable: bytes) -> None:
        self.durable = durable
        self.pending: list[tuple[int, bytes | None]] = []  # offset and data; or a size to truncate to, and None

    def sync(self) -> None:
        self.durable, self.pending = self.after(lambda: True, sector=2**30), []

    def fail_to_sync(self, dice: random.Random) -> None:
        self.durable, self.pending = self.after(lambda: dice.random() < 0.5, sector=512), []

    def after(self, keep: Callable[[], bool], sector: int) -> bytes:
        """Return the file with the pending sectors and truncations that are kept."""
        content = bytearray(self.durable)
        for start, data in self.pending:
            if data is None:
                if keep():
                    resize(content, start)
                continue
            for begin, end in sectors(start, start + len(data), sector):
                if keep():
                    resize(content, max(len(content), end))
                    content[begin:end] = data[begin - start : end - start]
        return bytes(content)


class Disk:
    """The files of one folder, as a power cut at a numbered operation would leave them."""

    def __init__(self, folder: Path, cut_at: int, dice: random.Random) -> None:
        self.folder = folder
        self.operations = 0
        self.cut_at = cut_at
        self.dice = dice
        self.failing_syncs = 0.0  # of all
        self._records: dict[int, Record] = {}  # by inode: a file keeps its own when it is renamed
        self._held: list[int] = []
        self._names: dict[str, int] = {}  # those that are durable

    @property
    def is_cut(self) -> bool:
        return self.operations >= self.cut_at

    def count(self) -> None:
        """Count an operation; at the cut and after it, there are none."""
        if not self.is_cut:
            self.operations += 1
        if self.is_cut:
            raise PowerCut

    def record(self, path: str) -> Record:
        inode = os.stat(path).st_ino
        if inode not in self._records:
            # An inode that is held is not given to another file.
            self._held.append(os.open(path, os.O_RDONLY))
            self._records[inode] = Record(b"")
        return self._records[inode]

    def sync_folder(self) -> None:
        self._names = self._current()

    def sync(self, record: Record) -> None:
        if self.dice.random() < self.failing_syncs:
            record.fail_to_sync(self.dice)
            raise apsw.IOError
        record.sync()

    def sync_descriptor(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if os.path.samestat(status, os.stat(self.folder)):
            self.sync_folder()
        elif status.st_ino in self._records:
            self._records[status.st_ino].sync()

    def remains(self) -> dict[str, bytes]:
        """Return the files that are found when the power is back."""
        dice = self.dice
        share = dice.choice([0, 0.1, 0.5, 0.9, 1])
        sector = dice.choice([512, 4096])
        current = self._current()
        names = {
            name: inode
            for name in sorted({*self._names, *current})
            if (inode := dice.choice([self._names.get(name), current.get(name)])) is not None
        }
        return {
            name: self._records[inode].after(lambda: dice.random() < share, sector) for name, inode in names.items()
        }

    def close(self) -> None:
        for descriptor in self._held:
            os.close(descriptor)

    def _current(self) -> dict[str, int]:
        """Return the inodes by name; the wal-index and the files that were never written through are not kept."""
        inodes = {entry.name: entry.inode() for entry in os.scandir(self.folder)}
        return {name: inode for name, inode in inodes.items() if inode in self._records}


class File(apsw.VFSFile):
    """A file whose writes and syncs its disk counts and remembers."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = name if isinstance(name, str) else name.filename() if name else None
        self._folder_too = bool(flags[0] & SYNCED_WITH_FOLDER and flags[0] & apsw.SQLITE_OPEN_CREATE)
        self._record = disk.record(self._path) if self._path else Record(b"")

    def xWrite(self, data: Any, offset: int) -> None:
        self._record.pending.append((offset, bytes(data)))
        self._disk.count()
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._record.pending.append((size, None))
        self._disk.count()
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self._disk.count()
        self._disk.sync(self._record)
        if self._folder_too:
            self._disk.sync_folder()
            self._folder_too = False

    def excepthook(self, *error: Any) -> Any:
        return pass_by(super().excepthook, *error)


class VFS(apsw.VFS):
    """The file system of a disk; it is registered under a name of its own."""

    def __init__(self, disk: Disk) -> None:
        self.name = f"disk {next(NUMBERS)}"
        self._disk = disk
        super().__init__(self.name, base="unix")

    def xOpen(self, name: Any, flags: list[int]) -> File:
        self._disk.count()
        return File(self._disk, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:
        self._disk.count()
        super().xDelete(name, False)
        if sync_folder:
            self._disk.sync_folder()

    def excepthook(self, *error: Any) -> Any:
        return pass_by(super().excepthook, *error)


@contextmanager
def mounted(disk: Disk) -> Iterator[str]:
    """Give the name of the disk's VFS; what the program itself syncs is accounted for as well."""
    real, vfs = os.fsync, VFS(disk)

    def fsync(descriptor: int) -> None:
        disk.count()
        disk.sync_descriptor(descriptor)

    os.fsync = fsync
    try:
        yield vfs.name
    finally:
        os.fsync = real
        vfs.unregister()
        disk.close()


def pass_by(tell: Callable[..., Any], kind: type[BaseException], *rest: Any) -> Any:
    """Let a cut pass in silence where SQLite takes no error, and tell anything else."""
    return True if issubclass(kind, PowerCut) else tell(kind, *rest)


def resize(content: bytearray, size: int) -> None:
    content[:] = content[:size].ljust(size, b"\0")


def sectors(start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a range that lie in one sector each."""
    while start < end:
        stop = min(end, (start // size + 1) * size)
        yield start, stop
        start = stop
