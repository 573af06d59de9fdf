"""Small runs that tell whether an installation works: a network is drawn, a policy decides, a model learns, a file is written."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hetgraph.trainers.doctor.installation import Check

SCENARIO, USERS = "uma-5bs", 0.01  # of its users


def trial_checks() -> Iterator[Check]:
    """Each run with its time; an error, of whatever class, is a fault with its first line."""
    for name, trial in (("sampling", _sample), ("policies", _decide), ("training", _train), ("files", _write)):
        yield _tried(name, trial)


def _tried(name: str, trial: Callable[[], str]) -> Check:
    start = time.perf_counter()
    try:
        text = trial()
    except Exception as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        return Check(name, "", f"got {type(error).__name__} ({reason}), expected a run without one")
    return Check(name, f"{text} ({time.perf_counter() - start:.1f} s)")


def _sample() -> str:
    from hetgraph.graph import check, preset

    graph = preset(SCENARIO).scaled(users=USERS).sample(1, seed=0)
    check(graph)
    return f"a network of {graph['bs'].num_nodes} stations and {graph['ue'].num_nodes} users is drawn and valid"


def _decide() -> str:
    from hetgraph.graph import preset
    from hetgraph.radio import evaluate, feasible, policy

    graph = preset(SCENARIO).scaled(users=USERS).sample(1, seed=0)
    allocation = policy("pf")(graph)
    if not feasible(graph, allocation):
        raise ValueError("pf: got an allocation that breaks a budget, expected a feasible one")
    mean_bps = float(evaluate(graph, allocation).mean_rate_bps)
    return f"rule pf gives users {mean_bps / 1e6:.3g} Mbit/s on average"


def _train() -> str:
    import torch

    from hetgraph.graph import preset
    from hetgraph.models import HetGNN
    from hetgraph.radio.relaxed import utility

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HetGNN(hidden=8, rounds=1)
    batch = preset(SCENARIO).scaled(users=USERS).sample(2, seed=0)
    prediction = model(batch)
    last = prediction.rounds[-1]
    (-utility(last.rates, last.association, prediction.links).mean()).backward()  # type: ignore[no-untyped-call]
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    optimiser.step()
    if not all(bool(torch.isfinite(each).all()) for each in model.parameters()):
        raise ValueError("HetGNN: got weights that are not finite after a step, expected finite ones")
    return "a small HetGNN takes a step"


def _write() -> str:
    from hetgraph.files import write_file

    with tempfile.TemporaryDirectory(prefix=".hetgraph-doctor-", dir=".") as folder:
        write_file(Path(folder) / "probe", b"probe")
    return f"{Path.cwd()} can be written into"
