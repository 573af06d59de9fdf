"""Files of sites and users: columns and what they are read as, and the network that they make together."""

from collections import Counter
from pathlib import Path

from hetgraph.graph.aliases import PLACES, SITES, USERS, match_header
from hetgraph.graph.csvfile import Table, read_table
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.selection import Selection
from hetgraph.graph.site_file import site_table, sites_of
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.graph.user_file import read_user_names, user_table
from hetgraph.trainers.doctor.description import Description, plural
from hetgraph.trainers.doctor.meanings import MEANINGS, NAMES

SITE_KIND, USER_KIND = "sites", "users"


def kind_of_table(path: Path) -> str:
    """Whether a table of places is one of sites or of users: by the columns that only one of both has, else by its name.

    Raises:
        ValueError: no table of places.
    """
    header = read_table(path, SITES).header
    names = [*header.text.values(), *header.unused]
    of_users = set(match_header(path, names, USERS).place) - set(PLACES)
    of_sites = set(header.place) - set(PLACES)
    if len(of_users) != len(of_sites):
        return USER_KIND if len(of_users) > len(of_sites) else SITE_KIND
    return USER_KIND if any(word in path.stem.lower() for word in ("user", "phone")) else SITE_KIND


def describe_sites(path: Path) -> Description:
    """Cells, masts and carriers of a file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not as it must be.
    """
    about = Description(path, "")
    with about.noting():
        table = site_table(path, Selection())
        cells = sites_of(table, table.places(None))
        scenario = scenario_from_csv(path)
    sectors = sum(each.azimuth_deg is not None for each in cells)
    masts = len({each.site for each in cells}) if all(each.site for each in cells) else len({(c.x, c.y) for c in cells})
    about.kind = f"sites, {_format(table)}"
    about.facts = [
        f"{plural(len(cells), 'cell')} on {plural(masts, 'mast')}, {sectors} of them sectors",
        _carriers(scenario),
        _tiers(scenario),
    ]
    about.columns = _columns(table)
    about.commands = [f"hetgraph compare --sites {path} --users USERS.csv"]
    return about


def describe_users(path: Path) -> Description:
    """Users of a file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not as it must be.
    """
    about = Description(path, "")
    with about.noting():
        table = user_table(path)
        table.places(None)
        names = read_user_names(path)
    about.kind = f"users, {_format(table)}"
    about.facts = [
        f"{plural(len(names), 'user')}" + ("" if "user" in table else ", named by the numbers of their rows")
    ]
    missing = [
        text
        for name, text in (("indoor", "indoors as the scenario has them"), ("z", "1.5 m high"))
        if name not in table
    ]
    if "floor" in table:
        missing = []
    if missing:
        about.facts.append(f"by default, since no column says so: {', '.join(missing)}")
    about.columns = _columns(table)
    about.commands = [f"hetgraph compare --sites SITES.csv --users {path}"]
    return about


def describe_network(sites: Path, users: Path) -> Description:
    """The network of a file of sites and one of users.

    Raises:
        FileNotFoundError: no such file.
        ValueError: files that do not fit together.
    """
    about = Description(sites, f"with {users}: a network")
    with about.noting():
        scenario = scenario_from_csv(sites, users)
    alone = Description(sites, "")
    with alone.noting():
        scenario_from_csv(sites)
        user_table(users)
    about.warnings = [text for text in about.warnings if text not in alone.warnings]
    width, height = scenario.layout.width_m, scenario.layout.height_m
    about.facts = [
        f"{plural(scenario.num_stations, 'cell')} and {plural(scenario.users.count, 'user')} in {width / 1e3:.3g} x "
        f"{height / 1e3:.3g} km",
        f"of the preset {_BASE}, since files do not say it: bandwidth, noise figure, channel (--scenario names another)",
    ]
    both = f"--sites {sites} --users {users}"
    about.commands = [
        f"hetgraph compare {both} --policies max_rsrp,pf,pf_teacher_6",
        f"hetgraph plan --policy pf_teacher_6 {both}",
        f"hetgraph finetune --ckpt CHECKPOINT {both}",
    ]
    return about


_BASE = "hetnet-3tier"
_MOST_SHOWN = 3


def _format(table: Table) -> str:
    unit = table.header.unit
    kind = "GeoJSON" if unit == "feature" else "text without a header" if table.rows[0].line <= 1 else "text"
    return f"{kind}, {plural(len(table.rows), 'row')}"


def _columns(table: Table) -> list[tuple[str, str, str]]:
    """Columns in the order of the file, those that are not used last."""
    used = sorted(table.header.place, key=lambda name: table.header.place[name])
    rows = [(table.header.text[name], MEANINGS.get(name, name), _content(table, name)) for name in used]
    return [*rows, *((name, "not used", "") for name in table.header.unused)]


def _content(table: Table, name: str) -> str:
    """Range of numbers in the unit of the column, or how many texts there are, and which."""
    rows = [row for row in table.rows if row.has(name)]
    empty = f", {len(table.rows) - len(rows)} empty" if len(rows) < len(table.rows) else ""
    if not rows:
        return "empty"
    if name not in NAMES:
        try:
            numbers = [row.number_of(name) for row in rows]
        except ValueError:
            return f"{rows[0].cells[name]}, ..."
        low, high = f"{min(numbers):.10g}", f"{max(numbers):.10g}"
        return (low if low == high else f"{low} to {high}") + empty
    count = Counter(row.cells[name] for row in rows)
    few = ", ".join(list(count)[:_MOST_SHOWN])
    return (few if len(count) <= _MOST_SHOWN else f"{len(count)} different: {few}, ...") + empty


def _carriers(scenario: Scenario) -> str:
    count = Counter[float]()
    for tier in scenario.tiers:
        count[scenario.carrier_of(tier).carrier_hz] += tier.count
    text = ", ".join(f"{hz / 1e6:g} MHz ({plural(number, 'cell')})" for hz, number in sorted(count.items()))
    return f"{plural(len(count), 'carrier')}: {text}"


def _tiers(scenario: Scenario) -> str:
    models = Counter[tuple[str, str]]()
    patterns = 0
    for tier in scenario.tiers:
        models[tier.name, tier.pathloss] += tier.count
        patterns += tier.count if tier.antenna is not None else 0
    text = ", ".join(f"{number} {name} ({model})" for (name, model), number in models.items())
    return f"path loss: {text}; antenna patterns of files: {patterns} of {scenario.num_stations}"
