"""EcoCute, the CO2 heat-pump water heater (ECHONET 0x026B): a tank that boils once a day for a home's hot water.

Own schedule: by its end (07:00, or 16:00 for homes that boil by day) the tank shall hold what the home uses in a day,
learned, with a margin; it starts as late as that allows. Below 50 L it reheats at once, at any hour.

Command: on or off, no power between. Each home compares the fraction with its threshold of the day: above, it stops or
stays off; below minus the threshold, it boils early while there is room. Shortest runs and pauses, starts a day, the
floor and the size of the tank come first. What it reports is an estimate, for it has no current sensor [1]_.

A shadow that nobody commands runs beside each home, in slots of 300 s: the owner's bill and what people lose are the
difference to it (`devices.bill`). Known error: it starts
up to 2.5 minutes earlier or later.

Known error: one hot fraction instead of layers (lukewarm water counts as hot); the learned need does not follow the
last week; starts before t = 0 do not count among the starts of the first day. See `physics` for the machine.

References
----------
.. [1] ITmedia SmartJapan, 2024-09-27, on the DR-ready specification [V].
"""

from __future__ import annotations

import numpy as np

from der_gym.core.units import DAY_S as DAY
from der_gym.core.units import REFRESH_S
from der_gym.devices.base import DeviceModel, Register, Traits, rows
from der_gym.devices.bill import BILL, DEFERRED, TAKEN, difference
from der_gym.devices.ecocute import capability as cap
from der_gym.devices.ecocute import draws
from der_gym.devices.ecocute import physics as ph
from der_gym.devices.ecocute.config import CFG, LAYOUT, SLOTS, EcoCuteConfig
from der_gym.devices.ecocute.owner import asks
from der_gym.devices.ecocute.physics import DAY_S, HOUR_S, ONE, ZERO
from der_gym.devices.owners.terms import OwnerTerms
from der_gym.numerics.approx import clip

_MEAN_FILL = np.float32(0.7)  # of the heat wanted, where nothing saved says more
_HOUR8, _MINUTE8, _ONE8, _ZERO8 = np.float64(3600.0), np.float64(60.0), np.float64(1.0), np.float64(0.0)
_WATT, _SLOT_S, _MINUTE = np.float32(1000.0), 900, 60
_SHADOW_S, _HALF_SHADOW_S = np.float32(REFRESH_S), np.float32(REFRESH_S / 2)

ECOCUTE = DeviceModel(
    name="ecocute",
    english="EcoCute water heater",
    japanese="エコキュート",
    echonet=0x026B,
    stage=1,
    command="on_off",
    traits=Traits(heat=True, guest=True, opt_out_share=0.02, colour="orange", hue=33),
    config=EcoCuteConfig,
    layout=LAYOUT,
    params=rows(
        "ecocute.params",
        """
        sort       | -     | N_SORT * (persons - 1) + 2 * efficiency class + boiling mode + 1; negative: boils by day
        tank_kwh_k | kWh/K | heat that warms the whole tank by 1 K
        scale      | -     | of the rated power, where the resource table gives one
        lead_s     | s     | how much earlier than need be its schedule aims to end
        ramp_per_s | 1/s   | from start to full power
        shown_gain | -     | error of the power that it reports
        """,
    ),
    state=rows(
        "ecocute.state",
        """
        run_s        | s   | > 0 since the start; <= 0 minus the seconds since the stop
        level        | -   | share of full power
        boiling      | -   | 1 while its own schedule wants heat
        starts_today | -   | of the compressor
        dry          | -   | 1 from a run-out until 50 L are there again
        threshold    | -   | of commands, redrawn each day
        bath_slot    | -   | of the evening's bath; negative where there are only showers, after that slot
        other_l      | L   | hot water of the day beside the bath
        draw_kw      | kW  | heat wanted by the taps in this slot
        heat_kw      | kW  | at full power
        cop          | -   | heat over electricity
        capacity_kwh | kWh | heat of a full tank
        wanted_kwh   | kWh | heat wanted at the end of the next boil
        nominal_kw   | kW  | its own, with its error; reported while it is on
        own_run_s    | s   | of the shadow that nobody commands: its RUN_S ...
        own_level    | -   | ... LEVEL
        own_boiling  | -   | ... BOILING
        own_starts   | -   | ... STARTS_TODAY
        own_dry      | -   | ... and DRY
        own_kw       | kW  | its power in this slot of 300 s
        own_lack_kw  | kW  | hot water that it asks for and does not get in this slot, thermal
        own_ran_out  | -   | 1 where it runs out in this slot
        """,
    ),
    energy=rows(
        "ecocute.energy",
        """
        heat_kwh     | kWh | thermal, held above the mains temperature
        own_heat_kwh | kWh | that the shadow holds
        unserved_kwh | kWh | thermal, asked for and not there
        """,
    ),
    meters={
        "heat_in_kwh": Register("kWh", "heat put in", ("heat in\nkWh", "加熱量\nkWh"), row="put"),
        "drawn_kwh": Register("kWh", "heat drawn", ("heat drawn\nkWh", "給湯量\nkWh"), row="drawn"),
        "loss_kwh": Register("kWh", "heat lost", ("heat lost\nkWh", "熱損失\nkWh"), row="loss"),
        "electric_kwh": Register(
            "kWh", "electricity", ("electricity\nkWh", "電力量\nkWh"), role="charge", row="power_kw", scale="hours8"
        ),
        "day_kwh": Register(
            "kWh", "boiled in the day tariff 07-23 h", ("by day\nkWh", "昼間沸上げ\nkWh"), row="boiled", scale="by_day8"
        ),
        "runout_min": Register(
            "min", "without hot water", ("without\nmin", "湯切れ\n分"), row="dry_share", scale="minutes8"
        ),
        "runouts": Register("-", "times that a tank ran dry", ("run-\nouts", "湯切れ\n回"), row="ran_out", shown=True),
        "runouts_more": Register(
            "-",
            "of them, beyond those of its own schedule",
            ("of them by\ncommands", "うち指令分\n回"),
            "reward.runout_yen",
            harm=True,
        ),
        "starts": Register(
            "-",
            "starts of the compressor",
            ("starts", "起動\n回"),
            "costs.start_yen",
            role="start",
            row="started",
        ),
        "unserved_kwh": Register(
            "kWh",
            "hot water missing, thermal",
            ("hot water\nmissing, kWh", "湯不足\nkWh"),
            shown=True,
            by_home=True,
        ),
        "unserved_more_kwh": Register(
            "kWh",
            "of it, beyond what its own schedule leaves missing",
            ("of it by\ncommands", "うち指令分\nkWh"),
            "reward.heat_yen_kwh",
            harm=True,
        ),
        **BILL,
        "stored_more_kwh": TAKEN,
        "deferred_kwh": DEFERRED,
    },
    saved=rows(
        "ecocute.saved",
        """
        heat_share | - | heat over heat wanted
        boiling    | - | as in the state
        run_s      | s | as in the state
        level      | - | as in the state
        day_boil   | - | 1 where the home boils by day
        """,
    ),
    strata=("sort", "tank_kwh_k"),
    owner=OwnerTerms(automated_share=0.3),
)


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


@ECOCUTE.once("redraw", "begin", "capability")
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


# --- a tick


@ECOCUTE.once("tick", "capability")
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


@ECOCUTE.capability
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


# --- what it could give, and what is kept


@ECOCUTE.once("capability")
def soon(cfg, sod_s, night_h, day_h):  # type: ignore[no-untyped-def]
    """Work out the shares of a day's hot water until the two windows open, and within half an hour."""
    night_share, day_share = cap.until_next(sod_s, night_h[0], cfg), cap.until_next(sod_s, day_h[0], cfg)
    soon_share = draws.used_by(cfg, min(sod_s + cap.BLOCK_H * HOUR_S, DAY_S)) - draws.used_by(cfg, sod_s)
    return night_share, day_share, soon_share


@ECOCUTE.capability
def measure(  # type: ignore[no-untyped-def]
    sort, heat, uses, run_s, boiling, starts_today, draw_kw, heat_kw, cop, capacity_kwh, wanted_kwh, floor_kwh,
    reheat_kwh, min_on_s, min_off_s, starts_free, accepts_commands, soon_share, night_share, day_share, night_left_s,
    night_window_s, day_left_s, day_window_s,
):  # fmt: skip
    """Work out what it could give for 30 minutes, the heat held above the floor, and what will be missing."""
    by_day, use = draws.by_day(sort), draws.by_home(sort, *uses)
    up, down = cap.swing(
        run_s, boiling, starts_today, heat, use * soon_share + draw_kw * cap.SLOT_H, heat_kw, cop, capacity_kwh,
        wanted_kwh, floor_kwh, reheat_kwh, min_on_s, min_off_s, starts_free,
    )  # fmt: skip
    up_kw, down_kw, stored_kwh = up * accepts_commands, down * accepts_commands, max(heat - floor_kwh, ZERO) / cop
    debt_kwh = cap.debt(
        use, day_share if by_day else night_share, heat, heat_kw, cop, day_left_s if by_day else night_left_s,
        day_window_s if by_day else night_window_s,
    )  # fmt: skip
    return up_kw, down_kw, stored_kwh, debt_kwh


@ECOCUTE.save
def share_of_wanted(heat_kwh, wanted_kwh, boiling, run_s, level, sort):  # type: ignore[no-untyped-def]
    """Save the heat over the heat wanted, what the machine is doing, and when the home boils."""
    saved_heat_share = np.float32(heat_kwh) / wanted_kwh
    saved_boiling, saved_run_s, saved_level = boiling, run_s, level
    saved_day_boil = ONE if draws.by_day(sort) else ZERO
    return saved_heat_share, saved_boiling, saved_run_s, saved_level, saved_day_boil


ECOCUTE.owner_asks(asks)
