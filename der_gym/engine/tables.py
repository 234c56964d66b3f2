"""Rows of the arrays that all layers share; each leads with the shard or the world and keeps a row contiguous."""

# fleet: float32 (n_shard_all, N_FLEET, n_device). What all classes share.
RATED_KW = 0  # unit of the command: the device's rated swing
METER_GAIN = 1  # 1 + the gain error of its meter; 0 while not in the list: it joins later, has left, is padding
ACCEPTS_COMMANDS = 2  # 1 while the device takes commands: in the list, owner has not opted out; else 0
DEAD_S = 3  # from a command's arrival to first movement
LINK_DOWN_S = 4  # the day's outage of the device's link, seconds of the episode
LINK_UP_S = 5
CMD_START = 6  # fraction in force when the tick starts, -1..1, 0 = own schedule
CMD_END = 7  # fraction in force when the tick ends
CMD_END_SHARE = 8  # share of the tick under CMD_END, 0..1
VALID_S = 9  # when the message in force ends
POWER_KW = 10  # mean over the tick, from the grid
SHOWN_KW = 11  # what the device would report: power, or its own estimate
PENDING_KW = 12  # report on its way, infinite: none; its sample is the last before the tick
SEEN_KW = 13  # last report that arrived
SEEN_S = 14  # when that was sampled
N_FLEET = 15

# given: int8 (n_shard, N_GIVEN, n_device). What the resource table says beside the rated kW; NOT_GIVEN: draw it.
GIVEN_FEED_BACK = 0  # 1 the site may feed the grid from the device, 0 not
GIVEN_SWITCHED = 1  # 1 where the path can only start and stop the device, 0 where it can set a power
N_GIVEN = 2
NOT_GIVEN = -1

# site: float32 (n_shard_all, N_SITE, n_site). The home behind one meter.
LOAD_SCALE = 0  # of the common hourly shape
PV_RATED_KW = 1  # 0 where there is none
NOISE = 2  # factor on the load, redrawn every REFRESH_S
NOISE_SLOW = 3  # part of its logarithm that stays for half an hour; NaN: to be drawn
BARE_KW = 4  # load - generation, without the registered devices
NET_KW = 5  # that and the devices of the stages so far
N_SITE = 6

# context: float32 (n_world, N_CTX), refreshed each tick
T_S = 0  # seconds of the episode at the tick's start
DT_S = 1
SOD_S = 2  # second of the day at the tick's start
WEEKEND = 3  # 1 on Saturday, Sunday and holidays
TEMP_C = 4  # outdoor temperature
MAINS_C = 5  # temperature of the water mains
SUN_KW_M2 = 6  # global horizontal irradiance
HOUSE_SHAPE = 7  # kW of a household with LOAD_SCALE = 1 at this time, NOISE = 1
STANDBY = 8  # 1 inside awarded blocks: a battery planned at standby stands by
STORM = 9  # 1 under a storm warning: batteries hold full
SEASON = 10  # 0 mid-season, 1 summer, 2 winter
FREQ_HZ = 11  # local frequency minus nominal
N_CTX = 12

# capability: float32 (N_CAPABILITY, n) of one class and shard, summed at once: float64 (n_shard_all, n_cell, N_CAPABILITY)
UP_KW = 0  # upward response the device could hold for 30 minutes from now, >= 0
DOWN_KW = 1  # downward, >= 0
STORED_KWH = 2  # electric kWh that upward response can draw on (battery above its reserve; heat and EV energy held)
DEBT_KWH = 3  # electric kWh that will be missing at the next need (departure, next boil) if nothing is added
N_CAPABILITY = 4
