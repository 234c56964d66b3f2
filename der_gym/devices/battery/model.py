"""Home battery (ECHONET 0x027D): a store behind the meter that serves its home, and follows a command while one holds.

Stored energy E in kWh: ``dE = charged * eta - discharged / eta - standby loss``, one efficiency ``eta`` each way, the
root of the round trip. Power follows its set-point through a linear ramp, always inside what E, the taper near full,
the inverter, the home's wiring and the right to feed back allow. A site holds one battery: two would both cover the
same house.

Own schedule: nothing in standby; else cover the house and take up the sun's surplus. In the cheap hours (23-07 h)
homes without panels, and some with, charge up to their owner's target instead. Under a storm warning every battery
charges and holds full, whatever the command. A command a moves the power that share of the way from the own schedule
to full discharge (a < 0: charge), within the limits: in standby to -a * rated; a small command changes little. Sources
of the numbers: `config`; the equation: OCHRE 0.9.2, CityLearn 3.0.2 [V].

A shadow, ``own_kwh``, follows the own schedule without standby and commands: the owner's bill is the difference to it
(`devices.bill`). Known error: the shadow has no ramps.

Left out: waking from sleep (30-120 s [M]), set-points in steps of 10-100 W [A], fade within an episode, paths that can
only start and stop a battery.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.base import DeviceModel, Register, Traits, rows
from der_gym.devices.battery import draws
from der_gym.devices.battery import physics as ph
from der_gym.devices.battery.config import LAYOUT, BatteryConfig
from der_gym.devices.battery.owner import asks
from der_gym.devices.bill import BILL, STORED, difference
from der_gym.devices.owners.terms import OwnerTerms

_0, _HALF, _1, _HOUR_S = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(3600.0)

BATTERY = DeviceModel(
    name="battery",
    english="battery",
    japanese="家庭用蓄電池",
    echonet=0x027D,
    stage=2,
    command="swing",
    traits=Traits(
        store=True, continuous=True, standby_in_award=True, host=True, opt_out_share=0.02, colour="blue", hue=205
    ),
    config=BatteryConfig,
    layout=LAYOUT,
    params=rows(
        "battery.params",
        """
        capacity_kwh     | kWh  | usable energy
        reserve_kwh      | kWh  | of it, kept for a blackout
        efficiency       | -    | one way
        standby_kw       | kW   | its electronics' draw from the store
        rate_kw_s        | kW/s | change of power
        release_kw_s     | kW/s | at the end of a discharge
        gain             | -    | power over set-point
        offset_kw        | kW   | power beside set-point
        export_max_kw    | kW   | the site's limit; 0 without the right to feed back
        import_max_kw    | kW   | the site's limit
        night_start_s    | s    | after 23 h, when it charges by night
        night_target_kwh | kWh  | above the reserve, that it charges to
        night_draw       | -    | share of night-charging homes at which this one joins; -1 without panels
        """,
    ),
    state=rows(
        "battery.state",
        """
        power_end_kw | kW  | power at the tick's end, from which the next ramp starts
        gave_more    | kWh | discharged in the episode beyond its own schedule
        """,
    ),
    energy=rows(
        "battery.energy",
        """
        energy_kwh | kWh | stored above empty
        own_kwh    | kWh | that it would hold, had it followed its own schedule
        """,
    ),
    meters={
        "charged_kwh": Register("kWh", "AC in", ("charged\nkWh", "充電\nkWh"), role="charge"),
        "discharged_kwh": Register("kWh", "AC out", ("battery\nkWh", "蓄電池放電\nkWh"), role="discharge"),
        "worn_kwh": Register(
            "kWh",
            "AC out beyond what its own schedule gives",
            ("worn\nkWh", "追加放電\nkWh"),
            "costs.wear_yen_kwh",
            role="wear",
        ),
        "loss_kwh": Register("kWh", "lost standing by", ("lost\nkWh", "損失\nkWh")),
        "withheld_kwh": Register(
            "kWh", "drawn less than its own schedule would have", ("withheld\nkWh", "持ち出し\nkWh"), role="withheld"
        ),
        **BILL,
        "stored_more_kwh": STORED,
    },
    saved=rows("battery.saved", "soc | - | 0 at the owner's reserve, 1 full"),
    strata=("pv_rated_kw", "load_scale", "capacity_kwh", "night_draw"),
    owner=OwnerTerms(automated_share=0.5),
)


@BATTERY.draw
def draw_store(k0, k1, uid, rated_kw, cfg):  # type: ignore[no-untyped-def]
    """Draw capacity, reserve, rated power, efficiency and standby power; a rated power that is given stays."""
    capacity_kwh, reserve_kwh, rated_kw, efficiency, standby_kw = draws.draw_store(k0, k1, uid, rated_kw, cfg)
    return capacity_kwh, reserve_kwh, rated_kw, efficiency, standby_kw


@BATTERY.draw
def draw_pace(k0, k1, uid, rated_kw, cfg):  # type: ignore[no-untyped-def]
    """Draw dead time, ramps and errors."""
    dead_s, ramp_s, release_s, gain, offset_kw = draws.draw_pace(k0, k1, uid, cfg)
    rate_kw_s, release_kw_s = rated_kw / ramp_s, rated_kw / release_s
    return dead_s, rate_kw_s, release_kw_s, gain, offset_kw


@BATTERY.draw
def draw_owner(k0, k1, uid, given_feed_back, capacity_kwh, reserve_kwh, cfg):  # type: ignore[no-untyped-def]
    """Draw the right to feed back, 1 or 0, and the night's habits."""
    may, night_start_s, night_target_kwh, night_draw = draws.draw_owner(
        k0, k1, uid, given_feed_back, capacity_kwh, reserve_kwh, cfg
    )
    feeds = _1 if may > _HALF else _0
    return feeds, night_start_s, night_target_kwh, night_draw


@BATTERY.draw
def take_home(feeds, export_limit_kw, import_limit_kw, night_draw, pv_rated_kw):  # type: ignore[no-untyped-def]
    """Take over the home's limits, and whether it has panels."""
    export_max_kw, import_max_kw = feeds * export_limit_kw, import_limit_kw
    night_draw = night_draw if pv_rated_kw > _0 else -_1
    return export_max_kw, import_max_kw, night_draw


@BATTERY.response
def seconds_to_full(dead_s, rated_kw, rate_kw_s):  # type: ignore[no-untyped-def]
    """Return the seconds from a command's arrival to full discharge."""
    return dead_s + rated_kw / rate_kw_s


@BATTERY.begin
def start(saved_soc, reserve_kwh, capacity_kwh):  # type: ignore[no-untyped-def]
    """Set the stored energy (half way where nothing is saved), power to 0."""
    share = np.float64(saved_soc if saved_soc == saved_soc else _HALF)
    energy_kwh = np.float64(reserve_kwh) + share * (np.float64(capacity_kwh) - np.float64(reserve_kwh))
    own_kwh, power_end_kw = energy_kwh, _0
    return energy_kwh, own_kwh, power_end_kw


@BATTERY.once("tick", "capability")
def taper(taper_from, taper_to):  # type: ignore[no-untyped-def]
    """Work out the line of the charge's taper."""
    slope, zero = ph.taper_line(taper_from, taper_to)
    return slope, zero


@BATTERY.once("tick")
def now(dt_s, sod_s, season, night_share_pv):  # type: ignore[no-untyped-def]
    """Work out the tick's hours, the time since 23 h, and the share of homes with panels that charge by night."""
    hours, night_s, share = dt_s / _HOUR_S, ph.since_23(sod_s), night_share_pv[np.int64(season)]
    return hours, night_s, share


@BATTERY.capability
@BATTERY.tick
def narrow(energy_kwh, reserve_kwh, capacity_kwh):  # type: ignore[no-untyped-def]
    """Round what is stored to float32."""
    above_kwh = np.float32(energy_kwh - np.float64(reserve_kwh))
    room_kwh = np.float32(np.float64(capacity_kwh) - energy_kwh)
    return above_kwh, room_kwh


@BATTERY.tick
def shadow(own_kwh, reserve_kwh, capacity_kwh):  # type: ignore[no-untyped-def]
    """Round what it would hold to float32."""
    own_above_kwh = np.float32(own_kwh - np.float64(reserve_kwh))
    own_room_kwh = np.float32(np.float64(capacity_kwh) - own_kwh)
    return own_above_kwh, own_room_kwh


@BATTERY.tick
def plan(  # type: ignore[no-untyped-def]
    above_kwh, room_kwh, own_above_kwh, own_room_kwh, capacity_kwh, rated_kw, efficiency, net_kw, export_max_kw,
    import_max_kw, night_s, night_start_s, night_target_kwh, night_draw, share, slope, zero, standby, storm, hours,
):  # fmt: skip
    """Work out limits and own schedule, and the power of the own schedule, had it always been followed.

    One loop for both: homes and settings are loaded once.
    """
    low_kw, high_kw = ph.limits(
        above_kwh, room_kwh, capacity_kwh, rated_kw, efficiency, net_kw, export_max_kw, import_max_kw, slope, zero,
        storm, hours,
    )  # fmt: skip
    own_kw = ph.own_kw(
        above_kwh, rated_kw, efficiency, net_kw, night_s, night_start_s, night_target_kwh, night_draw, share, standby,
        storm, hours,
    )  # fmt: skip
    least_kw, most_kw = ph.limits(
        own_above_kwh, own_room_kwh, capacity_kwh, rated_kw, efficiency, net_kw, export_max_kw, import_max_kw, slope,
        zero, storm, hours,
    )  # fmt: skip
    wish_kw = ph.own_kw(
        own_above_kwh, rated_kw, efficiency, net_kw, night_s, night_start_s, night_target_kwh, night_draw, share, _0,
        storm, hours,
    )  # fmt: skip
    schedule_kw = min(max(wish_kw, least_kw), most_kw)
    return low_kw, high_kw, own_kw, schedule_kw


@BATTERY.tick
def follow(  # type: ignore[no-untyped-def]
    cmd_start, cmd_end, cmd_end_share, accepts_commands, own_kw, rated_kw, gain, offset_kw, low_kw, high_kw,
    power_end_kw, rate_kw_s, release_kw_s, storm, dt_s,
):  # fmt: skip
    """Move the power towards what is asked for."""
    heard = accepts_commands * (_1 - storm)
    first_kw = ph.wanted_kw(cmd_start * heard, own_kw, rated_kw, gain, offset_kw)
    second_kw = ph.wanted_kw(cmd_end * heard, own_kw, rated_kw, gain, offset_kw)
    power_end_kw, power_kw = ph.move(
        power_end_kw, first_kw, second_kw, low_kw, high_kw, rate_kw_s, release_kw_s, cmd_end_share, dt_s
    )
    shown_kw = power_kw
    return power_end_kw, power_kw, shown_kw


@BATTERY.tick
def work(above_kwh, power_kw, low_kw, high_kw, own_kw, efficiency, standby_kw, hours):  # type: ignore[no-untyped-def]
    """Work out the tick's energy; withheld is what the own schedule, within the limits, would have drawn more."""
    change_kwh, charged_kwh, discharged_kwh, loss_kwh = ph.store(above_kwh, power_kw, efficiency, standby_kw, hours)
    withheld_kwh = max(min(max(own_kw, low_kw), high_kw) - power_kw, _0) * hours
    return change_kwh, charged_kwh, discharged_kwh, loss_kwh, withheld_kwh


@BATTERY.tick
def compare(  # type: ignore[no-untyped-def]
    net_kw, power_kw, schedule_kw, own_above_kwh, change_kwh, discharged_kwh, gave_more, efficiency, standby_kw, hours
):
    """Work out what the owner's bill and the wear have more than under the own schedule; wear is never below it."""
    own_change_kwh, _, own_out_kwh, _ = ph.store(own_above_kwh, schedule_kw, efficiency, standby_kw, hours)
    import_more_kwh, export_more_kwh = difference(net_kw, power_kw, schedule_kw, hours)
    stored_more_kwh = (change_kwh - own_change_kwh) * efficiency
    before_kwh, gave_more = max(gave_more, _0), gave_more + discharged_kwh - own_out_kwh
    worn_kwh = max(gave_more, _0) - before_kwh
    return import_more_kwh, export_more_kwh, stored_more_kwh, gave_more, worn_kwh, own_change_kwh


@BATTERY.tick
def store(energy_kwh, own_kwh, change_kwh, own_change_kwh):  # type: ignore[no-untyped-def]
    """Add the tick's changes to what is stored, and to what would be."""
    energy_kwh = energy_kwh + np.float64(change_kwh)
    own_kwh = own_kwh + np.float64(own_change_kwh)
    return energy_kwh, own_kwh


@BATTERY.capability
def measure(  # type: ignore[no-untyped-def]
    above_kwh, room_kwh, capacity_kwh, rated_kw, efficiency, bare_kw, export_max_kw, import_max_kw, accepts_commands,
    slope, zero, storm,
):  # fmt: skip
    """Work out what it could give against a plan of standby, ramps and dead time aside.

    The house is taken as load - generation, without its flexible devices: what a water heater gives up cannot be
    covered by the battery as well. ``stored_kwh`` counts homes without the right to feed back too, whose energy can
    only leave as fast as the house draws.
    """
    low_kw, high_kw = ph.reach(
        above_kwh, room_kwh, capacity_kwh, rated_kw, efficiency, bare_kw, export_max_kw, import_max_kw, slope, zero,
        storm,
    )  # fmt: skip
    heard = accepts_commands * (_1 - storm)
    up_kw, down_kw, stored_kwh, debt_kwh = (
        max(-low_kw, _0) * heard,
        high_kw * heard,
        max(above_kwh, _0) * efficiency,
        _0,
    )
    return up_kw, down_kw, stored_kwh, debt_kwh


@BATTERY.save
def share_of_full(energy_kwh, reserve_kwh, capacity_kwh):  # type: ignore[no-untyped-def]
    """Save the state of charge between reserve and full."""
    above_kwh = energy_kwh - np.float64(reserve_kwh)
    saved_soc = np.float32(above_kwh / (np.float64(capacity_kwh) - np.float64(reserve_kwh)))
    return saved_soc


BATTERY.owner_asks(asks)
