"""The sender: which leaf's message goes out now, and when its clouds have it."""

from __future__ import annotations

import numpy as np

from der_gym.core.jit import kernel
from der_gym.network.rows import (
    CHANGE,
    DIRTY,
    EXPIRES_S,
    FLYING,
    FREE_S,
    HEAD,
    HOLD_S,
    INTERVAL_S,
    KIND,
    N_OUTAGE,
    N_SENT,
    OLDEST,
    OUT,
    QUOTA,
    REFRESH_BEFORE_S,
    SENT_A,
    SENT_B,
    SENT_KIND,
    SENT_S,
    SENT_UNTIL,
    T_CLOUD,
    T_LAST,
    T_SENT,
    VALID_UNTIL,
    A,
    B,
)

OK, WRONG = 0, 1


@kernel
def after_outage(cloud, t):  # type: ignore[no-untyped-def]
    """Return ``t``, or the end of the outage of this cloud row that holds ``t``."""
    for k in range(N_OUTAGE):
        start, end = cloud[OUT + 2 * k], cloud[OUT + 2 * k + 1]
        if start <= t < end:
            t = end
    return t


@kernel
def wants_sending(leaf, gate, a, b, kind, now):  # type: ignore[no-untyped-def]
    """Return whether a leaf's message goes out: it changed or runs out, its interval has passed, quota is left."""
    moved = abs(a - leaf[SENT_A]) > gate[CHANGE] or (a == 0.0 and leaf[SENT_A] != 0.0)
    other = kind != leaf[SENT_KIND] or b != leaf[SENT_B]
    ends = leaf[SENT_UNTIL] - now <= gate[REFRESH_BEFORE_S] and (a != 0.0 or kind != 0.0)
    return (moved or other or ends) and now - leaf[SENT_S] >= gate[INTERVAL_S] and leaf[QUOTA] >= 1.0


@kernel
def send(active, now, message, gate, cell_leaf, cell_cloud, cell_service_s, cloud, leaf, mail, cell_t, cell_slot):  # type: ignore[no-untyped-def]
    """Put the leaves' messages into their rings where they are due.

    Parameters
    ----------
    now : float64 (n_world,)
        Seconds of the episode.
    message : float32 (n_world, n_leaf, 3)
        kind, a, b as the aggregator wants them now.
    gate : float64 (n_leaf, N_GATE)
    cell_leaf, cell_cloud : int64 (n_cell,)
    cell_service_s : float64 (n_cell,)
        Time that the cell's cloud takes to accept its calls.
    cloud : float64 (n_world, n_cloud, N_CLOUD)
    leaf : float64 (n_world, n_leaf, N_LEAF)
    mail : float64 (n_world, n_leaf, n_slot, N_MAIL)
    cell_t : float64 (n_world, n_cell)
        Out: when the cell's cloud has the message.
    cell_slot : int64 (n_world, n_cell)
        Out: the ring slot to post, -1 where nothing is sent.
    """
    n_world, n_leaf, n_slot = mail.shape[0], mail.shape[1], mail.shape[2]
    for w in range(n_world):
        if not active[w]:
            continue
        for c in range(cell_leaf.shape[0]):
            cell_slot[w, c] = -1
        for j in range(n_leaf):
            kind, a, b = np.float64(message[w, j, 0]), np.float64(message[w, j, 1]), np.float64(message[w, j, 2])
            book = leaf[w, j]
            if not wants_sending(book, gate[j], a, b, kind, now[w]):
                continue
            slot = int(book[HEAD])
            if book[FLYING] == n_slot:  # the oldest message's stragglers are given up
                book[OLDEST] = (int(book[OLDEST]) + 1) % n_slot
                book[FLYING] -= 1
            last = now[w]
            for c in range(cell_leaf.shape[0]):
                if cell_leaf[c] == j:
                    k = cell_cloud[c]
                    t = after_outage(cloud[w, k], max(now[w], cloud[w, k, FREE_S]))
                    cloud[w, k, FREE_S] = t + cell_service_s[c]
                    cell_t[w, c] = t
                    cell_slot[w, c] = slot
                    last = max(last, t + cell_service_s[c])
            until = now[w] + gate[j, HOLD_S]
            m = mail[w, j, slot]
            m[T_SENT], m[T_CLOUD], m[VALID_UNTIL], m[KIND], m[A], m[B], m[T_LAST] = (
                now[w],
                last,
                until,
                kind,
                a,
                b,
                last,
            )
            book[SENT_A], book[SENT_B], book[SENT_KIND], book[SENT_S], book[SENT_UNTIL] = a, b, kind, now[w], until
            book[QUOTA] -= 1.0
            book[N_SENT] += 1.0
            book[HEAD] = (slot + 1) % n_slot
            book[FLYING] += 1
            book[DIRTY] = 1.0
            book[EXPIRES_S] = min(book[EXPIRES_S], until)
