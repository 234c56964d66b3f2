"""Small books of every world, kept after each tick and each decision, in kernels: a step has microseconds."""

from __future__ import annotations

from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S
from der_gym.engine.compile import kernel
from der_gym.network import tables as net
from der_gym.services.baselines.forecast import corrected
from der_gym.services.tertiary_1.settlement import REGISTERS
from der_gym.simulation import aggregator_view, metering

QUIET_S = 3600.0  # a leaf under command within the last hour does not move the plan
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
            for r in range(metering.POWER.N):
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
        true_kw[w], metered_kw[w] = (
            minute_kw[w, metering.POWER.TRUE_KW] / n_tick,
            minute_kw[w, metering.POWER.METERED_KW] / n_tick,
        )
        minute_kw[w, metering.POWER.TRUE_KW], minute_kw[w, metering.POWER.METERED_KW] = 0.0, 0.0
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
                in_force = sent[w, j, net.SENDER.SENT_A] if sent[w, j, net.SENDER.SENT_UNTIL] > t_s[w] else 0.0
                asked_kwh[w] += max(in_force, leaf[w, j, aggregator_view.LEAF.ARRIVED_A], 0.0) * nominal_kw[j] * step_h


@kernel
def mark_block_ends(w0, w1, active, t_s, ends):  # type: ignore[no-untyped-def]
    """Mark the worlds whose block has just ended."""
    for w in range(w0, w1):
        ends[w] = active[w] and t_s[w] % BLOCK_S == 0.0


@kernel
def note_registers(w0, w1, ends, discharged_kwh, starts, withheld_kwh, sent, gate, asked_kwh, registers):  # type: ignore[no-untyped-def]
    """Note the cumulative registers that settlement books, in the order of ``REGISTERS``, where a block ``ends``.

    Parameters
    ----------
    discharged_kwh, starts, withheld_kwh, asked_kwh : float64 (n_world,)
    sent : float64 (n_world, n_leaf, net.N_LEAF); gate : float64 (n_leaf, net.N_GATE)
    registers : float64 (n_world, 5)
        Out.
    """
    for w in range(w0, w1):
        if ends[w]:
            messages = 0.0
            for j in range(gate.shape[0]):
                messages += sent[w, j, net.SENDER.N_SENT] * gate[j, net.GATE.N_UNIT]
            registers[w, REGISTERS.DISCHARGE_KWH], registers[w, REGISTERS.STARTS], registers[w, REGISTERS.MESSAGES] = (
                discharged_kwh[w],
                starts[w],
                messages,
            )
            registers[w, REGISTERS.ASKED_KWH], registers[w, REGISTERS.WITHHELD_KWH] = asked_kwh[w], withheld_kwh[w]


@kernel
def freeze_plan(  # type: ignore[no-untyped-def]
    w0, w1, ends, t_s, awarded, standby, quiet_since_s, base_kw, house_kw, persistence, perfect, seen_sum, seen_n,
    plan_leaf_kw, plan_kw,
):  # fmt: skip
    """Correct and freeze the plan of the block two ahead where a block ``ends``; then see the leaves anew.

    Parameters
    ----------
    awarded : uint8 (n_world, n_block); standby : bool (n_leaf,)
        Leaves that stand by in awarded blocks: what they draw there says nothing.
    quiet_since_s, seen_sum : float64 (n_world, n_leaf); seen_n : float64 (n_world,)
        Since when each leaf is under no command; sum and number of what was seen of it in the block.
    base_kw, plan_leaf_kw : float64 (n_world, n_block, n_leaf); house_kw, plan_kw : float64 (n_world, n_block)
    perfect : bool
        The plan stands from the start.
    """
    for w in range(w0, w1):
        if not ends[w]:
            continue
        now = int(t_s[w]) // BLOCK_S  # the block that begins
        last, ahead, total = max(now - 1, 0), now + 2, 0.0
        for j in range(standby.shape[0] if ahead < plan_kw.shape[1] else 0):
            alone = t_s[w] - quiet_since_s[w, j] >= QUIET_S and not (awarded[w, last] and standby[j])
            mean = seen_sum[w, j] / max(seen_n[w], 1.0)
            plan = corrected(
                base_kw[w, ahead, j], mean, plan_leaf_kw[w, last, j], alone and seen_n[w] > 0.0, persistence
            )
            plan_leaf_kw[w, ahead, j] = plan
            total += plan
        if ahead < plan_kw.shape[1] and not perfect:
            plan_kw[w, ahead] = total + house_kw[w, ahead]
        for j in range(standby.shape[0]):
            seen_sum[w, j] = 0.0
        seen_n[w] = 0.0


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
