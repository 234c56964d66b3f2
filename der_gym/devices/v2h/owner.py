"""What owners of a V2H charger ask for a kWh out of, or into, their car."""

from __future__ import annotations

import numpy as np

_0, _1, _HOUR_S = np.float32(0.0), np.float32(1.0), np.float32(3600.0)
_EASY_S = np.float32(6 * 3600)  # nobody minds with so much time to spare [A] 3-10 h
_LEAST = np.float32(0.1)  # at no spare time a kWh costs ten times as much [A]
_WAKE_S, _SLEEP_S = np.float32(7 * 3600), np.float32(23 * 3600)  # the day tariff


def asks(  # type: ignore[no-untyped-def]
    t_s, sod_s, held_kwh, ready_kwh, charger_kw, efficiency, arrive_s, depart_s, retail_day_yen_kwh,
    retail_night_yen_kwh, wear_yen_kwh, deferred_yen_kwh,
):  # fmt: skip
    """Work out what a kWh costs: its refill by night and wear, less what it saves; dearer as the time runs out."""
    here = (arrive_s <= t_s) & (t_s < depart_s)
    lacks_kwh = max(ready_kwh - np.float32(held_kwh), _0)
    spare_s = depart_s - t_s - lacks_kwh * _HOUR_S / (efficiency * charger_kw)
    stake = min(max(_1 - spare_s / _EASY_S, _0), _1) if here else _0
    by_day = (sod_s >= _WAKE_S) & (sod_s < _SLEEP_S)
    buys = retail_day_yen_kwh if by_day else retail_night_yen_kwh
    refill = retail_night_yen_kwh / (efficiency * efficiency)
    hurry = deferred_yen_kwh / max(_1 - stake, _LEAST)
    ask_up_yen_kwh = max(refill + wear_yen_kwh - buys, _0) + hurry
    ask_down_yen_kwh = max(buys - retail_night_yen_kwh, _0)
    return ask_up_yen_kwh, ask_down_yen_kwh, stake
