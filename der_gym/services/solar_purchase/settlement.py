"""Settlement of a purchase: it is added to the plan before imbalance is worked out, and what is drawn of it earns."""

from __future__ import annotations

from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.engine.compile import kernel
from der_gym.services.imbalance import settlement as imbalance
from der_gym.services.imbalance.settlement import IDLE, OUTCOME

LINES = imbalance.LINES.extended("solar purchase ledger", "used | yen | meter | bought energy that the group drew")
FIELDS = imbalance.FIELDS.extended(
    "solar purchase fields",
    """
    more_kw      | kW | aggregator | bought beyond the plan in this half hour: to be drawn more
    more_next_kw | kW |            | in the next one
    bought_kwh   | kWh |           | bought beyond the plan in the whole episode: known since the day before
    """,
)
_BLOCK_H = BLOCK_S / HOUR_S


@kernel
def add_purchase(w0, w1, ends, number, per, purchase_kw, plan_kw):  # type: ignore[no-untyped-def]
    """Add the purchase to the plan of the sample that has just ended.

    Parameters
    ----------
    ends : bool (n_world,); number : int64 (n_world,); plan_kw : float64 (n_world,)
        Of the sample; the plan is written.
    per : int
        Samples of a half hour.
    purchase_kw : float64 (n_world, n_block)
    """
    for w in range(w0, w1):
        b = number[w] // per
        if ends[w] and 0 <= b < purchase_kw.shape[1]:
            plan_kw[w] += purchase_kw[w, b]


@kernel
def book_used(w0, w1, active, ends, number, per, purchase_kw, used_yen_kwh, outcome, ledger, score):  # type: ignore[no-untyped-def]
    """Book what was drawn of the purchase in the half hour that has just ended.

    ``outcome`` holds the mean of plan and purchase less metered: what is left of the purchase.
    """
    for w in range(w0, w1):
        b = number[w] // per
        if active[w] and ends[w] and (number[w] + 1) % per == 0 and 0 <= b < purchase_kw.shape[1]:
            bought = purchase_kw[w, b]
            used = min(max(bought - outcome[w, b, OUTCOME.MEAN_ERROR_KW], 0.0), bought)
            ledger[w, LINES.USED] += used * _BLOCK_H * used_yen_kwh
            outcome[w, b, OUTCOME.REQUESTED_KWH] = -bought * _BLOCK_H
            score[w, IDLE] += bought


@kernel
def reveal(w0, w1, active, t_s, purchase_kw, shown):  # type: ignore[no-untyped-def]
    """Show the purchase of this half hour, the next and all, float64 (n_world, n_block), at ``t_s``."""
    for w in range(w0, w1):
        if active[w]:
            n = purchase_kw.shape[1]
            b = min(int(t_s[w]) // BLOCK_S, n - 1)
            shown[w, FIELDS.MORE_KW] = purchase_kw[w, b]
            shown[w, FIELDS.MORE_NEXT_KW] = purchase_kw[w, b + 1] if b + 1 < n else 0.0
            shown[w, FIELDS.BOUGHT_KWH] = purchase_kw[w].sum() * _BLOCK_H
