"""The table of a run beside peers, from its rows alone. Pure."""

from collections.abc import Sequence

from benchmarks.peers.peer import Peer
from benchmarks.ratios import Row, Side, median, ratio, select
from benchmarks.report import SERVER, Cell, costs, measured, sizes_of, table
from benchmarks.tasks import Operation

HEADER = [
    "operation", "server", "requests/s", "struere-local is so many times as fast", "p50 ms", "p99 ms", "CPU µs",
    "memory MiB", "how",
]  # fmt: skip


def report(rows: Sequence[Row], about: Sequence[str], peers: Sequence[type[Peer]]) -> str:
    """Return the report of a run."""
    parts = ["# struere-local beside its peers", "\n".join(f"- {line}" for line in about)]
    for size in sizes_of(rows):
        lines = [line for operation in measured(rows) for line in _lines(rows, operation, size, peers)]
        parts += [f"## {size:,} entities", table(HEADER, lines)]
        parts += [table(["server", "start s", "memory MiB at the start"], _starts(rows, size))]
    parts.append("Ratios: median over rounds (least to most). See ../README.md.")
    return "\n\n".join(parts) + "\n"


def _lines(rows: Sequence[Row], operation: Operation, size: int, peers: Sequence[type[Peer]]) -> list[list[object]]:
    own = Side(SERVER, size)
    found = select(rows, operation.name, own)
    lines: list[list[object]] = [[operation.name, SERVER, f"{median(found, 'rate'):,.1f}", "1", *costs(found), ""]]
    for peer in peers:
        side = Side(peer.label, size)
        found = select(rows, operation.name, side)
        if found:
            times = Cell(ratio(rows, operation.name, "rate", own, side))
            how = peer.how.get(operation.kind, "")
            lines.append([operation.name, peer.label, f"{median(found, 'rate'):,.1f}", times, *costs(found), how])
        else:
            gap = peer.cannot.get(operation.kind, "not measured")
            lines.append([operation.name, peer.label, *["-"] * (len(HEADER) - 3), gap])
    return lines


def _starts(rows: Sequence[Row], size: int) -> list[list[object]]:
    found = [row for row in rows if row.operation == "start" and row.size == size]
    return [[row.contender, f"{row.p50 / 1e6:.2f}", f"{row.memory / 2**20:,.0f}"] for row in found]
