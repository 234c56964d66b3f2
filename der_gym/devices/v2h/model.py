"""V2H charger (ECHONET 0x027E): a car at home that can be charged early, late or slower, and discharged into its home.

When a car is there and what it needs is drawn as for one-way chargers (`ev.sessions`). Left alone it charges as such a
car. A command other than 0 is followed alone, power = -a * rated, within: the user's floor, the charge that the next
trip wants (from its latest start on the car charges, whatever is asked), the home's draw unless it may feed the grid,
and the contactor (`physics.phase`): it takes time to close, opens when no current flows, and closes so many times a day
only. At a change of direction the power goes down to zero, waits and goes up again.

Left out: set-points in steps of 100 W, no current below 0.5 kW [M]; what car and station draw while the contactor is
closed; the end of a session by the car's owner. Known error: the shadow has neither pauses nor ramps.
"""

from __future__ import annotations

import numpy as np

from der_gym.core.units import DAY_S
from der_gym.devices.base import DeviceModel, Register, Traits, rows
from der_gym.devices.bill import BILL, DEFERRED, STORED, difference
from der_gym.devices.ev import sessions
from der_gym.devices.ev.model import NOON_S, choice4, noon
from der_gym.devices.owners.terms import OwnerTerms
from der_gym.devices.v2h import physics as ph
from der_gym.devices.v2h.config import CFG, LAYOUT, V2HConfig
from der_gym.devices.v2h.owner import asks
from der_gym.numerics import approx, rng

_WHO = rng.stream("v2h.who")
_0, _1, _HOUR_S = np.float32(0.0), np.float32(1.0), np.float32(3600.0)
_HOLD_S, _HOLD_H, _08, _PER_HOUR8 = np.float32(1800.0), np.float32(0.5), np.float64(0.0), np.float64(1.0 / 3600.0)

V2H = DeviceModel(
    name="v2h",
    english="V2H charger",
    japanese="V2H充放電器",
    echonet=0x027E,
    stage=2,
    command="swing",
    traits=Traits(store=True, continuous=True, mobile=True, opt_out_share=0.02, colour="purple", hue=285),
    config=V2HConfig,
    layout=LAYOUT,
    params=rows(
        "v2h.params",
        """
        charger_kw    | kW  | DC
        full_kwh      | kWh | that a session aims at
        floor_kwh     | kWh | that a discharge leaves
        ready_kwh     | kWh | that the car must hold when it leaves
        flip_s        | s   | pause between charge and discharge
        first_s       | s   | pause until the contactor closes
        ramp_s        | s   | from zero to full power
        export_max_kw | kW  | the site's limit; 0 without the right to feed back
        import_max_kw | kW  | the site's limit
        sort          | -   | what the car is and does, see `ev.sessions.habits`
        """,
    ),
    state=rows(
        "v2h.state",
        """
        arrive_s     | s  | the session, drawn at noon: the car comes
        own_s        | s  | it charges from then on if nobody commands
        depart_s     | s  | it leaves
        locked       | -  | > 0: the owner pressed "now", no commands
        power_end_kw | kW | power at the tick's end, from which the next ramp starts
        direction    | -  | 1 charging, -1 discharging, 0: the contactor is open
        wait_s       | s  | of a pause, still to wait
        cycles       | -  | closings of the contactor since noon
        idle_s       | s  | without current
        """,
    ),
    energy=rows(
        "v2h.energy",
        """
        held_kwh    | kWh | in the car
        own_kwh     | kWh | that it would hold, had it followed its own schedule in this session
        missing_kwh | kWh | by which cars left short
        """,
    ),
    strata=("sort", "charger_kw", "full_kwh"),
    meters={
        "charged_kwh": Register("kWh", "in", ("charged\nkWh", "充電\nkWh"), role="charge"),
        "discharged_kwh": Register("kWh", "out", ("discharged\nkWh", "放電\nkWh"), role="discharge"),
        "worn_kwh": Register(
            "kWh",
            "out, which cars by themselves never give",
            ("worn\nkWh", "追加放電\nkWh"),
            "costs.wear_yen_kwh",
            role="wear",
            row="discharged_kwh",
        ),
        "withheld_kwh": Register(
            "kWh",
            "taken out of cars, which by themselves never give",
            ("withheld\nkWh", "持ち出し\nkWh"),
            role="withheld",
        ),
        "cable_cycles": Register(
            "-", "closings of the contactor", ("cable\ncycles", "接触器\n閉回数"), row="closed", shown=True
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
        "stored_more_kwh": STORED,
        "deferred_kwh": DEFERRED,
    },
    owner=OwnerTerms(automated_share=0.6),
)


@V2H.draw
def draw_owner(k0, k1, uid, rated_kw, given_feed_back, export_limit_kw, import_limit_kw, cfg):  # type: ignore[no-untyped-def]
    """Draw who owns which charger and car, and what the owner wants."""
    u0, u1, u2, u3 = rng.uniform4(k0, k1, uid, _WHO, np.uint32(0), np.uint32(0))
    v0, v1, v2, v3 = rng.uniform4(k0, k1, uid, _WHO, np.uint32(0), np.uint32(1))
    drawn_kw = cfg[CFG.CHARGER_KW] if u0 < cfg[CFG.CHARGER_SHARE] else cfg[CFG.CHARGER_KW + 1]
    charger_kw = rated_kw if rated_kw == rated_kw else drawn_kw
    battery, archetype = choice4(u1, cfg[CFG.BATTERY_SHARE :]), choice4(u2, cfg[CFG.ARCHETYPE_SHARE :])
    habit, phase_d = choice4(u3, cfg[CFG.HABIT_SHARE :]), np.floor(v0 * cfg[CFG.PLUG_CYCLE_D])
    sort = sessions.sort_of(phase_d, battery, archetype, habit)
    pack_kwh = cfg[CFG.BATTERY_KWH + battery]
    full_kwh = cfg[CFG.CHARGED_TO] * pack_kwh
    floor_kwh = pack_kwh * (cfg[CFG.FLOOR_SHARE] + (cfg[CFG.FLOOR_SHARE + 1] - cfg[CFG.FLOOR_SHARE]) * v1)
    ready_kwh = max(cfg[CFG.TRIP_READY_SHARE] * full_kwh, floor_kwh)
    drawn = _1 if v2 < cfg[CFG.FEED_BACK_SHARE] else _0
    feeds = drawn if given_feed_back < 0 else np.float32(given_feed_back)
    export_max_kw, import_max_kw, rated_kw = feeds * export_limit_kw, import_limit_kw, charger_kw
    dead_s = approx.exp(cfg[CFG.DEAD_S] + cfg[CFG.DEAD_SIGMA] * approx.normal_quantile(v3))
    return charger_kw, full_kwh, floor_kwh, ready_kwh, export_max_kw, import_max_kw, sort, rated_kw, dead_s


@V2H.draw
def draw_pauses(k0, k1, uid, cfg):  # type: ignore[no-untyped-def]
    """Draw how long the charger takes to start, to turn and to reach full power."""
    u0, u1, u2, _ = rng.uniform4(k0, k1, uid, _WHO, np.uint32(0), np.uint32(2))
    flip_s = cfg[CFG.FLIP_S] + (cfg[CFG.FLIP_S + 1] - cfg[CFG.FLIP_S]) * u0
    first_s = cfg[CFG.HANDSHAKE_S] + (cfg[CFG.HANDSHAKE_S + 1] - cfg[CFG.HANDSHAKE_S]) * u1
    ramp_s = cfg[CFG.RAMP_S] + (cfg[CFG.RAMP_S + 1] - cfg[CFG.RAMP_S]) * u2
    return flip_s, first_s, ramp_s


@V2H.response
def seconds_to_full(dead_s, first_s, ramp_s):  # type: ignore[no-untyped-def]
    """Return the seconds to full discharge of a car whose contactor is open."""
    return dead_s + first_s + ramp_s


V2H.once("redraw", "begin")(noon)


@V2H.redraw(every_s=DAY_S, at_s=NOON_S)
def take_habits(sort, cfg):  # type: ignore[no-untyped-def]
    """Take a car's SORT apart."""
    pack_kwh, workday_km, holiday_km, late_s, phase_d = sessions.habits(sort, cfg)
    return pack_kwh, workday_km, holiday_km, late_s, phase_d


V2H.redraw(sessions.replay, every_s=DAY_S, at_s=NOON_S, writes="km plugged")


@V2H.redraw(every_s=DAY_S, at_s=NOON_S)
def plug_in(k0, k1, uid, day, noon_s, temp_c, cfg, charger_kw, full_kwh, km, plugged, pack_kwh, late_s):  # type: ignore[no-untyped-def]
    """Draw when the car comes and goes and with how much; nothing has flowed yet."""
    comes_s, goes_s, locked, _ = sessions.hours(k0, k1, uid, day, cfg)
    arrive_s, own_s, depart_s, need_kwh, _ = sessions.session(
        noon_s, comes_s, goes_s, locked, km, plugged, temp_c, cfg, charger_kw, pack_kwh, late_s
    )
    held_kwh = np.float64(full_kwh - need_kwh)
    own_kwh = held_kwh
    return arrive_s, own_s, depart_s, locked, held_kwh, own_kwh


@V2H.redraw(every_s=DAY_S, at_s=NOON_S)
def open_contactor():  # type: ignore[no-untyped-def]
    """Open the contactor and begin a new count; no car is there at noon."""
    power_end_kw, direction, wait_s, cycles, idle_s = _0, _0, _0, _0, _0
    return power_end_kw, direction, wait_s, cycles, idle_s


@V2H.begin
def start(t_s, own_s, depart_s, charger_kw, full_kwh, held_kwh, efficiency):  # type: ignore[no-untyped-def]
    """Set the state at t = 0: charged by its own schedule since the last noon."""
    seconds = max(min(t_s, depart_s) - own_s, _0)
    held_kwh = min(held_kwh + np.float64(efficiency * charger_kw * seconds / _HOUR_S), np.float64(full_kwh))
    direction = _1 if seconds > _0 else _0
    flows = (seconds > _0) & (t_s < depart_s) & (held_kwh < np.float64(full_kwh))
    own_kwh, cycles, power_end_kw = held_kwh, direction, charger_kw if flows else _0
    return held_kwh, own_kwh, direction, cycles, power_end_kw


@V2H.once("tick")
def now(dt_s):  # type: ignore[no-untyped-def]
    """Work out the tick's hours."""
    hours = dt_s / _HOUR_S
    return hours


@V2H.capability
@V2H.tick
def narrow(held_kwh):  # type: ignore[no-untyped-def]
    """Round the charge to float32."""
    held = np.float32(held_kwh)
    return held


@V2H.tick
def plan(  # type: ignore[no-untyped-def]
    t_s, hours, held, floor_kwh, full_kwh, ready_kwh, charger_kw, export_max_kw, import_max_kw, net_kw, arrive_s,
    own_s, depart_s, locked, accepts_commands, efficiency, laxity_margin_s,
):  # fmt: skip
    """Work out limits, own schedule and whether it obeys, at the tick's start."""
    here = (arrive_s <= t_s) & (t_s < depart_s)
    low, high = ph.limits(
        held, floor_kwh, full_kwh, charger_kw, efficiency, net_kw, export_max_kw, import_max_kw, hours
    )
    late = ph.spare_s(t_s, depart_s, held, ready_kwh, charger_kw, efficiency, net_kw, import_max_kw) <= laxity_margin_s
    low_kw, high_kw = low if here else _0, high if here else _0
    own_kw = high_kw if (own_s <= t_s) | late else _0
    obeys = accepts_commands if (locked <= _0) & (not late) else _0
    return low_kw, high_kw, own_kw, obeys


@V2H.tick
def follow(  # type: ignore[no-untyped-def]
    dt_s, cmd_start, cmd_end, cmd_end_share, obeys, own_kw, charger_kw, low_kw, high_kw, power_end_kw, direction,
    wait_s, cycles, idle_s, first_s, flip_s, ramp_s, hold_s, cycles_per_day,
):  # fmt: skip
    """Work the two phases of a tick; limits act at once, the rest ramps."""
    before, a0, a1, rate = cycles, cmd_start * obeys, cmd_end * obeys, charger_kw / ramp_s
    own = min(max(own_kw, low_kw), high_kw)
    first, second = ph.aim(a0, own_kw, charger_kw, low_kw, high_kw), ph.aim(a1, own_kw, charger_kw, low_kw, high_kw)
    one, power_end_kw, direction, wait_s, cycles, idle_s = ph.phase(
        dt_s * (_1 - cmd_end_share), first, own, a0 != _0, min(max(power_end_kw, low_kw), high_kw), direction, wait_s,
        cycles, idle_s, first_s, flip_s, rate, hold_s, cycles_per_day,
    )  # fmt: skip
    two, power_end_kw, direction, wait_s, cycles, idle_s = ph.phase(
        dt_s * cmd_end_share, second, own, a1 != _0, power_end_kw, direction, wait_s, cycles, idle_s, first_s, flip_s,
        rate, hold_s, cycles_per_day,
    )  # fmt: skip
    power_kw, closed = min(max((one + two) / dt_s, low_kw), high_kw), cycles - before
    return power_kw, power_end_kw, direction, wait_s, cycles, idle_s, closed


@V2H.tick
def work(t_s, dt_s, hours, power_kw, efficiency, depart_s):  # type: ignore[no-untyped-def]
    """Work out the tick's energy, what is reported, and whether the car leaves."""
    charged_kwh, discharged_kwh = max(power_kw, _0) * hours, max(-power_kw, _0) * hours
    change_kwh = charged_kwh * efficiency - discharged_kwh / efficiency
    withheld_kwh, shown_kw = discharged_kwh, power_kw  # a charge that is put off is made up for before the car leaves
    leaves = _1 if (t_s < depart_s) & (depart_s <= t_s + dt_s) else _0
    return shown_kw, charged_kwh, discharged_kwh, change_kwh, withheld_kwh, leaves


@V2H.tick
def narrow_shadow(own_kwh):  # type: ignore[no-untyped-def]
    """Round what it would hold to float32."""
    own = np.float32(own_kwh)
    return own


@V2H.tick
def shadow(  # type: ignore[no-untyped-def]
    t_s, hours, own, floor_kwh, full_kwh, ready_kwh, charger_kw, export_max_kw, import_max_kw, net_kw, arrive_s,
    own_s, depart_s, efficiency, laxity_margin_s,
):  # fmt: skip
    """Work out the power of the own schedule, had it always been followed; its pauses are left out."""
    here = (arrive_s <= t_s) & (t_s < depart_s)
    _, most_kw = ph.limits(
        own, floor_kwh, full_kwh, charger_kw, efficiency, net_kw, export_max_kw, import_max_kw, hours
    )
    late = ph.spare_s(t_s, depart_s, own, ready_kwh, charger_kw, efficiency, net_kw, import_max_kw) <= laxity_margin_s
    schedule_kw = most_kw if here & ((own_s <= t_s) | late) else _0
    return schedule_kw


@V2H.tick
def compare(  # type: ignore[no-untyped-def]
    hours, cmd_start, cmd_end, accepts_commands, net_kw, power_kw, schedule_kw, change_kwh, efficiency
):
    """Work out what the owner's bill has more than under the own schedule."""
    import_more_kwh, export_more_kwh = difference(net_kw, power_kw, schedule_kw, hours)
    own_change_kwh = schedule_kw * hours * efficiency
    stored_more_kwh = (change_kwh - own_change_kwh) / efficiency
    commanded = accepts_commands if (cmd_start != _0) | (cmd_end != _0) else _0
    deferred_kwh = max(schedule_kw - max(power_kw, _0), _0) * hours * commanded
    return import_more_kwh, export_more_kwh, own_change_kwh, stored_more_kwh, deferred_kwh


@V2H.tick
def store(held_kwh, own_kwh, missing_kwh, change_kwh, own_change_kwh, ready_kwh, leaves, enrolled):  # type: ignore[no-untyped-def]
    """Add the tick's changes, and what cars lack that leave."""
    held_kwh = held_kwh + np.float64(change_kwh)
    own_kwh = own_kwh + np.float64(own_change_kwh)
    lacks = max(np.float64(ready_kwh) - held_kwh, _08) * np.float64(leaves)
    own_lacks = max(np.float64(ready_kwh) - own_kwh, _08) * np.float64(leaves)
    missing_kwh = missing_kwh + lacks * np.float64(enrolled)
    missing_more_kwh = np.float32(lacks - own_lacks)
    return held_kwh, own_kwh, missing_kwh, missing_more_kwh


@V2H.capability
def measure(  # type: ignore[no-untyped-def]
    t_s, held, floor_kwh, full_kwh, ready_kwh, charger_kw, export_max_kw, import_max_kw, bare_kw, arrive_s, own_s,
    depart_s, locked, accepts_commands, efficiency, laxity_margin_s, direction, cycles, cycles_per_day,
):  # fmt: skip
    """Work out what it could give and take for half an hour against its own schedule."""
    closes = (direction != _0) | (cycles < cycles_per_day - _1)
    here = (arrive_s <= t_s) & (t_s < depart_s)
    low, high = ph.limits(
        held, floor_kwh, full_kwh, charger_kw, efficiency, bare_kw, export_max_kw, import_max_kw, _HOLD_H
    )
    spare = ph.spare_s(t_s, depart_s, held, ready_kwh, charger_kw, efficiency, bare_kw, import_max_kw) - laxity_margin_s
    after = spare - (max(-low, _0) * _HOLD_H / efficiency) * _HOUR_S / (efficiency * charger_kw)
    free = accepts_commands if here & closes & (locked <= _0) & (spare > _HOLD_S) else _0
    charging = own_s <= t_s
    up_kw = ((high if charging else _0) + (-low if after > _HOLD_S else _0)) * free
    down_kw = (_0 if charging else high) * free
    stored_kwh = max(held - floor_kwh, _0) * efficiency * free
    lacks = max(ready_kwh - held, _0) / efficiency - charger_kw * max(depart_s - t_s, _0) / _HOUR_S
    debt_kwh = max(lacks, _0) if here else _0
    return up_kw, down_kw, stored_kwh, debt_kwh


V2H.owner_asks(asks)
