"""Rules for IoT networks: the strong ones are strong, and each decides for its own network."""

import dataclasses
from collections.abc import Callable

import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import rollout
from hetgraph.graph import Scenario
from hetgraph.models import HybridMADDPG
from hetgraph.radio import Schedule, iot_names, iot_policy
from hetgraph.radio.spectrum import min_path_loss, spectrum_of

SMALL = "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3"


@pytest.mark.parametrize("name", ["iot-noma", "iot-oma"])
def test_the_strong_policy_is_strong_and_all_see_the_same_arrivals(name: str) -> None:
    env = IoTEnv(f"{name}:users=14,small_cells=2,subchannels=4,load=2", 2, episode_slots=25)
    assert set(iot_names()) >= {"random", "proportional_fair", "wmmse_max_rsrp", "wmmse_pf", "wmmse_path_loss"}
    found = rollout(env, {n: iot_policy(n) for n in iot_names()}, seed=5).values
    assert len({float(f["arrived_bits"].sum()) for f in found.values()}) == 1
    best, near, own = (found.pop(name) for name in ("wmmse_pf", "wmmse_path_loss", "own_view"))
    assert float(best["throughput_bps"].mean()) > 0.97 * float(own["throughput_bps"].mean())  # which knows less
    # Where little is sent the same bits cost less energy over shorter ways; here most stations are busy.
    assert float(near["bit_per_j"].mean()) > float(found["wmmse_max_rsrp"]["bit_per_j"].mean())
    assert float(near["throughput_bps"].mean()) > 0.9 * float(best["throughput_bps"].mean())
    assert float(best["throughput_bps"].mean()) > 1.1 * float(found["wmmse_max_rsrp"]["throughput_bps"].mean())
    for other in found.values():
        # Where there is more than can be served, who is served first changes the sum of bits little.
        assert float(best["throughput_bps"].mean()) > 0.97 * float(other["throughput_bps"].mean())
        assert float(best["bit_per_j"].mean()) > float(other["bit_per_j"].mean())
        assert float(best["qos_violation"].mean()) <= float(other["qos_violation"].mean())


def test_least_path_loss_by_hand() -> None:
    """A station of 10 times the power is received 3 dB better over 7 dB more loss; who is there stays for less than 2 dB."""
    env = IoTEnv(SMALL, 1)
    view = spectrum_of(env.observe("global"))
    n = view.shape[1]
    power = torch.ones(1, n)
    power[:, 0] = 10
    loss = torch.full((1, 3, n), -120.0)
    loss[0, :, 0] = torch.tensor([-87.0, -87.0, -80.0])
    loss[0, :, 1] = torch.tensor([-80.0, -85.5, -81.5])
    now = torch.tensor([[0, 0, 1]])
    reports = dataclasses.replace(
        view, rsrp_dbm=loss + 10 * power.log10() + 30, power_max_w=power, station=now, active=now >= 0
    )
    assert min_path_loss(reports).tolist() == [[1, 0, 1]]
    assert min_path_loss(reports, 0.0).tolist() == [[1, 1, 0]]
    assert min_path_loss(reports, part=0.8).tolist() == [[1, 0, 0]]  # 2 of the 10 dB count
    assert min_path_loss(reports, part=0.0).tolist() == [[0, 0, 0]]
    assert min_path_loss(dataclasses.replace(reports, active=torch.tensor([[True, False, True]]))).tolist() == [
        [1, -1, 1]
    ]


@pytest.mark.parametrize("name", [*iot_names(), "agents"])
def test_decisions_of_a_network_do_not_depend_on_others(
    small_scenario: Callable[..., Scenario], random_action: Callable[..., Schedule], name: str
) -> None:
    """They see their own network, or less of it, and nothing of the next one."""
    policy = HybridMADDPG(8) if name == "agents" else iot_policy(name)
    assert policy.level == ("local" if name == "own_view" else "global")
    env = IoTEnv(small_scenario(), 4, seed=2)
    for k in range(3):
        env.step(random_action(env, torch.Generator().manual_seed(k)))
    rows = env.pack()
    other = {key: torch.cat([value[:1], value[2:3]]) for key, value in rows.items()}
    actions = []
    for chosen in ({key: value[:2] for key, value in rows.items()}, other):
        obs = env.unpack(chosen, "global")
        action, _ = policy.act(obs, policy.initial_state(obs), torch.Generator().manual_seed(0))
        actions.append(action)
    for part in ("station", "user", "power"):
        one, two = (getattr(action, part) for action in actions)
        assert torch.equal(one[0], two[0]) if part != "power" else torch.allclose(one[0], two[0], rtol=1e-4, atol=1e-6)
    assert not torch.equal(actions[0].user[1], actions[1].user[1])
