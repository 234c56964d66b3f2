"""What the aggregator knows of the leaves as a gate closes, and the plan that follows from it."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import BLOCK_S
from der_gym.engine.compile import kernel, part
from der_gym.engine.schema import Table
from der_gym.engine.tables import CAPABILITY, FLEET
from der_gym.simulation import metering

QUIET_S = 3600.0  # a leaf under command within the last hour shows nothing of its own schedule
REPORTED_S = np.float32(3600.0)  # a device whose last report is older counts as silent
LEAST_SHARE = 0.2  # a leaf with fewer reports is not scaled up further
_ZERO = np.float32(0.0)

PLAN_STATE = Table(
    "plan state",
    "float64 (n_world, n_leaf, N): the leaves as a gate closes, per nominal kW; silent devices are like the others",
    """
    up_kw      | -  | aggregator | kW that could be given up for 30 minutes against the own schedule
    down_kw    | -  |            | kW that could be taken on
    stored_kwh | h  |            | energy that upward response can draw on
    seen_kw    | -  |            | seen power less the base of the block; 0 where a command was in force within the hour
    sent_up    | -  |            | mean upward fraction in force over the last hour
    sent_down  | -  |            | mean downward fraction in force over the last hour, below 0
    """,
)
REPORTING = Table(
    "reporting",
    "float64 (S, n_cell, N): whose reports stand in the aggregator's table",
    """
    heard_kw    | kW | aggregator | rated kW of the devices that reported within the hour
    enrolled_kw | kW |            | rated kW of all devices in the list
    """,
)


@kernel
def count_reporting(s0, s1, n_shard, due, t_s, lo, hi, fleet, out):  # type: ignore[no-untyped-def]
    """Write each cell's rated kW, of devices that report and of all, where a gate closes.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    due : bool (n_world,); t_s : float64 (n_world,)
        Where a gate closes; seconds of the episode.
    lo, hi : int64 (n_cell,)
        First place of each cell, and the one after its last.
    fleet : float32 (S, FLEET.N, N)
    out : float64 (S, n_cell, REPORTING.N)
        Out.
    """
    for s in range(s0, s1):
        if not due[s // n_shard]:
            continue
        rated, when, gain = fleet[s, FLEET.RATED_KW], fleet[s, FLEET.SEEN_S], fleet[s, FLEET.METER_GAIN]
        since = np.float32(t_s[s // n_shard]) - REPORTED_S
        for c in range(lo.shape[0]):
            heard, enrolled = 0.0, 0.0
            for i in range(lo[c], hi[c]):
                kw = np.float64(rated[i] if gain[i] > _ZERO else _ZERO)
                enrolled += kw
                heard += kw if when[i] >= since else 0.0
            out[s, c, REPORTING.HEARD_KW], out[s, c, REPORTING.ENROLLED_KW] = heard, enrolled


@part
def leaf_sum(parts, w, n_shard, leaf_of, j, column):  # type: ignore[no-untyped-def]
    """Return the sum of a column over the cells of leaf ``j`` of world ``w``."""
    total = 0.0
    for c in range(leaf_of.shape[0]):
        if leaf_of[c] == j:
            total += metering.folded(parts, w, n_shard, c, column)
    return total


@part
def heard_share(reporting, w, n_shard, leaf_of, j):  # type: ignore[no-untyped-def]
    """Return the part of a leaf, by rated kW, that reports; at least ``LEAST_SHARE``, and 1 for an empty leaf."""
    heard = leaf_sum(reporting, w, n_shard, leaf_of, j, REPORTING.HEARD_KW)
    enrolled = leaf_sum(reporting, w, n_shard, leaf_of, j, REPORTING.ENROLLED_KW)
    return max(heard / enrolled, LEAST_SHARE) if enrolled > 0.0 else 1.0


@kernel
def read_state(  # type: ignore[no-untyped-def]
    w0, w1, ends, t_s, n_shard, leaf_of, capability, seen, reporting, nominal_kw, base_kw, sent_sum, sent_before,
    seen_n, quiet_since_s, state,
):  # fmt: skip
    """Write the leaves' state where a block ``ends``, for the gate that closes now.

    Parameters
    ----------
    ends : bool (n_world,); t_s : float64 (n_world,)
    leaf_of : int64 (n_cell,)
        Leaf of each cell.
    capability, seen, reporting : float64 (S, n_cell, .)
        Tables CAPABILITY (of devices whose link is up), SEEN and REPORTING.
    nominal_kw : float64 (n_leaf,)
    base_kw : float64 (n_world, n_block, n_leaf)
    sent_sum, sent_before : float64 (n_world, n_leaf, 2); seen_n : float64 (n_world,)
        Sums of the upward and downward fractions in force at the decisions of this half hour, and their mean in the
        half hour before; number of decisions.
    quiet_since_s : float64 (n_world, n_leaf)
        Last moment at which the leaf was under command.
    state : float64 (n_world, n_leaf, PLAN_STATE.N)
        Out.
    """
    for w in range(w0, w1):
        ahead = int(t_s[w]) // BLOCK_S + 2
        if not ends[w] or ahead >= base_kw.shape[1]:
            continue
        n = max(seen_n[w], 1.0)
        for j in range(base_kw.shape[2]):
            row = state[w, j]
            scale = 1.0 / (heard_share(reporting, w, n_shard, leaf_of, j) * nominal_kw[j])
            row[PLAN_STATE.UP_KW] = leaf_sum(capability, w, n_shard, leaf_of, j, CAPABILITY.UP_KW) * scale
            row[PLAN_STATE.DOWN_KW] = leaf_sum(capability, w, n_shard, leaf_of, j, CAPABILITY.DOWN_KW) * scale
            row[PLAN_STATE.STORED_KWH] = leaf_sum(capability, w, n_shard, leaf_of, j, CAPABILITY.STORED_KWH) * scale
            shown = leaf_sum(seen, w, n_shard, leaf_of, j, metering.SEEN.SEEN_KW) * scale
            quiet = t_s[w] - quiet_since_s[w, j] >= QUIET_S
            row[PLAN_STATE.SEEN_KW] = shown - base_kw[w, ahead, j] / nominal_kw[j] if quiet else 0.0
            row[PLAN_STATE.SENT_UP] = (sent_sum[w, j, 0] / n + sent_before[w, j, 0]) * 0.5
            row[PLAN_STATE.SENT_DOWN] = (sent_sum[w, j, 1] / n + sent_before[w, j, 1]) * 0.5


_TOLD = (PLAN_STATE.UP_KW, PLAN_STATE.DOWN_KW, PLAN_STATE.STORED_KWH, PLAN_STATE.SEEN_KW)


@kernel
def recall_state(  # type: ignore[no-untyped-def]
    w0, w1, ends, t_s, start_h, row_of, usual, fading, quiet_since_s, offered_since_s, kept, state
):
    """Put what a leaf showed before it was offered pay in the place of what it shows now, where a block ``ends``.

    A leaf to which an offer was in force within the hour shows its owners' answers. Its plan is to be that of the same
    leaf without offers. So its state is the usual one of that gate, and what the last gate without offers showed beyond
    the usual of its own; this fades from gate to gate, as fast as it did on the days of training.

    Parameters
    ----------
    ends : bool (n_world,); t_s : float64 (n_world,)
    start_h : int64 (n_world,); row_of : int64 (24,)
        Hour of the episode's start; that hour's place in the model.
    usual : float64 (n_start, n_block, n_leaf, PLAN_STATE.N)
        Mean state of leaves that are left alone.
    fading : float64 (n_leaf, PLAN_STATE.N)
        What is left of a state beyond the usual one gate later.
    quiet_since_s, offered_since_s : float64 (n_world, n_leaf)
        Last moment at which the leaf was under command, and at which an offer was in force.
    kept : float64 (n_world, n_leaf, PLAN_STATE.N)
        What a leaf showed beyond the usual; updated.
    state : float64 (n_world, n_leaf, PLAN_STATE.N)
        Updated. What was sent stands; seen power stays out of it while a command was in force within the hour.
    """
    for w in range(w0, w1):
        b, r = int(t_s[w]) // BLOCK_S + 2, row_of[start_h[w]]
        for j in range(state.shape[1] if ends[w] and b < usual.shape[1] else 0):
            offered = t_s[w] - offered_since_s[w, j] < QUIET_S
            commanded = t_s[w] - quiet_since_s[w, j] < QUIET_S
            for k in _TOLD:
                hidden = commanded and k == PLAN_STATE.SEEN_KW
                shown = 0.0 if hidden else state[w, j, k] - usual[r, b, j, k]
                kept[w, j, k] = kept[w, j, k] * fading[j, k] if offered else shown
                if offered and not hidden:
                    state[w, j, k] = usual[r, b, j, k] + kept[w, j, k]


@kernel
def freeze_forecast(  # type: ignore[no-untyped-def]
    w0, w1, ends, t_s, start_h, row_of, weight, least, greatest, nominal_kw, outlook, state, stands, loads, base_kw,
    quiet_since_s, plan_leaf_kw,
):  # fmt: skip
    """Freeze the plan of the block two ahead where a block ``ends``: outlook and weighted state, within bounds.

    The plan of a load that was under command within the hour is its base at most: else a controller that switches
    loads before a gate could raise its own yardstick, for the weights are means over all commands.

    Parameters
    ----------
    ends : bool (n_world,); t_s : float64 (n_world,)
    start_h : int64 (n_world,); row_of : int64 (24,)
        Hour of the episode's start; that hour's place in the model.
    weight : float64 (n_start, n_block, n_leaf, PLAN_STATE.N)
        Weights of the state.
    least, greatest : float64 (n_start, n_block, n_leaf)
        Bounds of the plan per nominal kW.
    nominal_kw : float64 (n_leaf,)
    outlook : float64 (n_world, n_block, n_leaf)
        Part of the plan that clock, weather and the days before give, per nominal kW.
    state : float64 (n_world, n_leaf, PLAN_STATE.N)
    stands : bool (n_world, n_block, n_leaf)
        Leaves that stand by as a whole: their plan is the base, that of the homes that do not hear of it.
    loads : bool (n_leaf,)
        Leaves without stores that stand by for a service.
    base_kw : float64 (n_world, n_block, n_leaf); quiet_since_s : float64 (n_world, n_leaf)
        See `read_state`.
    plan_leaf_kw : float64 (n_world, n_block, n_leaf)
        Updated.
    """
    n_block, n_leaf = plan_leaf_kw.shape[1], plan_leaf_kw.shape[2]
    for w in range(w0, w1):
        b, r = int(t_s[w]) // BLOCK_S + 2, row_of[start_h[w]]
        for j in range(n_leaf if ends[w] and b < n_block else 0):
            total = outlook[w, b, j]
            for k in range(PLAN_STATE.N):
                total += weight[r, b, j, k] * state[w, j, k]
            held = min(max(total, least[r, b, j]), greatest[r, b, j]) * nominal_kw[j]
            if loads[j] and t_s[w] - quiet_since_s[w, j] < QUIET_S:
                held = min(held, base_kw[w, b, j])
            plan_leaf_kw[w, b, j] = base_kw[w, b, j] if stands[w, b, j] else held


@kernel
def begin_half_hour(w0, w1, ends, seen_sum, seen_n, sent_sum, sent_before):  # type: ignore[no-untyped-def]
    """Begin the sums of seen power and sent fractions anew where a block ``ends``; keep the fractions' means."""
    for w in range(w0, w1):
        if ends[w]:
            n = max(seen_n[w], 1.0)
            for j in range(seen_sum.shape[1]):
                seen_sum[w, j] = 0.0
                for k in range(2):
                    sent_before[w, j, k], sent_sum[w, j, k] = sent_sum[w, j, k] / n, 0.0
            seen_n[w] = 0.0
