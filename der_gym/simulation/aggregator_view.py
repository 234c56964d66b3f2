"""The public table: all that an aggregator knows at a decision, and nothing else; observations are cut from it."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S
from der_gym.engine.compile import kernel, part
from der_gym.network import tables as net
from der_gym.signals import table as columns
from der_gym.simulation import metering

BIN_S = 300
N_AHEAD = 3  # blocks shown: this one and the next two, whose plan is frozen
N_REQUEST = 6  # past requests shown, one per five minutes

WORLD = (
    "award_kw",
    "plan_kw",
    "request_kw",
    *(f"request_{5 * (k + 1)}_min_ago_kw" for k in range(N_REQUEST)),
    "target_kw",
    "target_bin_end_kw",
    "seen_kw",
    "response_kw",
    "error_bin_kw",
    "bin_left",
    "block_left",
    "episode_left",
    "hour_sin",
    "hour_cos",
    "weekend",
    "summer",
    "winter",
    "temp_c",
    "sun_kw_m2",
    "spot_yen",
    "spot_next_yen",
    "failed_before",
    "unit_kw",
)
LEAF = (
    "seen_kw",
    "plan_kw",
    "age_mean_s",
    "age_max_s",
    "sent_a",
    "arrived_a",
    "up_kw",
    "down_kw",
    "stored_kwh",
    "quota_left",
    "wait_s",
)
BLOCK = ("award_kw", "plan_kw")

W_, L_, B_ = ({name: i for i, name in enumerate(names)} for names in (WORLD, LEAF, BLOCK))
(AWARD, PLAN, REQUEST, PAST, TARGET, TARGET_END, SEEN, RESPONSE, ERROR_BIN, BIN_LEFT) = (
    W_[n]
    for n in (
        "award_kw",
        "plan_kw",
        "request_kw",
        "request_5_min_ago_kw",
        "target_kw",
        "target_bin_end_kw",
        "seen_kw",
        "response_kw",
        "error_bin_kw",
        "bin_left",
    )
)
BLOCK_LEFT, EPISODE_LEFT, SIN, COS = W_["block_left"], W_["episode_left"], W_["hour_sin"], W_["hour_cos"]
WEEKEND, SUMMER, WINTER = W_["weekend"], W_["summer"], W_["winter"]
TEMP, SUN, SPOT, SPOT_NEXT, FAILED, UNIT = (
    W_[n] for n in ("temp_c", "sun_kw_m2", "spot_yen", "spot_next_yen", "failed_before", "unit_kw")
)
L_SEEN, L_PLAN, L_AGE, L_AGE_MAX, L_SENT, L_ARRIVED, L_UP, L_DOWN, L_STORED, L_QUOTA, L_WAIT = range(len(LEAF))

_CLOCK = np.arange(DAY_S // 60) * (2 * np.pi / (DAY_S // 60))
_SIN, _COS = np.sin(_CLOCK), np.cos(_CLOCK)


@part
def note(w0, w1, active, t_s, world, leaf, sent, bin_error, seen_sum, seen_n, quiet_since_s):  # type: ignore[no-untyped-def]
    """Keep what the aggregator reckons from the public table it has just got.

    Parameters
    ----------
    world, leaf : the public table
    sent : float64 (n_world, n_leaf, net.N_LEAF)
        The sender's book.
    bin_error : float64 (n_world, 2)
        Sum and count of the seen error over the minutes of this 5-minute bin.
    seen_sum : float64 (n_world, n_leaf); seen_n : float64 (n_world,)
        Sum and count of the seen power over this half hour.
    quiet_since_s : float64 (n_world, n_leaf)
        Last moment at which the leaf was under command.
    """
    for w in range(w0, w1):
        if not active[w]:
            continue
        if int(t_s[w]) % BIN_S == 0:
            bin_error[w, 0], bin_error[w, 1] = 0.0, 0.0
        bin_error[w, 0] += world[w, RESPONSE] - world[w, TARGET]
        bin_error[w, 1] += 1.0
        seen_n[w] += 1.0
        for j in range(leaf.shape[1]):
            seen_sum[w, j] += leaf[w, j, L_SEEN]
            if sent[w, j, net.SENT_A] != 0.0 and sent[w, j, net.SENT_UNTIL] > t_s[w]:
                quiet_since_s[w, j] = t_s[w]


@kernel
def publish(  # type: ignore[no-untyped-def]
    w0, w1, n_shard, active, t_s, abs_s, seen, capability, horizon_s, day0, kinds, failed, unit_kw, window, award, plan,
    plan_leaf, house_kw, request, target, rated_kw, leaf_of, gate, book, mail, bin_error, seen_sum, seen_n,
    quiet_since_s, world, leaf, block,
):  # fmt: skip
    """Write the public table at the moment ``t_s``, then `note` what it says.

    Parameters
    ----------
    day0 : int64 (n_world,); kinds : int64 (n_world, n_day, 3)
        The first day's number; weekend, season, storm of each day of the episode.
    window : float32 (n_world, n_column, n_step)
    award : float64 (n_world, n_block); request (n_world, n_bin); target (n_world, n_minute)
    plan : float64 (n_world, n_block); plan_leaf (n_world, n_block, n_leaf)
    house_kw : float64 (n_world, n_block)
        The plan's part for the homes' own load and PV; 0 when metered at the devices.
    seen : float64 (S, n_cell, N_SEEN); capability (S, n_cell, N_CAPABILITY)
        The aggregator's sums of each shard; capability is what devices reported last, at the latest refresh.
    rated_kw : float64 (n_world, n_cell)
    bin_error : float64 (n_world, 2)
        Sum and count of the seen error over the minutes of this 5-minute bin.
    seen_sum, seen_n, quiet_since_s
        See `note`.
    """
    n_block, n_bin, n_min = award.shape[1], request.shape[1], target.shape[1]
    for w in range(w0, w1):
        if not active[w]:
            continue
        t = t_s[w]
        row = world[w]
        k, b = min(int(t) // BLOCK_S, n_block - 1), min(int(t) // BIN_S, n_bin - 1)
        m = min(int(t) // 60, n_min - 1)
        sod = abs_s[w] % DAY_S
        step = min(int(t) // REFRESH_S, window.shape[2] - 1)
        later = min(step + BLOCK_S // REFRESH_S, window.shape[2] - 1)
        row[AWARD], row[PLAN], row[REQUEST] = award[w, k], plan[w, k], request[w, b]
        for i in range(N_REQUEST):
            row[PAST + i] = request[w, b - 1 - i] if b - 1 - i >= 0 else 0.0
        row[TARGET], row[TARGET_END] = target[w, m], target[w, min(5 * b + 4, n_min - 1)]
        row[BIN_LEFT] = 1.0 - (t - b * BIN_S) / BIN_S
        row[BLOCK_LEFT] = 1.0 - (t - k * BLOCK_S) / BLOCK_S
        row[EPISODE_LEFT] = 1.0 - t / horizon_s
        row[SIN], row[COS] = _SIN[sod // 60], _COS[sod // 60]
        today = kinds[w, min(abs_s[w] // DAY_S - day0[w], kinds.shape[1] - 1)]
        row[WEEKEND] = today[0]
        row[SUMMER] = 1.0 if today[1] == 1 else 0.0
        row[WINTER] = 1.0 if today[1] == 2 else 0.0
        row[TEMP], row[SUN] = window[w, columns.TEMP_C, step], window[w, columns.SUN_KW_M2, step]
        row[SPOT], row[SPOT_NEXT] = window[w, columns.SPOT_YEN, step], window[w, columns.SPOT_YEN, later]
        row[FAILED], row[UNIT] = failed[w], unit_kw[w]
        for i in range(block.shape[1]):
            block[w, i, 0] = award[w, k + i] if k + i < n_block else 0.0
            block[w, i, 1] = plan[w, k + i] if k + i < n_block else 0.0
        add_cells(w, n_shard, leaf_of, seen, capability, rated_kw, leaf[w])
        total = house_kw[w, k]
        for j in range(leaf.shape[1]):
            out, sent = leaf[w, j], book[w, j]
            out[L_AGE] = min(t - out[L_AGE] / max(out[L_WAIT], 1e-9), metering.OLDEST_SHOWN_S)
            out[L_AGE_MAX] = min(t - out[L_AGE_MAX], metering.OLDEST_SHOWN_S)
            out[L_PLAN] = plan_leaf[w, k, j]
            out[L_SENT] = sent[net.SENT_A] if sent[net.SENT_UNTIL] > t else 0.0
            out[L_ARRIVED] = _arrived(
                mail[w, j, : int(gate[j, net.DEPTH])], int(sent[net.HEAD]), t, gate[j, net.ON_WAY_S]
            )
            out[L_QUOTA] = sent[net.QUOTA] / gate[j, net.QUOTA_PER_DAY]
            out[L_WAIT] = max(sent[net.SENT_S] + gate[j, net.INTERVAL_S] - t, 0.0)
            total += out[L_SEEN]
        row[SEEN], row[RESPONSE] = total, row[PLAN] - total
        row[ERROR_BIN] = bin_error[w, 0] / max(bin_error[w, 1], 1.0)
    note(w0, w1, active, t_s, world, leaf, book, bin_error, seen_sum, seen_n, quiet_since_s)


@part
def add_cells(w, n_shard, leaf_of, seen, capability, rated_kw, leaf):  # type: ignore[no-untyped-def]
    """Sum what is known of the cells up to their leaves: power, capability, and for a while times and rated kW.

    L_AGE holds the sum of rated kW x time of the report, L_WAIT that of rated kW, L_AGE_MAX the earliest report.
    """
    for j in range(leaf.shape[0]):
        row = leaf[j]
        row[L_SEEN], row[L_AGE], row[L_WAIT], row[L_AGE_MAX] = 0.0, 0.0, 0.0, 1e9
        row[L_UP], row[L_DOWN], row[L_STORED] = 0.0, 0.0, 0.0
    for c in range(leaf_of.shape[0]):
        row = leaf[leaf_of[c]]
        row[L_SEEN] += metering.folded(seen, w, n_shard, c, metering.SEEN)
        row[L_AGE] += metering.folded(seen, w, n_shard, c, metering.OLD)
        row[L_WAIT] += rated_kw[w, c]
        for s in range(w * n_shard, (w + 1) * n_shard):
            row[L_AGE_MAX] = min(row[L_AGE_MAX], seen[s, c, metering.OLDEST_S])
        row[L_UP] += metering.folded(capability, w, n_shard, c, metering.UP)
        row[L_DOWN] += metering.folded(capability, w, n_shard, c, metering.DOWN)
        row[L_STORED] += metering.folded(capability, w, n_shard, c, metering.STORED)


@part
def _arrived(mail, head, t, way_s):  # type: ignore[no-untyped-def]
    """Return the fraction of the newest message that should have arrived by now (p95 of the way), 0 where none.

    ``head`` is the ring's next slot: the newest message stands before it, and older ones end earlier.
    """
    n = mail.shape[0]
    for k in range(1, n + 1):
        m = mail[net.wrapped(head - k, n)]
        if not m[net.VALID_UNTIL] > t:
            return 0.0
        if m[net.T_CLOUD] + way_s <= t:
            return m[net.A]
    return 0.0


class AggregatorView:
    """The public table of ``n_world`` worlds, float64 arrays with columns WORLD, LEAF and BLOCK."""

    def __init__(self, n_world: int, n_leaf: int) -> None:
        self.world = np.zeros((n_world, len(WORLD)))
        self.leaf = np.zeros((n_world, n_leaf, len(LEAF)))
        self.block = np.zeros((n_world, N_AHEAD, len(BLOCK)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the table's arrays by name."""
        return {"view.world": self.world, "view.leaf": self.leaf, "view.block": self.block}
