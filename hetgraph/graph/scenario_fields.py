"""The fields of a scenario, for code below the scenario itself: what draws networks, places and channels reads these."""

import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from hetgraph.graph.mobility import Mobility, Services
from hetgraph.graph.rules import Rules
from hetgraph.graph.scenario_parts import Carrier, Channel, Layout, Radio, Tier, Users
from hetgraph.graph.source import Drawn, Given
from hetgraph.graph.traffic import Traffic
from hetgraph.serialization import build, changed, plain


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
        source: where networks come from: ``Drawn()`` from all of this, or ``Given(kind, path, options)`` from files, whose reader
            tells which of the other fields it reads.
        traffic: what users want; ``None`` leaves it to the environment.
        rules: by which environments play.
        background: tiers of cells at fixed places that are no stations of the graph: they serve nobody, and what users receive of
            them, at their ``load``, is far interference.
    """

    name: str = "custom"
    layout: Layout = field(default_factory=Layout)
    tiers: tuple[Tier, ...] = (Tier(),)
    users: Users = field(default_factory=Users)
    channel: Channel = field(default_factory=Channel)
    radio: Radio = field(default_factory=Radio)
    mobility: Mobility = field(default_factory=Mobility)
    source: Drawn | Given = field(default_factory=Drawn)
    traffic: Traffic | None = None
    rules: Rules = field(default_factory=Rules)
    background: tuple[Tier, ...] = ()

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

    @property
    def services(self) -> Services:
        """The traffic, where it is one of services; else services by default."""
        return self.traffic if isinstance(self.traffic, Services) else Services()

    @functools.cached_property
    def hash(self) -> str:
        """Short digest of what differs from the defaults, so that a new field leaves old digests as they are."""
        values = changed(build(type(self), self.to_dict(), "scenario"))
        if isinstance(self.traffic, Services):  # their digest is that of the field that they once had
            del values["traffic"]["kind"]
            values["services"] = values.pop("traffic")
            values = {name: value for name, value in values.items() if name != "services" or value}
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers."""
        values: dict[str, Any] = plain(self)
        return values
