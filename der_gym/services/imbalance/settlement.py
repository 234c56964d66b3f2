"""Settlement of imbalance, sample by sample: one kernel over worlds, one that shows what is published.

Every half hour ``plan - metered`` is settled at its one price: what is drawn less than planned is sold at it, what is
drawn more is bought. Nothing is judged. The score counts the error of each half hour's mean, for energy within a half
hour cancels; its unit is a stated share of what the group is expected to draw.

Load that is held back comes back later, perhaps behind the episode's end, and a single price would pay for it. So
``outside_kwh`` and its price hand the deviation to the fleet's books, which take back what load earned that was held
back on request.
"""

from __future__ import annotations

from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.engine.compile import kernel, scalar
from der_gym.engine.schema import Table
from der_gym.services.base import OUTCOME_ROWS

OUTCOME = Table(
    "imbalance outcome",
    "float64 (n_world, n_block, N): sums grow through the half hour; nothing is judged",
    OUTCOME_ROWS
    + """
    price_yen_kwh | yen/kWh | meter | of the half hour
    margin_pct    | %       |       | reserve margin of the wide area
    bias_kw       | kW      |       | |mean error| of the episode so far: systematic bias is improper conduct
    """,
)

LINES = Table(
    "imbalance ledger",
    "float64 (n_world, N): cumulative, income positive",
    """
    deviation | yen | meter | plan less metered, at the imbalance price of its half hour
    """,
)

FIELDS = Table(
    "imbalance fields",
    "float64 (n_world, N): of the last half hour whose price is published",
    """
    published_yen_kwh    | yen/kWh | aggregator | its imbalance price; before there is one, the day-ahead price
    published_margin_pct | %       |            | its reserve margin; before there is one, the mean
    """,
)

TERMS = Table(
    "imbalance terms",
    "float64 (n_world, n_block, N)",
    """
    price_yen_kwh | yen/kWh | meter      | imbalance price
    margin_pct    | %       |            | reserve margin
    expected_kw   | kW      | aggregator | |power| that the group is expected to draw, from the days before
    """,
)

ACC = Table(
    "imbalance accounts",
    "float64 (n_world, N)",
    """
    error_kw  | kW      | engine | sum of the mean errors of the half hours that have ended
    blocks    | -       |        | half hours that have ended
    first_yen | yen/kWh |        | day-ahead price at the start
    """,
)

ERROR, IDLE = 0, 1  # columns of score_kw
_BLOCK_H = BLOCK_S / HOUR_S


@scalar
def take(metered_kw, true_kw, plan_kw, per, out):  # type: ignore[no-untyped-def]
    """Add one of the ``per`` samples of a half hour."""
    error = plan_kw - metered_kw
    out[OUTCOME.MEAN_ABS_ERROR_KW] += abs(error) / per
    out[OUTCOME.MEAN_ERROR_KW] += error / per
    out[OUTCOME.DELIVERED_KWH] += error * _BLOCK_H / per
    out[OUTCOME.TRUE_MINUS_METERED_KWH] += (true_kw - metered_kw) * _BLOCK_H / per


@scalar
def book(term, idle_error_share, acc, out, ledger, score):  # type: ignore[no-untyped-def]
    """Settle a half hour that has ended."""
    acc[ACC.ERROR_KW] += out[OUTCOME.MEAN_ERROR_KW]
    acc[ACC.BLOCKS] += 1.0
    out[OUTCOME.PAID_KWH] = out[OUTCOME.DELIVERED_KWH]
    out[OUTCOME.WORST_ERROR_KW] = out[OUTCOME.MEAN_ERROR_KW]
    out[OUTCOME.PRICE_YEN_KWH] = term[TERMS.PRICE_YEN_KWH]
    out[OUTCOME.MARGIN_PCT] = term[TERMS.MARGIN_PCT]
    out[OUTCOME.BIAS_KW] = abs(acc[ACC.ERROR_KW]) / acc[ACC.BLOCKS]
    ledger[LINES.DEVIATION] += out[OUTCOME.DELIVERED_KWH] * term[TERMS.PRICE_YEN_KWH]
    score[ERROR] += abs(out[OUTCOME.MEAN_ERROR_KW])
    score[IDLE] += idle_error_share * term[TERMS.EXPECTED_KW]


@kernel
def advance(  # type: ignore[no-untyped-def]
    w0, w1, active, ends, number, true_kw, metered_kw, plan_kw, per, idle_error_share, terms, accs, outcome, ledger,
    outside_kwh, outside_yen_kwh, score,
):  # fmt: skip
    """Take the sample that has just ended in every active world; a sample behind the episode's end is left out.

    Parameters
    ----------
    ends : bool (n_world,); number : int64; true_kw, metered_kw, plan_kw : float64 (n_world,)
        Of the sample.
    per : int
        Samples of a half hour.
    idle_error_share : float
        See ImbalanceConfig.
    terms : float64 (n_world, n_block, TERMS.N); accs : float64 (n_world, ACC.N)
    """
    for w in range(w0, w1):
        b = number[w] // per
        if active[w] and ends[w] and 0 <= b < terms.shape[1]:
            out = outcome[w, b]
            take(metered_kw[w], true_kw[w], plan_kw[w], per, out)
            if (number[w] + 1) % per == 0:
                book(terms[w, b], idle_error_share, accs[w], out, ledger[w], score[w])
                outside_kwh[w], outside_yen_kwh[w] = out[OUTCOME.DELIVERED_KWH], terms[w, b, TERMS.PRICE_YEN_KWH]


@kernel
def publish(w0, w1, active, t_s, after, margin_mean_pct, terms, accs, shown):  # type: ignore[no-untyped-def]
    """Write price and margin of the last half hour that is published at ``t_s`` seconds of the episode.

    ``after`` is the number of half hours from a half hour's end until it is published.
    """
    for w in range(w0, w1):
        if active[w]:
            b = min(int(t_s[w]) // BLOCK_S - 1 - after, terms.shape[1] - 1)
            known = b >= 0
            shown[w, FIELDS.PUBLISHED_YEN_KWH] = (
                terms[w, max(b, 0), TERMS.PRICE_YEN_KWH] if known else accs[w, ACC.FIRST_YEN]
            )
            shown[w, FIELDS.PUBLISHED_MARGIN_PCT] = terms[w, max(b, 0), TERMS.MARGIN_PCT] if known else margin_mean_pct
