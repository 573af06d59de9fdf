"""Association rules by name, as entry points find them."""

from hetgraph.envs.arrivals.rules import BestRate, BestRateAdmission, LeastLoaded, RandomStation, Strongest

argmax, argmax_blocking = Strongest(), Strongest(overflow=False)
random_station = RandomStation()
least_loaded = LeastLoaded()
best_rate = BestRate()
best_rate_admission = BestRateAdmission()
