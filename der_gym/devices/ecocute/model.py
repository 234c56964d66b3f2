"""EcoCute, the CO2 heat-pump water heater (ECHONET 0x026B): a tank that boils once a day for a home's hot water.

Own schedule: by its end (07:00, or 16:00 for homes that boil by day) the tank shall hold what the home uses in a day,
learned, with a margin; it starts as late as that allows. Below 50 L it reheats at once, at any hour.

Command: on or off, no power between. Each home compares the fraction with its threshold of the day: above, it stops or
stays off; below minus the threshold, it boils early while there is room. Shortest runs and pauses, starts a day, the
floor and the size of the tank come first. What it reports is an estimate, for it has no current sensor [1]_.

A shadow that nobody commands runs beside each home, in slots of 300 s: the owner's bill and what people lose are the
difference to it (`devices.bill`). Known error: it starts
up to 2.5 minutes earlier or later.

Known error: one hot fraction instead of layers (lukewarm water counts as hot); the learned need does not follow the
last week; starts before t = 0 do not count among the starts of the first day. See `physics` for the machine.

References
----------
.. [1] ITmedia SmartJapan, 2024-09-27, on the DR-ready specification [V].
"""

from __future__ import annotations

from der_gym.devices.ecocute import measure, schedule, tick
from der_gym.devices.ecocute.declaration import ECOCUTE
from der_gym.devices.ecocute.owner import asks

__all__ = ["ECOCUTE", "measure", "schedule", "tick"]  # the functions register themselves with the class on import

ECOCUTE.owner_asks(asks)
