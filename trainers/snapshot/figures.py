"""Figures of single networks: rates, powers, loads, who serves whom."""

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
from hetgraph.trainers.judge.plots import COLOURS, MARKERS, pyplot, save, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_LINES = 1000  # users with a line to their station
MOST_BARS = 30  # stations with a bar each; loads of more are drawn in order


@dataclass(frozen=True)
class Example:
    """What policies make of one network.

    Args:
        scenario: what it is.
        layout: the network.
        example: allocation of each policy.
        rate_bps: rates of its users under each policy ``[U]``.
    """

    scenario: str
    layout: HeteroData
    example: dict[str, Allocation]
    rate_bps: dict[str, Tensor]


def snapshot_figures(trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """All figures of a comparison, of its first network; the spatial ones need positions."""
    served = {name: runs[0][0] for name, runs in trials[0].details.items()}
    allocations = {name: each.allocation for name, each in served.items()}
    rates = {name: each.rate_bps for name, each in served.items()}
    result = Example(trials[0].meta["title"], served[reference].graph, allocations, rates)
    graph, names = result.layout, list(result.example)
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
    if "pos" in graph["bs"] and "pos" in graph["ue"]:
        paths.append(save(association_map(result, _last(names)), folder, "association_map"))
    if "distance_m" in graph[CHANNEL]:
        paths.append(save(distance_histograms(result), folder, "distance_pathloss"))
    return paths


def _last(names: Sequence[str]) -> list[str]:
    """Reference and last method: what is usually to be seen side by side."""
    return [names[0], names[-1]] if len(names) > 1 else [names[0]]


def rate_cdf(result: Example) -> "Figure":
    """Distribution of the users' rates on the first layout, a curve per method."""
    figure, axes = subplots(figsize=(6, 4))
    for i, (name, values) in enumerate(result.rate_bps.items()):
        rate = values.sort().values.numpy()
        style = "-" if i < len(COLOURS) else "--"
        share = np.arange(1, len(rate) + 1) / len(rate)
        axes.plot(rate / 1e6, share, style, color=COLOURS[i % len(COLOURS)], label=name, linewidth=1.6)
    axes.set(xscale="log", xlabel="rate of a user, Mbit/s", ylabel="share of users", ylim=(0, 1))
    shown = np.concatenate([line.get_xdata() for line in axes.lines])
    if (shown > 0).any():  # users without a rate are left of the axis
        axes.set_xlim(left=max(np.percentile(shown[shown > 0], 0.5), 1e-6 * shown.max()))
    axes.legend(loc="upper left", fontsize=8)
    axes.set_title(f"{result.scenario}: user rates on one layout")
    return figure


def power_heatmap(result: Example, names: Sequence[str]) -> "Figure":
    """Share of its budget that each station puts on each resource block, for some methods."""
    budget = result.layout["bs"].power_max_w.unsqueeze(1)
    shares = [(result.example[name].power_w / budget).numpy() for name in names]
    top = max(float(s.max()) for s in shares)
    height = min(max(2.5, 0.22 * shares[0].shape[0]), 7)
    figure, rows = subplots(1, len(names), figsize=(4.2 * len(names) + 1, height), squeeze=False, sharey=True)
    for axes, name, share in zip(rows[0], names, shares, strict=True):
        image = axes.imshow(share, aspect="auto", cmap="viridis", vmin=0, vmax=top, interpolation="nearest")
        axes.set(title=name, xlabel="resource block")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.grid(False)
    rows[0][0].set_ylabel("station")
    figure.colorbar(image, ax=rows[0].tolist(), label="share of the station's budget")
    return figure


def association_map(result: Example, names: Sequence[str]) -> "Figure":
    """Users in the colour of their station, stations by tier."""
    plt = pyplot()
    graph = result.layout
    bs, ue = graph["bs"].pos.numpy(), graph["ue"].pos.numpy()
    tier = graph["bs"].tier.numpy() if "tier" in graph["bs"] else np.zeros(len(bs), dtype=int)
    colours = plt.get_cmap("tab20")(np.arange(len(bs)) % 20)
    shape = {"squeeze": False, "sharey": True, "layout": "constrained"}
    figure, rows = subplots(1, len(names), figsize=(5.2 * len(names), 5), **shape)
    size = 14 if len(ue) <= 1000 else 3
    for axes, name in zip(rows[0], names, strict=True):
        serving = result.example[name].serving.numpy()
        served = serving >= 0
        if len(ue) <= MOST_LINES:  # a line to the station tells apart what colours of many stations do not
            ends = np.stack([ue[served, :2], bs[serving[served], :2], np.full((served.sum(), 2), np.nan)], 1)
            axes.plot(*ends.reshape(-1, 2).T, color="#888888", linewidth=0.6, alpha=0.6, zorder=0)
        axes.scatter(*ue[served, :2].T, s=size, c=colours[serving[served]], linewidths=0)
        axes.scatter(*ue[~served, :2].T, s=size, c="#bbbbbb", marker="x")
        for kind in np.unique(tier):
            chosen = tier == kind
            axes.scatter(
                *bs[chosen, :2].T, s=110, c=colours[chosen], marker=MARKERS[int(kind) % len(MARKERS)],
                edgecolors="black", linewidths=1.3, label=f"tier {kind}",
            )  # fmt: skip
        axes.set(title=name, xlabel="x, m", aspect="equal")
    rows[0][0].set_ylabel("y, m")
    figure.legend(*rows[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def load_bars(result: Example) -> "Figure":
    """Users of each station: bars for each policy, and, of many stations, their loads in order."""
    links, names = links_of(result.layout), list(result.example)
    names = names if len(names) <= 6 else [*names[:4], *names[-2:]]
    loads = [links.users_per_bs(result.example[name].serving).numpy() for name in names]
    many = links.num_bs > MOST_BARS
    figure, axes = subplots(figsize=(8.0 if many else max(6.0, 0.45 * links.num_bs), 3.6))
    width = 0.8 / len(names)
    for i, (name, load) in enumerate(zip(names, loads, strict=True)):
        if many:
            axes.step(np.arange(len(load)), np.sort(load)[::-1], where="mid", color=COLOURS[i], label=name)
        else:
            axes.bar(
                np.arange(len(load)) + (i - (len(names) - 1) / 2) * width, load, width, color=COLOURS[i], label=name
            )
    axes.set(
        xlabel="stations in order of load" if many else "station",
        ylabel="users served",
        title=f"{result.scenario}: load on one network",
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def confusion_matrix(reference: Allocation, other: Allocation, stations: int) -> np.ndarray[Any, Any]:
    """Users by station in one allocation (rows) and another (columns) ``[N, N]``; unserved users are left out."""
    both = (reference.serving >= 0) & (other.serving >= 0)
    cell = reference.serving[both] * stations + other.serving[both]
    return torch.bincount(cell, minlength=stations * stations).reshape(stations, stations).numpy()


def confusion(result: Example, reference: str, other: str) -> "Figure":
    """Confusion matrix of two associations, rows normalised."""
    count = confusion_matrix(result.example[reference], result.example[other], links_of(result.layout).num_bs)
    share = count / np.maximum(count.sum(1, keepdims=True), 1)
    figure, axes = subplots(figsize=(5.4, 4.6))
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    same = np.trace(count) / max(count.sum(), 1)
    axes.set(
        xlabel=f"station by {other}", ylabel=f"station by {reference}", title=f"{same:.0%} of users at the same station"
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(False)
    figure.colorbar(image, ax=axes, label="share of the row's users")
    return figure


def distance_histograms(result: Example) -> "Figure":
    """Distances and path losses of all channel edges and of the serving ones (last method)."""
    graph, links, name = result.layout, links_of(result.layout), list(result.example)[-1]
    slot = links.slot_of(result.example[name].serving)
    figure, pair = subplots(1, 2, figsize=(9, 3.4))
    for axes, key, label in ((pair[0], "distance_m", "3D distance, m"), (pair[1], "pathloss_db", "path loss, dB")):
        value = graph[CHANNEL][key]
        bins = np.linspace(float(value.min()), float(value.max()) + 1e-9, 40)
        axes.hist(value.numpy(), bins, density=True, color=COLOURS[5], label="all edges")
        axes.hist(
            links.pick(value, slot).numpy(), bins, density=True, color=COLOURS[1], alpha=0.6, label=f"serving, {name}"
        )
        axes.set(xlabel=label, ylabel="density")
    pair[1].legend(fontsize=8)
    return figure
