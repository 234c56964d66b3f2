"""Clocks of every world and small sums at a decision, in kernels because a step takes microseconds."""

from __future__ import annotations

from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S
from der_gym.engine.compile import kernel
from der_gym.network import tables as net
from der_gym.simulation.aggregator_view import LEAF


@kernel
def mark_due(w0, w1, active, t_s, abs_s, due, turn, midnight, refreshed):  # type: ignore[no-untyped-def]
    """Mark the worlds at a refresh, a half hour, midnight, after their start; note the first refresh in a step.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    active : bool (n_world,)
        Other worlds keep every bit.
    t_s : float64 (n_world,); abs_s : int64 (n_world,)
        Seconds of the episode; absolute seconds.
    due, turn, midnight : bool (n_world,)
        Out: at a multiple of REFRESH_S, at a half hour, at midnight.
    refreshed : bool (n_world,)
        Set where ``due``.
    """
    for w in range(w0, w1):
        due[w] = active[w] and t_s[w] > 0.0 and abs_s[w] % REFRESH_S == 0
        turn[w] = due[w] and abs_s[w] % BLOCK_S == 0
        midnight[w] = due[w] and abs_s[w] % DAY_S == 0
        refreshed[w] = refreshed[w] or due[w]


@kernel
def end_tick(w0, w1, active, dt_s, t_s, abs_s):  # type: ignore[no-untyped-def]
    """Move the clocks on by the tick.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    active : bool (n_world,)
        Other worlds keep every bit.
    dt_s : int
        Length of the tick, s.
    t_s : float64 (n_world,); abs_s : int64 (n_world,)
        Updated.
    """
    for w in range(w0, w1):
        if active[w]:
            t_s[w] += dt_s
            abs_s[w] += dt_s


@kernel
def open_step(w0, w1, active, t_s, step_h, sent, leaf, node_kw, asked_kwh, refreshed):  # type: ignore[no-untyped-def]
    """Add the upward energy that messages ask of the leaves in the coming step: the last sent or the last arrived one.

    Parameters
    ----------
    step_h : float
        Time to the next decision, h.
    sent : float64 (n_world, n_leaf, net.N_LEAF); leaf : float64 (n_world, n_leaf, LEAF.N)
    node_kw : float64 (n_service, n_leaf)
        Each service's part of a leaf's rated swing: the power that the fraction 1 asks of it.
    asked_kwh : float64 (n_world, n_service)
    refreshed : bool (n_world,)
        Out: False, see `mark_due`.
    """
    for w in range(w0, w1):
        refreshed[w] = False
        if active[w]:
            for j in range(node_kw.shape[1]):
                in_force = sent[w, j, net.SENDER.SENT_A] if sent[w, j, net.SENDER.SENT_UNTIL] > t_s[w] else 0.0
                a = max(in_force, leaf[w, j, LEAF.ARRIVED_A], 0.0)
                for i in range(node_kw.shape[0]):
                    asked_kwh[w, i] += a * node_kw[i, j] * step_h


@kernel
def mark_block_ends(w0, w1, active, t_s, ends):  # type: ignore[no-untyped-def]
    """Mark the worlds whose block has just ended.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    active : bool (n_world,)
        Other worlds keep every bit.
    t_s : float64 (n_world,)
        Seconds of the episode.
    ends : bool (n_world,)
        Out.
    """
    for w in range(w0, w1):
        ends[w] = active[w] and t_s[w] % BLOCK_S == 0.0
