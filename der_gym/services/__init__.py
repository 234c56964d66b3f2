"""Services: market products and other uses of the group. A service is one folder and one line here."""

from der_gym.core.registry import Registry
from der_gym.services.base import Service
from der_gym.services.capacity_call.service import CapacityCall
from der_gym.services.imbalance.service import Imbalance
from der_gym.services.solar_purchase.service import SolarPurchase
from der_gym.services.tertiary_1.service import Tertiary1

SERVICES: Registry[type[Service]] = Registry("service", "der_gym.services")
SERVICES.register(Tertiary1.name, Tertiary1)
SERVICES.register(CapacityCall.name, CapacityCall)
SERVICES.register(Imbalance.name, Imbalance)
SERVICES.register(SolarPurchase.name, SolarPurchase)
