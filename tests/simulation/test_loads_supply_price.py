"""What putting off cars and water heaters costs: tariff, inconvenience, and what people lack beyond their own luck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from worlds import scenario, started, take

from der_gym.simulation.simulator import Simulator

HEATERS = [{"device": "ecocute", "path": "P4", "cloud": "C", "share": 1}]
CARS = [{"device": "ev", "path": "P6", "cloud": "csms", "share": 1}]
V2H = [{"device": "v2h", "path": "P1", "cloud": "direct", "share": 1}]
SEEDS = [1, 2, 3]


def ran(mix: list[Any], a: float, start_h: int, n: int, **changes: Any) -> Simulator:
    """Return worlds of one class after ``n`` minutes under the fraction ``a``, links and clouds ideal."""
    given = {"fleet__mix": mix, "fleet__n_device": 200, "network__ideal": True, "episode__n_block": 8, **changes}
    sim = started(scenario(**given), SEEDS, start_h=start_h)
    take(sim, a, n)
    return sim


def total(sim: Simulator, *names: str) -> list[float]:
    return [float(sim.fleet.total(name).sum()) for name in names]


@pytest.mark.parametrize(("mix", "start_h"), [(HEATERS, 5), (HEATERS, 17), (CARS, 17), (CARS, 20), (V2H, 20)])
def test_a_load_that_is_left_alone_has_no_bill(mix: list[Any], start_h: int) -> None:
    sim = ran(mix, 0.0, start_h, 270, episode__starts_h=(start_h,), services__tertiary_1__award_kw=10.0)
    drawn = float(sim.fleet.total_of("charge").sum())
    assert drawn > 10
    for each in total(sim, "import_more_kwh", "export_more_kwh", "stored_more_kwh"):
        assert abs(each) < 0.02 * drawn + 0.5
    assert total(sim, "deferred_kwh") == [0]


def test_a_boil_that_is_held_back_from_the_night_to_the_day_costs_the_tariffs_difference_and_the_wait() -> None:
    own = {"episode__starts_h": (5,), "services__tertiary_1__award_kw": 10.0}
    held = ran(HEATERS, 1.0, 5, 30, **own)
    put_off, drawn, stored = total(held, "deferred_kwh", "import_more_kwh", "stored_more_kwh")
    assert put_off > 50 and drawn == pytest.approx(stored, abs=3) and drawn == pytest.approx(-put_off, rel=0.15)
    bill = held.market.fleet_ledger.bill_yen
    assert bill.sum() == pytest.approx(put_off * 3, abs=80)  # it will be bought later, at the night's price
    take(held, 1.0, 90)
    take(held, 0.0, 120)  # it boils by day
    put_off, drawn, stored = total(held, "deferred_kwh", "import_more_kwh", "stored_more_kwh")
    moved = stored + put_off
    assert moved > 0.3 * put_off and put_off * 3 < bill.sum() < put_off * 3 + moved * (31 - 21)


def test_a_car_that_is_put_off_from_the_evening_to_the_night_saves_its_owner_money_and_costs_the_wait() -> None:
    held = ran(CARS, 1.0, 20, 150, episode__starts_h=(20,), services__tertiary_1__award_kw=10.0)
    put_off, drawn, stored = total(held, "deferred_kwh", "import_more_kwh", "stored_more_kwh")
    assert put_off > 50 and stored == pytest.approx(-put_off, rel=0.02) and drawn == pytest.approx(stored, rel=0.05)
    bill = held.market.fleet_ledger.bill_yen.sum()
    assert bill == pytest.approx(-put_off * (31 - 21) + put_off * 3, rel=0.1)
    assert (held.market.fleet_ledger.ledger_yen[:, 0] <= 0).all()  # what owners gain is theirs


def lacks(mix: list[Any], a: float, start_h: int, names: tuple[str, ...]) -> Any:
    own = {"episode__starts_h": (start_h,), "services__tertiary_1__award_kw": 10.0}
    sim = ran(mix, a, start_h, 270, **own)
    sim.run_on(np.ones(len(SEEDS), dtype=bool))  # to 24 h after the end
    return np.array([sim.fleet.total(name) for name in names])


@pytest.mark.parametrize(
    ("mix", "start_h", "names"),
    [
        (HEATERS, 17, ("unserved_kwh", "unserved_more_kwh")),
        (HEATERS, 17, ("runouts", "runouts_more")),
        (CARS, 5, ("missing_kwh", "missing_more_kwh")),
        (V2H, 5, ("missing_kwh", "missing_more_kwh")),
    ],
)
def test_what_people_lack_counts_beyond_what_the_same_luck_brings_alone(
    mix: list[Any], start_h: int, names: tuple[str, ...]
) -> None:
    alone, commanded = lacks(mix, 0.0, start_h, names), lacks(mix, 1.0, start_h, names)
    assert np.abs(alone[1]).max() <= 0.6  # of 200 homes
    np.testing.assert_allclose(commanded[1], commanded[0] - alone[0], atol=0.6 + 0.05 * commanded[0].max())
