"""Power of the homes without commands, estimated from their reports and the expected effect of their messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from der_gym.controllers.base import Array, PublicInfo
from der_gym.controllers.loop import EACH, GROUP, MEMORY, NOW, aim_kw, total
from der_gym.core.units import BLOCK_S
from der_gym.engine.compile import kernel, scalar
from der_gym.engine.schema import Table
from der_gym.numerics.approx import clip

FIXED = Table(
    "fixed",
    "float64 (n_leaf, N): what is known of each leaf beforehand; rules add columns of their own",
    """
    is_store  | - | aggregator | 1 where the leaf holds stores alone and obeys: they stand by
    is_heater | - |            | 1 where it holds heaters
    speed     | - |            | of the smoothing per decision
    report_s  | s |            | mean age of the last report of a device that reports
    """,
)
SETTING = Table(
    "settings",
    "float64 (N,): settings of a loop; rules add places of their own",
    """
    lag_steps   | - | aggregator | lag of the target, in decisions
    decision_s  | s |            | time between two decisions
    n_lag       | - |            | decisions that telemetry may lag
    slope_part  | - |            | part of the plan's slope that is carried on
    heater_gain | - |            | power of heaters over their reports
    frost_gain  | - |            | more of it in frost
    keeps_plan  | - |            | 1 where the target holds in every half hour, committed or not
    """,
)

_UNSEEN_MAX = 0.5
_FROST_C, _FROST_K = 5.0, 3.0  # frost begins, and is whole so much lower: section 7-1, appendix E, energy standard


def constants(public: PublicInfo, config: Any) -> list[float]:
    """Return the places of ``c`` that all loops have."""
    delays = (config.lag_s / public.decision_s, public.decision_s, public.shown.shape[1])
    return [*delays, config.slope_part, config.heater_gain, config.frost_gain, float(public.keeps_plan)]


def columns(public: PublicInfo, config: Any) -> list[Array]:
    """Return the columns of ``fixed`` that all loops have, (n_leaf,) each."""
    heaters = public.holding("heat")
    level, slow = (1.0 - np.exp(-public.decision_s / s) for s in (config.level_s, config.integral_s))
    stand_by = public.stores & public.obeys  # stores that hear offers alone go on with their own schedule
    return [stand_by, heaters, np.where(stand_by, slow, level), public.report_s]


@scalar
def silent_gain(silent):  # type: ignore[no-untyped-def]
    """Return the power of all devices over that of those which report; a silent device stands in the table at 0 kW."""
    return 1.0 + min(silent / max(1.0 - silent, 1e-3), _UNSEEN_MAX)


@scalar
def heater_gain(temp_c, c):  # type: ignore[no-untyped-def]
    """Return true over reported power of water heaters: they report a nominal power without frost and losses."""
    return c[SETTING.HEATER_GAIN] + c[SETTING.FROST_GAIN] * clip((_FROST_C - temp_c) / _FROST_K, 0.0, 1.0)


@scalar
def drawn_kw(x, f, temp_c, c):  # type: ignore[no-untyped-def]
    """Return a leaf's power from its reports; batteries stand by at 0 kW and need no correction."""
    gain = heater_gain(temp_c, c) if f[FIXED.IS_HEATER] > 0.0 else 1.0
    return x[EACH.SEEN_KW] if f[FIXED.IS_STORE] > 0.0 else x[EACH.SEEN_KW] * silent_gain(x[EACH.SILENT]) * gain


@kernel
def learn_own(now, x, f, shown_kw, c, step, m):  # type: ignore[no-untyped-def]
    """Move a leaf's own power, kept in its memory, towards what it draws plus the response that should show by now."""
    own_kw = drawn_kw(x, f, now[NOW.TEMP_C], c) + shown_kw
    level_kw = own_kw if step <= 1.0 else m[MEMORY.OWN_KW] + f[FIXED.SPEED] * (own_kw - m[MEMORY.OWN_KW])
    early = step <= c[SETTING.N_LAG]  # reports of batteries from before their standby
    m[MEMORY.OWN_KW] = 0.0 if early and f[FIXED.IS_STORE] > 0.0 else level_kw


@scalar
def has_target(now, c):  # type: ignore[no-untyped-def]
    """Return whether there is a target to keep now: in committed half hours, or always."""
    return c[SETTING.KEEPS_PLAN] > 0.0 or now[NOW.AWARD_KW] > 0.0


@kernel
def plan_step_kw(now, group, keeps_plan):  # type: ignore[no-untyped-def]
    """Return how much the plan rises over half an hour around now.

    Its half-hour means, joined from middle to middle, give the slope.
    """
    plan_kw = now[NOW.BLOCK_PLAN_KW_0]
    before_kw = group[GROUP.WAS_PLAN_KW] if now[NOW.BLOCK_LEFT] >= 1.0 else group[GROUP.BEFORE_PLAN_KW]
    before_kw = plan_kw if group[GROUP.STEP] <= 1.0 else before_kw
    group[GROUP.WAS_PLAN_KW], group[GROUP.BEFORE_PLAN_KW] = plan_kw, before_kw
    goes_on = keeps_plan or now[NOW.BLOCK_AWARD_KW_1] > 0.0  # after the last award batteries stand by no more
    ahead_kw = now[NOW.BLOCK_PLAN_KW_1] - plan_kw if goes_on else 0.0
    return plan_kw - before_kw if now[NOW.BLOCK_LEFT] > 0.5 else ahead_kw


@kernel
def age_of_load_s(leaf, fixed):  # type: ignore[no-untyped-def]
    """Return the mean age of the loads' reports, weighted by what they draw."""
    load_kw, aged_kws = 0.0, 0.0
    for j in range(leaf.shape[0]):
        own_kw = 0.0 if fixed[j, FIXED.IS_STORE] > 0.0 else max(leaf[j, MEMORY.OWN_KW], 0.0)
        load_kw += own_kw
        aged_kws += own_kw * fixed[j, FIXED.REPORT_S]
    return aged_kws / max(load_kw, 1e-6)


@kernel
def bias_kw(now, each, fixed, c, group, leaf):  # type: ignore[no-untyped-def]
    """Return plan less own power as it should be now: the loads have gone on along the plan since they reported."""
    age_s = age_of_load_s(leaf, fixed) + c[SETTING.DECISION_S] / 2.0
    grown_kw = c[SETTING.SLOPE_PART] * age_s / BLOCK_S * plan_step_kw(now, group, c[SETTING.KEEPS_PLAN] > 0.0)
    return now[NOW.RESPONSE_KW] + total(each[:, EACH.SEEN_KW]) - total(leaf[:, MEMORY.OWN_KW]) - grown_kw


@kernel
def need_kw(now, bias, c, group):  # type: ignore[no-untyped-def]
    """Return the response to command where plan less own power is ``bias``, kW; 0 where there is no target."""
    wanted_kw = aim_kw(
        group[GROUP.PAST :], now[NOW.BIN_END_KW], now[NOW.BIN_LEFT], c[SETTING.LAG_STEPS], c[SETTING.DECISION_S]
    )
    return wanted_kw - bias if has_target(now, c) else 0.0
