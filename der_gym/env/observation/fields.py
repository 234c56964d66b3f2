"""Observation fields: one entry here each, or one file that registers its own, made from the public table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from der_gym.core.registry import Registry
from der_gym.simulation import aggregator_view

Scope = Literal["world", "block", "leaf"]
Unit = Literal["award", "nominal", "fleet"]


@dataclass(frozen=True)
class Field:
    """One quantity of the observation.

    Attributes
    ----------
    name : str
    scope : str
        One value per world, per block shown, or per leaf.
    unit : str
        Of the decoded value.
    scale : float or str
        Decoded value that reads 1: a number, or ``"award"`` (the episode's award), ``"nominal"`` (the leaf's rated
        swing), ``"fleet"`` (the sum of all leaves' rated swing).
    low, high : float
        Bounds of the scaled value; what lies outside is cut.
    title : str
    compute : callable, optional
        ``compute(public) -> (n_world,)`` or ``(n_world, n_leaf)``; without it the public table's column of that name.
    """

    name: str
    scope: Scope
    unit: str
    scale: float | Unit
    low: float
    high: float
    title: str
    compute: Callable[[aggregator_view.AggregatorView], np.ndarray] | None = None


FIELDS: Registry[Field] = Registry("observation field")


def _add(name: str, scope: Scope, unit: str, scale: float | Unit, low: float, high: float, title: str) -> None:
    FIELDS.register(f"{scope}.{name}", Field(name, scope, unit, scale, low, high, title))


_add("award_kw", "world", "kW", "award", 0, 1, "reserved power of this block")
_add("plan_kw", "world", "kW", "award", -5, 5, "plan of the list for this block")
_add("request_kw", "world", "kW", "award", 0, 1, "request announced for this 5-minute bin")
for _k in range(aggregator_view.N_REQUEST):
    _name = f"request_{5 * (_k + 1)}_min_ago_kw"
    _add(_name, "world", "kW", "award", 0, 1, f"request {5 * (_k + 1)} minutes ago")
_add("target_kw", "world", "kW", "award", 0, 1, "target of the coming minute")
_add("target_bin_end_kw", "world", "kW", "award", 0, 1, "target at the end of this 5-minute bin")
_add("seen_kw", "world", "kW", "award", -5, 5, "power of the list by telemetry (stale reports included)")
_add("response_kw", "world", "kW", "award", -5, 5, "plan minus seen power")
_add("error_bin_kw", "world", "kW", "award", -5, 5, "mean seen error over this 5-minute bin so far")
_add("bin_left", "world", "-", 1.0, 0, 1, "part of the 5-minute bin that is left")
_add("block_left", "world", "-", 1.0, 0, 1, "part of the block that is left")
_add("episode_left", "world", "-", 1.0, 0, 1, "part of the episode that is left")
_add("hour_sin", "world", "-", 1.0, -1, 1, "sine of the hour of the day")
_add("hour_cos", "world", "-", 1.0, -1, 1, "cosine of the hour of the day")
_add("weekend", "world", "-", 1.0, 0, 1, "1 on Saturday, Sunday and holidays")
_add("summer", "world", "-", 1.0, 0, 1, "1 in summer")
_add("winter", "world", "-", 1.0, 0, 1, "1 in winter")
_add("temp_c", "world", "degC", 40.0, -1, 1.5, "outdoor temperature")
_add("sun_kw_m2", "world", "kW/m2", 1.0, 0, 1.5, "global irradiance")
_add("spot_yen", "world", "yen/kWh", 30.0, 0, 10, "day-ahead price now")
_add("spot_next_yen", "world", "yen/kWh", 30.0, 0, 10, "day-ahead price of the next half hour")
_add("failed_before", "world", "-", 3.0, 0, 1, "failed blocks of the 30 days before the episode")
_add("unit_kw", "world", "kW", "fleet", 0, 1, "the episode's award: the unit of the fields above")
_add("award_kw", "block", "kW", "award", 0, 1, "reserved power of this and the next blocks")
_add("plan_kw", "block", "kW", "award", -5, 5, "frozen plan of this and the next blocks")
_add("seen_kw", "leaf", "kW", "nominal", -1.5, 1.5, "power by telemetry")
_add("plan_kw", "leaf", "kW", "nominal", -1.5, 1.5, "the leaf's part of the plan")
_add("age_mean_s", "leaf", "s", 600.0, 0, 6, "age of the reports, mean weighted by rated kW")
_add("age_max_s", "leaf", "s", 3600.0, 0, 1, "age of the oldest report")
_add("sent_a", "leaf", "-", 1.0, -1, 1, "fraction of the last message sent, while it holds")
_add("arrived_a", "leaf", "-", 1.0, -1, 1, "fraction of the newest message that should have arrived (p95 of the way)")
_add("up_kw", "leaf", "kW", "nominal", 0, 1.5, "upward kW that reachable devices could hold for 30 minutes (5 min old)")
_add("down_kw", "leaf", "kW", "nominal", 0, 1.5, "downward kW, likewise")
_add("stored_kwh", "leaf", "kWh", "nominal", 0, 10, "energy that upward response can draw on, likewise")
_add("quota_left", "leaf", "-", 1.0, 0, 1, "part of the day's commands that is left")
_add("wait_s", "leaf", "s", 300.0, 0, 1, "time until the path takes the next command")
