"""The sender: the messages of leaves that go out now, and the time at which their clouds have them."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel, part
from der_gym.network.tables import CLOUD, GATE, MAIL, N_OUTAGE, SENDER, wrapped


@part
def after_outage(cloud, t):  # type: ignore[no-untyped-def]
    """Return ``t``, or the end of the outage of this cloud row that holds ``t``."""
    for k in range(N_OUTAGE):
        start, end = cloud[CLOUD.OUT_0_FROM + 2 * k], cloud[CLOUD.OUT_0_FROM + 2 * k + 1]
        if start <= t < end:
            t = end
    return t


@part
def said(a, gate):  # type: ignore[no-untyped-def]
    """Return the value ``a`` of a message, or 0 where it is below what the lane sends: it says nothing.

    So a trifling command leaves devices on their own schedule, and releases an earlier command.
    """
    return a if abs(a) >= gate[GATE.CHANGE] else 0.0


@part
def wants_sending(leaf, gate, a, b, kind, now):  # type: ignore[no-untyped-def]
    """Return whether a lane's message goes out: it changed or runs out, its interval has passed, quota is left.

    A message with a = 0 says nothing. It goes out only to end a message that may be in force.

    Parameters
    ----------
    leaf : float64 (N_LEAF,); gate : float64 (N_GATE,)
        Row of the lane: its state; its rules.
    a, b, kind : float
        The message that the aggregator wants now.
    now : float
        s of the episode.
    """
    moved = abs(a - leaf[SENDER.SENT_A]) > gate[GATE.CHANGE] or (a == 0.0 and leaf[SENDER.SENT_A] != 0.0)
    other = a != 0.0 and (kind != leaf[SENDER.SENT_KIND] or abs(b - leaf[SENDER.SENT_B]) > gate[GATE.CHANGE_B])
    ends = a != 0.0 and leaf[SENDER.SENT_UNTIL] - now <= gate[GATE.REFRESH_BEFORE_S]
    return (moved or other or ends) and now - leaf[SENDER.SENT_S] >= gate[GATE.INTERVAL_S] and leaf[SENDER.QUOTA] >= 1.0


@part
def all_wait(cell_leaf, cell_t, j, now):  # type: ignore[no-untyped-def]
    """Return whether no cloud of leaf ``j`` has taken up its last message yet.

    Parameters
    ----------
    cell_leaf : int64 (n_cell,)
        Lane of each cell.
    cell_t : float64 (n_cell,)
        When each cell's cloud takes up the last message, s.
    j : int
        Lane.
    now : float
        s of the episode.
    """
    wait = True
    for c in range(cell_leaf.shape[0]):
        wait = wait and (cell_leaf[c] != j or cell_t[c] > now)
    return wait


@part
def _take_slot(leaf, n_slot):  # type: ignore[no-untyped-def]
    """Take a slot for one more message of a leaf; a full ring gives up the late arrivals of its oldest message."""
    if leaf[SENDER.FLYING] == n_slot:
        leaf[SENDER.OLDEST] = wrapped(int(leaf[SENDER.OLDEST]) + 1, n_slot)
        leaf[SENDER.FLYING] -= 1
    leaf[SENDER.HEAD] = wrapped(int(leaf[SENDER.HEAD]) + 1, n_slot)
    leaf[SENDER.FLYING] += 1
    leaf[SENDER.N_SENT] += 1
    leaf[SENDER.QUOTA] -= 1


@kernel
def send(  # type: ignore[no-untyped-def]
    w0, w1, active, now, message, gate, cell_leaf, cell_cloud, cell_service_s, cloud, leaf, mail, cell_t, since,
    cell_slot,
):  # fmt: skip
    """Put the leaves' messages into their rings where they are due.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    now : float64 (n_world,)
        Seconds of the episode.
    message : float32 (n_world, n_lane, 3)
        Kind, a and b of the message that the aggregator wants now.
    gate : float64 (n_lane, N_GATE)
    cell_leaf, cell_cloud : int64 (n_cell,)
        Lane and cloud of each cell. A cell stands once for every stream; a lane is a stream's way to a leaf.
    cell_service_s : float64 (n_cell,)
        Time that the cell's cloud takes to accept its calls.
    cloud : float64 (n_world, n_cloud, N_CLOUD)
    leaf : float64 (n_world, n_lane, N_LEAF)
    mail : float64 (n_world, n_lane, n_slot, N_MAIL)
    cell_t : float64 (n_world, n_cell)
        When the cell's cloud has the last message, or takes it up: read, and written where one is sent.
    since : float64 (n_world, n_cell, n_slot)
        Out: the same of each message under way.
    cell_slot : int64 (n_world, n_cell)
        Out: the ring slot to post, -1 where nothing is sent.

    Notes
    -----
    A message that its cloud has not taken up yet gives its place in the queue to the leaf's next one. So at most one
    message of a cell waits for a slow cloud, or one that is out, and it is the newest.
    """
    n_leaf = mail.shape[1]
    for w in range(w0, w1):
        if not active[w]:
            continue
        for c in range(cell_leaf.shape[0]):
            cell_slot[w, c] = -1
        for j in range(n_leaf):
            kind, a, b = np.float64(message[w, j, 0]), np.float64(message[w, j, 1]), np.float64(message[w, j, 2])
            a = said(a, gate[j])
            book, depth = leaf[w, j], int(gate[j, GATE.DEPTH])
            if not wants_sending(book, gate[j], a, b, kind, now[w]):
                continue
            first = book[SENDER.N_SENT] == 0.0
            if first or not all_wait(cell_leaf, cell_t[w], j, now[w]):
                _take_slot(book, depth)
            slot = wrapped(int(book[SENDER.HEAD]) - 1, depth)
            last = now[w]
            for c in range(cell_leaf.shape[0]):
                if cell_leaf[c] == j:
                    row = cloud[w, cell_cloud[c]]
                    if first or cell_t[w, c] <= now[w]:
                        cell_t[w, c] = after_outage(row, max(now[w], row[CLOUD.FREE_S]))
                        row[CLOUD.FREE_S] = cell_t[w, c] + cell_service_s[c]
                    cell_slot[w, c], since[w, c, slot] = slot, cell_t[w, c]
                    last = max(last, cell_t[w, c] + cell_service_s[c])
            until = now[w] + gate[j, GATE.HOLD_S]
            m = mail[w, j, slot]
            m[MAIL.T_SENT], m[MAIL.T_CLOUD], m[MAIL.VALID_UNTIL], m[MAIL.KIND], m[MAIL.A], m[MAIL.B], m[MAIL.T_LAST] = (
                now[w],
                last,
                until,
                kind,
                a,
                b,
                last,
            )
            (
                book[SENDER.SENT_A],
                book[SENDER.SENT_B],
                book[SENDER.SENT_KIND],
                book[SENDER.SENT_S],
                book[SENDER.SENT_UNTIL],
            ) = a, b, kind, now[w], until
            book[SENDER.DIRTY] = 1.0
            book[SENDER.EXPIRES_S] = min(book[SENDER.EXPIRES_S], until)


@kernel
def refill(w0, w1, due, gate, leaf):  # type: ignore[no-untyped-def]
    """Give every leaf of ``due`` worlds, which stand at midnight, its daily quota.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    due : bool (n_world,)
    gate : float64 (n_lane, N_GATE); leaf : float64 (n_world, n_lane, N_LEAF)
        Rules; state of the lanes, whose QUOTA is written.
    """
    for w in range(w0, w1):
        if due[w]:
            for j in range(gate.shape[0]):
                leaf[w, j, SENDER.QUOTA] = gate[j, GATE.QUOTA_PER_DAY]
