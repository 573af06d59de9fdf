"""IoT networks: `python benchmarks/iot.py throughput | baselines [networks] | weights [networks]`.

Of trained agents (iot_learned.py): `learned | ablations | nothing | curves | oma | gap [networks]`; `python benchmarks/runs.py
iot bare` trains them.
"""

import os
import sys
import time

import iot_learned
import torch
from rich.progress import track

from hetgraph.envs import IoTEnv
from hetgraph.envs.iot.max_weight import MaxWeight
from hetgraph.envs.rollout import rollout
from hetgraph.radio import Policy, Schedule, clusters, indicator, iot_policy
from hetgraph.trainers.judge import statistics

SECONDS, TEST = 5.0, 3_000_000
ROWS = {
    "iot-noma:users=20,small_cells=3,subchannels=10": 64,
    "iot-noma": 16,
    "iot-oma": 16,
    "iot-noma:users=200,small_cells=15,subchannels=50": 4,
}
NAMES = ("random", "proportional_fair", "wmmse_max_rsrp", "wmmse_pf", "wmmse_path_loss")
COLUMNS = ("throughput_bps", "bit_per_j", "qos_violation", "jain", "jain_rate", "handover_rate", "utilisation")


def scripts(env: IoTEnv, count: int = 8) -> list[Schedule]:
    """Random schedules, made before the clock starts."""
    generator, shape = torch.Generator().manual_seed(0), (env.num_envs, env.num_users)
    out = []
    for _ in range(count):
        station = torch.randint(env.num_stations, shape, generator=generator)
        bid = torch.rand(*shape, env.num_subchannels, generator=generator)
        user = clusters(bid, station, env.num_stations, env.layers)
        out.append(Schedule(station, user, torch.full(user.shape, 1 / (env.num_subchannels * env.layers))))
    return out


def throughput() -> None:
    """Network-slots per second of one thread, beside the floor, in processor time.

    The floor is the time to draw the normal numbers of the fading, and to read and write its state once.
    """
    torch.set_num_threads(1)
    print("| environment | network-slots/s | us per slot | floor, us | ratio |\n|---|---|---|---|---|")
    for name, networks in ROWS.items():
        env = IoTEnv(name, networks, seed=1)
        actions = scripts(env)
        for action in actions:
            env.step(action)
        slots, start = 0, time.process_time()
        while time.process_time() - start < SECONDS:
            for action in actions:
                env.step(action)
            slots += len(actions)
        each = 1e6 * (time.process_time() - start) / slots / networks
        numbers = env.channels.h.numel() // networks
        buffer, source = torch.empty(numbers * networks), torch.rand(numbers * networks)
        floor = (
            1e6 * (median(lambda b=buffer: b.normal_()) + 2 * median(lambda b=buffer, s=source: b.copy_(s))) / networks
        )
        print(f"| {name} | {1e6 / each:,.0f} | {each:.0f} | {floor:.0f} | {each / floor:.1f} |", flush=True)


def median(work: object) -> float:
    """Median processor time of nine runs."""
    times = []
    for _ in range(9):
        start = time.process_time()
        work()  # type: ignore[operator]
        times.append(time.process_time() - start)
    return sorted(times)[4]


def table(policies: dict[str, Policy[Schedule]], scenarios: tuple[str, ...], networks: int, few: int = 8) -> None:
    """Means over networks with half the width of the 95% interval, on the same users, channels and arrivals."""
    torch.set_num_threads(1)
    for scenario in scenarios:
        print(f"\n**{scenario}**, {networks} networks, an episode of 200 slots each\n")
        heads = ["policy", *(indicator(key).heading for key in COLUMNS), "ms per decision"]
        print(f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|")
        for name, policy in policies.items():
            parts, start = [], time.process_time()
            for first in track(range(0, networks, few), name, transient=True, disable=not sys.stdout.isatty()):
                env = IoTEnv(scenario, min(few, networks - first), first=first)
                parts.append(rollout(env, {name: policy}, seed=TEST).values[name])
            spent = 1e3 * (time.process_time() - start) / networks / env.episode_slots
            found = {key: torch.cat([part[key] for part in parts], 1).numpy() for key in COLUMNS}
            cells = [statistics.mean(found[key]).scaled(indicator(key).scale).text(".3g") for key in COLUMNS]
            print(f"| {name} | {' | '.join(cells)} | {spent:.1f} |", flush=True)


def baselines(networks: int = 16) -> None:
    """The classical policies."""
    table({name: iot_policy(name) for name in NAMES}, ("iot-noma", "iot-oma"), networks)


def weights(networks: int = 8) -> None:
    """Variants of the strong policy, under a light and a heavy load."""
    variants: dict[str, Policy[Schedule]] = {
        "urgency (wmmse_pf)": MaxWeight(),
        "queue": MaxWeight("queue"),
        "need": MaxWeight("need"),
        "fair": MaxWeight("fair"),
        "max RSRP": MaxWeight(associate="max_rsrp"),
        "least path loss (wmmse_path_loss)": MaxWeight(associate="path_loss"),
        "equal power": MaxWeight(power="equal"),
        "no prediction": MaxWeight(predict=False),
        "all power": MaxWeight(margin=0.0),
        "one round": MaxWeight(rounds=1),
        "three rounds": MaxWeight(rounds=3),
        "60 rounds of WMMSE": MaxWeight(iterations=60),
    }
    table(variants, ("iot-noma", "iot-noma:users=200"), networks)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    what, *rest = sys.argv[1:] or ["throughput"]
    commands = {
        "throughput": throughput, "baselines": baselines, "weights": weights, "learned": iot_learned.learned,
        "ablations": iot_learned.ablations, "nothing": iot_learned.nothing, "curves": iot_learned.curves, "oma": iot_learned.oma,
        "gap": iot_learned.gap,
    }  # fmt: skip
    if what not in commands:
        raise SystemExit(f"command: got {what!r}, expected one of {', '.join(commands)}")
    commands[what](*map(int, rest))
