"""Line of sight, path loss and shadowing between masts and users (TR 38.901 sec. 7.4 and 7.6.3).

Line of sight and shadowing belong to a mast and a user, path loss to a *site radio*: the cells of one mast of one propagation
model, height and carrier. They are computed once for each site radio and handed to its cells, which differ by antenna alone.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hetgraph import channel
from hetgraph.graph.masts import image_shifts, masts_of
from hetgraph.graph.scenario import Scenario
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
        first_cell: first cell of each ``[G]``; its place is that of all.
        mast: mast of each ``[G]``.
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

    def select(self, radio: Tensor) -> "SiteRadios":
        """Some of them."""
        model = tuple(self.model[i] for i in radio.tolist())
        rows = (value[radio] for value in (self.first_cell, self.mast, self.height_m, self.carrier_hz))
        first_cell, mast, height_m, carrier_hz = rows
        return SiteRadios(self.of_cell, first_cell, mast, model, height_m, carrier_hz)


def site_radios(scenario: Scenario) -> SiteRadios:
    """Site radios of a scenario, in the order of their first cells."""
    names = [carrier.name for carrier in scenario.carriers]
    tiers = [tier for tier in scenario.tiers for _ in range(tier.count)]
    carriers = [scenario.carriers[names.index(tier.carrier) if tier.carrier else 0].carrier_hz for tier in tiers]
    kinds: dict[tuple[int, str, float, float], int] = {}
    of_cell = [
        kinds.setdefault((mast, tier.pathloss, tier.height_m, carrier_hz), len(kinds))
        for mast, tier, carrier_hz in zip(masts_of(scenario).tolist(), tiers, carriers, strict=True)
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
    """Where users are as the nearest image of each site radio sees them.

    Args:
        offset_m: from the site radio to the user ``[n, G, U, 2]``.
        distance_m: horizontal distance ``[n, G, U]``.
        image: number of the nearest image ``[n, G, U]``; ``None`` where the layout does not wrap around.
    """

    offset_m: Tensor
    distance_m: Tensor
    image: Tensor | None

    def select(self, radio: Tensor) -> "Geometry":
        """Of some of the site radios."""
        image = None if self.image is None else self.image[:, radio]
        return Geometry(self.offset_m[:, radio], self.distance_m[:, radio], image)


def geometry_of(scenario: Scenario, sites: Tensor, users: Tensor) -> Geometry:
    """Offsets and distances of ``sites [n, G, 2]`` and ``users [n, U, 2]``, m."""
    offset = users.unsqueeze(1) - sites.unsqueeze(2)  # [n, G, U, 2]
    shifts = image_shifts(scenario)
    if len(shifts) == 1:
        return Geometry(offset, offset.norm(dim=-1), None)
    images = offset.unsqueeze(3) - shifts  # [n, G, U, I, 2]
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
        """Of some of the site radios, or of each cell."""
        return LargeScale(self.los[:, radio], self.pathloss_db[:, radio], self.shadow_db[:, radio])


def large_scale(
    scenario: Scenario, radios: SiteRadios, geometry: Geometry, users: Tensor, state: UserState | None, streams: Streams
) -> LargeScale:
    """Draw the large-scale state of all site radios, one propagation model after the other.

    Args:
        scenario: channel and users.
        radios: of :func:`site_radios`.
        geometry: of :func:`geometry_of`.
        users: places ``[n, U, 2]``, m.
        state: buildings and heights of users; ``None`` where all are outdoors.
        streams: random numbers.
    """
    randomness = _Randomness(scenario, streams, users, int(radios.mast.max()) + 1)
    links = _Links(scenario, radios.model[0], radios, geometry, state, randomness)
    models = list(dict.fromkeys(radios.model))
    if len(models) == 1:
        return links.draw()
    chosen = [torch.tensor([i for i, name in enumerate(radios.model) if name == model]) for model in models]
    parts = [
        replace(links, model=model, radios=radios.select(rows), geometry=geometry.select(rows)).draw()
        for model, rows in zip(models, chosen, strict=True)
    ]
    columns = [torch.cat([getattr(part, name) for part in parts], 1) for name in ("los", "pathloss_db", "shadow_db")]
    order = torch.cat(chosen)
    together = LargeScale(*columns)
    return together if bool((order.diff() > 0).all()) else together.select(order.argsort())


class _Randomness:
    """Random fields of the masts where states follow the place, else independent numbers of each mast and user.

    A user sees the nearest image of each mast, and that mast's field at its own place less the image's shift, so that the
    torus has no seam.

    Args:
        scenario: channel and layout.
        streams: random numbers.
        users: places ``[n, U, 2]``, m.
        masts: number of masts.
    """

    def __init__(self, scenario: Scenario, streams: Streams, users: Tensor, masts: int) -> None:
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
        """The same value at all images: ``[n, G, U] -> [n, G, I * U]``."""
        return value if len(self.shifts) == 1 else value.repeat(1, 1, len(self.shifts))

    def at_nearest(self, value: Tensor, image: Tensor | None) -> Tensor:
        """The value at each user's nearest image: ``[n, G, I * U] -> [n, G, U]``."""
        if image is None:
            return value
        table = value.reshape(*value.shape[:2], len(self.shifts), self.users)
        return table.gather(2, image.unsqueeze(2)).squeeze(2)


@dataclass(frozen=True)
class _Links:
    """Pairs of users and the site radios of one propagation model."""

    scenario: Scenario
    model: str
    radios: SiteRadios
    geometry: Geometry
    state: UserState | None
    randomness: _Randomness

    def draw(self) -> LargeScale:
        if self.model == "unit":
            zero = torch.zeros_like(self.geometry.distance_m)
            return LargeScale(torch.ones_like(zero, dtype=torch.bool), zero, zero)
        los = self._los()
        if los.dtype == torch.bool:
            return LargeScale(los, self._pathloss_db(los), self._shadow_db(los))
        return self._mixed(los)

    @property
    def _link(self) -> dict[str, Tensor]:
        """Geometry as the propagation models take it."""
        users = self.scenario.users
        height = torch.tensor(users.height_m) if self.state is None else self.state.height_m.unsqueeze(1)
        return {
            "distance_2d_m": self._floored(self.geometry.distance_m),
            "carrier_hz": self.radios.carrier_hz,
            "bs_height_m": self.radios.height_m,
            "ue_height_m": height,
        }

    def _floored(self, distance_m: Tensor) -> Tensor:
        return distance_m.clamp_min(self.scenario.channel.min_distance_m)

    def _pathloss_db(self, los: Tensor) -> Tensor:
        loss = channel.pathloss_db(self.model, los=los, **self._link)
        if self.state is not None:
            loss = loss + self.state.penetration_loss_db(self.radios.carrier_hz)
        return loss

    def _los(self) -> Tensor:
        """LOS state (bool), or its soft value in 0..1."""
        rule, distance = self.scenario.channel.los, self.geometry.distance_m
        if rule in ("always", "never"):
            return torch.full(distance.shape, rule == "always")
        if self.state is not None:  # the probability takes the way outside the building
            distance = (distance - self.state.indoor_distance_m.unsqueeze(1)).clamp_min(0)
        height = self._link["ue_height_m"]
        chance = channel.los_probability(self.model, self._floored(distance), ue_height_m=height)
        if self.randomness.los is not None:
            uniform = self.randomness.los[:, self.radios.mast]
            if rule == "probability":
                return uniform < chance
            return channel.soft_state(chance, torch.special.ndtri(uniform), carrier_hz=self.radios.carrier_hz)
        assert self.randomness.los_field is not None
        field = self.randomness.los_field.select(self.radios.mast)
        places, chance = self.randomness.places, self.randomness.at_images(chance)
        if rule == "probability":
            found = channel.correlated_los(self.model, field, places, probability=chance)
        else:
            found = channel.soft_los(self.model, field, places, probability=chance, carrier_hz=self.radios.carrier_hz)
        return self.randomness.at_nearest(found, self.geometry.image)

    def _shadow_db(self, los: Tensor) -> Tensor:
        """Shadowing ``[n, G, U]``, dB; masts share half of its power where it is correlated in space."""
        kind, sigma = self.scenario.channel.shadowing, self.scenario.channel.shadow_sigma_db
        if kind == "none":
            return torch.zeros(los.shape)
        indoor = None if self.state is None else self.state.indoor.unsqueeze(1)
        if self.randomness.shadow is not None:
            value = self.randomness.shadow[:, self.radios.mast]
        else:
            assert self.randomness.shadow_field is not None
            field, tell = self.randomness.shadow_field.select(self.radios.mast), self.randomness.at_images
            value = channel.correlated_shadow(
                self.model,
                field,
                self.randomness.places,
                los=tell(los),
                indoor=None if indoor is None else tell(indoor).squeeze(1),
            )
            value = self.randomness.at_nearest(value, self.geometry.image)
        if sigma is not None:
            return sigma * value
        return channel.shadow_sigma_db(self.model, los=los, indoor=indoor, **self._link) * value

    def _mixed(self, soft: Tensor) -> LargeScale:
        """Powers of both states, each with its own path loss and shadowing, by the soft state (sec. 7.6.3.3)."""
        clear = torch.ones(soft.shape, dtype=torch.bool)
        parts = [(soft, clear), (1 - soft, ~clear)]
        losses = [(share, self._pathloss_db(los), self._shadow_db(los)) for share, los in parts]
        loss = -linear_to_db(sum((share * db_to_linear(-loss) for share, loss, _ in losses), torch.zeros(())))
        total = -linear_to_db(sum((s * db_to_linear(-loss - x) for s, loss, x in losses), torch.zeros(())))
        return LargeScale(soft >= 0.5, loss, total - loss)
