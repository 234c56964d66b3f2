"""Assessment and ledger of tertiary-1, minute by minute: one kernel over worlds.

A minute adds its mean response ``plan - metered`` to a window; a full window (5 or 30 minutes) is judged; a full block
is assessed and booked. A window's *error* is the distance of its mean from the nearest value that the target had at an
allowed lag: 0 inside, positive above, negative below. A window is in band when ``|error| <= band_share * award``.

* Assessment I judges whether the reserved power was there: ``shortfall_kw`` is the worst window's missing power where
  that is out of band, else 0.
* Assessment II judges whether the response followed: it fails when any window is out of band, in either direction.
* The penalty is ``factor * bid price *`` the larger of I and II, never both, where II counts the worst window's
  ``|error|`` (``proportional``, so that over-delivery costs too) or the award (``block``); no more than the award.
  A block with a minute missing fails with its whole award. All of this is stylised [M].

* Reserve energy of an awarded block is ``max(0, min(delivered, requested))`` of its 30 minutes. It is paid at the
  registered price. The rest of the block's deviation from the plan is imbalance, in awarded blocks as in others.
* What the fleet itself costs (owners, makers, wear, messages) stands in `simulation.fleet_ledger`.

Known error: the target's energy is counted without lag, so a late response is paid a little less; a response during the
last ramp-down lies in an unawarded block and is imbalance.
"""

from __future__ import annotations

from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.schema import Table
from der_gym.services.base import OUTCOME_ROWS
from der_gym.services.tertiary_1.config import BLOCK_MIN

OUTCOME = Table(
    "tertiary-1 outcome",
    "float64 (n_world, n_block, N): sums grow through the block, so a row is final at its block's end",
    OUTCOME_ROWS,
)

LINES = Table(
    "tertiary-1 ledger",
    "float64 (n_world, N): cumulative, income positive",
    """
    revenue       | yen | meter | reserved power, paid as bid
    energy        | yen |       | reserve energy of 30 minutes
    fee           | yen |       | of the market
    penalty       | yen |       | of failed blocks
    owners        | yen |       | their share of the revenue
    retailer      | yen |       | compensation of the owners' retailer
    imbalance     | yen |       | deviation from the plan less reserve energy, in all blocks
    lockout       | yen |       | margin lost while bids are locked
    """,
)

TERMS = Table(
    "tertiary-1 terms",
    "float64 (n_world, n_block, N): what a block is worth",
    """
    award_kw          | kW      | aggregator | reserved power
    imbalance_yen_kwh | yen/kWh | meter      | one price for short and long
    """,
)

CFG = Table(
    "tertiary-1 settings",
    "float64 (N,): fields of Tertiary1Config that the kernel reads",
    """
    band_share                    | -       | aggregator | see Tertiary1Config
    block_mode                    | -       | |
    penalty_factor                | -       | |
    bid_price_yen_kw              | yen/kW  | |
    fee_yen_kw                    | yen/kW  | |
    energy_price_yen_kwh          | yen/kWh | |
    owners_share                  | -       | |
    retailer_compensation_yen_kwh | yen/kWh | |
    lockout_failures              | -       | |
    lockout_days                  | days    | |
    """,
)

ACC = Table(
    "tertiary-1 assessment",
    "float64 (n_world, N): the open window and block",
    """
    window_n         | -   | engine | minutes in the open window
    window_kw        | kW  |        | their response, summed
    window_target_kw | kW  |        | their target, summed
    judged           | -   |        | windows judged in the open block
    lost             | -   |        | 1 once a window of the block is out of band
    asked_after      | -   |        | later windows with a target above the band
    left_after       | -   |        | those with less than half of the target
    failed           | -   |        | failed blocks within 30 days, those before the episode included
    margin_yen       | yen |        | expected margin of one such window, for the lock-out
    """,
)

LOW, HIGH = 0, 1  # rows of window_kw
_HOUR_MIN = 60.0
_EDGE = 1.0 + 1e-9  # a mean on the band's edge passes, whatever its last bits


@scalar
def sample(target_kw, metered_kw, true_kw, plan_kw, acc, out):  # type: ignore[no-untyped-def]
    """Add one minute of an awarded or unawarded block; ``target_kw`` is 0 in the latter.

    Parameters
    ----------
    target_kw, metered_kw, true_kw, plan_kw : float
        Means of the minute, kW.
    acc : float64 (ACC.N,); out : float64 (OUTCOME.N,)
        Open window and block; row of the outcome; both updated.
    """
    response = plan_kw - metered_kw
    error = response - target_kw
    acc[ACC.WINDOW_N] += 1.0
    acc[ACC.WINDOW_KW] += response
    acc[ACC.WINDOW_TARGET_KW] += target_kw
    out[OUTCOME.MEAN_ABS_ERROR_KW] += abs(error) / BLOCK_MIN
    out[OUTCOME.MEAN_ERROR_KW] += error / BLOCK_MIN
    out[OUTCOME.IDLE_ABS_ERROR_KW] += abs(target_kw) / BLOCK_MIN
    out[OUTCOME.DELIVERED_KWH] += response / _HOUR_MIN
    out[OUTCOME.REQUESTED_KWH] += target_kw / _HOUR_MIN
    out[OUTCOME.TRUE_MINUS_METERED_KWH] += (true_kw - metered_kw) / _HOUR_MIN


@scalar
def judge(low_kw, high_kw, band_kw, window_min, acc, out):  # type: ignore[no-untyped-def]
    """Judge a full window of an awarded block; one with a minute missing stays unjudged.

    Parameters
    ----------
    low_kw, high_kw : float
        Least and greatest mean that passes, tolerance apart.
    band_kw : float
        Tolerance.
    window_min : float
        Minutes of a window.
    acc : float64 (ACC.N,); out : float64 (OUTCOME.N,)
        Updated.
    """
    mean = acc[ACC.WINDOW_KW] / window_min
    target = acc[ACC.WINDOW_TARGET_KW] / window_min
    if acc[ACC.WINDOW_N] == window_min:
        acc[ACC.JUDGED] += 1.0
        out[OUTCOME.JUDGED_SHARE] = acc[ACC.JUDGED] * window_min / BLOCK_MIN
        error = max(mean - high_kw, 0.0) + min(mean - low_kw, 0.0)
        out[OUTCOME.WORST_ERROR_KW] = (
            error if abs(error) > abs(out[OUTCOME.WORST_ERROR_KW]) else out[OUTCOME.WORST_ERROR_KW]
        )
        if acc[ACC.LOST] > 0.0 and target > band_kw:
            acc[ACC.ASKED_AFTER] += 1.0
            acc[ACC.LEFT_AFTER] += 1.0 if mean < target / 2.0 else 0.0
        if abs(error) > band_kw * _EDGE:
            acc[ACC.LOST] = 1.0
            out[OUTCOME.SHORTFALL_KW] = max(out[OUTCOME.SHORTFALL_KW], -error)


@scalar
def fine_yen(cfg, award_kw, whole, out):  # type: ignore[no-untyped-def]
    """Return the penalty of a failed block by its worst window, or by the ``whole`` award, yen."""
    second_kw = award_kw if whole else abs(out[OUTCOME.WORST_ERROR_KW])
    penalised_kw = min(max(out[OUTCOME.SHORTFALL_KW], second_kw), award_kw)
    return cfg[CFG.PENALTY_FACTOR] * cfg[CFG.BID_PRICE_YEN_KW] * penalised_kw


@scalar
def penalise(cfg, award_kw, acc, out):  # type: ignore[no-untyped-def]
    """Assess a block: write ``passed``, ``penalty_yen`` and ``abandoned``, count a failure; return yen of lock-out.

    Parameters
    ----------
    cfg : float64 (CFG.N,)
        Settings.
    award_kw : float
        Award of the block, > 0.
    acc : float64 (ACC.N,); out : float64 (OUTCOME.N,)
        Updated.
    """
    passed = acc[ACC.LOST] == 0.0 and out[OUTCOME.JUDGED_SHARE] == 1.0
    out[OUTCOME.PASSED] = 1.0 if passed else 0.0
    out[OUTCOME.ABANDONED] = 1.0 if acc[ACC.ASKED_AFTER] > 0.0 and acc[ACC.ASKED_AFTER] == acc[ACC.LEFT_AFTER] else 0.0
    lockout = 0.0
    if not passed:
        whole = (
            cfg[CFG.BLOCK_MODE] > 0.0 or out[OUTCOME.JUDGED_SHARE] < 1.0
        )  # a window that could not be judged counts as not delivered
        out[OUTCOME.PENALTY_YEN] = fine_yen(cfg, award_kw, whole, out)
        acc[ACC.FAILED] += 1.0
        lockout = cfg[CFG.LOCKOUT_DAYS] * acc[ACC.MARGIN_YEN] if acc[ACC.FAILED] == cfg[CFG.LOCKOUT_FAILURES] else 0.0
    return lockout


@scalar
def reserve_kwh(delivered_kwh, requested_kwh):  # type: ignore[no-untyped-def]
    """Return the energy of a block that is paid as reserve, kWh: no more than was requested, and never below 0."""
    return max(min(delivered_kwh, requested_kwh), 0.0)


@scalar
def book_award(cfg, term, lockout_yen, out, ledger):  # type: ignore[no-untyped-def]
    """Book the lines that only an awarded block has.

    Parameters
    ----------
    cfg : float64 (CFG.N,); term : float64 (TERMS.N,)
        Settings; the block's award and price.
    lockout_yen : float
        Loss by a lock-out, >= 0.
    out : float64 (OUTCOME.N,); ledger : float64 (LINES.N,)
        Row of the outcome; lines, updated.
    """
    revenue = term[TERMS.AWARD_KW] * cfg[CFG.BID_PRICE_YEN_KW]
    ledger[LINES.REVENUE] += revenue
    ledger[LINES.ENERGY] += out[OUTCOME.PAID_KWH] * cfg[CFG.ENERGY_PRICE_YEN_KWH]
    ledger[LINES.FEE] -= term[TERMS.AWARD_KW] * cfg[CFG.FEE_YEN_KW]
    ledger[LINES.PENALTY] -= out[OUTCOME.PENALTY_YEN]
    ledger[LINES.OWNERS] -= revenue * cfg[CFG.OWNERS_SHARE]
    ledger[LINES.RETAILER] -= out[OUTCOME.PAID_KWH] * cfg[CFG.RETAILER_COMPENSATION_YEN_KWH]
    ledger[LINES.LOCKOUT] -= lockout_yen


@scalar
def settle(cfg, term, acc, out, ledger):  # type: ignore[no-untyped-def]
    """Assess and book a full block and open the next; return its energy outside an award, kWh.

    Parameters
    ----------
    cfg : float64 (CFG.N,); term : float64 (TERMS.N,)
        Settings; the block's award and price.
    acc : float64 (ACC.N,); out : float64 (OUTCOME.N,); ledger : float64 (LINES.N,)
        Updated.
    """
    outside_kwh = 0.0
    if term[TERMS.AWARD_KW] > 0.0:
        out[OUTCOME.PAID_KWH] = reserve_kwh(out[OUTCOME.DELIVERED_KWH], out[OUTCOME.REQUESTED_KWH])
        book_award(cfg, term, penalise(cfg, term[TERMS.AWARD_KW], acc, out), out, ledger)
    else:
        outside_kwh = out[OUTCOME.DELIVERED_KWH]
    rest_kwh = out[OUTCOME.DELIVERED_KWH] - out[OUTCOME.PAID_KWH]
    ledger[LINES.IMBALANCE] += rest_kwh * term[TERMS.IMBALANCE_YEN_KWH]
    acc[ACC.JUDGED] = 0.0
    acc[ACC.LOST] = 0.0
    acc[ACC.ASKED_AFTER] = 0.0
    acc[ACC.LEFT_AFTER] = 0.0
    return outside_kwh


@part
def sum_scores(outcome, score):  # type: ignore[no-untyped-def]
    """Write the sums over blocks with a request or a verdict of |error| and of idle's, kW x blocks."""
    score[0] = 0.0
    score[1] = 0.0
    for b in range(outcome.shape[0]):
        if outcome[b, OUTCOME.IDLE_ABS_ERROR_KW] > 0.0 or outcome[b, OUTCOME.JUDGED_SHARE] > 0.0:
            score[0] += outcome[b, OUTCOME.MEAN_ABS_ERROR_KW]
            score[1] += outcome[b, OUTCOME.IDLE_ABS_ERROR_KW]


@kernel
def open_fine(w0, w1, active, minute, cfg, terms, accs, outcome, yen):  # type: ignore[no-untyped-def]
    """Add to ``yen``, float64 (n_world,), the penalty of the open block by its worst window so far.

    It is 0 while every window was in band, and once the block is booked. See `advance` for the others.
    """
    for w in range(w0, w1):
        m = minute[w]
        b = m // BLOCK_MIN
        if active[w] and 0 <= b < outcome.shape[1] and (m + 1) % BLOCK_MIN != 0 and accs[w, ACC.LOST] > 0.0:
            yen[w] += fine_yen(cfg, terms[w, b, TERMS.AWARD_KW], cfg[CFG.BLOCK_MODE] > 0.0, outcome[w, b])


@kernel
def advance(  # type: ignore[no-untyped-def]
    w0, w1, active, minute, true_kw, metered_kw, plan_kw, cfg, terms, target, window, accs, outcome, ledgers,
    outside_kwh, outside_yen_kwh, scores,
):  # fmt: skip
    """Take the minute that has just ended in every active world; a minute outside the episode is left out.

    Parameters
    ----------
    active : bool (n_world,)
        Other worlds keep every bit.
    minute : int64 (n_world,)
        Minute of the episode that has ended, 0..n_minute - 1, each once and in order.
    true_kw, metered_kw : float64 (n_world,)
        Mean power of the node in that minute, drawn from the grid, as it was and as the meter has it.
    plan_kw : float64 (n_world,)
        Plan of the node for the minute's block.
    outside_kwh, outside_yen_kwh, scores
        See `Service`.
    """
    n_min = target.shape[1]
    window_min = n_min // window.shape[2]
    for w in range(w0, w1):
        m = minute[w]
        if active[w] and 0 <= m < n_min:
            b = m // BLOCK_MIN
            term, acc, out = terms[w, b], accs[w], outcome[w, b]
            awarded = term[TERMS.AWARD_KW] > 0.0
            sample(target[w, m] if awarded else 0.0, metered_kw[w], true_kw[w], plan_kw[w], acc, out)
            if (m + 1) % window_min == 0:
                if awarded:
                    k = m // window_min
                    band_kw = cfg[CFG.BAND_SHARE] * term[TERMS.AWARD_KW]
                    judge(window[w, LOW, k], window[w, HIGH, k], band_kw, window_min, acc, out)
                acc[ACC.WINDOW_N] = 0.0
                acc[ACC.WINDOW_KW] = 0.0
                acc[ACC.WINDOW_TARGET_KW] = 0.0
            if (m + 1) % BLOCK_MIN == 0:
                outside_kwh[w] = settle(cfg, term, acc, out, ledgers[w])
                outside_yen_kwh[w] = term[TERMS.IMBALANCE_YEN_KWH]
            sum_scores(outcome[w], scores[w])
