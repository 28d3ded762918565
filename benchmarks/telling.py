"""What people see while they wait: lines on standard error."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

TOLD_EVERY = 2.0  # seconds

Item = TypeVar("Item")


def tell(text: str) -> None:
    """Write a line for people."""
    print(text, file=sys.stderr, flush=True)


def progress(items: Iterable[Item], label: str) -> Iterator[Item]:
    """Yield items and tell every now and then how many it were."""
    told = time.monotonic()
    for count, item in enumerate(items, start=1):
        if time.monotonic() - told > TOLD_EVERY:
            told = time.monotonic()
            tell(f"{label}: {count:,}")
        yield item
