"""Per-device and per-site values spread over the places of the shards; what is left over is padding."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.engine.tables import GIVEN, NOT_GIVEN
from der_gym.fleet.labels import Ints
from der_gym.fleet.packing import free_addresses
from der_gym.fleet.resources import ResourceTable

Shape = tuple[int, int]


def spread(at: Ints, values: Any, fill: Any, shape: Shape, dtype: Any) -> NDArray[Any]:
    """Return an array of ``shape`` with ``values`` at the flat places ``at`` and ``fill`` elsewhere."""
    out = np.full(shape[0] * shape[1], fill, dtype)
    out[at] = values
    return out.reshape(shape)


def spread_addresses(at: Ints, uid: NDArray[np.uint32], shape: Shape) -> NDArray[np.uint32]:
    """Return distinct addresses for all places: ``uid`` at ``at``, free ones at padding.

    Parameters
    ----------
    at : int64 (n,)
        Place of each device, in a flat array of ``shape``.
    uid : uint32 (n,)
        Addresses, distinct.
    shape : tuple of int
        (n_shard, n_place).
    """
    out = spread(at, uid, 0, shape, np.uint32).reshape(-1)
    empty = spread(at, False, True, shape, np.bool_).reshape(-1)
    out[empty] = free_addresses(uid, len(out) - len(uid))
    return out.reshape(shape)


def rated_rows(table: ResourceTable, at: Ints, shape: Shape) -> NDArray[np.float32]:
    """Return the rated kW that the table says, float32 (n_shard, n_place), NaN = draw it; (n_shard, 1) if all are.

    Parameters
    ----------
    table : ResourceTable
        Of n devices.
    at : int64 (n,)
        Place of each device, in a flat array of ``shape``.
    shape : tuple of int
        (n_shard, n_place).
    """
    if np.isnan(table.rated_kw).all():
        return np.full((shape[0], 1), np.nan, np.float32)
    return spread(at, table.rated_kw, np.nan, shape, np.float32)


def given_rows(
    table: ResourceTable, at: Ints, shape: Shape, switched_paths: Mapping[str, Collection[str]]
) -> NDArray[np.int8]:
    """Return the other values of the table, int8 (n_shard, N_GIVEN, n_place); NOT_GIVEN: to be drawn.

    Parameters
    ----------
    table : ResourceTable
        Of n devices.
    at : int64 (n,)
        Place of each device, in a flat array of ``shape``.
    shape : tuple of int
        (n_shard, n_place).
    switched_paths : mapping of str to collection of str
        Class -> channels by which it can only be started and stopped.
    """
    rows = np.full((shape[0], GIVEN.N, shape[1]), NOT_GIVEN, np.int8)
    feed_back = np.nan_to_num(table.feed_back(), nan=NOT_GIVEN)
    rows[:, GIVEN.FEED_BACK] = spread(at, feed_back, NOT_GIVEN, shape, np.int8)
    rows[:, GIVEN.SWITCHED] = spread(at, _switched(table, switched_paths), NOT_GIVEN, shape, np.int8)
    return rows


def _switched(table: ResourceTable, switched_paths: Mapping[str, Collection[str]]) -> NDArray[np.int8]:
    """Return (n_device,) 1 where the path can only start and stop the device, 0 where not, NOT_GIVEN where not said."""
    say = np.full((len(table.device.names), len(table.path.names)), NOT_GIVEN, np.int8)
    for code, device in enumerate(table.device.list_names()):
        if device in switched_paths:
            say[code] = [path in switched_paths[device] for path in table.path.list_names()]
    return say[table.device.codes, table.path.codes]


def site_limits(table: ResourceTable, site_at: Ints, shape: Shape) -> NDArray[np.float32]:
    """Return float32 (n_shard, 2, n_site): import and export limit of each site, kW, NaN = default.

    Parameters
    ----------
    table : ResourceTable
        Of n devices.
    site_at : int64 (n,)
        Place of each device's site, in a flat array of ``shape``.
    shape : tuple of int
        (n_shard, n_site).
    """
    if np.isnan(table.site_import_max_kw).all() and np.isnan(table.site_export_max_kw).all():
        return np.broadcast_to(np.float32(np.nan), (shape[0], 2, shape[1]))  # takes no memory
    limits = np.full((shape[0], 2, shape[1]), np.nan, np.float32)
    for line, value in enumerate((table.site_import_max_kw, table.site_export_max_kw)):
        rows = np.flatnonzero(~np.isnan(value))
        limits[:, line] = spread(site_at[table.site.codes[rows]], value[rows], np.nan, shape, np.float32)
    return limits
