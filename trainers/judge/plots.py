"""Figures of comparisons and runs: PNG and PDF of one width, in colours that colour-blind readers can tell apart."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetgraph.extras import advice, present, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PACKAGE = "matplotlib"
# Okabe and Ito's palette.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = ("^", "s", "o", "D", "v", "P")
WIDTH = 7.5  # of every figure, inch: that of a page; what does not fit beside each other goes into rows
DPI = 150
SMALL = 8  # size of the text beside points and in legends
LONGEST_NAME = 28  # letters of a policy beside an axis: those of a checkpoint are paths
_LEGEND_LETTERS = 95  # of the names in one row of a legend


def can_draw() -> bool:
    """Whether there is what draws figures."""
    return present(PACKAGE)


def announce(what: str) -> None:
    """Say once, before the work, that figures will be missing, where they will.

    Args:
        what: there will be instead.
    """
    if not can_draw():
        warnings.warn(f"figures: got no {PACKAGE}, so {what} alone; {advice(PACKAGE)} brings figures", stacklevel=2)


def pyplot() -> Any:
    """Matplotlib without a window, in the style of all figures.

    Raises:
        ValueError: it is not installed.
    """
    require(PACKAGE, "figures").use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"font.size": 9, "axes.titlesize": 10, "axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True}
    )
    return plt


def single(height: float = 4.0) -> "tuple[Figure, Axes]":
    """A figure of one panel."""
    figure, (panel,) = grid(1, 1, height)
    return figure, panel


def grid(
    count: int, per_row: int, height: float, *, sharex: bool | str = False, sharey: bool | str = False
) -> "tuple[Figure, list[Axes]]":
    """A figure of some panels in rows.

    Args:
        count: number of panels.
        per_row: most panels of a row.
        height: of a row, inch.
        sharex: as of pyplot.
        sharey: as of pyplot.
    """
    columns = min(count, per_row)
    rows = -(-count // columns)
    figure, axes = pyplot().subplots(
        rows, columns, figsize=(WIDTH, height * rows), squeeze=False, sharex=sharex, sharey=sharey, layout="constrained"
    )
    for empty in axes.flat[count:]:
        empty.remove()
    return figure, list(axes.flat[:count])


def legend(figure: "Figure", panel: "Axes") -> None:
    """Names of a panel's lines in rows below all panels, where they hide nothing."""
    handles, full = panel.get_legend_handles_labels()
    names = [shortened(name, _LEGEND_LETTERS // 2) for name in full]  # two of them fit beside each other
    if names:
        most = max(1, min(len(names), _LEGEND_LETTERS // (max(map(len, names)) + 6)))
        columns = -(-len(names) // -(-len(names) // most))  # rows of about the same length
        figure.legend(handles, names, loc="outside lower center", ncols=columns, fontsize=SMALL, frameon=False)


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits beside an axis: of a path its end, which tells checkpoints apart, of any other its beginning."""
    if len(name) <= longest:
        return name
    return f"…{name[1 - longest :]}" if "/" in name else f"{name[: longest - 1]}…"


def save(figure: "Figure", folder: Path, name: str) -> Path:
    """Write a figure as PNG and PDF; returns the PNG's path."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf")
    figure.savefig(folder / f"{name}.png", dpi=DPI)
    pyplot().close(figure)
    return folder / f"{name}.png"


def quality_over_time(
    curves: dict[str, tuple[Sequence[float], Sequence[float]]], *, title: str, ylabel: str
) -> "Figure":
    """Quality over wall time on a logarithmic axis: name -> (ms, quality)."""
    figure, axes = single(4.6)
    for i, (name, (ms, quality)) in enumerate(curves.items()):
        marker = MARKERS[i % len(MARKERS)]
        axes.plot(ms, quality, marker=marker, markersize=5, color=COLOURS[i % len(COLOURS)], label=name, linewidth=1.4)
    axes.set(xscale="log", xlabel="wall time per layout, ms (one thread)", ylabel=ylabel, title=title)
    top = max(max(quality) for _, quality in curves.values())
    if min(min(quality) for _, quality in curves.values()) < -0.3 * top:
        axes.set_ylim(bottom=-0.3 * top)  # what falls far below zero would squeeze the rest
    legend(figure, axes)
    return figure
