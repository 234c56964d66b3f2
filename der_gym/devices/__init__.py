"""Layer 3: device classes, homes and behaviours.

A class is one folder and one line here, or an entry point ``der_gym.devices``. A behaviour is one file and one line,
and one more for the head that a policy sets it by.
"""

from der_gym.core.errors import unknown
from der_gym.core.heads import HEADS
from der_gym.core.registry import Registry
from der_gym.devices.base import DeviceModel, Traits
from der_gym.devices.battery.model import BATTERY
from der_gym.devices.behaviours import BEHAVIOURS
from der_gym.devices.droop import DROOP, HEAD
from der_gym.devices.ecocute.model import ECOCUTE
from der_gym.devices.ev.model import EV
from der_gym.devices.owners.behaviour import INCENTIVE_ANSWER
from der_gym.devices.v2h.model import V2H

DEVICES: Registry[DeviceModel] = Registry("device", "der_gym.devices")
DEVICES.register("ecocute", ECOCUTE)
DEVICES.register("ev", EV)
DEVICES.register("battery", BATTERY)
DEVICES.register("v2h", V2H)
BEHAVIOURS.register("rule", DROOP)
HEADS.register("droop", HEAD)
BEHAVIOURS.register(INCENTIVE_ANSWER.name, INCENTIVE_ANSWER)


def with_trait(trait: str) -> tuple[str, ...]:
    """Return the names of the classes that have a trait (see `declare.Traits`), in the order of registration."""
    if not hasattr(Traits, trait):
        raise unknown("trait", trait, Traits.__dataclass_fields__)
    return tuple(name for name in DEVICES if getattr(DEVICES[name].traits, trait))
