"""What keeps a server small: one heap for all its threads, and modules that are loaded when they are used."""

import subprocess
import sys

import pytest

from tests.server import PATIENCE, environment

HEAPS = """
import ctypes, threading
from app import heap

{first}
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
together = threading.Barrier(4)

def use():
    together.wait()
    library.malloc(10_000)
    together.wait()

threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = library.fopen(b"/dev/stdout", b"w")
library.malloc_info(0, ctypes.c_void_p(file))
library.fclose(ctypes.c_void_p(file))
"""

LARGE_ONES = """
import ctypes
from app import heap

{first}
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

class Information(ctypes.Structure):
    _fields_ = [("counts", ctypes.c_size_t * 10)]

def large():
    return library.mallinfo2().counts[3]

library.mallinfo2.restype = Information
library.free(library.malloc(2**21))
before = large()
library.malloc(2**21)
print(large() - before)
"""
PAGES = """
import ctypes, resource
from app import heap

heap.share()
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def page():
    address = library.malloc(300_000)
    ctypes.memset(address, 1, 300_000)
    library.free(address)

page()
before = faults()
for _ in range(50):
    page()
print(faults() - before)
"""


def run(program: str) -> str:
    """Return what a program prints in a process of its own."""
    return subprocess.check_output([sys.executable, "-c", program], env=environment(), text=True, timeout=PATIENCE)


@pytest.mark.parametrize(("first", "is_shared"), [("heap.share()", True), ("", False)], ids=["shared", "as it was"])
def test_threads_share_one_heap(first: str, is_shared: bool) -> None:
    heaps = run(HEAPS.format(first=first)).count("<heap nr=")
    assert (heaps == 1) is is_shared


@pytest.mark.parametrize(("first", "outside"), [("heap.share()", 1), ("", 0)], ids=["shared", "as it was"])
def test_what_is_large_is_in_no_heap(first: str, outside: int) -> None:
    assert int(run(LARGE_ONES.format(first=first))) == outside


def test_what_a_page_takes_is_kept_for_the_next() -> None:
    assert int(run(PAGES)) < 50


@pytest.mark.parametrize(
    ("name", "program", "is_loaded"),
    [
        ("limits.aio.storage", "", False),
        ("yaml", "", False),
        ("struere_local.cli.backup", "", False),
        ("asyncio.base_events", "/usr/bin/struere-local", False),
        ("asyncio.base_events", "/usr/bin/another", True),
    ],
)
def test_a_start_loads_no_module_that_it_does_not_use(name: str, program: str, is_loaded: bool) -> None:
    line = f"import sys; sys.argv[0] = {program!r}; import struere_local; print({name!r} in sys.modules)"
    assert run(line) == f"{is_loaded}\n"


@pytest.mark.parametrize(("program", "looks"), [("/usr/bin/struere-local", False), ("/usr/bin/another", True)])
def test_a_start_of_our_own_looks_for_no_garbage_but_a_server_does(program: str, looks: bool) -> None:
    lines = f"""
import gc, sys
sys.argv[0] = {program!r}
looks = []
gc.callbacks.append(lambda phase, info: looks.append(phase))
import struere_local
print(bool(looks), gc.isenabled())
"""
    assert run(lines) == f"{looks} True\n"


@pytest.mark.parametrize(
    "use",
    [
        "import asyncio; print(asyncio.run(asyncio.sleep(0, True)))",
        "from limits.aio.strategies import MovingWindowRateLimiter; print(bool(MovingWindowRateLimiter))",
        "from struere_local import json_yaml; print(json_yaml.load('a: 1') == {'a': 1})",
    ],
)
def test_such_a_module_is_there_when_it_is_used(use: str) -> None:
    assert run(f"import sys; sys.argv[0] = 'struere-local'; import struere_local; {use}") == "True\n"
