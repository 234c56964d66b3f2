"""Reading of observations in kernels: where fields stand and what their entries are worth, looked up once at bind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from der_gym.engine.compile import kernel
from der_gym.env.observation.layout import Layout

Array = np.ndarray
_AWARD = -1.0  # in place of a unit: the row's own award


def commanded(
    layout: Layout, obeys: Array, now: Sequence[str], each: Sequence[str], reach: Sequence[str]
) -> tuple[Array, Array]:
    """Return `entries` in which leaves that obey no command have nothing to give.

    Parameters
    ----------
    layout : Layout
    obeys : bool (n_leaf,)
    now, each : sequence of str
        See `entries`.
    reach : sequence of str
        Fields of ``each`` that read 0 for leaves that do not obey.
    """
    at, unit = entries(layout, now, each)
    own = unit[len(at) - layout.n_leaf * len(each) :].reshape(layout.n_leaf, len(each))
    for name in reach:
        own[:, each.index(name)] *= obeys
    return at, unit


def entries(layout: Layout, now: Sequence[str], each: Sequence[str]) -> tuple[Array, Array]:
    """Return where the entries of fields stand and what they are worth: the first arguments of :func:`read`.

    Parameters
    ----------
    layout : Layout
    now : sequence of str
        Fields of the group and of its blocks, ``unit_kw`` first, for it is the unit of others; a block's field gives
        all its entries.
    each : sequence of str
        Fields of the leaves. All fields of one leaf stand together.

    Returns
    -------
    at : int64 (n,)
        Places in an observation.
    unit : float64 (n,)
        Value, in the field's own unit, of an entry that reads 1.
    """
    origin, scale = layout.plan()
    group, leaves = ([layout.places(name) for name in names] for names in (now, each))
    at = np.concatenate([*group, np.stack(leaves, axis=1).ravel()])
    return at, np.where(origin[:, 3] != 0, _AWARD, scale[:, 0])[at]


@kernel
def read(at, unit, obs, out):  # type: ignore[no-untyped-def]
    """Write the entries of one observation, float32 (size,), into ``out``, float64 (n,), as ``Layout.decode`` does."""
    award_kw = obs[at[0]] * unit[0]
    for i in range(at.size):
        out[i] = obs[at[i]] * (award_kw if unit[i] == _AWARD else unit[i])
