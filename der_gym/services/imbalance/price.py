"""The single imbalance price: what is drawn with the prices, and scarcity on top of it.

    price = max(base, scarcity(r)),  scarcity: 0 at r >= 10 %, D at 8 %, C at <= 3 %, linear between [S]

r is the reserve margin of the wide area. (C, D) = (200, 45) yen/kWh until 2026-09-30, (300, 50) after [S]. While PV is
curtailed and the system is long the price is 0, whatever the margin: the base price of such a half hour is 0.

The margin is made up [A]: its mean, less the date's net-load residual and the episode's own luck. So a dear half hour
tends to be one with more load than planned in the area; a group's own error has no part in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from der_gym.core.units import BLOCK_S, DAY_S, HOUR_S
from der_gym.services.base import F8, Array
from der_gym.services.imbalance.config import ImbalanceConfig
from der_gym.signals.calendar import day_of
from der_gym.signals.series import ar1, decay

CAP_YEN = 100.0
_EDGES_PCT = (3.0, 8.0, 10.0)
_BEFORE, _AFTER = (200.0, 45.0), (300.0, 50.0)  # (C, D), yen/kWh
_CHANGE = day_of("2026-10-01")
_BINS = 6  # signals per half hour


def scarcity_yen(margin_pct: F8, day: NDArray[np.int64]) -> F8:
    """Return the scarcity price, yen/kWh, like ``margin_pct`` (%), whose half hours lie on the days ``day``.

    Examples
    --------
    >>> scarcity_yen(np.array([12.0, 9.0, 8.0, 5.5, 1.0]), np.full(5, day_of("2026-04-01")))
    array([  0. ,  22.5,  45. , 122.5, 200. ])
    """
    before, after = (np.interp(margin_pct, _EDGES_PCT, (c, d, 0.0)) for c, d in (_BEFORE, _AFTER))
    return np.where(day >= _CHANGE, after, before)


def margin_pct(config: ImbalanceConfig, residual: F8, luck: F8) -> F8:
    """Return the reserve margin of each half hour, %, (n_block,), at least 0.

    Parameters
    ----------
    config : ImbalanceConfig
    residual : float64 (n_block * 6,)
        Net-load residual of each 300 s, unit variance; above 0: more load than planned.
    luck : float64 (n_block,)
        Standard normals.
    """
    weight = config.margin_residual_share
    own = ar1(luck, decay(BLOCK_S, config.margin_memory_h * HOUR_S))
    tight = weight * residual.reshape(-1, _BINS).mean(axis=1) + np.sqrt(1.0 - weight**2) * own
    margin: F8 = np.maximum(config.margin_mean_pct - config.margin_sd_pct * tight, 0.0)
    return margin


def price_yen_kwh(config: ImbalanceConfig, base_yen_kwh: F8, margin: F8, abs_s: int) -> F8:
    """Return the imbalance price of each half hour, yen/kWh, (n_block,).

    Parameters
    ----------
    config : ImbalanceConfig
    base_yen_kwh, margin : float64 (n_block,)
        Price without scarcity; reserve margin, %.
    abs_s : int
        Second since 2000-01-01 at which the first half hour begins.
    """
    day: Array = (abs_s + np.arange(len(base_yen_kwh)) * BLOCK_S) // DAY_S
    price = np.where(base_yen_kwh > 0.0, np.maximum(base_yen_kwh, scarcity_yen(margin, day)), base_yen_kwh)
    return np.minimum(price, CAP_YEN) if config.capped else price
