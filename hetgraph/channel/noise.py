"""Thermal noise."""

import math

from hetgraph.units import dbm_to_w

THERMAL_DBM_PER_HZ = -174.0
"""Noise density at 290 K, rounded as in the 3GPP's link budgets."""


def thermal_noise_w(bandwidth_hz: float, *, noise_figure_db: float) -> float:
    """Noise power of a receiver: ``-174 dBm/Hz + NF + 10 log10(bandwidth)``, in watts.

    Args:
        bandwidth_hz: bandwidth of the resource block (or carrier) it is computed for.
        noise_figure_db: noise figure of the receiver.

    Raises:
        ValueError: a bandwidth that is not finite and positive, or a noise figure that is negative or not finite.

    Example:
        >>> thermal_noise_w(180e3, noise_figure_db=9.0)
        5.69...e-15
    """
    if not 0.0 < bandwidth_hz < math.inf:
        raise ValueError(f"bandwidth_hz: got {bandwidth_hz}, expected a finite number > 0")
    if not 0.0 <= noise_figure_db < math.inf:
        raise ValueError(f"noise_figure_db: got {noise_figure_db}, expected a finite number >= 0")
    return dbm_to_w(THERMAL_DBM_PER_HZ + noise_figure_db + 10.0 * math.log10(bandwidth_hz))
