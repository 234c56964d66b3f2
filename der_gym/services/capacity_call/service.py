"""The capacity call (容量市場 発動指令電源) as a service: it draws the call and hands its arrays to the kernels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S, HOUR_S, SLOT_PER_DAY
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.services.base import F8, Array, Opening, Sample, Scope, Service, ServiceConfig
from der_gym.services.baselines.high_4_of_5 import high_4_of_5
from der_gym.services.capacity_call import settlement as s
from der_gym.services.capacity_call.config import CapacityCallConfig
from der_gym.signals.calendar import SEASONS

WIDE = 10.0  # over-delivery up to so many times the contract stands inside the judged window: it is never penalised
_SLOT_PER_HOUR = HOUR_S // BLOCK_S


class CapacityCall(Service):
    """One call of an episode: notice, hold, High 4 of 5, penalty per unmet kWh.

    A commitment exists only where the group is called: ``award_kw`` is what is asked of the contract in the called half
    hours and 0 elsewhere, and it holds the future until the notice. Every working day of an episode brings one call.
    Saturdays, Sundays and holidays bring none: such an episode earns nothing and costs nothing here.

    Parameters
    ----------
    config : CapacityCallConfig
    scope : Scope

    Raises
    ------
    InputError
        Where the half hours that may carry a commitment are too few for the notice and the hold.
    """

    name: ClassVar[str] = "capacity-call"
    japanese: ClassVar[str] = "容量市場 発動指令電源"
    Config: ClassVar[type[ServiceConfig]] = CapacityCallConfig
    LINES: ClassVar[Table] = s.LINES
    OUTCOME: ClassVar[Table] = s.OUTCOME
    FIELDS: ClassVar[Table] = s.FIELDS
    scales: ClassVar[dict[str, tuple[float | str, float, float]]] = {
        "call_kw": ("award", 0.0, 1.0),
        "call_starts_in_s": (3.0 * HOUR_S, 0.0, 4.0),
        "call_left_s": (3.0 * HOUR_S, 0.0, 2.0),
    }
    announces: ClassVar[str] = "call_starts_in_s"
    own_baseline: ClassVar[bool] = True

    config: CapacityCallConfig

    def __init__(self, config: CapacityCallConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        least = config.first_notice_block + config.notice_blocks + config.hold_blocks
        if least > scope.n_block_awarded:
            raise InputError(
                f"services.{config.id}: first_notice_h {config.first_notice_h:g} + notice_h {config.notice_h:g} + "
                f"hold_h {config.hold_h:g} take {least} half hours; episode.n_block is {scope.n_block_awarded}; "
                f"allowed: {least} or more, or shorter times"
            )
        n, n_block = scope.n_world, scope.n_block
        self._calls, self._acc = np.zeros((n, s.CALL.N)), np.zeros((n, s.ACC.N))
        self._event_kw, self._actual_kw = np.zeros((n, n_block)), np.zeros((n, n_block))
        self._cfg = _constants(config)

    def arrays(self) -> dict[str, Array]:
        """Return everything that ``draw`` or the calls change, by name, not copied."""
        own = {"calls": self._calls, "acc": self._acc, "event_kw": self._event_kw, "actual_kw": self._actual_kw}
        return super().arrays() | own

    def draw(self, opening: Opening) -> None:
        """Draw the call of each masked world, its targets and its baselines; raise InputError where no call fits."""
        mask = opening.mask
        for name in ("award_kw", "request_kw", "target_kw", "window_kw", "outcome", "ledger_yen", "score_kw", "shown"):
            getattr(self, name)[mask] = 0.0
        self.outcome[mask, :, s.OUTCOME.PASSED] = np.nan
        self.outside_kwh[mask], self._acc[mask], self._actual_kw[mask] = 0.0, 0.0, 0.0
        for w, generator in zip(opening.which, opening.luck, strict=True):
            off = bool(opening.kinds[w, 0, 0])
            season, start_h = SEASONS[opening.season[w]], int(opening.start_h[w])
            contract_kw = self.config.planned_kw(season, start_h, self.scope.n_device)
            self._call(int(w), self._start(start_h, generator), off, contract_kw, self._asked(generator))
            self._baselines(int(w), start_h, off, opening)

    def settle(self, active: Array, t_s: F8, sample: Sample) -> list[Call]:
        """Return the call, by worlds, that takes the sample just ended."""
        per = BLOCK_S // self.periods.sample_s
        given = (active, sample.ends, sample.number, sample.true_kw, sample.metered_kw, per, self._cfg)
        own = (self._calls, self.award_kw, self._event_kw, self._acc, self._actual_kw, self.baseline_kw)
        return [Call(s.advance, *given, *own, self.outcome, self.ledger_yen, self.score_kw, by_world=True)]

    def show(self, active: Array, t_s: F8) -> list[Call]:
        """Return the call, by worlds, that shows what is known of the call."""
        return [Call(s.reveal, active, t_s, self._calls, self.shown, by_world=True)]

    def yardstick_yen(self, mask: Array, costs: Any) -> F8:
        """Return the yen of a call that is held exactly, (n,): revenue less owners' share, and the mean asked energy.

        An episode without a call has that of one: it is a unit, not a promise.
        """
        c, contract = self.config, self._calls[mask, s.CALL.CONTRACT_KW]
        per_kw = c.contract_yen_kw_year / c.calls_per_year * (1.0 - c.owners_share)
        yen: F8 = contract * (per_kw + c.hold_h * c.energy_price_yen_kwh * (sum(c.asked_share) / 2.0))
        return np.maximum(yen, 1.0)

    def _start(self, start_h: int, generator: np.random.Generator) -> int:
        n_block = self.scope.n_block_awarded
        starts = self.config.call_starts(start_h, n_block)
        if not starts:
            fits = [h for h in range(24) if self.config.call_starts(h, n_block)]
            raise InputError(
                f"services.{self.config.id}: no call fits an episode that starts at {start_h} h: it is held between "
                f"{self.config.first_hour} and {self.config.last_hour} h; allowed episode.starts_h: {fits}"
            )
        return starts[int(generator.integers(len(starts)))]

    def _asked(self, generator: np.random.Generator) -> F8:
        """Return the part of the contract that each half hour of the hold asks for, (hold_blocks,)."""
        c, (least, most) = self.config, self.config.asked_share
        per = round(c.asked_every_h * HOUR_S) // BLOCK_S
        n = -(-c.hold_blocks // per)
        drawn = np.full(n, most) if least == most else generator.uniform(least, most, n)
        return np.repeat(drawn, per)[: c.hold_blocks]

    def _call(self, w: int, start: int, off: bool, contract_kw: float, asked_share: F8) -> None:
        """Write the call of world ``w``; a day ``off`` has none."""
        c, n_block = self.config, self.scope.n_block
        end = start + c.hold_blocks
        self._calls[w, : s.CALL.FEEDS] = (
            contract_kw,
            *([n_block] * 3 if off else [start - c.notice_blocks, start, end]),
        )
        self.unit_kw[w] = contract_kw
        share_yen = c.contract_yen_kw_year * contract_kw
        self._acc[w, s.ACC.YEAR_YEN] = c.penalised_year_share * share_yen
        self._acc[w, s.ACC.MONTH_YEN] = c.penalised_month_share * share_yen
        if not off:
            asked_kw = contract_kw * asked_share
            self.award_kw[w, start:end] = asked_kw
            self.request_kw[w, start * 6 : end * 6] = np.repeat(asked_kw, 6)
            self.target_kw[w, start * 30 : end * 30] = np.repeat(asked_kw, 30)
            self.window_kw[w, 0, start:end] = asked_kw
            self.window_kw[w, 1, start:end] = WIDE * contract_kw

    def _baselines(self, w: int, start_h: int, off: bool, opening: Opening) -> None:
        """Write High 4 of 5 of every half hour: by the hours of the rules, and by the called ones."""
        c, first = self.config, start_h * _SLOT_PER_HOUR
        slot = (first + np.arange(self.scope.n_block)) % SLOT_PER_DAY
        days = (opening.history_kw[w], opening.history_weekend[w], off)
        self._calls[w, s.CALL.FEEDS] = float((opening.history_kw[w] < 0.0).any())
        hours = np.arange(c.first_hour * _SLOT_PER_HOUR, c.last_hour * _SLOT_PER_HOUR)
        called = slot[int(self._calls[w, s.CALL.START_BLOCK]) : int(self._calls[w, s.CALL.END_BLOCK])]
        self.baseline_kw[w] = high_4_of_5(*days, hours)[slot]
        self._event_kw[w] = self.baseline_kw[w] if off else high_4_of_5(*days, called)[slot]
        if self._calls[w, s.CALL.NOTICE_BLOCK] == 0:
            self.baseline_kw[w] = self._event_kw[w]


def _constants(config: CapacityCallConfig) -> F8:
    """Return the numbers that the kernel reads, in the order of ``CFG``."""
    yearly, called = config.contract_yen_kw_year, config.calls_per_year * config.hold_blocks
    values = {
        "revenue_yen_kw": yearly / called,
        "yen_kwh_unmet": config.yen_kwh_unmet,
        "year_cap_yen_kw": yearly * config.year_cap_share,
        "month_cap_yen_kw": yearly * config.month_cap_share,
        "energy_price_yen_kwh": config.energy_price_yen_kwh,
        "owners_share": config.owners_share,
        "adjusts": float(config.adjustment == "same_day"),
    }
    return np.array([values[name] for name in s.CFG])
