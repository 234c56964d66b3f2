"""An EcoCute's days without commands: its home and machine, weather, hot water, shadow, start, and what is saved."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import DAY_S as DAY
from der_gym.core.units import REFRESH_S
from der_gym.devices.ecocute import draws
from der_gym.devices.ecocute import physics as ph
from der_gym.devices.ecocute.config import CFG, SLOTS
from der_gym.devices.ecocute.declaration import ECOCUTE
from der_gym.devices.ecocute.physics import DAY_S, HOUR_S, ONE, ZERO
from der_gym.numerics.approx import clip

_MEAN_FILL = np.float32(0.7)  # of the heat wanted, where nothing saved says more
_WATT, _SLOT_S = np.float32(1000.0), 900
_SHADOW_S, _HALF_SHADOW_S = np.float32(REFRESH_S), np.float32(REFRESH_S / 2)


@ECOCUTE.draw
def draw_home(k0, k1, uid, rated_kw, cfg):  # type: ignore[no-untyped-def]
    """Draw each home and its machine."""
    sort, tank_kwh_k, scale, lead_s, ramp_per_s, shown_gain, rated_kw, dead_s = draws.draw_machine(
        k0, k1, uid, rated_kw, cfg
    )
    return sort, tank_kwh_k, scale, lead_s, ramp_per_s, shown_gain, rated_kw, dead_s


@ECOCUTE.response
def seconds_to_stop(dead_s):  # type: ignore[no-untyped-def]
    """Return the seconds until the compressor stops; one in its shortest run stops later, and is not counted on."""
    return dead_s


# --- what follows from weather and clock


@ECOCUTE.once("redraw", "begin")
def learned(cfg, mains_c):  # type: ignore[no-untyped-def]
    """Work out the daily use that homes of one to five persons have learned to expect."""
    uses = draws.daily_uses(cfg, mains_c)
    return uses


@ECOCUTE.once("redraw")
def slots(cfg, weekend, clock_s, reserve_l, floor_c, mains_c):  # type: ignore[no-untyped-def]
    """Work out what belongs to the day and the slot that run."""
    day, number = clock_s // DAY, clock_s // _SLOT_S
    litres = draws.five(cfg, CFG.WEEKEND_L if weekend > ZERO else CFG.WEEKDAY_L)
    shares = draws.five(cfg, CFG.BATH_SHARE)
    hour_share = cfg[CFG.OTHER_BY_HOUR + number % SLOTS // 4]
    reserve_kwh = ph.water_kwh(reserve_l, floor_c, mains_c)
    return day, number, litres, shares, hour_share, reserve_kwh


@ECOCUTE.redraw
def set_conditions(sort, scale, tank_kwh_k, shown_gain, temp_c, mains_c, season, cfg, uses, margin, reserve_kwh):  # type: ignore[no-untyped-def]
    """Set what follows from the weather: heat, COP, capacity, heat wanted, nominal power."""
    target_c, heat_kw, cop, plain_kw = draws.conditions(sort, scale, temp_c, season, cfg)
    capacity_kwh = tank_kwh_k * (target_c - mains_c)
    nominal_kw = plain_kw * shown_gain
    wanted_kwh = min(draws.by_home(sort, *uses) * margin + reserve_kwh, capacity_kwh)
    return heat_kw, cop, capacity_kwh, nominal_kw, wanted_kwh


@ECOCUTE.redraw(every_s=DAY)
def draw_day(k0, k1, uid, day, sort, litres, shares, cfg):  # type: ignore[no-untyped-def]
    """Draw the day's hot water and threshold; begin a new count of starts."""
    mean_l, bath_share = draws.by_home(sort, *litres), draws.by_home(sort, *shares)
    bath_slot, other_l, threshold = draws.draw_day(k0, k1, uid, day, mean_l, bath_share, cfg)
    starts_today, own_starts = ZERO, ZERO
    return bath_slot, other_l, threshold, starts_today, own_starts


@ECOCUTE.redraw(every_s=_SLOT_S)
def draw_slot(k0, k1, uid, number, hour_share, mains_c, bath_slot, other_l, cfg):  # type: ignore[no-untyped-def]
    """Draw the taps' heat of the quarter of an hour that runs."""
    draw_kw = draws.draw_slot(k0, k1, uid, number, hour_share, mains_c, bath_slot, other_l, cfg)
    return draw_kw


# --- the shadow that nobody commands, in slots of 300 s


@ECOCUTE.once("redraw")
def slot(fresh, sod_s, night_h, day_h, mains_c, temp_c, loss_k_w, aux_on_w, aux_off_w, floor_l, floor_c, reheat_l):  # type: ignore[no-untyped-def]
    """Work out what is the same for all shadows; before an episode begins they stand still."""
    slot_s = ZERO if fresh else _SHADOW_S
    slot_h = _SHADOW_S / HOUR_S
    left_night_s, long_night_s = ph.window(sod_s, night_h[0], night_h[1])
    left_day_s, long_day_s = ph.window(sod_s, day_h[0], day_h[1])
    loss_per_k = ONE / (loss_k_w * _WATT)
    loss_at_0 = (mains_c - temp_c) * loss_per_k
    off_kw = aux_off_w / _WATT
    more_kw = aux_on_w / _WATT - off_kw
    least_kwh, again_kwh = ph.water_kwh(floor_l, floor_c, mains_c), ph.water_kwh(reheat_l, floor_c, mains_c)
    return (
        slot_s, slot_h, left_night_s, long_night_s, left_day_s, long_day_s, loss_per_k, loss_at_0, off_kw, more_kw,
        least_kwh, again_kwh,
    )  # fmt: skip


@ECOCUTE.redraw
def shadow_due(  # type: ignore[no-untyped-def]
    sort, lead_s, ramp_per_s, own_heat_kwh, heat_kw, wanted_kwh, left_night_s, long_night_s, left_day_s, long_day_s
):
    """Work out whether the shadow's schedule is due."""
    own_heat, by_day = np.float32(own_heat_kwh), draws.by_day(sort)
    left_s, long_s = left_day_s if by_day else left_night_s, long_day_s if by_day else long_night_s
    own_due = ph.is_due(left_s, long_s, lead_s + _HALF_SHADOW_S, wanted_kwh - own_heat, heat_kw, ramp_per_s)
    return own_heat, own_due


@ECOCUTE.redraw
def work_shadow(  # type: ignore[no-untyped-def]
    slot_s, own_due, own_heat, own_run_s, own_level, own_boiling, own_starts, draw_kw, loss_at_0, loss_per_k,
    tank_kwh_k, heat_kw, capacity_kwh, wanted_kwh, ramp_per_s, least_kwh, again_kwh, min_on_s, min_off_s,
    starts_per_day, starts_kept,
):  # fmt: skip
    """Work a slot without commands; its starts are decided by what stands in its middle."""
    own_run_s, own_level, own_boiling, own_starts, own_put, own_drawn, own_loss, own_on_s = ph.phase(
        slot_s, ZERO, True, own_due > ZERO, own_heat, own_run_s, own_level, own_boiling, own_starts, draw_kw, loss_at_0,
        loss_per_k / tank_kwh_k, heat_kw, capacity_kwh, wanted_kwh, ramp_per_s,
        least_kwh + draw_kw * _HALF_SHADOW_S / HOUR_S, again_kwh, min_on_s, min_off_s, starts_per_day,
        starts_per_day - starts_kept,
    )  # fmt: skip
    return own_run_s, own_level, own_boiling, own_starts, own_put, own_drawn, own_loss, own_on_s


@ECOCUTE.redraw
def note_shadow(  # type: ignore[no-untyped-def]
    fresh, slot_h, own_heat_kwh, own_put, own_drawn, own_loss, own_on_s, own_dry, draw_kw, cop, off_kw, more_kw,
    least_kwh,
):  # fmt: skip
    """Note what the shadow holds, draws and lacks."""
    own_heat_kwh = own_heat_kwh + (np.float64(own_put) - np.float64(own_drawn) - np.float64(own_loss))
    own_kw = own_put / (cop * slot_h) + off_kw + more_kw * own_on_s / _SHADOW_S
    wanted_slot_kwh, own_heat = draw_kw * slot_h, np.float32(own_heat_kwh)
    lack_kwh, own_ran_out, own_dry = ph.lacking(wanted_slot_kwh, own_drawn, own_heat, least_kwh, own_dry)
    own_lack_kw = lack_kwh / slot_h
    own_lack_kw, own_ran_out, own_dry = (
        ZERO if fresh else own_lack_kw,
        ZERO if fresh else own_ran_out,
        ZERO if fresh else own_dry,
    )
    return own_heat_kwh, own_kw, own_lack_kw, own_ran_out, own_dry


@ECOCUTE.begin
def fill(  # type: ignore[no-untyped-def]
    saved_heat_share, saved_boiling, saved_run_s, saved_level, saved_day_boil, sort, tank_kwh_k, lead_s, wanted_kwh,
    capacity_kwh, heat_kw, uses, mains_c, sod_s, temp_c, loss_k_w, cfg,
):  # fmt: skip
    """Fill the tank from what is saved; where nothing is, or its home boils at another time, as its schedule would."""
    by_day = draws.by_day(sort)
    opens = CFG.DAY_H if by_day else CFG.NIGHT_H
    left_s, length_s = ph.window(sod_s, cfg[opens], cfg[opens + 1])
    end_s = cfg[opens + 1] * HOUR_S
    used = draws.used_by(cfg, sod_s) - draws.used_by(cfg, end_s) + (ONE if sod_s < end_s else ZERO)
    loss_kw = max(mains_c + _MEAN_FILL * wanted_kwh / tank_kwh_k - temp_c, ZERO) / (loss_k_w * _WATT)
    gone_kwh = draws.by_home(sort, *uses) * used + loss_kw * (DAY_S - left_s) / HOUR_S
    kwh, run = ph.expected(gone_kwh, wanted_kwh, heat_kw, left_s, length_s, lead_s)
    known = saved_day_boil == (ONE if by_day else ZERO)  # NaN equals nothing
    heat_kwh = np.float64(clip(saved_heat_share * wanted_kwh if known else kwh, ZERO, capacity_kwh))
    run_s = saved_run_s if known else run
    boiling = saved_boiling if known else (ONE if run > ZERO else ZERO)
    level = saved_level if known else (ONE if run > ZERO else ZERO)
    return heat_kwh, run_s, boiling, level


@ECOCUTE.begin
def begin_shadow(heat_kwh, run_s, boiling, level):  # type: ignore[no-untyped-def]
    """Let the shadow begin as the home does."""
    own_heat_kwh, own_run_s, own_boiling, own_level = heat_kwh, run_s, boiling, level
    return own_heat_kwh, own_run_s, own_boiling, own_level


# --- what is kept


@ECOCUTE.save
def share_of_wanted(heat_kwh, wanted_kwh, boiling, run_s, level, sort):  # type: ignore[no-untyped-def]
    """Save the heat over the heat wanted, what the machine is doing, and when the home boils."""
    saved_heat_share = np.float32(heat_kwh) / wanted_kwh
    saved_boiling, saved_run_s, saved_level = boiling, run_s, level
    saved_day_boil = ONE if draws.by_day(sort) else ZERO
    return saved_heat_share, saved_boiling, saved_run_s, saved_level, saved_day_boil
