"""What Linux tells of a server's worker processes."""

import re
from pathlib import Path


def memory(pid: int) -> int:
    """Return the bytes that a process holds in memory."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """Return the most bytes that a process held in memory since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Begin to measure the peak anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def open_files(pid: int) -> int:
    """Return how many file descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _status(pid: int, name: str) -> int:
    found = re.search(f"^{name}:\\s+(\\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024
