"""What a device class declares of its owners, and the tariff by which its homes buy and sell.

A class declares an `OwnerTerms` (``owner=``) and a function under ``@MODEL.owner_asks``: what an owner's automation
asks for a kWh of the device now, and how much comfort is at stake. Both stand in the class's own folder.
"""

from __future__ import annotations

from pydantic import Field

from der_gym.devices.declare import DeviceConfig
from der_gym.engine.schema import Table

TARIFF = Table(
    "owners.tariff",
    "float32 (N,): prices of the homes, from ``costs``",
    """
    retail_day_yen_kwh   | yen/kWh | aggregator | retail price from 07 to 23 h
    retail_night_yen_kwh | yen/kWh |            | retail price from 23 to 07 h
    export_yen_kwh       | yen/kWh |            | price of what a home feeds
    wear_yen_kwh         | yen/kWh |            | wear of a store per discharged kWh
    start_yen            | yen     |            | wear of one start
    deferred_yen_kwh     | yen/kWh |            | inconvenience of a kWh that is put off
    """,
)
ASKED = ("ask_up_yen_kwh", "ask_down_yen_kwh", "stake")
"""What the function of a class returns: the pay at which its automation begins to draw less, and to draw more, yen/kWh;
the comfort at stake, 0 none .. 1 all."""


class OwnerTerms(DeviceConfig):
    """Owners of one device class. Ranges are for domain randomisation; all [A]."""

    automated_share: float = Field(0.5, ge=0, le=1)
    """Homes whose agent compares the offer with its price at once and acts alone [A]."""
    hassle_yen_kwh: float = Field(2.0, ge=0, le=50)
    """Pay that an owner wants beside her cost, so that the matter is worth it, yen/kWh [A] 1-5."""
    ask_sigma: float = Field(0.5, ge=0, le=1.5)
    """Spread of what owners ask over the class's cost: sigma of a lognormal of median 1 [A] .3-.8."""
    span_yen_kwh: float = Field(10.0, gt=0, le=200)
    """From the price at which the automation begins to the one at which it gives all, yen/kWh [A] 5-20."""
