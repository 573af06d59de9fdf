r"""Weighted MMSE power control (Shi et al. 2011), scalar, per station or per link, under the equal-airtime convention.

With amplitude v_b (v^2 = power), own gain g, interference plus noise I of user u, total T = I + g v^2 and weight
alpha_u = w_u B / n_b, one round is the minimiser of the weighted mean squared error, each variable in its turn:

.. math::
    v_b \leftarrow \frac{\sum_{u \in b} \alpha_u g_u v_b / I_u}
    {\sum_{u \in b} \alpha_u g_u^2 v_b^2 / (T_u I_u) + \sum_{u \notin b} \alpha_u \beta_u g_{ub} + \mu_b},
    \qquad \beta_u = \frac{g_u v_{b(u)}^2}{T_u I_u}

so the weighted sum of rates never falls. ``mu_b`` keeps the budget.
"""

import math
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.radio.allocation import Allocation
from hetgraph.radio.rates import LOG2E
from hetgraph.solvers.arrays import Array, as_tensor, at_least, at_most, log1p, over_blocks, precision
from hetgraph.solvers.budget import capped_amplitude, priced_amplitude, shared_amplitude
from hetgraph.solvers.kernel import kernel_of

Budget = Literal["total", "per_rb"]
Mode = Literal["per_bs", "per_link"]
_BUDGETS, _MODES = get_args(Budget), get_args(Mode)


def wmmse(
    graph: HeteroData,
    serving: Tensor,
    *,
    weights: Tensor | None = None,
    iterations: int = 100,
    budget: Budget = "total",
    mode: Mode = "per_bs",
    init: str | Tensor = "full",
    generator: Generator | None = None,
) -> Allocation:
    """Powers that maximise the weighted sum of rates for a given association, to a stationary point.

    Args:
        graph: a graph or a batch of graphs.
        serving: serving station of each user ``[U]``; -1 for none.
        weights: weight of each user ``[U]``; ones when ``None``.
        iterations: rounds.
        budget: ``total`` (sum over resource blocks at most ``power_max_w``) or ``per_rb`` (an equal part of it on each);
            ``rb_power_max_w`` holds in both.
        mode: ``per_bs``: a station's users share one power per resource block; ``per_link``: each has its own while its
            airtime lasts, and others see the station's time average.
        init: ``full`` (equal full power), ``random`` (needs ``generator``) or powers ``[N, R]``, W.
        generator: for a random start.

    Raises:
        ValueError: an unknown option, weights or a start of another shape or sign, an association with no such candidate.

    Example:
        >>> graph = from_gain(torch.tensor([[[1.0], [0.9]], [[0.9], [1.0]]]), noise_w=0.01, power_max_w=1.0)
        >>> serving = torch.tensor([0, 1])  # two pairs that disturb each other much: one is silent
        >>> start = torch.tensor([[1.0], [0.5]])
        >>> wmmse(graph, serving, init=start).power_w.round(decimals=2).flatten()
        tensor([1., 0.])
    """
    problem = Problem(graph, serving, weights, budget, mode)
    amplitude = problem.start(init, generator)
    with quiet():
        for _ in range(iterations):
            amplitude = problem.update(amplitude, problem.drive)
    return problem.allocation(amplitude)


def wmmse_steps(
    graph: HeteroData,
    serving: Tensor,
    *,
    weights: Tensor | None = None,
    iterations: int = 100,
    budget: Budget = "total",
    mode: Mode = "per_bs",
    init: str | Tensor = "full",
    generator: Generator | None = None,
) -> Iterator[tuple[Tensor, Allocation]]:
    """Objective ``[B]`` (weighted sum of rates, bit/s) and allocation at the start and after every round.

    Arguments are those of :func:`wmmse`.
    """
    problem = Problem(graph, serving, weights, budget, mode)
    amplitude = problem.start(init, generator)
    yield problem.objective(amplitude), problem.allocation(amplitude)
    for _ in range(iterations):
        with quiet():
            amplitude = problem.update(amplitude, problem.drive)
        yield problem.objective(amplitude), problem.allocation(amplitude)


def quiet() -> np.errstate:
    """Context in which NumPy, like PyTorch, does not warn of overflow to infinity."""
    return np.errstate(all="ignore")


class Problem:
    """One association's power control; both modes share it.

    Args:
        graph: a graph or a batch of graphs.
        serving: serving station of each user ``[U]``; -1 for none.
        weights: weight of each user ``[U]``; ones when ``None``.
        budget: as in :func:`wmmse`.
        mode: as in :func:`wmmse`.
    """

    def __init__(self, graph: HeteroData, serving: Tensor, weights: Tensor | None, budget: Budget, mode: Mode) -> None:
        _one_of("budget", budget, _BUDGETS)
        _one_of("mode", mode, _MODES)
        blocks, bs = graph.rb_bandwidth_hz.shape[1], graph["bs"]
        self.limit_w, self.mode, self.blocks = bs.power_max_w, mode, blocks
        # Whether the total budget can bind at all, and whether a block may take less than all of it.
        self.priced = self.tight = budget == "total" and blocks > 1
        if self.priced:
            share = bs.rb_power_max_w / self.limit_w.clamp_min(1e-30).unsqueeze(1)
            self.priced = bool((share.sum(1) > 1 + 1e-6).any())
            self.tight = self.priced and bool((share < 1).any())
        self.kernel = kernel = kernel_of(graph, serving, light=mode == "per_bs" and not self.tight)
        self.alpha = self.band = kernel.airtime * (kernel.bandwidth * LOG2E)  # rate per nat
        if weights is not None:
            self.alpha = self.band * kernel.array(kernel.user_layout(self._checked(weights)))
        # Weights near one have the same solutions and products that float32 can hold; a power of two adds no rounding.
        self.scaled = self.alpha * 2.0 ** -math.frexp(float(self.alpha.max()))[1]
        self.drive = self.scaled * kernel.own_gain
        self.cap = kernel.cap if budget == "total" else at_most(kernel.cap, 1 / blocks)
        # A station without weight has nothing to send.
        self.root_cap = self.cap**0.5 * (kernel.to_station(self.drive) > 0)
        library = torch if isinstance(self.cap, Tensor) else np
        self.minimum = library.fmin
        self.price: Array | None = None

    def _checked(self, weights: Tensor) -> Tensor:
        users = self.kernel.links.num_ue
        if tuple(weights.shape) != (users,):
            raise ValueError(f"weights: got shape {tuple(weights.shape)}, expected ({users},)")
        if not bool((weights >= 0).all()):
            raise ValueError(f"weights: got {float(weights.min()):g}, expected no negative weights")
        return weights.to(as_tensor(self.kernel.gain).dtype)

    def start(self, init: str | Tensor, generator: Generator | None) -> Array:
        """First amplitudes."""
        kernel = self.kernel
        if isinstance(init, str) and init == "full":
            station = at_most(self.cap, 1 / self.blocks) ** 0.5
            return station if self.mode == "per_bs" else kernel.at_user(station)
        flat = kernel.station_flat(kernel.cap)
        if isinstance(init, Tensor):
            fraction = self._fractions(init.to(flat.dtype))
        elif init == "random":
            if generator is None:
                raise ValueError("generator: got None, expected a torch.Generator for a random start")
            fraction = torch.rand(flat.shape, generator=generator, dtype=flat.dtype, device=flat.device)
            fraction = fraction / fraction.sum(1, keepdim=True).clamp_min(1)
        else:
            raise ValueError(f"init: got {init!r}, expected 'full', 'random' or a tensor of powers [N, R]")
        station = self.minimum(kernel.array(kernel.station_layout(fraction)), self.cap) ** 0.5
        return station if self.mode == "per_bs" else kernel.at_user(station)

    def _fractions(self, power_w: Tensor) -> Tensor:
        expected = (self.kernel.links.num_bs, self.blocks)
        if tuple(power_w.shape) != expected:
            raise ValueError(f"init: got shape {tuple(power_w.shape)}, expected {expected}")
        fraction = power_w / self.limit_w.clamp_min(1e-30).unsqueeze(1)
        total = fraction.sum(1, keepdim=True)
        if not bool((fraction >= 0).all() & (total <= 1 + 1e-5).all()):
            raise ValueError("init: got negative powers or more than power_max_w, expected powers within the budget")
        return torch.div(fraction, total.clamp_min(1))

    def received(self, amplitude: Array) -> tuple[Array, Array, Array]:
        """Own power fraction, own received power and interference plus noise, user layout."""
        kernel, square = self.kernel, amplitude * amplitude
        if self.mode == "per_bs":
            power = square if kernel.paired else kernel.at_user(square)
            return power, kernel.own_gain * power, kernel.interference(square)
        return square, kernel.own_gain * square, kernel.interference(kernel.to_station(kernel.airtime * square))

    def objective(self, amplitude: Array) -> Tensor:
        """Weighted sum of rates ``[B]``, bit/s."""
        _, own, other = self.received(amplitude)
        return as_tensor(self.kernel.network_sum(self.alpha * log1p(own / other)))

    def user_rate(self, own: Array, other: Array) -> Array:
        """Rate of each user, user layout with one resource block, bit/s."""
        return over_blocks(self.band * log1p(own / other))

    def update(self, amplitude: Array, drive: Array, received: tuple[Array, Array, Array] | None = None) -> Array:
        """One round; ``drive`` is the users' weights times their own gains, user layout."""
        kernel = self.kernel
        power, own, other = received or self.received(amplitude)
        lift = drive / other
        pain = lift * power / (own + other)  # alpha beta of the module's formula
        if self.mode == "per_link":
            spill = kernel.at_user(kernel.spill(pain))
            return self._per_link(amplitude * lift, pain * kernel.own_gain + kernel.airtime * spill)
        pull = amplitude * (lift if kernel.paired else kernel.to_station(lift))
        return self.bounded(pull, kernel.burden(pain))

    def bounded(self, pull: Array, curvature: Array) -> Array:
        """Amplitudes of stations that a quadratic wants and budgets and caps allow."""
        if not self.priced:
            return self.minimum(pull / curvature, self.root_cap)  # the cap where nobody suffers: 0 / 0
        free, self.price = priced_amplitude(pull, curvature, self.price)
        if not self.tight:
            return free
        over = (free.square() > self.cap * (1 + 8 * precision(pull)[0])).any(1, keepdim=True)
        capped = shared_amplitude(pull, curvature, torch.ones_like(pull), self.cap, _same, _same)
        return torch.where(over, self.minimum(capped, self.root_cap), free)

    def _per_link(self, pull: Tensor, curvature: Tensor) -> Tensor:
        kernel, weight = self.kernel, self.kernel.airtime.expand_as(pull)
        solve = shared_amplitude if self.priced else capped_amplitude
        return solve(pull, curvature, weight, self.cap, kernel.to_station, kernel.at_user)

    def project(self, amplitude: Array) -> Array:
        """Amplitudes brought within caps and budget by cutting and scaling (``per_bs``)."""
        cut = self.minimum(at_least(amplitude, 0.0), self.root_cap)
        if not self.priced:
            return cut
        return cut / at_least(over_blocks(cut * cut) ** 0.5, 1.0)

    def allocation(self, amplitude: Array) -> Allocation:
        """Powers in W of amplitudes."""
        kernel, limit = self.kernel, self.limit_w
        square = amplitude * amplitude
        if self.mode == "per_bs":
            return Allocation(kernel.serving, kernel.station_flat(square) * limit.unsqueeze(1))
        layer = kernel.airtime * square
        power = kernel.station_flat(kernel.to_station(layer)) * limit.unsqueeze(1)
        own = limit[kernel.serving.clamp_min(0)].unsqueeze(1)
        return Allocation(kernel.serving, power, layer_power_w=kernel.user_flat(layer) * own)


def _same(value: Tensor) -> Tensor:
    return value


def _one_of(name: str, value: object, options: tuple[str, ...]) -> None:
    if value not in options:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(options)}")
