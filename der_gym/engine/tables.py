"""The arrays that all layers share. Each leads with the shard or the world and keeps a row contiguous."""

from __future__ import annotations

from der_gym.engine.schema import Table

NOT_GIVEN = -1  # an entry of GIVEN that the resource table leaves open: it is drawn

FLEET = Table(
    "fleet",
    "float32 (S, N, n_place): what all device classes share",
    """
    rated_kw          | kW | aggregator | unit of the command: the device's rated swing
    meter_gain        | -  | meter      | 1 + the gain error of its meter; 0 while not enrolled, and for padding
    accepts_commands  | -  | truth      | 1 while the device takes commands: enrolled, owner has not opted out; else 0
    dead_s            | s  |            | from a command's arrival to first movement
    link_down_s       | s  |            | the day's outage of the device's link begins, seconds of the episode
    link_up_s         | s  |            | and ends
    cmd_start         | -  |            | fraction in force when the tick starts, -1..1, 0 = own schedule
    cmd_end           | -  |            | fraction in force when the tick ends
    cmd_end_share     | -  |            | share of the tick under CMD_END, 0..1
    valid_s           | s  |            | when the message in force ends
    power_kw          | kW |            | mean over the tick, from the grid
    shown_kw          | kW |            | what the device would report: its power, or its own estimate of it
    pending_kw        | kW |            | report on its way, infinite: none; its sample is the last before the tick
    seen_kw           | kW | aggregator | last report that arrived
    seen_s            | s  |            | when that was sampled
    standby           | -  | truth      | 1 in half hours in which it has heard that it stands by for a service
    """,
)

GIVEN = Table(
    "given",
    "int8 (n_shard, N, n_place): what the resource table says beside the rated kW",
    """
    feed_back | - | aggregator | 1 the site may feed the grid from the device, 0 not
    switched  | - |            | 1 the path can only start and stop the device, 0 it can set a power
    """,
)

SITE = Table(
    "site",
    "float32 (S, N, n_site): the home behind one meter",
    """
    load_scale  | -  | truth | of the common hourly shape
    pv_rated_kw | kW |       | panels; 0 where there are none
    noise       | -  |       | factor on the load, redrawn every REFRESH_S
    noise_slow  | -  |       | part of its logarithm that stays for half an hour; NaN: to be drawn
    bare_kw     | kW |       | load - generation, without the registered devices
    net_kw      | kW | meter | that and the devices of the stages so far
    """,
)

EXOGENOUS = Table(
    "exogenous",
    "float32 (n_world, N): clock, calendar and weather of each world, refreshed each tick",
    """
    t_s         | s     | aggregator | seconds of the episode at the tick's start
    dt_s        | s     |            | length of the tick
    sod_s       | s     |            | second of the day at the tick's start
    weekend     | -     |            | 1 on Saturday, Sunday and holidays
    temp_c      | degC  |            | outdoor temperature
    mains_c     | degC  |            | temperature of the water mains
    sun_kw_m2   | kW/m2 |            | global horizontal irradiance
    house_shape | kW    |            | a household with load_scale = 1 at this time, noise = 1
    storm       | -     |            | 1 under a storm warning: batteries hold full
    season      | -     |            | 0 mid-season, 1 summer, 2 winter
    freq_hz     | Hz    |            | local frequency minus nominal
    """,
)

CAPABILITY = Table(
    "capability",
    "float64 (S, n_cell, N): what the devices of a cell could do now, summed",
    """
    up_kw      | kW  | aggregator | upward response that could be held for 30 minutes from now, >= 0
    down_kw    | kW  |            | downward, >= 0
    stored_kwh | kWh |            | electric energy that upward response can draw on (above the reserve; heat, cars)
    debt_kwh   | kWh | truth      | electric energy missing at the next need if nothing is added
    """,
)
