"""Scenarios: everything that defines a family of networks, as frozen dataclasses that round-trip through YAML."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hetgraph.graph.mobility import Services
from hetgraph.graph.sample import check_numbers
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.sources import DrawnNetworks, source_of
from hetgraph.graph.trajectories import Trajectories
from hetgraph.graph.validate import validate
from hetgraph.serialization import build, plain


@dataclass(frozen=True)
class CellName:
    """Who a station is.

    Args:
        site: name of its mast, as its owner calls it; empty where it has none.
        cell: its own name.
        tier: name of its tier.
        row: number of its row in the owner's file, from 0; ``None`` for a station of no file.
    """

    site: str
    cell: str
    tier: str
    row: int | None


@dataclass(frozen=True)
class Scenario(ScenarioFields):
    """A family of networks, wholly serialisable to YAML; its arguments are the fields of :class:`ScenarioFields`.

    Raises:
        ValueError: a value out of its range, naming the field, what was got and what was expected.
    """

    def __post_init__(self) -> None:
        validate(self)

    def to_yaml(self, path: str | Path | None = None) -> str:
        """YAML text; also written to ``path`` when given."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "Scenario":
        """Inverse of :meth:`to_dict`; missing fields take their defaults.

        Files of the first edition have a field ``services`` beside the others; other services than by default are the traffic.

        Raises:
            ValueError: an unknown field, or a value of another type.
        """
        if "services" in values and "traffic" not in values:
            services = build(Services, values["services"], "scenario.services")
            values = {name: value for name, value in values.items() if name != "services"}
            values |= {"traffic": plain(services)} if services != Services() else {}
        return build(Scenario, values, "scenario")

    @staticmethod
    def from_yaml(source: str | Path) -> "Scenario":
        """Scenario from YAML text or from a file.

        Raises:
            ValueError: not YAML, or not a scenario.
            FileNotFoundError: a path that does not exist.
        """
        is_path = isinstance(source, Path) or "\n" not in source
        try:
            values = yaml.safe_load(Path(source).read_text(encoding="utf-8") if is_path else str(source))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            line = str(error).splitlines()[0]
            raise ValueError(f"{source if is_path else 'scenario'}: got text that is no safe YAML ({line})") from None
        if not isinstance(values, dict):
            raise ValueError(f"{source if is_path else 'scenario'}: got {type(values).__name__}, expected a mapping")
        try:
            return Scenario.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{source}: {error}" if is_path else str(error)) from None

    def scaled(self, *, users: float = 1.0, stations: float = 1.0, area: float = 1.0) -> "Scenario":
        """The same scenario with more (or fewer) users, stations or square metres; stations of every tier alike.

        Where every station has as many users (``hexagons``, ``squares``), ``users`` is a factor on those of a station.

        Example:
            >>> small = preset("hetnet-3tier").scaled(users=0.1, stations=1 / 3)
            >>> small.num_stations, small.users.count
            (7, 60)
        """
        side = area**0.5
        layout = dataclasses.replace(
            self.layout, width_m=self.layout.width_m * side, height_m=self.layout.height_m * side
        )
        tiers = tuple(
            dataclasses.replace(tier, count=round(tier.count / tier.sectors * stations) * tier.sectors)
            for tier in self.tiers
        )
        count = round(self.users.count * users)
        if self.users.placement in ("hexagons", "squares"):
            number = sum(tier.count for tier in tiers)
            count = round(self.users.count / self.num_stations * users) * number
        crowd = dataclasses.replace(self.users, count=count)
        return dataclasses.replace(self, layout=layout, tiers=tiers, users=crowd)

    def names(self) -> tuple[CellName, ...]:
        """Who each station of a sampled graph is, in the stations' order: site, cell and row as its owner named them.

        Stations of given graphs, gains, ray tracing and drive tests have no names: there it is empty.

        Raises:
            FileNotFoundError: a source whose file does not exist.
            ValueError: a source whose file is wrong.
        """
        source = source_of(self)
        tiers = source.scenario.tiers if isinstance(source, DrawnNetworks) else ()
        return tuple(
            CellName(
                site=tier.site[i] if tier.site else "",
                cell=tier.cell[i] if tier.cell else "",
                tier=tier.name,
                row=tier.row[i] if tier.row else None,
            )
            for tier in tiers
            for i in range(tier.count)
        )

    def sample(self, n: int = 1, *, seed: int = 0, first: int = 0) -> Any:
        """``n`` networks at once, as a PyG batch equal to ``Batch.from_data_list`` of the singles.

        Args:
            n: number of networks.
            seed: seed of all streams; network i has its own, keyed by (seed, i, purpose).
            first: number of the first network, so that ``sample(1, first=i)`` is network i of any larger sample.

        Raises:
            FileNotFoundError: a source whose file or folder does not exist.
            ValueError: a source whose files are wrong, or ``n`` that is not positive.

        Example:
            >>> scenario = preset("interference-k:pairs=4")
            >>> three, second = scenario.sample(3, seed=1), scenario.sample(1, seed=1, first=1)
            >>> three[1]["bs", "channel", "ue"].gain.equal(second[0]["bs", "channel", "ue"].gain)
            True
        """
        check_numbers(n, first)
        return source_of(self).sample(n, seed=seed, first=first)

    def trajectories(self, n: int = 1, *, slots: int, seed: int = 0, first: int = 0) -> Trajectories | None:
        """How the users of ``n`` networks move; ``None`` where they stand.

        Args:
            n: number of networks.
            slots: places of each user, one a slot.
            seed: of all streams.
            first: number of the first network.

        Raises:
            FileNotFoundError: a source whose file or folder does not exist.
            ValueError: a source whose files are wrong, too few of them, or a number that is not positive.
        """
        check_numbers(n, first)
        return source_of(self).trajectories(n, slots=slots, seed=seed, first=first)
