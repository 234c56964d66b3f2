"""The arrays that the network's kernels share, and the codes of moments in a ring."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import scalar
from der_gym.engine.schema import Table

NEVER_S = np.float32(1e9)  # later than any time of an episode
NEVER = np.uint16(65_535)  # the ring's code of it
LAST = np.float32(65_534.0)  # its last moment
QUANTILE_STEPS = 256  # entries of a path's latency table
LOST_AT = QUANTILE_STEPS  # place of a lost message in it

_HALF = np.float32(0.5)

CHANNEL = Table(
    "channel",
    "float32 (n_cell, N): constants of the channel of a cell",
    """
    loss              | - | truth | share of messages that are lost
    missed_poll       | - |       | share of polls that fail
    poll_a_s          | s |       | poll period of the first group of devices; 0: pushed
    poll_b_s          | s |       | of the second group
    poll_a_share      | - |       | share of devices in the first group
    longest_s         | s |       | a message still under way after so long is dropped
    telemetry_s       | s |       | period of the reports
    telemetry_delay_s | s |       | way of a report
    telemetry_loss    | - |       | share of reports that are lost
    step_s            | s | engine | the ring's unit of time: a power of two, so that a moment is exact
    """,
)

MAIL = Table(
    "mail",
    "float64 (n_world, n_lane, n_slot, N): the messages of a lane; of the slots the first DEPTH are its ring",
    """
    t_sent      | s | aggregator | when it was sent
    t_cloud     | s | truth      | when the last of the leaf's clouds has it
    valid_until | s | aggregator | devices drop it then
    kind        | - |            | number of its stream: 0 dispatch
    a           | - |            | first value: the fraction of a dispatch
    b           | - |            | second value
    t_last      | s | truth      | last arrival at a device, -1 when the slot is free
    """,
)

SENDER = Table(
    "sender",
    "float64 (n_world, n_lane, N): the sender's book of each lane: a stream of messages to a leaf",
    """
    sent_a     | - | aggregator | fraction of the last message sent
    sent_b     | - |            | its second value
    sent_kind  | - |            | its kind
    sent_s     | s |            | when it was sent
    sent_until | s |            | when it ends
    quota      | - |            | commands left today per unit
    head       | - | engine     | next slot of the ring
    oldest     | - |            | oldest slot whose message is still under way
    flying     | - |            | messages under way
    n_sent     | - | aggregator | messages sent in the episode
    dirty      | - | engine     | 1 when devices' CMD_START and CMD_END may differ
    expires_s  | s |            | earliest end of a message that may be in force
    """,
)

GATE = Table(
    "gate",
    "float64 (n_lane, N): when a lane may send",
    """
    interval_s       | s | aggregator | least time between two messages
    hold_s           | s |            | a message holds so long
    refresh_before_s | s |            | a message in force is sent again so long before its end
    quota_per_day    | - |            | commands a day
    n_unit           | - |            | devices of the leaf
    change           | - |            | a first value that moves by no more than this is not sent
    change_b         | - |            | nor a second value that moves by no more than this
    on_way_s         | s |            | p95 of the way: after so long the sender takes a message as arrived
    depth            | - | engine     | messages that can be under way at once: slots of the leaf's ring
    """,
)

HOLD = Table(
    "hold",
    "float32 (S, n_row, n_place): what a device holds of a stream; dispatch alone keeps the first four, in FLEET",
    """
    a_start     | - | truth | first value in force when the tick starts, 0: no message
    a_end       | - |       | when it ends
    a_end_share | - |       | share of the tick under A_END, 0..1
    a_valid_s   | s |       | when the message in force ends
    b_start     | - |       | likewise of the second value
    b_end       | - |       |
    b_end_share | - |       |
    b_valid_s   | s |       |
    """,
)
N_HOLD_A = HOLD.B_START  # rows of a stream whose messages carry one value

N_OUTAGE = 6  # outages of a cloud that are kept in an episode

CLOUD = Table(
    "cloud",
    "float64 (n_world, n_cloud, N): backlog and outages of a maker cloud; then pairs (from, to) of outages, in order",
    "free_s | s | truth | the backlog is done"
    + "".join(f"\nout_{k}_from | s | | outage {k} begins\nout_{k}_to | s | | and ends" for k in range(N_OUTAGE)),
)


@scalar
def code(t, since, per_s):  # type: ignore[no-untyped-def]
    """Return the ring's code, uint16, of the moment ``t``, s: steps of 1 / ``per_s`` after ``since``, or `NEVER`."""
    steps = np.uint16(min((t - since) * per_s + _HALF, LAST))
    return NEVER if t >= NEVER_S else steps


@scalar
def moment(arrive, since, step):  # type: ignore[no-untyped-def]
    """Return the moment of a code of the ring, float32 s; see `code`.

    Parameters
    ----------
    arrive : uint16
        Code.
    since, step : float32
        First moment that a code stands for; length of a step, s.
    """
    t = since + step * np.float32(arrive)
    return NEVER_S if arrive == NEVER else t


@scalar
def wrapped(slot, n_slot):  # type: ignore[no-untyped-def]
    """Return the place of ``slot`` in a ring, for -n_slot <= slot < 2 n_slot: a division takes ten times as long."""
    slot = slot - n_slot if slot >= n_slot else slot
    return slot + n_slot if slot < 0 else slot
