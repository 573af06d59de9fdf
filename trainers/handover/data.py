"""Networks with moving users for training, validation and test, and how agents are judged on them."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverEnv, HandoverWeights
from hetgraph.envs.rollout import rollout
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.trajectories import Trajectories
from hetgraph.models.qmix import GraphQMIX
from hetgraph.nn.candidates import Candidates, candidates_of
from hetgraph.radio.handover import HandoverAction, HandoverRule, ResourceModel
from hetgraph.radio.policy import handover_policy
from hetgraph.trainers.common.env_data import SEEDS, EnvDataModule, Split, model_as
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.replay import ReplayBuffer
from hetgraph.trainers.handover.environments import NEIGHBOURS, Part, environment
from hetgraph.trainers.handover.experience import HandoverExperience
from hetgraph.trainers.handover.price import fit_price

REFERENCES = ("max_rsrp", "pf_optimum")
MOST_HANDOVERS = 0.075  # of all users in a step (Section IV)


class HandoverDataModule(EnvDataModule):
    """Environments for training, validation and test, with layouts and users that they do not share.

    Args:
        scenario: preset whose density the networks have; a folder of drive tests, split by file
            (:class:`~hetgraph.datasets.LTETraceDataset`; validation has other pieces of the training files where there are fewer
            than three); a scenario or contract graphs as they are; or the trajectories of each split.
        cells: cells of a network that is drawn.
        users: its users.
        networks: networks that are drawn for training.
        num_envs: networks in training at once.
        val_networks: networks of validation, an episode each.
        test_networks: networks of the test.
        steps: of an episode.
        cre: count the cells' range expansion, so that users can go to weaker cells.
        bias_db: range expansion of small cells.
        margin_db: see :class:`~hetgraph.radio.handover.HandoverRule`, as for the next two.
        max_load: load up to which a cell takes another user.
        max_users: users at which a load is one.
        neighbours: other cells that a user can ask for.
        resource_model: ``shared`` or ``paper``.
        weights: weights of the reward's terms that differ from :class:`~hetgraph.envs.handover.reward.HandoverWeights`.
        batch_size: transitions of a draw.
        every: steps of all networks before a draw.
        episodes: episodes of all networks in an epoch, that is, from one evaluation to the next.
        capacity: transitions in the replay memory.
        least: transitions before the first draw.
        epsilon_start: chance of a random choice of a user in the first episode.
        epsilon_decay: factor from episode to episode.
        epsilon_end: least chance.
        finite: the end of an episode is the end of the task.
        generation: of the drive tests, where the folder holds both.
        seed: of training.
    """

    def __init__(
        self,
        scenario: str | Scenario | HeteroData | Mapping[str, Trajectories] = "hetnet-3tier",
        cells: int = 25,
        users: int = 250,
        networks: int = 32,
        num_envs: int = 16,
        val_networks: int = 8,
        test_networks: int = 16,
        steps: int = 50,
        cre: bool = False,
        bias_db: float = 6.0,
        margin_db: float = 2.5,
        max_load: float = 0.85,
        max_users: int = 30,
        neighbours: int = NEIGHBOURS,
        resource_model: ResourceModel = "shared",
        weights: dict[str, float] | None = None,
        batch_size: int = 256,
        every: int = 2,
        episodes: int = 5,
        capacity: int = 50_000,
        least: int = 256,
        epsilon_start: float = 1.0,
        epsilon_decay: float = 0.955,
        epsilon_end: float = 0.08,
        finite: bool = False,
        generation: Literal["4G", "5G"] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=() if isinstance(scenario, str) else ("scenario",))
        check_limits(self.hparams)
        self.source, self.size, self.seed, self.generation = scenario, (cells, users), seed, generation
        self.networks = {"train": networks, "val": val_networks, "test": test_networks}
        self.num_envs = num_envs
        self.options: dict[str, Any] = {
            "rule": HandoverRule(margin_db, max_load, max_users, cre), "neighbours": neighbours, "bias_db": bias_db,
            "resource_model": resource_model, "weights": HandoverWeights(**(weights or {})), "steps": steps, "credit": True,
        }  # fmt: skip
        self.draws: dict[str, Any] = {
            "batch_size": batch_size, "slots": every, "draws": max(episodes * steps // every, 1), "least": least,
            "finite": finite,
        }  # fmt: skip
        self.rates = (epsilon_start, epsilon_decay, epsilon_end)
        self.capacity = capacity
        self._judged: dict[str, tuple[HandoverEnv, dict[str, Tensor], dict[str, Tensor]]] = {}

    def epsilon(self, episode: int) -> float:
        """Chance of a random choice in an episode."""
        start, decay, end = self.rates
        return max(end, start * decay**episode)

    @property
    def episodes_done(self) -> int:
        """Episodes of all training networks that are over."""
        return 0 if self.train_data is None else self.train_data.env.episode

    def environment(
        self, split: Part, whole: bool = False, seed: int | None = None, device: torch.device | str | None = None
    ) -> HandoverEnv:
        """Environment of a split; those of an evaluation, and ``whole`` ones, have an episode for each network.

        Args:
            split: which.
            whole: see above.
            seed: of its networks and walks; ``None`` for the split's own.
            device: where its tensors are; ``None`` for the trainer's.
        """
        seed = SEEDS[split] + (self.seed if split == "train" else 0) if seed is None else seed
        envs = self.num_envs if split == "train" and not whole else None
        return environment(
            self.source, self.networks[split], envs, split=split, size=self.size, generation=self.generation, seed=seed,
            device=self.device if device is None else device, **self.options,
        )  # fmt: skip

    def experience(self, module: Any) -> HandoverExperience:
        """Training networks and their agents, whose features and rewards are brought to scale by what mostly idle ones meet."""
        model, env = model_as(module, GraphQMIX), self.environment("train")
        if not self.resuming and not bool(model.ue_mean.any()):  # the model comes to a GPU only after this
            fit_price(model, lambda: self.environment("train", whole=True, device="cpu"), seed=self.seed)
            module.set_scale(*first_look(self.environment("train", device="cpu"), self.seed))
        buffer = ReplayBuffer(self.capacity, device=self.device)
        return HandoverExperience(env, model, buffer, epsilon=self.epsilon, **self.draws)

    def judge(self, policy: Any, split: Split, item: int = 0) -> dict[str, Tensor]:
        """Indicators of a policy, means over networks and time, and how it compares on the same users.

        ``ratio`` is that of its utility (``anu``) to the strongest cell's, ``room`` its share of what there is between that rule's
        and the centralised optimum's (of at least a thousandth), and ``score`` the room less ten times what it falls short of
        the rule: more handovers than it or 0.075, less than 0.99 of its capacity or Jain's index.
        """
        if split not in self._judged:
            env = self.environment(split)
            rule, best = (_means(env, handover_policy(name)) for name in REFERENCES)
            self._judged[split] = env, rule, best
        env, rule, best = self._judged[split]
        kpis = _means(env, policy)
        utility = rule["anu"]
        room = (kpis["anu"] - utility) / (best["anu"] - utility).clamp_min(1e-3 * utility)
        short = (kpis["handover_rate"] - rule["handover_rate"].clamp_min(MOST_HANDOVERS)).clamp_min(0)
        for name in ("asc", "jain"):
            short = short + (0.99 - kpis[name] / rule[name]).clamp_min(0)
        rules = {f"anu:{name}": means["anu"] for name, means in zip(REFERENCES, (rule, best), strict=True)}
        for name, share in zip(REFERENCES, (0.0, 1.0), strict=True):
            rules |= {f"room:{name}": torch.tensor(share), f"score:{name}": torch.tensor(share)}
        return kpis | rules | {"ratio": kpis["anu"] / utility, "room": room, "score": room - 10 * short}


def first_look(env: HandoverEnv, seed: int) -> tuple[list[Candidates], Tensor, Tensor]:
    """What a random agent sees and gets in an episode; the environment then begins anew.

    Returns:
        Observations, rewards of cells ``[T, B, K]`` and credits of users ``[T, B, U]``.
    """
    generator, observations, rewards, credits = torch.Generator().manual_seed(seed), [], [], []
    shape = (env.num_envs, env.num_users)
    for _ in range(env.steps):
        observations.append(candidates_of(env.observe("global")))
        wanders = torch.rand(shape, generator=generator) < 0.3
        place = torch.randint(env.neighbours + 1, shape, generator=generator) * wanders
        level = torch.randint(env.levels, shape, generator=generator)
        step = env.step(HandoverAction(place, level))
        rewards.append(step.reward)
        credits.append(step.info["credit"])
    env.reset(seed=env.seed)
    return observations, torch.stack(rewards), torch.stack(credits)


def _means(env: HandoverEnv, policy: Any) -> dict[str, Tensor]:
    """Indicators of an episode of each network, means over networks."""
    kpis = rollout(env, {"policy": policy}, seed=env.seed).values["policy"]
    return {name: value.mean() for name, value in kpis.items()}
