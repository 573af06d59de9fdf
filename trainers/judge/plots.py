"""Figures of comparisons and runs: PNG and PDF, in colours that colour-blind readers can tell apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Okabe and Ito's palette.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = ("^", "s", "o", "D", "v", "P")


def pyplot() -> Any:
    """Matplotlib without a window, in the style of all figures.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise ValueError("figures: got no matplotlib, expected it; pip install 'hetgraph[report]'") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 10, "axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True})
    return plt


def subplots(*shape: int, **options: Any) -> "tuple[Figure, Any]":
    """A figure and its axes, as of pyplot, in the style of all figures."""
    figure, axes = pyplot().subplots(*shape, **options)
    return figure, axes


def save(figure: "Figure", folder: Path, name: str) -> Path:
    """Write a figure as PNG and PDF; returns the PNG's path."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", bbox_inches="tight")
    figure.savefig(folder / f"{name}.png", dpi=150, bbox_inches="tight")
    pyplot().close(figure)
    return folder / f"{name}.png"


def quality_over_time(
    curves: dict[str, tuple[Sequence[float], Sequence[float]]], *, title: str, ylabel: str
) -> "Figure":
    """Quality over wall time on a logarithmic axis: name -> (ms, quality)."""
    figure, axes = subplots(figsize=(6.4, 4.2))
    for i, (name, (ms, quality)) in enumerate(curves.items()):
        marker = MARKERS[i % len(MARKERS)]
        axes.plot(ms, quality, marker=marker, markersize=5, color=COLOURS[i % len(COLOURS)], label=name, linewidth=1.4)
    axes.set(xscale="log", xlabel="wall time per layout, ms (one thread)", ylabel=ylabel, title=title)
    top = max(max(quality) for _, quality in curves.values())
    if min(min(quality) for _, quality in curves.values()) < -0.3 * top:
        axes.set_ylim(bottom=-0.3 * top)  # what falls far below zero would squeeze the rest
    axes.legend(fontsize=8)
    return figure
