"""Observation fields: one entry here each, or one file that registers its own, made from the public table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from der_gym.core.registry import Registry
from der_gym.engine.schema import Row
from der_gym.simulation import aggregator_view
from der_gym.simulation.aggregator_view import BLOCK, LEAF, SERVICE, WORLD

Scope = Literal["world", "service", "block", "leaf"]
Unit = Literal["award", "nominal", "fleet"]


@dataclass(frozen=True)
class Field:
    """One quantity of the observation.

    Attributes
    ----------
    name : str
    scope : str
        One value per world, per service, per block shown of each service, or per leaf.
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


TABLES = {"world": WORLD, "service": SERVICE, "block": BLOCK, "leaf": LEAF}


def _add(key: str, scale: float | Unit, low: float, high: float) -> None:
    """Register the field of one column of the view; its unit and meaning stand in the table."""
    scope, name = key.split(".")
    row = TABLES[scope][name]
    FIELDS.register(key, Field(name, cast(Scope, scope), row.unit, scale, low, high, row.meaning))


def own_field(row: Row, scale: tuple[float | str, float, float]) -> Field:
    """Return the field of a service's own column: ``scale`` is (reads 1 at, low, high)."""
    reads, low, high = scale
    return Field(
        row.name, "world", row.unit, cast(Unit, reads) if isinstance(reads, str) else reads, low, high, row.meaning
    )


_add("service.award_kw", "award", 0, 1)
_add("service.plan_kw", "award", -5, 5)
_add("service.request_kw", "award", 0, 1)
for _k in range(aggregator_view.N_REQUEST):
    _add(f"service.request_{5 * (_k + 1)}_min_ago_kw", "award", 0, 1)
_add("service.target_kw", "award", 0, 1)
_add("service.target_bin_end_kw", "award", 0, 1)
_add("service.seen_kw", "award", -5, 5)
_add("service.response_kw", "award", -5, 5)
_add("service.error_bin_kw", "award", -5, 5)
_add("service.bin_left", 1.0, 0, 1)
_add("service.block_left", 1.0, 0, 1)
_add("world.episode_left", 1.0, 0, 1)
_add("world.hour_sin", 1.0, -1, 1)
_add("world.hour_cos", 1.0, -1, 1)
_add("world.weekend", 1.0, 0, 1)
_add("world.summer", 1.0, 0, 1)
_add("world.winter", 1.0, 0, 1)
_add("world.temp_c", 40.0, -1, 1.5)
_add("world.sun_kw_m2", 1.0, 0, 1.5)
_add("world.spot_yen", 30.0, 0, 10)
_add("world.spot_next_yen", 30.0, 0, 10)
_add("service.failed_before", 3.0, 0, 1)
_add("service.unit_kw", "fleet", 0, 1)
_add("block.award_kw", "award", 0, 1)
_add("block.plan_kw", "award", -5, 5)
_add("leaf.seen_kw", "nominal", -1.5, 1.5)
_add("leaf.plan_kw", "nominal", -1.5, 1.5)
_add("leaf.age_mean_s", 600.0, 0, 6)
_add("leaf.age_max_s", 3600.0, 0, 1)
_add("leaf.sent_a", 1.0, -1, 1)
_add("leaf.arrived_a", 1.0, -1, 1)
_add("leaf.up_kw", "nominal", 0, 1.5)
_add("leaf.down_kw", "nominal", 0, 1.5)
_add("leaf.stored_kwh", "nominal", 0, 10)
_add("leaf.quota_left", 1.0, 0, 1)
_add("leaf.wait_s", 300.0, 0, 1)
