"""Speed of IoT networks: `python benchmarks/iot.py`, network-slots per second of a thread beside the floor."""

import os
import time

import torch

from hetgraph.envs import IoTEnv
from hetgraph.radio import Schedule, clusters

SECONDS = 5.0
ROWS = {
    "iot-noma:users=20,small_cells=3,subchannels=10": 64,
    "iot-noma": 16,
    "iot-oma": 16,
    "iot-noma:users=200,small_cells=15,subchannels=50": 4,
}


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


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    throughput()
