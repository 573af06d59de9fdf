"""Drive tests of a folder as networks: split by file, mapped cell by cell, as graphs and as trajectories."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.datasets.kriging import Kriging
from hetgraph.datasets.lte_cells import cells_of
from hetgraph.datasets.lte_files import split_files, trace_files
from hetgraph.datasets.lte_rows import Rows, TraceReport, clean, summary
from hetgraph.datasets.lte_table import Numbers
from hetgraph.datasets.lte_trace import LTETrace
from hetgraph.datasets.lte_tracks import Tracks, draw_pieces, tracks_of
from hetgraph.datasets.measured_graph import Carrier, measured_graph
from hetgraph.datasets.network_dataset import Change, Filter, NetworkDataset
from hetgraph.datasets.rsrp_map import Indices, fit_maps, predict
from hetgraph.graph.streams import stream
from hetgraph.graph.trajectories import Trajectories
from hetgraph.units import db_to_linear

Split = Literal["train", "val", "test", "all"]
SUBCARRIER_HZ = 15e3


class LTETraceDataset(NetworkDataset):
    """Networks from a folder of drive tests, or from one file: traces of Raca et al., G-NetTrack logs, CellMapper exports.

    Item i is a graph of ``cells`` neighbouring cells of one operator on one carrier and ``users`` pseudo-users: rows that one
    of these cells served. A trace is one phone, so its rows are of different times and the users were never in the network at
    once. The serving cell's edge is ``measured``; all others are imputed from maps of the training files' rows
    (:mod:`hetgraph.datasets.rsrp_map`). Cells that only other files know have no map, and their rows are left out.

    Files, never rows, are split: the files' names are sorted and shuffled by ``split_seed``; the last of them are for the test
    (``shares[2]`` of them, at least one of two), those before for validation (``shares[1]``, at least one of three), the rest
    for training. ``all`` maps and uses every file: for folders too small to split.

    5G phones of 2020 are anchored to LTE, so both kinds give the RSRP of LTE cells, per resource element: a cell's power is
    taken as spread evenly over the band's 15 kHz subcarriers, so ``gain = RSRP / (power * 15 kHz / bandwidth)``. Cells on
    different carriers are in different networks; the traces of Raca et al. do not tell carriers, and an operator's cells are
    taken to share one. A cell's site is the 4G trace's; where files tell none, a mast's is the centroid of the places where
    its cells served in the training files, weighted by RSRP in mW.

    ``reports`` tells what became of each file's rows, and a warning adds them up; ``files`` is the split, ``cells`` and
    ``maps`` are the cells of the training files, ``rows`` the split's rows of these cells.

    Args:
        root: folder, searched through for ``*.csv`` and ``*.txt``, or a file.
        transform, pre_transform, pre_filter: of graphs, see :class:`~hetgraph.datasets.NetworkDataset`.
        split: ``train``, ``val``, ``test`` or ``all``.
        generation: ``4G`` or ``5G``; needed where the folder holds both.
        operator: as in the files, with a carrier's channel number after a space if need be (``B 1464``); ``None`` draws one of
            those with enough cells for each network.
        cells: cells K of a network.
        users: pseudo-users N of a network.
        networks: number of graphs.
        seed: of the networks' cells and users.
        split_seed: of the split.
        shares: of the files for training, validation and test.
        fewest: rows that a cell must have served in the training files.
        carrier: power, band and noise.
        kriging: what the maps assume.
        bs_height_m: of all masts, which the traces do not tell.
        ue_height_m: of all phones.

    Raises:
        FileNotFoundError: no such folder or file.
        ValueError: no trace, both kinds at once, a file that is none, an empty split, or too few cells or rows.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Change | None = None,
        pre_transform: Change | None = None,
        pre_filter: Filter | None = None,
        *,
        split: Split = "train",
        generation: Literal["4G", "5G"] | None = None,
        operator: str | None = None,
        cells: int = 22,
        users: int = 250,
        networks: int = 64,
        seed: int = 0,
        split_seed: int = 0,
        shares: tuple[float, float, float] = (0.6, 0.2, 0.2),
        fewest: int = 2,
        carrier: Carrier = Carrier(),
        kriging: Kriging = Kriging(),
        bs_height_m: float = 25.0,
        ue_height_m: float = 1.5,
    ) -> None:
        for name, value in (("cells", cells), ("users", users), ("networks", networks), ("fewest", fewest)):
            if value < 1:
                raise ValueError(f"{name}: got {value}, expected at least 1")
        super().__init__(root, transform, pre_transform, pre_filter)
        self.root: Path = Path(root).expanduser()
        self.split, self.operator = split, operator
        self.num_cells, self.num_users, self.networks, self.seed = cells, users, networks, seed
        self.carrier, self.heights_m = carrier, (bs_height_m, ue_height_m)
        self.files = split_files(trace_files(self.root, generation), seed=split_seed, shares=shares)
        if not self.files.get(split):
            got = f"{split!r} of {len(self.files['all'])} files"
            raise ValueError(f"split: got {got}, expected train, val or test with at least one file, or all")
        self.reports: list[TraceReport] = []
        self._timeless: list[Path] = []
        self._files, training = self._read(generation)
        dropped = summary(self.reports)
        self.cells = cells_of(training, fewest, str(root), dropped)
        self.cells.chosen(operator)
        self.maps = fit_maps(self.cells.measured(training), kriging)
        self.rows = self.cells.measured(self._files)
        if not len(self.rows.cell):
            raise ValueError(
                f"{root}: got no row of the split {split!r} in a cell of the training files, expected some ({dropped})"
            )
        if any(report.kept < report.rows for report in self.reports):
            warnings.warn(f"{root}: {dropped}", stacklevel=2)
        self._tracks: dict[tuple[float, float], Tracks] = {}

    @property
    def raw_dir(self) -> str:
        """Folder of the traces."""
        return str(self.root if self.root.is_dir() else self.root.parent)

    @property
    def raw_file_names(self) -> list[str]:
        """Files of all splits."""
        return [str(path.relative_to(self.raw_dir)) for path in self.files["all"]]

    @property
    def num_networks(self) -> int:
        """Networks before ``pre_filter``."""
        return self.networks

    def network(self, number: int) -> HeteroData:
        """Network of a number and the dataset's seed."""
        return self.graph(number, self.seed)

    def graph(self, number: int, seed: int) -> HeteroData:
        """Network of any number and seed, the same whatever else is drawn.

        Raises:
            ValueError: too few cells, or too few rows that they served.
        """
        generator = stream(seed, number, "lte-graph")
        chosen, member = self._cluster(generator, self.num_cells, self.num_users)
        rows = np.flatnonzero(member[self.rows.cell])
        rows = np.sort(rows[torch.randperm(len(rows), generator=generator)[: self.num_users].numpy()])
        xy = self.rows.xy[rows]
        rsrp = predict([self.maps[c] for c in chosen], xy)
        serving = np.searchsorted(chosen, self.rows.cell[rows])
        measured = serving[:, None] == np.arange(len(chosen))
        rsrp = np.where(measured, self.rows.rsrp_dbm[rows, None], rsrp)
        gain = self._gain(rsrp).unsqueeze(2).expand(-1, -1, self.carrier.num_rbs)
        bs_pos, ue_pos = (
            _with_height(p, h) for p, h in zip((self.cells.site[chosen], xy), self.heights_m, strict=True)
        )
        return measured_graph(
            "lte-trace",
            gain.contiguous(),
            bs_pos,
            ue_pos,
            self.carrier,
            measured=torch.from_numpy(measured),
            serving=torch.from_numpy(serving),
        )

    def trajectories(
        self,
        networks: int = 16,
        steps: int = 50,
        *,
        users: int | None = None,
        cells: int | None = None,
        seed: int | None = None,
        first: int = 0,
        slot_s: float = 1.0,
        most_gap_s: float = 5.0,
    ) -> Trajectories:
        """Pseudo-users that each follow a piece of a trace through a network, pieces of different times together.

        A piece are the rows of ``steps`` slots without a gap of more than ``most_gap_s``; in at least half of its slots one of
        the network's cells serves. Users' pieces start in different slots, and may overlap. A slot without a row, and every
        cell that did not serve, is imputed: the cell's map, plus what the cell's last and next measurements in the trace are
        off that map by, which fades with the way driven since (:mod:`hetgraph.datasets.lte_tracks`).

        Args:
            networks: networks P.
            steps: steps T.
            users: users of each network; the dataset's by default.
            cells: cells of each network; the dataset's by default.
            seed: the dataset's by default.
            first: number of the first network; network i is the same whatever it is drawn with.
            slot_s: time between two steps, s.
            most_gap_s: longest gap between two rows of a piece, s.

        Raises:
            ValueError: numbers that are not positive, or too few cells or pieces.
        """
        users, cells = self.num_users if users is None else users, self.num_cells if cells is None else cells
        seed = self.seed if seed is None else seed
        for name, value in (
            ("networks", networks),
            ("steps", steps),
            ("users", users),
            ("cells", cells),
            ("slot_s", slot_s),
        ):
            if not value > 0:
                raise ValueError(f"{name}: got {value}, expected a positive number")
        tracks = self.tracks(slot_s, most_gap_s)
        chosen, points = [], []
        for number in range(first, first + networks):
            generator = stream(seed, number, "lte-trajectories")
            cluster, member = self._cluster(generator, cells, users)
            chosen.append(torch.from_numpy(cluster))
            points.append(draw_pieces(tracks, member, steps, users, generator))
        column, point = torch.stack(chosen), torch.stack(points)  # [P, K], [P, T, U]
        where = (point.unsqueeze(3), column[:, None, None])
        return Trajectories(
            gain=self._gain(tracks.rsrp_dbm[where]),
            ue_pos=tracks.xy[point],
            speed_mps=tracks.speed_mps[point],
            bs_pos=torch.from_numpy(self.cells.site).float()[column],
            power_w=torch.full(column.shape, self.carrier.power_w),
            tier=torch.zeros_like(column),
            measured=tracks.serving[point].unsqueeze(3) == column[:, None, None],
            bandwidth_hz=self.carrier.bandwidth_hz,
            noise_w=self.carrier.noise_w,
            slot_s=slot_s,
        )

    def rms_db(self) -> tuple[float, float, int]:
        """How far the maps are off the split's own measured rows: RMS in dB, of the maps and of their law of distance alone.

        On ``val`` and ``test`` these are held-out files; the third number is that of the rows.
        """
        map_off, law_off = [], []
        for cell in np.unique(self.rows.cell):
            rows = self.rows.cell == cell
            map_off.append(self.maps[cell].predict(self.rows.xy[rows]) - self.rows.rsrp_dbm[rows])
            law_off.append(self.maps[cell].trend(self.rows.xy[rows]) - self.rows.rsrp_dbm[rows])
        off, law = np.concatenate(map_off), np.concatenate(law_off)
        return float(np.sqrt((off**2).mean())), float(np.sqrt((law**2).mean())), len(off)

    def _read(self, generation: str | None) -> tuple[list[Rows], list[Rows]]:
        """Rows of the split's files and of those that the maps are made of; one whole file at a time is in memory."""
        own, training = self.files[self.split], self.files["all" if self.split == "all" else "train"]
        out: dict[Path, Rows] = {}
        for path in sorted({*own, *training}):
            trace = LTETrace.read(path, generation)
            out[path], report = clean(trace)
            self.reports.append(report)
            if not trace.has_times:
                self._timeless.append(path)
        return [out[p] for p in own], [out[p] for p in training]

    def _cluster(self, generator: Generator, cells: int, users: int) -> tuple[Indices, NDArray[np.bool_]]:
        chosen = self.cells.cluster(self.rows, cells, users, generator, self.operator)
        return chosen, np.isin(np.arange(len(self.maps)), chosen)

    def tracks(self, slot_s: float = 1.0, most_gap_s: float = 5.0) -> Tracks:
        """The split's files slot by slot, the RSRP of all cells included; kept once made.

        Args:
            slot_s: time between two slots, s.
            most_gap_s: longest gap between two rows of a piece, s.

        Raises:
            ValueError: a file that tells no times.
        """
        if self._timeless:
            raise ValueError(f"{self._timeless[0]}: got a file without times, expected some to follow its phone by")
        if (slot_s, most_gap_s) not in self._tracks:
            parts = [(f.time_s, self.cells.xy(f), f.rsrp_dbm, self.cells.index(f.cell)) for f in self._files]
            self._tracks[slot_s, most_gap_s] = tracks_of(parts, self.maps, slot_s, most_gap_s)
        return self._tracks[slot_s, most_gap_s]

    def _gain(self, rsrp_dbm: Numbers | Tensor) -> Tensor:
        element_dbm = self.carrier.power_dbm + 10 * np.log10(SUBCARRIER_HZ / self.carrier.bandwidth_hz)
        return db_to_linear(torch.as_tensor(rsrp_dbm).float() - float(element_dbm))


def _with_height(xy: Numbers, height_m: float) -> Tensor:
    return torch.from_numpy(np.column_stack([xy, np.full(len(xy), height_m)])).float()
