"""Places of devices and sites: shards that never cut a site, and cells with the same bounds in every shard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from der_gym.fleet.labels import Ints, mix64

LANES = 16  # float32 that the widest registers hold
_MOST_ROOM = 1.25


@dataclass(frozen=True)
class Packing:
    """Places of items: item ``i`` stands at ``place[i]`` of its shard, within its cell's ``[lo, hi)``."""

    lo: NDArray[np.int64]  # (n_cell,)
    hi: NDArray[np.int64]  # (n_cell,)
    place: NDArray[np.int64]  # (n_item,)


def deal(signature: NDArray[np.uint64], n_shard: int) -> Ints:
    """Return each site's shard (n_site,): like sites are dealt one by one, so that shards are as even as can be.

    Parameters
    ----------
    signature : uint64 (n_site,)
        Equal for like sites.
    n_shard : int
        >= 1.
    """
    shard = np.empty(len(signature), np.int32)
    shard[np.argsort(signature, kind="stable")] = np.arange(len(signature), dtype=np.int32) % np.int32(n_shard)
    return shard


def site_signature(site: Ints, cell: Ints, n_site: int) -> NDArray[np.uint64]:
    """Return a number (n_site,) that is equal for sites with devices of the same cells.

    Parameters
    ----------
    site, cell : int64 (n,)
        Of each device.
    n_site : int
        Sites, > 0.
    """
    weight = mix64(np.arange(1, int(cell.max()) + 2, dtype=np.uint64))
    signature = np.zeros(n_site, np.uint64)
    np.add.at(signature, site, weight[cell])
    return signature


def pack(shard: Ints, cell: Ints, tie: Ints, n_shard: int, n_cell: int, lanes: bool = False) -> Packing:
    """Return places sorted by cell, then ``tie``; a cell is as long as in the shard where it is longest.

    Parameters
    ----------
    shard, cell : int (n_item,)
        Where each item belongs.
    tie : unsigned int (n_item,)
        Order within a cell; distinct within a shard.
    n_shard, n_cell : int
        Their numbers.
    lanes : bool
        Whether cells are made as long as full packets, see `in_lanes`.
    """
    group = shard.astype(np.int64) * n_cell + cell
    size = np.bincount(group, minlength=n_shard * n_cell)
    longest = size.reshape(n_shard, n_cell).max(axis=0)
    longest = in_lanes(longest) if lanes else longest
    hi = np.cumsum(longest)
    order = np.lexsort((tie, group))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
    return Packing(hi - longest, hi, (hi - longest)[cell] + rank)


def in_lanes(size: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sizes rounded up to full ``LANES`` where that costs little room.

    What is left over of a loop is worked one by one, and one takes as long as a whole packet: of cells of some
    hundred devices that would be half the time.
    """
    full = -(-size // LANES) * LANES
    return full if full.sum() <= _MOST_ROOM * size.sum() else size


def free_addresses(taken: NDArray[np.uint32], n: int) -> NDArray[np.uint32]:
    """Return ``n`` addresses that are not taken, from the top of the range down.

    Parameters
    ----------
    taken : uint32 (k,)
    n : int
        >= 0.
    """
    span = 2 * n + 64
    while True:
        top = np.arange(2**32 - span, 2**32, dtype=np.uint32)
        free = np.setdiff1d(top, taken[taken >= top[0]], assume_unique=True)
        if len(free) >= n:
            return free[::-1][:n]
        span *= 2
