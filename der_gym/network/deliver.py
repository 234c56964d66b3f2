"""The message that each device holds: the newest one that has arrived, until it ends."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel, part, scalar
from der_gym.network.tables import CHANNEL, GATE, MAIL, NEVER_S, SENDER, moment, wrapped
from der_gym.numerics.sums import back, in_order

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_NEVER_BITS = NEVER_S.view(np.int32)


@scalar
def share_left(t, start, end):  # type: ignore[no-untyped-def]
    """Return the share of the tick [start, end] that lies after ``t``, float32 in 0..1.

    Parameters
    ----------
    t, start, end : float32
        s of the episode, ``start < end``.
    """
    return min(max((end - t) / (end - start), _ZERO), _ONE)


@scalar
def expire(a0, a1, part, valid, start, end):  # type: ignore[no-untyped-def]
    """Return (a0, a1, part) when the message in force ends at ``valid``: from then on the own schedule.

    Parameters
    ----------
    a0, a1, part : float32
        Fraction at the start and the end of the tick; share of the tick under the latter.
    valid, start, end : float32
        End of the message; start and end of the tick, s of the episode.
    """
    before = a1 if part >= _ONE else a0
    left = share_left(valid, start, end)
    over = valid < end
    first = before if over else a0
    return _ZERO if valid <= start else first, _ZERO if over else a1, left if over else part


@scalar
def looked_at(book, end_s):  # type: ignore[no-untyped-def]
    """Return whether a message of a lane, ``book`` float64 (SENDER.N,), may begin or end in a tick up to ``end_s``."""
    return bool(book[SENDER.DIRTY]) or book[SENDER.EXPIRES_S] < end_s


@kernel
def deliver(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, t_s, dt_s, cell_lo, cell_hi, cell_leaf, gate, path, mail, leaf, ring_lo, ring, since,
    coming, later, first_cell, column, cell_row, hold,
):  # fmt: skip
    """Set what every device holds of one value of its messages for the tick [t, t + dt]: see HOLD.

    Parameters
    ----------
    t_s : float64 (n_world,)
    dt_s : float
    gate : float64 (n_lane, N_GATE); path : float32 (n_cell, N_PATH)
    mail : float64 (n_world, n_lane, n_slot, N_MAIL)
    leaf : float64 (n_world, n_lane, N_LEAF)
        Read only; ``retire`` updates it once all shards are done.
    ring_lo : int64 (n_cell,); ring : uint16 (S, n_ring); since : float64 (n_world, n_cell, n_slot)
        See ``post``.
    coming : float32 (S, n_slot, n_cell)
        The earliest arrival still to come of each message in each cell: messages that no device gets in
        this tick are left out, up to the oldest that some device gets.
    later : float32 (S, n_slot, n_cell)
        Out: the same after the tick. Give ``coming`` itself when all values of a message are held.
    first_cell : int
        Cells before it are left out.
    column : int
        The value that is held: MAIL.A or MAIL.B.
    cell_row : int64 (n_cell,)
        First of the value's four rows of ``hold``.
    hold : float32 (S, n_row, N)

    Notes
    -----
    Known error: of two messages that reach a device within one tick the older one's moment is skipped.
    """
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        start, end = np.float32(t_s[w]), np.float32(t_s[w] + dt_s)
        for c in range(first_cell, cell_lo.shape[0]):
            book = leaf[w, cell_leaf[c]]
            if not looked_at(book, t_s[w] + dt_s):
                continue
            lo, hi, first = cell_lo[c], cell_hi[c], cell_row[c]
            a0, a1 = hold[s, first, lo:hi], hold[s, first + 1, lo:hi]
            part, valid = hold[s, first + 2, lo:hi], hold[s, first + 3, lo:hi]
            depth, step = int(gate[cell_leaf[c], GATE.DEPTH]), path[c, CHANNEL.STEP_S]
            rolled = news = False
            for k in range(int(book[SENDER.FLYING])):
                slot = wrapped(int(book[SENDER.OLDEST]) + k, depth)
                news = news or coming[s, slot, c] <= end
                if not news:
                    continue
                m = mail[w, cell_leaf[c], slot]
                a, until = np.float32(m[column]), np.float32(m[MAIL.VALID_UNTIL])
                if until <= start:  # a device that held it is on its own schedule; a device that gets it now drops it
                    continue
                at, zero = ring_lo[c] + slot * (hi - lo), np.float32(since[w, c, slot])
                arrive = ring[s, at : at + hi - lo]
                if rolled:
                    later[s, slot, c] = _take(a, until, start, end, zero, step, arrive, a0, a1, part, valid)
                else:
                    later[s, slot, c] = _roll_and_take(a, until, start, end, zero, step, arrive, a0, a1, part, valid)
                rolled = True
            if not rolled:
                _roll(start, a0, a1, part, valid)
            if book[SENDER.EXPIRES_S] < t_s[w] + dt_s:
                _expire_all(start, end, a0, a1, part, valid)


@kernel
def hand_over(s0, s1, n_shard, active, t_s, dt_s, cell_lo, cell_hi, cell_leaf, leaf, held, hold, told, out):  # type: ignore[no-untyped-def]
    """Copy the commands held, HOLD's first three rows, of the cells that `deliver` has looked at in this tick.

    Parameters
    ----------
    held, told : int
        First of their rows in ``hold`` and in ``out``, float32 (S, n_row, N) each.
    """
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            for c in range(cell_lo.shape[0]):
                if looked_at(leaf[w, cell_leaf[c]], t_s[w] + dt_s):
                    lo, hi = cell_lo[c], cell_hi[c]
                    for row in range(3):
                        out[s, told + row, lo:hi] = hold[s, held + row, lo:hi]


# The next four are kernels, not parts: loops that choose between held and new values pack only when made alone.


@kernel
def _roll(start, a0, a1, part, valid):  # type: ignore[no-untyped-def]
    """Begin a tick with what was held at the last one's end, unless it ended right there."""
    for i in range(a0.shape[0]):
        held = a1[i] if valid[i] > start else _ZERO
        a0[i] = held
        a1[i] = held
        part[i] = _ONE


@kernel
def _roll_and_take(a, until, start, end, since, step, arrive, a0, a1, part, valid):  # type: ignore[no-untyped-def]
    """Do `_roll` and the first message's `_take` at once: most ticks have one, and rows are gone through once."""
    least = _NEVER_BITS
    for i in range(arrive.shape[0]):
        t, old, old_valid = moment(arrive[i], since, step), a1[i], valid[i]
        held = old if old_valid > start else _ZERO
        here = (t <= end) & (t < until)
        new_part = share_left(t, start, end)
        a0[i] = a if t <= start else held
        a1[i] = a if here else held
        part[i] = new_part if here else _ONE
        valid[i] = until if here else old_valid
        least = min(least, in_order(t if t > end else NEVER_S))
    return back(least)


@kernel
def _take(a, until, start, end, since, step, arrive, a0, a1, part, valid):  # type: ignore[no-untyped-def]
    """Let a newer message replace what is held where it has arrived; return the earliest arrival after ``end``.

    Both values are loaded before one is chosen, so that the loop packs.
    """
    least = _NEVER_BITS
    for i in range(arrive.shape[0]):
        t, old0, old1, old_part, old_valid = moment(arrive[i], since, step), a0[i], a1[i], part[i], valid[i]
        here = (t <= end) & (t < until)
        new_part = share_left(t, start, end)
        a0[i] = a if t <= start else old0
        a1[i] = a if here else old1
        part[i] = new_part if here else old_part
        valid[i] = until if here else old_valid
        least = min(least, in_order(t if t > end else NEVER_S))
    return back(least)


@kernel
def _expire_all(start, end, a0, a1, part, valid):  # type: ignore[no-untyped-def]
    for i in range(a0.shape[0]):
        a0[i], a1[i], part[i] = expire(a0[i], a1[i], part[i], valid[i], start, end)


@part
def book_last(w, n_shard, cell_leaf, cell_slot, last, mail):  # type: ignore[no-untyped-def]
    """Note the last arrival at a device of a world's new messages, over the cells and shards of their leaf, once.

    Parameters
    ----------
    w, n_shard : int
        World; shards of a world.
    cell_leaf : int64 (n_cell,); cell_slot : int64 (n_world, n_cell)
        Lane of each cell; slot of the new message, -1 for none.
    last : float64 (S, n_cell)
        Last arrival in each cell, s.
    mail : float64 (n_world, n_lane, n_slot, N_MAIL)
        Updated.
    """
    for c in range(cell_leaf.shape[0]):
        slot = cell_slot[w, c]
        if slot >= 0:
            m = mail[w, cell_leaf[c], slot]
            for s in range(w * n_shard, (w + 1) * n_shard):
                m[MAIL.T_LAST] = max(m[MAIL.T_LAST], last[s, c])
            cell_slot[w, c] = -1


@kernel
def retire(w0, w1, n_shard, active, t_end, cell_leaf, gate, cell_slot, last, leaf, mail):  # type: ignore[no-untyped-def]
    """Free the ring slots whose message has reached all it will reach, oldest first; note the next end of a message.

    Parameters
    ----------
    t_end : float64 (n_world,)
        End of the tick just worked.
    cell_slot : int64 (n_world, n_cell)
        Slots posted in this tick; -1 afterwards, so that no message is posted twice.
    last : float64 (S, n_cell)
        What ``post`` wrote.
    """
    for w in range(w0, w1):
        if not active[w]:
            continue
        book_last(w, n_shard, cell_leaf, cell_slot, last, mail)
        for j in range(mail.shape[1]):
            book, depth = leaf[w, j], int(gate[j, GATE.DEPTH])
            book[SENDER.DIRTY] = 1.0 if book[SENDER.FLYING] > 0 else 0.0  # one more tick rolls CMD_END into CMD_START
            while book[SENDER.FLYING] > 0 and mail[w, j, int(book[SENDER.OLDEST]), MAIL.T_LAST] <= t_end[w]:
                book[SENDER.OLDEST] = wrapped(int(book[SENDER.OLDEST]) + 1, depth)
                book[SENDER.FLYING] -= 1
            if book[SENDER.EXPIRES_S] < t_end[w]:
                book[SENDER.DIRTY] = 1.0
                book[SENDER.EXPIRES_S] = _next_end(mail[w, j, :depth], book, t_end[w])


@part
def _next_end(mail, book, now):  # type: ignore[no-untyped-def]
    """Return the earliest moment from ``now`` on at which a message that a device may hold ends.

    Where the ring has turned over, a device that lost the later ones may still hold a message no longer in it: then
    every tick looks, until the last message sent has ended.
    """
    if book[SENDER.SENT_UNTIL] < now:
        return np.float64(NEVER_S)
    if book[SENDER.N_SENT] > mail.shape[0]:
        return now
    end = np.float64(NEVER_S)
    for k in range(mail.shape[0]):
        if mail[k, MAIL.VALID_UNTIL] >= now:
            end = min(end, mail[k, MAIL.VALID_UNTIL])
    return end
