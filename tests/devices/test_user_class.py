"""A class that is registered after import works in settings, mix, world, reward, scoreboard and pages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from lamps import add, burn, draw, hours, make
from worlds import started, take

from der_gym.core.errors import InputError
from der_gym.devices import DEVICES
from der_gym.devices.base import DeviceModel, Register
from der_gym.evaluation.measures import titles
from der_gym.evaluation.report.page import devices
from der_gym.scenario.load import load


@pytest.fixture
def lamp(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceModel]:
    """Register lamps, whose owners lose by every kWh that they do not burn."""
    dark = Register("kWh", "light missing", ("light\nmissing", "消灯"), "devices.lamp.lamp_kw", harm=True, row="level")
    used = Register("kWh", "drawn", ("used", "使用"), role="charge", row="power_kw", scale="hours8")
    model = make(meters={"used_kwh": used, "dark_kwh": dark})
    model.draw(draw)
    model.once("tick")(hours)
    model.tick(burn)
    model.tick(add)
    monkeypatch.setattr(DEVICES, "_items", {**DEVICES._items, "lamp": model})
    yield model


SMALL = [{"name": "tertiary-1", "limits": "off"}]
MIX = [
    {"device": "battery", "path": "P3", "cloud": "A", "share": 1},
    {"device": "lamp", "path": "P1", "cloud": "B", "share": 2},
]


def test_it_is_known_everywhere(lamp: DeviceModel) -> None:
    made = load(
        "tertiary-1-tiny", {"fleet.mix": MIX, "fleet.n_device": 30, "devices.lamp.lamp_kw": 0.25, "services": SMALL}
    )
    assert made.devices.lamp.lamp_kw == 0.25 and load(made).devices.lamp.lamp_kw == 0.25
    sim = started(made, [1], 1)
    take(sim, 0.0, 20)
    assert sim.fleet.total("used_kwh")[0] == pytest.approx(20 * 0.25 * 20 / 60, rel=1e-4)
    assert "dark_kwh" in sim.fleet.harm() and sim.fleet.harm()["dark_kwh"] == "devices.lamp.lamp_kw"
    assert "dark_kwh" in titles() and devices()["lamp"]["title"] == ["lamp", "照明"]
    with pytest.raises(InputError, match=r"devices\.lamp\.lamp_k: unknown key; did you mean 'lamp_kw'"):
        load("tertiary-1-tiny", {"devices": {"lamp": {"lamp_k": 1.0}}})
    with pytest.raises(InputError, match="did you mean 'lamp_kw'"):
        load("tertiary-1-tiny", {"devices.lamp.lamp_k": 1.0})
    assert np.isfinite(sim.view.leaf).all()


def test_without_it_nothing_has_changed(lamp: DeviceModel) -> None:
    assert load("tertiary-1-tiny").hash() == load("tertiary-1-tiny", {"devices.lamp.lamp_kw": 0.5}).hash()
