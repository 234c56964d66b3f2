"""The aggregator's view: all that it knows at a decision, and nothing else; observations are cut from it."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S
from der_gym.engine.compile import kernel, part
from der_gym.engine.schema import Table
from der_gym.engine.tables import CAPABILITY
from der_gym.network import tables as net
from der_gym.signals import table as columns
from der_gym.simulation import metering

BIN_S = 300
N_AHEAD = 3  # blocks shown: this one and the next two, whose plan is frozen
N_REQUEST = 6  # past requests shown, one per five minutes

_PAST = "\n".join(
    f"request_{5 * (k + 1)}_min_ago_kw | kW | aggregator | request {5 * (k + 1)} minutes ago" for k in range(N_REQUEST)
)
WORLD = Table(
    "view of the world",
    "float64 (n_world, N)",
    """
    episode_left      | -       | aggregator | part of the episode that is left
    hour_sin          | -       | aggregator | sine of the hour of the day
    hour_cos          | -       | aggregator | cosine of the hour of the day
    weekend           | -       | aggregator | 1 on Saturday, Sunday and holidays
    summer            | -       | aggregator | 1 in summer
    winter            | -       | aggregator | 1 in winter
    temp_c            | degC    | aggregator | outdoor temperature
    sun_kw_m2         | kW/m2   | aggregator | global irradiance
    spot_yen          | yen/kWh | aggregator | day-ahead price now
    spot_next_yen     | yen/kWh | aggregator | day-ahead price of the next half hour
    """,
)
SERVICE = Table(
    "view of the services",
    "float64 (n_world, n_service, N): what is known of each service and its node",
    """
    award_kw   | kW | aggregator | reserved power of this block
    plan_kw    | kW | aggregator | plan of the node for this block
    request_kw | kW | aggregator | request announced last: for this 5-minute bin; a simple command 15 minutes ahead
    """
    + _PAST
    + """
    target_kw         | kW      | aggregator | target of the coming minute
    target_bin_end_kw | kW      | aggregator | target at the end of this 5-minute bin
    seen_kw           | kW      | aggregator | power by telemetry, stale reports too; silent homes as planned
    response_kw       | kW      | aggregator | plan minus seen power
    error_bin_kw      | kW      | aggregator | mean seen error over this 5-minute bin so far
    bin_left          | -       | aggregator | part of the 5-minute bin that is left
    block_left        | -       | aggregator | part of the block that is left
    failed_before     | -       | aggregator | failed blocks of the 30 days before the episode
    unit_kw           | kW      | aggregator | the episode's award: the unit of the fields above
    """,
)
LEAF = Table(
    "view of the leaves",
    "float64 (n_world, n_leaf, N)",
    """
    seen_kw    | kW  | aggregator | power by telemetry
    plan_kw    | kW  | aggregator | the leaf's part of the plan
    age_mean_s   | s | aggregator | age of the last reports, mean by rated kW; silent devices left out
    silent_share | - | aggregator | rated kW of silent devices, which sent no report in the last hour, over all
    sent_a     | -   | aggregator | fraction of the last message sent, while it holds
    arrived_a  | -   | aggregator | fraction of the newest message that should have arrived (p95 of the way)
    up_kw      | kW  | aggregator | upward kW that reachable devices could hold for 30 minutes (5 min old)
    down_kw    | kW  | aggregator | downward kW, likewise
    stored_kwh | kWh | aggregator | energy that upward response can draw on, likewise
    quota_left | -   | aggregator | part of the day's commands that is left
    wait_s     | s   | aggregator | time until the path takes the next command
    """,
)
BLOCK = Table(
    "view of the blocks",
    "float64 (n_world, n_service, N_AHEAD, N): this block and the next",
    """
    award_kw | kW | aggregator | reserved power of this and the next blocks
    plan_kw  | kW | aggregator | frozen plan of this and the next blocks
    """,
)

_CLOCK = np.arange(DAY_S // 60) * (2 * np.pi / (DAY_S // 60))
_SIN, _COS = np.sin(_CLOCK), np.cos(_CLOCK)


@part
def note_leaves(  # type: ignore[no-untyped-def]
    w, t, leaf, sent, offer_lane, seen_sum, seen_n, quiet_since_s, offered_since_s, sent_sum
):
    """Keep the sums that the aggregator makes of the leaves that it has just seen.

    Parameters
    ----------
    leaf : float64 (n_world, n_leaf, LEAF.N)
    sent : float64 (n_world, n_lane, SENDER.N)
        Lane ``k n_leaf + j`` is stream ``k`` to leaf ``j``.
    offer_lane : int
        First lane of the offers of pay; -1 where none are made.
    seen_sum : float64 (n_world, n_leaf); seen_n : float64 (n_world,)
        Sum and count of the seen power over this half hour.
    quiet_since_s, offered_since_s : float64 (n_world, n_leaf)
        Last moment at which the leaf was under command, and at which an offer was in force.
    sent_sum : float64 (n_world, n_leaf, 2)
        Sums of the upward and of the downward fractions in force over this half hour.
    """
    seen_n[w] += 1.0
    for j in range(leaf.shape[1]):
        seen_sum[w, j] += leaf[w, j, LEAF.SEEN_KW]
        sent_sum[w, j, 0] += max(leaf[w, j, LEAF.SENT_A], 0.0)
        sent_sum[w, j, 1] += min(leaf[w, j, LEAF.SENT_A], 0.0)
        for lane in range(j, sent.shape[1], leaf.shape[1]):  # messages of every kind move the devices
            if sent[w, lane, net.SENDER.SENT_A] != 0.0 and sent[w, lane, net.SENDER.SENT_UNTIL] > t:
                if lane - j == offer_lane:
                    offered_since_s[w, j] = t
                else:
                    quiet_since_s[w, j] = t


@kernel
def publish(  # type: ignore[no-untyped-def]
    w0, w1, n_shard, active, t_s, abs_s, seen, capability, horizon_s, day0, kinds, window, plan_leaf, rated_kw, leaf_of,
    gate, book, mail, offer_lane, seen_sum, seen_n, quiet_since_s, offered_since_s, sent_sum, world, leaf,
):  # fmt: skip
    """Write the aggregator's knowledge of the world and of its leaves at the moment ``t_s``.

    Parameters
    ----------
    day0 : int64 (n_world,); kinds : int64 (n_world, n_day, 3)
        The first day's number; weekend, season, storm of each day of the episode.
    window : float32 (n_world, SIGNALS.N, n_step)
    plan_leaf : float64 (n_world, n_block, n_leaf)
    seen : float64 (S, n_cell, SEEN.N); capability (S, n_cell, CAPABILITY.N)
        The aggregator's sums of each shard; capability as reported at the latest refresh.
    rated_kw : float64 (n_world, n_cell)
    offer_lane, seen_sum, seen_n, quiet_since_s, offered_since_s, sent_sum
        See `note_leaves`.
    """
    n_block = plan_leaf.shape[1]
    for w in range(w0, w1):
        if not active[w]:
            continue
        t = t_s[w]
        row = world[w]
        k = min(int(t) // BLOCK_S, n_block - 1)
        sod = abs_s[w] % DAY_S
        step = min(int(t) // REFRESH_S, window.shape[2] - 1)
        later = min(step + BLOCK_S // REFRESH_S, window.shape[2] - 1)
        row[WORLD.EPISODE_LEFT] = 1.0 - t / horizon_s
        row[WORLD.HOUR_SIN], row[WORLD.HOUR_COS] = _SIN[sod // 60], _COS[sod // 60]
        today = kinds[w, min(abs_s[w] // DAY_S - day0[w], kinds.shape[1] - 1)]
        row[WORLD.WEEKEND] = today[0]
        row[WORLD.SUMMER] = 1.0 if today[1] == 1 else 0.0
        row[WORLD.WINTER] = 1.0 if today[1] == 2 else 0.0
        row[WORLD.TEMP_C] = window[w, columns.SIGNALS.TEMP_C, step]
        row[WORLD.SUN_KW_M2] = window[w, columns.SIGNALS.SUN_KW_M2, step]
        row[WORLD.SPOT_YEN] = window[w, columns.SIGNALS.SPOT_YEN, step]
        row[WORLD.SPOT_NEXT_YEN] = window[w, columns.SIGNALS.SPOT_YEN, later]
        add_cells(w, n_shard, leaf_of, seen, capability, rated_kw, leaf[w])
        for j in range(leaf.shape[1]):
            out, sent = leaf[w, j], book[w, j]
            rated, silent = max(out[LEAF.WAIT_S], 1e-9), out[LEAF.SILENT_SHARE]
            aged, heard = out[LEAF.AGE_MEAN_S], rated - silent
            out[LEAF.AGE_MEAN_S] = max(t - aged / heard, 0.0) if heard > 1e-6 * rated else metering.SILENT_S
            out[LEAF.SILENT_SHARE] = silent / rated
            out[LEAF.PLAN_KW] = plan_leaf[w, k, j]
            out[LEAF.SENT_A] = sent[net.SENDER.SENT_A] if sent[net.SENDER.SENT_UNTIL] > t else 0.0
            out[LEAF.ARRIVED_A] = _arrived(
                mail[w, j, : int(gate[j, net.GATE.DEPTH])],
                int(sent[net.SENDER.HEAD]),
                t,
                gate[j, net.GATE.ON_WAY_S],
            )
            out[LEAF.QUOTA_LEFT] = sent[net.SENDER.QUOTA] / gate[j, net.GATE.QUOTA_PER_DAY]
            out[LEAF.WAIT_S] = max(sent[net.SENDER.SENT_S] + gate[j, net.GATE.INTERVAL_S] - t, 0.0)
        note_leaves(w, t, leaf, book, offer_lane, seen_sum, seen_n, quiet_since_s, offered_since_s, sent_sum)


@kernel
def publish_service(  # type: ignore[no-untyped-def]
    w0, w1, i, active, t_s, leaf_weight, award, plan, house_kw, receiving, request, target, failed, unit_kw, leaf,
    standing, silent, bin_error, service, block,
):  # fmt: skip
    """Write the aggregator's knowledge of its service number ``i``, after `publish`.

    Parameters
    ----------
    leaf_weight : float64 (n_leaf,)
        The node's part of each control leaf.
    award, plan : float64 (n_world, n_block); request (n_world, n_bin); target (n_world, n_minute)
    house_kw : float64 (n_world, n_block)
        The plan's part for the homes' own load and PV, counted where ``receiving``.
    failed : int64 (n_world,); unit_kw : float64 (n_world,)
    leaf : float64 (n_world, n_leaf, LEAF.N)
    standing : bool (n_world, n_block, n_leaf)
        Where leaves stand by for a service.
    silent : float64 (n_leaf, 2)
        Expected part of a leaf's plan that is of homes which cannot report: by its own schedule; where it stands by.
    bin_error : float64 (n_world, 2)
        Sum and count of the seen error over the decisions of this 5-minute bin.
    service : float64 (n_world, n_service, SERVICE.N); block (n_world, n_service, N_AHEAD, BLOCK.N)
        Out.
    """
    n_block, n_bin, n_min = award.shape[1], request.shape[1], target.shape[1]
    for w in range(w0, w1):
        if not active[w]:
            continue
        t = t_s[w]
        row, ahead = service[w, i], block[w, i]
        k, b = min(int(t) // BLOCK_S, n_block - 1), min(int(t) // BIN_S, n_bin - 1)
        m = min(int(t) // 60, n_min - 1)
        row[SERVICE.AWARD_KW], row[SERVICE.PLAN_KW], row[SERVICE.REQUEST_KW] = award[w, k], plan[w, k], request[w, b]
        for past in range(N_REQUEST):
            row[SERVICE.REQUEST_5_MIN_AGO_KW + past] = request[w, b - 1 - past] if b - 1 - past >= 0 else 0.0
        row[SERVICE.TARGET_KW], row[SERVICE.TARGET_BIN_END_KW] = target[w, m], target[w, min(5 * b + 4, n_min - 1)]
        row[SERVICE.BIN_LEFT] = 1.0 - (t - b * BIN_S) / BIN_S
        row[SERVICE.BLOCK_LEFT] = 1.0 - (t - k * BLOCK_S) / BLOCK_S
        row[SERVICE.FAILED_BEFORE], row[SERVICE.UNIT_KW] = failed[w], unit_kw[w]
        for n in range(ahead.shape[0]):
            ahead[n, BLOCK.AWARD_KW] = award[w, k + n] if k + n < n_block else 0.0
            ahead[n, BLOCK.PLAN_KW] = plan[w, k + n] if k + n < n_block else 0.0
        total = house_kw[w, k] if receiving else 0.0
        for j in range(leaf.shape[1]):
            unseen_kw = leaf[w, j, LEAF.PLAN_KW] * silent[j, 1 if standing[w, k, j] else 0]
            total += (leaf[w, j, LEAF.SEEN_KW] + unseen_kw) * leaf_weight[j]
        row[SERVICE.SEEN_KW], row[SERVICE.RESPONSE_KW] = total, row[SERVICE.PLAN_KW] - total
        row[SERVICE.ERROR_BIN_KW] = bin_error[w, 0] / max(bin_error[w, 1], 1.0)
        if int(t) % BIN_S == 0:
            bin_error[w, 0], bin_error[w, 1] = 0.0, 0.0
        bin_error[w, 0] += row[SERVICE.RESPONSE_KW] - row[SERVICE.TARGET_KW]
        bin_error[w, 1] += 1.0


@part
def add_cells(w, n_shard, leaf_of, seen, capability, rated_kw, leaf):  # type: ignore[no-untyped-def]
    """Sum the cells up to their leaves: power, capability, and, until `publish` goes on, times and rated kW.

    AGE_MEAN_S holds the sum of rated kW x time of the report, WAIT_S that of rated kW, SILENT_SHARE that of silent kW.

    Parameters
    ----------
    w, n_shard : int
        World; shards of a world.
    leaf_of : int64 (n_cell,)
        Leaf of each cell.
    seen : float64 (S, n_cell, SEEN.N); capability : float64 (S, n_cell, CAPABILITY.N)
    rated_kw : float64 (n_world, n_cell)
    leaf : float64 (n_leaf, LEAF.N)
        Out.
    """
    for j in range(leaf.shape[0]):
        row = leaf[j]
        row[LEAF.SEEN_KW], row[LEAF.AGE_MEAN_S], row[LEAF.WAIT_S], row[LEAF.SILENT_SHARE] = 0.0, 0.0, 0.0, 0.0
        row[LEAF.UP_KW], row[LEAF.DOWN_KW], row[LEAF.STORED_KWH] = 0.0, 0.0, 0.0
    for c in range(leaf_of.shape[0]):
        row = leaf[leaf_of[c]]
        row[LEAF.SEEN_KW] += metering.folded(seen, w, n_shard, c, metering.SEEN.SEEN_KW)
        row[LEAF.AGE_MEAN_S] += metering.folded(seen, w, n_shard, c, metering.SEEN.AGED_KW_S)
        row[LEAF.WAIT_S] += rated_kw[w, c]
        row[LEAF.SILENT_SHARE] += metering.folded(seen, w, n_shard, c, metering.SEEN.SILENT_KW)
        row[LEAF.UP_KW] += metering.folded(capability, w, n_shard, c, CAPABILITY.UP_KW)
        row[LEAF.DOWN_KW] += metering.folded(capability, w, n_shard, c, CAPABILITY.DOWN_KW)
        row[LEAF.STORED_KWH] += metering.folded(capability, w, n_shard, c, CAPABILITY.STORED_KWH)


@part
def _arrived(mail, head, t, way_s):  # type: ignore[no-untyped-def]
    """Return the fraction of the newest message that should have arrived by now (p95 of the way), 0 where none.

    ``head`` is the ring's next slot: the newest message stands before it, and older ones end earlier.
    """
    n = mail.shape[0]
    for k in range(1, n + 1):
        m = mail[net.wrapped(head - k, n)]
        if not m[net.MAIL.VALID_UNTIL] > t:
            return 0.0
        if m[net.MAIL.T_CLOUD] + way_s <= t:
            return m[net.MAIL.A]
    return 0.0


class AggregatorView:
    """The knowledge of the aggregators of ``n_world`` worlds: float64 arrays with the columns of the tables above."""

    def __init__(self, n_world: int, n_leaf: int, n_service: int, n_own: int = 0) -> None:
        self.world = np.zeros((n_world, WORLD.N))
        self.service = np.zeros((n_world, n_service, SERVICE.N))
        self.leaf = np.zeros((n_world, n_leaf, LEAF.N))
        self.block = np.zeros((n_world, n_service, N_AHEAD, BLOCK.N))
        self.own = np.zeros((n_world, n_own))  # the services' own fields, side by side

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {f"view.{name}": getattr(self, name) for name in ("world", "service", "leaf", "block", "own")}
