"""The parts of a closed loop over slow paths: what was sent, what of it acts now, what of it telemetry can show yet.

The kernels of a rule work one row of the batch after the other on tables in float64:

    now    (n,)         what the observation says of the group, in the fields' own units
    each   (n_leaf, n)  what it says of each leaf
    fixed  (n_leaf, n)  what is known of each leaf beforehand
    c      (n,)         settings
    group  (n,)         memory of the group; the past targets begin at GROUP.PAST
    leaf   (n_leaf, n)  memory of each leaf; its messages begin at MEMORY.SENT
"""

from __future__ import annotations

import numpy as np

from der_gym.controllers.base import PublicInfo
from der_gym.engine.compile import kernel, scalar
from der_gym.engine.schema import Table
from der_gym.simulation.aggregator_view import N_AHEAD

LAG_MAX_S = 300.0  # what the market allows a response to lag [M]
BIN_S = 300.0  # a request is announced for so long
_MINUTE_S = 60.0

_AHEAD = "".join(
    f"\nblock_{name}_{k} | kW | aggregator | {meaning}, block {k} from now"
    for name, meaning in (("award_kw", "commitment"), ("plan_kw", "plan"))
    for k in range(N_AHEAD)
)
NOW_FIELDS = (
    *("unit_kw", "award_kw", "target_kw", "target_bin_end_kw", "response_kw", "bin_left", "block_left", "temp_c"),
    *("block.award_kw", "block.plan_kw"),
)
NOW = Table(
    "now",
    "float64 (N,): what the observation says of the group, in the order of NOW_FIELDS",
    """
    unit_kw     | kW   | aggregator | the unit of the observation
    award_kw    | kW   |            | commitment
    target_kw   | kW   |            | target of the coming minute
    bin_end_kw  | kW   |            | target at the end of this 5-minute bin
    response_kw | kW   |            | plan less seen power
    bin_left    | -    |            | part of the bin that is left
    block_left  | -    |            | part of the block that is left
    temp_c      | degC |            | outdoor temperature
    """
    + _AHEAD,
)

EACH_FIELDS = (
    *("leaf.seen_kw", "leaf.plan_kw", "leaf.silent_share", "leaf.sent_a", "leaf.wait_s", "leaf.up_kw", "leaf.down_kw"),
)
EACH = Table(
    "each",
    "float64 (n_leaf, N): what the observation says of each leaf, in the order of EACH_FIELDS",
    """
    seen_kw | kW | aggregator | power by telemetry
    plan_kw | kW |            | its part of the plan
    silent  | -  |            | part, by rated kW, that sent no report in the last hour
    sent_a  | -  |            | fraction in force by the last message sent
    wait_s  | s  |            | time until the channel takes the next command
    up_kw   | kW |            | upward capability
    down_kw | kW |            | downward capability
    """,
)

GROUP = Table(
    "group",
    "float64 (N + n_past,): memory of the group; from GROUP.PAST on the past targets, newest first",
    """
    step           | -  | engine | decisions so far
    was_plan_kw    | kW |        | plan of this block
    before_plan_kw | kW |        | plan of the block before
    base           | -  |        | slow share that switching leaves carry (merit order)
    switched       | -  |        | their fraction (merit order)
    past           | kW |        | targets as they were at each decision
    """,
)

MEMORY = Table(
    "memory",
    "float64 (n_leaf, N + n_lag): memory of each leaf; from MEMORY.SENT on its messages, newest first",
    """
    own_kw | kW | engine | power without commands, as estimated
    gain   | -  |        | response over expected response (merit order)
    sent   | -  |        | fractions sent
    """,
)


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
    """Return the sum of a leaf's messages, newest first, times the leaf's weights."""
    out = 0.0
    for k in range(weight.size):
        out += sent[k] * weight[k]
    return out


@kernel
def shown_kw(x, weight, m):  # type: ignore[no-untyped-def]
    """Return the response of a leaf that telemetry should show by now: ``x`` of `each`, ``m`` of `leaf`."""
    return expected_kw(weigh(m[MEMORY.SENT :], weight), x[EACH.UP_KW], x[EACH.DOWN_KW])


@kernel
def recall(start, now, each, group, leaf):  # type: ignore[no-untyped-def]
    """Begin the memory anew where ``start``; take in what was asked and what was sent by now."""
    if start:
        group[:], leaf[:, :], leaf[:, MEMORY.GAIN] = 0.0, 0.0, 1.0
    group[GROUP.STEP] += 1.0
    push(group[GROUP.PAST :], now[NOW.TARGET_KW])
    for j in range(leaf.shape[0]):
        push(leaf[j, MEMORY.SENT :], each[j, EACH.SENT_A])
