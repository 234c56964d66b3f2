"""Assessment and ledger of tertiary-1, minute by minute: one kernel over worlds.

A minute adds its mean response ``plan - metered`` to a window; a full window (5 or 30 minutes) is judged; a full block
is assessed and booked. A window's *error* is the distance of its mean from the nearest value that the target had at an
allowed lag: 0 inside, positive above, negative below. A window is in band when ``|error| <= band_share * award``.

* Assessment I asks whether the reserved power was there: ``shortfall_kw`` is the worst window's missing power where
  that is out of band, else 0.
* Assessment II asks whether the response followed: it fails when any window is out of band, in either direction.
* The penalty is ``factor * bid price *`` the larger of I and II, never both, where II counts the worst window's
  ``|error|`` (``proportional``, so that over-delivery costs too) or the award (``block``); no more than the award.
  A block with a minute missing fails with its whole award. All of this is stylised [M].

* Owners are repaid at retail what their batteries *gave*: drew less than their own schedule, which in awarded blocks is
  standby. So holding batteries back after the award, to push their charging past the end, is paid for as well.
* Outside awarded blocks a deviation from the plan is settled at the one imbalance price. Load that is held back there
  comes back after the books close: what is drawn less than planned, as far as it was asked for, is repaid like what
  batteries gave (the larger of the two), so it earns nothing. What homes do of themselves costs nobody.

Known error: energy is paid on ``min(delivered, requested)`` of each window without lag, so a late response is paid a
little less; a response during the last ramp-down lies in an unawarded block and is imbalance.
"""

from __future__ import annotations

from collections.abc import Sequence

from der_gym.engine.compile import kernel, scalar
from der_gym.services.tertiary_1.config import BLOCK_MIN

REGISTERS = (
    "discharge_kwh",  # electric energy that batteries (and cars that feed back) have given, true, since the start
    "starts",  # compressor and plug starts
    "messages",  # messages to units
    "asked_kwh",  # upward energy that messages asked of the leaves, in rated swing
    "withheld_kwh",  # electric energy that batteries drew less than their own schedule, true
)
"""Cumulative counters, one column each, that the simulator hands over; 0 when an episode starts."""

OUTCOME = (
    "judged_share",  # windows judged so far over the block's windows; 1 at its end
    "passed",  # 1 or 0 at the block's end; NaN before, and in unawarded blocks
    "worst_error_kw",  # error of the window farthest from what a lag allows, signed
    "shortfall_kw",  # assessment I
    "mean_abs_error_kw",  # mean over the block's minutes of |response - target|, without lag
    "mean_error_kw",  # of response - target
    "idle_abs_error_kw",  # of |target|: the error of a group that does nothing and keeps its plan
    "delivered_kwh",  # plan - metered; unawarded blocks too
    "requested_kwh",
    "paid_kwh",
    "penalty_yen",
    "abandoned",  # 1 when the block was lost and every later window asked for more than the band and got less than half
    "true_minus_metered_kwh",  # drawn in truth less drawn by the meter
)
"""Columns of an outcome, one row per block; sums grow through the block, so a row is final at its block's end."""

LINES = (
    "revenue",
    "energy",
    "fee",
    "penalty",
    "owners",
    "owners_energy",
    "retailer",
    "maker",
    "wear",
    "message",
    "imbalance",
    "lockout",
    "total",
)
"""Columns of the ledger in yen, cumulative, income positive; ``total`` is the sum of the others."""

TERMS = ("award_kw", "imbalance_yen_kwh", "retail_yen_kwh", "maker_yen")
CFG = (
    "band_share",
    "block_mode",
    "penalty_factor",
    "bid_price_yen_kw",
    "fee_yen_kw",
    "energy_price_yen_kwh",
    "owners_share",
    "retailer_compensation_yen_kwh",
    "wear_yen_kwh",
    "start_yen",
    "message_yen",
    "lockout_failures",
    "lockout_days",
)
ACC = (
    "window_n",  # minutes in the open window
    "window_kw",  # their response, summed
    "window_target_kw",
    "judged",  # windows judged in the open block
    "lost",  # 1 once a window of the block is out of band
    "asked_after",  # later windows with a target above the band
    "left_after",  # those with less than half of the target
    "discharge_kwh",  # registers at the block's start
    "starts",
    "messages",
    "asked_kwh",
    "withheld_kwh",
    "failed",  # failed blocks within 30 days, those before the episode included
    "margin_yen",  # expected margin of one such window, for the lock-out
)

AWARD, IMBALANCE_PRICE, RETAIL_PRICE, MAKER = range(len(TERMS))
C_BAND, C_BLOCK, C_FACTOR, C_PRICE, C_FEE, C_ENERGY, C_SHARE, C_RETAILER, C_WEAR, C_START, C_MESSAGE, C_LOCK, C_DAYS = (
    range(len(CFG))
)
(
    A_N,
    A_KW,
    A_TARGET,
    A_JUDGED,
    A_LOST,
    A_ASKED,
    A_LEFT,
    A_DISCHARGE,
    A_STARTS,
    A_MESSAGES,
    A_ASKED_KWH,
    A_WITHHELD_KWH,
    A_FAILED,
    A_MARGIN,
) = range(len(ACC))
R_DISCHARGE, R_STARTS, R_MESSAGES, R_ASKED_KWH, R_WITHHELD_KWH = range(len(REGISTERS))
(
    JUDGED,
    PASSED,
    WORST,
    SHORTFALL,
    MEAN_ABS,
    MEAN_ERROR,
    IDLE_ABS,
    DELIVERED,
    REQUESTED,
    PAID,
    PENALTY,
    ABANDONED,
    GAP,
) = range(len(OUTCOME))
(
    L_REVENUE,
    L_ENERGY,
    L_FEE,
    L_PENALTY,
    L_OWNERS,
    L_OWNERS_ENERGY,
    L_RETAILER,
    L_MAKER,
    L_WEAR,
    L_MESSAGE,
    L_IMBALANCE,
    L_LOCKOUT,
    L_TOTAL,
) = range(len(LINES))

LOW, HIGH = 0, 1  # rows of window_kw
_HOUR_MIN = 60.0
_EDGE = 1.0 + 1e-9  # a mean exactly on the band's edge passes whatever the last bits say


def column(names: Sequence[str], name: str) -> int:
    """Return the column of ``name`` in ``OUTCOME``, ``LINES``, ``REGISTERS`` ...; ValueError where there is none."""
    return list(names).index(name)


@scalar
def sample(target_kw, metered_kw, true_kw, plan_kw, acc, out):  # type: ignore[no-untyped-def]
    """Add one minute of an awarded or unawarded block; ``target_kw`` is 0 in the latter."""
    response = plan_kw - metered_kw
    error = response - target_kw
    acc[A_N] += 1.0
    acc[A_KW] += response
    acc[A_TARGET] += target_kw
    out[MEAN_ABS] += abs(error) / BLOCK_MIN
    out[MEAN_ERROR] += error / BLOCK_MIN
    out[IDLE_ABS] += abs(target_kw) / BLOCK_MIN
    out[DELIVERED] += response / _HOUR_MIN
    out[REQUESTED] += target_kw / _HOUR_MIN
    out[GAP] += (true_kw - metered_kw) / _HOUR_MIN


@scalar
def judge(low_kw, high_kw, band_kw, window_min, acc, out):  # type: ignore[no-untyped-def]
    """Judge a full window of an awarded block; one with a minute missing stays unjudged."""
    mean = acc[A_KW] / window_min
    target = acc[A_TARGET] / window_min
    if acc[A_N] == window_min:
        acc[A_JUDGED] += 1.0
        out[JUDGED] = acc[A_JUDGED] * window_min / BLOCK_MIN
        out[PAID] += min(max(mean, 0.0), target) * window_min / _HOUR_MIN
        error = max(mean - high_kw, 0.0) + min(mean - low_kw, 0.0)
        out[WORST] = error if abs(error) > abs(out[WORST]) else out[WORST]
        if acc[A_LOST] > 0.0 and target > band_kw:
            acc[A_ASKED] += 1.0
            acc[A_LEFT] += 1.0 if mean < target / 2.0 else 0.0
        if abs(error) > band_kw * _EDGE:
            acc[A_LOST] = 1.0
            out[SHORTFALL] = max(out[SHORTFALL], -error)


@scalar
def penalise(cfg, award_kw, acc, out):  # type: ignore[no-untyped-def]
    """Assess a block: write ``passed``, ``penalty_yen`` and ``abandoned``, count a failure; return yen of lock-out."""
    passed = acc[A_LOST] == 0.0 and out[JUDGED] == 1.0
    out[PASSED] = 1.0 if passed else 0.0
    out[ABANDONED] = 1.0 if acc[A_ASKED] > 0.0 and acc[A_ASKED] == acc[A_LEFT] else 0.0
    lockout = 0.0
    if not passed:
        whole = cfg[C_BLOCK] > 0.0 or out[JUDGED] < 1.0  # what could not be judged was not delivered
        second_kw = award_kw if whole else abs(out[WORST])
        penalised_kw = min(max(out[SHORTFALL], second_kw), award_kw)
        out[PENALTY] = cfg[C_FACTOR] * cfg[C_PRICE] * penalised_kw
        acc[A_FAILED] += 1.0
        lockout = cfg[C_DAYS] * acc[A_MARGIN] if acc[A_FAILED] == cfg[C_LOCK] else 0.0
    return lockout


@scalar
def book_award(cfg, term, discharge_kwh, lockout_yen, out, book):  # type: ignore[no-untyped-def]
    """Book what only an awarded block has."""
    revenue = term[AWARD] * cfg[C_PRICE]
    book[L_REVENUE] += revenue
    book[L_ENERGY] += out[PAID] * cfg[C_ENERGY]
    book[L_FEE] -= term[AWARD] * cfg[C_FEE]
    book[L_PENALTY] -= out[PENALTY]
    book[L_OWNERS] -= revenue * cfg[C_SHARE]
    book[L_RETAILER] -= out[PAID] * cfg[C_RETAILER]
    book[L_WEAR] -= discharge_kwh * cfg[C_WEAR]
    book[L_LOCKOUT] -= lockout_yen


@scalar
def settle(cfg, term, register, acc, out, book):  # type: ignore[no-untyped-def]
    """Assess and book a full block and open the next."""
    withheld_kwh = register[R_WITHHELD_KWH] - acc[A_WITHHELD_KWH]
    if term[AWARD] > 0.0:
        lockout = penalise(cfg, term[AWARD], acc, out)
        book_award(cfg, term, register[R_DISCHARGE] - acc[A_DISCHARGE], lockout, out, book)
    else:
        book[L_IMBALANCE] += out[DELIVERED] * term[IMBALANCE_PRICE]
        asked_kwh = register[R_ASKED_KWH] - acc[A_ASKED_KWH]
        withheld_kwh = max(withheld_kwh, min(max(out[DELIVERED], 0.0), asked_kwh))
    book[L_OWNERS_ENERGY] -= withheld_kwh * term[RETAIL_PRICE]
    book[L_MAKER] -= term[MAKER]
    book[L_WEAR] -= (register[R_STARTS] - acc[A_STARTS]) * cfg[C_START]
    book[L_MESSAGE] -= (register[R_MESSAGES] - acc[A_MESSAGES]) * cfg[C_MESSAGE]
    total = 0.0
    for line in range(L_TOTAL):
        total += book[line]
    book[L_TOTAL] = total
    acc[A_JUDGED] = 0.0
    acc[A_LOST] = 0.0
    acc[A_ASKED] = 0.0
    acc[A_LEFT] = 0.0
    acc[A_DISCHARGE] = register[R_DISCHARGE]
    acc[A_STARTS] = register[R_STARTS]
    acc[A_MESSAGES] = register[R_MESSAGES]
    acc[A_ASKED_KWH] = register[R_ASKED_KWH]
    acc[A_WITHHELD_KWH] = register[R_WITHHELD_KWH]


@kernel
def advance(  # type: ignore[no-untyped-def]
    w0, w1, active, minute, true_kw, metered_kw, plan_kw, registers, cfg, terms, target, window, accs, outcome, books
):
    """Take the minute that has just ended in every active world; a minute outside the episode is left out."""
    n_min = target.shape[1]
    window_min = n_min // window.shape[2]
    for w in range(w0, w1):
        m = minute[w]
        if active[w] and 0 <= m < n_min:
            b = m // BLOCK_MIN
            term, acc, out = terms[w, b], accs[w], outcome[w, b]
            awarded = term[AWARD] > 0.0
            sample(target[w, m] if awarded else 0.0, metered_kw[w], true_kw[w], plan_kw[w], acc, out)
            if (m + 1) % window_min == 0:
                if awarded:
                    k = m // window_min
                    judge(window[w, LOW, k], window[w, HIGH, k], cfg[C_BAND] * term[AWARD], window_min, acc, out)
                acc[A_N] = 0.0
                acc[A_KW] = 0.0
                acc[A_TARGET] = 0.0
            if (m + 1) % BLOCK_MIN == 0:
                settle(cfg, term, registers[w], acc, out, books[w])
