"""Rules and prices of tertiary-1."""

import numpy as np
import pytest
from pydantic import ValidationError

from der_gym.services.costs import CostConfig, retail_yen_kwh
from der_gym.services.tertiary_1.config import Tertiary1Config, stylised_fields


def test_defaults_give_the_documented_scale() -> None:
    c = Tertiary1Config()
    assert 600 * 12 * c.bid_price_yen_kw == 18_000
    costs = CostConfig()
    margin = c.energy_price_yen_kwh - costs.retail_day_yen_kwh - costs.wear_yen_kwh - c.retailer_compensation_yen_kwh
    assert 0.0 <= margin < 10.0  # a delivered kWh by day neither rules the books nor punishes


@pytest.mark.parametrize(
    "given",
    [
        {"bid_price_yen_kw": 7.22},
        {"bid_price": 2.5},
        {"band_share": 0.0},
        {"signal": "lfc"},
        {"response_time_s": 2700},
        {"lag_allowance_s": float("nan")},
        {"sample_s": 1},
    ],
)
def test_bad_values_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(given))):
        Tertiary1Config.model_validate(given)


def test_config_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Tertiary1Config().band_share = 0.2  # type: ignore[misc]


def test_night_tariff_runs_from_23_to_07() -> None:
    c = CostConfig(retail_day_yen_kwh=30.0, retail_night_yen_kwh=20.0)
    price = retail_yen_kwh(c, np.array([44, 12]), 4)
    assert price.tolist() == [[30, 30, 20, 20], [20, 20, 30, 30]]  # 22:00 22:30 23:00 23:30; 06:00 06:30 07:00 07:30


def test_stylised_numbers_are_listed_and_every_field_is_explained() -> None:
    names = [name for name, _, _ in stylised_fields()]
    assert {"band_share", "penalty_factor", "lag_allowance_s", "lockout_days"} <= set(names)
    assert "bid_price_yen_kw" not in names
    assert all(field.description for field in Tertiary1Config.model_fields.values())
