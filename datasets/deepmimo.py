"""Ray-traced scenarios of DeepMIMO as graphs."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.datasets.deepmimo_files import Pair, ScenarioSets
from hetgraph.datasets.measured_graph import Carrier, measured_graph
from hetgraph.datasets.network_dataset import Change, Filter, NetworkDataset
from hetgraph.graph import CHANNEL, MOUNTED_ON, Channel, Tier, check
from hetgraph.graph.antennas import antenna_attributes
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import stream


class DeepMIMODataset(NetworkDataset):
    """Graphs of a DeepMIMO v4 scenario: transmitters are stations, receivers users, no gain is measured.

    The gain of a pair is the sum of its paths' powers, for a ray tracer's powers are those of 0 dBm sent. With ``coherent`` the
    paths are summed with their phases, at each resource block's centre frequency turned by their delays: small-scale fading of that
    one place, of the same mean. On 12 paths of random phases with exponential delays of 100 ns (``test_deepmimo.py``), 20 MHz and 12
    blocks, it changes the gain of a block by 2.3 dB rms and at most 17 dB where a line of sight is 9 dB above the other paths
    together (means over the band: 1.2 dB rms), by 5.9 dB rms and fades beyond 30 dB without one (2.5 dB rms). Receivers that no path
    reaches are left out and counted in ``dropped``.

    Args:
        root: the scenario's folder; of a scenario with several scenes each is a folder in it, and items go round the scenes.
        transform, pre_transform, pre_filter: of graphs, see :class:`~hetgraph.datasets.NetworkDataset`.
        users: receivers of each graph, drawn at random; ``None`` for all.
        networks: number of graphs; one for each scene by default.
        seed: of the draw.
        coherent: sum paths with their phases: gains are those of one place with its fades, no longer means over a few wavelengths.
        carrier: power, band and noise; the carrier frequency is the scenario's.
        antennas: of every station, isotropic ones in the places of its panel or number of antennas: graphs have channels ``h`` of
            them, coherent sums over paths by their angles of departure, and gains are the means of their powers over antennas.
        layers: most users that a station serves at once, with ``antennas``.

    Raises:
        FileNotFoundError: no such folder, or no ``params.json`` or array in it.
        ValueError: a file in another format, arrays that do not fit together, no receiver that is reached, or fewer than asked for.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Change | None = None,
        pre_transform: Change | None = None,
        pre_filter: Filter | None = None,
        *,
        users: int | None = None,
        networks: int | None = None,
        seed: int = 0,
        coherent: bool = False,
        carrier: Carrier = Carrier(),
        antennas: Tier | None = None,
        layers: int = 1,
    ) -> None:
        super().__init__(root, transform, pre_transform, pre_filter)
        self.root: Path = Path(root).expanduser()
        self.users, self.seed = users, seed
        sets = ScenarioSets.read(self.root)
        folders = [self.root]
        if sets.scenes > 1:
            folders = sorted(path for path in self.root.iterdir() if path.is_dir())[: sets.scenes]
            if len(folders) < sets.scenes:
                raise ValueError(f"{self.root}: got {len(folders)} folders of scenes, expected {sets.scenes}")
        self.carrier = replace(carrier, carrier_hz=sets.carrier_hz or carrier.carrier_hz)
        self.layers, self.antennas = layers, None
        if antennas is not None:
            tier = replace(antennas, count=len(sets.transmitters), carrier="")
            fields = ScenarioFields(tiers=(tier,), channel=Channel(carrier_hz=self.carrier.carrier_hz, mimo=True))
            self.antennas = antenna_attributes(fields, 1)
        offset = None if self.antennas is None else self.antennas[0]["offset"].reshape(len(sets.transmitters), -1, 3)
        self.scenes = [_scene(folder, sets, self.carrier, coherent, offset) for folder in folders]
        self.dropped = sum(scene.dropped for scene in self.scenes)
        self.networks = len(self.scenes) if networks is None else networks
        fewest = min(len(scene.ue_pos) for scene in self.scenes)
        if users is not None and not 1 <= users <= fewest:
            raise ValueError(f"users: got {users}, expected 1 to {fewest}, the receivers of {self.root} with a path")
        if self.networks < 1:
            raise ValueError(f"networks: got {networks}, expected at least 1")

    @property
    def raw_file_names(self) -> list[str]:
        """The scenario's description and its arrays."""
        return ["params.json", *(str(path.relative_to(self.root)) for path in sorted(self.root.rglob("*.npz")))]

    @property
    def num_networks(self) -> int:
        """Networks before ``pre_filter``."""
        return self.networks

    def network(self, number: int) -> HeteroData:
        """Network of a number and the dataset's seed."""
        return self.graph(number, self.seed)

    def graph(self, number: int, seed: int) -> HeteroData:
        """Network of any number and seed; numbers go round the scenes."""
        scene = self.scenes[number % len(self.scenes)]
        rows = torch.arange(len(scene.ue_pos))
        if self.users is not None:
            drawn = torch.randperm(len(rows), generator=stream(seed, number, "deepmimo-users"))
            rows = drawn[: self.users].sort().values
        gain, los = scene.gain[rows], None if scene.los is None else scene.los[rows]
        data = measured_graph(
            self.root.name,
            gain,
            scene.bs_pos,
            scene.ue_pos[rows],
            self.carrier,
            measured=torch.zeros(gain.shape[:2], dtype=torch.bool),
            los=los,
        )
        if self.antennas is not None and scene.h is not None:
            attributes, mounted = self.antennas
            for name, value in attributes.items():
                data["antenna"][name] = value[0]
            data["antenna"].num_nodes = mounted.shape[2]
            data[MOUNTED_ON].edge_index = mounted[0].contiguous()
            data[CHANNEL].h = scene.h[rows].flatten(0, 1)
            data.layers = torch.tensor([self.layers])
            check(data)
        return data


@dataclass(frozen=True)
class _Scene:
    """Gains ``[U, N, R]``, channels ``[U, N, A, R]``, places ``[N, 3]`` and ``[U, 3]``, LOS ``[U, N]``, dropped receivers."""

    gain: Tensor
    h: Tensor | None
    bs_pos: Tensor
    ue_pos: Tensor
    los: Tensor | None
    dropped: int


def _scene(folder: Path, sets: ScenarioSets, carrier: Carrier, coherent: bool, offset: Tensor | None) -> _Scene:
    gains, sights, stations, places, channels = [], [], [], [], []
    angles = offset is not None
    for number, sender in enumerate(sets.transmitters):
        groups = sets.receivers.items()
        pairs = [Pair.read(folder, sender, group, size, coherent, angles=angles) for group, size in groups]
        if offset is None:
            gains.append(np.concatenate([pair.gain(carrier, coherent) for pair in pairs]))
        else:
            around = offset[number].double().numpy()
            channels.append(np.concatenate([pair.channel(carrier, around) for pair in pairs]))
            gains.append((np.abs(channels[-1]) ** 2).mean(1))
        known = [pair.los for pair in pairs if pair.los is not None]
        sights += [np.concatenate(known)] if len(known) == len(pairs) else []
        stations.append(pairs[0].tx_pos)
        places.append(np.concatenate([pair.rx_pos for pair in pairs]))
    for (group, number), place in zip(sets.transmitters, places, strict=True):
        if not np.array_equal(place, places[0]):
            raise ValueError(
                f"{folder}: got other rx_pos for transmitter {number} of set {group}, expected the same for all"
            )
    gain = np.stack(gains, 1)  # [U, N, R]
    reached = (gain > 0).any((1, 2))
    if not reached.any():
        raise ValueError(f"{folder}: got no receiver that a path reaches, expected at least one")
    return _Scene(
        gain=torch.from_numpy(gain[reached]).float(),
        h=torch.from_numpy(np.stack(channels, 1)[reached]).to(torch.complex64) if channels else None,
        bs_pos=torch.from_numpy(np.stack(stations)).float(),
        ue_pos=torch.from_numpy(places[0][reached]).float(),
        los=torch.from_numpy(np.stack(sights, 1)[reached]) if len(sights) == len(gains) else None,
        dropped=int((~reached).sum()),
    )
