"""A tick of the EcoCute: commands, heat, power, what people lack, and the difference to the own schedule."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import REFRESH_S
from der_gym.devices.bill import difference
from der_gym.devices.ecocute import draws
from der_gym.devices.ecocute import physics as ph
from der_gym.devices.ecocute.declaration import ECOCUTE
from der_gym.devices.ecocute.physics import HOUR_S, ONE, ZERO

_HOUR8, _MINUTE8, _ONE8, _ZERO8 = np.float64(3600.0), np.float64(60.0), np.float64(1.0), np.float64(0.0)
_WATT, _MINUTE, _SHADOW_S = np.float32(1000.0), 60, np.float32(REFRESH_S)


@ECOCUTE.once("tick")
def windows(sod_s, night_h, day_h, mains_c, floor_l, floor_c, reheat_l, starts_per_day, starts_kept):  # type: ignore[no-untyped-def]
    """Work out the two boils' windows, the floor, and the starts a day that a command may cause."""
    night_left_s, night_window_s = ph.window(sod_s, night_h[0], night_h[1])
    day_left_s, day_window_s = ph.window(sod_s, day_h[0], day_h[1])
    floor_kwh, reheat_kwh = ph.water_kwh(floor_l, floor_c, mains_c), ph.water_kwh(reheat_l, floor_c, mains_c)
    starts_free = starts_per_day - starts_kept
    return night_left_s, night_window_s, day_left_s, day_window_s, floor_kwh, reheat_kwh, starts_free


@ECOCUTE.once("tick")
def now(sod_s, dt_s, mains_c, temp_c, loss_k_w, aux_on_w, aux_off_w, night_left_s, night_window_s):  # type: ignore[no-untyped-def]
    """Work out what is the same for all homes."""
    minute, hours = np.int64(sod_s) % _MINUTE == 0, dt_s / HOUR_S
    loss_k = ONE / (loss_k_w * _WATT)
    loss_0 = (mains_c - temp_c) * loss_k
    aux_off_kw = aux_off_w / _WATT
    aux_more_kw = aux_on_w / _WATT - aux_off_kw
    hours8, minutes8 = np.float64(dt_s) / _HOUR8, np.float64(hours) * _MINUTE8
    by_day8 = _ONE8 if night_left_s > night_window_s else _ZERO8
    slot_share = dt_s / _SHADOW_S
    return minute, hours, loss_k, loss_0, aux_off_kw, aux_more_kw, hours8, minutes8, by_day8, slot_share


@ECOCUTE.tick
def narrow(heat_kwh):  # type: ignore[no-untyped-def]
    """Round the heat to float32."""
    heat = np.float32(heat_kwh)
    return heat


@ECOCUTE.tick
def clear(cmd_end_share, starts_today):  # type: ignore[no-untyped-def]
    """Clear what moves in a tick."""
    first_share, starts_before = ONE - cmd_end_share, starts_today
    put, drawn, loss, on_s = ZERO, ZERO, ZERO, ZERO
    return first_share, starts_before, put, drawn, loss, on_s


@ECOCUTE.tick
def ask(  # type: ignore[no-untyped-def]
    cmd_start, cmd_end, accepts_commands, threshold, sort, lead_s, ramp_per_s, heat, heat_kw, wanted_kwh,
    night_left_s, night_window_s, day_left_s, day_window_s,
):  # fmt: skip
    """Work out what the command asks for, and whether the own schedule is due."""
    by_day = draws.by_day(sort)
    ask_first = ph.asked(cmd_start * accepts_commands, threshold)
    ask_second = ph.asked(cmd_end * accepts_commands, threshold)
    due = ph.is_due(
        day_left_s if by_day else night_left_s, day_window_s if by_day else night_window_s, lead_s, wanted_kwh - heat,
        heat_kw, ramp_per_s,
    )  # fmt: skip
    return ask_first, ask_second, due


@ECOCUTE.tick(when="first_share")
def work_first(  # type: ignore[no-untyped-def]
    first_share, ask_first, minute, due, heat, put, drawn, loss, on_s, run_s, level, boiling, starts_today, draw_kw,
    loss_0, loss_k, tank_kwh_k, heat_kw, capacity_kwh, wanted_kwh, ramp_per_s, floor_kwh, reheat_kwh, min_on_s,
    min_off_s, starts_per_day, starts_free, dt_s,
):  # fmt: skip
    """Work the part of the tick under the first command; own starts happen at its start, at whole minutes."""
    run_s, level, boiling, starts_today, more, out, lost, on = ph.phase(
        dt_s * first_share, ask_first, minute, minute & (due > ZERO), heat + put - drawn - loss, run_s, level, boiling,
        starts_today, draw_kw, loss_0, loss_k / tank_kwh_k, heat_kw, capacity_kwh, wanted_kwh, ramp_per_s, floor_kwh,
        reheat_kwh, min_on_s, min_off_s, starts_per_day, starts_free,
    )  # fmt: skip
    put, drawn, loss, on_s = put + more, drawn + out, loss + lost, on_s + on
    return run_s, level, boiling, starts_today, put, drawn, loss, on_s


@ECOCUTE.tick(when="cmd_end_share")
def work_second(  # type: ignore[no-untyped-def]
    cmd_end_share, ask_second, minute, due, heat, put, drawn, loss, on_s, run_s, level, boiling, starts_today, draw_kw,
    loss_0, loss_k, tank_kwh_k, heat_kw, capacity_kwh, wanted_kwh, ramp_per_s, floor_kwh, reheat_kwh, min_on_s,
    min_off_s, starts_per_day, starts_free, dt_s,
):  # fmt: skip
    """Work the part under the second command; it stands at a whole minute only where it is the whole tick."""
    begins = minute & (cmd_end_share >= ONE)
    run_s, level, boiling, starts_today, more, out, lost, on = ph.phase(
        dt_s * cmd_end_share, ask_second, begins, begins & (due > ZERO), heat + put - drawn - loss, run_s, level,
        boiling, starts_today, draw_kw, loss_0, loss_k / tank_kwh_k, heat_kw, capacity_kwh, wanted_kwh, ramp_per_s,
        floor_kwh, reheat_kwh, min_on_s, min_off_s, starts_per_day, starts_free,
    )  # fmt: skip
    put, drawn, loss, on_s = put + more, drawn + out, loss + lost, on_s + on
    return run_s, level, boiling, starts_today, put, drawn, loss, on_s


@ECOCUTE.tick
def move_heat(heat_kwh, put, drawn, loss):  # type: ignore[no-untyped-def]
    """Move the tick's heat, so that tank and registers balance to float64; keep what is there then as float32."""
    heat_kwh = heat_kwh + (np.float64(put) - np.float64(drawn) - np.float64(loss))
    heat = np.float32(heat_kwh)
    return heat_kwh, heat


@ECOCUTE.tick
def draw_power(put, cop, on_s, run_s, nominal_kw, starts_today, starts_before, dt_s, aux_off_kw, aux_more_kw):  # type: ignore[no-untyped-def]
    """Work out the power and what the home reports of it, what it boiled with, and its starts."""
    boiled = put / cop
    power_kw = boiled * HOUR_S / dt_s + aux_off_kw + aux_more_kw * on_s / dt_s
    shown_kw = nominal_kw if run_s > ZERO else ZERO
    started = starts_today - starts_before
    return boiled, power_kw, shown_kw, started


@ECOCUTE.tick
def run_out(draw_kw, hours, drawn, heat, floor_kwh, dry, own_lack_kw):  # type: ignore[no-untyped-def]
    """Note the hot water that was asked for and not there. A run-out lasts until the floor is reached again."""
    lack, event, dry = ph.lacking(draw_kw * hours, drawn, heat, floor_kwh, dry)
    lack_or_own = lack + own_lack_kw
    return lack, event, dry, lack_or_own


@ECOCUTE.tick
def compare(bare_kw, power_kw, own_kw, hours, ask_first, ask_second):  # type: ignore[no-untyped-def]
    """Work out what the owner's bill and the tank's heat have more than under the own schedule."""
    import_more_kwh, export_more_kwh = difference(bare_kw, power_kw, own_kw, hours)
    taken_more_kwh = (power_kw - own_kw) * hours
    deferred_kwh = max(-taken_more_kwh, ZERO) if (ask_first > ZERO) | (ask_second > ZERO) else ZERO
    return import_more_kwh, export_more_kwh, taken_more_kwh, deferred_kwh


@ECOCUTE.tick(when="lack_or_own")
def compare_lack(hours, slot_share, lack, event, own_lack_kw, own_ran_out):  # type: ignore[no-untyped-def]
    """Work out what is missing more than under the own schedule, where either lacks something."""
    unserved_more_kwh = lack - own_lack_kw * hours
    runouts_more = event - own_ran_out * slot_share
    return unserved_more_kwh, runouts_more


@ECOCUTE.tick(when="lack")
def note_runouts(unserved_kwh, lack, enrolled, drawn, event):  # type: ignore[no-untyped-def]
    """Add what is missing, where somebody lacks something."""
    unserved_kwh = unserved_kwh + np.float64(lack * enrolled)
    dry_share = lack / (lack + drawn) if lack > ZERO else ZERO
    ran_out = event
    return unserved_kwh, dry_share, ran_out
