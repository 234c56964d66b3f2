"""The parts of a closed loop over slow paths: what was sent, what of it acts now, what of it telemetry can show yet.

The kernels of a rule work one row of the batch after the other on tables in float64:

    now    (n,)         what the observation says of the group, in the fields' own units
    each   (n_leaf, n)  what it says of each leaf
    fixed  (n_leaf, n)  what is known of each leaf beforehand
    c      (n,)         settings
    group  (n,)         memory of the group; the past targets begin at PAST
    leaf   (n_leaf, n)  memory of each leaf; its messages begin at SENT
"""

from __future__ import annotations

import numpy as np

from der_gym.controllers.base import PublicInfo
from der_gym.engine.compile import kernel, scalar
from der_gym.simulation.aggregator_view import N_AHEAD

LAG_MAX_S = 300.0  # what the market allows a response to lag [M]
BIN_S = 300.0  # a request is announced for so long
_MINUTE_S = 60.0

NOW = ("unit_kw", "award_kw", "target_kw", "target_bin_end_kw", "response_kw", "bin_left", "block_left", "temp_c")
BLOCKS = ("block.award_kw", "block.plan_kw")
UNIT_KW, AWARD_KW, TARGET_KW, BIN_END_KW, RESPONSE_KW, BIN_LEFT, BLOCK_LEFT, TEMP_C, BLOCK_AWARD_KW = range(9)
BLOCK_PLAN_KW = BLOCK_AWARD_KW + N_AHEAD  # of this block; the next ones follow
N_NOW = BLOCK_PLAN_KW + N_AHEAD

EACH = ("leaf.seen_kw", "leaf.plan_kw", "leaf.age_mean_s", "leaf.sent_a", "leaf.wait_s", "leaf.up_kw", "leaf.down_kw")
SEEN_KW, PLAN_KW, AGE_S, SENT_A, WAIT_S, UP_KW, DOWN_KW, N_EACH = range(8)

STEP, WAS_PLAN_KW, BEFORE_PLAN_KW, BASE, SWITCHED, PAST = range(6)  # BASE, SWITCHED, GAIN: of the merit order alone
OWN_KW, GAIN, SENT = range(3)


def n_past(decision_s: float) -> int:
    """Return how many past targets must be kept to reach 300 s back."""
    return int(np.ceil(LAG_MAX_S / decision_s)) + 2


class Delays:
    """The delays of the leaves as weights over the messages sent.

    Parameters
    ----------
    public : PublicInfo

    Attributes
    ----------
    acting : float64 (n_leaf, n_lag)
        Weight, in a leaf's mean fraction over the coming step, of a message sent now, one decision ago, ...
    showing : float64 (n_leaf, n_lag)
        Weight, in what telemetry should show by now, of a message sent one decision ago, two decisions ago, ...
    n_lag : int
        Decisions that the memory of messages must reach back.
    """

    def __init__(self, public: PublicInfo) -> None:
        self.acting = np.diff(public.arrived, axis=1, prepend=0.0)
        self.showing = np.diff(public.shown, axis=1, prepend=0.0)
        self.n_lag = public.shown.shape[1]


@scalar
def expected_kw(fraction, up_kw, down_kw):  # type: ignore[no-untyped-def]
    """Return the response that a fraction stands for: upward of ``up_kw``, downward of ``down_kw``."""
    return fraction * up_kw if fraction > 0.0 else fraction * down_kw


@kernel
def aim_kw(past_kw, end_kw, bin_left, steps, decision_s):  # type: ignore[no-untyped-def]
    """Return the target ``steps`` decisions ago, or ahead where negative, kW.

    Parameters
    ----------
    past_kw : float64 (n_past,)
        Targets of the coming minute as they were at each decision, newest first; linear in between.
    end_kw, bin_left : float
        Target of the last minute of the 5-minute bin, part of the bin that is left. Ahead, the target runs linearly to
        the bin's end and holds there: what follows is not announced yet.
    steps, decision_s : float
    """
    if steps < 0.0:
        way_s = max(bin_left * BIN_S - _MINUTE_S, 1.0)
        return past_kw[0] + (end_kw - past_kw[0]) * min(-steps * decision_s / way_s, 1.0)
    i = min(int(steps), past_kw.size - 2)
    share = min(steps - i, 1.0)
    return past_kw[i] * (1.0 - share) + past_kw[i + 1] * share


@kernel
def total(column):  # type: ignore[no-untyped-def]
    """Return the sum over the leaves, from first to last."""
    out = 0.0
    for j in range(column.size):
        out += column[j]
    return out


@kernel
def push(history, value):  # type: ignore[no-untyped-def]
    """Put ``value`` in front of a history, newest first; the oldest is dropped."""
    for i in range(history.size - 1, 0, -1):
        history[i] = history[i - 1]
    history[0] = value


@kernel
def weigh(sent, weight):  # type: ignore[no-untyped-def]
    """Return what a leaf's messages, newest first, come to by the leaf's weights."""
    out = 0.0
    for k in range(weight.size):
        out += sent[k] * weight[k]
    return out


@kernel
def shown_kw(x, weight, m):  # type: ignore[no-untyped-def]
    """Return the response of a leaf that telemetry should show by now: ``x`` of `each`, ``m`` of `leaf`."""
    return expected_kw(weigh(m[SENT:], weight), x[UP_KW], x[DOWN_KW])


@kernel
def recall(start, now, each, group, leaf):  # type: ignore[no-untyped-def]
    """Begin the memory anew where ``start``; take in what was asked and what was sent by now."""
    if start:
        group[:], leaf[:, :], leaf[:, GAIN] = 0.0, 0.0, 1.0
    group[STEP] += 1.0
    push(group[PAST:], now[TARGET_KW])
    for j in range(leaf.shape[0]):
        push(leaf[j, SENT:], each[j, SENT_A])
