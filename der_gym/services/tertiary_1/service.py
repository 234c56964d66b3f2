"""Tertiary-1 (三次調整力①) as a product: it holds the arrays of all worlds and hands them to the kernel."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError
from der_gym.core.units import HOUR_S
from der_gym.engine.program import Call
from der_gym.services.base import F8
from der_gym.services.tertiary_1 import settlement as s
from der_gym.services.tertiary_1.config import BIN_PER_BLOCK, BLOCK_MIN, Tertiary1Config, retail_yen_kwh
from der_gym.services.tertiary_1.target import bounds, trajectory

_BLOCK_H = BLOCK_MIN * 60 / HOUR_S
_MONTH_H = 730.0


class Tertiary1:
    """Awards, requests, targets, verdicts and books of ``n_world`` episodes that start at a block boundary.

    Parameters
    ----------
    config : Tertiary1Config
        Rules and prices.
    n_world : int
        Worlds, >= 1.
    n_block_awarded : int
        Blocks at the start of an episode that may carry an award.
    n_block : int
        All blocks; the last ``n_block - n_block_awarded`` (>= 1) are unawarded, so that the ramp to zero and the
        rebound are settled as imbalance within the episode.

    Attributes
    ----------
    award_kw : (n_world, n_block) f8
        A view of the terms.
    request_kw : (n_world, n_bin) f8
        Announced at the start of each 5-minute bin.
    target_kw : (n_world, n_minute) f8
        Mean of the judged trajectory in each minute.
    window_kw : (n_world, 2, n_window) f8
        Least and greatest target mean of each judged window over the allowed lags.
    outcome : (n_world, n_block, len(OUTCOME)) f8
        Columns :data:`der_gym.services.tertiary_1.settlement.OUTCOME`.
    book : (n_world, len(LINES)) f8
        Cumulative yen, columns :data:`der_gym.services.tertiary_1.settlement.LINES`.

    Raises
    ------
    InputError
        Where the numbers of worlds or blocks make no episode.

    Notes
    -----
    Requests, targets and prices of the whole episode stand here from the start, and verdicts come at once, where the
    market's come days later: what may be observed is the environment's to cut.
    """

    name: ClassVar[str] = "tertiary-1"
    japanese: ClassVar[str] = "三次調整力①"
    config_class: ClassVar[type[Tertiary1Config]] = Tertiary1Config

    def __init__(self, config: Tertiary1Config, n_world: int, n_block_awarded: int, n_block: int) -> None:
        if n_world < 1:
            raise InputError(f"n_world: {n_world}; allowed: 1 or more")
        if not 1 <= n_block_awarded < n_block:
            raise InputError(
                f"n_block_awarded: {n_block_awarded} of {n_block} blocks; allowed: at least 1, with one unawarded after"
            )
        self.config = config
        self.n_world, self.n_block_awarded, self.n_block = n_world, n_block_awarded, n_block
        self.n_bin, self.n_minute = n_block * BIN_PER_BLOCK, n_block * BLOCK_MIN
        self.request_kw = np.zeros((n_world, self.n_bin))
        self.target_kw = np.zeros((n_world, self.n_minute))
        self.window_kw = np.zeros((n_world, 2, self.n_minute // config.window_min))
        self.outcome = np.zeros((n_world, n_block, len(s.OUTCOME)))
        self.book = np.zeros((n_world, len(s.LINES)))
        self._terms = np.zeros((n_world, n_block, len(s.TERMS)))
        self._acc = np.zeros((n_world, len(s.ACC)))
        self._cfg = _constants(config)

    @property
    def award_kw(self) -> F8:
        """Return the reserved power, (W, n_block) f8: a view, made anew so that a copy's is its own."""
        award: F8 = self._terms[:, :, s.TERMS.AWARD_KW]
        return award

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that ``begin`` or ``minute`` changes, each (n_world, ...), not copied."""
        return {
            "request_kw": self.request_kw,
            "target_kw": self.target_kw,
            "window_kw": self.window_kw,
            "outcome": self.outcome,
            "book": self.book,
            "terms": self._terms,
            "acc": self._acc,
        }

    def begin(
        self,
        mask: NDArray[np.bool_],
        award_kw: F8,
        request_kw: F8,
        imbalance_yen_kwh: F8,
        *,
        first_slot: NDArray[np.int64],
        failed_before: NDArray[np.int64],
        n_unit: NDArray[np.int64],
    ) -> None:
        """Start an episode in the masked worlds; rows of the other worlds are not read.

        Parameters
        ----------
        mask : (W,) bool
            Worlds that start.
        award_kw : (W, n_block) f8
            0, or at least ``min_bid_kw``; 0 in the unawarded blocks.
        request_kw : (W, n_bin) f8
            0..award of the bin's block.
        imbalance_yen_kwh : (W, n_block) f8
            One price for short and long; read in unawarded blocks. May be negative, must be finite.
        first_slot : (W,) int
            Half hour of the day, 0..47, at which the episode starts.
        failed_before : (W,) int
            Blocks failed in the 30 days before, 0..lockout_failures - 1.
        n_unit : (W,) int
            Units on the list, for the maker's fee.

        Raises
        ------
        InputError
            For the first value that is not allowed, with its world and block.
        """
        for key, values in (("award_kw", award_kw), ("imbalance_yen_kwh", imbalance_yen_kwh)):
            if values.shape != self.award_kw.shape:
                raise InputError(f"{key}: shape {values.shape}; allowed: {self.award_kw.shape}")
        award, request = award_kw[mask], request_kw[mask]
        self._check(award, imbalance_yen_kwh[mask], failed_before[mask])
        target, end = trajectory(request, award, self.config)
        self.request_kw[mask] = request
        self.target_kw[mask] = target
        self.window_kw[mask] = np.stack(bounds(end, self.config), axis=1)
        maker_yen = n_unit[mask, None] * (self.config.maker_fee_yen_month * _BLOCK_H / _MONTH_H)
        retail = retail_yen_kwh(self.config, first_slot[mask], self.n_block)
        columns = (award, imbalance_yen_kwh[mask], retail, np.broadcast_to(maker_yen, award.shape))
        self._terms[mask] = np.stack(columns, axis=2)
        self._clear(mask, failed_before)

    def minute(
        self,
        active: NDArray[np.bool_],
        minute: NDArray[np.int64],
        true_kw: F8,
        metered_kw: F8,
        plan_kw: F8,
        registers: F8,
    ) -> Call:
        """Return the call that takes the minute just ended, judges its window and settles its block where they end.

        Parameters
        ----------
        active : (W,) bool
            Other worlds keep every bit.
        minute : (W,) i8
            Minute of the episode that has ended, 0..n_minute - 1, each once and in order; others are left out.
        true_kw, metered_kw : (W,) f8
            Mean power of the list in that minute, drawn from the grid, as it was and as the meter has it.
        plan_kw : (W,) f8
            Plan of the list for the minute's block.
        registers : (W, len(REGISTERS)) f8
            Cumulative since the episode's start, columns :data:`der_gym.services.tertiary_1.settlement.REGISTERS`.
        """
        given = (active, minute, true_kw, metered_kw, plan_kw, registers)
        own = (self._cfg, self._terms, self.target_kw, self.window_kw, self._acc, self.outcome, self.book)
        return Call(s.advance, *given, *own, by_world=True)

    def skill(self) -> F8:
        """Return accuracy, (W,): 1 - sum|e| / sum|e_idle| over all minutes of awarded blocks so far.

        ``e`` is the response less the target without lag. 1 is perfect, 0 is as good as nothing; 0 where nothing was
        requested yet. Known errors: idle's response is taken as 0, so the plan's error shows in the score but not in
        its yardstick (an idle run scores a little below 0); and a group that passes with a lag does not reach 1.
        """
        e = self.outcome[:, :, s.OUTCOME.MEAN_ABS_ERROR_KW].sum(axis=1, where=self.award_kw > 0.0)
        idle = self.outcome[:, :, s.OUTCOME.IDLE_ABS_ERROR_KW].sum(axis=1)
        ratio: F8 = np.divide(e, idle, out=np.ones_like(e), where=idle > 0.0)
        return 1.0 - ratio

    def mae_share(self) -> F8:
        """Return the mean of |response - target| over the mean award, (W,), in settled awarded blocks; 0 before."""
        settled = ~np.isnan(self.outcome[:, :, s.OUTCOME.PASSED])
        e = self.outcome[:, :, s.OUTCOME.MEAN_ABS_ERROR_KW].sum(axis=1, where=settled)
        award = self.award_kw.sum(axis=1, where=settled)
        share: F8 = np.divide(e, award, out=np.zeros_like(e), where=award > 0.0)
        return share

    def failed(self) -> F8:
        """Return the failed blocks within 30 days, (W,), those before the episode included."""
        return self._acc[:, s.ACC.FAILED].copy()

    def _check(self, award_kw: F8, imbalance_yen_kwh: F8, failed_before: NDArray[np.int64]) -> None:
        c = self.config
        low = (award_kw != 0.0) & ~((award_kw >= c.min_bid_kw) & np.isfinite(award_kw))
        _refuse("award_kw", award_kw, low, f"0, or {c.min_bid_kw:g} (min_bid_kw) and more")
        late = (award_kw > 0.0) & (np.arange(self.n_block) >= self.n_block_awarded)
        _refuse("award_kw", award_kw, late, f"0 from block {self.n_block_awarded} on")
        _refuse("imbalance_yen_kwh", imbalance_yen_kwh, ~np.isfinite(imbalance_yen_kwh), "finite prices")
        before = failed_before[:, None]
        bad = (before < 0) | (before >= c.lockout_failures)
        _refuse("failed_before", before, bad, f"0..{c.lockout_failures - 1}; bids of more are locked")

    def _clear(self, mask: NDArray[np.bool_], failed_before: NDArray[np.int64]) -> None:
        c = self.config
        per_kw = c.bid_price_yen_kw * (1.0 - c.owners_share) - c.fee_yen_kw
        self.outcome[mask] = 0.0
        self.outcome[mask, :, s.OUTCOME.PASSED] = np.nan
        self.book[mask] = 0.0
        self._acc[mask] = 0.0
        self._acc[mask, s.ACC.FAILED] = failed_before[mask]
        self._acc[mask, s.ACC.MARGIN_YEN] = self.award_kw[mask].sum(axis=1) * max(per_kw, 0.0)


def _constants(config: Tertiary1Config) -> F8:
    """Return the numbers that the kernel reads, in the order of ``CFG``."""
    values = config.model_dump() | {"block_mode": config.penalty_mode == "block"}
    return np.array([float(values[name]) for name in s.CFG])


def _refuse(key: str, values: NDArray[Any], bad: NDArray[np.bool_], allowed: str) -> None:
    if bad.any():
        w, k = (int(i[0]) for i in np.nonzero(bad))
        raise InputError(f"{key}: {values[w, k]:g} in row {w}, column {k} of the worlds that start; allowed: {allowed}")
