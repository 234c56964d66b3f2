"""The heat pump, the tank and the clockwork of an EcoCute, for one device: float32 scalars without branches.

Heat pump [1]_: ``P = max(0.1, A_p (T_boil - T_out) + B_p)``, heat ``q = e P`` with
``e = r e_std(T_out) (1 - 0.01 (T_boil - T_test))``; below 5 degC the boiling temperature rises by 6 K and defrosting
adds electricity ``1 / C_def``. Tank [1]_: heat above the mains temperature, all of it at the boiling temperature (one
hot fraction), loss ``(T_mean - T_out) / R``.

Known error: defrosting is spread evenly over the boil; a start takes a linear ramp at constant COP; the COP does not
fall towards the end of a boil, when lukewarm water comes back from the tank (5-10 % in the last half hour [M]).

References
----------
.. [1] Japanese housing energy standard, section 7-1, appendix E, equations 7-16, 22, 27, as coded in
   BRI-EES-House/pyhees, section7_1_e.py [V].
"""

from __future__ import annotations

import numpy as np

from der_gym.core.units import LITRE_K_KWH
from der_gym.engine.compile import scalar
from der_gym.numerics.approx import clip
from der_gym.numerics.ramp import ramp

ZERO, ONE, HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
HOUR_S, DAY_S, PER_S = np.float32(3600.0), np.float32(86_400.0), np.float32(1.0 / 3600.0)  # PER_S: hours per second
WATER = np.float32(LITRE_K_KWH)
_BOIL_MAX_C, _FROST_K = np.float32(90.0), np.float32(6.0)
_SUMMER_C, _MID_C, _WINTER_C, _FROST_TOP_C = np.float32(25.0), np.float32(16.0), np.float32(7.0), np.float32(5.0)
_FROST_C, _FROST_LOW_C, _COLD_C = np.float32(2.0), np.float32(-2.0), np.float32(-7.0)
_TEST_C, _TEST_HIGH_C = np.float32(65.0), np.float32(90.0)
_PER_K = np.float32(0.01)  # COP lost per kelvin of boiling temperature
_COLD_LOSS = np.float32(0.18)  # of the COP at 2 degC, lost at -7 degC
_DEFROST_PER_K, _DEFROST_COLD = np.float32(0.0024), np.float32(0.05)
_LEAST_KW = np.float32(0.1)
_KEPT = np.float32(0.95)  # of the heat put in, the schedule reckons; the tank's loss takes 4 % of it in winter [C]
_AT_ONCE = np.float32(1e9)
_DRY_SHARE = np.float32(1e-4)  # of the hot water asked for in a tick: a smaller lack is rounding
_LEAST_SHARE = np.float32(0.1)  # of the heat wanted, where nothing saved says more


@scalar
def water_kwh(litres, hot_c, mains_c):  # type: ignore[no-untyped-def]
    """Return the heat of ``litres`` of water at ``hot_c`` above the mains temperature, kWh_th, >= 0."""
    return litres * WATER * max(hot_c - mains_c, ZERO)


@scalar
def boil_target(boil_c, outdoor_c):  # type: ignore[no-untyped-def]
    """Return the boiling temperature: 6 K more in frost, in steps between 5 and 2 degC outdoors, 90 degC at most."""
    frost = clip((_FROST_TOP_C - outdoor_c) / (_FROST_TOP_C - _FROST_C), ZERO, ONE)
    return min(boil_c + _FROST_K * frost, _BOIL_MAX_C)


@scalar
def cop_without_defrost(outdoor_c, boil_c, cop_25, cop_16, cop_7, cop_2, factor):  # type: ignore[no-untyped-def]
    """Return heat over electricity while the compressor runs, >= 1 (equations 7, 8, 10)."""
    above = cop_16 + (cop_25 - cop_16) * (outdoor_c - _MID_C) / (_SUMMER_C - _MID_C)
    at = max(outdoor_c, _FROST_TOP_C)
    below = cop_7 + (cop_16 - cop_7) * (at - _WINTER_C) / (_MID_C - _WINTER_C)
    mild = (above if outdoor_c > _MID_C else below) * (ONE - _PER_K * (boil_c - _TEST_C))
    cold = cop_2 * (ONE - _COLD_LOSS * (_FROST_C - min(outdoor_c, _FROST_C)) / (_FROST_C - _COLD_C))
    cold = cold * (ONE - _PER_K * (boil_c - _TEST_HIGH_C))
    frost = clip((_FROST_TOP_C - outdoor_c) / (_FROST_TOP_C - _FROST_C), ZERO, ONE)
    return max(factor * (mild + (cold - mild) * frost), ONE)


@scalar
def defrost_share(outdoor_c, boil_c, defrost):  # type: ignore[no-untyped-def]
    """Return the share of the COP left by defrosting, <= 1 (equations 14, 15)."""
    frost = clip((_FROST_TOP_C - outdoor_c) / (_FROST_TOP_C - _FROST_C), ZERO, ONE)
    dry = clip((_FROST_LOW_C - outdoor_c) / (_FROST_LOW_C - _COLD_C), ZERO, ONE)
    at_2 = defrost + _DEFROST_PER_K * (boil_c - _TEST_HIGH_C) + _DEFROST_COLD * dry
    return min(ONE + (at_2 - ONE) * frost, ONE)


@scalar
def input_kw(slope, base, boil_c, outdoor_c):  # type: ignore[no-untyped-def]
    """Return the compressor's power, kW (equation 13)."""
    return max(slope * (boil_c - outdoor_c) + base, _LEAST_KW)


@scalar
def heat_pump(outdoor_c, boil_c, slope, base, scale, cop_25, cop_16, cop_7, cop_2, defrost, factor):  # type: ignore[no-untyped-def]
    """Return (heat kW_th at full power, heat over electricity with defrost)."""
    e = cop_without_defrost(outdoor_c, boil_c, cop_25, cop_16, cop_7, cop_2, factor)
    return e * scale * input_kw(slope, base, boil_c, outdoor_c), e * defrost_share(outdoor_c, boil_c, defrost)


@scalar
def latch(boiling, on, due, missing, least):  # type: ignore[no-untyped-def]
    """Return 1 while the own schedule wants heat: from its due time until nothing is missing.

    While off, a rest smaller than one shortest run (``least``, kWh_th) is given up.
    """
    keeps = (boiling > ZERO) & (missing > (ZERO if on else least))
    return ONE if keeps | (due & (missing > least)) else ZERO


@scalar
def wants(on, own, heat, room, least, floor, reheat, ask, free, minute):  # type: ignore[no-untyped-def]
    """Return whether the compressor should run, locks aside.

    ``ask``: 1 off, -1 on, 0 nothing; ``own``: its own schedule wants heat; ``free``: a command may still cause a start
    today; ``minute``: own starts may happen now. Below the floor it starts, and up to ``reheat`` it goes on, whatever
    the command. A command that would cost a start now (boiling early) or later (a stop) needs ``free``.
    """
    hold, early = ask > ZERO, ask < ZERO
    stay = (heat < reheat) | ((own | (early & (room > ZERO))) & (not (hold & free)))
    go = (minute & ((heat < floor) | (own & (not hold)))) | (early & free & (room > least))
    return stay if on else go


@scalar
def timing(on, wanted, held, lock, level, ramp_per_s, seconds):  # type: ignore[no-untyped-def]
    """Return (switches, seconds after the switch, seconds on, level if on at the end, integral of the level in s).

    A switch waits until the state was held for ``lock`` seconds, and happens inside this phase or not at all.
    """
    wait = max(lock - held, ZERO)
    switches = (on != wanted) & (wait < seconds)
    after = seconds - wait if switches else ZERO
    on_s = (seconds - after) if on else after
    level, integral = ramp(level, ONE, ramp_per_s, _AT_ONCE, on_s)
    return switches, after, on_s, level, integral


@scalar
def fill(heat, taps, loss, possible, limit):  # type: ignore[no-untyped-def]
    """Return (heat put in, drawn, lost), kWh_th: the tank stays between empty and ``limit``."""
    loss = clip(loss, ZERO, max(heat, ZERO))
    left = heat - loss
    put = min(possible, max(limit - max(left - taps, ZERO), ZERO))
    drawn = min(taps, max(left + put, ZERO))
    return put, drawn, loss


@scalar
def phase(  # type: ignore[no-untyped-def]
    seconds, ask, minute, due, heat, run, level, boiling, starts, taps_kw, loss_0, loss_k, heat_kw, capacity,
    wanted, ramp_per_s, floor, reheat, min_on, min_off, starts_max, starts_free,
):  # fmt: skip
    """Work ``seconds`` under the command ``ask``; heat in kWh_th, times in s. No seconds change nothing.

    Returns
    -------
    run, level, boiling, starts : float32
        State at the end.
    put, drawn, loss : float32
        Heat moved, kWh_th.
    on_s : float32
        Seconds with the compressor on.
    """
    on = run > ZERO
    held = abs(run)
    least = heat_kw * min_on * PER_S
    boiling = latch(boiling, on, due, wanted - heat, least) if seconds > ZERO else boiling
    free = starts < starts_free
    own = (boiling > ZERO) & (on | (starts + ONE < starts_max))  # the last start of a day is for reheating
    rested = minute & (held >= min_off) & (starts < starts_max)
    run_now = wants(on, own, heat, capacity - heat, least, floor, reheat, ask, free, rested)
    switches, after, on_s, level, integral = timing(
        on, run_now, held, min_on if on else min_off, level, ramp_per_s, seconds
    )
    started = switches & (not on)
    boiling = ONE if started & (heat < floor) & (not free) else boiling  # the last starts of a day fill the tank
    locked = started | (on & (held < min_on)) | (ask < ZERO)
    limit = capacity if locked else max(wanted if own else reheat, reheat)
    hours = seconds * PER_S
    possible = heat_kw * integral * PER_S
    put, drawn, loss = fill(heat, taps_kw * hours, (loss_0 + loss_k * heat) * hours, possible, limit)
    idle = min((possible - put) / heat_kw * HOUR_S, on_s)  # full: the compressor stopped so long before the end
    on = (on != switches) & (idle <= ZERO)
    ends = after if switches & (run > ZERO) else idle
    stopped = on_s > ZERO
    off = -ends if stopped else min(run, ZERO) - seconds
    run = (max(run, ZERO) + on_s) if on else off
    return run, level if on else ZERO, boiling, starts + (ONE if started else ZERO), put, drawn, loss, on_s - idle


@scalar
def lacking(wanted, drawn, heat, floor, dry):  # type: ignore[no-untyped-def]
    """Return (heat that lacks, 1 where a run-out begins, 1 while it lasts): until the floor is reached again.

    ``wanted``, ``drawn``, ``heat``, ``floor``: kWh_th asked for, given, held and of 50 L; ``dry``: 1 in a run-out.
    """
    short = wanted - drawn
    out = short > _DRY_SHARE * wanted
    still = ZERO if heat >= floor else dry
    return short if out else ZERO, ONE if out & (dry <= ZERO) else ZERO, ONE if out else still


@scalar
def asked(a, threshold):  # type: ignore[no-untyped-def]
    """Return what the fraction ``a`` asks of a device that can only stop or start: 1 off, -1 on, 0 nothing."""
    return ONE if a > threshold else (-ONE if a < -threshold else ZERO)


@scalar
def window(sod_s, opens_h, ends_h):  # type: ignore[no-untyped-def]
    """Return (seconds to the next end of a boil, length of its window in s); they are equal when it opens."""
    left = ends_h * HOUR_S - sod_s
    length = (ends_h - opens_h) * HOUR_S
    return left + (DAY_S if left <= ZERO else ZERO), length + (DAY_S if length <= ZERO else ZERO)


@scalar
def is_due(left_s, window_s, lead_s, missing, heat_kw, ramp_per_s):  # type: ignore[no-untyped-def]
    """Return 1 when the time left to the end, less the home's lead, is down to what the missing heat takes."""
    need_s = missing / (heat_kw * _KEPT) * HOUR_S + HALF / ramp_per_s
    return ONE if (left_s <= window_s) & (left_s - lead_s <= need_s) else ZERO


@scalar
def expected(gone, wanted, heat_kw, left_s, window_s, lead_s):  # type: ignore[no-untyped-def]
    """Return (heat, run) of a home that kept its schedule; ``gone``: heat used and lost since the last boil's end."""
    heat = max(wanted - gone, wanted * _LEAST_SHARE)
    need_s = (wanted - heat) / heat_kw * HOUR_S
    ran_s = clip(need_s - (left_s - lead_s), ZERO, need_s) if left_s <= window_s else ZERO
    runs = (ran_s > ZERO) & (ran_s < need_s)
    return heat + heat_kw * ran_s / HOUR_S, ran_s if runs else -DAY_S
