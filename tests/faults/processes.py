"""What Linux tells of a server's worker processes."""

import re
from pathlib import Path

KIB = 1024  # bytes of what Linux calls kB


def memory(pid: int) -> int:
    """Return the bytes that a process holds in memory."""
    return _status(pid, "VmRSS") * KIB


def peak(pid: int) -> int:
    """Return the most bytes that a process held in memory since `forget_peak`."""
    return _status(pid, "VmHWM") * KIB


def forget_peak(pid: int) -> None:
    """Begin to measure the peak anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def open_files(pid: int) -> int:
    """Return how many file descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def switches(pid: int) -> int:
    """Return how often a process's first thread has stopped of its own accord, to wait for something."""
    return _status(pid, "voluntary_ctxt_switches")


def _status(pid: int, name: str) -> int:
    found = re.search(f"^{name}:\\s+(\\d+)(?: kB)?$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])
