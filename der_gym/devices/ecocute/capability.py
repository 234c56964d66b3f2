"""What EcoCutes could give: the response they can hold for 30 minutes, the heat held, and what will be missing."""

from __future__ import annotations

import numpy as np

from der_gym.devices.ecocute import config as c
from der_gym.devices.ecocute.draws import by_day, by_home, daily_uses, used_by
from der_gym.devices.ecocute.physics import DAY_S, HOUR_S, ONE, PER_S, ZERO, water_kwh, window
from der_gym.devices.flexibility import HEARS, N_SCRATCH, find_accepting, sum_cells
from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.tables import CAPABILITY, EXOGENOUS

_GAUGE_S = np.float32(300.0)
_BLOCK_H, _SLOT_H = np.float32(0.5), np.float32(0.25)


@scalar
def swing(run, boiling, starts, heat, coming, heat_kw, cop, capacity, wanted, floor, reheat, min_on, min_off, free):  # type: ignore[no-untyped-def]
    """Return (up, down) kW of one home: what it can give for 30 minutes against its own schedule.

    Up: it boils by its schedule, or a command holds it back from that, and it can stay off (``coming``: heat drawn in
    30 min). Down: it does not want to boil, or boils by command, and has room. A lock that ends before the next capability
    counts as ended.
    """
    on, own, power = run > ZERO, boiling > ZERO, heat_kw / cop
    block = heat_kw * _BLOCK_H
    stops = (not on) | ((run + _GAUGE_S >= min_on) & (starts < free) & (heat >= reheat))
    up = power * min((wanted - heat) / block, ONE) if own & stops & (heat - coming >= floor) else ZERO
    room, least = capacity - heat, heat_kw * min_on * PER_S
    begins = on | ((_GAUGE_S - run >= min_off) & (starts < free) & (room > least))
    down = power * min(room / block, ONE) if (not own) & begins & (heat >= floor) else ZERO
    return max(up, ZERO), max(down, ZERO)


@scalar
def debt(use, share, heat, heat_kw, cop, left_s, window_s):  # type: ignore[no-untyped-def]
    """Return the electric kWh missing until the next boil: what will be drawn, less the heat held and still to come."""
    to_come = heat_kw * left_s / HOUR_S if left_s <= window_s else ZERO
    return max(use * share - heat - to_come, ZERO) / cop


@scalar
def until_next(sod_s, opens_h, cfg):  # type: ignore[no-untyped-def]
    """Return the share of a day's hot water that is drawn until the next window opens."""
    opens_s = opens_h * HOUR_S
    return used_by(cfg, opens_s) - used_by(cfg, sod_s) + (ONE if sod_s >= opens_s else ZERO)


@kernel
def capability(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, ctx, cfg, site_index, site, params, state, acc, fleet, lo, opting, reached, cell_lo,
    cell_hi, out,
):  # fmt: skip
    """Write what the homes could give for 30 minutes, the heat held above the floor, and what will be missing."""
    n = params.shape[2]
    each = np.empty((N_SCRATCH, n), np.float32)
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            find_accepting(fleet[s], lo, opting, each)
            measure(
                ctx[w], cfg, params[s], state[s], acc[s, c.HEAT_KWH], each[HEARS], each[CAPABILITY.UP_KW],
                each[CAPABILITY.DOWN_KW], each[CAPABILITY.STORED_KWH], each[CAPABILITY.DEBT_KWH],
            )  # fmt: skip
            sum_cells(ctx[w, EXOGENOUS.T_S], each, fleet[s], lo, cell_lo, cell_hi, reached, out[s])


@part
def measure(ctx, cfg, own, state, held, takes, up, down, stored, missing):  # type: ignore[no-untyped-def]
    """Gauge the homes of one shard."""
    sod, mains = ctx[EXOGENOUS.SOD_S], ctx[EXOGENOUS.MAINS_C]
    night_left, night_window = window(sod, cfg[c.C_NIGHT_H], cfg[c.C_NIGHT_H + 1])
    day_left, day_window = window(sod, cfg[c.C_DAY_H], cfg[c.C_DAY_H + 1])
    night_share, day_share = until_next(sod, cfg[c.C_NIGHT_H], cfg), until_next(sod, cfg[c.C_DAY_H], cfg)
    soon = used_by(cfg, min(sod + _BLOCK_H * HOUR_S, DAY_S)) - used_by(cfg, sod)
    floor = water_kwh(cfg[c.C_FLOOR_L], cfg[c.C_FLOOR_C], mains)
    reheat = water_kwh(cfg[c.C_REHEAT_L], cfg[c.C_FLOOR_C], mains)
    min_on, min_off, free = cfg[c.C_MIN_ON_S], cfg[c.C_MIN_OFF_S], cfg[c.C_STARTS] - cfg[c.C_STARTS_KEPT]
    uses, sort, run, boiling = daily_uses(cfg, mains), own[c.SORT], state[c.RUN_S], state[c.BOILING]
    starts, taps, heat_kw, cop = state[c.STARTS_TODAY], state[c.DRAW_KW], state[c.HEAT_KW], state[c.COP]
    capacity, wanted = state[c.CAPACITY_KWH], state[c.WANTED_KWH]
    for i in range(held.shape[0]):
        day, heat, use = by_day(sort[i]), np.float32(held[i]), by_home(sort[i], *uses)
        up_kw, down_kw = swing(
            run[i], boiling[i], starts[i], heat, use * soon + taps[i] * _SLOT_H, heat_kw[i], cop[i], capacity[i],
            wanted[i], floor, reheat, min_on, min_off, free,
        )  # fmt: skip
        up[i] = up_kw * takes[i]
        down[i] = down_kw * takes[i]
        stored[i] = max(heat - floor, ZERO) / cop[i]
        missing[i] = debt(
            use, day_share if day else night_share, heat, heat_kw[i], cop[i], day_left if day else night_left,
            day_window if day else night_window,
        )  # fmt: skip
