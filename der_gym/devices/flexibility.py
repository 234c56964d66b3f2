"""From what each device could give to what a cell of them could: the capability's rows, summed where they are made."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import part
from der_gym.engine.tables import CAPABILITY, FLEET
from der_gym.numerics.sums import dot, find_enrolled

_ZERO, _NONE = np.float32(0.0), np.float32(np.nan)
HERE, HEARS, N_SCRATCH = (
    CAPABILITY.N,
    CAPABILITY.N + 1,
    CAPABILITY.N + 2,
)  # the capability's rows; who is in the list, takes commands


@part
def recall(pool, at, place, saved):  # type: ignore[no-untyped-def]
    """Write what the pool of days saved for each device of a shard.

    Parameters
    ----------
    pool : float32 (n_saved, n_pool, n_sample), read only
    at : int
        Which of the saved; -1: none.
    place : int16 (n,)
        See `place_row`.
    saved : float32 (n_pool, n)
        Out: NaN where there is none.
    """
    for row in range(saved.shape[0]):
        for i in range(saved.shape[1]):
            saved[row, i] = pool[at, row, np.uint32(place[i])] if at >= 0 else _NONE


@part
def place_row(n_saved, at, n_row, p, n_shard):  # type: ignore[no-untyped-def]
    """Return the row of ``place`` (n_row, n) of shard ``p``: one for each shard, or for each fleet and shard.

    Parameters
    ----------
    n_saved : int
        Saved states of all fleets, the same number of each.
    at : int
        Which of them; -1: none, any row will do.
    n_row, p, n_shard : int
        Rows of ``place``; shard within the world; shards of a world.
    """
    per_fleet = max(n_saved * n_shard // n_row, 1)
    return max(at, 0) // per_fleet * n_shard + p


@part
def find_accepting(fleet, lo, opting, capability):  # type: ignore[no-untyped-def]
    """Write who is in the list, and who takes commands, into the last rows of a shard's capability.

    Parameters
    ----------
    fleet, lo, capability
        See `sum_cells`.
    opting : bool
        Whether owners who have opted out are known; else all in the list are taken to take commands.
    """
    n, here, hears = capability.shape[1], capability[HERE], capability[HEARS]
    takes = fleet[FLEET.ACCEPTS_COMMANDS, lo : lo + n]
    find_enrolled(fleet[FLEET.METER_GAIN, lo : lo + n], here)
    for i in range(n):
        hears[i] = takes[i] if opting else here[i]


@part
def sum_cells(now, capability, fleet, lo, cell_lo, cell_hi, reached, out):  # type: ignore[no-untyped-def]
    """Write the sums of a shard's capability over the cells of one class.

    Parameters
    ----------
    now : float32
        Second of the episode.
    capability : float32 (N_SCRATCH, n)
        The class's devices, which stand from ``lo`` on; the last rows by `find_accepting`.
    fleet : float32 (N_FLEET, N)
    cell_lo, cell_hi : int64 (n_cell,)
        Places of all cells.
    reached : bool
        Count only devices whose link is up now: what the aggregator can learn; else all that are in the list.
    out : float64 (n_cell, N_CAPABILITY)
        Other classes' cells stay as they are.
    """
    n, counts = capability.shape[1], capability[HERE]
    down, up = fleet[FLEET.LINK_DOWN_S, lo : lo + n], fleet[FLEET.LINK_UP_S, lo : lo + n]
    for i in range(n):
        counts[i] = counts[i] if (now < down[i]) | (now >= up[i]) | (not reached) else _ZERO
    for c in range(cell_lo.shape[0]):
        a, b = cell_lo[c] - lo, cell_hi[c] - lo
        if a >= 0 and b <= n:
            for row in range(CAPABILITY.N):
                out[c, row] = dot(capability[row, a:b], counts[a:b])
