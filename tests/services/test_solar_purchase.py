"""A purchase of the sun's surplus: what is drawn of it, what is left of it, and what cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import generators, small

from der_gym.core.errors import InputError
from der_gym.env.worlds import Worlds
from der_gym.scenario.load import load
from der_gym.services.solar_purchase import settlement as s
from der_gym.signals.table import SIGNALS

SOLAR = small("incentive-solar")


def test_the_purchase_is_added_to_the_plan_of_its_half_hours_only() -> None:
    plan_kw = np.array([5.0, 5.0, 5.0])
    purchase = np.array([[0.0, 7.0], [0.0, 7.0], [0.0, 7.0]])
    s.add_purchase(0, 3, np.array([True, True, False]), np.array([29, 30, 30]), 30, purchase, plan_kw)
    assert plan_kw.tolist() == [5.0, 12.0, 5.0]


@pytest.mark.parametrize(("left_kw", "used_kw"), [(10.0, 0.0), (4.0, 6.0), (0.0, 10.0), (-3.0, 10.0), (12.0, 0.0)])
def test_what_is_drawn_of_the_purchase_earns_and_no_more_than_it(left_kw: float, used_kw: float) -> None:
    outcome = np.zeros((1, 1, s.OUTCOME.N))
    outcome[0, 0, s.OUTCOME.MEAN_ERROR_KW] = left_kw
    ledger, score = np.zeros((1, s.LINES.N)), np.zeros((1, 2))
    given = (np.ones(1, bool), np.ones(1, bool), np.array([29]), 30, np.array([[10.0]]), 20.0)
    s.book_used(0, 1, *given, outcome, ledger, score)
    assert ledger[0, s.LINES.USED] == pytest.approx(used_kw * 0.5 * 20.0)
    assert score[0, s.IDLE] == 10.0 and outcome[0, 0, s.OUTCOME.REQUESTED_KWH] == -5.0


def test_a_world_is_asked_to_draw_more_from_10_to_14_h() -> None:
    flat = {"services.solar-purchase.full_sun_kw_m2": None}  # as much on every day
    worlds = Worlds("incentive-solar", {**SOLAR, **flat, "episode.n_block": 10}, 1)
    worlds.reset(np.ones(1, dtype=bool), generators([1]), {})
    service = worlds.simulator.market.primary.service
    bought = 120.0 * 60 / 1000
    hours = 9.0 + np.arange(service.scope.n_block) / 2.0
    inside = (hours >= 10) & (hours < 14)
    np.testing.assert_allclose(
        service.target_kw[0].reshape(-1, 30), np.where(inside, -bought, 0.0)[:, None] + np.zeros(30)
    )
    assert worlds.layout.decode(worlds.observe(), "solar-purchase.more_next_kw")[0] == 0.0
    whole = worlds.layout.decode(worlds.observe(), "solar-purchase.bought_kwh")[0]
    assert whole == pytest.approx(bought * inside.sum() / 2.0, rel=1e-5), "known from the first decision on"
    idle = worlds.layout.encode({})[None]
    for _ in range(31):
        worlds.step(idle, np.ones(1, dtype=bool))
    assert worlds.layout.decode(worlds.observe(), "solar-purchase.more_next_kw")[0] == pytest.approx(bought, rel=1e-5)


def test_a_purchase_may_follow_the_forecast_sun() -> None:
    worlds = Worlds("incentive-solar", {**SOLAR, "services.solar-purchase.full_sun_kw_m2": 0.6}, 8)
    worlds.reset(np.ones(8, dtype=bool), generators(range(8)), {})
    service, window = worlds.simulator.market.primary.service, worlds.simulator.market.episode.window
    bought = -service.target_kw.reshape(8, -1, 30)[:, :, 0]
    n = service.scope.n_block
    sun = window[:, SIGNALS.SUN_FORECAST_KW_M2, : 6 * n].reshape(8, n, 6).mean(axis=2)
    hours = 9.0 + np.arange(n) / 2.0
    inside = (hours >= 10) & (hours < 14)
    np.testing.assert_allclose(bought, np.where(inside, 7.2 * np.minimum(sun / 0.6, 1.0), 0.0), rtol=1e-5)
    assert (bought[:, inside] > 0.0).all() and (bought[:, inside] < 7.2).all(), "a day of less sun than that"


def test_hours_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="from_h 15, to_h 14; allowed: from_h before to_h"):
        load("incentive-solar", {"services.solar-purchase.from_h": 15})
