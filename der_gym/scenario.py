"""A scenario: everything that a world is made from, as one frozen model read from a name, a YAML file or a dict."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from der_gym.core.data import read_value
from der_gym.core.errors import InputError, nearest, unknown
from der_gym.core.units import BLOCK_S, REFRESH_S
from der_gym.devices import DEVICES
from der_gym.groups.mix import FleetConfig
from der_gym.groups.tree import TreeConfig
from der_gym.network.config import NetworkConfig
from der_gym.simulation.paths import configs
from der_gym.simulation.settings import (
    DevicesConfig,
    MarketSettings,
    PoolSettings,
    RewardSettings,
    Settings,
    SignalSettings,
)


class Scenario(Settings):
    """One scenario. Read it with :func:`load`; every field has a default but the fleet's mix."""

    name: str = "scenario"
    title: str = ""
    tick_s: int = Field(60, ge=1, le=60, description="step of the physics, s")
    decision_s: int = Field(60, ge=1, le=1800, description="time between two actions, s")
    split: str = Field("train", description="dates that an episode may fall on: train, validation or test")
    fleet: FleetConfig
    resources: str | None = Field(None, description="CSV of one's own resources, in place of the fleet's mix")
    groups: dict[str, TreeConfig] = Field(default_factory=dict, description="trees; 'control' commands")
    devices: DevicesConfig = DevicesConfig()  # type: ignore[valid-type]
    network: NetworkConfig = NetworkConfig()
    market: MarketSettings = MarketSettings()
    signals: SignalSettings = SignalSettings()
    pool: PoolSettings = PoolSettings()
    reward: RewardSettings = RewardSettings()

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

    @property
    def horizon_s(self) -> int:
        """Return the length of an episode, s."""
        return (self.market.n_block + self.market.n_block_after) * BLOCK_S

    @property
    def n_step(self) -> int:
        """Return the number of decisions in an episode."""
        return self.horizon_s // self.decision_s

    def hash(self) -> str:
        """Return 16 hex digits over all settings."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def names() -> list[str]:
    """Return the names of the shipped scenarios."""
    return sorted(path.stem for path in (configs() / "scenarios").glob("*.yaml"))


def load(source: str | Path | Mapping[str, Any] | Scenario, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Return the scenario of a name, a YAML path or a dict, with dotted overrides applied.

    Parameters
    ----------
    source : str, Path, mapping or Scenario
        A shipped name (``names()``), a path to a YAML file, or the settings themselves. A ``base`` key names the
        scenario whose settings these change.
    overrides : mapping, optional
        Dotted key -> value, such as ``{"fleet.n_device": 200}``.

    Raises
    ------
    InputError
        For an unknown name or key, a wrong value, a file that cannot be read; names the key and the nearest valid one.
    """
    if isinstance(source, Scenario):
        data: dict[str, Any] = source.model_dump()
    elif isinstance(source, Mapping):
        data = _with_base(copy.deepcopy(dict(source)), Path.cwd())
    else:
        data = _read(source)
    for key, value in (overrides or {}).items():
        _set(data, key, value)
    return _validate(data)


def _read(source: str | Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    path = Path(source)
    if path.suffix not in (".yaml", ".yml"):
        if str(source) not in names():
            raise unknown("scenario", str(source), names())
        path = configs() / "scenarios" / f"{source}.yaml"
    if path.resolve() in above:
        raise InputError(f"{path}: base: leads back to itself by {' -> '.join(p.stem for p in above)}")
    data = read_yaml(path)
    data.setdefault("name", path.stem)
    return _with_base(data, path.parent, (*above, path.resolve()))


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping of a YAML file; InputError where it cannot be read or is none."""
    try:
        data = read_value(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds {type(data).__name__}; allowed: a mapping of settings")
    return data


def _with_base(data: dict[str, Any], folder: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    base = data.pop("base", None)
    if base is None:
        return data
    beside = folder / f"{base}.yaml"
    return merge(_read(beside if beside.exists() else base, above), data)


def merge(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``change`` laid over it, mapping by mapping; lists are replaced whole."""
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def _set(data: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    model: Any = Scenario
    for part in key.split("."):
        if isinstance(model, type) and issubclass(model, BaseModel) and part not in model.model_fields:
            raise unknown(f"overrides: {key}", part, model.model_fields)
        model = _inner(model, part)
    at = data
    for part in parents:
        nested = at.get(part)
        at[part] = dict(nested) if isinstance(nested, Mapping) else {}
        at = at[part]
    at[last] = value


def _inner(model: Any, part: str) -> Any:
    """Return the model of field ``part``, or None where it is no model."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return None
    annotation = model.model_fields[part].annotation
    for option in (annotation, *get_args(annotation)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _validate(data: dict[str, Any]) -> Scenario:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return Scenario.model_validate(data)
    except ValidationError as error:
        raise InputError(explain(error, Scenario)) from None


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return one line for the first fault, an unknown key if there is one: key, value, allowed, nearest name."""
    faults = error.errors()
    misspelt = [each for each in faults if each["type"] == "extra_forbidden"]  # it says why another key is missing
    first = (misspelt or faults)[0]
    where = ".".join(str(part) for part in first["loc"]) or "scenario"
    if first["type"] == "extra_forbidden":
        allowed = _fields_at(model, first["loc"][:-1])
        close = nearest(str(first["loc"][-1]), allowed)
        hint = f"; did you mean {close!r}?" if close else ""
        return f"{where}: unknown key{hint} allowed: {', '.join(sorted(allowed))}"
    value = first.get("input")
    shown = "" if isinstance(value, dict | BaseModel) or value is None else f" (given: {value!r})"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}{shown}"


def _fields_at(model: Any, loc: tuple[Any, ...]) -> list[str]:
    for part in loc:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            model = _inner(model, part) if part in model.model_fields else model
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
