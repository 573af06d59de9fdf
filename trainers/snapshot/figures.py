"""Figures of single networks: rates, powers, loads, agreement of associations."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.rollout import Trial
from hetgraph.graph import CHANNEL, links_of
from hetgraph.radio import Allocation
from hetgraph.trainers.judge.plots import COLOURS, grid, legend, save, shortened, single
from hetgraph.trainers.snapshot.spatial_figures import precoder_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DASHES = ("-", "--", "-.", ":")
MOST_BARS = 30  # stations with a bar each; loads of more are drawn in order


@dataclass(frozen=True)
class Example:
    """What policies make of one network.

    Args:
        scenario: what it is.
        layout: the network.
        example: allocation of each policy.
        rate_bps: rates of its users under each policy ``[U]``.
        cells: names of its stations.
        order: stations in the order of their owner's file.
    """

    scenario: str
    layout: HeteroData
    example: dict[str, Allocation]
    rate_bps: dict[str, Tensor]
    cells: Sequence[str]
    order: Sequence[int]


def snapshot_figures(trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """All figures of a comparison, of its first network."""
    served = {name: runs[0][0] for name, runs in trials[0].details.items()}
    allocations = {name: each.allocation for name, each in served.items()}
    rates = {name: each.rate_bps for name, each in served.items()}
    graph, meta = served[reference].graph, trials[0].meta
    numbers = range(graph["bs"].num_nodes)
    cells, order = meta.get("cells", list(map(str, numbers))), meta.get("order", numbers)
    result = Example(meta["title"], graph, allocations, rates, cells, order)
    names = list(result.example)
    paths = [
        save(rate_cdf(result), folder, "rate_cdf"),
        save(power_heatmap(result, _last(names)), folder, "power_per_rb"),
        save(load_bars(result), folder, "load_per_station"),
    ]
    if len(names) > 1:
        teachers = [name for name in names[:-1] if "teacher" in name]
        paths.append(
            save(confusion(result, (teachers or names)[-1 if teachers else 0], names[-1]), folder, "confusion")
        )
    if "distance_m" in graph[CHANNEL]:
        paths.append(save(distance_histograms(result), folder, "distance_pathloss"))
    return paths + precoder_figures(graph, allocations, folder)


def _last(names: Sequence[str]) -> list[str]:
    """Reference and last method: what is usually to be seen side by side."""
    return [names[0], names[-1]] if len(names) > 1 else [names[0]]


def rate_cdf(result: Example) -> "Figure":
    """Distribution of the users' rates on the first layout, a curve per method."""
    figure, axes = single()
    for i, (name, values) in enumerate(result.rate_bps.items()):
        rate = values.sort().values.numpy()
        share = np.arange(1, len(rate) + 1) / len(rate)
        style, width = DASHES[i % len(DASHES)], 2.4 - 0.3 * min(i, 5)  # those that are the same would hide each other
        axes.plot(rate / 1e6, share, style, color=COLOURS[i % len(COLOURS)], label=name, linewidth=width)
    axes.set(xscale="log", xlabel="rate of a user, Mbit/s", ylabel="share of users", ylim=(0, 1))
    shown = np.concatenate([line.get_xdata() for line in axes.lines])
    if (shown > 0).any():  # users without a rate are left of the axis
        axes.set_xlim(left=max(np.percentile(shown[shown > 0], 0.5), 1e-6 * shown.max()))
    legend(figure, axes)
    axes.set_title(f"{result.scenario}: user rates on one layout")
    return figure


def power_heatmap(result: Example, names: Sequence[str]) -> "Figure":
    """Share of its budget that each station puts on each resource block, for some methods."""
    budget = result.layout["bs"].power_max_w.unsqueeze(1)
    order = list(result.order)
    shares = [(result.example[name].power_w / budget).numpy()[order] for name in names]
    top = max(float(s.max()) for s in shares)
    height = min(max(3.0, 0.9 + 0.085 * shares[0].shape[0]), 9.0)
    figure, panels = grid(len(names), 2, height, sharey=True)
    for axes, name, share in zip(panels, names, shares, strict=True):
        image = axes.imshow(share, aspect="auto", cmap="viridis", vmin=0, vmax=top, interpolation="nearest")
        axes.set(title=shortened(name), xlabel="resource block")
        axes.locator_params(axis="x", integer=True, min_n_ticks=1)
        axes.grid(False)
        axes.set_yticks(*_ticks(result, 10 * height))
        axes.tick_params(axis="y", labelsize=6)
    panels[0].set_ylabel("cell")
    figure.colorbar(image, ax=panels, label="share of the station's budget")
    return figure


def load_bars(result: Example) -> "Figure":
    """Users of each station: bars for each policy, and, of many stations, their loads in order."""
    links, names = links_of(result.layout), list(result.example)
    names = names if len(names) <= 6 else [*names[:4], *names[-2:]]
    loads = [links.users_per_bs(result.example[name].serving).numpy()[list(result.order)] for name in names]
    many = links.num_bs > MOST_BARS
    figure, axes = single(3.4)
    width = 0.8 / len(names)
    for i, (name, load) in enumerate(zip(names, loads, strict=True)):
        place = np.arange(len(load))
        if many:
            style = {"color": COLOURS[i], "linestyle": DASHES[i % len(DASHES)], "linewidth": 2.4 - 0.3 * i}
            axes.step(place + 1, np.sort(load)[::-1], where="mid", label=name, **style)  # type: ignore[arg-type]
        else:
            axes.bar(place + (i - (len(names) - 1) / 2) * width, load, width, color=COLOURS[i], label=name)
    axes.set(
        xlabel="cells, the one with the most users first" if many else "cell",
        ylabel="users served",
        title=f"{result.scenario}: load on one network",
    )
    axes.locator_params(axis="x", integer=True)
    axes.locator_params(axis="y", integer=True)
    if not many:
        axes.set_xticks(*_ticks(result, MOST_BARS), rotation=90 if max(map(len, result.cells)) > 3 else 0, fontsize=7)
    legend(figure, axes)
    return figure


def _ticks(result: Example, most: float) -> tuple[list[int], list[str]]:
    """Places and names of cells on an axis that has room for some of them."""
    places = list(range(0, len(result.cells), -(-len(result.cells) // int(most))))
    return places, [shortened(result.cells[result.order[place]], 14) for place in places]


def confusion_matrix(reference: Allocation, other: Allocation, stations: int) -> np.ndarray[Any, Any]:
    """Users by station in one allocation (rows) and another (columns) ``[N, N]``; unserved users are left out."""
    both = (reference.serving >= 0) & (other.serving >= 0)
    cell = reference.serving[both] * stations + other.serving[both]
    return torch.bincount(cell, minlength=stations * stations).reshape(stations, stations).numpy()


def confusion(result: Example, reference: str, other: str) -> "Figure":
    """Confusion matrix of two associations, rows normalised."""
    count = confusion_matrix(result.example[reference], result.example[other], links_of(result.layout).num_bs)
    count = count[np.ix_(result.order, result.order)]
    share = count / np.maximum(count.sum(1, keepdims=True), 1)
    figure, axes = single(5.6)
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    same = np.trace(count) / max(count.sum(), 1)
    names = shortened(other), shortened(reference)
    axes.set(xlabel=f"cell under {names[0]}", ylabel=f"cell under {names[1]}")
    axes.set_title(f"{same:.0%} of users in the same cell")
    axes.set_xticks(*_ticks(result, 45), rotation=90)
    axes.set_yticks(*_ticks(result, 45))
    axes.tick_params(labelsize=6)
    axes.grid(False)
    figure.colorbar(image, ax=axes, label="share of the row's users")
    return figure


def distance_histograms(result: Example) -> "Figure":
    """Distances and path losses of all channel edges and of the serving ones (last method)."""
    graph, links, name = result.layout, links_of(result.layout), list(result.example)[-1]
    slot = links.slot_of(result.example[name].serving)
    figure, pair = grid(2, 2, 3.2)
    for axes, key, label in ((pair[0], "distance_m", "3D distance, m"), (pair[1], "pathloss_db", "path loss, dB")):
        value = graph[CHANNEL][key]
        bins = np.linspace(float(value.min()), float(value.max()) + 1e-9, 40).tolist()
        axes.hist(value.numpy(), bins, density=True, color=COLOURS[5], label="all edges")
        axes.hist(
            links.pick(value, slot).numpy(), bins, density=True, color=COLOURS[1], alpha=0.6, label=f"serving, {name}"
        )
        axes.set(xlabel=label, ylabel="density")
    legend(figure, pair[1])
    return figure
