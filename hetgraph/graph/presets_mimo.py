"""Scenarios of stations that precode."""

from dataclasses import replace

from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Channel, Layout, Radio, Tier, Users

_ISD_M = 500.0


def mimo_7(antennas: int = 8, users: int = 4, rings: int = 1, num_rbs: int = 1) -> Scenario:
    """Seven urban-macro cells on a hexagonal grid that wraps around, users anywhere, clustered paths: multi-user MIMO.

    Each cell has a ring of antennas half a wavelength apart and serves at most as many users at once.

    Args:
        antennas: of each cell.
        users: of a cell in the mean.
        rings: of cells around the first one; 1 makes 7, 2 make 19.
        num_rbs: resource blocks that share the 20 MHz.
    """
    cells = 1 + 3 * rings * (rings + 1)
    side = (2 * rings + 1) * _ISD_M
    return Scenario(
        name="mimo-7",
        layout=Layout(side, side, wrap=True),
        tiers=(
            Tier(
                "macro",
                count=cells,
                power_dbm=46.0,
                height_m=25.0,
                pathloss="uma",
                placement="hex",
                spacing_m=_ISD_M,
                num_antennas=antennas,
                circuit_power_w=130.0,
                amplifier_efficiency=0.213,
            ),
        ),
        users=Users(count=cells * users),
        channel=Channel(carrier_hz=3.5e9, shadowing="correlated", fading="clustered", mimo=True),
        radio=Radio(bandwidth_hz=20e6, num_rbs=num_rbs, layers=antennas),
    )


def with_mimo(scenario: Scenario, layers: int) -> Scenario:
    """The same stations with channels of each antenna, on clustered paths.

    Args:
        scenario: the stations.
        layers: most users that a station serves at once on a resource block.
    """
    channel = replace(scenario.channel, fading="clustered", mimo=True)
    return replace(scenario, channel=channel, radio=replace(scenario.radio, layers=layers))
