"""An observation of an IoT network as dense tables: what classical policies and agents share."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.sums_of_others import sum_of_others


@dataclass(frozen=True)
class Spectrum:
    """``B`` networks of ``N`` stations, ``U`` users and ``S`` subchannels; all but queues is of the slot before.

    Args:
        gain: of each link on each subchannel ``[B, U, N, S]``.
        rsrp_dbm: received power of the full budget, without fading ``[B, U, N]``.
        noise_w: noise on a subchannel ``[B, U, S]``, W.
        interference_w: received power of other stations than its own, plus noise ``[B, U, S]``, W.
        power_w: what stations sent ``[B, N, S]``, W.
        power_max_w: budgets ``[B, N]``, W.
        cap: largest fraction of the budget on a subchannel ``[B, N, S]``.
        station: station of each user, -1 for none ``[B, U]``.
        active: users that are there ``[B, U]``.
        queue_bits: bits that wait ``[B, U]``.
        head_slots: slots left for the oldest of them, 0 without any ``[B, U]``.
        deadline_slots: slots from a bit's arrival to its deadline ``[B, U]``.
        offered_bps: mean rate of what arrives ``[B, U]``, bit/s.
        rate_mean_bps: smoothed rate at which users were served ``[B, U]``, bit/s.
        bits_per_efficiency: bits that a subchannel carries in a slot at 1 bit/s/Hz ``[B]``.
        layers: most users of a cluster.
    """

    gain: Tensor
    rsrp_dbm: Tensor
    noise_w: Tensor
    interference_w: Tensor
    power_w: Tensor
    power_max_w: Tensor
    cap: Tensor
    station: Tensor
    active: Tensor
    queue_bits: Tensor
    head_slots: Tensor
    deadline_slots: Tensor
    offered_bps: Tensor
    rate_mean_bps: Tensor
    bits_per_efficiency: Tensor
    layers: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``B, N, U, S``."""
        b, u, n, s = self.gain.shape
        return b, n, u, s

    def candidate_interference_w(self) -> Tensor:
        """Interference of all stations but one, plus noise, at the powers of the slot before ``[B, U, N, S]``, W."""
        return sum_of_others(self.gain * self.power_w.unsqueeze(1), 2) + self.noise_w.unsqueeze(2)


def spectrum_of(obs: HeteroData) -> Spectrum:
    """Dense tables of an observation of :class:`~hetgraph.envs.IoTEnv`.

    Raises:
        ValueError: a graph of another environment.
    """
    bs, ue, edges = obs["bs"], obs["ue"], obs[CHANNEL]
    if "head_slots" not in ue or "layers" not in obs:
        raise ValueError("graph: got no ue.head_slots or layers, expected an observation of IoTEnv")
    b = obs.slot_s.shape[0]
    n, u, s = bs.power_max_w.shape[0] // b, ue.noise_w.shape[0] // b, ue.noise_w.shape[1]
    budget = bs.power_max_w.reshape(b, n)
    return Spectrum(
        edges.gain.reshape(b, u, n, s),
        edges.rsrp_dbm.reshape(b, u, n),
        ue.noise_w.reshape(b, u, s),
        ue.interference_w.reshape(b, u, s),
        bs.power_w.reshape(b, n, s),
        budget,
        bs.rb_power_max_w.reshape(b, n, s) / budget.unsqueeze(2),
        ue.serving_slot.reshape(b, u),
        ue.active.reshape(b, u),
        ue.queue_bits.reshape(b, u),
        ue.head_slots.reshape(b, u),
        ue.deadline_slots.reshape(b, u),
        ue.offered_bps.reshape(b, u),
        ue.rate_mean_bps.reshape(b, u),
        obs.rb_bandwidth_hz[:, 0] * obs.slot_s,
        int(obs.layers[0]),
    )


def min_path_loss(view: Spectrum, hysteresis_db: float = 2.0, part: float = 1.0) -> Tensor:
    """The station with the least path loss to each user ``[B, U]``, -1 for a user that is not there.

    Range expansion by the whole difference of budgets: with WMMSE's powers a user costs energy by its path loss, whatever its
    station could send.

    Args:
        view: dense tables.
        hysteresis_db: by how much another station than the present one has to be better.
        part: of the difference of budgets; 0 is strongest signal.
    """
    stays = view.station.unsqueeze(2) == torch.arange(view.shape[1], device=view.gain.device)
    score_db = view.rsrp_dbm - 10 * part * view.power_max_w.log10().unsqueeze(1) + hysteresis_db * stays
    return torch.where(view.active, score_db.argmax(2), -1)
