"""EcoCute, the CO2 heat-pump water heater (ECHONET 0x026B): a tank that boils once a day for a home's hot water.

Own schedule: by its end (07:00, or 16:00 for homes that boil by day) the tank shall hold what the home uses in a day,
learned, with a margin; it starts as late as that allows. Below 50 L it reheats at once, at any hour.

Command: on or off, no power between. Each home compares the fraction with its threshold of the day: above, it stops or
stays off; below minus the threshold, it boils early while there is room. Shortest runs and pauses, starts a day, the
floor and the size of the tank come first. What it reports is an estimate, for it has no current sensor [1]_.

Known error: one hot fraction instead of layers (lukewarm water counts as hot); the learned need does not follow the
last week; starts before t = 0 do not count among the starts of the first day. See ``ecocute_heat`` for the machine.

References
----------
.. [1] ITmedia SmartJapan, 2024-09-27, on the DR-ready specification [V].
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.base import DeviceClass
from der_gym.devices.ecocute import config as c
from der_gym.devices.ecocute.capability import capability
from der_gym.devices.ecocute.draws import by_day, by_home, daily_uses, draw, redraw, used_by
from der_gym.devices.ecocute.physics import DAY_S, HOUR_S, ONE, ZERO, asked, is_due, phase, water_kwh, window
from der_gym.devices.flexibility import recall
from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics.approx import clip
from der_gym.numerics.sums import enter, find_enrolled, in_order

_MINUTE = 60
_LEAST_SHARE, _MEAN_FILL = np.float32(0.1), np.float32(0.7)  # of the heat wanted, where no pool says more
_HOUR8, _MINUTE8, _ONE8 = np.float64(3600.0), np.float64(60.0), np.float64(1.0)
_DRY_SHARE = np.float32(1e-4)  # of the hot water asked for in a tick: a smaller lack is rounding
_WATT, _ZERO_BITS = np.float32(1000.0), np.int32(0)


@scalar
def expected(gone, wanted, heat_kw, left_s, window_s, lead_s):  # type: ignore[no-untyped-def]
    """Return (heat, run) of a home that kept its schedule; ``gone``: heat used and lost since the last boil's end."""
    heat = max(wanted - gone, wanted * _LEAST_SHARE)
    need_s = (wanted - heat) / heat_kw * HOUR_S
    ran_s = clip(need_s - (left_s - lead_s), ZERO, need_s) if left_s <= window_s else ZERO
    runs = (ran_s > ZERO) & (ran_s < need_s)
    return heat + heat_kw * ran_s / HOUR_S, ran_s if runs else -DAY_S


@kernel
def begin(s0, s1, n_shard, active, keys, uid, abs_s, ctx, cfg, pool, at, place, params, state, acc, lo):  # type: ignore[no-untyped-def]
    """Fill the tanks from the pool; where it has none, or its home boils at another time, as the schedule would."""
    saved = np.empty((c.N_POOL, place.shape[1]), np.float32)
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        recall(pool, at[s], place[p], saved)
        mains, sod, outdoor = ctx[w, EXOGENOUS.MAINS_C], ctx[w, EXOGENOUS.SOD_S], ctx[w, EXOGENOUS.TEMP_C]
        own, st, heat = params[s], state[s], acc[s, c.HEAT_KWH]
        uses = daily_uses(cfg, mains)
        for i in range(own.shape[1]):
            day = by_day(own[c.SORT, i])
            opens = c.C_DAY_H if day else c.C_NIGHT_H
            left, length = window(sod, cfg[opens], cfg[opens + 1])
            end_s = cfg[opens + 1] * HOUR_S
            used = used_by(cfg, sod) - used_by(cfg, end_s) + (ONE if sod < end_s else ZERO)
            use = by_home(own[c.SORT, i], *uses)
            wanted, capacity = st[c.WANTED_KWH, i], st[c.CAPACITY_KWH, i]
            loss_kw = max(mains + _MEAN_FILL * wanted / own[c.TANK_KWH_K, i] - outdoor, ZERO) / (
                cfg[c.C_LOSS_K_W] * _WATT
            )
            gone = use * used + loss_kw * (DAY_S - left) / HOUR_S
            kwh, run = expected(gone, wanted, st[c.HEAT_KW, i], left, length, own[c.LEAD_S, i])
            known = saved[c.POOL_DAY, i] == (ONE if day else ZERO)  # NaN equals nothing
            on = run > ZERO
            heat[i] = clip(saved[c.POOL_HEAT, i] * wanted if known else kwh, ZERO, capacity)
            st[c.RUN_S, i] = saved[c.POOL_RUN, i] if known else run
            st[c.BOILING, i] = saved[c.POOL_BOILING, i] if known else (ONE if on else ZERO)
            st[c.LEVEL, i] = saved[c.POOL_LEVEL, i] if known else (ONE if on else ZERO)


@kernel
def advance(s0, s1, n_shard, active, ctx, cfg, site_index, site, params, state, acc, book, fleet, lo):  # type: ignore[no-untyped-def]
    """Advance one tick in small loops, each short enough in rows to be worked eight homes at a time."""
    n = params.shape[2]
    tick = np.empty((c.N_TICK, n), np.float32)
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        takes, a0 = fleet[s, FLEET.ACCEPTS_COMMANDS, lo : lo + n], fleet[s, FLEET.CMD_START, lo : lo + n]
        a1, part = fleet[s, FLEET.CMD_END, lo : lo + n], fleet[s, FLEET.CMD_END_SHARE, lo : lo + n]
        power, shown = fleet[s, FLEET.POWER_KW, lo : lo + n], fleet[s, FLEET.SHOWN_KW, lo : lo + n]
        narrow(acc[s, c.HEAT_KWH], tick[c.TICK_HEAT])
        ask(ctx[w], cfg, params[s], state[s], tick, takes, a0, a1)
        first, second = phases(part)
        if first:
            work(ctx[w], cfg, params[s], state[s], tick, part, tick[c.TICK_ASK_0], ONE, -ONE, ZERO)
        if second:
            work(ctx[w], cfg, params[s], state[s], tick, part, tick[c.TICK_ASK_1], ZERO, ONE, ONE)
        move_heat(tick, acc[s])
        draw_power(ctx[w], cfg, state[s], tick, power, shown)
        here = tick[c.TICK_HERE]
        find_enrolled(fleet[s, FLEET.METER_GAIN, lo : lo + n], here)
        enter_tick(ctx[w], cfg, tick, power, here, book[s])
        if run_out(ctx[w], cfg, state[s], tick):
            enter_runouts(ctx[w], tick, here, acc[s, c.UNSERVED_KWH], book[s])


@part
def narrow(held, heat):  # type: ignore[no-untyped-def]
    """Write the heat at the tick's start as float32: loops without float64 take twice as many homes at a time."""
    for i in range(held.shape[0]):
        heat[i] = np.float32(held[i])


@part
def ask(ctx, cfg, own, state, tick, takes, a0, a1):  # type: ignore[no-untyped-def]
    """Set what the command asks of each home of a shard, and whether its own schedule is due; clear what moves."""
    night_left, night_window = window(ctx[EXOGENOUS.SOD_S], cfg[c.C_NIGHT_H], cfg[c.C_NIGHT_H + 1])
    day_left, day_window = window(ctx[EXOGENOUS.SOD_S], cfg[c.C_DAY_H], cfg[c.C_DAY_H + 1])
    sort, lead, ramp, heat = own[c.SORT], own[c.LEAD_S], own[c.RAMP_PER_S], tick[c.TICK_HEAT]
    threshold, heat_kw, wanted = state[c.THRESHOLD], state[c.HEAT_KW], state[c.WANTED_KWH]
    ask_0, ask_1, due = tick[c.TICK_ASK_0], tick[c.TICK_ASK_1], tick[c.TICK_DUE]
    put, drawn, loss, on_s = tick[c.TICK_IN], tick[c.TICK_DRAWN], tick[c.TICK_LOSS], tick[c.TICK_ON_S]
    starts, today = tick[c.TICK_STARTS], state[c.STARTS_TODAY]
    for i in range(heat.shape[0]):
        starts[i] = today[i]
        day = by_day(sort[i])
        ask_0[i], ask_1[i] = asked(a0[i] * takes[i], threshold[i]), asked(a1[i] * takes[i], threshold[i])
        due[i] = is_due(
            day_left if day else night_left, day_window if day else night_window, lead[i],
            wanted[i] - heat[i], heat_kw[i], ramp[i],
        )  # fmt: skip
        put[i], drawn[i], loss[i], on_s[i] = ZERO, ZERO, ZERO, ZERO


@part
def phases(part):  # type: ignore[no-untyped-def]
    """Return whether a home of a shard has a first, and a second phase; without a message it is one of them."""
    least, most = in_order(ONE), _ZERO_BITS
    for i in range(part.shape[0]):
        bits = in_order(part[i])
        least, most = min(least, bits), max(most, bits)
    return least < in_order(ONE), most > _ZERO_BITS


@part
def work(ctx, cfg, own, state, tick, part, ask, base, slope, begins):  # type: ignore[no-untyped-def]
    """Work the first or second phase of a tick of a shard's machines and tanks; what moved is added up in ``tick``.

    The phase lasts ``base + slope * part`` of the tick: the first ``1 - part``, the second ``part``. Own starts happen
    at whole minutes, at the start of the tick; a phase of at least ``begins`` of the tick stands there.
    """
    dt, mains = ctx[EXOGENOUS.DT_S], ctx[EXOGENOUS.MAINS_C]
    minute = np.int64(ctx[EXOGENOUS.SOD_S]) % _MINUTE == 0
    loss_k = ONE / (cfg[c.C_LOSS_K_W] * _WATT)
    loss_0 = (mains - ctx[EXOGENOUS.TEMP_C]) * loss_k
    floor = water_kwh(cfg[c.C_FLOOR_L], cfg[c.C_FLOOR_C], mains)
    reheat = water_kwh(cfg[c.C_REHEAT_L], cfg[c.C_FLOOR_C], mains)
    min_on, min_off, most = cfg[c.C_MIN_ON_S], cfg[c.C_MIN_OFF_S], cfg[c.C_STARTS]
    free = most - cfg[c.C_STARTS_KEPT]
    held, due, taps, tank, ramp = (
        tick[c.TICK_HEAT],
        tick[c.TICK_DUE],
        state[c.DRAW_KW],
        own[c.TANK_KWH_K],
        own[c.RAMP_PER_S],
    )
    heat_kw, capacity, wanted = state[c.HEAT_KW], state[c.CAPACITY_KWH], state[c.WANTED_KWH]
    run, level, boiling, starts = state[c.RUN_S], state[c.LEVEL], state[c.BOILING], state[c.STARTS_TODAY]
    put, drawn, loss, on_s = tick[c.TICK_IN], tick[c.TICK_DRAWN], tick[c.TICK_LOSS], tick[c.TICK_ON_S]
    for i in range(held.shape[0]):
        share = base + slope * part[i]
        now = minute & (share >= begins)
        heat = held[i] + put[i] - drawn[i] - loss[i]
        run[i], level[i], boiling[i], starts[i], put_i, drawn_i, loss_i, on_i = phase(
            dt * share, ask[i], now, now & (due[i] > ZERO), heat, run[i], level[i], boiling[i], starts[i], taps[i],
            loss_0, loss_k / tank[i], heat_kw[i], capacity[i], wanted[i], ramp[i], floor, reheat, min_on, min_off, most,
            free,
        )  # fmt: skip
        put[i] += put_i
        drawn[i] += drawn_i
        loss[i] += loss_i
        on_s[i] += on_i


@part
def move_heat(tick, acc):  # type: ignore[no-untyped-def]
    """Move the tick's heat, so that tank and registers balance to float64; keep what is there then as float32."""
    put, drawn, loss, heat = tick[c.TICK_IN], tick[c.TICK_DRAWN], tick[c.TICK_LOSS], acc[c.HEAT_KWH]
    end = tick[c.TICK_HEAT]
    for i in range(heat.shape[0]):
        heat[i] += np.float64(put[i]) - np.float64(drawn[i]) - np.float64(loss[i])
        end[i] = np.float32(heat[i])


@part
def draw_power(ctx, cfg, state, tick, power, shown):  # type: ignore[no-untyped-def]
    """Write the power and what the home reports of it, what it boiled with, and its starts."""
    dt = ctx[EXOGENOUS.DT_S]
    aux_off = cfg[c.C_AUX_OFF_W] / _WATT
    aux_on = cfg[c.C_AUX_ON_W] / _WATT - aux_off
    put, cop, on_s, run = tick[c.TICK_IN], state[c.COP], tick[c.TICK_ON_S], state[c.RUN_S]
    nominal, today, boiled, starts = (
        state[c.NOMINAL_KW],
        state[c.STARTS_TODAY],
        tick[c.TICK_BOILED],
        tick[c.TICK_STARTS],
    )
    for i in range(put.shape[0]):
        kwh = put[i] / cop[i]
        boiled[i] = kwh
        power[i] = kwh * HOUR_S / dt + aux_off + aux_on * on_s[i] / dt
        shown[i] = nominal[i] if run[i] > ZERO else ZERO
        starts[i] = today[i] - starts[i]


@part
def run_out(ctx, cfg, state, tick):  # type: ignore[no-untyped-def]
    """Note the hot water that was asked for and not there; return whether a home lacks some.

    A run-out lasts until the floor is reached again.
    """
    hours = ctx[EXOGENOUS.DT_S] / HOUR_S
    floor = water_kwh(cfg[c.C_FLOOR_L], cfg[c.C_FLOOR_C], ctx[EXOGENOUS.MAINS_C])
    drawn, taps, heat, dry = tick[c.TICK_DRAWN], state[c.DRAW_KW], tick[c.TICK_HEAT], state[c.DRY]
    lack, events, most = tick[c.TICK_LACK], tick[c.TICK_RUNOUTS], _ZERO_BITS
    for i in range(heat.shape[0]):
        wanted, was, full = taps[i] * hours, dry[i], heat[i] >= floor
        short = wanted - drawn[i]
        out = short > _DRY_SHARE * wanted
        missing, still = short if out else ZERO, ZERO if full else was
        lack[i] = missing
        events[i] = ONE if out & (was <= ZERO) else ZERO
        dry[i] = ONE if out else still
        most = max(most, in_order(missing))
    return most > _ZERO_BITS


@part
def enter_runouts(ctx, tick, here, unserved, book):  # type: ignore[no-untyped-def]
    """Enter what ``run_out`` noted; called where somebody lacks something."""
    hours = ctx[EXOGENOUS.DT_S] / HOUR_S
    lack, taps, share = tick[c.TICK_LACK], tick[c.TICK_DRAWN], tick[c.TICK_DRY]
    for i in range(lack.shape[0]):
        unserved[i] += np.float64(lack[i] * here[i])
        share[i] = lack[i] / (lack[i] + taps[i]) if lack[i] > ZERO else ZERO
    enter(share, here, np.float64(hours) * _MINUTE8, book[c.RUNOUT_MIN])
    enter(tick[c.TICK_RUNOUTS], here, _ONE8, book[c.RUNOUTS])


@part
def enter_tick(ctx, cfg, tick, power, here, book):  # type: ignore[no-untyped-def]
    """Enter heat, electricity and starts of the tick in the registers of a shard's homes."""
    left, length = window(ctx[EXOGENOUS.SOD_S], cfg[c.C_NIGHT_H], cfg[c.C_NIGHT_H + 1])
    enter(tick[c.TICK_IN], here, _ONE8, book[c.HEAT_IN_KWH])
    enter(tick[c.TICK_DRAWN], here, _ONE8, book[c.DRAWN_KWH])
    enter(tick[c.TICK_LOSS], here, _ONE8, book[c.LOSS_KWH])
    enter(power, here, np.float64(ctx[EXOGENOUS.DT_S]) / _HOUR8, book[c.ELECTRIC_KWH])
    enter(tick[c.TICK_STARTS], here, _ONE8, book[c.STARTS])
    if left > length:  # by day
        enter(tick[c.TICK_BOILED], here, _ONE8, book[c.DAY_KWH])


@kernel
def save(s0, s1, n_shard, active, params, state, acc, out):  # type: ignore[no-untyped-def]
    """Save the heat as a share of the heat wanted, what the machine is doing, and when the home boils."""
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        held, st = acc[s, c.HEAT_KWH], state[s]
        for i in range(held.shape[0]):
            out[s, c.POOL_HEAT, i] = np.float32(held[i]) / st[c.WANTED_KWH, i]
            out[s, c.POOL_BOILING, i] = st[c.BOILING, i]
            out[s, c.POOL_RUN, i] = st[c.RUN_S, i]
            out[s, c.POOL_LEVEL, i] = st[c.LEVEL, i]
            out[s, c.POOL_DAY, i] = ONE if by_day(params[s, c.SORT, i]) else ZERO


ECOCUTE = DeviceClass(
    name="ecocute",
    japanese="エコキュート",
    stage=1,
    config=c.EcoCuteConfig,
    constants=c.constants,
    params=c.PARAMS,
    state=c.STATE,
    acc=c.ACC,
    book=c.BOOK,
    pool=c.POOL,
    draw=draw,
    begin=begin,
    redraw=redraw,
    advance=advance,
    capability=capability,
    save=save,
)
EcoCuteConfig = c.EcoCuteConfig
