"""Settings of the synthetic series. Defaults: [C] computed from data, [A] assumed, [S] secondary text."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SyntheticConfig(BaseModel):
    """Dates, luck and calibration of the synthetic prices, weather and net-load residual.

    Defaults stand for Tokyo. Prices: JEPX FY2024; weather: JMA Tokyo 2024; residual: TEPCO area 2024, 5-min.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seed: int = Field(2026, ge=0, lt=2**63, description="luck of all series")
    first_date: date = Field(date(2026, 4, 1), description="first date a world may start on")
    last_date: date = Field(date(2027, 3, 31), description="last date a world may start on")
    warmup_days: int = Field(40, ge=0, le=400, description="days of history before first_date")
    after_days: int = Field(5, ge=0, le=400, description="days after last_date")

    latitude_deg: float = Field(35.69, ge=20, le=46, description="Tokyo")
    longitude_deg: float = Field(139.75, ge=122, le=154, description="Tokyo")
    temp_mean_c: float = Field(16.5, ge=-5, le=30, description="[A] between the design year's 15.7 and 2024's 17.6 [C]")
    temp_annual_k: float = Field(11.2, ge=0, le=25, description="[C] amplitude of the yearly wave, 2024")
    temp_daily_sd_k: float = Field(2.5, ge=0, le=10, description="[A] sd of the daily mean's anomaly; 2024: 2.40 [C]")
    temp_hour_sd_k: float = Field(0.7, ge=0, le=5, description="[A] sd of what the daily shape leaves; 2024: < 1.3 [C]")
    clearness_shift: float = Field(0.0, ge=-4, le=4, description="[A] logit added to the clearness: + sunnier")

    forecast_temp_sd_k: float = Field(1.2, ge=0, le=10, description="[A] sd of the temperature forecast's error")
    forecast_temp_tau_h: float = Field(12.0, gt=0, le=240, description="[A] memory of that error")
    forecast_sun_sd: float = Field(0.12, ge=0, le=1, description="[A] sd of the irradiance forecast's relative error")
    forecast_sun_tau_h: float = Field(6.0, gt=0, le=240, description="[A] memory of that error")

    mains_mean_c: float = Field(17.0, ge=2, le=30, description="[A] yearly mean of the water mains")
    mains_gain: float = Field(0.6, ge=0, le=1, description="[A] K of mains per K of the last 7 days' mean anomaly")

    price_mean_yen: float = Field(13.66, ge=0.01, le=200, description="[C] mean of the year, yen/kWh")
    price_daily_sd_yen: float = Field(
        2.58, ge=1.5, le=50, description="[C] sd of the daily mean, season and weekend in"
    )
    price_daily_phi: float = Field(0.72, ge=0, lt=1, description="[C] correlation of neighbouring daily means")
    price_seasonal_yen: float = Field(1.0, ge=0, le=20, description="[A] amplitude of the half-yearly wave")
    price_off_day_yen: float = Field(-1.5, ge=-20, le=20, description="[C] Saturdays, Sundays, holidays against others")
    price_slot_sd_yen: float = Field(2.47, ge=0, le=50, description="[C] sd left after daily mean and hour profile")
    glut_share: float = Field(0.011, ge=0, le=0.03, description="[C] share of half hours at 0.01 yen (FY2023: 0.020)")
    imbalance_mean_yen: float = Field(-0.68, ge=-50, le=50, description="[S] mean of imbalance price - spot, FY2025")
    imbalance_sd_yen: float = Field(4.93, ge=0, le=50, description="[S] sd of imbalance price - spot, FY2025")
    imbalance_phi: float = Field(0.6, ge=0, lt=1, description="[A] correlation of neighbouring half hours of it")

    residual_tau_s: float = Field(
        630.0,
        ge=60,
        le=7200,
        description="[C] memory of the net-load residual: correlation .62 .39 .24, measured .60 .41 .21",
    )

    @model_validator(mode="after")
    def _ordered(self) -> SyntheticConfig:
        if self.first_date > self.last_date:
            raise ValueError(f"first_date {self.first_date} is after last_date {self.last_date}")
        if self.first_date.year < 2002 or self.last_date.year > 2097:
            raise ValueError(f"dates {self.first_date} .. {self.last_date}: allowed 2002 .. 2097")
        return self
