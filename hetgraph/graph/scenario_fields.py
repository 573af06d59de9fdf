"""The fields of a scenario, for code below the scenario itself: what draws networks, places and channels reads these."""

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from hetgraph.graph.mobility import Mobility, Services
from hetgraph.graph.plain import build, changed
from hetgraph.graph.scenario_parts import Carrier, Channel, Layout, Radio, Tier, Users


@dataclass(frozen=True)
class ScenarioFields:
    """Everything that defines a family of networks; made, checked and drawn from as a :class:`~hetgraph.graph.scenario.Scenario`.

    Args:
        name: a short name, kept with every graph.
        layout: the area.
        tiers: station tiers, in the order in which they are placed and numbered.
        users: user equipment.
        channel: propagation.
        radio: bandwidth, noise, candidates.
        mobility: how users move, in environments that follow time.
        services: what they receive there.
    """

    name: str = "custom"
    layout: Layout = field(default_factory=Layout)
    tiers: tuple[Tier, ...] = (Tier(),)
    users: Users = field(default_factory=Users)
    channel: Channel = field(default_factory=Channel)
    radio: Radio = field(default_factory=Radio)
    mobility: Mobility = field(default_factory=Mobility)
    services: Services = field(default_factory=Services)

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
        text = json.dumps(changed(build(type(self), self.to_dict(), "scenario")), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain
