"""Tuned settings: one YAML file per controller, values and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from der_gym.controllers.base import CONTROLLERS, ControllerConfig, Rule, settings
from der_gym.core.errors import InputError
from der_gym.core.files import write_text
from der_gym.scenario.config_files import configs
from der_gym.scenario.load import read_yaml


def settings_path(name: str) -> Path:
    """Return where the tuned settings of a controller stand."""
    return configs() / "controllers" / f"{name}.yaml"


def load_settings(name: str) -> ControllerConfig:
    """Return the shipped tuned settings of a controller, its defaults where none are shipped.

    Raises
    ------
    InputError
        For an unknown name, or a file whose values do not fit.
    """
    default = CONTROLLERS[name].config_class()
    path = settings_path(name)
    return settings(name, read_settings(name, path)["values"]) if path.exists() else default


def read_settings(name: str, path: Path) -> dict[str, Any]:
    """Return a settings file: ``controller``, ``values`` and ``provenance``; InputError where it is another's.

    Parameters
    ----------
    name : str
        Of the controller that the file must be for.
    path : Path
        YAML file.
    """
    data = read_yaml(path)
    if data.get("controller") != name or not isinstance(data.get("values"), dict):
        raise InputError(f"{path}: controller {data.get('controller')!r}; allowed: {name!r}, with a mapping 'values'")
    return data


def save_settings(name: str, config: ControllerConfig, provenance: Mapping[str, Any], path: Path) -> None:
    """Write settings and their provenance.

    Parameters
    ----------
    name : str
        Of the controller.
    config : ControllerConfig
    provenance : mapping
        How the settings were found.
    path : Path
        Written whole or not at all.
    """
    data = {"controller": name, "values": config.model_dump(mode="json"), "provenance": dict(provenance)}
    write_text(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def make(name: str, values: Mapping[str, Any] | ControllerConfig | None = None) -> Rule:
    """Return a controller, not yet bound.

    Parameters
    ----------
    name : str
        A registered name.
    values : mapping or ControllerConfig, optional
        Settings that change the shipped tuned ones; a config takes their place.
    """
    if isinstance(values, ControllerConfig):
        return CONTROLLERS[name](values)
    tuned = load_settings(name).model_dump()
    return CONTROLLERS[name](settings(name, {**tuned, **(values or {})}))
