"""Rows of the arrays that the network's kernels share."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import scalar

NEVER_S = np.float32(1e9)  # a time that does not come
NEVER = np.uint16(65_535)  # the ring's code of it
LAST = np.float32(65_534.0)  # its last moment
QUANTILE_STEPS = 256  # entries of a path's latency table
LOST_AT = QUANTILE_STEPS  # its place of what is lost

_HALF = np.float32(0.5)

# path row: float32 (n_cell, N_PATH), constants of a cell's path
LOSS = 0
MISSED_POLL = 1
POLL_A_S = 2  # poll periods of the two groups of devices; 0: pushed
POLL_B_S = 3
POLL_A_SHARE = 4
LONGEST_S = 5  # a message still under way after so long is dropped
TELEMETRY_S = 6
TELEMETRY_DELAY_S = 7
TELEMETRY_LOSS = 8
STEP_S = 9  # the ring's unit of time: a power of two, so that a moment is exact
N_PATH = 10

# mail: float64 (n_world, n_leaf, n_slot, N_MAIL), the messages of a leaf; of the slots the first DEPTH are its ring
T_SENT = 0
T_CLOUD = 1  # when the last of the leaf's clouds has it
VALID_UNTIL = 2
KIND = 3  # 0 dispatch, 1 rule, 2 incentive
A = 4
B = 5
T_LAST = 6  # last arrival at a device, -1 when the slot is free
N_MAIL = 7

# leaf: float64 (n_world, n_leaf, N_LEAF), the sender's book
SENT_A = 0  # fraction of the last message sent
SENT_B = 1
SENT_KIND = 2
SENT_S = 3
SENT_UNTIL = 4
QUOTA = 5  # commands left today per unit
HEAD = 6  # next slot of the ring
OLDEST = 7  # oldest slot whose message is still under way
FLYING = 8  # messages under way
N_SENT = 9  # messages sent in the episode
DIRTY = 10  # 1 when devices' CMD_START and CMD_END may differ
EXPIRES_S = 11  # earliest end of a message that may be in force
N_LEAF = 12

# leaf settings: float64 (n_leaf, N_GATE)
INTERVAL_S = 0
HOLD_S = 1
REFRESH_BEFORE_S = 2  # a message in force is sent again so long before its end
QUOTA_PER_DAY = 3
N_UNIT = 4
CHANGE = 5
ON_WAY_S = 6  # p95 of the way: after so long the sender takes a message as arrived
DEPTH = 7  # messages that can be under way at once: slots of the leaf's ring
N_GATE = 8

# cloud: float64 (n_world, n_cloud, N_CLOUD): backlog and outages
FREE_S = 0
OUT = 1  # then pairs (from, to) of outages, in order
N_OUTAGE = 6
N_CLOUD = 1 + 2 * N_OUTAGE


@scalar
def code(t, since, per_s):  # type: ignore[no-untyped-def]
    """Return the ring's code, uint16, of the moment ``t``, s: steps of 1 / ``per_s`` after ``since``, or `NEVER`."""
    steps = np.uint16(min((t - since) * per_s + _HALF, LAST))
    return NEVER if t >= NEVER_S else steps


@scalar
def moment(arrive, since, step):  # type: ignore[no-untyped-def]
    """Return the moment of a code of the ring, float32 s; see `code`."""
    t = since + step * np.float32(arrive)
    return NEVER_S if arrive == NEVER else t


@scalar
def wrapped(slot, n_slot):  # type: ignore[no-untyped-def]
    """Return the place of ``slot`` in a ring, for -n_slot <= slot < 2 n_slot: a division takes ten times as long."""
    slot = slot - n_slot if slot >= n_slot else slot
    return slot + n_slot if slot < 0 else slot
