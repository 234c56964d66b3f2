"""The slow, obvious owner: one home, one Python object, one number after the other.

Formulas of `der_gym.devices.owners` in float64 and the standard library, from the page `docs/owners.md`; nothing is
shared with the kernels but the names of the settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from der_gym.devices.owners.config import AppealConfig, IncentiveConfig


@dataclass
class SlowOwner:
    """An owner of one device: ``minute`` is called once for each tick, ``half_hour`` where one ends."""

    config: IncentiveConfig
    automated: bool
    mind: float  # logit; -inf: never answers
    factor: float
    hassle: float
    span: float
    calls: float  # that still weigh
    usual_kw: float = 0.0
    answer: int = 0
    look_s: float = 0.0
    acts_s: float = 0.0
    price: float = 0.0
    last_s: float = 0.0
    before_kw: float = 0.0
    base_kw: float = 0.0
    offers: list[float] = field(default_factory=list)
    powers: list[float] = field(default_factory=list)

    def minute(
        self,
        offer: float,
        t_s: float,
        sod_s: float,
        asks: tuple[float, float],
        stake: float,
        luck: tuple[float, float],
        quits: float | None = None,
        sent_s: float = 0.0,
        starts_s: float = 0.0,
    ) -> float | None:
        """Return her fraction, None in no event; ``luck``: of her mind and delay; ``quits``: of leaving.

        Of ``notice: given`` alone: when the offer was sent, and the start that a service has announced, 0 none.
        """
        person = self.answer == 1 and not self.automated
        if quits is not None and person and quits < self.config.quit_share * (1.0 + 2.0 * stake):
            self.answer = -1
        if offer == 0.0:
            return None
        if self.last_s == 0.0 or t_s - self.last_s > 60.0 * self.config.gap_min:
            self._begin(t_s, sod_s, stake, luck, sent_s, starts_s)
        self.last_s = t_s + 60.0
        pay, appeal = abs(offer), self.appeals(offer)
        if appeal:
            faster = appeal.tired_weight - self.config.tired_weight
            pay = appeal.worth_yen_kwh * math.exp(-faster * (self.calls - 1.0) / self.config.pay_slope)
            pay = 0.0 if self.automated else pay
        if self.answer == 0 and t_s >= self.look_s and pay > 0.0:
            self.answer = 1 if pay > self.price else -1
        if self.answer != 1 or t_s < self.acts_s:
            return None
        if pay <= self.price:
            return 0.0
        begin = (asks[0] if offer > 0 else asks[1]) * self.factor + self.hassle
        part = min(max(((appeal.effort_yen_kwh if appeal else pay) - begin) / self.span, 0.0), 1.0)
        return math.copysign(part, offer) if part else 0.0

    def appeals(self, offer: float) -> AppealConfig | None:
        """Return the settings of appeals where an offer is one."""
        own = self.config.appeal
        return own if own and 0.0 < abs(offer) < own.below_yen_kwh else None

    def _begin(
        self, t_s: float, sod_s: float, stake: float, luck: tuple[float, float], sent_s: float, starts_s: float
    ) -> None:
        c, (u, z) = self.config, luck
        acts_s = t_s + 60.0 * c.notice_min
        if c.notice == "given":
            acts_s = max(sent_s + 60.0 * c.notice_min, starts_s)
        left_min = max(acts_s - t_s, 0.0) / 60.0
        notice = c.notice_weight * min(left_min / c.notice_full_min, 1.0)
        if self.automated:
            self.price = math.inf if self.mind == -math.inf else 0.0
            self.look_s = t_s
        else:
            x = self.mind + notice - c.stake_weight * stake - c.tired_weight * self.calls
            power = (math.log(u / (1.0 - u)) - x) / c.pay_slope
            self.price = math.inf if power > 60 else c.half_yen_kwh * math.exp(power)
            asleep = sod_s >= 3600 * c.sleep_h or sod_s < 3600 * c.wake_h
            wait = (3600 * c.wake_h - sod_s) % 86_400 if asleep else 0.0
            self.look_s = t_s + wait + 60 * c.look_median_min * math.exp(c.look_sigma * z)
        self.acts_s = acts_s
        self.answer = 0
        self.calls += 1.0
        self.base_kw = self.usual_kw if t_s < 1800 else self.before_kw

    def meter(self, offer: float, t_s: float, power_kw: float) -> None:
        """Note the power of a minute."""
        self.powers.append(power_kw)
        offer = 0.0 if self.appeals(offer) else offer
        self.offers.append(offer if self.answer == 1 and t_s >= self.acts_s else 0.0)

    def half_hour(self) -> float:
        """Return the yen of the half hour that ends."""
        mean_kw, offer = sum(self.powers) / len(self.powers), sum(self.offers) / len(self.offers)
        base_kw = self.usual_kw if self.config.baseline == "same_hour" else self.base_kw
        less_kw = base_kw - mean_kw if offer > 0 else mean_kw - base_kw
        self.before_kw = mean_kw
        self.powers, self.offers = [], []
        return max(less_kw, 0.0) * 0.5 * abs(offer)
