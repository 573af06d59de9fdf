"""Policies for IoT networks by name, as entry points find them; all of them keep their memory outside."""

from hetgraph.envs.iot.max_weight import MaxWeight
from hetgraph.envs.iot.rules import RandomSchedule, WMMSEMaxRSRP

random = RandomSchedule()
proportional_fair = MaxWeight("fair", "max_rsrp", "equal", predict=False, name="proportional_fair")
wmmse_max_rsrp = WMMSEMaxRSRP()
wmmse_pf = MaxWeight()
wmmse_path_loss = MaxWeight(associate="path_loss", name="wmmse_path_loss")
