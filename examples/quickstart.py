"""Draw a network, run classical methods, train a few steps of HetGNN without labels, and compare."""

import torch

from hetgraph.graph import preset
from hetgraph.models import HetGNN
from hetgraph.radio import evaluate, policy
from hetgraph.radio.relaxed import utility

scenario = preset("hetnet-3tier").scaled(users=0.25)
test = scenario.sample(8, seed=1)  # eight layouts in one PyG batch
for name in ("max_rsrp", "pf", "wmmse", "pf_teacher_6"):
    print(f"{name:14s} mean log rate {evaluate(test, policy(name)(test)).pf_utility.mean():.3f}")

model = HetGNN(rounds=6)
optimiser = torch.optim.Adam(model.parameters(), 3e-3)
for step in range(150):
    batch = scenario.sample(4, seed=2, first=4 * step)
    prediction = model(batch)
    users = batch["ue"].pos.shape[0]
    loss = -sum(utility(r.rates, r.association, prediction.links).sum() for r in prediction.rounds) / users
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
print(f"{'HetGNN':14s} mean log rate {evaluate(test, model.allocate(test)).pf_utility.mean():.3f}")
