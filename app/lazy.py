"""Modules that others import and a server never uses: each is loaded once something of it is asked for.

See https://docs.python.org/3/library/importlib.html#importlib.util.LazyLoader.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from pathlib import Path

IS_OUR_OWN = Path(*sys.argv[:1]).name == "struere-local"  # the process

# What limits has for coroutines, and YAML.
RARELY_USED = {"limits.aio", f"{__package__}.json_yaml"}
# With Python 3.11, threads that are the first to use such a module at the same time see half of it: what others may use
# is one of them in a process of our own only.
if IS_OUR_OWN:
    RARELY_USED.add("asyncio")


class Finder:
    """A finder of those modules, as sys.meta_path takes it."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """Return where a module is, and that it is to be loaded later."""
        spec = PathFinder.find_spec(name, path) if name in RARELY_USED else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


sys.meta_path.insert(0, Finder)
