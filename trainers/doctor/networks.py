"""Files of sites and users: columns and what they are read as, and the network that they make together."""

from collections import Counter
from pathlib import Path

from hetgraph.graph.aliases import DENSITY, PLACES, SITES, USERS, match_header
from hetgraph.graph.csvfile import read_table
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.selection import Selection
from hetgraph.graph.site_file import read_cells, sites_of, taken
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.graph.user_file import read_user_names, user_table
from hetgraph.trainers.doctor.columns import columns_of, format_of
from hetgraph.trainers.doctor.description import Description, plural
from hetgraph.trainers.doctor.traffic import TRAFFIC_KIND, is_drawn

SITE_KIND, USER_KIND = "sites", "users"


def kind_of_table(path: Path) -> str:
    """Whether places are of sites, of users or a map of traffic: by the columns that only one of them has, else by its name.

    Raises:
        ValueError: no table of places.
    """
    if is_drawn(path):
        return TRAFFIC_KIND
    header = read_table(path, SITES).header
    names = [*header.text.values(), *header.unused]
    of_sites = len(set(header.place) - set(PLACES))
    of_users, of_traffic = (len(set(match_header(path, names, each).place) - set(PLACES)) for each in (USERS, DENSITY))
    if of_traffic > max(of_users, of_sites):
        return TRAFFIC_KIND
    if of_users != of_sites:
        return USER_KIND if of_users > of_sites else SITE_KIND
    return USER_KIND if any(word in path.stem.lower() for word in ("user", "phone")) else SITE_KIND


def describe_sites(path: Path) -> Description:
    """Cells, masts and carriers of a file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not as it must be.
    """
    about = Description(path, "")
    with about.noting():
        table = taken(read_cells(path, reads_load=True), Selection())
        cells = sites_of(table, table.places(None))
    with about.noting(but=_UNUSED):  # without its loads, which are described
        scenario = scenario_from_csv(path)
    sectors = sum(each.azimuth_deg is not None for each in cells)
    masts = len({each.site for each in cells}) if all(each.site for each in cells) else len({(c.x, c.y) for c in cells})
    about.kind = f"sites, {format_of(table)}"
    about.facts = [
        f"{plural(len(cells), 'cell')} on {plural(masts, 'mast')}, {sectors} of them sectors",
        _carriers(scenario),
        _tiers(scenario),
    ]
    about.columns = columns_of(table)
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
    about.kind = f"users, {format_of(table)}"
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
    about.columns = columns_of(table)
    about.commands = [f"hetgraph compare --sites SITES.csv --users {path}"]
    return about


def describe_network(sites: Path, users: Path | None, density: Path | None) -> Description:
    """The network of a file of sites, and one of users or a map of traffic.

    Raises:
        FileNotFoundError: no such file.
        ValueError: files that do not fit together.
    """
    about = Description(sites, f"with {users or density}: a network")
    with about.noting():
        scenario = scenario_from_csv(sites, users, density=density)
    alone = Description(sites, "")
    with alone.noting():
        scenario_from_csv(sites)
        if users is not None:
            user_table(users)
    about.warnings = [text for text in about.warnings if text not in alone.warnings]
    width, height = scenario.layout.width_m, scenario.layout.height_m
    about.facts = [
        f"{plural(scenario.num_stations, 'cell')} and {plural(scenario.users.count, 'user')} in {width / 1e3:.3g} x "
        f"{height / 1e3:.3g} km",
        f"of the preset {_BASE}, since files do not say it: bandwidth, noise figure, channel (--scenario names another)",
    ]
    both = f"--sites {sites} " + (f"--user-density {density}" if users is None else f"--users {users}")
    about.commands = [f"hetgraph compare {both} --policies max_rsrp,pf,pf_teacher_6"]
    about.commands += [] if users is None else [f"hetgraph plan --policy pf_teacher_6 {both}"]
    about.commands.append(f"hetgraph finetune --ckpt CHECKPOINT {both}")
    return about


_BASE, _UNUSED = "hetnet-3tier", "columns that are not used"


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
