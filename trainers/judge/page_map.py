"""An interactive map for a report: plain SVG, whose cells and users say on hover or touch who they are."""

import html
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hetgraph.trainers.judge.maps import MOST_LINES, cell_colours, labels, radius, wedge
from hetgraph.trainers.judge.places import DEGREES, MapUsers, Places

MOST_BYTES = 2_000_000  # of a map
_WIDTH, _MARGIN, _LEAST, _MOST = 1000.0, 90.0, 250.0, 1400.0  # of the drawing, and its height without margins
_TOP, _TICKS = 40.0, 4
_Points = NDArray[np.float64]


class _Frame:
    """Where a point of the map is in the drawing."""

    def __init__(self, places: Places) -> None:
        points = [np.array([[cell.x, cell.y] for cell in places.cells]), *(users.xy for users in places.users.values())]
        every: _Points = np.vstack(points)
        unit: _Points = np.array(places.unit_m)
        low, high = every.min(0), every.max(0)
        room = 0.04 * max(float(((high - low) * unit).max()), 1.0) / unit
        self.low, self.high = low - room, high + room
        width, tall = (self.high - self.low) * unit
        inner = _WIDTH - 2 * _MARGIN
        self.scale = min(inner / width, _MOST / tall)
        self.unit, self.height = unit, max(_LEAST, self.scale * tall)
        self.left = _MARGIN + (inner - self.scale * width) / 2

    def at(self, xy: _Points) -> _Points:
        """Points ``[n, 2]`` in the drawing."""
        metres = (xy - self.low) * self.unit
        return np.stack([self.left + self.scale * metres[:, 0], _TOP + self.height - self.scale * metres[:, 1]], 1)


def map_figure(places: Places) -> str:
    """A figure with a choice of the policy; of several policies those in the middle are left out where it would be too large."""
    frame, names = _Frame(places), list(places.users)
    colours = cell_colours(places)
    under, above = _axes(frame, places), _cells(frame, places, colours)
    groups = {name: _users(frame, places, users, colours) for name, users in places.users.items()}
    while sum(map(len, groups.values())) + len(under) + len(above) > MOST_BYTES:
        if len(names) < 2:
            return ""
        del groups[names.pop(len(names) // 2 if len(names) > 2 else 0)]
    last = len(names) - 1
    layers = "".join(
        f"<g data-policy='{number}' class='{'on' if number == last else 'off'}'>{groups[name]}</g>"
        for number, name in enumerate(names)
    )
    options = "".join(
        f"<option value='{number}'{' selected' if number == last else ''}>{html.escape(name)}</option>"
        for number, name in enumerate(names)
    )
    return (
        f"<figure class='map'><label>policy <select>{options}</select></label>"
        f"<svg viewBox='0 0 {_WIDTH:.0f} {frame.height + _TOP + 60:.0f}' role='img' aria-label='map of cells and users'>"
        f"{under}{layers}{above}</svg><output></output>"
        f"<figcaption>{html.escape(places.title)}: who serves whom on the first network when the episode ends. "
        "Cells and users say who they are under the pointer, or at a touch.</figcaption></figure>"
    )


def _users(frame: _Frame, places: Places, users: MapUsers, colours: Sequence[str]) -> str:
    """Users with their names, and, of not too many, lines to their cells."""
    at, masts = frame.at(users.xy), frame.at(np.array([[cell.x, cell.y] for cell in places.cells]))
    lines, marks = [], []
    size = 5 if len(at) <= MOST_LINES else 3
    for name, (x, y), cell in zip(users.name, at, users.serving.tolist(), strict=True):
        served = cell >= 0
        if served and len(at) <= MOST_LINES:
            lines.append(f"M{x:.0f} {y:.0f}L{masts[cell, 0]:.0f} {masts[cell, 1]:.0f}")
        text = f"user {name}".strip() + (f": {places.cells[cell].label}" if served else ": not served")
        look = f"class='user' fill='{colours[cell]}'" if served else "class='user unserved'"
        marks.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{size}' {look}><title>{html.escape(text)}</title></circle>")
    return (f"<path class='lines' d='{''.join(lines)}'/>" if lines else "") + "".join(marks)


def _cells(frame: _Frame, places: Places, colours: Sequence[str]) -> str:
    """Sectors, omnidirectional cells, and names where colours run out."""
    size, out = radius(places), []
    for cell, colour in zip(places.cells, colours, strict=True):
        bearing = "omnidirectional" if cell.bearing_deg is None else f"{cell.bearing_deg:g}°"
        text = ", ".join(filter(None, (f"cell {cell.label}", cell.tier, bearing)))
        look = f"class='cell' fill='{colour}'><title>{html.escape(text)}</title>"
        if cell.bearing_deg is None:
            x, y = frame.at(np.array([[cell.x, cell.y]]))[0]
            out.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='9' {look}</circle>")
        else:
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in frame.at(wedge(cell, size, places.unit_m)))
            out.append(f"<polygon points='{corners}' {look}</polygon>")
    for name, x, y in labels(places):
        left, top = frame.at(np.array([[x, y]]))[0]
        out.append(
            f"<text x='{left:.1f}' y='{top + 24:.1f}' text-anchor='middle' class='name'>{html.escape(name)}</text>"
        )
    return "".join(out)


def _axes(frame: _Frame, places: Places) -> str:
    """A frame with numbers at round places."""
    left, bottom = frame.at(frame.low[None])[0]
    right, top = frame.at(frame.high[None])[0]
    out = [
        f"<rect class='frame' x='{left:.1f}' y='{top:.1f}' width='{right - left:.1f}' height='{bottom - top:.1f}'/>",
        f"<text x='{(left + right) / 2:.1f}' y='{bottom + 52:.1f}' text-anchor='middle'>{places.axes[0]}</text>",
    ]
    out.append(f"<text x='{left:.1f}' y='{top - 8:.1f}'>{places.axes[1]}</text>")
    turn = places.axes == DEGREES
    for x in _round_numbers(frame.low[0], frame.high[0]):
        place = frame.at(np.array([[x, frame.low[1]]]))[0, 0]
        shown = f"{(x + 180) % 360 - 180:.10g}" if turn else f"{x:.10g}"
        out.append(f"<text x='{place:.1f}' y='{bottom + 26:.1f}' text-anchor='middle'>{shown}</text>")
    for y in _round_numbers(frame.low[1], frame.high[1]):
        place = frame.at(np.array([[frame.low[0], y]]))[0, 1]
        out.append(f"<text x='{left - 8:.1f}' y='{place + 6:.1f}' text-anchor='end'>{y:.10g}</text>")
    return "".join(out)


def _round_numbers(low: float, high: float) -> list[float]:
    """A few numbers of one, two or five times a power of ten within a range."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
