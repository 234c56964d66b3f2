"""Markets: products with their targets, assessment and ledger; plans; meters."""

from der_gym.core.registry import Registry
from der_gym.services.base import Product
from der_gym.services.tertiary_1.service import Tertiary1

SERVICES: Registry[type[Product]] = Registry("product")
SERVICES.register(Tertiary1.name, Tertiary1)
