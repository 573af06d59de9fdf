"""Run policies in an environment, all on the same episodes, and keep every network's indicators."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor

from hetgraph.envs.association import Association
from hetgraph.envs.base import GraphEnv
from hetgraph.envs.step import Step
from hetgraph.graph.streams import stream
from hetgraph.radio.policy import Policy

A = TypeVar("A")


@dataclass(frozen=True)
class Trial:
    """Indicators of policies on the same networks.

    Args:
        values: ``{policy: {indicator: [seeds, networks]}}``; rules have one training seed.
        seconds: median time of a decision for all networks of a run together.
        meta: what else belongs to the trial: scenario, episodes, seed.
        details: ``{policy: [[what the environment tells of the last episode, one for each run of networks], for each seed]}``,
            see :meth:`~hetgraph.envs.base.GraphEnv.details`.
        associations: who served whom on the first network at the end of the last episode of each policy's first training seed,
            where there are positions.
    """

    values: dict[str, dict[str, Tensor]]
    seconds: dict[str, float]
    meta: dict[str, Any] = field(default_factory=dict)
    details: dict[str, list[list[Any]]] = field(default_factory=dict)
    associations: dict[str, Association] = field(default_factory=dict)

    @property
    def kpis(self) -> tuple[str, ...]:
        """Indicators that all policies have."""
        names = [list(kpis) for kpis in self.values.values()]
        return tuple(name for name in names[0] if all(name in other for other in names)) if names else ()

    def with_values(self, values: Mapping[str, Mapping[str, Tensor]]) -> "Trial":
        """The same with more indicators of each policy."""
        joined = {name: {**kpis, **values.get(name, {})} for name, kpis in self.values.items()}
        return replace(self, values=joined)

    @staticmethod
    def join(parts: Sequence["Trial"]) -> "Trial":
        """Trials of the same policies on different networks as one."""
        values, seconds, details = {}, {}, {}
        for name, kpis in parts[0].values.items():
            values[name] = {kpi: torch.cat([part.values[name][kpi] for part in parts], 1) for kpi in kpis}
            seconds[name] = statistics.median(part.seconds[name] for part in parts)
            runs = zip(*(part.details[name] for part in parts), strict=True)
            details[name] = [[each for run in seed for each in run] for seed in runs]
        networks = sum(part.meta["networks"] for part in parts)
        return Trial(values, seconds, parts[0].meta | {"networks": networks}, details, parts[0].associations)


def rollout(
    env: GraphEnv[A],
    policies: Mapping[str, Policy[A] | Sequence[Policy[A]]],
    episodes: int = 1,
    seed: int = 0,
    done: Callable[[], None] | None = None,
) -> Trial:
    """Episodes of each policy; every policy meets the same networks, traffic and channels.

    A policy sees what it declares by its ``level``, its memory begins anew with each episode, and its own random numbers are in a
    stream of their own. An indicator is the mean over a network's episodes: the network is the unit.

    Args:
        env: networks.
        policies: by the name of their row; a list is one policy trained with several seeds.
        episodes: of each network.
        seed: of all that is random in the environment.
        done: called after the episodes of each policy and training seed, to show progress.

    Raises:
        ValueError: no policy, fewer than one episode, or a policy whose action the environment does not take.

    Example:
        >>> env = ConflictEnv("conflict-8", num_envs=2, load=0.3, episode_slots=50)
        >>> trial = rollout(env, {name: policy(name) for name in ("gms", "llq")}, seed=1)
        >>> trial.values["gms"]["mean_delay_slots"].shape  # training seeds and networks
        torch.Size([1, 2])
        >>> bool((trial.values["gms"]["mean_delay_slots"] <= trial.values["llq"]["mean_delay_slots"]).all())
        True
    """
    if not policies or episodes < 1:
        got = f"{len(policies)} policies and {episodes} episodes"
        raise ValueError(f"rollout: got {got}, expected at least one of each")
    env.record_episodes()
    values, seconds, details, associations = {}, {}, {}, dict[str, Association | None]()
    for name, policy in policies.items():
        trained = list(policy) if isinstance(policy, Sequence) else [policy]
        runs, times, histories = [], list[float](), []
        for each in trained:
            kpis, association = _episodes(env, name, each, episodes, seed, times)
            runs.append(kpis)
            associations.setdefault(name, association)
            histories.append([env.details()])
            if done is not None:
                done()
        seconds[name], details[name] = statistics.median(times), histories
        values[name] = {kpi: torch.stack([run[kpi] for run in runs]) for kpi in runs[0]}
    known = {name: each for name, each in associations.items() if each is not None}
    return Trial(values, seconds, {"episodes": episodes, "seed": seed, "networks": env.num_envs}, details, known)


def _episodes(
    env: GraphEnv[A], name: str, policy: Policy[A], episodes: int, seed: int, times: list[float]
) -> tuple[dict[str, Tensor], Association | None]:
    """Mean over the episodes of a policy's indicators ``{name: [B]}``, and who served whom at the end of the last one.

    Times of the policy's decisions are added to ``times``.
    """
    env.reset(seed=seed)
    generator = policy_generator(env, seed)
    ended = []
    for _ in range(episodes):  # the next one begins in the step that ends the one before
        kpis: dict[str, Tensor] = {}
        for _, step in play(env, name, policy, generator, times):
            kpis = step.info.get("episode", kpis)
        ended.append(kpis)
    means = {name: torch.stack([each[name].double() for each in ended]).mean(0) for name in ended[0]}
    return means, Association.of(step.info.get("final_obs", step.obs))


def policy_generator(env: GraphEnv[Any], seed: int) -> Generator:
    """Random numbers of policies, in a stream of their own, where the environment is."""
    generator = stream(seed, 0, "policy")
    return generator if env.device.type == "cpu" else Generator(env.device).manual_seed(generator.initial_seed())


def play(
    env: GraphEnv[A], name: str, policy: Policy[A], generator: Generator, times: list[float] | None = None
) -> Iterator[tuple[A, Step]]:
    """An episode slot by slot: actions of a policy and what they bring; its memory begins anew.

    Between two of them the environment is as it was after the step, and not yet asked for the next decision.

    Args:
        env: networks, at the beginning of an episode.
        name: of the policy, in errors.
        policy: what decides.
        generator: of the policy's random numbers.
        times: to which the seconds of each decision are added.

    Raises:
        ValueError: a policy whose action the environment does not take.
    """
    obs = env.observe(policy.level)
    state = policy.initial_state(obs)
    for _ in range(env.episode_slots):
        start = time.perf_counter()
        decision = policy.act(obs, state, generator)
        if times is not None:
            times.append(time.perf_counter() - start)
        if not isinstance(decision, tuple) or len(decision) != 2:
            got = type(decision).__name__
            raise ValueError(f"policy {name}: got {got} from act, expected a pair of action and next state")
        action, state = decision
        try:
            step = env.step(action)
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"policy {name}: {error}") from error
        yield action, step
        obs = env.observe(policy.level)
