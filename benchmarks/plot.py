"""A picture of a run: the share of the floor by operation and size, and how latency grows."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.ratios import Row, Side, ratio
from benchmarks.report import SERVER, floor_of, measured, sizes_of

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "struere-local"  # the same rows make the same file

from matplotlib import pyplot as plt  # noqa: E402


def plot(path: Path, rows: Sequence[Row]) -> None:
    """Write the picture of a run to an SVG file."""
    figure, (shares, growth) = plt.subplots(2, figsize=(11, 9), layout="constrained")
    _plot_shares(shares, rows)
    _plot_growth(growth, rows)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _plot_shares(axes: plt.Axes, rows: Sequence[Row]) -> None:
    operations, sizes = measured(rows), sizes_of(rows)
    width = 0.8 / len(sizes)
    for place, size in enumerate(sizes):
        for number, operation in enumerate(operations):
            found = ratio(rows, operation.name, "rate", Side(SERVER, size), floor_of(rows, operation, size))
            if found:
                errors = [[found.median - found.least], [found.most - found.median]]
                label = f"{size:,} entities" if not number else None
                x = number + (place - (len(sizes) - 1) / 2) * width
                axes.bar(x, found.median, width, yerr=errors, color=f"C{place}", label=label)
    for number, operation in enumerate(operations):
        label = "goal at 100,000" if not number else None
        axes.hlines(operation.least, number - 0.45, number + 0.45, color="black", linewidth=1.5, label=label)
    axes.set_ylabel("requests a second, of the floor's")
    axes.set_xticks(range(len(operations)), [operation.name for operation in operations], rotation=20)
    axes.legend()


def _plot_growth(axes: plt.Axes, rows: Sequence[Row]) -> None:
    sizes = sizes_of(rows)
    for number, operation in enumerate(measured(rows)):
        grown = [ratio(rows, operation.name, "p50", Side(SERVER, size), Side(SERVER, sizes[0])) for size in sizes]
        middles = [each.median if each else float("nan") for each in grown]
        style = "--" if number > 9 else "-"  # there are ten colors
        axes.plot(sizes, middles, style, marker="o", label=operation.name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("entities")
    axes.set_ylabel(f"median latency, of that at {sizes[0]:,}")
    axes.legend(ncols=2)
