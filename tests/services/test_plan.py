"""The forecast plan."""

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.services.baselines.forecast import PlanConfig, PlanForecaster, corrected, gate_block, stand_by

N_DAY = 10
WEEKDAY, WEEKEND = np.array([False]), np.array([True])


def week() -> np.ndarray:
    return np.array([[d in (3, 4) for d in range(N_DAY)]])  # two weekend days among ten


def history(kw_of_day: list[float], slope_kw_k: float = 0.0, temp_c: np.ndarray | None = None) -> np.ndarray:
    days = np.tile(np.array(kw_of_day, dtype=float)[None, :, None, None], (1, 1, 48, 1))
    return days if temp_c is None else days + slope_kw_k * temp_c[:, :, :, None]


def mild() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((1, N_DAY, 48)), np.zeros((1, 2))


def base(kw: np.ndarray, kind_now: np.ndarray, first_slot: int = 20, **config: float) -> np.ndarray:
    forecaster = PlanForecaster(PlanConfig.model_validate(config))
    return forecaster.base(kw, week(), kind_now, np.array([first_slot]), 2, *mild())


def test_base_is_the_mean_of_the_latest_like_days() -> None:
    kw = history([1, 2, 3, 100, 200, 6, 7, 8, 9, 10])
    assert base(kw, WEEKDAY) == pytest.approx(np.full((1, 2, 1), (6 + 7 + 8 + 9 + 10) / 5))
    assert base(kw, WEEKEND) == pytest.approx(np.full((1, 2, 1), 150))
    assert base(kw, WEEKDAY, like_days=1) == pytest.approx(np.full((1, 2, 1), 10))


def test_all_days_serve_where_none_is_like() -> None:
    forecaster = PlanForecaster(PlanConfig())
    kw = history(list(range(N_DAY)))
    got = forecaster.base(kw, np.zeros((1, N_DAY), dtype=bool), WEEKEND, np.array([0]), 2, *mild())
    assert got == pytest.approx(np.full((1, 2, 1), 4.5))


def test_a_window_over_midnight_takes_the_slots_of_the_morning() -> None:
    kw = np.zeros((1, N_DAY, 48, 1))
    kw[:, :, 47], kw[:, :, 0] = 5.0, 7.0
    assert base(kw, WEEKDAY, first_slot=47)[0, :, 0].tolist() == pytest.approx([5, 7])


def test_temperature_slope_equals_a_plain_regression_and_is_shrunk() -> None:
    rng = np.random.default_rng(2)
    temp = np.repeat(rng.normal(5, 3, (1, N_DAY, 1)), 48, axis=2)
    kw = history([50] * N_DAY, -2.0, temp)  # heating: 2 kW more per kelvin colder
    like = [d for d in range(N_DAY) if not week()[0, d]]
    latest = temp[0, like[-5:], 0].mean()
    forecast = np.full((1, 2), latest - 1.0)
    args = (kw, week(), WEEKDAY, np.array([20]), 2, temp, forecast)
    free = PlanForecaster(PlanConfig(shrink_k=0)).base(*args)
    assert free == pytest.approx(np.full((1, 2, 1), 50 - 2 * latest + 2.0))
    x = np.array([temp[0, d, 0] - temp[0, week()[0] == week()[0, d], 0].mean() for d in range(N_DAY)])
    shrunk = -2.0 * (x @ x) / (x @ x + N_DAY * 2.0**2)
    got = PlanForecaster(PlanConfig(shrink_k=2.0)).base(*args)
    assert got == pytest.approx(np.full((1, 2, 1), 50 - 2 * latest - shrunk))


def test_a_freak_temperature_cannot_lead_out_of_what_was_seen() -> None:
    temp = np.repeat(np.linspace(0, 10, N_DAY)[None, :, None], 48, axis=2)
    kw = history([40] * N_DAY, -2.0, temp)
    got = PlanForecaster(PlanConfig(shrink_k=0)).base(
        kw, week(), WEEKDAY, np.array([20]), 2, temp, np.array([[-60.0, 90.0]])
    )
    assert got[0, :, 0].tolist() == pytest.approx([40, 20])


def test_correction_moves_only_leaves_that_were_left_alone() -> None:
    assert corrected(20.0, 14.0, 10.0, True, 0.5) == 22
    assert corrected(30.0, -500.0, 30.0, False, 0.5) == 30  # under command: its response must not move the plan
    assert corrected(20.0, np.nan, 1.0, False, 0.5) == 20


def test_sandbagging_has_no_effect() -> None:
    assert corrected(9.0, 9.0, 9.0, False, 0.35) == corrected(9.0, 90.0, 9.0, False, 0.35)


def test_batteries_stand_by_in_awarded_blocks_only() -> None:
    plan = np.ones((1, 2, 2))
    got = stand_by(plan, np.array([True, False]), np.array([[True, False]]))
    assert got.tolist() == [[[0, 1], [1, 1]]]


def test_gates_close_an_hour_before_each_block() -> None:
    closing = {m: gate_block(m) for m in range(120) if gate_block(m) >= 0}
    assert closing == {0: 2, 30: 3, 60: 4, 90: 5}
    assert all(block * 30 - minute == 60 for minute, block in closing.items())


@pytest.mark.parametrize("key", ["history_kw", "kind", "temp_history_c", "temp_forecast_c", "nan"])
def test_bad_history_is_refused(key: str) -> None:
    kw, kind, (temp, forecast) = history([1] * N_DAY), week(), mild()
    kw = kw[:, :, :40] if key == "history_kw" else kw
    kind = kind[:, :3] if key == "kind" else kind
    temp = temp[:, :, :1] if key == "temp_history_c" else temp
    forecast = forecast[:, :1] if key == "temp_forecast_c" else forecast
    if key == "nan":
        kw[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not finite" if key == "nan" else key):
        PlanForecaster(PlanConfig()).base(kw, kind, WEEKDAY, np.array([0]), 2, temp, forecast)
