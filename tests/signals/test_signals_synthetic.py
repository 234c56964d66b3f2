"""The synthetic series reproduce the figures that they are calibrated to.

Each figure is the mean over several seeds, since one year's sample of an AR(1) with correlation .72 knows its mean to
0.35 yen only. Tolerances are stated beside the figures.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pydantic import ValidationError

from der_gym.core.errors import InputError
from der_gym.signals import table
from der_gym.signals.calendar import day_of, is_holiday, year_month_day
from der_gym.signals.series import ar1, moving_mean, normals, trailing_mean
from der_gym.signals.sun import clear_sky_kw_m2
from der_gym.signals.synthetic import SyntheticConfig, synthesise

FIRST, LAST = day_of("2026-04-01"), day_of("2027-03-31")
N_SEED = 8


def _lag(x: np.ndarray, lag: int = 1) -> float:
    return float(np.corrcoef(x[lag:], x[:-lag])[0, 1])


@pytest.fixture(scope="module")
def years() -> list[np.ndarray]:
    """Columns (N_COLUMN, n_step) float64 of one fiscal year for each seed."""
    return [synthesise(SyntheticConfig(seed=s), FIRST, LAST).values.astype(np.float64) for s in range(N_SEED)]


def _spot(year: np.ndarray) -> np.ndarray:
    return year[table.SIGNALS.SPOT_YEN].reshape(-1, 48, 6)[:, :, 0]


def _price_figures(year: np.ndarray) -> dict[str, float]:
    price = _spot(year)
    daily = price.mean(axis=1)
    left = price - daily[:, None]
    left = (left - left.mean(axis=0)).ravel()
    off = is_holiday(np.arange(FIRST, LAST + 1))
    return {
        "mean": price.mean(),
        "sd": price.std(),
        "share at the floor": (price <= 0.01).mean(),
        "daily sd": daily.std(),
        "daily lag 1": _lag(daily),
        "slot sd": left.std(),
        "slot lag 1": _lag(left),
        "slot lag 48": _lag(left, 48),
        "off days": daily[off].mean() - daily[~off].mean(),
    }


PRICES = {  # JEPX Tokyo FY2024, with the tolerance of the mean over the seeds
    "mean": (13.66, 0.4),
    "sd": (4.08, 0.25),
    "share at the floor": (0.011, 0.003),
    "daily sd": (2.58, 0.2),
    "daily lag 1": (0.72, 0.08),
    "slot sd": (2.47, 0.15),
    "slot lag 1": (0.88, 0.02),
    "slot lag 48": (0.44, 0.05),
    "off days": (-1.5, 0.3),
}


def _means(figures: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in figures])) for name in figures[0]}


def test_prices_are_those_of_the_exchange(years: list[np.ndarray]) -> None:
    ours = _means([_price_figures(year) for year in years])
    for name, (figure, tolerance) in PRICES.items():
        assert ours[name] == pytest.approx(figure, abs=tolerance), name


def test_hour_profile_is_that_of_the_exchange(years: list[np.ndarray]) -> None:
    profile = np.mean([_spot(year).mean(axis=0) for year in years], axis=0).reshape(24, 2).mean(axis=1)
    measured = (
        "12.9 12.5 12.4 12.4 12.6 12.8 13.1 12.8 12.3 12.6 11.7 11.5 10.7 12.2 13.3 14.8 16.6 17.5 17.8 17.2 16.1"
    )
    expected = np.array([*map(float, measured.split()), 14.8, 14.3, 13.1])
    assert np.abs((profile - profile.mean()) - (expected - expected.mean())).max() < 0.6


def test_prices_are_on_the_tick_and_above_the_floor(years: list[np.ndarray]) -> None:
    price = _spot(years[0])
    assert price.min() >= np.float32(0.01)
    assert np.abs(price * 100 - np.round(price * 100)).max() < 1e-3


def test_gluts_come_at_noon_of_spring_and_autumn(years: list[np.ndarray]) -> None:
    _, month, _ = year_month_day(np.arange(FIRST, LAST + 1))
    for year in years:
        at_floor = _spot(year) <= 0.01
        runs = at_floor[:, 18:30].sum(axis=1) > 5
        assert set(month[runs]) <= {3, 4, 5, 10}
    assert sum((_spot(year) <= 0.01)[:, 20:28].sum() for year in years) > 100


def test_imbalance_against_spot(years: list[np.ndarray]) -> None:
    """Tokyo FY2025: mean -0.68, sd 4.93, p5 -7.7, p95 +5.7."""
    gap = np.concatenate([(y[table.SIGNALS.IMBALANCE_YEN] - y[table.SIGNALS.SPOT_YEN])[::6] for y in years])
    assert gap.mean() == pytest.approx(-0.68, abs=0.15)
    assert gap.std() == pytest.approx(4.93, abs=0.3)
    assert np.percentile(gap, [5, 95]) == pytest.approx([-7.7, 5.7], abs=0.4)
    assert min(y[table.SIGNALS.IMBALANCE_YEN].min() for y in years) == 0.0


def test_imbalance_is_nothing_in_a_glut(years: list[np.ndarray]) -> None:
    for year in years:
        assert (year[table.SIGNALS.IMBALANCE_YEN][year[table.SIGNALS.SPOT_YEN] <= np.float32(0.01)] == 0.0).all()


def test_temperature_figures(years: list[np.ndarray]) -> None:
    angle = 2 * np.pi * np.arange(365) / 365.2425
    waves = np.stack([np.ones(365), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1)
    sd, lag, spread, amplitude, mean = [], [], [], [], []
    for year in years:
        hours = year[table.SIGNALS.TEMP_C].reshape(365, 288)
        daily = hours.mean(axis=1)
        fit = np.linalg.lstsq(waves, daily, rcond=None)[0]
        left = daily - waves @ fit
        sd.append(left.std()), lag.append(_lag(left)), spread.append(np.ptp(hours, axis=1).mean())
        amplitude.append(np.hypot(fit[1], fit[2])), mean.append(daily.mean())
    assert np.mean(mean) == pytest.approx(16.5, abs=0.3)
    assert np.mean(amplitude) == pytest.approx(11.2, abs=0.4)
    assert np.mean(sd) == pytest.approx(2.5, abs=0.2)
    assert np.mean(lag) == pytest.approx(0.6, abs=0.06)
    assert np.mean(spread) == pytest.approx(7.5, abs=0.8)  # JMA Tokyo 2024


def test_temperature_does_not_jump_at_midnight(years: list[np.ndarray]) -> None:
    steps = np.abs(np.diff(years[0][table.SIGNALS.TEMP_C]))
    assert steps[287::288].max() < 1.0 and steps.max() < 1.0


def test_sun_figures(years: list[np.ndarray]) -> None:
    """JMA Tokyo 2024: 1,412 kWh/m2; daily clearness mean .68, sd .30, lag 1 .33; hourly within the day sd .165."""
    middle = np.arange(FIRST * 86_400, (LAST + 1) * 86_400, 300) + 150
    clear = clear_sky_kw_m2(middle, 35.69, 139.75).reshape(-1, 24, 12).mean(axis=2)
    totals, mean, sd, lag, within = [], [], [], [], []
    for year in years:
        sun = year[table.SIGNALS.SUN_KW_M2].reshape(-1, 24, 12).mean(axis=2)
        daily = sun.sum(axis=1) / clear.sum(axis=1)
        hourly = np.where(clear > 0.15, sun / np.maximum(clear, 0.15), np.nan)
        within.append(np.nanstd(hourly - np.nanmean(hourly, axis=1, keepdims=True)))
        totals.append(sun.sum()), mean.append(daily.mean()), sd.append(daily.std()), lag.append(_lag(daily))
    assert np.mean(totals) == pytest.approx(1412, abs=60)
    assert np.mean(mean) == pytest.approx(0.68, abs=0.03)
    assert np.mean(sd) == pytest.approx(0.295, abs=0.03)
    assert np.mean(lag) == pytest.approx(0.33, abs=0.06)
    assert np.mean(within) == pytest.approx(0.165, abs=0.03)


def test_sun_is_dark_at_night_and_never_brighter_than_a_clear_sky_allows(years: list[np.ndarray]) -> None:
    middle = np.arange(FIRST * 86_400, (LAST + 1) * 86_400, 300) + 150
    clear = clear_sky_kw_m2(middle, 35.69, 139.75)
    sun = years[0][table.SIGNALS.SUN_KW_M2]
    assert (sun >= 0.0).all() and (sun <= 1.1 * clear + 1e-4).all()
    hour = middle % 86_400 / 3600
    assert (sun[(hour < 4) | (hour > 20)] == 0.0).all()


def test_clear_sky_at_noon_of_the_solstices() -> None:
    """By hand: zenith 35.69 -+ 23.45 degrees, 1.098 cos z exp(-0.059 / cos z)."""
    for text, zenith in (("2026-06-21", 12.24), ("2026-12-22", 59.14)):
        around = np.arange(day_of(text) * 86_400 + 10 * 3600, day_of(text) * 86_400 + 14 * 3600, 60)
        cosine = np.cos(np.deg2rad(zenith))
        expected = 1.098 * cosine * np.exp(-0.059 / cosine)
        assert clear_sky_kw_m2(around, 35.69, 139.75).max() == pytest.approx(expected, rel=0.01)
        noon = around[np.argmax(clear_sky_kw_m2(around, 35.69, 139.75))] % 86_400 / 3600
        assert 11.5 < noon < 11.9  # Tokyo lies 4.75 degrees east of the meridian of JST


def test_forecast_errors(years: list[np.ndarray]) -> None:
    error = np.concatenate([y[table.SIGNALS.TEMP_FORECAST_C] - y[table.SIGNALS.TEMP_C] for y in years])
    assert error.std() == pytest.approx(1.2, abs=0.1)
    assert abs(error.mean()) < 0.1
    assert _lag(error, 12) == pytest.approx(np.exp(-1 / 12), abs=0.02)
    for year in years:
        sun, known = year[table.SIGNALS.SUN_KW_M2], year[table.SIGNALS.SUN_FORECAST_KW_M2]
        hourly = moving_mean(known, 13)[sun > 0.3] / moving_mean(sun, 13)[sun > 0.3]
        assert hourly.std() == pytest.approx(0.12, abs=0.03)
        assert ((known > 0.0) <= (moving_mean(sun, 13) > 0.0)).all()
        assert (known >= 0.0).all()


def test_mains_follow_the_last_week(years: list[np.ndarray]) -> None:
    temp, mains = years[0][table.SIGNALS.TEMP_C], years[0][table.SIGNALS.MAINS_C]
    for at in (10 * 288, 200 * 288 + 55):
        week = temp[at - 7 * 288 + 1 : at + 1].mean()
        assert mains[at] == pytest.approx(17.0 + 0.6 * (week - 16.5), abs=1e-3)


def test_residual_figures(years: list[np.ndarray]) -> None:
    """TEPCO 2024, net load less its centred 65-minute mean: lags 1, 2, 3 of 5 min .60 .41 .21; unit sd."""
    for year in years:
        residual = year[table.SIGNALS.RESIDUAL]
        assert residual.std() == pytest.approx(1.0, abs=0.02)
        assert [_lag(residual, k) for k in (1, 2, 3)] == pytest.approx([0.60, 0.41, 0.21], abs=0.05)


def test_default_table_spans_the_year_with_history() -> None:
    signals = synthesise(SyntheticConfig())
    assert (signals.first_day, signals.last_day) == (FIRST - 40, LAST + 5)


def test_a_date_has_its_own_luck_whatever_the_range() -> None:
    """Columns without a mean over past days agree; memory of the start is below 1e-3 after the burn-in."""
    config = SyntheticConfig(seed=5)
    whole = synthesise(config, FIRST, FIRST + 40)
    part = synthesise(config, FIRST + 30, FIRST + 33)
    gap = np.abs(whole.window([part.start_abs_s], part.n_step)[0] - part.values)
    for column in range(table.SIGNALS.N):
        assert gap[column].max() <= (
            0.011 if column in (table.SIGNALS.SPOT_YEN, table.SIGNALS.IMBALANCE_YEN) else 2e-3
        ), column


def test_same_seed_same_table_other_seed_another() -> None:
    first, again, other = (synthesise(SyntheticConfig(seed=s), FIRST, FIRST + 1).values for s in (1, 1, 2))
    assert (first == again).all()
    assert all((a != b).any() for a, b in zip(first, other, strict=True))


def test_streams_are_independent() -> None:
    days = np.arange(FIRST, FIRST + 50)
    a, b = normals(1, "a", days, 100), normals(1, "b", days, 100)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(a[1:].ravel(), a[:-1].ravel())[0, 1]) < 0.05
    assert (normals(1, "a", days[7:8], 100) == a[7]).all()


def test_filters_are_the_plain_loops() -> None:
    noise = np.random.default_rng(0).standard_normal(50)
    x, expected = 0.0, []
    for e in noise:
        x = 0.9 * x + np.sqrt(1 - 0.81) * e
        expected.append(x)
    assert ar1(noise, 0.9) == pytest.approx(expected, abs=1e-12)
    assert moving_mean(noise, 5) == pytest.approx([noise[max(i - 2, 0) : i + 3].mean() for i in range(50)], abs=1e-12)
    assert trailing_mean(noise, 7) == pytest.approx([noise[max(i - 6, 0) : i + 1].mean() for i in range(50)], abs=1e-12)


@pytest.mark.parametrize("span", [(FIRST, FIRST - 1), (0, FIRST), (FIRST, day_of("2099-12-31") + 1)])
def test_impossible_ranges_are_refused(span: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="allowed"):
        synthesise(SyntheticConfig(), *span)


@pytest.mark.parametrize(
    "values",
    [{"first_date": date(2027, 4, 1)}, {"last_date": date(2099, 1, 1)}, {"glut_share": 0.5}, {"temp_mean": 3.0}],
)
def test_impossible_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SyntheticConfig(**values)
