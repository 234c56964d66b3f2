"""Limits of the numbers of a snapshot that kernels use as places: clocks, calendars, slots of the rings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S, HOUR_S
from der_gym.engine.tables import EXOGENOUS
from der_gym.network.tables import GATE, SENDER

if TYPE_CHECKING:
    from der_gym.simulation.market_session import MarketSession
    from der_gym.simulation.network_runtime import NetworkRuntime

Array = np.ndarray
Limits = Mapping[str, tuple[Any, Any]]  # array -> least and greatest value, each broadcast over its rows
LONGEST_S = 400 * DAY_S  # an episode and what is run on after it are shorter


def check(arrays: Mapping[str, Array], market: MarketSession, network: NetworkRuntime) -> None:
    """Refuse arrays of a snapshot that would lead a kernel out of another array.

    Parameters
    ----------
    arrays : mapping
        Every array of the simulator by name, of the right shapes.
    market, network : MarketSession, NetworkRuntime
        Where they shall go.

    Raises
    ------
    InputError
        For the first number out of limits, and for a clock that its day, start and seconds do not give.
    """
    for name, (least, greatest) in _limits(market, network).items():
        inside = (arrays[name] >= least) & (arrays[name] <= greatest)
        if not inside.all():
            at = np.unravel_index(int(np.argmin(inside)), inside.shape)
            low, high = (np.broadcast_to(bound, inside.shape)[at] for bound in (least, greatest))
            place = f"{name}[{', '.join(map(str, at))}]"
            raise InputError(f"snapshot: {place} is {arrays[name][at]:g}; allowed: {low:g} to {high:g}")
    _check_clocks(arrays)


def _limits(market: MarketSession, network: NetworkRuntime) -> Limits:
    """Return the least and the greatest value of every array that kernels take places from, or that is never NaN.

    A service's arrays may hold NaN (not judged yet), and so may those of device classes and behaviours.
    """
    n_fleet = len(market.pool.keys)
    numbers = [name for name, array in network.arrays().items() if array.dtype.kind == "f"]
    return {name: (-np.inf, np.inf) for name in ("fleet", "site", *numbers)} | {
        "t_s": (0.0, LONGEST_S),
        "abs_s": (0, (market.episode.signals.last_day + 1) * DAY_S + LONGEST_S),
        "ctx": _context(),
        "episode.kinds": (0, np.array([1, 2, 1])),
        "episode.day0": (0, market.episode.signals.last_day),
        "episode.start_h": (0, 23),
        "episode.fleet_no": (0, n_fleet - 1),
        "market.committed": (0, 1),
        "network.leaf": _sender(network.gate[:, GATE.DEPTH]),
    }


def _check_clocks(arrays: Mapping[str, Array]) -> None:
    """Refuse a snapshot whose clock does not stand where its day, its start and its seconds say.

    Raises
    ------
    InputError
        For the first world whose ``abs_s`` is not ``day0`` days, ``start_h`` hours and ``t_s`` seconds.
    """
    began = arrays["episode.day0"] * DAY_S + arrays["episode.start_h"] * HOUR_S
    wrong = arrays["abs_s"] != began + arrays["t_s"]
    if wrong.any():
        w = int(np.argmax(wrong))
        told = f"{began[w]} s at its start and {arrays['t_s'][w]:g} s since"
        raise InputError(f"snapshot: abs_s[{w}] is {arrays['abs_s'][w]}; allowed: {told}")


def _context() -> tuple[Array, Array]:
    low, high = np.full(EXOGENOUS.N, -np.inf, np.float32), np.full(EXOGENOUS.N, np.inf, np.float32)
    for row, greatest in ((EXOGENOUS.SOD_S, DAY_S), (EXOGENOUS.WEEKEND, 1), (EXOGENOUS.SEASON, 2)):
        low[row], high[row] = 0, greatest
    return low, high


def _sender(depth: Array) -> tuple[Array, Array]:
    """Return the limits of the senders' books, float64 (n_leaf, SENDER.N) each: slots lie within each leaf's ring."""
    low, high = np.full((len(depth), SENDER.N), -np.inf), np.full((len(depth), SENDER.N), np.inf)
    for row, greatest in ((SENDER.HEAD, depth - 1), (SENDER.OLDEST, depth - 1), (SENDER.FLYING, depth)):
        low[:, row], high[:, row] = 0, greatest
    return low, high
