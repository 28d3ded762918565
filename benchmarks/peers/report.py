"""The table of a run beside peers, from its rows alone. Pure."""

from collections.abc import Sequence

from benchmarks.peers.peer import Peer
from benchmarks.ratios import Row, Side, median, ratio, select
from benchmarks.report import FLASK, SERVER, Cell, costs, measured, sizes_of, table
from benchmarks.tasks import Operation

HEADER = [
    "operation", "server", "requests/s", "struere-local is so many times as fast", "goal", "CPU: its through own",
    "a constant by Flask is so many times as fast", "p50 ms", "p99 ms", "CPU µs", "memory MiB", "how",
]  # fmt: skip


def report(rows: Sequence[Row], about: Sequence[str], peers: Sequence[type[Peer]]) -> str:
    """Return the report of a run."""
    parts = ["# struere-local beside its peers", "\n".join(f"- {line}" for line in about)]
    for size in sizes_of(rows):
        lines = [line for operation in measured(rows) for line in _lines(rows, operation, size, peers)]
        parts += [f"## {size:,} entities", table(HEADER, lines)]
        parts += [table(["server", "start s", "memory MiB at the start"], _starts(rows, size))]
    parts.append("Ratios: median over rounds (least to most); ✗ where the median misses the goal. See ../README.md.")
    return "\n\n".join(parts) + "\n"


def _lines(rows: Sequence[Row], operation: Operation, size: int, peers: Sequence[type[Peer]]) -> list[list[object]]:
    own, floor = Side(SERVER, size), Side(FLASK, size)
    lines = [_line(rows, operation, side) for side in (own, floor) if select(rows, operation.name, side)]
    for peer in peers:
        side = Side(peer.label, size)
        if select(rows, operation.name, side):
            goal, how = peer.goals.get(operation.kind), peer.how.get(operation.kind, "")
            lines.append(_line(rows, operation, side, goal, how))
        else:
            gap = peer.cannot.get(operation.kind, "not measured")
            lines.append([operation.name, peer.label, *["-"] * (len(HEADER) - 3), gap])
    return lines


def _line(
    rows: Sequence[Row], operation: Operation, side: Side, goal: float | None = None, how: str = ""
) -> list[object]:
    name, own, floor = operation.name, Side(SERVER, side.size), Side(FLASK, side.size)
    found = select(rows, name, side)
    return [
        name,
        side.contender,
        f"{median(found, 'rate'):,.1f}",
        "1" if side == own else Cell(ratio(rows, name, "rate", own, side), goal),
        "-" if goal is None else f"{goal:g}",
        "1" if side == own else Cell(ratio(rows, name, "cpu", side, own), goal),
        "1" if side == floor else Cell(ratio(rows, name, "rate", floor, side), goal),
        *costs(found),
        how,
    ]


def _starts(rows: Sequence[Row], size: int) -> list[list[object]]:
    found = [row for row in rows if row.operation == "start" and row.size == size]
    return [[row.contender, f"{row.p50 / 1e6:.2f}", f"{row.memory / 2**20:,.0f}"] for row in found]
