"""Line of sight, path loss and shadowing between masts and users (TR 38.901 sec. 7.4 and 7.6.3).

Line of sight and the normalised shadowing belong to a mast and a user: they follow the probability and the correlation distances
of the model of the mast's first cell, whatever other cells it has. Path loss and the shadowing's standard deviation belong to a
*site radio*: the cells of one mast of one propagation model, height and carrier. They are computed once for each site radio and
handed to its cells, which differ by antenna alone. Masts share half of the shadowing's power at places where their states are the
same; fields of other states have other correlation distances.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hetgraph import channel
from hetgraph.graph.masts import image_shifts, masts_of
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import Streams
from hetgraph.graph.user_state import UserState
from hetgraph.units import db_to_linear, linear_to_db

_SITE_CORRELATION = 0.5  # of two masts' shadowing at one place (TR 36.814, Table A.2.1.1-2)
_LOS_MODES = 64  # plane waves of the LOS field: it is smooth, so fewer than shadowing needs


@dataclass(frozen=True)
class SiteRadios:
    """The ``G`` site radios of a scenario and the ``N`` cells that have them.

    Args:
        of_cell: site radio of each cell ``[N]``.
        first_cell: first cell of each ``[G]``.
        mast: mast of each ``[G]``; all of a mast are at the place of its first cell.
        model: propagation model of each.
        height_m: antenna height of each ``[G, 1]``.
        carrier_hz: carrier of each ``[G, 1]``.
    """

    of_cell: Tensor
    first_cell: Tensor
    mast: Tensor
    model: tuple[str, ...]
    height_m: Tensor
    carrier_hz: Tensor

    @property
    def of_mast(self) -> Tensor:
        """First site radio of each mast ``[M]``."""
        return torch.from_numpy(np.unique(self.mast.numpy(), return_index=True)[1])


def site_radios(scenario: ScenarioFields) -> SiteRadios:
    """Site radios of a scenario, in the order of their first cells."""
    tiers = [tier for tier in scenario.tiers for _ in range(tier.count)]
    kinds: dict[tuple[int, str, float, float], int] = {}
    of_cell = [
        kinds.setdefault((mast, tier.pathloss, tier.height_m, scenario.carrier_of(tier).carrier_hz), len(kinds))
        for mast, tier in zip(masts_of(scenario).tolist(), tiers, strict=True)
    ]
    mast, model, height, carrier = zip(*kinds, strict=True)
    return SiteRadios(
        of_cell=torch.tensor(of_cell),
        first_cell=torch.from_numpy(np.unique(of_cell, return_index=True)[1]),
        mast=torch.tensor(mast),
        model=model,
        height_m=torch.tensor(height).unsqueeze(1),
        carrier_hz=torch.tensor(carrier, dtype=torch.float64).float().unsqueeze(1),
    )


@dataclass(frozen=True)
class Geometry:
    """Where users are as the nearest image of each of ``M`` masts sees them.

    Args:
        offset_m: from the mast to the user ``[n, M, U, 2]``.
        distance_m: horizontal distance ``[n, M, U]``.
        image: number of the nearest image ``[n, M, U]``; ``None`` where the layout does not wrap around.
    """

    offset_m: Tensor
    distance_m: Tensor
    image: Tensor | None


def geometry_of(scenario: ScenarioFields, masts: Tensor, users: Tensor) -> Geometry:
    """Offsets and distances of ``masts [n, M, 2]`` and ``users [n, U, 2]``, m."""
    offset = users.unsqueeze(1) - masts.unsqueeze(2)  # [n, M, U, 2]
    shifts = image_shifts(scenario)
    if len(shifts) == 1:
        return Geometry(offset, offset.norm(dim=-1), None)
    images = offset.unsqueeze(3) - shifts  # [n, M, U, I, 2]
    distance, image = images.norm(dim=-1).min(3)
    nearest = images.gather(3, image[..., None, None].expand(*image.shape, 1, 2)).squeeze(3)
    return Geometry(nearest, distance, image)


@dataclass(frozen=True)
class LargeScale:
    """Large-scale state of pairs ``[n, G, U]``: line of sight, path loss (buildings included) and shadowing, dB."""

    los: Tensor
    pathloss_db: Tensor
    shadow_db: Tensor

    def select(self, radio: Tensor) -> "LargeScale":
        """Of each cell's site radio."""
        return LargeScale(self.los[:, radio], self.pathloss_db[:, radio], self.shadow_db[:, radio])


def large_scale(
    scenario: ScenarioFields,
    radios: SiteRadios,
    geometry: Geometry,
    users: Tensor,
    state: UserState | None,
    streams: Streams,
) -> LargeScale:
    """Draw the large-scale state of all site radios.

    Args:
        scenario: channel and users.
        radios: of :func:`site_radios`.
        geometry: of :func:`geometry_of`.
        users: places ``[n, U, 2]``, m.
        state: buildings and heights of users; ``None`` where all are outdoors.
        streams: random numbers.
    """
    masts = _Masts(scenario, radios, geometry, state, _Draws(scenario, streams, users, geometry.distance_m.shape[1]))
    los = masts.los()
    links = _Radios(scenario, radios, geometry, state)
    if los.dtype == torch.bool:
        shadow = masts.shadow(los)
        return LargeScale(los[:, radios.mast], links.pathloss_db(los), links.shadow_db(los, shadow))
    # Powers of both states, each with its own path loss and shadowing, by the soft state (sec. 7.6.3.3).
    clear = torch.ones(los.shape, dtype=torch.bool)
    share = los[:, radios.mast]
    parts = [
        (weight, links.pathloss_db(state_of), links.shadow_db(state_of, masts.shadow(state_of)))
        for weight, state_of in ((share, clear), (1 - share, ~clear))
    ]
    loss = -linear_to_db(sum((weight * db_to_linear(-loss) for weight, loss, _ in parts), torch.zeros(())))
    total = -linear_to_db(sum((weight * db_to_linear(-loss - x) for weight, loss, x in parts), torch.zeros(())))
    return LargeScale(share >= 0.5, loss, total - loss)


class _Draws:
    """Random fields of the masts where states follow the place, else independent numbers of each mast and user.

    A user sees the nearest image of each mast, and that mast's field at its own place less the image's shift, so that the
    torus has no seam.

    Args:
        scenario: channel and layout.
        streams: random numbers.
        users: places ``[n, U, 2]``, m.
        masts: number of masts.
    """

    def __init__(self, scenario: ScenarioFields, streams: Streams, users: Tensor, masts: int) -> None:
        rule, kind = scenario.channel.los, scenario.channel.shadowing
        self.shifts, self.users = image_shifts(scenario), users.shape[1]
        self.places = (users.unsqueeze(1) - self.shifts.reshape(1, -1, 1, 2)).flatten(1, 2)  # [n, I * U, 2]
        self.shadow_field = self.los_field = self.shadow = self.los = None
        random_los = rule in ("probability", "soft")
        if kind == "correlated":
            shadow = streams.generators("shadow")
            self.shadow_field = channel.draw_field(masts, shadow, inter_site_correlation=_SITE_CORRELATION)
            if random_los:
                self.los_field = channel.draw_field(masts, streams.generators("los"), modes=_LOS_MODES, law="gaussian")
        else:
            self.shadow = streams.normal("shadow", masts, self.users) if kind == "independent" else None
            self.los = streams.uniform("los", masts, self.users) if random_los else None

    def at_images(self, value: Tensor) -> Tensor:
        """The same value at all images: ``[n, M, U] -> [n, M, I * U]``."""
        return value if len(self.shifts) == 1 else value.repeat(1, 1, len(self.shifts))

    def at_nearest(self, value: Tensor, image: Tensor | None) -> Tensor:
        """The value at each user's nearest image: ``[n, M, I * U] -> [n, M, U]``."""
        if image is None:
            return value
        table = value.reshape(*value.shape[:2], len(self.shifts), self.users)
        return table.gather(2, image.unsqueeze(2)).squeeze(2)


def _ue_height_m(scenario: ScenarioFields, state: UserState | None) -> Tensor:
    """Heights of users, one number or ``[n, 1, U]``."""
    return torch.tensor(scenario.users.height_m) if state is None else state.height_m.unsqueeze(1)


def _parts(models: tuple[str, ...]) -> list[tuple[str, Tensor | slice]]:
    """Each propagation model and the rows that have it, without an index where all have one."""
    kinds = dict.fromkeys(models)
    if len(kinds) == 1:
        return [(models[0], slice(None))]
    return [(kind, torch.tensor([i for i, model in enumerate(models) if model == kind])) for kind in kinds]


def _together(parts: list[tuple[Tensor | slice, Tensor]]) -> Tensor:
    """Rows of all models ``[n, *, U]`` in their order."""
    if len(parts) == 1:
        return parts[0][1]
    order = torch.cat([rows for rows, _ in parts if isinstance(rows, Tensor)])
    value = torch.cat([value for _, value in parts], 1)
    return value if bool((order.diff() > 0).all()) else value[:, order.argsort()]


@dataclass(frozen=True)
class _Masts:
    """Pairs of users and masts: what all cells of a mast share."""

    scenario: ScenarioFields
    radios: SiteRadios
    geometry: Geometry
    state: UserState | None
    draws: _Draws

    @property
    def models(self) -> tuple[str, ...]:
        """Model of the first cell of each mast."""
        return tuple(self.radios.model[i] for i in self.radios.of_mast.tolist())

    def los(self) -> Tensor:
        """LOS state (bool), or its soft value in 0..1 ``[n, M, U]``."""
        rule = self.scenario.channel.los
        if rule in ("always", "never"):
            return torch.full(self.geometry.distance_m.shape, rule == "always")
        return _together([(rows, self._los_of(model, rows)) for model, rows in _parts(self.models)])

    def _los_of(self, model: str, rows: Tensor | slice) -> Tensor:
        distance, soft = self.geometry.distance_m[:, rows], self.scenario.channel.los == "soft"
        if model == "unit":
            return torch.ones(distance.shape) if soft else torch.ones(distance.shape, dtype=torch.bool)
        if self.state is not None and not channel.propagation_model(model).indoor_model:
            distance = (distance - self.state.indoor_distance_m.unsqueeze(1)).clamp_min(0)  # outdoor distance
        chance = channel.los_probability(model, distance, ue_height_m=_ue_height_m(self.scenario, self.state))
        carrier_hz = self.radios.carrier_hz[self.radios.of_mast][rows]
        if self.draws.los is not None:
            uniform = self.draws.los[:, rows]
            if not soft:
                return uniform < chance
            return channel.soft_state(chance, torch.special.ndtri(uniform), carrier_hz=carrier_hz)
        assert self.draws.los_field is not None
        field, places = self.draws.los_field.select(rows), self.draws.places
        chance = self.draws.at_images(chance)
        if soft:
            value = channel.soft_los(model, field, places, probability=chance, carrier_hz=carrier_hz)
        else:
            value = channel.correlated_los(model, field, places, probability=chance)
        return self.draws.at_nearest(value, self._image(rows))

    def shadow(self, los: Tensor) -> Tensor | None:
        """Standard normal shadowing ``[n, M, U]`` of links in a state; ``None`` without shadowing."""
        if self.scenario.channel.shadowing == "none":
            return None
        if self.draws.shadow is not None:
            return self.draws.shadow
        return _together([(rows, self._shadow_of(model, rows, los)) for model, rows in _parts(self.models)])

    def _shadow_of(self, model: str, rows: Tensor | slice, los: Tensor) -> Tensor:
        if model == "unit":
            return torch.zeros(los[:, rows].shape)
        assert self.draws.shadow_field is not None
        indoor = None if self.state is None else self.draws.at_images(self.state.indoor.unsqueeze(1)).squeeze(1)
        value = channel.correlated_shadow(
            model,
            self.draws.shadow_field.select(rows),
            self.draws.places,
            los=self.draws.at_images(los[:, rows]),
            indoor=indoor,
        )
        return self.draws.at_nearest(value, self._image(rows))

    def _image(self, rows: Tensor | slice) -> Tensor | None:
        return None if self.geometry.image is None else self.geometry.image[:, rows]


@dataclass(frozen=True)
class _Radios:
    """Pairs of users and site radios: what depends on model, height and carrier."""

    scenario: ScenarioFields
    radios: SiteRadios
    geometry: Geometry
    state: UserState | None

    def _link(self, rows: Tensor | slice) -> dict[str, Tensor]:
        distance = self.geometry.distance_m[:, self.radios.mast[rows]]
        return {
            "distance_2d_m": distance.clamp_min(self.scenario.channel.min_distance_m),
            "carrier_hz": self.radios.carrier_hz[rows],
            "bs_height_m": self.radios.height_m[rows],
            "ue_height_m": _ue_height_m(self.scenario, self.state),
        }

    def pathloss_db(self, los: Tensor) -> Tensor:
        """Path loss ``[n, G, U]`` for states of masts ``[n, M, U]``, dB; buildings included."""
        return _together([(rows, self._loss_of(model, rows, los)) for model, rows in _parts(self.radios.model)])

    def _loss_of(self, model: str, rows: Tensor | slice, los: Tensor) -> Tensor:
        state_of = los[:, self.radios.mast[rows]]
        if model == "unit":
            return torch.zeros(state_of.shape)
        loss = channel.pathloss_db(model, los=state_of, **self._link(rows))
        if self.state is not None and not channel.propagation_model(model).indoor_model:
            loss = loss + self.state.penetration_loss_db(self.radios.carrier_hz[rows])
        return loss

    def shadow_db(self, los: Tensor, shadow: Tensor | None) -> Tensor:
        """Shadowing ``[n, G, U]``, dB, of a standard normal one of masts ``[n, M, U]``."""
        if shadow is None:
            return torch.zeros(los[:, self.radios.mast].shape)
        value, sigma = shadow[:, self.radios.mast], self.scenario.channel.shadow_sigma_db
        if sigma is not None and "unit" not in self.radios.model:
            return sigma * value
        return value * _together(
            [(rows, self._sigma_of(model, rows, los)) for model, rows in _parts(self.radios.model)]
        )

    def _sigma_of(self, model: str, rows: Tensor | slice, los: Tensor) -> Tensor:
        state_of, sigma = los[:, self.radios.mast[rows]], self.scenario.channel.shadow_sigma_db
        if model == "unit":
            return torch.zeros(state_of.shape)
        if sigma is not None:
            return torch.full(state_of.shape, sigma)
        indoor = None if self.state is None else self.state.indoor.unsqueeze(1)
        return channel.shadow_sigma_db(model, los=state_of, indoor=indoor, **self._link(rows))
