"""The owner's bill of one device: what its home draws and feeds more than under the device's own schedule.

A device knows its own schedule, so no twin is run. A *store* keeps a shadow of what it would hold had it followed that
schedule since the start of the episode. The home's other devices are taken as they are, so what two commanded devices
of one home do to each other is left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from der_gym.devices.declare import Register
from der_gym.engine.compile import scalar

_0 = np.float32(0.0)

BILL = {
    "import_more_kwh": Register(
        "kWh", "that its home draws more than by its own schedule", ("drawn\nmore, kWh", "買電増\nkWh"), role="import"
    ),
    "export_more_kwh": Register(
        "kWh",
        "that its home feeds more than by its own schedule",
        ("fed\nmore, kWh", "売電増\nkWh"),
        "costs.export_yen_kwh",
        role="export",
    ),
}
STORED = Register(
    "kWh",
    "that its home need not buy later, against its own schedule",
    ("kept\nmore, kWh", "保有増\nkWh"),
    "costs.stored_yen_kwh",
    role="stored",
)
TAKEN = replace(STORED, row="taken_more_kwh")  # of a load: what it takes now it does not take later
DEFERRED = Register(
    "kWh", "put off by commands", ("put off\nkWh", "後ろ倒し\nkWh"), "costs.deferred_yen_kwh", role="deferred"
)


@scalar
def difference(house_kw, power_kw, own_kw, hours):  # type: ignore[no-untyped-def]
    """Return (kWh drawn more, kWh fed more) by a home over ``hours``.

    Parameters
    ----------
    house_kw : float32
        The home without the device, < 0 where the sun gives more than it uses.
    power_kw, own_kw : float32
        The device, as it was and under its own schedule.
    hours : float32
    """
    now, own = house_kw + power_kw, house_kw + own_kw
    import_more_kwh = (max(now, _0) - max(own, _0)) * hours
    export_more_kwh = (max(-now, _0) - max(-own, _0)) * hours
    return import_more_kwh, export_more_kwh
