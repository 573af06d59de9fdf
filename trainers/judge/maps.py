"""Maps of a network: who serves whom under each policy, and whom a policy moves to another cell."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hetgraph.trainers.judge.places import DEGREES, MapCell, MapUsers, Places
from hetgraph.trainers.judge.plots import COLOURS, MARKERS, SMALL, WIDTH, grid, save, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_COLOURS = (*COLOURS[:6], "#882255")  # without black and grey, which are lines and users that nobody serves
MOST_LINES = 1000  # users with a line to their cell
MOST_LABELS = 60  # names on a map
SECTOR_DEG = 65.0  # width of a wedge: the half-power beam of the standard's element
UNSERVED, UNCHANGED = "#999999", "#cccccc"
_LABEL_SIZE = 5.5
_ROOM = (0.085, 0.035)  # of a name, as shares of the map
_Points = NDArray[np.float64]


def map_figures(places: Places, reference: str, folder: Path) -> list[Path]:
    """The map of all policies and, of more than one, that of what they change."""
    paths = [save(serving_map(places), folder, "association_map")]
    changed = change_map(places, reference)
    return paths if changed is None else [*paths, save(changed, folder, "association_changes")]


def serving_map(places: Places) -> "Figure":
    """Users in the colour of the cell that serves them, a panel for each policy; one panel where all serve alike."""
    names, colours = list(places.users), np.array(cell_colours(places))
    changes = [_moved(places, names[0], name) for name in names[1:]]
    alike = len(names) > 1 and all(moved is not None and not moved.any() for moved in changes)
    titles = {names[0]: "all policies"} if alike else {name: shortened(name, 40) for name in names}
    figure, panels = _panels(places, len(titles))
    for panel, (name, title) in zip(panels, titles.items(), strict=True):
        users = places.users[name]
        served = users.serving >= 0
        if len(users.serving) <= MOST_LINES:  # a line to the cell tells apart what colours of many cells do not
            _lines(panel, places, users, served, "#888888")
        _scatter(panel, users.xy[served], colours[users.serving[served]])
        panel.scatter(users.xy[~served, 0], users.xy[~served, 1], s=10, c=UNSERVED, marker="x", linewidths=0.7)
        _draw_cells(panel, places, colours)
        panel.set_title(title)
    _legend(figure, places, unserved=any((users.serving < 0).any() for users in places.users.values()))
    figure.suptitle(f"{places.title}: who serves whom on the first network")
    return figure


def change_map(places: Places, reference: str) -> "Figure | None":
    """Users whose cell is another one than under the reference, in the colour of the new one; ``None`` where nobody's is.

    Policies that move nobody, and those whose users are others, have no panel.
    """
    if reference not in places.users:
        return None
    changes = {name: _moved(places, reference, name) for name in places.users if name != reference}
    shown = {name: moved for name, moved in changes.items() if moved is not None and moved.any()}
    if not shown:
        return None
    before, colours = places.users[reference], np.array(cell_colours(places))
    figure, panels = _panels(places, len(shown))
    for panel, (name, moved) in zip(panels, shown.items(), strict=True):
        users = places.users[name]
        _scatter(panel, users.xy[~moved], UNCHANGED)
        if moved.sum() <= MOST_LINES:
            _lines(panel, places, before, moved & (before.serving >= 0), "#888888", ":")
            _lines(panel, places, users, moved & (users.serving >= 0), "#444444")
        on = moved & (users.serving >= 0)
        _scatter(panel, users.xy[on], colours[users.serving[on]])
        off = moved & (users.serving < 0)
        panel.scatter(users.xy[off, 0], users.xy[off, 1], s=10, c="black", marker="x", linewidths=0.7)
        _draw_cells(panel, places, colours)
        panel.set_title(f"{shortened(name, 30)}: {moved.sum()} of {len(moved)} users")
    _legend(figure, places, unserved=False)
    figure.suptitle(f"users in another cell than under {shortened(reference)} (dotted: the cell before)")
    return figure


def _moved(places: Places, one: str, other: str) -> "NDArray[np.bool_] | None":
    """Users whose cells two policies differ in ``[U]``; ``None`` where their users are not the same."""
    if not places.same_users(one, other):
        return None
    return np.asarray(places.users[one].serving != places.users[other].serving)


def cell_colours(places: Places) -> list[str]:
    """A colour for each cell, such that cells of one mast, and neighbours, have different ones.

    Each cell in turn takes the colour whose nearest cell is farthest away.
    """
    xy = np.array([[cell.x, cell.y] for cell in places.cells]) * places.unit_m
    taken = np.full(len(xy), -1)
    nearest = np.full((len(CELL_COLOURS), len(xy)), np.inf)  # of each colour, to each cell
    for number, place in enumerate(xy):
        taken[number] = int(nearest[:, number].argmax())
        distance = np.hypot(*(xy - place).T)
        nearest[taken[number]] = np.minimum(nearest[taken[number]], distance)
    return [CELL_COLOURS[colour] for colour in taken]


def wedge(cell: MapCell, radius_m: float, unit_m: tuple[float, float]) -> _Points:
    """Corners ``[n, 2]`` of the sector of a directional cell, on the axes of the map."""
    bearing = cell.bearing_deg or 0.0
    turn = np.radians(bearing + np.linspace(-SECTOR_DEG / 2, SECTOR_DEG / 2, 9))
    rim = radius_m * np.stack([np.sin(turn), np.cos(turn)], 1) / unit_m  # bearings go clockwise from north
    return np.asarray(np.vstack([[0.0, 0.0], rim]) + np.array([cell.x, cell.y]))


def radius(places: Places) -> float:
    """Radius of wedges, m: a part of the distance of neighbouring masts, within what can be seen."""
    xy = np.unique(np.array([[cell.x, cell.y] for cell in places.cells]) * places.unit_m, axis=0)
    extent = max(float(np.ptp(_all_points(places) * places.unit_m, axis=0).max()), 1.0)
    if len(xy) < 2:
        return 0.06 * extent
    sample = xy[:: max(1, len(xy) // 200)]
    distance = np.hypot(*(sample[:, None] - xy[None]).transpose(2, 0, 1))
    distance[distance == 0] = np.inf
    return float(np.clip(0.38 * np.median(distance.min(1)), 0.012 * extent, 0.06 * extent))


def labels(places: Places) -> list[tuple[str, float, float]]:
    """Names where colours run out: of masts, or of cells that have no mast; those that would cover another are left out."""
    if len(places.cells) <= len(CELL_COLOURS):
        return [(cell.cell, cell.x, cell.y) for cell in places.cells if cell.bearing_deg is None]
    points = _all_points(places)
    low, extent = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-12)
    out: list[tuple[str, float, float]] = []
    shown = np.empty((0, 2))
    for cell in places.cells:
        place = (np.array([cell.x, cell.y]) - low) / extent
        free = bool((np.abs(shown - place) > _ROOM).any(1).all()) if len(shown) else True
        if free and len(out) < MOST_LABELS:
            out.append((cell.site or cell.cell, cell.x, cell.y))
            shown = np.vstack([shown, place])
    return out


def _all_points(places: Places) -> _Points:
    users = [users.xy for users in places.users.values()]
    return np.vstack([[[cell.x, cell.y] for cell in places.cells], *users])


def _panels(places: Places, count: int) -> "tuple[Figure, list[Axes]]":
    per_row = 2 if count in (1, 2, 4) or len(places.cells) > len(CELL_COLOURS) else 3
    width, tall = np.ptp(_all_points(places) * places.unit_m, axis=0)
    columns = min(count, per_row)
    panel = min(WIDTH / columns - 0.6, 5.0)
    figure, panels = grid(count, per_row, float(np.clip(panel * tall / max(width, 1.0), 1.2, 6.0)) + 0.5)
    for number, axes in enumerate(panels):
        axes.set_aspect(places.unit_m[1] / places.unit_m[0])
        axes.tick_params(labelsize=7)
        axes.locator_params(nbins=5)
        axes.ticklabel_format(useOffset=False)
        if places.axes == DEGREES:
            axes.xaxis.set_major_formatter(lambda degrees, _: f"{(degrees + 180) % 360 - 180:.10g}")
        if number % per_row == 0:
            axes.set_ylabel(places.axes[1], fontsize=SMALL)
        if number + per_row >= count:
            axes.set_xlabel(places.axes[0], fontsize=SMALL)
    return figure, panels


def _lines(
    panel: "Axes", places: Places, users: MapUsers, chosen: NDArray[np.bool_], colour: str, style: str = "-"
) -> None:
    """Lines from some users to their cells."""
    cells = np.array([[cell.x, cell.y] for cell in places.cells])
    ends = np.stack([users.xy[chosen], cells[users.serving[chosen]], np.full((int(chosen.sum()), 2), np.nan)], 1)
    panel.plot(*ends.reshape(-1, 2).T, color=colour, linewidth=0.5, alpha=0.6, zorder=0, linestyle=style)


def _scatter(panel: "Axes", xy: _Points, colour: Any) -> None:
    panel.scatter(
        xy[:, 0], xy[:, 1], s=9 if len(xy) <= MOST_LINES else 2, c=colour, linewidths=0, rasterized=len(xy) > MOST_LINES
    )


def _draw_cells(panel: "Axes", places: Places, colours: NDArray[np.str_]) -> None:
    """Sectors, masts of each tier, and names."""
    from matplotlib import patheffects
    from matplotlib.collections import PolyCollection

    size, marks = radius(places), _marks(places)
    sectors = [number for number, cell in enumerate(places.cells) if cell.bearing_deg is not None]
    corners = [wedge(places.cells[number], size, places.unit_m) for number in sectors]
    faces = [colours[number] for number in sectors]
    panel.add_collection(
        PolyCollection(corners, facecolors=faces, edgecolors="black", linewidths=0.4, alpha=0.85, zorder=2)
    )
    small = 0.3 if len(places.cells) > 10 * len(CELL_COLOURS) else 1.0
    for tier, marker in marks.items():
        omni = [number for number, cell in enumerate(places.cells) if cell.tier == tier and cell.bearing_deg is None]
        masts = sorted(
            {(cell.x, cell.y) for cell in places.cells if cell.tier == tier and cell.bearing_deg is not None}
        )
        xy = np.array([[places.cells[number].x, places.cells[number].y] for number in omni]).reshape(-1, 2)
        face = [colours[number] for number in omni]
        panel.scatter(
            xy[:, 0], xy[:, 1], s=70 * small, c=face, marker=marker, edgecolors="black", linewidths=0.9, zorder=3
        )
        panel.scatter([x for x, _ in masts], [y for _, y in masts], s=9, c="black", marker=marker, zorder=3)
    halo = [patheffects.withStroke(linewidth=1.2, foreground="white")]
    for text, x, y in labels(places):
        panel.annotate(
            text, (x, y), (0, -5), textcoords="offset points", ha="center", va="top", fontsize=_LABEL_SIZE,
            path_effects=halo, zorder=4, parse_math=False,
        )  # fmt: skip


def _marks(places: Places) -> dict[str, str]:
    """Marker of each tier."""
    tiers = list(dict.fromkeys(cell.tier for cell in places.cells))
    return {tier: MARKERS[number % len(MARKERS)] for number, tier in enumerate(tiers)}


def _legend(figure: "Figure", places: Places, *, unserved: bool) -> None:
    from matplotlib.lines import Line2D

    grey = {"color": "none", "markerfacecolor": "#bbbbbb", "markeredgecolor": "black"}
    handles = [
        Line2D([], [], marker=marker, label=tier or "cell", **grey)  # type: ignore[arg-type]
        for tier, marker in _marks(places).items()
    ]
    handles.append(Line2D([], [], marker="o", markersize=3, color="none", markerfacecolor="#555555", label="user"))
    if unserved:
        handles.append(Line2D([], [], marker="x", color="none", markeredgecolor=UNSERVED, label="not served"))
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=SMALL, frameon=False)
