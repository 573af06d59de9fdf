"""Fine-tuning of association agents: a checkpoint's weights on other stations and users, judged before and after."""

import argparse
from pathlib import Path
from typing import Any

import lightning
from rich.console import Console
from rich.progress import Progress

from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.rollout import rollout
from hetgraph.radio import policy
from hetgraph.trainers.arrivals.double_dqn import ArrivalDataModule, DoubleDQN
from hetgraph.trainers.arrivals.trial import judge_arrivals, print_arrivals, write_arrivals
from hetgraph.trainers.common.checkpoint import GROWS_OPTIONS, load_association

RULES = ("best_rate", "argmax", "argmax_blocking", "least_loaded")


def adapt(
    path: str | Path,
    options: dict[str, Any],
    scenario: str,
    epochs: int,
    draws: int,
    lr: float,
    seed: int,
    probability: float | None = None,
    demand: float | None = None,
) -> DoubleDQN:
    """Train a checkpoint's weights on a scenario: the weights, on validation the better of before and after.

    Where users hear some of the stations only, choices are credited with what happens at those.

    Args:
        path: checkpoint.
        options: its hyperparameters.
        scenario: name of a preset of arrivals.
        epochs: passes of ``draws`` draws.
        draws: draws of an epoch, each after a slot of all networks.
        lr: learning rate at the start.
        seed: of training.
        probability: of an arrival in a slot; ``None`` for the scenario's range of them.
        demand: mean demand; likewise.
    """
    module = DoubleDQN(**{name: options[name] for name in GROWS_OPTIONS}, target_every=200, lr=lr, lr_end=0.05)
    module.policy.load_state_dict(load_association(path).state_dict())
    source = arrivals(scenario, probability, demand)
    unit, local = source.service.time_unit, source.links_per_user < source.service.stations
    data = ArrivalDataModule(
        scenario,
        probability=probability,
        demand=demand,
        num_envs=max(round(200 / unit), 4),
        gamma=1.0,
        n_step=3,
        batch_size=512,
        draws=draws,
        capacity=50_000,
        least=5_000,
        epsilon_end=0.05,
        explore=1,
        reward_scale=10.0
        * unit
        * (1.0 if local else unit),  # utility to go grows with the slots, and with the stations
        local=local,
        horizon=round(20 * unit) if local else 0,
        val_episodes=max(round(600 / unit**2), 4),
        seed=seed,
    )
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_model_summary=False,
        num_sanity_val_steps=0, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    before = load_association(path)
    values = rollout(data.trial("val"), {"before": before, "after": module.policy.eval()}, seed=1_000_000).values
    if float(values["after"]["utility"].mean()) < float(values["before"]["utility"].mean()):
        module.policy.load_state_dict(before.state_dict())
    return module


def finetune_arrivals(args: argparse.Namespace, options: dict[str, Any]) -> int:
    """Fine-tune and print before, after and the rules on held-out arrivals."""
    console, load = Console(), {"probability": args.probability, "demand": args.demand}
    module = adapt(args.ckpt, options, args.layout, args.epochs, args.batches, args.lr or 1e-3, args.seed, **load)
    agents = {"before": [load_association(args.ckpt)], "after": [module.policy]}
    rules = {name: [policy(name)] for name in RULES}
    with Progress(console=Console(stderr=True)) as progress:
        trial = judge_arrivals(args.layout, rules | agents, **load, episodes=args.layouts, progress=progress)
    print_arrivals(trial, RULES[0], console)
    out = Path(args.out)
    write_arrivals([trial], RULES[0], out)
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_model_summary=False, enable_progress_bar=False)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(out / "finetuned.ckpt", weights_only=True)
    console.print(f"results and weights: {out}")
    return 0
