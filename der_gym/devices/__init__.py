"""Layer 1: device classes and homes. A class is one file and one line here."""

from der_gym.core.registry import Registry
from der_gym.devices.base import DeviceModel
from der_gym.devices.battery.model import BATTERY
from der_gym.devices.ecocute.model import ECOCUTE
from der_gym.devices.ev.model import EV

DEVICES: Registry[DeviceModel] = Registry("device", "der_gym.devices")
DEVICES.register("ecocute", ECOCUTE)
DEVICES.register("ev", EV)
DEVICES.register("battery", BATTERY)
