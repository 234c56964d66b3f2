"""Imbalance: prices and books, worked by hand, and the kernels against plain Python."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from plain import plain_kernel
from pydantic import ValidationError
from services_alone import Alone, copied, opening

from der_gym.services import SERVICES
from der_gym.services.base import Scope
from der_gym.services.imbalance.config import ImbalanceConfig
from der_gym.services.imbalance.price import margin_pct, price_yen_kwh, scarcity_yen
from der_gym.services.imbalance.service import Imbalance
from der_gym.services.imbalance.settlement import TERMS
from der_gym.signals.calendar import abs_s_of, day_of

N_BLOCK = 4
BASE_YEN = np.repeat([10.0, 12.0, 0.0, 20.0], 6)
DRAWN_KW = 400.0
FLAT = np.full((10, 48), DRAWN_KW)


def config(**values: Any) -> ImbalanceConfig:
    return ImbalanceConfig(name="imbalance", **values)


def begun(n_world: int = 1, given: dict[str, Any] | None = None, **values: Any) -> Alone:
    """Return worlds whose reserve margin is its mean (14 %: no scarcity) unless a spread is given."""
    made = Imbalance(config(**{"margin_sd_pct": 0.0, **values}), Scope(n_world, N_BLOCK, 3, n_device=1000))
    signals = {"imbalance_yen": BASE_YEN, "spot_yen": BASE_YEN + 1, "residual": np.zeros(N_BLOCK * 6)}
    made.draw(opening(n_world, FLAT, **{"n_block": N_BLOCK, **signals, **(given or {})}))
    return Alone(made)


def terms(run: Alone, name: str) -> list[float]:
    kept: list[float] = run.service._terms[0, :, TERMS.number(name)].tolist()  # type: ignore[attr-defined]
    return kept


@pytest.mark.parametrize(
    ("margin", "before", "after"),
    [(12, 0, 0), (10, 0, 0), (9, 22.5, 25), (8, 45, 50), (5.5, 122.5, 175), (3, 200, 300), (0, 200, 300)],
)
def test_scarcity_by_hand(margin: float, before: float, after: float) -> None:
    for when, yen in (("2026-09-30", before), ("2026-10-01", after)):
        assert scarcity_yen(np.array([float(margin)]), np.array([day_of(when)])).tolist() == [yen]


def test_the_setting_changes_at_midnight_within_an_episode() -> None:
    start = abs_s_of(date(2026, 9, 30)) + 23 * 3600
    price = price_yen_kwh(config(), np.full(4, 10.0), np.full(4, 8.0), start)
    assert price.tolist() == [45, 45, 50, 50]


def test_price_is_the_greater_of_base_and_scarcity_and_zero_while_pv_is_curtailed() -> None:
    base, margin = np.array([10.0, 60.0, 0.0, 10.0]), np.array([8.0, 8.0, 2.0, 11.0])
    assert price_yen_kwh(config(), base, margin, 0).tolist() == [45, 60, 0, 10]
    dear = price_yen_kwh(config(capped=True), np.array([10.0, 130.0]), np.array([3.0, 14.0]), 0)
    assert dear.tolist() == [100, 100]


def test_margin_falls_with_the_residual_and_with_own_luck() -> None:
    residual = np.repeat([0.0, 2.0, -1.0], 6)
    assert margin_pct(config(margin_residual_share=1.0), residual, np.ones(3)).tolist() == [14, 10, 16]
    own = margin_pct(config(margin_residual_share=0.0), residual, np.array([1.0, 0.0, 0.0]))
    assert own[0] < own[1] < own[2] < 14  # luck that fades
    assert margin_pct(config(margin_sd_pct=10.0), residual * 99, np.zeros(3)).min() == 0


def test_two_of_a_hundred_half_hours_lie_under_ten_per_cent() -> None:
    luck = np.random.default_rng(0)
    residual = np.repeat(luck.standard_normal(40_000), 6)
    margin = margin_pct(config(), residual, luck.standard_normal(40_000))
    assert (margin < 10).mean() == pytest.approx(0.0228, abs=0.004)


def test_nothing_is_committed_and_nothing_asked_for() -> None:
    s = begun().service
    assert not s.award_kw.any() and not s.target_kw.any() and not s.request_kw.any() and not s.window_kw.any()
    assert s.unit_kw.tolist() == [400]
    assert not s.own_baseline and s.keeps_plan and s.standing().all()
    assert not begun(stores_stand_by=False).service.standing().any()


ACTUAL = [380.0, 440.0, 300.0, 410.0]  # of a plan of 400: errors +20 -40 +100 -10


def test_books_by_hand() -> None:
    run = begun()
    run.half_hours(ACTUAL, plan_kw=400.0)
    # 10 kWh at 10, -20 kWh at 12, 50 kWh at 0, -5 kWh at 20
    assert run.yen() == pytest.approx({"deviation": 100 - 240 + 0 - 100})
    assert [run.outcome(k, "delivered_kwh") for k in range(4)] == pytest.approx([10, -20, 50, -5])
    assert [run.outcome(k, "mean_error_kw") for k in range(4)] == pytest.approx([20, -40, 100, -10])
    assert [run.outcome(k, "price_yen_kwh") for k in range(4)] == [10, 12, 0, 20]
    assert [run.outcome(k, "bias_kw") for k in range(4)] == pytest.approx([20, 10, 80 / 3, 70 / 4])
    assert run.service.bias_kw() == pytest.approx([70 / 4])
    assert np.isnan(run.service.outcome[0, :, run.service.OUTCOME.PASSED]).all()
    assert not run.service.outcome[0, :, run.service.OUTCOME.JUDGED_SHARE].any()


def test_scores_by_hand() -> None:
    run = begun(idle_error_share=0.2)
    assert run.service.skill().tolist() == [0] and run.service.mae_share().tolist() == [0]
    run.half_hours(ACTUAL, plan_kw=400.0)
    assert run.service.score_kw[0] == pytest.approx([170, 4 * 0.2 * 400])
    assert run.service.skill()[0] == pytest.approx(1 - 170 / 320)
    assert run.service.mae_share()[0] == pytest.approx(170 / 4 / 400)
    assert run.service.yardstick_kw(np.ones(1, dtype=bool)) == pytest.approx([320])


def test_errors_within_a_half_hour_cancel() -> None:
    run = begun()
    for minute in range(30):
        run.take(400.0 + (50 if minute % 2 else -50), 400.0)
    assert run.yen()["deviation"] == pytest.approx(0) and run.service.score_kw[0, 0] == pytest.approx(0)
    assert run.outcome(0, "mean_abs_error_kw") == pytest.approx(50)


def test_a_plan_kept_exactly_scores_one_and_earns_nothing() -> None:
    run = begun()
    run.half_hours([400.0] * 4, plan_kw=400.0)
    assert run.service.skill().tolist() == [1] and run.yen() == {"deviation": 0}
    # the unit of money: 4 x 200 kWh at the mean price of 10.5
    assert run.service.yardstick_yen(np.ones(1, dtype=bool), None) == pytest.approx([800 * 10.5])


def test_holding_load_back_is_handed_over_to_be_repaid_at_retail() -> None:
    """What is held back would earn the imbalance price; the fleet's books repay what was asked for of it."""
    run = begun()
    run.half_hours([350.0], plan_kw=400.0)
    assert run.yen()["deviation"] == pytest.approx(25 * 10)
    assert run.service.outside_kwh.tolist() == pytest.approx([25])
    retail_yen_kwh = 31.0
    assert run.yen()["deviation"] - run.service.outside_kwh[0] * retail_yen_kwh < 0  # at the usual price it loses
    run.half_hours([420.0], plan_kw=400.0)
    assert run.service.outside_kwh.tolist() == pytest.approx([-10])  # of the last half hour


def test_a_bias_is_reported_even_where_it_pays() -> None:
    run = begun()
    run.half_hours([390.0] * 4, plan_kw=400.0)  # a plan that is too high, all day
    assert run.yen()["deviation"] > 0 and run.service.bias_kw() == pytest.approx([10])
    assert run.service.skill()[0] < 1


def test_a_price_is_shown_only_once_it_is_published() -> None:
    run = begun(margin_sd_pct=2.0, given={"residual": np.repeat([-1.0, 0.0, 1.0, 2.0], 6)}, published_after=2)
    first = {"published_yen_kwh": 11, "published_margin_pct": 14}  # the day-ahead price of the start
    assert run.show() == first
    for minute in range(120):
        run.take(400.0, 400.0)
        shown = run.show()
        if minute + 1 < 90:
            assert shown == first
    assert shown["published_yen_kwh"] == terms(run, "price_yen_kwh")[1] == 12
    assert shown["published_margin_pct"] == terms(run, "margin_pct")[1] != 14


def test_expected_power_is_that_of_days_of_the_same_kind() -> None:
    kw = np.repeat([100.0, 100, 100, -900, -900, 100, 100, 100, 100, 100], 48).reshape(10, 48)
    weekend = [False, False, False, True, True, False, False, False, False, False]
    made = Imbalance(config(), Scope(1, N_BLOCK, 3, n_device=10))
    made.draw(opening(1, kw, n_block=N_BLOCK, day_off=weekend))
    assert made.unit_kw.tolist() == [100]
    made.draw(opening(1, kw, n_block=N_BLOCK, day_off=weekend, date="2026-08-08"))
    assert made.unit_kw.tolist() == [900]
    made.draw(opening(1, kw * 0.0, n_block=N_BLOCK, day_off=weekend))
    assert made.unit_kw.tolist() == [0.01]  # a unit, above 0


def test_kernels_equal_plain_python_and_a_slow_sum() -> None:
    runs, powers = [], np.random.default_rng(3).normal(400, 50, (130, 5))
    for by in (lambda kernel: kernel, plain_kernel):
        made = Imbalance(config(margin_mean_pct=9.0), Scope(5, N_BLOCK, 3, n_device=1000))
        signals = {"imbalance_yen": BASE_YEN, "residual": np.random.default_rng(4).normal(0, 3, 24)}
        made.draw(opening(5, FLAT, n_block=N_BLOCK, **signals))
        runs.append(Alone(made, by))
        for kw in powers:  # ten minutes beyond the episode
            runs[-1].take(kw, 400.0, kw * 1.01)
            for call in runs[-1]._show:
                call()
    for name, values in runs[0].service.arrays().items():
        np.testing.assert_array_equal(values, runs[1].service.arrays()[name], err_msg=name, strict=True)
    made = runs[0].service
    price = made._terms[:, :, TERMS.PRICE_YEN_KWH]  # type: ignore[attr-defined]
    error = 400.0 - powers[:120].reshape(N_BLOCK, 30, 5).mean(axis=1).T
    np.testing.assert_allclose(made.ledger_yen[:, 0], (error / 2 * price).sum(axis=1), rtol=1e-9)
    assert len(np.unique(price)) > N_BLOCK  # each world has its own luck


def test_inactive_and_unmasked_worlds_keep_every_bit() -> None:
    run = begun(n_world=4)
    run.half_hours([380.0], 400.0)
    before = copied(run.service)
    some = np.array([True, False, True, False])
    run.active[:] = some
    run.half_hours([390.0], 400.0)
    run.service.draw(opening(4, FLAT * 2, n_block=N_BLOCK, mask=some))
    for name, values in run.service.arrays().items():
        np.testing.assert_array_equal(values[~some], before[name][~some], err_msg=name)
    assert not run.service.ledger_yen[some].any() and not run.service.outside_kwh[some].any()


def test_a_worlds_prices_depend_on_its_own_luck_alone() -> None:
    many = begun(8, margin_sd_pct=5.0).service
    few = begun(8, {"mask": np.arange(8) == 5}, margin_sd_pct=5.0).service
    np.testing.assert_array_equal(many.arrays()["terms"][5], few.arrays()["terms"][5])
    assert not few.arrays()["terms"][:5].any()


def test_service_is_registered_under_its_name() -> None:
    assert SERVICES["imbalance"] is Imbalance


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin_mean_pct": 2.0}, "margin_mean_pct"),
        ({"published_after": -1}, "published_after"),
        ({"idle_error_share": 0.0}, "idle_error_share"),
        ({"stake_share": 0.0}, "stake_share"),
        ({"price": 5.0}, "price"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(**change)
