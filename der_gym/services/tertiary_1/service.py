"""Tertiary-1 (三次調整力①) as a service: it holds the arrays of all worlds and hands them to the kernel."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.services.base import F8, BoundTerms, Opening, Sample, Scope, Service
from der_gym.services.tertiary_1 import settlement as s
from der_gym.services.tertiary_1.config import BIN_PER_BLOCK, Tertiary1Config
from der_gym.services.tertiary_1.target import announced, bounds, trajectory
from der_gym.signals.calendar import SEASONS
from der_gym.signals.request import edc_request, simple_request
from der_gym.signals.table import SIGNALS


class Tertiary1(Service):
    """Awards, requests, targets, verdicts and ledger of ``n_world`` episodes that start at a block boundary.

    The last blocks of an episode are unawarded, so that the ramp to zero and the rebound are settled as imbalance
    within the episode. The arrays hold requests, targets and prices of the whole episode from the start, and verdicts
    at once (the market's come days later). The aggregator's view shows only what is known at each moment.

    Raises
    ------
    InputError
        Where no block is awarded, or none is left after them.
    """

    name: ClassVar[str] = "tertiary-1"
    japanese: ClassVar[str] = "三次調整力①"
    Config: ClassVar[type[Tertiary1Config]] = Tertiary1Config
    LINES: ClassVar[Table] = s.LINES
    OUTCOME: ClassVar[Table] = s.OUTCOME
    deferred: ClassVar[tuple[str, ...]] = ("lockout",)
    worlds_luck: ClassVar[bool] = True
    prices_plan: ClassVar[bool] = True

    def __init__(self, config: Tertiary1Config, scope: Scope) -> None:
        if not 1 <= scope.n_block_awarded < scope.n_block:
            raise InputError(
                f"n_block_awarded: {scope.n_block_awarded} of {scope.n_block} blocks; allowed: at least 1, with one "
                "unawarded after"
            )
        super().__init__(config, scope)
        self._terms = np.zeros((scope.n_world, scope.n_block, s.TERMS.N))
        self._acc = np.zeros((scope.n_world, s.ACC.N))
        self._cfg = _constants(config)

    @property
    def window_s(self) -> int:
        """Return the length of a judged window, s."""
        return int(self.config.window_min) * 60

    @property
    def stands_by(self) -> bool:
        """Return True: a store's plan in awarded blocks is standby."""
        return True

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that ``draw`` or the calls change, each (n_world, ...), not copied."""
        own = {"terms": self._terms, "acc": self._acc}
        return super().arrays() | own

    def choose(self, w: int, generator: np.random.Generator) -> None:
        """Draw the blocks that failed in the 30 days before."""
        self.failed_before[w] = generator.integers(self.config.failed_before_max + 1)

    def draw(self, opening: Opening) -> None:
        """Draw awards and requests of the worlds that start."""
        n, n_block = self.scope.n_world, self.scope.n_block
        award = np.zeros((n, n_block))
        for w in opening.which:
            season = SEASONS[opening.season[w]]
            kw = self.config.planned_kw(season, int(opening.start_h[w]), self.scope.n_device)
            award[w, : self.scope.n_block_awarded] = kw
        request = np.zeros((n, n_block * BIN_PER_BLOCK))
        request[opening.mask] = self._requests(opening, award[opening.which])
        price = opening.window[:, SIGNALS.IMBALANCE_YEN, : n_block * BIN_PER_BLOCK : BIN_PER_BLOCK].astype(np.float64)
        self.begin(opening.mask, award, request, price)

    def _requests(self, opening: Opening, award: F8) -> F8:
        """Return the requests of the worlds that start, (n, n_bin): an own series, cut to the award, or drawn ones."""
        n_bin = self.scope.n_block * BIN_PER_BLOCK
        if opening.request is not None:
            return opening.request.within(opening.abs_s[opening.which], np.repeat(award, BIN_PER_BLOCK, axis=1))
        luck = list(opening.luck)
        if self.config.signal == "simple":
            return simple_request(award, self.config.request, luck)
        return edc_request(opening.window[opening.which, SIGNALS.RESIDUAL, :n_bin], award, self.config.request, luck)

    def begin(self, mask: NDArray[np.bool_], award_kw: F8, request_kw: F8, imbalance_yen_kwh: F8) -> None:
        """Start an episode in the masked worlds; rows of the other worlds are not read.

        Parameters
        ----------
        mask : (W,) bool
            Worlds that start.
        award_kw : (W, n_block) f8
            0, or at least ``min_bid_kw``; 0 in the unawarded blocks.
        request_kw : (W, n_bin) f8
            0..award of the bin's block; the attribute of that name holds what has been announced last.
        imbalance_yen_kwh : (W, n_block) f8
            One price for short and long; read in unawarded blocks. May be negative, must be finite.

        Raises
        ------
        InputError
            For the first value that is not allowed, with its world and block.
        """
        for key, values in (("award_kw", award_kw), ("imbalance_yen_kwh", imbalance_yen_kwh)):
            if values.shape != self.award_kw.shape:
                raise InputError(f"{key}: shape {values.shape}; allowed: {self.award_kw.shape}")
        award, request = award_kw[mask], request_kw[mask]
        self._check(award, imbalance_yen_kwh[mask], self.failed_before[mask])
        target, end = trajectory(request, award, self.config)
        self.award_kw[mask], self.unit_kw[mask] = award, np.maximum(award.max(axis=1), 1e-9)
        self.request_kw[mask], self.target_kw[mask] = announced(request, self.config), target
        self.window_kw[mask] = np.stack(bounds(end, self.config), axis=1)
        self._terms[mask] = np.stack([award, imbalance_yen_kwh[mask]], axis=2)
        self._clear(mask)

    def settle(self, active: NDArray[np.bool_], t_s: F8, sample: Sample) -> list[Call]:
        """Return the call that takes the minute just ended, judges its window and settles its block where they end."""
        own = (self._cfg, self._terms, self.target_kw, self.window_kw, self._acc, self.outcome, self.ledger_yen)
        given = (sample.ends, sample.number, sample.true_kw, sample.metered_kw, sample.plan_kw)
        return [Call(s.advance, *given, *own, self.outside_kwh, self.outside_yen_kwh, self.score_kw, by_world=True)]

    def advance_penalty(self, active: NDArray[np.bool_], sample: Sample, yen: F8) -> list[Call]:
        """Return the call that adds the penalty of the open block by its worst 5-minute window so far."""
        own = (self._cfg, self._terms, self._acc, self.outcome)
        return [Call(s.open_fine, active, sample.number, *own, yen, by_world=True)]

    def yardstick_yen(self, mask: NDArray[np.bool_], costs: Any) -> F8:
        """Return the yen of a group that follows every request exactly, at least half of the kW part, (n,).

        Each kWh wears a store. Under ``owners: bill`` it covers its own home, which costs owners nothing; what standby
        costs them, `MarketSession.yardstick_yen` takes off.
        """
        c, award = self.config, self.award_kw[mask]
        fixed = award.sum(axis=1) * (c.bid_price_yen_kw * (1 - c.owners_share) - c.fee_yen_kw)
        kwh = self.yardstick_kw(mask) / 2
        owners = costs.retail_day_yen_kwh if costs.owners == "kwh" else 0.0
        margin = c.energy_price_yen_kwh - c.retailer_compensation_yen_kwh - costs.wear_yen_kwh - owners
        yen: F8 = np.maximum(fixed + kwh * margin, 0.5 * fixed)
        return yen

    def bound_terms(self) -> BoundTerms:
        """Return prices of energy for an upper bound; its target and awards stand in the service's own arrays."""
        c = self.config
        price = c.energy_price_yen_kwh - c.retailer_compensation_yen_kwh
        return BoundTerms(price, self._terms[:, :, s.TERMS.IMBALANCE_YEN_KWH])

    def failed(self) -> F8:
        """Return the failed blocks within 30 days, (W,), those before the episode included."""
        return self._acc[:, s.ACC.FAILED].copy()

    def _check(self, award_kw: F8, imbalance_yen_kwh: F8, failed_before: NDArray[np.int64]) -> None:
        c, n_awarded = self.config, self.scope.n_block_awarded
        low = (award_kw != 0.0) & ~((award_kw >= c.min_bid_kw) & np.isfinite(award_kw))
        _refuse("award_kw", award_kw, low, f"0, or {c.min_bid_kw:g} (services.{c.id}.min_bid_kw) and more")
        late = (award_kw > 0.0) & (np.arange(self.scope.n_block) >= n_awarded)
        _refuse("award_kw", award_kw, late, f"0 from block {n_awarded} on")
        _refuse("imbalance_yen_kwh", imbalance_yen_kwh, ~np.isfinite(imbalance_yen_kwh), "finite prices")
        before = failed_before[:, None]
        bad = (before < 0) | (before >= c.lockout_failures)
        _refuse("failed_before", before, bad, f"0..{c.lockout_failures - 1}; bids of more are locked")

    def _clear(self, mask: NDArray[np.bool_]) -> None:
        c = self.config
        per_kw = c.bid_price_yen_kw * (1.0 - c.owners_share) - c.fee_yen_kw
        self.outcome[mask] = 0.0
        self.outcome[mask, :, s.OUTCOME.PASSED] = np.nan
        for array in (self.ledger_yen, self._acc, self.outside_kwh, self.outside_yen_kwh, self.score_kw):
            array[mask] = 0.0
        self._acc[mask, s.ACC.FAILED] = self.failed_before[mask]
        self._acc[mask, s.ACC.MARGIN_YEN] = self.award_kw[mask].sum(axis=1) * max(per_kw, 0.0)


def _constants(config: Tertiary1Config) -> F8:
    """Return the numbers that the kernel reads, in the order of ``CFG``."""
    values = config.model_dump() | {"block_mode": config.penalty_mode == "block"}
    return np.array([float(values[name]) for name in s.CFG])


def _refuse(key: str, values: NDArray[Any], bad: NDArray[np.bool_], allowed: str) -> None:
    if bad.any():
        w, k = (int(i[0]) for i in np.nonzero(bad))
        raise InputError(f"{key}: {values[w, k]:g} in row {w}, column {k} of the worlds that start; allowed: {allowed}")
