"""Settings of the EV charger class: every distribution with its source and standing.

Standing: [V] read in the source, [C] computed from data, [A] assumption, [M] from memory ("stylised").
"""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from der_gym.core.errors import InputError
from der_gym.devices.base import DeviceConfig
from der_gym.devices.layout import Layout, cumulative

Pair = tuple[float, float]
Four = tuple[float, float, float, float]
DELAY_MAX_S = 600.0  # start delays are cut here, so that the laxity margin covers them


class EVConfig(DeviceConfig):
    """Settings of the home charger with one-way charging (V1G, ECHONET 0x02A1 or OCPP).

    A car's needs follow from its trips since it was last plugged in; nothing here depends on the commands. Public
    holidays count as weekdays. What cannot be charged at home between arrival and departure is charged elsewhere.
    """

    charger_kw: Pair = Field((3.0, 6.0), description="Home chargers, AC kW [V Panasonic table: 3 or 6 kW].")
    charger_share: Pair = Field((0.65, 0.35), description="Shares of the two [A]; first .4-.8.")
    switched_share: float = Field(
        1 / 3, ge=0, le=1, description="Share reached over the car's telematics, start and stop only [A]; 0-1."
    )
    efficiency: float = Field(0.9, ge=0.7, le=1, description="AC to battery [V OCHRE EV .9]; .85-.95.")
    battery_kwh: Four = Field(
        (20.0, 40.0, 62.0, 75.0), description="Usable kWh: kei car [M], 40 and 62 [V Panasonic table], large [M]."
    )
    battery_share: Four = Field((0.15, 0.45, 0.3, 0.1), description="Shares of the four [A].")
    archetype_share: Four = Field(
        (0.35, 0.35, 0.2, 0.1),
        description="Commuter, shopping, little used, much driven: the hearing's clusters, weights [A].",
    )
    weekday_factor: Four = Field(
        (1.25, 0.8, 0.45, 1.925), description="Each archetype's weekday km over the mean [A]; their mean is 1."
    )
    weekend_factor: Four = Field((1.0, 1.1, 0.6, 1.45), description="The same on Saturday and Sunday [A].")
    weekday_km: float = Field(20.0, gt=0, description="Mean km a weekday over all cars [V JAMA, ITmedia 2024-05-02].")
    weekend_km: float = Field(28.0, gt=0, description="Mean km a Saturday or Sunday [V JAMA, ITmedia 2024-05-02].")
    trip_probability: float = Field(0.75, gt=0, le=1, description="Of driving at all on a day [A]; .7-.8.")
    km_sigma: float = Field(0.8, ge=0, le=1.5, description="Log-normal spread of a day's km given a trip [A]; .6-1.")
    km_per_kwh: float = Field(7.0, gt=0, description="At mild_c and above, battery side [A]; 5-8.")
    cold_factor: float = Field(
        0.75, gt=0, le=1, description="On km_per_kwh at 0 degC, linear in temperature, at least .6 [A]; .65-.85."
    )
    mild_c: float = Field(20.0, gt=0, description="No loss of range from this outdoor temperature on, degC [A].")
    charged_to: float = Field(0.9, gt=0.3, le=1, description="State of charge a session aims at [A]; .8-1.")
    plug_slope: float = Field(
        12.0, ge=0, description="Plug-in probability a day 1/(1+exp(plug_slope*(soc-plug_mid_soc))) [A]; 6-20."
    )
    plug_mid_soc: float = Field(0.6, description="See plug_slope [A]; .4-.8.")
    plug_floor: float = Field(0.15, ge=0, le=1, description="Least plug-in probability a day [A]; 0-.5.")
    plug_cycle_d: int = Field(
        14, ge=1, le=28, description="Every car is plugged in at least this often, days [A]; ends the look-back."
    )
    arrival_h: Pair = Field((18.3, 2.6), description="Weekday arrival, mean and sd, h, cut to 12-24 h [A].")
    arrival_weekend_h: Pair = Field((16.8, 3.2), description="The same on Saturday and Sunday: earlier, flatter [A].")
    departure_h: Pair = Field((7.8, 1.6), description="Weekday departure, mean and sd, h, cut to 4-12 h [A].")
    departure_weekend_h: Pair = Field((9.2, 2.0), description="The same on Saturday and Sunday [A].")
    habit_share: tuple[float, float, float] = Field(
        (0.6, 0.3, 0.1), description="Charge at once, by timer, by departure [A after GMLC's strategies .4/.3/.3]."
    )
    timer_h: Pair = Field((23.0, 1.0), description="Night-tariff timers, each half of the timer cars, clock h [A].")
    finish_before_s: float = Field(
        1800.0, ge=0, le=7200, description="Uncommanded charging ends at least this long before departure [A]."
    )
    start_delay_share: tuple[float, float, float] = Field(
        (0.6, 0.3, 0.08), description="Shares of fast, slow and waiting starts [A]; scaled to 1."
    )
    start_delay_s: tuple[float, float, float] = Field(
        (12.0, 30.0, 300.0),
        description="Their medians, s [V SmartEVSE #146: none after 11 s; evcc #30417: 5 min]. One draw a session.",
    )
    start_delay_sigma: Pair = Field((0.5, 0.6), description="Log-normal spread of fast and slow starts [A].")
    fail_to_wake: float = Field(
        0.02, ge=0, lt=0.5, description="A stopped car that sleeps until the next session, per restart [A]; 0-.05."
    )
    ramp_s: Pair = Field((1.0, 8.0), description="From 0 to full current, uniform, s [V evcc #22087: 7-8 s; A].")
    dead_s: float = Field(2.0, gt=0, description="Median from a command's arrival to first movement, s [A].")
    dead_sigma: float = Field(0.7, ge=0, description="Its log-normal spread [A].")
    laxity_margin_s: float = Field(
        900.0, ge=DELAY_MAX_S + 120, le=3600, description="Spare time at which a car charges whatever is asked [A]."
    )
    max_stops: int = Field(10, ge=0, le=50, description="Stops by command in a session; then it obeys no more [A].")
    urgent_soc: float = Field(0.2, ge=0, le=0.5, description="Below this it charges at once [A].")
    now_probability: float = Field(
        0.05, ge=0, le=1, description="Owner presses 'now': no commands this session [A]; .03-.08."
    )

    @model_validator(mode="after")
    def _consistent(self) -> EVConfig:
        for name in ("charger_share", "battery_share", "archetype_share", "habit_share"):
            values = getattr(self, name)
            if min(values) < 0 or abs(sum(values) - 1) > 1e-6:
                raise InputError(f"ev.{name}: shares {values} must be >= 0 and add up to 1")
        for name in ("charger_kw", "battery_kwh", "start_delay_s", "ramp_s"):
            if min(getattr(self, name)) <= 0:
                raise InputError(f"ev.{name}: {getattr(self, name)} must be > 0")
        for name in ("arrival_h", "arrival_weekend_h", "departure_h", "departure_weekend_h"):
            if getattr(self, name)[1] <= 0:
                raise InputError(f"ev.{name}: the spread {getattr(self, name)[1]} must be > 0")
        if min(self.start_delay_share) < 0 or sum(self.start_delay_share) <= 0:
            raise InputError(f"ev.start_delay_share: {self.start_delay_share} must be >= 0, with a sum > 0")
        if self.finish_before_s < self.laxity_margin_s:
            raise InputError(
                f"ev.finish_before_s: {self.finish_before_s} must be at least laxity_margin_s = {self.laxity_margin_s}"
            )
        return self


def _cut_normal(mean_sd_h: Pair, low_h: float, high_h: float) -> list[float]:
    """Return mean, sd and the normal probabilities at the bounds."""
    mean, sd = mean_sd_h
    return [mean, sd, *(0.5 * (1 + math.erf((x - mean) / sd / math.sqrt(2))) for x in (low_h, high_h))]


def _after_noon_s(clock_h: float) -> float:
    return ((clock_h - 12.0) % 24.0) * 3600.0


def _habits(shares: tuple[float, float, float]) -> list[float]:
    """Return the cumulative shares: at once, by the first timer, by the second."""
    immediate, timer, _ = shares
    return [immediate, immediate + timer / 2, immediate + timer]


LAYOUT = Layout(
    EVConfig,
    charger_share=lambda c: c.charger_share[0],
    battery_share=lambda c: cumulative(c.battery_share),
    archetype_share=lambda c: cumulative(c.archetype_share),
    weekday_km=lambda c: [c.weekday_km * f for f in c.weekday_factor],  # of each archetype
    weekend_km=lambda c: [c.weekend_km * f for f in c.weekend_factor],
    weekday_factor=None,
    weekend_factor=None,
    arrival_h=lambda c: _cut_normal(c.arrival_h, 12, 24),
    arrival_weekend_h=lambda c: _cut_normal(c.arrival_weekend_h, 12, 24),
    departure_h=lambda c: _cut_normal(c.departure_h, 4, 12),
    departure_weekend_h=lambda c: _cut_normal(c.departure_weekend_h, 4, 12),
    habit_share=lambda c: _habits(c.habit_share),
    timer_h=lambda c: [_after_noon_s(h) for h in c.timer_h],  # seconds after noon
    start_delay_share=lambda c: cumulative(c.start_delay_share),
    start_delay_s=lambda c: [math.log(c.start_delay_s[0]), math.log(c.start_delay_s[1]), c.start_delay_s[2]],
    fail_to_wake=lambda c: 1 / math.log1p(-c.fail_to_wake) if c.fail_to_wake else -1e9,
    dead_s=lambda c: math.log(c.dead_s),
)
CFG = LAYOUT.table
