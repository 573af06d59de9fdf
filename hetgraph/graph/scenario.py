"""Scenarios: everything that defines a family of networks, as frozen dataclasses that round-trip through YAML."""

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hetgraph.graph.behaviour import Mobility, Services
from hetgraph.graph.plain import build, changed
from hetgraph.graph.scenario_parts import Carrier, Channel, Layout, Radio, Tier, Users


@dataclass(frozen=True)
class Scenario:
    """A family of networks, wholly serialisable to YAML.

    Args:
        name: a short name, kept with every graph.
        layout: the area.
        tiers: station tiers, in the order in which they are placed and numbered.
        users: user equipment.
        channel: propagation.
        radio: bandwidth, noise, candidates.
        mobility: how users move, in environments that follow time.
        services: what they receive there.

    Raises:
        ValueError: a value out of its range, naming the field, what was got and what was expected.
    """

    name: str = "custom"
    layout: Layout = field(default_factory=Layout)
    tiers: tuple[Tier, ...] = (Tier(),)
    users: Users = field(default_factory=Users)
    channel: Channel = field(default_factory=Channel)
    radio: Radio = field(default_factory=Radio)
    mobility: Mobility = field(default_factory=Mobility)
    services: Services = field(default_factory=Services)

    def __post_init__(self) -> None:
        from hetgraph.graph.validate import validate

        validate(self)

    @property
    def num_stations(self) -> int:
        """Stations in each network."""
        return sum(tier.count for tier in self.tiers)

    @property
    def carriers(self) -> tuple[Carrier, ...]:
        """The carriers, in the order of their resource blocks; one of no name where ``radio`` has none."""
        radio = self.radio
        only = Carrier("", self.channel.carrier_hz, radio.bandwidth_hz, radio.num_rbs)
        return radio.carriers or (only,)

    def carrier_of(self, tier: Tier) -> Carrier:
        """The carrier of a tier's cells."""
        return next((carrier for carrier in self.carriers if carrier.name == tier.carrier), self.carriers[0])

    @functools.cached_property
    def hash(self) -> str:
        """Short digest of what differs from the defaults, so that a new field leaves old digests as they are."""
        text = json.dumps(changed(Scenario.from_dict(self.to_dict())), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain

    def to_yaml(self, path: str | Path | None = None) -> str:
        """YAML text; also written to ``path`` when given."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "Scenario":
        """Inverse of :meth:`to_dict`; missing fields take their defaults.

        Raises:
            ValueError: an unknown field, or a value of another type.
        """
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
        """The same scenario with more (or fewer) users, stations or square metres; stations of every tier alike."""
        side = area**0.5
        layout = dataclasses.replace(
            self.layout, width_m=self.layout.width_m * side, height_m=self.layout.height_m * side
        )
        tiers = tuple(
            dataclasses.replace(tier, count=round(tier.count / tier.sectors * stations) * tier.sectors)
            for tier in self.tiers
        )
        crowd = dataclasses.replace(self.users, count=round(self.users.count * users))
        return dataclasses.replace(self, layout=layout, tiers=tiers, users=crowd)

    def sample(self, n: int = 1, *, seed: int = 0, first: int = 0) -> Any:
        """Draw ``n`` networks at once, as a PyG batch equal to ``Batch.from_data_list`` of the singles.

        Args:
            n: number of networks.
            seed: seed of all streams; network i has its own, keyed by (seed, i, purpose).
            first: number of the first network, so that ``sample(1, first=i)`` is network i of any larger sample.
        """
        from hetgraph.graph.sample import sample

        return sample(self, n, seed=seed, first=first)
