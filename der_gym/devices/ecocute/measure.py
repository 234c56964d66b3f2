"""What is measured of EcoCutes each 300 s: response they can hold for half an hour, heat held, what will be missing."""

from __future__ import annotations

from der_gym.devices.ecocute import capability as cap
from der_gym.devices.ecocute import draws
from der_gym.devices.ecocute.declaration import ECOCUTE
from der_gym.devices.ecocute.physics import DAY_S, HOUR_S, ZERO
from der_gym.devices.ecocute.schedule import learned
from der_gym.devices.ecocute.tick import narrow, windows

ECOCUTE.once("capability")(learned)
ECOCUTE.once("capability")(windows)
ECOCUTE.capability(narrow)


@ECOCUTE.once("capability")
def soon(cfg, sod_s, night_h, day_h):  # type: ignore[no-untyped-def]
    """Work out the shares of a day's hot water until the two windows open, and within half an hour."""
    night_share, day_share = cap.until_next(sod_s, night_h[0], cfg), cap.until_next(sod_s, day_h[0], cfg)
    soon_share = draws.used_by(cfg, min(sod_s + cap.BLOCK_H * HOUR_S, DAY_S)) - draws.used_by(cfg, sod_s)
    return night_share, day_share, soon_share


@ECOCUTE.capability
def measure(  # type: ignore[no-untyped-def]
    sort, heat, uses, run_s, boiling, starts_today, draw_kw, heat_kw, cop, capacity_kwh, wanted_kwh, floor_kwh,
    reheat_kwh, min_on_s, min_off_s, starts_free, accepts_commands, soon_share, night_share, day_share, night_left_s,
    night_window_s, day_left_s, day_window_s,
):  # fmt: skip
    """Work out what it could give for 30 minutes, the heat held above the floor, and what will be missing."""
    by_day, use = draws.by_day(sort), draws.by_home(sort, *uses)
    up, down = cap.swing(
        run_s, boiling, starts_today, heat, use * soon_share + draw_kw * cap.SLOT_H, heat_kw, cop, capacity_kwh,
        wanted_kwh, floor_kwh, reheat_kwh, min_on_s, min_off_s, starts_free,
    )  # fmt: skip
    up_kw, down_kw, stored_kwh = up * accepts_commands, down * accepts_commands, max(heat - floor_kwh, ZERO) / cop
    debt_kwh = cap.debt(
        use, day_share if by_day else night_share, heat, heat_kw, cop, day_left_s if by_day else night_left_s,
        day_window_s if by_day else night_window_s,
    )  # fmt: skip
    return up_kw, down_kw, stored_kwh, debt_kwh
