"""Large-scale calibration: coupling gain and geometry of the presets beside 3GPP's percentiles.

python benchmarks/calibration.py REFERENCE.json [--networks 40] [--figure calibration.png]
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetgraph.graph import CHANNEL, preset

GRID = [5, 20, 50, 80, 95]


def percentiles(name: str, networks: int, at: list[float]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Coupling gain to the serving cell and geometry (no noise) at percentiles, dB, and the largest geometry."""
    scenario = preset(name)
    coupling, geometry = [], []
    for number in range(networks):
        batch = scenario.sample(1, seed=3, first=number)
        power_dbm = 10 * batch["bs"].power_max_w.log10() + 30
        gain_db = batch[CHANNEL].rsrp_dbm.reshape(-1, scenario.num_stations) - power_dbm
        gain = 10 ** (gain_db.double() / 10)
        best, server = gain.max(1, keepdim=True)
        coupling.append(10 * best.squeeze(1).log10().numpy())
        geometry.append(10 * (best.squeeze(1) / gain.scatter(1, server, 0).sum(1)).log10().numpy())
    both = [np.concatenate(values) for values in (coupling, geometry)]
    return np.percentile(both[0], at), np.percentile(both[1], at), float(both[1].max())


def main() -> int:
    """Print the tables, and draw the distributions where a figure is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path, help="JSON with percentiles, coupling_gain_db and geometry_sinr_db")
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--figure", type=Path, default=None)
    args = parser.parse_args()
    reference = json.loads(args.reference.read_text())
    at, curves = reference["percentiles"], []
    print("| preset | value | rms over percentiles, dB | largest, dB |\n|---|---|---|---|")
    for kind in ("uma", "umi"):
        *measured, _ = percentiles(f"calibration-{kind}", args.networks, at)
        for got, name in zip(measured, ("coupling_gain_db", "geometry_sinr_db"), strict=True):
            wanted = np.array(reference[name][f"{kind}_6ghz"])
            curves.append((f"{kind} {name}", got, wanted))
            error = got - wanted
            print(f"| calibration-{kind} | {name} | {np.sqrt(np.mean(error**2)):.2f} | {np.abs(error).max():.2f} |")
    _, geometry, largest = percentiles("hex-19x3", args.networks, [float(p) for p in GRID])
    print(
        f"\nhex-19x3, geometry at {GRID} %: {', '.join(f'{value:.2f}' for value in geometry)} dB; largest {largest:.2f} dB"
    )
    if args.figure is not None:
        draw(args.figure, at, curves)
    return 0


def draw(path: Path, at: list[float], curves: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]) -> None:
    """Distribution functions, measured and reference."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    for axis, (title, got, wanted) in zip(figure.subplots(2, 2).flat, curves, strict=True):
        axis.plot(wanted, at, "k--", label="3GPP R1-165974")
        axis.plot(got, at, label="hetgraph")
        axis.set(title=title, xlabel="dB", ylabel="share of users, %")
        axis.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
