"""Line of sight along straight walks, and what a walker of hetnet-3tier gets from it.

python benchmarks/walks.py [--walks 600]
"""

import argparse
import math
import sys

import torch

from hetgraph.channel import correlated_los, draw_field, los_probability, propagation_model
from hetgraph.graph import preset, user_trajectories
from hetgraph.graph.mobility import Waypoints

STEP_M = 0.5
MODELS = {"uma": (20.0, 300.0), "umi": (20.0, 200.0), "rma": (100.0, 2000.0), "inh-mixed": (2.0, 45.0)}
LAGS = 5  # steps in 2.5 m


def changes(model: str, walks: int, steps: int = 400) -> tuple[int, float, float, float]:
    """Steps over links with 0.1 < p < 0.9, changes over the law's, changes a metre, and the share undone within 2.5 m."""
    generator = torch.Generator().manual_seed(3)
    low, high = MODELS[model]
    start = low + (high - low) * torch.rand(walks, 1, generator=generator)
    angle, heading = (2 * math.pi * torch.rand(walks, 1, generator=generator) for _ in range(2))
    way = STEP_M * torch.arange(steps)
    x, y = start * angle.cos() + way * heading.cos(), start * angle.sin() + way * heading.sin()
    chance = los_probability(model, torch.hypot(x, y), ue_height_m=1.5).unsqueeze(1)
    field = draw_field(1, [torch.Generator().manual_seed(i) for i in range(walks)], law="gaussian", modes=64)
    state = correlated_los(model, field, torch.stack([x, y], -1), probability=chance)
    counts = (chance > 0.1) & (chance < 0.9)
    both = counts[..., 1:] & counts[..., :-1]
    changed = (state[..., 1:] != state[..., :-1]) & both
    level = torch.special.ndtri(chance.double())[..., 1:][both]
    rate = math.sqrt(2) / (math.pi * propagation_model(model).los_distance_m) * torch.exp(-level.square() / 2)
    undone = torch.zeros_like(changed)
    for lag in range(1, LAGS + 1):
        undone[..., :-lag] |= changed[..., :-lag] & changed[..., lag:]
    total, metres = int(changed.sum()), STEP_M * int(both.sum())
    return int(both.sum()), total / (float(rate.mean()) * metres), total / metres, int(undone.sum()) / max(total, 1)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walks", type=int, default=600)
    args = parser.parse_args()
    print(
        "| model | steps | changes over rate x metres | changes a metre | undone within 2.5 m |\n|---|---|---|---|---|"
    )
    for model in MODELS:
        walks = args.walks * (6 if model.startswith("inh") else 1)
        steps, ratio, rate, undone = changes(model, walks, 100 if model.startswith("inh") else 400)
        print(f"| {model} | {steps} | {ratio:.3f} | {rate:.4f} | {100 * undone:.2f}% |")
    scenario = preset("hetnet-3tier").scaled(users=0.1)
    walk = user_trajectories(
        scenario, 4, steps=400, slot_s=0.5, mobility=Waypoints(speed_mps=(1.0, 1.0), pause_s=0.0), seed=1
    )
    power = walk.gain * walk.power_w[:, None, None]  # [P, T, U, K]
    server = power.argmax(3)
    received_db = 10 * walk.gain.log10()
    own = server[:, :-1].unsqueeze(3)
    jump = (received_db[:, 1:].gather(3, own) - received_db[:, :-1].gather(3, own)).abs()
    moved = server[:, 1:] != server[:, :-1]
    back = torch.zeros_like(moved)
    for lag in range(1, 6):  # to the cell before within 2.5 s
        back[:, lag:] |= moved[:, lag:] & (server[:, 1 + lag :] == server[:, : -1 - lag]) & moved[:, :-lag]
    every_s, returned = moved.numel() * 0.5 / int(moved.sum()), int(back.sum()) / int(moved.sum())
    jumps = float((jump > 10).float().mean())
    print("\nhetnet-3tier, users at 1 m/s, each at its strongest cell without hysteresis:")
    print(f"steps whose serving link jumps by over 10 dB: {jumps:.2%}; a change of cell every {every_s:.1f} s")
    print(f"{returned:.1%} of the changes undo one of the 2.5 s before")
    return 0


if __name__ == "__main__":
    sys.exit(main())
