"""What owners do in the model against what trials found; the page shows these very figures."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from script_files import load_script

from der_gym.devices.owners.config import IncentiveConfig


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("owners")


def test_every_finding_holds(script: ModuleType) -> None:
    found = script.findings()
    assert len(found) == 18 and all(each.low <= each.high for each in found)
    assert not [f"{each.what}: {each.model:.1f}, {each.low:g} to {each.high:g}" for each in found if not each.holds]


def test_the_page_is_current(script: ModuleType) -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.page(text) == text, "run: python scripts/owners.py"


def test_a_finding_that_does_not_hold_is_found(script: ModuleType) -> None:
    """With people who answer any pay the figures leave their bounds."""
    eager = IncentiveConfig(never_share=0.0, half_yen_kwh=1.0)
    assert 100 * script.opted_in(400.0, config=eager) > 60.0


def test_opt_in_is_monotone_in_pay_notice_and_rest(script: ModuleType) -> None:
    pays = [script.opted_in(pay) for pay in (1e-9, 1.0, 30.0, 300.0)]
    assert pays == sorted(pays) and pays[0] < 0.02
    notice = [script.opted_in(100.0, minutes) for minutes in (0.0, 60.0, 180.0, 1440.0)]
    assert notice == sorted(notice) and notice[2] == notice[3]
    weigh = [script.weighing([1] * 5 + [0] * rest) for rest in range(20)]
    assert (np.diff(weigh) < 0).all()
