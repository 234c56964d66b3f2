"""What owners of a battery ask for a kWh: what it would have saved them, its refill, and wear."""

from __future__ import annotations

import numpy as np

_0, _1 = np.float32(0.0), np.float32(1.0)
_WAKE_S, _SLEEP_S = np.float32(7 * 3600), np.float32(23 * 3600)  # the day tariff


def asks(  # type: ignore[no-untyped-def]
    sod_s, energy_kwh, reserve_kwh, capacity_kwh, efficiency, retail_day_yen_kwh, retail_night_yen_kwh, export_yen_kwh,
    wear_yen_kwh,
):  # fmt: skip
    """Work out what a kWh given, and one taken, costs the home.

    A full store gives what it refills by night at the round trip's loss; an empty one gives up what its home would use
    this evening at the day price. By day the kWh is fed at the export price, by night it saves the night's. A kWh taken
    is bought now, and not at night.
    """
    by_day = (sod_s >= _WAKE_S) & (sod_s < _SLEEP_S)
    held = np.float32(energy_kwh - np.float64(reserve_kwh)) / (capacity_kwh - reserve_kwh)
    stake = min(max(_1 - held, _0), _1)
    trip = efficiency * efficiency
    refill = retail_night_yen_kwh / trip
    value = refill + max(retail_day_yen_kwh - refill, _0) * stake
    ask_up_yen_kwh = max(value + wear_yen_kwh - (export_yen_kwh if by_day else retail_night_yen_kwh), _0)
    buys = retail_day_yen_kwh if by_day else retail_night_yen_kwh
    ask_down_yen_kwh = max(buys - retail_night_yen_kwh * trip, _0) + wear_yen_kwh
    return ask_up_yen_kwh, ask_down_yen_kwh, stake
