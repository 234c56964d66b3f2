"""The head ``plan``: a controller's own correction of the plan at the gate, its bounds, its price, its refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from plain import plain
from worlds import small

from der_gym.core.errors import InputError
from der_gym.core.heads import PLAN
from der_gym.env.worlds import Worlds
from der_gym.scenario.load import load
from der_gym.simulation import market_session, planner

N, HEADS = 3, {"action.heads": ["dispatch", "plan"], "episode.n_block": 4, "episode.n_block_after": 1}
BLOCK_H, STEPS = 0.5, 30
Array = np.ndarray


def started(**changes: Any) -> Worlds:
    own = {**HEADS, **{key.replace("__", "."): value for key, value in changes.items()}}
    worlds = Worlds("tertiary-1", small("tertiary-1", own), N)
    worlds.reset(np.ones(N, dtype=bool), {w: np.random.default_rng(w) for w in range(N)}, None)
    return worlds


def played(worlds: Worlds, correction: Any, n_step: int = 5 * STEPS) -> tuple[Array, dict[str, Array]]:
    """Let the devices alone; correct the plan by ``correction(step)``. Return the plan and the infos."""
    for k in range(n_step):
        worlds.step(np.repeat(worlds.layout.encode({PLAN: correction(k)})[None], N, axis=0), np.ones(N, dtype=bool))
    return worlds.simulator.market.primary.plan_kw.copy(), worlds.infos()


def test_a_correction_counts_at_the_gate_and_two_half_hours_ahead() -> None:
    """The plan of block 3 is fixed as block 1 begins; those before were fixed as the episode began."""
    still, _ = played(started(), lambda k: 0.0)
    worlds = started()
    kw = worlds.layout.nominal_kw.sum()
    late, _ = played(worlds, lambda k: 0.1 if k == STEPS - 1 else 0.0)  # the decision before the first gate
    assert late - still == pytest.approx(np.array([0, 0, 0, 0.1 * kw, 0])[None] * np.ones((N, 1)))
    early, _ = played(started(), lambda k: 0.1 if k == STEPS - 2 else 0.0)
    assert (early == still).all()
    beyond, _ = played(started(), lambda k: 5.0)
    assert beyond - still == pytest.approx(np.array([0, 0, 0, 0.2 * kw, 0.2 * kw])[None] * np.ones((N, 1)))


def test_without_a_correction_the_head_changes_no_bit() -> None:
    plan_kw, infos = played(started(), lambda k: 0.0)
    bare = started(action__heads=["dispatch"])
    for _ in range(5 * STEPS):
        bare.step(np.zeros((N, bare.layout.action.size), dtype=np.float32), np.ones(N, dtype=bool))
    assert (bare.simulator.market.primary.plan_kw == plan_kw).all()
    assert all((value == infos[name]).all() for name, value in bare.infos().items())
    assert not bare.simulator.market.planner.added_kw.size and bare.simulator.market.planner.correction is None


@pytest.mark.parametrize("share", [0.15, -0.15])
def test_what_is_added_in_an_award_is_bought_dearer_and_elsewhere_it_cancels(share: float) -> None:
    worlds, still = started(), started()
    _, infos = played(worlds, lambda k: share)
    _, before = played(still, lambda k: 0.0)
    service, other = worlds.simulator.market.primary.service, still.simulator.market.primary.service
    kwh = share * worlds.layout.nominal_kw.sum() * BLOCK_H
    price = service.bound_terms().imbalance_yen_kwh[:, 3]
    columns = service.OUTCOME
    paid = (service.outcome - other.outcome)[:, 3, columns.PAID_KWH]
    bought = max(kwh, 0.0) * np.maximum(price, 40.0 * 1.25)
    moved = infos["yen_tertiary_1_imbalance"] - before["yen_tertiary_1_imbalance"]
    assert service.award_kw[0, 4] == 0.0 and service.award_kw[0, 3] > 0.0
    assert moved == pytest.approx((kwh - paid) * price - bought)
    gained = moved + infos["yen_tertiary_1_energy"] - before["yen_tertiary_1_energy"]
    assert (gained < 0.0).all()


def test_plain_loops_give_the_bits_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = played(started(), lambda k: 0.1)[1]["yen_total"]
    monkeypatch.setattr(planner, "correct_plan", plain(planner)["correct_plan"])
    monkeypatch.setattr(market_session, "book_correction", plain(market_session)["book_correction"])
    worlds = started()
    for call in worlds.simulator.market._booking_plan(np.ones(N, dtype=bool), worlds.simulator.fleet.t_s):
        assert call.kernel is market_session.book_correction
    assert (played(started(), lambda k: 0.1)[1]["yen_total"] == fast).all()


def test_snapshots_hold_the_correction() -> None:
    worlds = started()
    played(worlds, lambda k: 0.1, STEPS + 5)
    kept = worlds.snapshot(range(N))
    first = played(worlds, lambda k: 0.0, 2 * STEPS)[1]["yen_total"]
    worlds.restore(kept, range(N))
    assert (played(worlds, lambda k: 0.0, 2 * STEPS)[1]["yen_total"] == first).all()


@pytest.mark.parametrize(
    ("name", "changes", "fault"),
    [
        ("tertiary-1", {"plan.method": "perfect"}, "plan: the plan is perfect"),
        ("imbalance", {}, "plan: imbalance has no price for it"),
        ("stacked-imbalance", {}, "plan: 2 services; allowed: one"),
        ("tertiary-1", {"action.settings": {"plan": {"channel": "P4"}}}, "plan: channel 'P4'; allowed: none"),
    ],
)
def test_a_plan_that_cannot_be_moved_is_refused(name: str, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        load(name, {"action.heads": ["dispatch", "plan"], **changes})
