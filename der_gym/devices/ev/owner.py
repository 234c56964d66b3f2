"""What owners of an EV charger ask for a kWh that is put off or drawn early: the dearer, the less time is left."""

from __future__ import annotations

import numpy as np

_0, _1, _HOUR_S = np.float32(0.0), np.float32(1.0), np.float32(3600.0)
_EASY_S = np.float32(6 * 3600)  # nobody minds with so much time to spare [A] 3-10 h
_LEAST = np.float32(0.1)  # at no spare time a kWh costs ten times as much [A]
_WAKE_S, _SLEEP_S = np.float32(7 * 3600), np.float32(23 * 3600)  # the day tariff


def asks(  # type: ignore[no-untyped-def]
    t_s, sod_s, need_kwh, got_kwh, charger_kw, efficiency, arrive_s, depart_s, retail_day_yen_kwh,
    retail_night_yen_kwh, deferred_yen_kwh,
):  # fmt: skip
    """Work out what a kWh put off costs: the inconvenience over the part of six hours that is left to spare.

    A kWh drawn now and not at night costs the difference of the prices. A car that is away has nothing at stake.
    """
    here = (arrive_s <= t_s) & (t_s < depart_s)
    left_kwh = max(np.float32(np.float64(need_kwh) - got_kwh), _0)
    spare_s = depart_s - t_s - left_kwh * _HOUR_S / (efficiency * charger_kw)
    stake = min(max(_1 - spare_s / _EASY_S, _0), _1) if here else _0
    by_day = (sod_s >= _WAKE_S) & (sod_s < _SLEEP_S)
    ask_up_yen_kwh = deferred_yen_kwh / max(_1 - stake, _LEAST)
    ask_down_yen_kwh = retail_day_yen_kwh - retail_night_yen_kwh if by_day else _0
    return ask_up_yen_kwh, ask_down_yen_kwh, stake
