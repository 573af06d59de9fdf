"""Rules and GROWS decide by what they declare: nothing beyond the view of any station that the arriving user hears counts."""

import pytest
import torch

from hetgraph.envs import ArrivalEnv
from hetgraph.graph import CHANNEL
from hetgraph.graph.levels import canary, view
from hetgraph.models import GROWS
from hetgraph.radio import association_names, policy


def agents() -> dict[str, GROWS]:
    torch.manual_seed(0)
    found = {"paper": GROWS(), "users": GROWS((8, 8), 3, "full", users=True, dueling=True)}
    for agent in found.values():
        for parameter in agent.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return found


@pytest.mark.parametrize("name", ["grows-3", "grows-3:stations=40", "grows-city:stations=36"])
def test_decisions_depend_on_the_view_of_the_stations_that_are_heard(name: str) -> None:
    env, everyone = ArrivalEnv(name, 2, probability=1.0, seed=5), agents() | {n: policy(n) for n in association_names()}
    obs, generator, n = env.reset()[0], torch.Generator().manual_seed(1), env.num_stations
    for _ in range(40):
        obs = env.step(env.action.sample(generator)).obs
    for who, rule in everyone.items():
        obs = env.observe(rule.level)
        action, _ = rule.act(obs, None, torch.Generator().manual_seed(0))
        links_per_user = obs[CHANNEL].edge_index[0].reshape(2, -1, env.source.links_per_user)[:, -1]
        for network in range(2):
            for station in links_per_user[network].tolist():
                other = canary(obs, rule.level, station, generator)
                again, _ = rule.act(other, None, torch.Generator().manual_seed(0))
                assert torch.equal(again[network], action[network]), (who, station)
                mask = view(obs, rule.level, station)["bs"]
                changed = other["bs"].users != obs["bs"].users
                assert not bool(changed[mask].any()) and bool(changed[~mask].all()) and (n < 30 or int(mask.sum()) < n)


def test_what_stations_hear_of_each_other_matters() -> None:
    """The canary of one station alone changes decisions, so that the test above can fail."""
    env, generator = ArrivalEnv("grows-3:stations=40", 8, probability=1.0, seed=5), torch.Generator().manual_seed(1)
    obs, rule, changed = env.reset()[0], policy("least_loaded"), 0
    for _ in range(60):
        obs = env.step(env.action.sample(generator)).obs
    for station in obs[CHANNEL].edge_index[0].reshape(8, -1, 3)[:, -1, 0].tolist():
        other = canary(obs, "local", station, generator)
        changed += not torch.equal(rule.act(other, None, None)[0], rule.act(obs, None, None)[0])
    assert changed > 0
