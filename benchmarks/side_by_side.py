"""Processor time of this checkout beside another one's, in turn and in one run.

python benchmarks/side_by_side.py OLD_CHECKOUT [--repeats 15] [--only NAME ...]

Each case runs in a worker process of its own for each checkout; the two take turns, and the table shows medians and the median of
the ratios of neighbouring runs, new over old.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from checkout import environment

PRESETS = {
    "uma-5bs": 1,
    "hetnet-3tier": 4,
    "interference-k": 64,
    "hex-19": 32,
    "random-19": 32,
    "iot-noma": 16,
    "iot-oma": 16,
}
CASES = {
    f"sample {name} x {n}": (
        f"from hetgraph.graph import preset; scenario = preset('{name}')",
        f"scenario.sample({n}, seed=seed)",
    )
    for name, n in PRESETS.items()
}
CASES |= {
    f"step {name} x {n}": (
        f"from hetgraph.envs import CellularEnv; from hetgraph.radio import policy; env = CellularEnv('{name}', {n}); "
        "obs, _ = env.reset(seed=0); rule = policy('lqf_subband'); state = rule.initial_state(obs); "
        "action, _ = rule.act(env.observe('local'), state, None)",
        "[env.step(action) for _ in range(50)]",
    )
    for name, n in (("random-19", 1), ("random-19", 64), ("hex-19", 64))
}
CASES |= {
    f"step {name} x {n}": (
        "import torch; from hetgraph.envs import IoTEnv; from hetgraph.radio import Schedule, clusters; "
        f"env = IoTEnv('{name}', {n}, episode_slots=400); source = torch.Generator().manual_seed(0); "
        "place = torch.randint(env.num_stations, (env.num_envs, env.num_users), generator=source); "
        "bid = torch.rand(env.num_envs, env.num_users, env.num_subchannels, generator=source); "
        "user = clusters(bid, place, env.num_stations, env.layers); "
        "action = Schedule(place, user, torch.full(user.shape, 1 / (env.num_subchannels * env.layers)))",
        "[env.step(action) for _ in range(50)]",
    )
    for name, n in (
        ("iot-noma:users=20,small_cells=3,subchannels=10", 1),
        ("iot-noma:users=20,small_cells=3,subchannels=10", 64),
        ("iot-noma", 1),
        ("iot-noma", 16),
    )
}
CASES |= {
    f"step conflict-8 x {n}": (
        f"from hetgraph.envs import ConflictEnv; from hetgraph.radio import policy; env = ConflictEnv(num_envs={n}); "
        "env.reset(seed=0); rule = policy('llq'); obs = env.observe(rule.level); "
        "action, _ = rule.act(obs, rule.initial_state(obs), None)",
        "[env.step(action) for _ in range(100)]",
    )
    for n in (1, 64, 4096)
}
CASES |= {
    f"HetGNN {what} hetnet-3tier": (
        "import torch; from hetgraph.graph import preset; from hetgraph.models import HetGNN; torch.manual_seed(0); "
        f"graph = preset('hetnet-3tier').sample({n}, seed=0); model = HetGNN(32, 2, 12)",
        f"new = graph.clone(); {text}",  # a graph that was not seen before
    )
    for what, n, text in (
        ("forward pass", 1, "model.allocate(new)"),
        ("training step", 4, "model.zero_grad(); sum(r.rates.rate.mean() for r in model(new).rounds).backward()"),
    )
}
CASES |= {
    f"MAPPO decision {name} x {n}": (
        f"from hetgraph.envs import {kind}; from hetgraph.models import NeighbourhoodMAPPO; torch.manual_seed(0); "
        f"env = {kind}('{name}', {n}); agents = NeighbourhoodMAPPO(32).eval(); obs, _ = env.reset(seed=0); "
        "state = agents.initial_state(obs)",
        "[agents.act(obs, state, None) for _ in range(20)]",
    )
    for kind, name, n in (
        ("ConflictEnv", "conflict-8", 256),
        ("CellularEnv", "random-19", 1),
        ("CellularEnv", "random-19", 64),
    )
}
CASES |= {
    f"MAPPO training step {name}, {n} networks x {slots} slots": (
        f"from hetgraph.envs import {kind}; from hetgraph.trainers import MAPPOModule; torch.manual_seed(0); "
        "RolloutDataset = getattr(sys.modules[MAPPOModule.__module__], 'RolloutDataset', None) or "
        f"__import__('hetgraph.trainers.queues.rollouts', fromlist=['rollouts']).RolloutDataset; env = {kind}('{name}', {n}); "
        f"agents = MAPPOModule({options}); model = getattr(agents, 'model', None) or agents.policy; "
        f"data = RolloutDataset(env, model, {slots}, 1); batch = getattr(data, 'batch', None) or data.collect; batch = batch(); "
        f"goal = agents._targets(batch); part = (0, {slots}, torch.arange({n}))",
        "agents.zero_grad(); agents._loss(batch, part, *goal, 0.01).backward()",
    )
    for kind, name, n, slots, options in (
        ("ConflictEnv", "conflict-8", 64, 16, "64"),
        ("CellularEnv", "random-19", 4, 32, "32, levels_db=(0.0, -5.75, -11.5, -17.25, -23.0), overbook=True"),
    )
}
CASES |= {
    f"IoT agents, step and decision iot-noma x {n}": (
        "import torch; from hetgraph.envs import IoTEnv; from hetgraph.models import HybridMADDPG; torch.manual_seed(0); "
        f"env = IoTEnv('iot-noma', {n}, episode_slots=400); agents = HybridMADDPG().eval(); obs, _ = env.reset(seed=0)",
        "for _ in range(10): obs = env.step(agents.act(obs, None, None)[0]).obs",
    )
    for n in (1, 16)
}
CASES["IoT agents, 5 slots and draws of the iot-noma configuration"] = (
    "import lightning, logging, torch; from hetgraph.trainers import IoTDataModule, MADDQNDMADDPG; torch.manual_seed(0); "
    "logging.getLogger('lightning.pytorch').setLevel(logging.ERROR); "
    "data = IoTDataModule(draws=5, batch_size=16, least=256, capacity=1280, episode_slots=60); "
    "module = MADDQNDMADDPG(lr=2e-4, bid_lr=0.1, energy_aware=True, warmup=0, stop_window=0); "
    "quiet = {'logger': False, 'enable_checkpointing': False, 'enable_progress_bar': False, 'enable_model_summary': False}",
    "lightning.Trainer(max_epochs=1, accelerator='cpu', limit_val_batches=0, num_sanity_val_steps=0, **quiet).fit(module, data)",
)
CASES |= {
    f"step handover-full x {n}": (
        "import torch; from hetgraph.envs import HandoverAction, HandoverEnv; from hetgraph.graph import roaming; "
        f"env = HandoverEnv(roaming(), {n}); source = torch.Generator().manual_seed(0); "
        f"action = HandoverAction(*(torch.randint(n, ({n}, 250), generator=source) for n in (4, 5)))",
        "[env.step(action) for _ in range(50)]",
    )
    for n in (1, 64)
}
QMIX_OPTIONS = "importance='sum'"
QMIX_SETUP = (
    "import torch; from hetgraph.envs import HandoverEnv; from hetgraph.graph import roaming; torch.manual_seed(0); "
    "env = HandoverEnv(roaming(), 8); act = lambda agents, obs: agents.act(obs, None, None)[0]; "
)
CASES["QMIX decision handover-full x 8"] = (
    f"{QMIX_SETUP}from hetgraph.models import GraphQMIX; agents = GraphQMIX({QMIX_OPTIONS}); "
    "obs = env.observe(agents.level)",
    "[act(agents, obs.clone()) for _ in range(5)]",
)
CASES["QMIX training step handover-full x 8"] = (
    f"{QMIX_SETUP}from types import SimpleNamespace; from hetgraph.trainers import QMIX; "
    f"module = QMIX({QMIX_OPTIONS}, gamma=0.9, joint=0.1, credit=1.0, gap=0.5); obs = env.observe(module.policy.level).clone(); "
    "action = act(module.policy, obs); next_obs = env.step(action).obs.clone(); "
    "draw = lambda: SimpleNamespace(obs=obs.clone(), next_obs=next_obs.clone(), action=action, reward=torch.rand(8, 25), "
    "credit=torch.rand(8, 250), terminated=torch.zeros(8, dtype=torch.bool))",
    "[module.training_step(draw(), 1).backward() for _ in range(3)]",
)
CASES |= {
    f"wmmse hex-19 x {n}, {budget}": (
        "from hetgraph.graph import preset; from hetgraph.solvers import max_rsrp_association, wmmse; "
        f"graph = preset('hex-19').sample({n}, seed=1); serving = max_rsrp_association(graph)",
        f"wmmse(graph, serving, iterations=100, budget='{budget}')",
    )
    for n in (1, 64)
    for budget in ("per_rb", "total")
}
CASES |= {
    f"step {name} x {n}": (
        f"import torch; from hetgraph.envs import ArrivalEnv; env = ArrivalEnv('{name}', {n}, seed=0); "
        f"env.reset(seed=0); action = torch.zeros({n}, dtype=torch.long)",
        "[env.step(action) for _ in range(80)]",
    )
    for name, n in (("grows-3", 1), ("grows-3", 64), ("grows-3", 1000), ("grows-city:stations=60", 8))
}
CASES |= {
    f"GROWS {what} {name} x {n}": (
        f"import torch; from hetgraph.envs import ArrivalEnv; from hetgraph.models import GROWS; torch.manual_seed(0); "
        f"env = ArrivalEnv('{name}', {n}, seed=0); env.reset(seed=0); "
        f"agent = GROWS((64, 64), 2, 'full', users=True, dueling=True); place = torch.zeros({n}, dtype=torch.long); "
        "[env.step(place) for _ in range(25)]; obs = env.observe('neighbourhood'); seen = agent.views(obs)",
        run,
    )
    for name, n in (("grows-3", 64), ("grows-3", 512), ("grows-city:stations=60", 8))
    for what, run in (
        ("inputs", "[agent.views(obs) for _ in range(40)]"),
        ("decision", "[agent.act(obs, None, None) for _ in range(20)]"),
        ("gradient", "[agent(seen).clamp_min(-1e6).sum().backward() for _ in range(5)]"),
    )
}
CASES["pf_teacher hetnet-3tier"] = (
    "from hetgraph.graph import preset; from hetgraph.radio import policy; teacher = policy('pf_teacher'); "
    "scenario = preset('hetnet-3tier')",
    "teacher(scenario.sample(1, seed=2_000_000, first=seed))",
)
CASES["20 steps of ascent, hetnet-3tier"] = (
    "from hetgraph.graph import preset; from hetgraph.solvers import gradient_ascent; "
    "graph = preset('hetnet-3tier').sample(1, seed=2_000_000)",
    "gradient_ascent(graph, steps=20, rate=0.6)",
)
WORKER = """
import sys, time, torch
torch.set_num_threads(1)
seed = 0
exec(sys.argv[1])
exec(sys.argv[2])
print("ready", flush=True)
for line in sys.stdin:
    seed = int(line)
    start = time.process_time()
    exec(sys.argv[2])
    print(time.process_time() - start, flush=True)
"""


def worker(checkout: Path, setup: str, run: str) -> "subprocess.Popen[str]":
    """Process that runs the case in the code of a checkout, once for each number it reads."""
    command = [sys.executable, "-P", "-c", WORKER, setup, run]  # -P: not the code of the present folder
    process = subprocess.Popen(
        command, env=environment(checkout), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise SystemExit(f"{checkout}: the case does not run there")
    return process


def seconds(process: "subprocess.Popen[str]", seed: int) -> float:
    """Processor time of one run."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{seed}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="folder of the other checkout")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=None, help="cases whose names contain one of these")
    args = parser.parse_args()
    print("| case | old, ms | new, ms | new / old |\n|---|---|---|---|")
    for name, (setup, run) in CASES.items():
        if args.only is not None and not any(part in name for part in args.only):
            continue
        old, new = (worker(path, setup, run) for path in (args.old, Path(__file__).parents[1]))
        pairs = [(seconds(old, i), seconds(new, i)) for i in range(args.repeats)]
        before, after = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"| {name} | {before:.2f} | {after:.2f} | {ratio:.2f} |", flush=True)
        for process in (old, new):
            process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
