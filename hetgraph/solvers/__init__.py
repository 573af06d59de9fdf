"""Classical methods, as functions and as policies."""

from hetgraph.solvers.ascent import ascent_path, gradient_ascent, multi_start
from hetgraph.solvers.association import (
    biased_association,
    dual_price_association,
    equal_power,
    full_band_rates,
    max_rsrp_association,
    rate_weighted_voting,
)
from hetgraph.solvers.exhaustive import exhaustive
from hetgraph.solvers.fair import Trace, sum_rate_teacher, utility_teacher, wmmse_alpha_fair
from hetgraph.solvers.fair_precoding import vector_wmmse_pf
from hetgraph.solvers.fp import fractional_programming
from hetgraph.solvers.reference import utility_reference
from hetgraph.solvers.spatial_association import groups_by_gain, spatial_association
from hetgraph.solvers.vector_wmmse import vector_wmmse, vector_wmmse_steps
from hetgraph.solvers.wmmse import wmmse, wmmse_steps

__all__ = [
    "Trace",
    "ascent_path",
    "biased_association",
    "dual_price_association",
    "equal_power",
    "exhaustive",
    "fractional_programming",
    "full_band_rates",
    "gradient_ascent",
    "groups_by_gain",
    "max_rsrp_association",
    "multi_start",
    "rate_weighted_voting",
    "spatial_association",
    "sum_rate_teacher",
    "utility_reference",
    "utility_teacher",
    "vector_wmmse",
    "vector_wmmse_pf",
    "vector_wmmse_steps",
    "wmmse",
    "wmmse_alpha_fair",
    "wmmse_steps",
]
