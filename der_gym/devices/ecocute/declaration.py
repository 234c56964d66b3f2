"""What is declared of the EcoCute: names, traits, settings, rows and registers."""

from __future__ import annotations

from der_gym.devices.base import DeviceModel, Register, Traits, rows
from der_gym.devices.bill import BILL, DEFERRED, TAKEN
from der_gym.devices.ecocute.config import LAYOUT, EcoCuteConfig
from der_gym.devices.owners.terms import OwnerTerms

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
