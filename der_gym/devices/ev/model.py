"""EV home charger with one-way charging (V1G): a car is charged earlier, later or slower, never discharged.

When a car is there and what it needs stands in `ev_sessions`, how it charges in `ev_physics`, the settings with their
sources in `ev_config`; here are the rows, the kernels and the plug-in.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices import base
from der_gym.devices.ev import config as c
from der_gym.devices.ev.config import EVConfig, constants
from der_gym.devices.ev.physics import capabilities, phase, tick
from der_gym.devices.ev.sessions import BATTERY_KWH, N_HABIT, TIMER_S, habits, hours, replay, session, sort_of, waking
from der_gym.devices.flexibility import HEARS, N_SCRATCH, find_accepting, sum_cells
from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN
from der_gym.numerics import approx, rng
from der_gym.numerics.sums import enter, find_enrolled

# params
CHARGER_KW, SWITCHED, RATE_KW_S, SORT = 0, 1, 2, 3  # SORT: see `ev_sessions.habits`
# state: the session (redrawn at noon), then what moves
ARRIVE_S, OWN_S, DEPART_S, NEED_KWH, OBEY_KWH, DELAY_S, FAIL_AT, THRESHOLD = 0, 1, 2, 3, 4, 5, 6, 7
POWER_KW, WAIT_S, STOPS = 8, 9, 10
GOT_KWH, MISSING_KWH = 0, 1  # acc
CHARGED_KWH, LOSS_KWH, STOPS_TOTAL, SESSIONS, SHORT_CARS = 0, 1, 2, 3, 4  # book
DRAWN, STOPPED, LEFT, SHORT, HERE, N_TICK = 0, 1, 2, 3, 4, 5  # rows of a tick's scratch

_WHO = rng.stream("ev.who")
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_HOUR_S = np.float32(3600.0)
_NOON_S, _DAY_S = np.int64(43_200), np.int64(86_400)
_ONE8, _ZERO8, _PER_HOUR8 = np.float64(1.0), np.float64(0.0), np.float64(1.0 / 3600.0)
_SHORT_KWH = np.float64(1.0)  # a car that leaves with less counts as short


@scalar
def choice4(u, cumulative):  # type: ignore[no-untyped-def]
    """Return which of four is at ``u``, 0..3, given the cumulative shares of the first three."""
    return 0 if u < cumulative[0] else (1 if u < cumulative[1] else (2 if u < cumulative[2] else 3))


@kernel
def draw(s0, s1, n_shard, active, keys, uid, cfg, given, site_index, site, limits, params, fleet, lo):  # type: ignore[no-untyped-def]
    """Draw who owns which charger, car and habit, from the fleet's key."""
    n = params.shape[2]
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        k0, k1 = keys[w, 0], keys[w, 1]
        for i in range(n):
            u0, u1, u2, u3 = rng.uniform4(k0, k1, uid[p, lo + i], _WHO, np.uint32(0), np.uint32(0))
            v0, v1, v2, v3 = rng.uniform4(k0, k1, uid[p, lo + i], _WHO, np.uint32(0), np.uint32(1))
            rated = fleet[s, FLEET.RATED_KW, lo + i]
            drawn = cfg[c.CHARGER_KW] if u0 < cfg[c.CHARGER_KW + 2] else cfg[c.CHARGER_KW + 1]
            rated = rated if rated == rated else drawn
            switched = given[p, GIVEN.SWITCHED, lo + i]
            drawn = _ONE if v0 < cfg[c.SWITCHED_SHARE] else _ZERO
            params[s, CHARGER_KW, i] = rated
            params[s, SWITCHED, i] = drawn if switched < 0 else np.float32(switched)
            params[s, RATE_KW_S, i] = rated / (cfg[c.RAMP_S] + v1 * (cfg[c.RAMP_S + 1] - cfg[c.RAMP_S]))
            battery, archetype = choice4(u1, cfg[c.BATTERY_KWH + 4 :]), choice4(u2, cfg[c.ARCHETYPE :])
            habit, phase_d = choice4(u3, cfg[c.HABIT :]), np.floor(v2 * cfg[c.PLUG_CYCLE_D])
            params[s, SORT, i] = sort_of(phase_d, battery, archetype, habit)
            fleet[s, FLEET.RATED_KW, lo + i] = rated
            fleet[s, FLEET.DEAD_S, lo + i] = approx.exp(cfg[c.DEAD] + cfg[c.DEAD + 1] * approx.normal_quantile(v3))


@part
def open_sessions(s, w, ids, keys, abs_s, ctx, cfg, params, state, acc):  # type: ignore[no-untyped-def]
    """Write the sessions of the current noon day of shard ``s`` as they stand at its noon."""
    since_s = (abs_s[w] - _NOON_S) % _DAY_S
    d = (abs_s[w] - _NOON_S) // _DAY_S
    noon_s = ctx[w, EXOGENOUS.T_S] - np.float32(since_s)
    q, k0, k1 = params[s], keys[w, 2], keys[w, 3]
    car = np.empty((N_HABIT, ids.shape[0]), np.float32)
    habits(q[SORT], cfg, car)
    km, plugged = state[s, POWER_KW], state[s, WAIT_S]  # until they are written
    replay(k0, k1, ids, d, cfg, car, km, plugged)
    draw_hours(k0, k1, ids, d, cfg, state[s])
    plug_in(noon_s, ctx[w, EXOGENOUS.TEMP_C], cfg, q[CHARGER_KW], car, km, plugged, state[s])
    draw_waking(k0, k1, ids, d, cfg, state[s])
    acc[s, GOT_KWH] = _ZERO8


@part
def draw_hours(k0, k1, uid, d, cfg, x):  # type: ignore[no-untyped-def]
    """Draw when the cars of a shard come and go, as seconds after noon until `plug_in`."""
    arrive, depart, stops, threshold = x[ARRIVE_S], x[DEPART_S], x[STOPS], x[THRESHOLD]
    for i in range(uid.shape[0]):
        arrive[i], depart[i], stops[i], threshold[i] = hours(k0, k1, uid[i], d, cfg)


@part
def plug_in(noon_s, temp_c, cfg, charger, car, km, plugged, x):  # type: ignore[no-untyped-def]
    """Work out need and schedule of the cars of a shard; see `session`."""
    arrive, depart, stops = x[ARRIVE_S], x[DEPART_S], x[STOPS]
    own, need, obey = x[OWN_S], x[NEED_KWH], x[OBEY_KWH]
    battery, timer = car[BATTERY_KWH], car[TIMER_S]
    for i in range(km.shape[0]):
        arrive[i], own[i], depart[i], need[i], obey[i] = session(
            noon_s, arrive[i], depart[i], stops[i], km[i], plugged[i], temp_c, cfg, charger[i], battery[i], timer[i]
        )


@part
def draw_waking(k0, k1, uid, d, cfg, x):  # type: ignore[no-untyped-def]
    """Draw how the cars of a shard start and whether they wake again; nothing flows yet."""
    delay, fail_at, power, wait = x[DELAY_S], x[FAIL_AT], x[POWER_KW], x[WAIT_S]
    for i in range(uid.shape[0]):
        late, fails = waking(k0, k1, uid[i], d, cfg)
        delay[i], fail_at[i], power[i], wait[i] = late, fails, _ZERO, late


@kernel
def begin(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, keys, uid, abs_s, ctx, cfg, pool, at, place, params, state, acc, lo
):
    """Set the state at t = 0: one uncommanded phase from the last noon, in closed form."""
    eta = cfg[c.ETA]
    ac_kws, eta_h = _HOUR_S / eta, eta / _HOUR_S
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        noon_s = ctx[w, EXOGENOUS.T_S] - np.float32((abs_s[w] - _NOON_S) % _DAY_S)
        x, q = state[s], params[s]
        for i in range(params.shape[2]):
            _, power, wait, stops, drawn, _ = phase(
                noon_s, ctx[w, EXOGENOUS.T_S] - noon_s, _ZERO, x[NEED_KWH, i], x[POWER_KW, i], x[WAIT_S, i], x[STOPS, i],
                q[CHARGER_KW, i], q[SWITCHED, i], q[RATE_KW_S, i], x[ARRIVE_S, i], x[OWN_S, i], x[DEPART_S, i],
                x[DELAY_S, i], x[FAIL_AT, i], x[THRESHOLD, i], ac_kws, eta_h,
            )  # fmt: skip
            x[POWER_KW, i], x[WAIT_S, i], x[STOPS, i] = power, wait, stops
            acc[s, GOT_KWH, i] = np.float64(drawn) * _PER_HOUR8 * np.float64(eta)


@kernel
def redraw(s0, s1, n_shard, active, keys, uid, abs_s, ctx, cfg, params, state, acc, lo, fresh):  # type: ignore[no-untyped-def]
    """At noon, or where ``fresh``, draw the sessions of the noon day that has begun."""
    for s in range(s0, s1):
        w = s // n_shard
        if active[w] and (fresh or abs_s[w] % _DAY_S == _NOON_S):
            ids = uid[s % n_shard, lo : lo + params.shape[2]]
            open_sessions(s, w, ids, keys, abs_s, ctx, cfg, params, state, acc)


@kernel
def advance(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, ctx, cfg, site_index, site, params, state, acc, book, fleet, lo
):
    """Advance every car by one tick: two phases, then what cars lack that leave."""
    n = params.shape[2]
    eta, margin, max_stops = cfg[c.ETA], cfg[c.MARGIN_S], cfg[c.MAX_STOPS]
    ac_kws, eta_h, eta8 = _HOUR_S / eta, eta / _HOUR_S, np.float64(eta)
    scratch = np.empty((N_TICK, n), np.float32)
    drawn, stopped, left, short, here = scratch[DRAWN], scratch[STOPPED], scratch[LEFT], scratch[SHORT], scratch[HERE]
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        t, dt = ctx[w, EXOGENOUS.T_S], ctx[w, EXOGENOUS.DT_S]
        per_dt = _ONE / dt
        rated, switched, rate = params[s, CHARGER_KW], params[s, SWITCHED], params[s, RATE_KW_S]
        arrive, own_s, depart, need = state[s, ARRIVE_S], state[s, OWN_S], state[s, DEPART_S], state[s, NEED_KWH]
        obey, delay, fail_at, threshold = state[s, OBEY_KWH], state[s, DELAY_S], state[s, FAIL_AT], state[s, THRESHOLD]
        power, wait, stops = state[s, POWER_KW], state[s, WAIT_S], state[s, STOPS]
        got, missing = acc[s, GOT_KWH], acc[s, MISSING_KWH]
        a0, a1 = fleet[s, FLEET.CMD_START, lo : lo + n], fleet[s, FLEET.CMD_END, lo : lo + n]
        part, takes = fleet[s, FLEET.CMD_END_SHARE, lo : lo + n], fleet[s, FLEET.ACCEPTS_COMMANDS, lo : lo + n]
        find_enrolled(fleet[s, FLEET.METER_GAIN, lo : lo + n], here)
        mean_kw, shown_kw = fleet[s, FLEET.POWER_KW, lo : lo + n], fleet[s, FLEET.SHOWN_KW, lo : lo + n]
        for i in range(n):  # loops without float64 take twice as many cars at a time
            left[i] = np.float32(np.float64(need[i]) - got[i])
        for i in range(n):
            power[i], wait[i], stops[i], drawn[i], stopped[i] = tick(
                t, dt, a0[i], a1[i], part[i], takes[i], left[i], power[i], wait[i], stops[i], rated[i], switched[i],
                rate[i], arrive[i], own_s[i], depart[i], obey[i], delay[i], fail_at[i], threshold[i], ac_kws, eta_h,
                margin, max_stops,
            )  # fmt: skip
            mean_kw[i] = drawn[i] * per_dt
        for i in range(n):
            leaves = _ONE if t < depart[i] and depart[i] <= t + dt else _ZERO
            got[i] += np.float64(drawn[i]) * _PER_HOUR8 * eta8
            lacks = max(np.float64(need[i]) - got[i], _ZERO8) * np.float64(leaves)
            missing[i] += lacks * np.float64(here[i])
            left[i] = leaves
            short[i] = _ONE if lacks > _SHORT_KWH else _ZERO
            shown_kw[i] = mean_kw[i]
        enter(drawn, here, _PER_HOUR8, book[s, CHARGED_KWH])
        enter(drawn, here, _PER_HOUR8 * (_ONE8 - eta8), book[s, LOSS_KWH])
        enter(stopped, here, _ONE8, book[s, STOPS_TOTAL])
        enter(left, here, _ONE8, book[s, SESSIONS])
        enter(short, here, _ONE8, book[s, SHORT_CARS])


@kernel
def capability(  # type: ignore[no-untyped-def]
    s0,
    s1,
    n_shard,
    active,
    ctx,
    cfg,
    site_index,
    site,
    params,
    state,
    acc,
    fleet,
    lo,
    opting,
    reached,
    cell_lo,
    cell_hi,
    out,
):
    """Write what the cars could give, take and put off from now on."""
    n = params.shape[2]
    each = np.empty((N_SCRATCH, n), np.float32)
    takes, up, down, stored, debt = (
        each[HEARS],
        each[CAPABILITY.UP_KW],
        each[CAPABILITY.DOWN_KW],
        each[CAPABILITY.STORED_KWH],
        each[CAPABILITY.DEBT_KWH],
    )
    eta, margin, max_stops = cfg[c.ETA], cfg[c.MARGIN_S], cfg[c.MAX_STOPS]
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        t = ctx[w, EXOGENOUS.T_S]
        rated, need, got = params[s, CHARGER_KW], state[s, NEED_KWH], acc[s, GOT_KWH]
        arrive, own_s, depart = state[s, ARRIVE_S], state[s, OWN_S], state[s, DEPART_S]
        obey, wait, stops = state[s, OBEY_KWH], state[s, WAIT_S], state[s, STOPS]
        find_accepting(fleet[s], lo, opting, each)
        for i in range(n):
            left = np.float32(max(np.float64(need[i]) - got[i], _ZERO8))
            up[i], down[i], stored[i], debt[i] = capabilities(
                t, takes[i], left, wait[i], stops[i], rated[i], arrive[i], own_s[i], depart[i], obey[i], eta, margin,
                max_stops,
            )  # fmt: skip
        sum_cells(t, each, fleet[s], lo, cell_lo, cell_hi, reached, out[s])


@kernel
def save(s0, s1, n_shard, active, params, state, acc, out):  # type: ignore[no-untyped-def]
    """Write nothing: a car's state follows from its address."""


EV = base.DeviceClass(
    name="ev",
    japanese="EV充電器",
    stage=1,
    config=EVConfig,
    constants=constants,
    params=("charger_kw", "switched", "rate_kw_s", "sort"),
    state=(
        "arrive_s", "own_s", "depart_s", "need_kwh", "obey_kwh", "delay_s", "fail_at", "threshold", "power_kw",
        "wait_s", "stops",
    ),
    acc=("got_kwh", "missing_kwh"),
    book=("charged_kwh", "loss_kwh", "stops", "sessions", "short_cars"),
    pool=(),
    draw=draw,
    begin=begin,
    redraw=redraw,
    advance=advance,
    capability=capability,
    save=save,
)  # fmt: skip
