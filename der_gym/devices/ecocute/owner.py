"""What owners of a water heater ask for a kWh that is put off or drawn early: the day tariff, and a start more."""

from __future__ import annotations

import numpy as np

_0, _1 = np.float32(0.0), np.float32(1.0)
_WAKE_S, _SLEEP_S = np.float32(7 * 3600), np.float32(23 * 3600)  # the day tariff


def asks(  # type: ignore[no-untyped-def]
    sod_s, heat_kwh, wanted_kwh, retail_day_yen_kwh, retail_night_yen_kwh, deferred_yen_kwh, start_yen
):
    """Work out what a kWh put off costs: by night it is boiled by day instead; always a start and the inconvenience.

    A kWh drawn by day instead of the coming night costs the difference of the prices and a start. At stake is the hot
    water that is not there.
    """
    by_day = (sod_s >= _WAKE_S) & (sod_s < _SLEEP_S)
    dearer = max(retail_day_yen_kwh - retail_night_yen_kwh, _0)
    stake = min(max(_1 - np.float32(heat_kwh) / max(wanted_kwh, _1), _0), _1)
    ask_up_yen_kwh = (_0 if by_day else dearer) + deferred_yen_kwh + start_yen
    ask_down_yen_kwh = (dearer if by_day else _0) + start_yen
    return ask_up_yen_kwh, ask_down_yen_kwh, stake
