"""The shipped observation fields: columns of the aggregator's view, and the columns that a service adds."""

from __future__ import annotations

from typing import cast

from der_gym.engine.schema import Row
from der_gym.env.observation.columns import TABLES, Scope
from der_gym.env.observation.field import FIELDS, Field, Unit, field
from der_gym.simulation import aggregator_view

__all__ = ["FIELDS", "SHIPPED", "Field", "field", "own_field"]


def _add(key: str, scale: float | Unit, low: float, high: float) -> None:
    """Register the field of one column of the view; its unit and meaning stand in the table."""
    scope, name = key.split(".")
    row = TABLES[scope][name]
    FIELDS.register(key, Field(name, cast(Scope, scope), row.unit, scale, low, high, row.meaning))


def own_field(row: Row, scale: tuple[float | str, float, float]) -> Field:
    """Return the field of a service's own column: ``scale`` is (reads 1 at, low, high).

    Parameters
    ----------
    row : Row
        Of the service's table ``FIELDS``: name, unit and meaning.
    scale : tuple
        (value that reads 1: a number > 0 or ``"award"``; lower bound, upper bound of the scaled value).
    """
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
_add("leaf.silent_share", 1.0, 0, 1)
_add("leaf.sent_a", 1.0, -1, 1)
_add("leaf.arrived_a", 1.0, -1, 1)
_add("leaf.up_kw", "nominal", 0, 1.5)
_add("leaf.down_kw", "nominal", 0, 1.5)
_add("leaf.stored_kwh", "nominal", 0, 10)
_add("leaf.quota_left", 1.0, 0, 1)
_add("leaf.wait_s", 300.0, 0, 1)

SHIPPED = FIELDS.registered()  # they stand in every layout; other fields in those of scenarios that name them
