"""Rounds of several contenders in turn: A B, then B A, so that what the machine does meanwhile meets all alike."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from benchmarks.contender import Contender, Server
from benchmarks.ratios import Row
from benchmarks.tasks import Operation
from benchmarks.telling import tell

Item = TypeVar("Item")


class Entry(NamedTuple):
    """A contender in the rounds of an operation: under which name, and with which operation of its own."""

    name: str
    contender: Contender
    operation: Operation


def measured(entries: Sequence[Entry], operation: Operation, rounds: int, seconds: int) -> Iterator[Row]:
    """Check each entry, then yield its row of every round."""
    ready = [entry for entry in entries if entry.contender.prepare(entry.operation)]
    for number in range(rounds):
        for entry in in_turn(ready, number):
            found = entry.contender.measure(entry.operation, seconds, number)
            tell(
                f"{operation.name}, round {number + 1} of {rounds}, {entry.name} at {entry.contender.size:,}: "
                f"{found.rate:,.0f}/s, p50 {found.p50 / 1000:.2f} ms, p99 {found.p99 / 1000:.2f} ms"
            )
            yield Row(operation.name, entry.name, entry.contender.size, number, *found)


def started(servers: Sequence[Server], rounds: int) -> Iterator[Row]:
    """Start each server in every round and leave it running after the last; its latency is the time to an answer."""
    for number in range(rounds):
        for server in in_turn(servers, number):
            server.close()
            took = server.start()
            tell(f"start, round {number + 1} of {rounds}, {server.name} at {server.size:,}: {took:.3f} s")
            process = server.running()
            latency, cpu, memory = took * 1e6, process.cpu() * 1e6, process.memory()
            yield Row("start", server.name, server.size, number, 1 / took, 1, latency, latency, cpu, memory)


def in_turn(items: Sequence[Item], number: int) -> Sequence[Item]:
    """Return items in their order, and in every other round in the opposite one."""
    return items[::-1] if number % 2 else items
