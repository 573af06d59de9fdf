"""Users of your own who arrive at stations of your own: rules, a lookahead, and a small GROWS trained for a minute."""

import lightning

from hetgraph.envs import ArrivalEnv, DiscreteArrivals, RolloutLookahead, Service
from hetgraph.envs.arrivals.rules import BestRate
from hetgraph.envs.rollout import rollout
from hetgraph.radio import policy
from hetgraph.trainers import ArrivalDataModule, DoubleDQN

# Four stations with six resource blocks each; users hear three of them, ask for one or two blocks and want 3 to 9 units of data.
source = DiscreteArrivals(
    service=Service(stations=4, blocks=6),
    slots=30,
    probabilities=(0.6, 0.9),
    demands=(6.0,),
    most_asked=2,
    rates=(0.5, 1.0, 2.0),
    hears=3,
)
module = DoubleDQN(widths=(32, 32), features="full", users=True, dueling=True, lr=1e-3, lr_end=0.05, target_every=100)
data = ArrivalDataModule(
    source, num_envs=100, gamma=1.0, n_step=3, batch_size=256, draws=1500, least=2000, explore=800, reward_scale=10.0
)
trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
trainer.fit(module, datamodule=data)

env = ArrivalEnv(source, 500)
rules = {name: policy(name) for name in ("argmax_blocking", "argmax", "least_loaded", "best_rate")}
policies = {**rules, "GROWS": module.model.eval(), "rollout": RolloutLookahead(source, BestRate(), 16)}
for name, kpis in rollout(env, policies, seed=2_000_000).values.items():
    print(f"{name:16s} utility {kpis['utility'].mean():.3f}, rejections {kpis['rejections'].mean():.2f}")
