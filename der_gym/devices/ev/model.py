"""EV home charger with one-way charging (V1G): a car is charged earlier, later or slower, never discharged.

When a car is there and what it needs stands in `sessions`, how it charges in `physics`, the settings with their sources
in `config`; here are the rows and what happens when.
"""

from __future__ import annotations

import numpy as np

from der_gym.core.units import DAY_S
from der_gym.devices.base import DeviceModel, Register, Traits, rows
from der_gym.devices.bill import BILL, DEFERRED, TAKEN, difference
from der_gym.devices.ev import physics as ph
from der_gym.devices.ev import sessions
from der_gym.devices.ev.config import CFG, LAYOUT, EVConfig
from der_gym.devices.ev.owner import asks
from der_gym.devices.owners.terms import OwnerTerms
from der_gym.engine.compile import scalar
from der_gym.numerics import approx, rng

_WHO = rng.stream("ev.who")
_ZERO, _ONE, _HOUR_S = np.float32(0.0), np.float32(1.0), np.float32(3600.0)
NOON_S = DAY_S // 2
_NOON_S, _DAY_S = np.int64(NOON_S), np.int64(DAY_S)
_ONE8, _ZERO8, _PER_HOUR8 = np.float64(1.0), np.float64(0.0), np.float64(1.0 / 3600.0)
_SHORT_KWH = np.float64(1.0)  # a car that leaves with less counts as short

EV = DeviceModel(
    name="ev",
    english="EV charger",
    japanese="EV充電器",
    echonet=0x02A1,
    stage=1,
    command="swing",
    traits=Traits(
        continuous=True, mobile=True, guest=True, switched_on=("P3",), opt_out_share=0.02, colour="green", hue=162
    ),
    config=EVConfig,
    layout=LAYOUT,
    params=rows(
        "ev.params",
        """
        charger_kw | kW   | AC
        switched   | -    | 1 where it can only be started and stopped
        rate_kw_s  | kW/s | change of current
        sort       | -    | what the car is and does, see `sessions.habits`
        """,
    ),
    state=rows(
        "ev.state",
        """
        arrive_s  | s   | the session, drawn at noon: the car comes
        own_s     | s   | it charges from then on if nobody commands
        depart_s  | s   | it leaves
        need_kwh  | kWh | battery side
        obey_kwh  | kWh | commands count once no more than this is missing
        delay_s   | s   | from the wish to charge to the first current
        fail_at   | -   | number of the stop after which it does not wake
        threshold | -   | 0..1; spreads steps and switching over the cars
        now_kw    | kW  | power at the tick's end
        wait_s    | s   | of the start delay, still to wait
        stops     | -   | by command in this session; from `sessions.LOCKED` on it takes no more commands
        """,
    ),
    energy=rows(
        "ev.energy",
        """
        got_kwh     | kWh | battery side, in this session
        missing_kwh | kWh | by which cars left short of their need
        """,
    ),
    strata=("sort", "charger_kw"),
    meters={
        "charged_kwh": Register(
            "kWh", "AC in", ("charged\nkWh", "充電\nkWh"), role="charge", row="drawn", scale=1.0 / 3600.0
        ),
        "loss_kwh": Register("kWh", "lost charging", ("lost\nkWh", "損失\nkWh"), row="drawn", scale="lost_per_kws"),
        "stops": Register(
            "-", "stops by command", ("stops", "停止"), "costs.plug_stop_yen", role="start", row="stopped"
        ),
        "sessions": Register("-", "cars that left", ("sessions", "充電回数"), row="gone"),
        "short_cars": Register(
            "-", "cars that left a kWh short or more", ("short\ncars", "不足台数"), row="short", shown=True
        ),
        "missing_kwh": Register(
            "kWh",
            "by which cars left short of their need",
            ("car energy\nmissing, kWh", "EV 充電不足\nkWh"),
            shown=True,
            by_home=True,
        ),
        "missing_more_kwh": Register(
            "kWh",
            "of it, beyond what cars lack by their own schedule",
            ("of it by\ncommands", "うち指令分\nkWh"),
            "reward.comfort_yen_kwh",
            harm=True,
        ),
        **BILL,
        "stored_more_kwh": TAKEN,
        "deferred_kwh": DEFERRED,
    },
    owner=OwnerTerms(automated_share=0.6),
)


@scalar
def choice4(u, cumulative):  # type: ignore[no-untyped-def]
    """Return which of four is at ``u``, 0..3, given the cumulative shares of the first three."""
    return 0 if u < cumulative[0] else (1 if u < cumulative[1] else (2 if u < cumulative[2] else 3))


@EV.draw
def draw_owner(k0, k1, uid, rated_kw, given_switched, cfg):  # type: ignore[no-untyped-def]
    """Draw who owns which charger, car and habit."""
    u0, u1, u2, u3 = rng.uniform4(k0, k1, uid, _WHO, np.uint32(0), np.uint32(0))
    v0, v1, v2, v3 = rng.uniform4(k0, k1, uid, _WHO, np.uint32(0), np.uint32(1))
    drawn_kw = cfg[CFG.CHARGER_KW] if u0 < cfg[CFG.CHARGER_SHARE] else cfg[CFG.CHARGER_KW + 1]
    charger_kw = rated_kw if rated_kw == rated_kw else drawn_kw
    drawn = _ONE if v0 < cfg[CFG.SWITCHED_SHARE] else _ZERO
    switched = drawn if given_switched < 0 else np.float32(given_switched)
    rate_kw_s = charger_kw / (cfg[CFG.RAMP_S] + v1 * (cfg[CFG.RAMP_S + 1] - cfg[CFG.RAMP_S]))
    battery, archetype = choice4(u1, cfg[CFG.BATTERY_SHARE :]), choice4(u2, cfg[CFG.ARCHETYPE_SHARE :])
    habit, phase_d = choice4(u3, cfg[CFG.HABIT_SHARE :]), np.floor(v2 * cfg[CFG.PLUG_CYCLE_D])
    sort = sessions.sort_of(phase_d, battery, archetype, habit)
    rated_kw = charger_kw
    dead_s = approx.exp(cfg[CFG.DEAD_S] + cfg[CFG.DEAD_SIGMA] * approx.normal_quantile(v3))
    return charger_kw, switched, rate_kw_s, sort, rated_kw, dead_s


@EV.response
def seconds_to_stop(dead_s):  # type: ignore[no-untyped-def]
    """Return the seconds until the current stops, which the contactor does at once."""
    return dead_s


# --- the session, drawn at noon


@EV.once("redraw", "begin")
def noon(t_s, clock_s):  # type: ignore[no-untyped-def]
    """Work out the noon day that runs, and its noon in seconds of the episode."""
    day = (clock_s - _NOON_S) // _DAY_S
    noon_s = t_s - np.float32((clock_s - _NOON_S) % _DAY_S)
    return day, noon_s


@EV.redraw(every_s=DAY_S, at_s=NOON_S)
def take_habits(sort, cfg):  # type: ignore[no-untyped-def]
    """Take a car's SORT apart."""
    pack_kwh, workday_km, holiday_km, late_s, phase_d = sessions.habits(sort, cfg)
    return pack_kwh, workday_km, holiday_km, late_s, phase_d


EV.redraw(sessions.replay, every_s=DAY_S, at_s=NOON_S, writes="km plugged")


@EV.redraw(every_s=DAY_S, at_s=NOON_S)
def draw_hours(k0, k1, uid, day, cfg):  # type: ignore[no-untyped-def]
    """Draw when a car comes and goes, seconds after noon."""
    comes_s, goes_s, stops, threshold = sessions.hours(k0, k1, uid, day, cfg)
    return comes_s, goes_s, stops, threshold


@EV.redraw(every_s=DAY_S, at_s=NOON_S)
def plug_in(noon_s, temp_c, cfg, charger_kw, comes_s, goes_s, stops, km, plugged, pack_kwh, late_s):  # type: ignore[no-untyped-def]
    """Work out need and schedule; see `sessions.session`."""
    arrive_s, own_s, depart_s, need_kwh, obey_kwh = sessions.session(
        noon_s, comes_s, goes_s, stops, km, plugged, temp_c, cfg, charger_kw, pack_kwh, late_s
    )
    return arrive_s, own_s, depart_s, need_kwh, obey_kwh


@EV.redraw(every_s=DAY_S, at_s=NOON_S)
def draw_waking(k0, k1, uid, day, cfg):  # type: ignore[no-untyped-def]
    """Draw how a car starts and whether it wakes again; nothing flows yet."""
    delay_s, fail_at = sessions.waking(k0, k1, uid, day, cfg)
    now_kw, wait_s, got_kwh = _ZERO, delay_s, _ZERO8
    return delay_s, fail_at, now_kw, wait_s, got_kwh


@EV.begin
def start(  # type: ignore[no-untyped-def]
    noon_s, t_s, efficiency, need_kwh, now_kw, wait_s, stops, charger_kw, switched, rate_kw_s, arrive_s, own_s,
    depart_s, delay_s, fail_at, threshold,
):  # fmt: skip
    """Set the state at t = 0: one uncommanded phase from the last noon, in closed form."""
    ac_kws, eta_h = _HOUR_S / efficiency, efficiency / _HOUR_S
    _, now_kw, wait_s, stops, drawn, _ = ph.phase(
        noon_s, t_s - noon_s, _ZERO, need_kwh, now_kw, wait_s, stops, charger_kw, switched, rate_kw_s, arrive_s, own_s,
        depart_s, delay_s, fail_at, threshold, ac_kws, eta_h,
    )  # fmt: skip
    got_kwh = np.float64(drawn) * _PER_HOUR8 * np.float64(efficiency)
    return now_kw, wait_s, stops, got_kwh


# --- a tick


@EV.once("tick")
def now(efficiency, dt_s):  # type: ignore[no-untyped-def]
    """Work out what is the same for all cars."""
    per_dt, ac_kws, eta_h, eta8 = _ONE / dt_s, _HOUR_S / efficiency, efficiency / _HOUR_S, np.float64(efficiency)
    lost_per_kws, hours = _PER_HOUR8 * (_ONE8 - eta8), dt_s / _HOUR_S
    return per_dt, ac_kws, eta_h, eta8, lost_per_kws, hours


@EV.tick
def narrow(need_kwh, got_kwh):  # type: ignore[no-untyped-def]
    """Round what is missing to float32."""
    left_kwh = np.float32(np.float64(need_kwh) - got_kwh)
    return left_kwh


@EV.tick
def listen(cmd_start, cmd_end, accepts_commands, stops, max_stops):  # type: ignore[no-untyped-def]
    """Return 1 where a command is in force that the car may obey."""
    asked = (cmd_start != _ZERO) | (cmd_end != _ZERO)
    obeys = accepts_commands if asked & (stops < max_stops) else _ZERO
    return obeys


@EV.tick
def charge(  # type: ignore[no-untyped-def]
    t_s, dt_s, cmd_start, cmd_end, cmd_end_share, accepts_commands, left_kwh, now_kw, wait_s, stops, charger_kw,
    switched, rate_kw_s, arrive_s, own_s, depart_s, obey_kwh, delay_s, fail_at, threshold, ac_kws, eta_h,
    laxity_margin_s, max_stops, per_dt,
):  # fmt: skip
    """Charge over two phases; see `physics.tick`."""
    now_kw, wait_s, stops, drawn, stopped = ph.tick(
        t_s, dt_s, cmd_start, cmd_end, cmd_end_share, accepts_commands, left_kwh, now_kw, wait_s, stops, charger_kw,
        switched, rate_kw_s, arrive_s, own_s, depart_s, obey_kwh, delay_s, fail_at, threshold, ac_kws, eta_h,
        laxity_margin_s, max_stops,
    )  # fmt: skip
    power_kw = drawn * per_dt
    return now_kw, wait_s, stops, drawn, stopped, power_kw


@EV.tick
def add(t_s, dt_s, depart_s, got_kwh, drawn, power_kw, eta8):  # type: ignore[no-untyped-def]
    """Add what was charged, and note which cars leave."""
    leaves = _ONE if t_s < depart_s and depart_s <= t_s + dt_s else _ZERO
    got_kwh = got_kwh + np.float64(drawn) * _PER_HOUR8 * eta8
    shown_kw = power_kw
    return leaves, got_kwh, shown_kw


@EV.tick
def compare(  # type: ignore[no-untyped-def]
    t_s, dt_s, hours, obeys, bare_kw, power_kw, per_dt, charger_kw, need_kwh, arrive_s, own_s, depart_s, delay_s,
    ac_kws,
):  # fmt: skip
    """Work out what the owner's bill and the car's charge have more than under the own schedule."""
    own_kws, _ = ph.uncommanded(t_s, dt_s, charger_kw, need_kwh, arrive_s, own_s, depart_s, delay_s, ac_kws)
    own_kw = own_kws * per_dt
    import_more_kwh, export_more_kwh = difference(bare_kw, power_kw, own_kw, hours)
    taken_more_kwh = (power_kw - own_kw) * hours
    deferred_kwh = max(-taken_more_kwh, _ZERO) * obeys
    return import_more_kwh, export_more_kwh, taken_more_kwh, deferred_kwh


@EV.tick(when="leaves")
def leave(leaves, need_kwh, got_kwh, missing_kwh, enrolled):  # type: ignore[no-untyped-def]
    """Count the cars that leave, and what they lack."""
    gone, lacks = leaves, max(np.float64(need_kwh) - got_kwh, _ZERO8) * np.float64(leaves)
    missing_kwh = missing_kwh + lacks * np.float64(enrolled)
    short = _ONE if lacks > _SHORT_KWH else _ZERO
    lacks_kwh = np.float32(lacks)
    return gone, missing_kwh, short, lacks_kwh


@EV.tick(when="leaves")
def compare_lack(  # type: ignore[no-untyped-def]
    t_s, dt_s, leaves, lacks_kwh, charger_kw, need_kwh, arrive_s, own_s, depart_s, delay_s, ac_kws
):
    """Work out what cars that leave lack beyond what they would by their own schedule."""
    _, own_lacks = ph.uncommanded(t_s, dt_s, charger_kw, need_kwh, arrive_s, own_s, depart_s, delay_s, ac_kws)
    missing_more_kwh = lacks_kwh - own_lacks * leaves
    return missing_more_kwh


@EV.capability
def narrow_need(need_kwh, got_kwh):  # type: ignore[no-untyped-def]
    """Round what is missing, at least 0, to float32."""
    left_kwh = np.float32(max(np.float64(need_kwh) - got_kwh, _ZERO8))
    return left_kwh


@EV.capability
def measure(  # type: ignore[no-untyped-def]
    t_s, accepts_commands, left_kwh, wait_s, stops, charger_kw, arrive_s, own_s, depart_s, obey_kwh, efficiency,
    laxity_margin_s, max_stops,
):  # fmt: skip
    """Work out what a car could give, take and put off from now on."""
    up_kw, down_kw, stored_kwh, debt_kwh = ph.capabilities(
        t_s, accepts_commands, left_kwh, wait_s, stops, charger_kw, arrive_s, own_s, depart_s, obey_kwh, efficiency,
        laxity_margin_s, max_stops,
    )  # fmt: skip
    return up_kw, down_kw, stored_kwh, debt_kwh


EV.owner_asks(asks)
