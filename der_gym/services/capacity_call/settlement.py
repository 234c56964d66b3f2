"""Assessment and ledger of the capacity call, sample by sample: one kernel over worlds, one that shows the call.

A sample adds its response ``baseline - metered`` to the half hour. A called half hour passes when its mean reaches the
contract. What is missing is the unmet energy; a response below 0 counts as 0, so a call that is missed whole costs
``penalty_factor`` twelfths of the year's money. Over-delivery is neither paid nor penalised. A half hour with a sample
missing counts as undelivered. Penalties end at the caps of the month and of the year, those before the episode
included. All of this is stylised [M].

The baseline moves twice. Before the notice it is High 4 of 5 with all hours of the rules as event window, so that it
says nothing of the coming call. At the notice it becomes that of the called hours. Two hours before the start the
adjustment is added, where the settings want one. Each time the half hours that have ended keep theirs.
"""

from __future__ import annotations

from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.engine.compile import kernel, scalar
from der_gym.engine.schema import Table
from der_gym.services.base import OUTCOME_ROWS
from der_gym.services.baselines.high_4_of_5 import ADJUST_TO, adjusted, mean_excess_kw

OUTCOME = Table(
    "capacity-call outcome",
    "float64 (n_world, n_block, N): sums grow through the half hour; while called, |error| is missing power alone",
    OUTCOME_ROWS
    + """
    unmet_kwh     | kWh | meter | asked less delivered, 0 .. asked
    uncapped_yen  | yen |       | penalty before the caps
    adjustment_kw | kW  |       | same-day adjustment in the baseline
    """,
)

LINES = Table(
    "capacity-call ledger",
    "float64 (n_world, N): cumulative, income positive",
    """
    revenue | yen | meter | contract, pro rata over the year's called half hours
    energy  | yen |       | delivered energy, up to what was asked
    penalty | yen |       | unmet energy, up to the caps
    owners  | yen |       | their share of the revenue
    """,
)

FIELDS = Table(
    "capacity-call fields",
    "float64 (n_world, N): zeros before the notice and after the call",
    """
    call_kw          | kW | aggregator | contract, from the notice to the end of the call
    call_starts_in_s | s  |            | time until the call starts; 0 during the call
    call_left_s      | s  |            | time that the call has still to be held; all of it before the start
    """,
)

CALL = Table(
    "capacity-call terms",
    "float64 (n_world, N): the episode's call; an episode without one has all three half hours behind its end",
    """
    contract_kw  | kW | aggregator |
    notice_block | -  | engine     | half hour at whose start the notice is given
    start_block  | -  |            | first called half hour
    end_block    | -  |            | the half hour after the last
    feeds        | -  |            | 1 where the node has fed the grid on the days before
    """,
)

CFG = Table(
    "capacity-call settings",
    "float64 (N,): what the kernel reads of the settings",
    """
    revenue_yen_kw       | yen/kW  | aggregator | of a called half hour
    yen_kwh_unmet        | yen/kWh |            | penalty
    year_cap_yen_kw      | yen/kW  |            |
    month_cap_yen_kw     | yen/kW  |            |
    energy_price_yen_kwh | yen/kWh |            |
    owners_share         | -       |            |
    adjusts              | -       |            | 1 where the same-day adjustment counts
    """,
)

ACC = Table(
    "capacity-call assessment",
    "float64 (n_world, N): the open half hour, and penalties so far",
    """
    samples       | -   | engine | samples in the open half hour
    response_kw   | kW  |        | their response, summed
    metered_kw    | kW  |        | their metered power, summed
    adjustment_kw | kW  |        | in the baseline
    year_yen      | yen |        | penalties of the year, those before the episode included
    month_yen     | yen |        | of the month
    """,
)

ERROR, IDLE = 0, 1  # columns of score_kw
_EDGE = 1.0 - 1e-9  # a mean at the contract passes whatever its last bits say
_BLOCK_H = BLOCK_S / HOUR_S


@scalar
def take(target_kw, called, metered_kw, true_kw, baseline_kw, per, acc, out, score):  # type: ignore[no-untyped-def]
    """Add one of the ``per`` samples of a half hour."""
    error = baseline_kw - metered_kw - target_kw
    counted = max(-error, 0.0) if called else abs(error)
    acc[ACC.SAMPLES] += 1.0
    acc[ACC.RESPONSE_KW] += baseline_kw - metered_kw
    acc[ACC.METERED_KW] += metered_kw
    out[OUTCOME.MEAN_ABS_ERROR_KW] += counted / per
    out[OUTCOME.MEAN_ERROR_KW] += error / per
    out[OUTCOME.IDLE_ABS_ERROR_KW] += target_kw / per
    out[OUTCOME.DELIVERED_KWH] += (baseline_kw - metered_kw) * _BLOCK_H / per
    out[OUTCOME.REQUESTED_KWH] += target_kw * _BLOCK_H / per
    out[OUTCOME.TRUE_MINUS_METERED_KWH] += (true_kw - metered_kw) * _BLOCK_H / per
    score[ERROR] += counted / per if called else 0.0
    score[IDLE] += target_kw / per


@scalar
def assess(contract_kw, asked_kw, per, cfg, acc, out):  # type: ignore[no-untyped-def]
    """Judge a called half hour against what was asked, and work out its penalty; the caps are the contract's."""
    mean_kw = acc[ACC.RESPONSE_KW] / per
    whole = acc[ACC.SAMPLES] == per
    delivered_kw = min(max(mean_kw, 0.0), asked_kw) if whole else 0.0
    missing_kw = asked_kw - delivered_kw
    passed = whole and mean_kw >= asked_kw * _EDGE
    out[OUTCOME.JUDGED_SHARE] = acc[ACC.SAMPLES] / per
    out[OUTCOME.PASSED] = 1.0 if passed else 0.0
    out[OUTCOME.WORST_ERROR_KW] = 0.0 if passed else min(mean_kw - asked_kw, 0.0)
    out[OUTCOME.SHORTFALL_KW] = 0.0 if passed else missing_kw
    out[OUTCOME.UNMET_KWH] = out[OUTCOME.SHORTFALL_KW] * _BLOCK_H
    out[OUTCOME.PAID_KWH] = delivered_kw * _BLOCK_H
    out[OUTCOME.UNCAPPED_YEN] = out[OUTCOME.UNMET_KWH] * cfg[CFG.YEN_KWH_UNMET]
    year_left = max(cfg[CFG.YEAR_CAP_YEN_KW] * contract_kw - acc[ACC.YEAR_YEN], 0.0)
    month_left = max(cfg[CFG.MONTH_CAP_YEN_KW] * contract_kw - acc[ACC.MONTH_YEN], 0.0)
    out[OUTCOME.PENALTY_YEN] = min(out[OUTCOME.UNCAPPED_YEN], min(year_left, month_left))


@scalar
def book(contract_kw, cfg, acc, out, ledger):  # type: ignore[no-untyped-def]
    """Book a called half hour."""
    revenue = contract_kw * cfg[CFG.REVENUE_YEN_KW]
    ledger[LINES.REVENUE] += revenue
    ledger[LINES.ENERGY] += out[OUTCOME.PAID_KWH] * cfg[CFG.ENERGY_PRICE_YEN_KWH]
    ledger[LINES.PENALTY] -= out[OUTCOME.PENALTY_YEN]
    ledger[LINES.OWNERS] -= revenue * cfg[CFG.OWNERS_SHARE]
    acc[ACC.YEAR_YEN] += out[OUTCOME.PENALTY_YEN]
    acc[ACC.MONTH_YEN] += out[OUTCOME.PENALTY_YEN]


@kernel
def rebase(block, call, event_kw, actual_kw, adjusts, acc, baseline_kw):  # type: ignore[no-untyped-def]
    """Move the baseline from half hour ``block`` on, where the notice comes or the adjustment is complete."""
    start = int(call[CALL.START_BLOCK])
    if block == start - ADJUST_TO and adjusts > 0.0:
        acc[ACC.ADJUSTMENT_KW] = mean_excess_kw(actual_kw, event_kw, start)
    if block == int(call[CALL.NOTICE_BLOCK]) or block == start - ADJUST_TO:
        for k in range(block, baseline_kw.size):
            baseline_kw[k] = adjusted(event_kw[k], acc[ACC.ADJUSTMENT_KW], call[CALL.FEEDS])


@kernel
def advance(  # type: ignore[no-untyped-def]
    w0, w1, active, ends, number, true_kw, metered_kw, per, cfg, calls, asked_kw, event_kw, accs, actual_kw,
    baseline_kw, outcome, ledger, score,
):  # fmt: skip
    """Take the sample that has just ended in every active world; a sample behind the episode's end is left out.

    Parameters
    ----------
    ends : bool (n_world,); number : int64; true_kw, metered_kw : float64 (n_world,)
        Of the sample; the baseline is the service's own.
    per : int
        Samples of a half hour.
    calls : float64 (n_world, CALL.N); accs : float64 (n_world, ACC.N)
    asked_kw : float64 (n_world, n_block)
        Asked of the contract; 0 where nobody is called.
    event_kw, actual_kw, baseline_kw : float64 (n_world, n_block)
        BL0 of the called hours; metered means of the half hours that have ended; the baseline in force.
    """
    for w in range(w0, w1):
        b = number[w] // per
        if not (active[w] and ends[w] and 0 <= b < baseline_kw.shape[1]):
            continue
        call, acc, out = calls[w], accs[w], outcome[w, b]
        contract, asked = call[CALL.CONTRACT_KW], asked_kw[w, b]
        called = call[CALL.START_BLOCK] <= b < call[CALL.END_BLOCK]
        target = asked if called else 0.0
        take(target, called, metered_kw[w], true_kw[w], baseline_kw[w, b], per, acc, out, score[w])
        if (number[w] + 1) % per == 0:
            actual_kw[w, b] = acc[ACC.METERED_KW] / max(acc[ACC.SAMPLES], 1.0)
            out[OUTCOME.ADJUSTMENT_KW] = acc[ACC.ADJUSTMENT_KW]
            if called:
                assess(contract, asked, per, cfg, acc, out)
                book(contract, cfg, acc, out, ledger[w])
            rebase(b + 1, call, event_kw[w], actual_kw[w], cfg[CFG.ADJUSTS], acc, baseline_kw[w])
            acc[ACC.SAMPLES] = 0.0
            acc[ACC.RESPONSE_KW] = 0.0
            acc[ACC.METERED_KW] = 0.0


@kernel
def reveal(w0, w1, active, t_s, calls, shown):  # type: ignore[no-untyped-def]
    """Write what is known of the call at ``t_s`` seconds of the episode, float64 (n_world,)."""
    for w in range(w0, w1):
        if active[w]:
            call, out = calls[w], shown[w]
            start_s, end_s = call[CALL.START_BLOCK] * BLOCK_S, call[CALL.END_BLOCK] * BLOCK_S
            known = call[CALL.NOTICE_BLOCK] * BLOCK_S <= t_s[w] < end_s
            out[FIELDS.CALL_KW] = call[CALL.CONTRACT_KW] if known else 0.0
            out[FIELDS.CALL_STARTS_IN_S] = max(start_s - t_s[w], 0.0) if known else 0.0
            out[FIELDS.CALL_LEFT_S] = min(end_s - t_s[w], end_s - start_s) if known else 0.0
