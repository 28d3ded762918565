"""Tables of a run in Markdown, from its rows alone. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.ratios import Row, Side, Spread, median, ratio, select
from benchmarks.tasks import OPERATIONS, Operation

SERVER, FLASK, APSW, OWN_CREATE = "struere-local", "flask", "apsw", "own create"
AFTER_ALL = "after all"  # the rows of memory, after every operation
MOST_P99_OF_CREATE, MOST_START, MOST_MEMORY, MOST_MEMORY_GROWN = 3, 1.4, 1.35, 2


class Cell(NamedTuple):
    """A ratio in a table, with its goal if there is one."""

    spread: Spread | None
    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        if self.spread is None:
            return "-"
        middle, least, most = self.spread
        verdict = "" if self.is_met() else " ✗"
        return f"**{middle:.2f}** ({least:.2f} to {most:.2f}){verdict}"

    def is_met(self) -> bool:
        """Tell whether the median is as the goal wants it."""
        middle = self.spread.median if self.spread else 0
        return (self.least is None or middle >= self.least) and (self.most is None or middle <= self.most)


def sizes_of(rows: Sequence[Row]) -> list[int]:
    """Return the sizes that the server was measured at."""
    return sorted({row.size for row in rows if row.contender == SERVER})


def report(rows: Sequence[Row], about: Sequence[str]) -> str:
    """Return the report of a run of the server against its floors."""
    sizes = sizes_of(rows)
    parts = ["# struere-local against its floors", "\n".join(f"- {line}" for line in about)]
    for size in sizes:
        parts += [f"## {size:,} entities", operations_table(rows, size)]
    parts += ["## Floors", floors_table(rows)]
    if len(sizes) > 1:
        parts += [f"## Growth: median latency at {sizes[-1]:,} through that at {sizes[0]:,}", growth_table(rows)]
    parts += ["## Start and memory", resources_table(rows)]
    parts.append("Ratios: median over rounds (least to most); ✗ where the median misses the goal. See ../README.md.")
    return "\n\n".join(parts) + "\n"


def operations_table(rows: Sequence[Row], size: int) -> str:
    """Return the table of the server's operations at a size."""
    header = [
        "operation", "requests/s", "of the floor's", "goal", "CPU: floor's through own", "p99: own through floor's",
        "p50 ms", "p99 ms", "CPU µs", "memory MiB", "of apsw's",
    ]  # fmt: skip
    lines = []
    for operation in measured(rows):
        own, floor = Side(SERVER, size), floor_of(rows, operation, size)
        found = select(rows, operation.name, own)
        if found:
            most = MOST_P99_OF_CREATE if operation.kind == "create" else None
            lines.append(
                [
                    operation.name,
                    f"{median(found, 'rate'):,.0f}",
                    Cell(ratio(rows, operation.name, "rate", own, floor), operation.least),
                    f"{operation.least:.2f}",
                    Cell(ratio(rows, operation.name, "cpu", floor, own)),
                    Cell(ratio(rows, operation.name, "p99", own, floor), most=most),
                    *costs(found),
                    Cell(ratio(rows, operation.name, "rate", own, Side(APSW, size))),
                ]
            )
    return table(header, lines)


def floors_table(rows: Sequence[Row]) -> str:
    """Return the table of what the floors did, beside each operation."""
    lines = []
    for operation in measured(rows):
        sides = {Side(row.contender, row.size) for row in rows if row.operation == operation.name}
        for side in sorted(sides):
            if side.contender != SERVER:
                found = select(rows, operation.name, side)
                name = side.contender if side.contender == FLASK else f"{side.contender}, {side.size:,}"
                lines.append([operation.name, name, f"{median(found, 'rate'):,.0f}", *costs(found)])
    return table(["beside", "floor", "requests/s", "p50 ms", "p99 ms", "CPU µs", "memory MiB"], lines)


def growth_table(rows: Sequence[Row]) -> str:
    """Return the table of latencies at the largest size through those at the smallest."""
    small, *_, large = sizes_of(rows)
    lines = []
    for operation in measured(rows):
        grown = ratio(rows, operation.name, "p50", Side(SERVER, large), Side(SERVER, small))
        goal = "-" if operation.growth is None else f"{operation.growth:.2f}"
        raw = ratio(rows, operation.name, "p50", Side(APSW, large), Side(APSW, small))
        latencies = [
            f"{median(select(rows, operation.name, Side(SERVER, size)), 'p50') / 1000:,.2f}" for size in (small, large)
        ]
        lines.append([operation.name, *latencies, Cell(grown, most=operation.growth), goal, Cell(raw)])
    return table(["operation", "p50 ms, small", "p50 ms, large", "growth", "at most", "growth of apsw"], lines)


def resources_table(rows: Sequence[Row]) -> str:
    """Return the table of the seconds from the command to the first answer, and of memory after all operations."""
    sizes = sizes_of(rows)
    flask = next(Side(row.contender, row.size) for row in rows if row.contender == FLASK)
    lines = []
    for side in [flask, *(Side(SERVER, size) for size in sizes)]:
        name = side.contender if side == flask else f"{side.contender}, {side.size:,}"
        start, memory = (median(select(rows, "start", side), "p50"), median(select(rows, AFTER_ALL, side), "memory"))
        grown = ratio(rows, AFTER_ALL, "memory", side, Side(SERVER, sizes[0])) if side != flask else None
        lines.append(
            [
                name,
                f"{start / 1e6:.3f}",
                Cell(ratio(rows, "start", "p50", side, flask), most=MOST_START),
                f"{memory / 2**20:.0f}",
                Cell(
                    ratio(rows, AFTER_ALL, "memory", side, flask), most=MOST_MEMORY if side.size == sizes[0] else None
                ),
                Cell(grown, most=MOST_MEMORY_GROWN),
            ]
        )
    own = f"of own at {sizes[0]:,}, at most {MOST_MEMORY_GROWN}"
    return table(
        ["server", "start s", f"of flask's, at most {MOST_START}", "memory MiB after all", "of flask's", own], lines
    )


def measured(rows: Sequence[Row]) -> list[Operation]:
    """Return the operations that have rows."""
    names = {row.operation for row in rows}
    return [operation for operation in OPERATIONS if operation.name in names]


def floor_of(rows: Sequence[Row], operation: Operation, size: int) -> Side:
    """Return what an operation is compared with: a patch with the create of the same round, all else with Flask."""
    if operation.kind == "patch":
        return Side(OWN_CREATE, size)
    return next((Side(row.contender, row.size) for row in rows if row.contender == FLASK), Side(FLASK, size))


def costs(rows: Sequence[Row]) -> list[str]:
    """Return the cells of latency, CPU and memory."""
    middle = {field: median(rows, field) for field in ("p50", "p99", "cpu", "memory")}
    return [
        f"{middle['p50'] / 1000:,.2f}",
        f"{middle['p99'] / 1000:,.2f}",
        f"{middle['cpu']:,.0f}",
        f"{middle['memory'] / 2**20:,.0f}",
    ]


def table(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    written = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in written)
