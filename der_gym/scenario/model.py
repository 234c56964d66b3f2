"""A scenario: everything that a world is made from, as one frozen model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from der_gym.core.errors import InputError, unknown
from der_gym.core.files import contents
from der_gym.core.heads import Head
from der_gym.core.units import BLOCK_S, REFRESH_S
from der_gym.devices import DEVICES, with_trait
from der_gym.devices.base import DeviceConfig
from der_gym.fleet.mix import FleetConfig
from der_gym.fleet.tree import TreeConfig
from der_gym.network.config import NetworkConfig
from der_gym.network.streams import MessageStream
from der_gym.scenario import action as actions
from der_gym.scenario.action import ActionSettings, Control, ObservationSettings
from der_gym.scenario.config_files import PATH, split_names
from der_gym.scenario.settings import (
    EpisodeSettings,
    PoolSettings,
    RewardSettings,
    Settings,
    SignalSettings,
    devices_model,
)
from der_gym.scenario.validation import explain
from der_gym.services import SERVICES
from der_gym.services.base import ServiceConfig
from der_gym.services.baselines.forecast import PlanConfig
from der_gym.services.costs import CostConfig
from der_gym.signals.frequency import FrequencyConfig

# Settings that came after the first policies and tuned rules: left at their default they do not change a hash.
LATER: dict[str, Any] = {
    "action.unit": "nominal",
    "action.plan_price": 1.25,
    "action": ActionSettings().model_dump(mode="json", exclude={"unit", "plan_price"}),
    "behaviours": {},
    "control": "dispatch",
    "costs.plug_stop_yen": 0.0,
    "observation": ObservationSettings().model_dump(mode="json"),
    "pool.homes": "split",
    "reward.credit": "block",
    "reward.variant": "shared",
    "signals.frequency": "none",
    "signals.frequency_model": FrequencyConfig().model_dump(mode="json"),
}
LATER_OF_SERVICES: dict[str, Any] = {"asked_share": [1.0, 1.0], "asked_every_h": 1.0, "full_sun_kw_m2": None}


def service_config(number: int, value: Any) -> ServiceConfig:
    """Return the settings of a service from a mapping with its ``name``.

    Parameters
    ----------
    number : int
        Place in the list, for errors.
    value : mapping or ServiceConfig
        The latter is returned as it is.
    """
    if isinstance(value, ServiceConfig):
        return value
    if not isinstance(value, Mapping) or "name" not in value:
        raise ValueError(f"services.{number}: {value!r}; allowed: a mapping with 'name', one of {', '.join(SERVICES)}")
    if value["name"] not in SERVICES:
        raise unknown(f"services.{number}", str(value["name"]), SERVICES)
    model = SERVICES[value["name"]].Config
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        raise InputError(f"services.{value.get('id') or value['name']}.{explain(error, model)}") from None


class Scenario(Settings):
    """One scenario. Read it with :func:`load`; every field has a default but the fleet's mix."""

    name: str = "scenario"
    title: str = ""
    tick_s: int = Field(60, ge=1, le=60, description="step of the physics, s")
    decision_s: int = Field(60, ge=1, le=1800, description="time between two actions, s")
    split: str = Field("train", description="dates, homes and year that an episode may play")
    fleet: FleetConfig
    resources: str | None = Field(
        None, description="CSV of one's own resources, in place of the fleet's mix", json_schema_extra=PATH
    )
    groups: dict[str, TreeConfig] = Field(default_factory=dict, description="trees; 'control' commands")
    devices: SerializeAsAny[DeviceConfig] = Field(default_factory=lambda: devices_model()())
    network: NetworkConfig = NetworkConfig()
    episode: EpisodeSettings = EpisodeSettings()
    control: Control = Field("dispatch", description="dispatch: commands; incentive: offers to owners; both")
    services: tuple[SerializeAsAny[ServiceConfig], ...] = Field(
        default_factory=lambda: (service_config(0, {"name": "tertiary-1"}),), min_length=1
    )
    plan: PlanConfig = PlanConfig()
    costs: CostConfig = CostConfig()
    signals: SignalSettings = SignalSettings()
    pool: PoolSettings = PoolSettings()
    reward: RewardSettings = RewardSettings()
    action: ActionSettings = ActionSettings()
    observation: ObservationSettings = ObservationSettings()
    behaviours: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="kind of message -> settings of the behaviour that answers it"
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a pickle hold the settings as text: their models depend on the classes that are registered."""
        return Scenario.model_validate_json, (self.model_dump_json(),)

    @classmethod
    def model_json_schema(cls, *given: Any, **more: Any) -> dict[str, Any]:
        """Return the JSON schema, with the settings of the device classes that are registered now."""
        schema, own = super().model_json_schema(*given, **more), devices_model().model_json_schema(*given, **more)
        schema["$defs"] |= own.pop("$defs", {})
        schema["properties"]["devices"] = own
        return schema

    @field_validator("devices", mode="before")
    @classmethod
    def _device_models(cls, value: Any) -> Any:
        """Read the devices by the models of the classes that are registered now."""
        if not isinstance(value, Mapping):
            return value
        try:
            return devices_model().model_validate(dict(value))
        except ValidationError as error:
            raise InputError(f"devices.{explain(error, devices_model())}") from None

    @field_validator("services", mode="before")
    @classmethod
    def _service_models(cls, value: Any) -> Any:
        """Read each service by the model of its name."""
        return (
            tuple(service_config(k, each) for k, each in enumerate(value)) if isinstance(value, list | tuple) else value
        )

    @model_validator(mode="after")
    def _services_fit(self) -> Scenario:
        names = [config.id for config in self.services]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"services: {twice!r} stands twice; allowed: one each, or an 'id' of its own for each")
        for config in self.services:
            config.check(self.episode.starts_h, self.episode.seasons)
        return self

    @model_validator(mode="after")
    def _ticks_divide(self) -> Scenario:
        periods = {"decision_s": self.decision_s, "market sample (60 s)": 60, f"refresh ({REFRESH_S} s)": REFRESH_S}
        for name, period in periods.items():
            if period % self.tick_s:
                raise ValueError(f"tick_s {self.tick_s} does not divide {name} = {period} s")
        if BLOCK_S % self.decision_s:
            raise ValueError(f"decision_s {self.decision_s} does not divide the block of {BLOCK_S} s")
        return self

    @model_validator(mode="after")
    def _devices_known(self) -> Scenario:
        for name in self.devices.behaviour.opt_out_share:  # type: ignore[attr-defined]
            if name not in DEVICES:
                raise unknown("devices.behaviour.opt_out_share", name, DEVICES)
        return self

    @model_validator(mode="after")
    def _homes_can_be(self) -> Scenario:
        hosts = with_trait("host") if self.fleet.host is None else (self.fleet.host,)
        guests = self.fleet.guests or ()
        for name in (*hosts, *guests):
            if name not in DEVICES:
                raise unknown("fleet.host and fleet.guests", name, DEVICES)
        if set(hosts) & set(guests) or len(set(guests)) < len(guests):
            told = " or ".join(map(repr, hosts))
            raise ValueError(f"guests {list(guests)}: allowed: other classes than host {told}, each once")
        return self

    def service(self, name: str) -> ServiceConfig:
        """Return the settings of the service ``name`` (its id); InputError names the nearest one."""
        found = {config.id: config for config in self.services}
        if name not in found:
            raise unknown("service", name, found)
        return found[name]

    @model_validator(mode="after")
    def _action_can_be(self) -> Scenario:
        heads = self.heads()
        actions.check_gates(heads, self.decision_s)
        actions.check_control(heads, self.control)
        settled = all(SERVICES[config.name].prices_plan for config in self.services)
        actions.check_plan(heads, self.services, self.plan.method, settled)
        self.streams()
        answers = self.answers()
        names = {row.device for row in self.fleet.mix} if self.resources is None else set()
        actions.check_opting(sorted(names), self.dispatch)
        if actions.OFFERS in answers:
            actions.check_owners(sorted(names), answers[actions.OFFERS])
        if (self.costs.owners == "offers") and self.control != "incentive":
            raise ValueError(f"costs.owners 'offers': control is {self.control!r}; allowed: with control 'incentive'")
        return self

    @property
    def offers(self) -> Any:
        """Return the settings of owners who are offered pay; None where nobody is."""
        return self.answers().get(actions.OFFERS)

    def obeying(self, leaf_names: Sequence[str]) -> tuple[bool, ...]:
        """Return which control leaves obey commands; InputError for settings that do not fit the leaves."""
        return actions.obeying(self.control, self.offers, leaf_names)

    @property
    def dispatch(self) -> Any:
        """Return the settings of owners who are commanded."""
        return actions.dispatch_settings(self.behaviours)

    @property
    def owners_share(self) -> float | None:
        """Return the mean part of the services' money that owners get, 0..1; None where no service says."""
        told = [config.owners_share for config in self.services if hasattr(config, "owners_share")]
        return sum(told) / len(told) if told else None

    @property
    def costs_booked(self) -> CostConfig:
        """Return the costs of the fleet: owners who are only offered pay bear their own bill and wear."""
        return self.costs.model_copy(update={"owners": "offers"}) if self.control == "incentive" else self.costs

    def heads(self) -> tuple[Head, ...]:
        """Return the heads of the action, in the order of the Box."""
        return self.action.made(self.control)

    def streams(self) -> tuple[MessageStream, ...]:
        """Return the message streams: one per kind of message, dispatch first."""
        kinds = self.devices.behaviour.kinds  # type: ignore[attr-defined]
        return actions.message_streams(self.heads(), kinds, self.network.change_share)

    def answers(self) -> dict[str, Any]:
        """Return the settings of the behaviours in use beside dispatch, by kind of message."""
        return actions.behaviour_settings(self.behaviours, [stream.kind for stream in self.streams()])

    @field_validator("split")
    @classmethod
    def _split_known(cls, value: str) -> str:
        if value not in split_names():
            raise unknown("split", value, split_names())
        return value

    @property
    def horizon_s(self) -> int:
        """Return the length of an episode, s."""
        return (self.episode.n_block + self.episode.n_block_after) * BLOCK_S

    @property
    def n_step(self) -> int:
        """Return the number of decisions in an episode."""
        return self.horizon_s // self.decision_s

    def files(self) -> tuple[str, ...]:
        """Return the files that the scenario names."""
        own = (self.resources, self.signals.request)
        return (*(path for path in own if path is not None), *self.signals.files())

    def hash(self) -> str:
        """Return 16 hex digits over all settings, and over what the named files hold now.

        Of the settings in LATER only what is not their default counts; of device classes those that are in the mix.
        """
        data = self.model_dump(mode="json")
        if self.resources is None:  # a class that no device has says nothing about the worlds
            idle = set(DEVICES) - {row.device for row in self.fleet.mix}
            data["devices"] = {name: own for name, own in data["devices"].items() if name not in idle}
        for key, default in LATER.items():
            *above, last = key.split(".")
            at = reduce(lambda each, name: each[name], above, data)
            if at[last] == default:
                del at[last]
        for each in data["services"]:
            if each.get("award", 0) is None:  # as before there was such a key
                del each["award"]
            for key, default in LATER_OF_SERVICES.items():
                if each.get(key, default) == default:
                    each.pop(key, None)
        text = json.dumps(data, sort_keys=True)
        return hashlib.sha256("\n".join([text, *contents(self.files())]).encode()).hexdigest()[:16]
