"""What EcoCutes could give: the response they can hold for 30 minutes, the heat held, and what will be missing."""

from __future__ import annotations

import numpy as np

from der_gym.devices.ecocute.draws import used_by
from der_gym.devices.ecocute.physics import HOUR_S, ONE, PER_S, ZERO
from der_gym.engine.compile import scalar

_GAUGE_S = np.float32(300.0)
BLOCK_H, SLOT_H = np.float32(0.5), np.float32(0.25)


@scalar
def swing(run, boiling, starts, heat, coming, heat_kw, cop, capacity, wanted, floor, reheat, min_on, min_off, free):  # type: ignore[no-untyped-def]
    """Return (up, down) kW of one home: what it can give for 30 minutes against its own schedule.

    Up: it boils by its schedule, or a command holds it back from that, and it can stay off (``coming``: heat drawn in
    30 min). Down: it does not want to boil, or boils by command, and has room. A lock that ends before the next reading
    of the capability counts as ended.
    """
    on, own, power = run > ZERO, boiling > ZERO, heat_kw / cop
    block = heat_kw * BLOCK_H
    stops = (not on) | ((run + _GAUGE_S >= min_on) & (starts < free) & (heat >= reheat))
    up = power * min((wanted - heat) / block, ONE) if own & stops & (heat - coming >= floor) else ZERO
    room, least = capacity - heat, heat_kw * min_on * PER_S
    begins = on | ((_GAUGE_S - run >= min_off) & (starts < free) & (room > least))
    down = power * min(room / block, ONE) if (not own) & begins & (heat >= floor) else ZERO
    return max(up, ZERO), max(down, ZERO)


@scalar
def debt(use, share, heat, heat_kw, cop, left_s, window_s):  # type: ignore[no-untyped-def]
    """Return the electric kWh missing until the next boil: what will be drawn, less the heat held and still to come."""
    to_come = heat_kw * left_s / HOUR_S if left_s <= window_s else ZERO
    return max(use * share - heat - to_come, ZERO) / cop


@scalar
def until_next(sod_s, opens_h, cfg):  # type: ignore[no-untyped-def]
    """Return the share of a day's hot water that is drawn until the next window opens."""
    opens_s = opens_h * HOUR_S
    return used_by(cfg, opens_s) - used_by(cfg, sod_s) + (ONE if sod_s >= opens_s else ZERO)
