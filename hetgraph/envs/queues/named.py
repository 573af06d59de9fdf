"""Schedulers by name, as entry points find them; all of them keep their memory outside."""

from hetgraph.envs.queues.cell_rules import GreedyGenie, LongestQueueFirst
from hetgraph.envs.queues.conflict_rules import QCSMA, GreedyMaximal, LongestLocalQueue, RandomScheduler
from hetgraph.envs.queues.itlinq import FairITLinQ
from hetgraph.envs.queues.local_score import TUNED, LocalScore
from hetgraph.envs.queues.power_control import PowerControl

gms = GreedyMaximal()
gms_paper = GreedyMaximal(paper=True)
llq = LongestLocalQueue()
qcsma = QCSMA()
random = RandomScheduler()
lqf_subband = LongestQueueFirst()
lqf_best = LongestQueueFirst("best")
max_weight_local = LongestQueueFirst("weighted")
local_score = LocalScore(TUNED["random-19", 25.0])
fair_itlinq = FairITLinQ()
genie = GreedyGenie(0.6)  # between 0.5 and 0.7, the best of 1, 0.7, 0.5, 0.3, 0.15 on validation layouts
wmmse_genie, fp_genie = PowerControl("wmmse"), PowerControl("fp")
wmmse_global, fp_global = PowerControl("wmmse", "global"), PowerControl("fp", "global")
wmmse_neighbourhood, fp_neighbourhood = PowerControl("wmmse", "neighbourhood"), PowerControl("fp", "neighbourhood")
