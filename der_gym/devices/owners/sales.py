"""What owners who take part in an event command: their sale in place of the dispatch."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel
from der_gym.engine.tables import FLEET

_0, _NAN = np.float32(0.0), np.float32(np.nan)


@kernel
def say(given, pays, fraction):  # type: ignore[no-untyped-def]
    """Write what owners in an event command: 0, their own schedule, where they sell nothing; NaN in no event."""
    for i in range(fraction.shape[0]):
        fraction[i] = given[i] if pays[i] != _0 else _NAN


@kernel
def give(given, pays, start, end):  # type: ignore[no-untyped-def]
    """Write what owners in an event command as the whole tick's fraction; others keep their own schedule."""
    for i in range(start.shape[0]):
        x = given[i] if pays[i] != _0 else _0
        start[i] = x
        end[i] = x


@kernel
def give_first(given, pays, hold, below, fleet):  # type: ignore[no-untyped-def]
    """Write what owners in an event command into ``fleet`` as the whole tick's fraction; others obey their dispatch.

    Parameters
    ----------
    given, pays : float32 (n,)
        What each commands; not 0 where she is in an event.
    hold : float32 (n_row, n); below : int
        First row of dispatch in it: fractions at the tick's start and end, share of the end.
    """
    a0, a1, part_ = hold[below], hold[below + 1], hold[below + 2]
    start, end, share = fleet[FLEET.CMD_START], fleet[FLEET.CMD_END], fleet[FLEET.CMD_END_SHARE]
    for i in range(given.shape[0]):
        x, first, last, inside = given[i], a0[i], a1[i], pays[i] != _0
        start[i] = x if inside else first
        end[i] = x if inside else last
        share[i] = part_[i]


@kernel
def give_again(given, pays, fleet):  # type: ignore[no-untyped-def]
    """Do the same where ``fleet`` holds the dispatch."""
    start, end = fleet[FLEET.CMD_START], fleet[FLEET.CMD_END]
    for i in range(given.shape[0]):
        x, first, last, inside = given[i], start[i], end[i], pays[i] != _0
        start[i] = x if inside else first
        end[i] = x if inside else last
