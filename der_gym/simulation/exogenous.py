"""The exogenous row: weather, calendar and clock of each world at this tick."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import DAY_S, REFRESH_S
from der_gym.devices import site as home
from der_gym.engine.compile import kernel
from der_gym.engine.tables import EXOGENOUS
from der_gym.signals import table as columns

_HALF_HOUR_S = 1800


@kernel
def context(w0, w1, active, t_s, abs_s, dt_s, day0, kinds, window, ctx):  # type: ignore[no-untyped-def]
    """Fill the context rows for the tick that begins now.

    Parameters
    ----------
    day0 : int64 (n_world,)
        Day number of the episode's first day.
    kinds : int64 (n_world, n_day, 3)
        Per day of the episode: weekend, season, storm.
    window : float32 (n_world, n_column, n_step)
        Signals from the episode's start, every 300 s; linear between for temperature and sun.
    ctx : float32 (n_world, N_CTX)
    """
    last = window.shape[2] - 1
    for w in range(w0, w1):
        if not active[w]:
            continue
        row = ctx[w]
        sod = abs_s[w] % DAY_S
        day = kinds[w, min(abs_s[w] // DAY_S - day0[w], kinds.shape[1] - 1)]
        middle = (t_s[w] + 0.5 * dt_s) / REFRESH_S
        i = min(int(middle), last)
        j = min(i + 1, last)
        part = np.float32(middle - int(middle))
        temp, sun = window[w, columns.SIGNALS.TEMP_C], window[w, columns.SIGNALS.SUN_KW_M2]
        row[EXOGENOUS.T_S], row[EXOGENOUS.DT_S], row[EXOGENOUS.SOD_S] = (
            np.float32(t_s[w]),
            np.float32(dt_s),
            np.float32(sod),
        )
        row[EXOGENOUS.WEEKEND], row[EXOGENOUS.SEASON], row[EXOGENOUS.STORM] = (
            np.float32(day[0]),
            np.float32(day[1]),
            np.float32(day[2]),
        )
        row[EXOGENOUS.TEMP_C] = temp[i] + (temp[j] - temp[i]) * part
        row[EXOGENOUS.SUN_KW_M2] = sun[i] + (sun[j] - sun[i]) * part
        row[EXOGENOUS.MAINS_C] = window[w, columns.SIGNALS.MAINS_C, i]
        row[EXOGENOUS.HOUSE_SHAPE] = home.HOUSE_SHAPE[day[1], day[0], sod // _HALF_HOUR_S]
