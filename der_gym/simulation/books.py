"""Small books of every world, kept after each tick and each decision, in kernels: a step has microseconds."""

from __future__ import annotations

from der_gym.core.jit import kernel
from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S
from der_gym.network import rows as net
from der_gym.simulation import public, tally

_MINUTE_S = 60
_BLOCK_MIN = BLOCK_S // _MINUTE_S


@kernel
def mark_due(w0, w1, active, t_s, abs_s, due, turn, midnight, refreshed):  # type: ignore[no-untyped-def]
    """Mark the worlds that stand at a refresh, a half hour, midnight, after their start; note the first in a step."""
    for w in range(w0, w1):
        due[w] = active[w] and t_s[w] > 0.0 and abs_s[w] % REFRESH_S == 0
        turn[w] = due[w] and abs_s[w] % BLOCK_S == 0
        midnight[w] = due[w] and abs_s[w] % DAY_S == 0
        refreshed[w] = refreshed[w] or due[w]


@kernel
def end_tick(w0, w1, n_shard, active, dt_s, t_s, abs_s, power, site_net, receiving, minute_kw):  # type: ignore[no-untyped-def]
    """Move the clocks on by the tick and add the list's metered and true kW of it to the minute's sums.

    Parameters
    ----------
    power : float64 (S, n_cell, N_POWER); site_net : float64 (S, N_POWER)
    receiving : bool
        Metered where the homes' meters are, not at the devices.
    minute_kw : float64 (n_world, N_POWER)
    """
    for w in range(w0, w1):
        if active[w]:
            t_s[w] += dt_s
            abs_s[w] += dt_s
            for r in range(tally.N_POWER):
                total = 0.0
                for s in range(w * n_shard, (w + 1) * n_shard):
                    if receiving:
                        total += site_net[s, r]
                    else:
                        for c in range(power.shape[1]):
                            total += power[s, c, r]
                minute_kw[w, r] += total


@kernel
def close_minute(  # type: ignore[no-untyped-def]
    w0, w1, active, t_s, minute_kw, n_tick, plan, perfect_kw, perfect, ends, minute, true_kw, metered_kw, plan_kw
):
    """Mark the worlds whose minute has just ended and hand out its means.

    Parameters
    ----------
    plan : float64 (n_world, n_block); perfect_kw : float64 (n_world, n_minute)
        The plan, or the minute-wise one of the ablation, which counts where ``perfect``.
    ends : bool (n_world,); minute : int64; true_kw, metered_kw, plan_kw : float64 (n_world,)
        Out.
    """
    for w in range(w0, w1):
        t = int(t_s[w])
        ends[w] = active[w] and t % _MINUTE_S == 0
        if not ends[w]:
            continue
        m = t // _MINUTE_S - 1
        minute[w] = m
        true_kw[w], metered_kw[w] = minute_kw[w, tally.TRUE] / n_tick, minute_kw[w, tally.METERED] / n_tick
        minute_kw[w, tally.TRUE], minute_kw[w, tally.METERED] = 0.0, 0.0
        if perfect:
            plan_kw[w] = perfect_kw[w, min(m, perfect_kw.shape[1] - 1)]
        else:
            plan_kw[w] = plan[w, min(m // _BLOCK_MIN, plan.shape[1] - 1)]


@kernel
def open_step(w0, w1, active, t_s, step_h, sent, leaf, nominal_kw, asked_kwh, refreshed):  # type: ignore[no-untyped-def]
    """Add the upward energy that messages ask of the leaves in the coming step: the last sent or the last arrived one.

    Parameters
    ----------
    step_h : float
        Time to the next decision, h.
    sent : float64 (n_world, n_leaf, net.N_LEAF); leaf : the public table
    nominal_kw : float64 (n_leaf,)
        Rated swing: what the fraction 1 asks for.
    asked_kwh : float64 (n_world,)
    refreshed : bool (n_world,)
        Out: False, see `mark_due`.
    """
    for w in range(w0, w1):
        refreshed[w] = False
        if active[w]:
            for j in range(nominal_kw.shape[0]):
                in_force = sent[w, j, net.SENT_A] if sent[w, j, net.SENT_UNTIL] > t_s[w] else 0.0
                asked_kwh[w] += max(in_force, leaf[w, j, public.L_ARRIVED], 0.0) * nominal_kw[j] * step_h


@kernel
def find_block_ends(active, t_s, step_s, block):  # type: ignore[no-untyped-def]
    """Mark the worlds whose block ends with the coming step of ``step_s``; return whether there are any."""
    found = False
    for w in range(active.shape[0]):
        block[w] = active[w] and (t_s[w] + step_s) % BLOCK_S == 0.0
        found = found or block[w]
    return found


@kernel
def take_action(action, active, cut, clipped, step_no, n_step, ended):  # type: ignore[no-untyped-def]
    """Cut actions to [-1, 1], count what was cut, count the step and mark the worlds that end with it.

    Parameters
    ----------
    action : float32 (n_world, n_leaf)
    cut : float32 (n_world, n_leaf, 3)
        Column 1 is written.
    clipped : float64 (n_world,); step_no : int64 (n_world,); ended : bool (n_world,)

    Returns
    -------
    (int, int)
        Flat index of a value that is not finite (then nothing is counted) or -1; how many worlds end.
    """
    n_leaf, n_ended = action.shape[1], 0
    for w in range(action.shape[0]):
        if active[w]:
            for j in range(n_leaf):
                if not abs(action[w, j]) < 3e38:
                    return w * n_leaf + j, 0
    for w in range(action.shape[0]):
        ended[w] = active[w] and step_no[w] + 1 >= n_step
        n_ended += 1 if ended[w] else 0
        if active[w]:
            step_no[w] += 1
            for j in range(n_leaf):
                a = action[w, j]
                cut[w, j, 1] = min(max(a, -1.0), 1.0)
                clipped[w] += 1.0 if abs(a) > 1.0 else 0.0
    return -1, n_ended
