"""Networks that are drawn from a scenario."""

import torch
from torch import Tensor

from hetgraph.envs.iot.channels import LargeScale, doppler_hz
from hetgraph.envs.iot.mobility import draw_paths, may_serve
from hetgraph.envs.iot.networks import Drop, Networks, Sizes, Values
from hetgraph.graph.antennas import antenna_attributes
from hetgraph.graph.masts import image_shifts, masts_of
from hetgraph.graph.sample import nearest_stations, noise_w, station_attributes
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.streams import Streams


class DrawnNetworks(Networks):
    """Networks of a scenario, drawn anew for each episode.

    Raises:
        ValueError: several carriers.
    """

    def __init__(self, scenario: Scenario) -> None:
        radio, one = scenario.radio, torch.zeros(1, scenario.num_stations, 2)
        antennas, mounted = antenna_attributes(scenario, 1)
        noise = torch.tensor([noise_w(scenario)]).expand(1, scenario.users.count, radio.num_rbs)
        sizes = Sizes(
            scenario.num_stations,
            scenario.users.count,
            radio.num_rbs,
            mounted.shape[2],
            max(radio.layers, scenario.rules.layers),
            radio.bandwidth_hz / radio.num_rbs,
            radio.slot_s,
            scenario.carriers[0].carrier_hz,
        )
        super().__init__(sizes, scenario.services, scenario.channel, mounted[0, 1])
        self.scenario = scenario
        self.fixed = {("bs", name): value for name, value in station_attributes(scenario, one).items() if name != "pos"}
        self.fixed |= {("antenna", name): value for name, value in antennas.items()}
        self.fixed["ue", "noise_w"] = noise
        self.fixed["ue", "rate_min_bps"] = torch.full((1, scenario.users.count), scenario.users.rate_min_bps)
        masts = int(masts_of(scenario).max()) + 1
        self.nearest = (radio.neighbours + 1) * -(-scenario.num_stations // masts) - 1

    def drop(self, streams: Streams, geography: Streams, slots: int) -> Drop:
        """Stations, users and their ways, path loss and shadowing along these."""
        scenario, mobility = self.scenario, self.scenario.mobility
        per_step = max(round(mobility.step_s / self.sizes.slot_s), 1)
        paths = draw_paths(scenario, streams, geography, -(-slots // per_step))
        stations = station_attributes(scenario, paths.stations)["pos"]
        doppler = doppler_hz(paths.speed_mps, self.sizes.carrier_hz, mobility.doppler_hz)
        values: Values = {("bs", "pos"): stations}
        if paths.background_w is not None:
            rise_w = paths.background_w.unsqueeze(2) / self.sizes.subchannels
            values["ue", "noise_w"] = self.fixed["ue", "noise_w"] + rise_w
        return Drop(
            LargeScale(paths.gain_db, None, doppler, per_step),
            values,
            paths.users,
            may_serve(scenario, stations, paths),
            torch.zeros(len(stations), dtype=torch.long),
        )

    def neighbours(self, values: Values, layout: Tensor) -> Tensor:
        """Cells of the nearest masts, and the others of a cell's own mast."""
        places = values["bs", "pos"][..., :2].float().cpu()
        return nearest_stations(places, self.nearest, image_shifts(self.scenario))
