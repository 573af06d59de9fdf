"""What the drive tests hold, how well held-out files are imputed, and what it takes: `python benchmarks/lte_traces.py FOLDER`."""

import sys
import time
from pathlib import Path

import numpy as np

from hetgraph.channel import thermal_noise_w
from hetgraph.datasets import Kriging, LTETrace, LTETraceDataset
from hetgraph.datasets.lte_rows import clean
from hetgraph.datasets.rsrp_map import predict


def files(folder: Path) -> None:
    """Rows, cells and missing values of each file."""
    start = time.perf_counter()
    for path in sorted(folder.glob("*.csv")):
        trace = LTETrace.read(path)
        missing = {
            n: int(np.isnan(getattr(trace, f"{n}_db{'m' if 'rsrp' in n else ''}")).sum())
            for n in ("rsrp", "rsrq", "snr")
        }
        missing["neighbour"] = int(np.isnan(trace.neighbour_rsrp_dbm).sum())
        print(f"{clean(trace)[1]}; missing: {', '.join(f'{count} {name}' for name, count in missing.items())}")
    print(f"read and cleaned in {time.perf_counter() - start:.2f} s\n")


def level_fit(train: LTETraceDataset, test: LTETraceDataset) -> float:
    """RMS of least squares of RSRP on the logarithm of distance, with a level for each cell."""
    loss = [10 * np.log10(np.hypot(*(r.xy - r.site[r.cell]).T).clip(10)) for r in (train.rows, test.rows)]
    own = np.eye(len(train.maps))
    best = np.linalg.lstsq(np.column_stack([loss[0], own[train.rows.cell]]), train.rows.rsrp_dbm, rcond=None)[0]
    off = np.column_stack([loss[1], own[test.rows.cell]]) @ best - test.rows.rsrp_dbm
    return float(np.sqrt((off**2).mean()))


def held_out(folder: Path, split_seed: int) -> None:
    """One 5G file's rows from maps of the other: its RSRP, which cell serves, and the SNR that the phone reported."""
    train = LTETraceDataset(folder, generation="5G", split="train", split_seed=split_seed)
    for rounds in (0, Kriging().rounds):
        data = LTETraceDataset(
            folder, generation="5G", split="test", split_seed=split_seed, kriging=Kriging(rounds=rounds)
        )
        rows, (path,) = data.rows, data.files["test"]
        heard = predict(data.maps, rows.xy)
        own = heard[np.arange(len(heard)), rows.cell]
        rank = (heard > own[:, None]).sum(1)
        found, law, count = data.rms_db()
        print(
            f"{path.name}, {count} rows, {'with' if rounds else 'without'} bounds: RMS {found:.2f} dB, law of distance {law:.2f},"
        )
        print(
            f"  with a level for each cell {level_fit(train, data):.2f}; serving cell strongest {(rank == 0).mean():.2f},"
        )
        print(f"  among three {(rank < 3).mean():.2f}; {sinr(path, data, heard)}")


def sinr(path: Path, data: LTETraceDataset, heard: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> str:
    """Serving cell's SINR at full load of all others beside the phone's SNR, which no map has seen."""
    trace = LTETrace.read(path)
    reported = dict(zip(trace.time_s.tolist(), trace.snr_db.tolist(), strict=True))
    kept = clean(trace)[0]
    snr = np.array(
        [reported[t] for t, c in zip(kept.time_s.tolist(), data.cells.index(kept.cell), strict=True) if c >= 0]
    )
    power = 10 ** (heard / 10)
    others = power.sum(1) - power[np.arange(len(power)), data.rows.cell]
    noise_mw = 1e3 * thermal_noise_w(15e3, noise_figure_db=data.carrier.noise_figure_db)
    found = data.rows.rsrp_dbm - 10 * np.log10(others + noise_mw)
    known = np.isfinite(snr)
    both = np.corrcoef(found[known], snr[known])[0, 1]
    return f"median SINR {np.median(found):.1f} dB, reported SNR {np.median(snr[known]):.1f}, correlation {both:.2f}"


def speed(folder: Path) -> None:
    """Times of a dataset, a graph and trajectories."""
    start = time.perf_counter()
    data = LTETraceDataset(folder, generation="5G", split="all")
    made = time.perf_counter()
    for i in range(10):
        data[i]
    graphs = time.perf_counter()
    data.trajectories(1)
    first = time.perf_counter()
    data.trajectories(64)
    done = time.perf_counter()
    print(
        f"\n5G dataset {made - start:.2f} s, graph {(graphs - made) / 10 * 1e3:.0f} ms, tracks {first - graphs:.2f} s,",
        end=" ",
    )
    print(f"64 networks of 50 steps x 250 users x 22 cells {done - first:.2f} s")


if __name__ == "__main__":
    root = Path(sys.argv[1])
    files(root)
    held_out(root, 0)
    held_out(root, 1)
    speed(root)
