"""The upper bound: figures worked out by hand, and no controller above it at full size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cheaters import CHEATERS

from der_gym.controllers import make
from der_gym.evaluation.play import EpisodeRunner
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.evaluation.twin_record import TwinRecord, TwinWatch
from der_gym.evaluation.upper_bound import upper_bounds
from der_gym.scenario.load import load

N_WINDOW, ENERGY, EXPORT, KEPT = 12, 40.0, 8.5, 21.0


def record(**changes: float) -> TwinRecord:
    """Return one seed of two blocks, the first awarded: 100 kW asked for, stores of 1,000 kW, a plan that is met."""
    flat = {name: np.zeros((1, N_WINDOW)) for name in TwinRecord.__dataclass_fields__}
    made = {name: array + changes.get(name, 0.0) for name, array in flat.items()}
    for name in ("power_kw", "least_kw", "most_kw", "charging_kw", "import_kw", "export_kw"):
        made[name] = np.zeros((1, 2, N_WINDOW)) + changes.get(name, 0.0)
    for name in ("bill_yen", "fixed_yen", "per_yen", "per_kw", "less"):
        made[name] = np.zeros(1) + changes.get(name, 0.0)
    made["least_kw"][:, 0], made["most_kw"][:, 0] = -1000.0, 1000.0
    made["award_kw"] = np.array([[100.0, 0.0]])
    made["imbalance_yen_kwh"], made["retail_yen"] = np.full((1, 2), 12.0), np.full((1, 2), 31.0)
    made["target_kw"] = np.where(np.arange(N_WINDOW) < 6, 100.0, 0.0)[None]
    return TwinRecord(**{**made, "stored_kwh": np.full((1, N_WINDOW), 1000.0)})


def bound(twin: TwinRecord) -> float:
    return float(upper_bounds(load("tertiary-1"), twin)[0])


def test_energy_that_is_fed_to_the_grid_costs_the_owners_what_they_lose() -> None:
    twin = record(per_yen=1.0, fixed_yen=7.0, per_kw=1000.0)
    assert bound(twin) == pytest.approx(7.0 + 50.0 * (ENERGY - (KEPT - EXPORT)) + 1000.0 * 100.0)


def test_energy_that_covers_homes_lowers_the_bill_to_nothing_but_no_further() -> None:
    twin = record(per_yen=1.0, per_kw=1000.0, import_kw=100.0, bill_yen=2000.0)
    given = 100.0 * 1.0 * (31.0 - KEPT)  # 100 kW of homes in both blocks
    assert bound(twin) == pytest.approx(50.0 * ENERGY - 2000.0 + given + 50.0 * 12.0 + 1000.0 * 100.0)
    assert bound(replace(twin, bill_yen=np.zeros(1))) >= bound(twin)


def test_a_plan_that_is_too_low_must_be_made_good() -> None:
    twin = record(per_yen=1.0, per_kw=1000.0)
    low = replace(twin, metered_kw=np.where(np.arange(N_WINDOW) < 6, 60.0, 0.0)[None])
    assert bound(low) == pytest.approx(bound(twin) - 30.0 * (KEPT - EXPORT))


def test_stores_give_no_more_than_they_hold() -> None:
    twin = record(per_yen=1.0, per_kw=1000.0)
    none = replace(twin, stored_kwh=np.zeros((1, N_WINDOW)), most_kw=np.zeros((1, 2, N_WINDOW)))
    assert bound(none) == pytest.approx(0.0, abs=1e-6)
    some = replace(none, stored_kwh=np.full((1, N_WINDOW), 50.0))
    assert bound(some) == pytest.approx(bound(twin))


def test_no_controller_and_no_cheater_is_above_the_bound_of_the_default() -> None:
    scenario = load("tertiary-1", {"split": "test", "pool.n_fleet": 1})
    runner, seeds, twin = EpisodeRunner(scenario), seeds_of("test", 16), TwinWatch()
    idle = runner.play(make("idle"), seeds, run_on=False, watch=twin).reward
    most = upper_bounds(scenario, twin.record())
    rules = [make(name) for name in ("merit_order", "open_loop", "random")] + [cheater() for cheater in CHEATERS]
    for rule in rules:
        got = runner.play(rule, seeds, run_on=False).reward
        assert (got <= most).all(), f"{rule.name}: {(got - most).max():.3f} above the bound"
    assert (idle <= most).all() and np.isfinite(most).all()
