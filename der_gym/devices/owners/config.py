"""Settings of owners who answer offers, each with its range and standing; `docs/owners.md` tells what they reproduce.

References
----------
.. [1] Ito, Ida, Tanaka, "Moral suasion and economic incentives: field experimental evidence from energy demand",
   American Economic Journal: Economic Policy 10 (2018) 240-267, doi:10.1257/pol.20160093: Keihanna; critical-peak
   prices lowered peak use by 14-17 % on the first days, appeals by 8 %, which faded within days [M].
.. [2] National Grid ESO / Octopus Energy, Saving Sessions 2022/23: about 2.25 GBP/kWh; -10 % over all invited, -40 % of
   those who opt in to the event; less at short notice [S].
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from der_gym.core.errors import InputError
from der_gym.devices.declare import DeviceConfig
from der_gym.devices.owners.terms import OwnerTerms
from der_gym.engine.schema import Table

CFG = Table(
    "owners.cfg",
    "float32 (N,): settings that the owners' kernels read",
    """
    pay_slope      | - | engine | see IncentiveConfig
    ln_half        | - |        | logarithm of half_yen_kwh
    notice         | - |        | utility of the notice given
    notice_s       | s |        | from an offer's arrival to its effect
    given          | - |        | 1: each event has a notice of its own, see notice
    notice_weight  | - |        | see IncentiveConfig
    full_s         | s |        | see notice_full_min
    stake_weight   | - |        | see IncentiveConfig
    tired_weight   | - |        | see IncentiveConfig
    look_ln_s      | - |        | logarithm of the median delay, s
    look_sigma     | - |        | see IncentiveConfig
    sleep_s        | s |        | second of the day at which owners go to sleep
    wake_s         | s |        | and wake
    quit_share     | - |        | see IncentiveConfig
    gap_s          | s |        | see gap_min
    by_hour        | - |        | 1: the baseline is that of each half hour, USUAL_KW
    budgeted       | - |        | 1: pay has a budget
    appeal_below   | - |        | see AppealConfig; 0: every message names a pay
    appeal_worth   | - |        | see AppealConfig
    appeal_effort  | - |        | see AppealConfig
    appeal_fades   | - |        | ln of an appeal's worth that a recent call takes away, beyond what it takes off pay
    """,
)
OWN = Table(
    "owners.own",
    "float32 (N,): settings of the owners of one class that the draw reads",
    """
    automated_share  | - | engine | see OwnerTerms
    hassle_yen_kwh   | - |        | see OwnerTerms
    ask_sigma        | - |        | see OwnerTerms
    span_yen_kwh     | - |        | see OwnerTerms
    type_sigma       | - |        | see IncentiveConfig
    never_share      | - |        | see IncentiveConfig
    opted_out_share  | - |        | see IncentiveConfig
    tired_mean       | - |        | calls of the days before that still weigh, mean
    """,
)


class AppealConfig(DeviceConfig):
    """Appeals, under ``behaviours.incentive.appeal``: calls for help without pay.

    A person who looks at an appeal decides by the logit of pay, as if ``worth_yen_kwh`` were offered, and tires faster.
    A home's agent answers none. Who helps bears her own cost up to ``effort_yen_kwh``.
    """

    below_yen_kwh: float = Field(3.0, gt=1, le=20)
    """An offer of less than this is an appeal, and pays nothing; above 1, the least change that a sender sends."""
    worth_yen_kwh: float = Field(2.5, gt=0, le=200)
    """Pay that would win as many people as a first appeal does [A], fitted to the 8 % of [1]."""
    effort_yen_kwh: float = Field(28.0, ge=0, le=200)
    """Cost of a kWh up to which those who help help with all that they have [A]: about the retail price."""
    tired_weight: float = Field(0.5, ge=0, le=5)
    """Logit that each recent call takes away from an appeal [A] .3-1: its effect fades within days [1]."""


class IncentiveConfig(DeviceConfig):
    """Owners who are offered yen per kWh, under ``behaviours.incentive``."""

    pay_slope: float = Field(0.22, gt=0, le=3)
    """Logit per unit of ln(pay) of a person who looks at a notice [A] .1-.5: people answer a rate weakly [1]."""
    half_yen_kwh: float = Field(1300.0, gt=0, le=1e5)
    """Pay at which half of the people of neutral type who may answer opt in, yen/kWh [A], fitted to [1] and [2]."""
    type_sigma: float = Field(1.0, ge=0, le=4)
    """Spread of the logit between owners; it stays with the owner [A] .5-2."""
    never_share: float = Field(0.25, ge=0, le=1)
    """People who never answer a notice [A] .1-.5."""
    opted_out_share: float = Field(0.06, ge=0, le=1)
    """Automated homes whose owner has left the scheme; opt-out schemes keep above 90 % [S]."""
    notice_min: int = Field(0, ge=0, le=720)
    """Minutes from an offer's arrival at a home, or from its sending, to its effect: a contract's notice."""
    notice: Literal["stated", "given"] = "stated"
    """Which notice an event has. ``stated``: an offer acts ``notice_min`` after it arrives, and all homes choose by
    that. ``given``: it acts ``notice_min`` after it was *sent*, and not before the start that a service has announced;
    each home chooses by the time that it has left from the arrival on. A message that comes late gives less."""
    notice_full_min: float = Field(180.0, gt=0, le=2880)
    """Notice beyond which more of it adds nothing, minutes [A]."""
    notice_weight: float = Field(0.55, ge=0, le=3)
    """Logit that full notice adds: at short notice about a quarter fewer opt in [2]."""
    stake_weight: float = Field(1.0, ge=0, le=5)
    """Logit that full comfort at stake takes away [A] .5-2."""
    tired_weight: float = Field(0.15, ge=0, le=3)
    """Logit that each recent call takes away [A] .05-.4: small where money is paid; a second summer was weaker [1]."""
    tired_days: float = Field(7.0, gt=0, le=60)
    """Days in which the weight of a call falls to 1/e [A] 3-14: response recovers after a pause [1]."""
    calls_per_week: float = Field(1.0, ge=0, le=14)
    """Calls in the weeks before the episode, mean [A]."""
    look_median_min: float = Field(4.0, gt=0, le=240)
    """Delay until a person looks at a notice by day, median, minutes; lognormal [A] 2-15."""
    look_sigma: float = Field(1.0, ge=0, le=3)
    sleep_h: float = Field(23.0, ge=0, le=24)
    """From this hour on nobody looks until ``wake_h`` [A]."""
    wake_h: float = Field(6.0, ge=0, le=24)
    quit_share: float = Field(0.01, ge=0, le=1)
    """People who leave a running event in a half hour, three times as many with all comfort at stake [A] .005-.03."""
    gap_min: float = Field(60.0, ge=0, le=720)
    """An offer that comes back within so many minutes belongs to the same event: nobody is asked again [A]."""
    baseline: Literal["previous", "same_hour", "twin"] = "previous"
    """Yardstick of a home's pay. ``previous``: its mean in the last whole half hour before the event. ``same_hour``:
    the mean of its group at this half hour of the ten days before, by rated power. ``twin``: what it draws in the same
    world without offers. Nobody knows that: it is for evaluation, and each reset plays the episode once more."""
    budget_yen: float | None = Field(None, ge=0)
    """Pay of an episode after which offers are 0. What the open half hour has cost so far counts; it is looked at every
    5 minutes, as if meters told it [A]. Who does not hear of the end is paid on."""
    call_yen: float = Field(3.0, ge=0, le=100)
    """Charge for each event to which a person is called, yen [A] 0-10: what habituation loses in the 30 days after. A
    call takes ``tired_weight`` off the logit, some 3 % of the opt-ins near a half. At one call a week of 1.5 kWh, each
    worth 60 yen, and a memory of a week that is 3 yen."""
    classes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Class -> changes of its `OwnerTerms`."""
    leaves: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Control leaf -> changes of its owners' `OwnerTerms`, on top of its class's: makers' programmes differ."""
    appeal: AppealConfig | None = None
    """Calls for help without pay; none: every message names a pay."""
    offers_only: tuple[str, ...] = ()
    """Control leaves that hear offers and obey no command, under ``control: both``: their contract has no commands, so
    none is sent and their stores never stand by."""

    @model_validator(mode="after")
    def _shares_fit(self) -> IncentiveConfig:
        if self.never_share == 1.0 and self.opted_out_share == 1.0:
            raise ValueError("never_share and opted_out_share are both 1: nobody could answer; allowed: one below 1")
        return self

    def terms(self, name: str, declared: OwnerTerms, leaf: str = "") -> OwnerTerms:
        """Return the owners of class ``name`` behind ``leaf``: what it declares with this scenario's changes."""
        own = _changed(declared, self.classes.get(name, {}), f"classes.{name}")
        return _changed(own, self.leaves.get(leaf, {}), f"leaves.{leaf}")


def _changed(terms: OwnerTerms, changes: dict[str, Any], where: str) -> OwnerTerms:
    """Return ``terms`` with a scenario's changes; InputError names the setting and those that there are."""
    try:
        return OwnerTerms.model_validate({**terms.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(OwnerTerms.model_fields)
        raise InputError(
            f"behaviours.incentive.{where}.{key}: {first['msg']}, got {first['input']!r}; settings: {known}"
        ) from None


def constants(config: IncentiveConfig) -> np.ndarray:
    """Return the settings that the kernels read, float32 (CFG.N,)."""
    notice = config.notice_weight * min(config.notice_min / config.notice_full_min, 1.0)
    appeal = config.appeal
    values = {
        "pay_slope": config.pay_slope,
        "ln_half": np.log(config.half_yen_kwh),
        "notice": notice,
        "notice_s": 60.0 * config.notice_min,
        "given": float(config.notice == "given"),
        "notice_weight": config.notice_weight,
        "full_s": 60.0 * config.notice_full_min,
        "stake_weight": config.stake_weight,
        "tired_weight": config.tired_weight,
        "look_ln_s": np.log(60.0 * config.look_median_min),
        "look_sigma": config.look_sigma,
        "sleep_s": 3600.0 * config.sleep_h,
        "wake_s": 3600.0 * config.wake_h,
        "quit_share": config.quit_share,
        "gap_s": 60.0 * config.gap_min,
        "by_hour": float(config.baseline != "previous"),
        "budgeted": float(config.budget_yen is not None),
        "appeal_below": appeal.below_yen_kwh if appeal else 0.0,
        "appeal_worth": appeal.worth_yen_kwh if appeal else 0.0,
        "appeal_effort": appeal.effort_yen_kwh if appeal else 0.0,
        "appeal_fades": (appeal.tired_weight - config.tired_weight) / config.pay_slope if appeal else 0.0,
    }
    return np.array([values[name] for name in CFG], dtype=np.float32)


def own_constants(config: IncentiveConfig, terms: OwnerTerms) -> np.ndarray:
    """Return the settings of one class that the draw reads, float32 (OWN.N,).

    Of calls that came ``calls_per_week`` in a week, ``calls_per_week / 7 * tired_days`` still weigh.
    """
    values = {
        **terms.model_dump(),
        "type_sigma": config.type_sigma,
        "never_share": config.never_share,
        "opted_out_share": config.opted_out_share,
        "tired_mean": config.calls_per_week / 7.0 * config.tired_days,
    }
    return np.array([values[name] for name in OWN], dtype=np.float32)
