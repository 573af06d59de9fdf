"""Maps of traffic: polygons, grids and points by which users are placed."""

from pathlib import Path

from hetgraph.graph.aliases import DENSITY
from hetgraph.graph.ascii_grid import grid_cells, is_grid
from hetgraph.graph.csvfile import read_table, text_of
from hetgraph.graph.geojson_polygons import polygons_of
from hetgraph.graph.site_file import name_unused
from hetgraph.trainers.doctor.columns import columns_of
from hetgraph.trainers.doctor.description import Description, plural

TRAFFIC_KIND = "map of traffic"


def is_drawn(path: Path) -> bool:
    """Whether a file is a grid or has polygons: these are maps of traffic, whatever their columns are.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no text, or polygons that are none.
    """
    text = text_of(path)
    return is_grid(text) or (text.lstrip().startswith("{") and polygons_of(path, text) is not None)


def describe_traffic(path: Path) -> Description:
    """Shapes and weights of a map.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not as it must be.
    """
    about = Description(path, TRAFFIC_KIND)
    text = text_of(path)
    with about.noting():
        polygons = polygons_of(path, text) if text.lstrip().startswith("{") else None
        if polygons is not None:
            about.kind += f", GeoJSON of {plural(len(polygons), 'polygon')}"
            totals = [each.total for each in polygons if each.total is not None]
            amount = f"totals, {sum(totals):g} together" if totals else "densities, of a km2"
            about.facts = [f"weights: {amount}"]
        elif is_grid(text):
            cells = grid_cells(path, text)
            about.kind += ", ESRI ASCII grid"
            about.facts = [f"weights: {cells[:, 4].sum():g} together in {plural(len(cells), 'run')} of equal cells"]
        else:
            table = read_table(path, DENSITY)
            name_unused(table)
            about.kind += f", {plural(len(table.rows), 'point')}"
            about.columns = columns_of(table)
    about.commands = [f"hetgraph compare --sites SITES.csv --user-density {path} --num-users 200"]
    return about
