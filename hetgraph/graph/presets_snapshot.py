"""Scenarios of whole networks at one time: the HetGNN paper's, a three-tier network, interference channels."""

from hetgraph.graph.presets_mimo import with_mimo
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Channel, Layout, Radio, Tier, Users


def uma_5bs(users: int = 5400, num_rbs: int = 51, mimo: bool = False) -> Scenario:
    """Table 1 of the HetGNN paper: 5 urban-macro stations, 5,400 users, 51 resource blocks over 20 MHz.

    Four stations form a square and one stands between the two on its left. The paper takes the coordinates from a file that
    it does not print; the square's side is 200 m here and the margin around it 20 m.

    Args:
        users: number of users.
        num_rbs: resource blocks that share the 20 MHz.
        mimo: stations precode, for 8 users at once on a resource block.
    """
    margin, side = 20.0, 200.0
    corners = ((margin, margin), (margin + side, margin), (margin, margin + side), (margin + side, margin + side))
    scenario = Scenario(
        name="uma-5bs",
        layout=Layout(side + 2 * margin, side + 2 * margin),
        tiers=(
            Tier(
                "macro",
                count=5,
                power_dbm=46.0,
                height_m=25.0,
                pathloss="uma",
                placement="fixed",
                positions=(*corners, (margin, margin + side / 2)),
                num_antennas=8,
                circuit_power_w=130.0,
                amplifier_efficiency=0.213,
            ),
        ),
        users=Users(count=users, height_m=1.5, placement="uniform", spacing_m=1.2),
        channel=Channel(carrier_hz=3.5e9, shadowing="correlated", shadow_sigma_db=6.0, fading="rayleigh"),
        radio=Radio(bandwidth_hz=20e6, num_rbs=num_rbs, noise_figure_db=9.0),
    )
    return with_mimo(scenario, layers=8) if mimo else scenario


def hetnet_3tier(
    macro: int = 3,
    micro: int = 6,
    pico: int = 12,
    speed_mps: float = 0.0,
    mimo: bool = False,
    users: int = 600,
    num_rbs: int = 12,
) -> Scenario:
    """Macro, micro and pico stations on the same band: the case in which association matters.

    Half of the users gather around the picos, whose 30 dBm lose against the macros' 46 dBm beyond a few metres, so
    that the strongest station is mostly the wrong one. Circuit powers and efficiencies are those of the EARTH model
    (Auer et al. 2011, Table 2). Without picos these users gather around micros, without both around macros.

    Args:
        macro: stations of the tier; a tier of none is left out.
        micro: stations of the tier.
        pico: stations of the tier.
        speed_mps: speed of users, each in a direction of its own.
        mimo: stations precode, for as many users at once on a resource block as they have antennas, four.
        users: number of users.
        num_rbs: resource blocks that share the 20 MHz.
    """
    tiers = (
        station("macro", macro, 46.0, 25.0, "uma", 300.0, 130.0, 0.213),
        station("micro", micro, 38.0, 10.0, "umi", 100.0, 56.0, 0.385),
        station("pico", pico, 30.0, 10.0, "umi", 60.0, 6.8, 0.25),
    )
    present = tuple(tier for tier in tiers if tier.count != 0)
    scenario = Scenario(
        name="hetnet-3tier",
        layout=Layout(1000.0, 1000.0),
        tiers=present,
        users=Users(
            count=users,
            placement="clustered",
            clustered_fraction=0.5,
            cluster_tier=present[-1].name if present else "",
            cluster_radius_m=80.0,
            speed_mps=speed_mps,
        ),
        channel=Channel(carrier_hz=3.5e9, shadowing="correlated", fading="rayleigh"),
        radio=Radio(bandwidth_hz=20e6, num_rbs=num_rbs, noise_figure_db=9.0),
    )
    return with_mimo(scenario, layers=4) if mimo else scenario


def station(
    name: str, count: int, power: float, height: float, model: str, spacing: float, circuit: float, efficiency: float
) -> Tier:
    """Tier of omnidirectional stations of four antennas: dBm, m, m between stations, W."""
    return Tier(
        name,
        count=count,
        power_dbm=power,
        height_m=height,
        pathloss=model,
        spacing_m=spacing,
        num_antennas=4,
        circuit_power_w=circuit,
        amplifier_efficiency=efficiency,
    )


def interference_k(pairs: int = 20, *, noise_dbm: float = -100.0, model: str = "umi") -> Scenario:
    """K-user interference channel: transmitter-receiver pairs at constant density, one resource block.

    Args:
        pairs: number of pairs K; the area grows with it, 20 pairs on 250 m x 250 m.
        noise_dbm: noise power.
        model: propagation model alias; ``unit`` gives independent Rayleigh gains of mean one without geometry.
    """
    side = 250.0 * (pairs / 20) ** 0.5
    return Scenario(
        name="interference-k",
        layout=Layout(side, side),
        tiers=(Tier("pair", count=pairs, power_dbm=30.0, height_m=10.0, pathloss=model, num_antennas=1),),
        users=Users(count=pairs, placement="pairs", pair_distance_m=(10.0, 50.0)),
        channel=Channel(carrier_hz=2.4e9, los="always", shadowing="none", fading="rayleigh", min_distance_m=5.0),
        radio=Radio(bandwidth_hz=10e6, num_rbs=1, noise_w=10 ** ((noise_dbm - 30) / 10)),
    )
