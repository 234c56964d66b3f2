"""Home battery (ECHONET 0x027D): a store behind the meter that serves its home, and follows a command while one holds.

Stored energy E in kWh: ``dE = charged * eta - discharged / eta - standby loss``, one efficiency ``eta`` each way, the
root of the round trip. Power follows its set-point through a linear ramp, always inside what E, the taper near full,
the inverter, the home's wiring and the right to feed back allow. A site holds one battery: two would both cover the
same house.

Own schedule: nothing in standby; else cover the house and take up the sun's surplus. In the cheap hours (23-07 h)
homes without panels, and some with, charge up to their owner's target instead. Under a storm warning every battery
charges and holds full, whatever the command. While a command other than 0 is in force the battery follows it alone:
power = -a * rated. Sources of the numbers: `battery_config`; the equation: OCHRE 0.9.2, CityLearn 3.0.2 [V].

Left out: waking from sleep (30-120 s [M]), set-points in steps of 10-100 W [A], fade within an episode, paths that can
only start and stop a battery. The throughput that wears it is DISCHARGED_KWH.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.base import DeviceClass
from der_gym.devices.battery import config as c
from der_gym.devices.battery.config import BatteryConfig, constants
from der_gym.devices.battery.draws import draw_owner, draw_pace, draw_store
from der_gym.devices.battery.physics import limits, move, own_kw, reach, since_23, store, taper_line, wanted_kw
from der_gym.devices.flexibility import HEARS, N_SCRATCH, find_accepting, recall, sum_cells
from der_gym.engine.compile import kernel, part
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN, SITE
from der_gym.numerics.sums import enter, find_enrolled

PARAMS = (
    *("capacity_kwh", "reserve_kwh", "efficiency", "standby_kw", "rate_kw_s", "release_kw_s", "gain", "offset_kw"),
    *("export_max_kw", "import_max_kw", "night_start_s", "night_target_kwh", "night_draw"),
)
(CAPACITY_KWH, RESERVE_KWH, EFFICIENCY, STANDBY_KW, RATE_KW_S, RELEASE_KW_S, GAIN, OFFSET_KW) = range(8)
# the site's limits, export 0 without the right to feed back; night_draw -1 without panels
(EXPORT_MAX_KW, IMPORT_MAX_KW, NIGHT_START_S, NIGHT_TARGET_KWH, NIGHT_DRAW) = range(8, 13)
POWER_END_KW = 0  # state: power at the tick's end, from which the next ramp starts
ENERGY_KWH = 0  # acc: stored above empty
# book: AC in; AC out; lost standing by; drawn less than the own schedule
CHARGED_KWH, DISCHARGED_KWH, LOSS_KWH, WITHHELD_KWH = range(4)
# rows of a tick's scratch, kW; kWh above the reserve, four in the order of the book; 1 where in the list
(HOUSE, ABOVE, LOW, HIGH, OWN, INTO, OUT, LOST, WITHHELD, HERE, N_SEEN) = range(11)
SOC = 0  # pool: 0 at the owner's reserve, 1 full

_0, _HALF, _1 = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_HOUR_S, _ONE8 = np.float32(3600.0), np.float64(1.0)


@kernel
def draw(s0, s1, n_shard, active, keys, uid, cfg, given, site_index, site, limits, params, fleet, lo):  # type: ignore[no-untyped-def]
    """Draw what each battery is, from the fleet's key; what the resource table tells stays."""
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        k0, k1, n, row = keys[w, 0], keys[w, 1], params.shape[2], params[s]
        ids, index = uid[p, lo : lo + n], site_index[p, lo : lo + n]
        rated, dead = fleet[s, FLEET.RATED_KW, lo : lo + n], fleet[s, FLEET.DEAD_S, lo : lo + n]
        draw_stores(k0, k1, ids, cfg, row, rated)
        draw_paces(k0, k1, ids, cfg, row, rated, dead)
        draw_owners(k0, k1, ids, given[p, GIVEN.FEED_BACK, lo : lo + n], cfg, row)
        for i in range(n):  # what the home has is gathered apart: the loops before pack
            j = np.uint32(index[i])
            of = j if limits.shape[2] > 1 else np.uint32(0)
            row[EXPORT_MAX_KW, i] *= limits[p, 1, of]
            row[IMPORT_MAX_KW, i] = limits[p, 0, of]
            row[NIGHT_DRAW, i] = row[NIGHT_DRAW, i] if site[s, SITE.PV_RATED_KW, j] > _0 else -_1


@part
def draw_stores(k0, k1, ids, cfg, row, rated):  # type: ignore[no-untyped-def]
    """Draw capacity, reserve, rated power, efficiency and standby power of a shard's batteries."""
    capacity, reserve, eta, standby = row[CAPACITY_KWH], row[RESERVE_KWH], row[EFFICIENCY], row[STANDBY_KW]
    for i in range(ids.shape[0]):
        capacity[i], reserve[i], rated[i], eta[i], standby[i] = draw_store(k0, k1, ids[i], rated[i], cfg)


@part
def draw_paces(k0, k1, ids, cfg, row, rated, dead):  # type: ignore[no-untyped-def]
    """Draw dead time, ramps and errors of a shard's batteries."""
    rate, release, gain, offset = row[RATE_KW_S], row[RELEASE_KW_S], row[GAIN], row[OFFSET_KW]
    for i in range(ids.shape[0]):
        kw = rated[i]
        dead[i], ramp_s, release_s, gain[i], offset[i] = draw_pace(k0, k1, ids[i], cfg)
        rate[i] = kw / ramp_s
        release[i] = kw / release_s


@part
def draw_owners(k0, k1, ids, given, cfg, row):  # type: ignore[no-untyped-def]
    """Draw right to feed back (1 or 0, in the place of the export limit) and night habits of a shard's batteries."""
    capacity, reserve, feed_back = row[CAPACITY_KWH], row[RESERVE_KWH], row[EXPORT_MAX_KW]
    start, target, queue = row[NIGHT_START_S], row[NIGHT_TARGET_KWH], row[NIGHT_DRAW]
    for i in range(ids.shape[0]):
        may, start[i], target[i], queue[i] = draw_owner(k0, k1, ids[i], given[i], capacity[i], reserve[i], cfg)
        feed_back[i] = _1 if may > _HALF else _0


@kernel
def begin(s0, s1, n_shard, active, keys, uid, abs_s, ctx, cfg, pool, at, place, params, state, acc, lo):  # type: ignore[no-untyped-def]
    """Set the stored energy from the pool (none: half way), power to 0."""
    saved = np.empty((1, place.shape[1]), np.float32)
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        recall(pool, at[s], place[s % n_shard], saved)
        reserve, capacity, soc = params[s, RESERVE_KWH], params[s, CAPACITY_KWH], saved[SOC]
        energy = acc[s, ENERGY_KWH]
        for i in range(soc.shape[0]):
            share = np.float64(soc[i] if soc[i] == soc[i] else _HALF)
            energy[i] = np.float64(reserve[i]) + share * (np.float64(capacity[i]) - np.float64(reserve[i]))
        state[s] = _0


@kernel
def redraw(s0, s1, n_shard, active, keys, uid, abs_s, ctx, cfg, params, state, acc, lo, fresh):  # type: ignore[no-untyped-def]
    """Do nothing: a battery has no luck of its own within the day."""


@part
def sense(index, site_kw, house):  # type: ignore[no-untyped-def]
    """Write the site's power of each battery: gathered first, so that the next loops pack."""
    for i in range(index.shape[0]):
        house[i] = site_kw[np.uint32(index[i])]


@part
def plan(slope, zero, hours, night, share, standby, storm, param, acc, rated, seen):  # type: ignore[no-untyped-def]
    """Write each battery's limits and own schedule."""
    energy, capacity, reserve, eta = acc[ENERGY_KWH], param[CAPACITY_KWH], param[RESERVE_KWH], param[EFFICIENCY]
    start, target, queue = param[NIGHT_START_S], param[NIGHT_TARGET_KWH], param[NIGHT_DRAW]
    most_out, most_in = param[EXPORT_MAX_KW], param[IMPORT_MAX_KW]
    house, kept, low, high, own = seen[HOUSE], seen[ABOVE], seen[LOW], seen[HIGH], seen[OWN]
    for i in range(rated.shape[0]):
        above = np.float32(energy[i] - np.float64(reserve[i]))
        kept[i] = above
        room = np.float32(np.float64(capacity[i]) - energy[i])
        least, most = limits(
            above, room, capacity[i], rated[i], eta[i], house[i], most_out[i], most_in[i], slope, zero, storm, hours
        )
        aim = own_kw(
            above, rated[i], eta[i], house[i], night, start[i], target[i], queue[i], share, standby, storm, hours
        )
        low[i] = least
        high[i] = most
        own[i] = aim


@part
def follow(dt, storm, param, end, fleet, lo, seen):  # type: ignore[no-untyped-def]
    """Move each battery's power: write the tick's mean, what the device shows, and the power at the end."""
    n = end.shape[0]
    rate, release, gain, offset = param[RATE_KW_S], param[RELEASE_KW_S], param[GAIN], param[OFFSET_KW]
    rated, takes = fleet[FLEET.RATED_KW, lo : lo + n], fleet[FLEET.ACCEPTS_COMMANDS, lo : lo + n]
    a0, a1, part = (
        fleet[FLEET.CMD_START, lo : lo + n],
        fleet[FLEET.CMD_END, lo : lo + n],
        fleet[FLEET.CMD_END_SHARE, lo : lo + n],
    )
    power, shown = fleet[FLEET.POWER_KW, lo : lo + n], fleet[FLEET.SHOWN_KW, lo : lo + n]
    low, high, own = seen[LOW], seen[HIGH], seen[OWN]
    for i in range(n):
        heard = takes[i] * (_1 - storm)
        first = wanted_kw(a0[i] * heard, own[i], rated[i], gain[i], offset[i])
        second = wanted_kw(a1[i] * heard, own[i], rated[i], gain[i], offset[i])
        last, mean = move(end[i], first, second, low[i], high[i], rate[i], release[i], part[i], dt)
        end[i] = last
        power[i] = mean
        shown[i] = mean


@part
def keep(hours, param, acc, power, seen):  # type: ignore[no-untyped-def]
    """Move the tick's energy; given is what was drawn less than the own schedule would have, within the limits."""
    eta, standby, energy = param[EFFICIENCY], param[STANDBY_KW], acc[ENERGY_KWH]
    above, low, high, own = seen[ABOVE], seen[LOW], seen[HIGH], seen[OWN]
    charged, discharged, lost, given = seen[INTO], seen[OUT], seen[LOST], seen[WITHHELD]
    for i in range(power.shape[0]):
        change, into, out, loss = store(above[i], power[i], eta[i], standby[i], hours)
        energy[i] += np.float64(change)
        charged[i], discharged[i], lost[i] = into, out, loss
        given[i] = max(min(max(own[i], low[i]), high[i]) - power[i], _0) * hours


@kernel
def advance(s0, s1, n_shard, active, ctx, cfg, site_index, site, params, state, acc, book, fleet, lo):  # type: ignore[no-untyped-def]
    """Work one tick; NET_KW must hold the site's net power before the battery."""
    n = params.shape[2]
    seen = np.empty((N_SEEN, n), np.float32)
    slope, zero = taper_line(cfg)
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        dt, standby, storm = ctx[w, EXOGENOUS.DT_S], ctx[w, EXOGENOUS.STANDBY], ctx[w, EXOGENOUS.STORM]
        night, share = since_23(ctx[w, EXOGENOUS.SOD_S]), cfg[c.NIGHT + np.int64(ctx[w, EXOGENOUS.SEASON])]
        rated, power = fleet[s, FLEET.RATED_KW, lo : lo + n], fleet[s, FLEET.POWER_KW, lo : lo + n]
        sense(site_index[s % n_shard, lo : lo + n], site[s, SITE.NET_KW], seen[HOUSE])
        hours = dt / _HOUR_S
        plan(slope, zero, hours, night, share, standby, storm, params[s], acc[s], rated, seen)
        follow(dt, storm, params[s], state[s, POWER_END_KW], fleet[s], lo, seen)
        keep(hours, params[s], acc[s], power, seen)
        find_enrolled(fleet[s, FLEET.METER_GAIN, lo : lo + n], seen[HERE])
        for k in range(book.shape[1]):
            enter(seen[INTO + k], seen[HERE], _ONE8, book[s, k])


@part
def weigh(slope, zero, storm, param, acc, rated, takes, house, out):  # type: ignore[no-untyped-def]
    """Write the capability of one shard's batteries over the coming half-hour."""
    n = rated.shape[0]
    energy, capacity, reserve, eta = acc[ENERGY_KWH], param[CAPACITY_KWH], param[RESERVE_KWH], param[EFFICIENCY]
    most_out, most_in = param[EXPORT_MAX_KW], param[IMPORT_MAX_KW]
    up, down, stored, debt = (
        out[CAPABILITY.UP_KW],
        out[CAPABILITY.DOWN_KW],
        out[CAPABILITY.STORED_KWH],
        out[CAPABILITY.DEBT_KWH],
    )
    for i in range(n):
        above = np.float32(energy[i] - np.float64(reserve[i]))
        room = np.float32(np.float64(capacity[i]) - energy[i])
        low, high = reach(
            above, room, capacity[i], rated[i], eta[i], house[i], most_out[i], most_in[i], slope, zero, storm
        )
        heard = takes[i] * (_1 - storm)
        up[i] = max(-low, _0) * heard
        down[i] = high * heard
        stored[i] = max(above, _0) * eta[i]
        debt[i] = _0


@kernel
def capability(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, ctx, cfg, site_index, site, params, state, acc, fleet, lo, opting, reached, cell_lo,
    cell_hi, out,
):  # fmt: skip
    """Write what each battery could give against a plan of standby, ramps and dead time aside.

    The house is taken as load - generation, without its flexible devices: what a water heater gives up cannot be
    covered by the battery as well. STORED_KWH counts homes without the right to feed back too, whose energy can only
    leave as fast as the house draws. ``opting``, ``reached``: see `find_accepting`, `sum_cells`.
    """
    n = params.shape[2]
    house, each = np.empty(n, np.float32), np.empty((N_SCRATCH, n), np.float32)
    slope, zero = taper_line(cfg)
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            sense(site_index[s % n_shard, lo : lo + n], site[s, SITE.BARE_KW], house)
            find_accepting(fleet[s], lo, opting, each)
            rated = fleet[s, FLEET.RATED_KW, lo : lo + n]
            weigh(slope, zero, ctx[w, EXOGENOUS.STORM], params[s], acc[s], rated, each[HEARS], house, each)
            sum_cells(ctx[w, EXOGENOUS.T_S], each, fleet[s], lo, cell_lo, cell_hi, reached, out[s])


@kernel
def save(s0, s1, n_shard, active, params, state, acc, out):  # type: ignore[no-untyped-def]
    """Write the state of charge between reserve and full."""
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        reserve, capacity, energy = params[s, RESERVE_KWH], params[s, CAPACITY_KWH], acc[s, ENERGY_KWH]
        soc = out[s, SOC]
        for i in range(energy.shape[0]):
            above = energy[i] - np.float64(reserve[i])
            soc[i] = np.float32(above / (np.float64(capacity[i]) - np.float64(reserve[i])))


BATTERY = DeviceClass(
    name="battery",
    japanese="家庭用蓄電池",
    stage=2,
    config=BatteryConfig,
    constants=constants,
    params=PARAMS,
    state=("power_end_kw",),
    acc=("energy_kwh",),
    book=("charged_kwh", "discharged_kwh", "loss_kwh", "withheld_kwh"),
    pool=("soc",),
    draw=draw,
    begin=begin,
    redraw=redraw,
    advance=advance,
    capability=capability,
    save=save,
)
