"""Merit order: coarse and slow leaves carry the base, fast ones what moves; each leaf's answer is learned on the way.

1. Leaves that switch (water heaters, cars) take a slow share of the base and change rarely: every change costs a start
   or a stop of somebody's machine, and only part of them answers.
2. Batteries follow, from the slowest path to the fastest. Each takes its part of what is still open, in proportion to
   ``up_kw``, which falls as a leaf's stores run out; what it will really give in the coming step (messages on their
   way, the path's least interval and least change included) is taken off, and the faster ones make up the rest. So a
   change too small to be sent to a large leaf goes to a small one.

The response of a leaf per ``a * up_kw`` is learned from its telemetry by normalised least mean squares [1]_: batteries
give more than that at small fractions, because limits bind on few homes.

References
----------
.. [1] Widrow, Hoff, "Adaptive switching circuits", IRE WESCON Convention Record (1960) 96-104; normalised by power.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from der_gym.controllers import own_power
from der_gym.controllers.base import Array
from der_gym.controllers.closed_loop import ClosedLoop, LoopConfig
from der_gym.controllers.loop import EACH, GROUP, MEMORY, NOW, Delays, expected_kw, recall, shown_kw, total, weigh
from der_gym.controllers.own_power import FIXED, SETTING, bias_kw, has_target, learn_own, need_kw
from der_gym.controllers.reading import read
from der_gym.engine.compile import kernel, scalar
from der_gym.numerics.approx import clip

SETTINGS = SETTING.extended(
    "merit order settings",
    """
    learning     | - | aggregator | step of the least mean squares
    base_speed   | - |            | of the base per decision
    base_step    | - |            | least change of the switching leaves
    base_share   | - |            | their part of the base
    change_share | - |            | a fraction that moves by no more is not sent
    """,
)
COLUMNS = FIXED.extended(
    "merit order columns",
    """
    is_fine    | -  | aggregator | 1 where the leaf follows what moves
    nominal_kw | kW |            | rated swing
    offset     | -  |            | constant fraction that the leaf has on top while there is a target
    """,
)
_LEARN_FROM = 0.03  # of nominal: a smaller expected response says nothing about the answer
_GAIN_MIN, _GAIN_MAX = 0.5, 2.0


class MeritOrderConfig(LoopConfig):
    """Settings of the merit order."""

    learning: float = Field(0.1, ge=0, le=1)
    """Step of the least mean squares per decision [A]."""
    base_s: float = Field(1800.0, ge=60, le=7200)
    """Time constant of the base that switching leaves carry, s [A]."""
    base_step: float = Field(0.15, ge=0.02, le=1)
    """Their fraction changes by at least this [A]."""
    base_share: float = Field(1.0, ge=0, le=1)
    """Their part of the base, 0 = they are left alone [A]."""
    heater_offset: float = Field(0.0, ge=-1, le=1)
    """Constant fraction of the leaves with heaters while there is a target, on top of their part [A]."""
    car_offset: float = Field(0.0, ge=-1, le=1)
    """Likewise of the leaves with cars [A]."""

    search = {  # noqa: RUF012
        "lag_s": (-60.0, 120.0),
        "level_s": (10.0, 300.0),
        "slope_part": (0.0, 1.5),
        "heater_gain": (0.95, 1.1),
        "frost_gain": (0.0, 0.4),
        "integral_s": (120.0, 1800.0),
        "learning": (0.0, 0.3),
        "base_share": (0.0, 1.0),
        "heater_offset": (-0.2, 0.2),
        "car_offset": (-0.2, 0.2),
    }


@kernel
def learn_gain(x, f, expected, c, m):  # type: ignore[no-untyped-def]
    """Move the gain of a leaf with stores towards seen over expected response, kW."""
    wrong = (x[EACH.PLAN_KW] - x[EACH.SEEN_KW] - m[MEMORY.GAIN] * expected) / max(expected, 1e-6)
    heard = f[COLUMNS.IS_FINE] > 0.0 and expected > _LEARN_FROM * f[COLUMNS.NOMINAL_KW]
    m[MEMORY.GAIN] = clip(m[MEMORY.GAIN] + (c[SETTINGS.LEARNING] * wrong if heard else 0.0), _GAIN_MIN, _GAIN_MAX)


@kernel
def coming(a, acting, m):  # type: ignore[no-untyped-def]
    """Return a leaf's mean fraction over the coming step if ``a`` is in force: most of it may be on its way already."""
    return weigh(m[MEMORY.SENT :], acting[1:]) + acting[0] * a


@scalar
def in_force(a, x, c):  # type: ignore[no-untyped-def]
    """Return the fraction that the path lets through: ``a``, or the last one while ``a`` is too early or too close."""
    goes = abs(a - x[EACH.SENT_A]) > c[SETTINGS.CHANGE_SHARE] and x[EACH.WAIT_S] <= 0.0
    return a if goes else x[EACH.SENT_A]


@kernel
def switch(need, live, each, c, group):  # type: ignore[no-untyped-def]
    """Return the fraction of the switching leaves: a slow share of the base, in need everybody's."""
    wanted = clip(need / max(total(each[:, EACH.UP_KW]), 1e-6), 0.0, 1.0)
    group[GROUP.BASE] += c[SETTINGS.BASE_SPEED] * (wanted - group[GROUP.BASE])
    aim = c[SETTINGS.BASE_SHARE] * (1.0 if wanted >= 1.0 else group[GROUP.BASE])
    moves = abs(aim - group[GROUP.SWITCHED]) >= c[SETTINGS.BASE_STEP]
    group[GROUP.SWITCHED] = (aim if moves else group[GROUP.SWITCHED]) if live else 0.0
    return group[GROUP.SWITCHED]


@kernel
def carry_base(a, live, each, fixed, acting, leaf, action):  # type: ignore[no-untyped-def]
    """Set the switching leaves' fractions; return what they will give in the coming step, kW."""
    given_kw = 0.0
    for j in range(action.size):
        if fixed[j, COLUMNS.IS_FINE] == 0.0:
            own = clip(a + fixed[j, COLUMNS.OFFSET], -1.0, 1.0) if live else a
            action[j] = own
            given_kw += coming(own, acting[j], leaf[j]) * each[j, EACH.UP_KW]
    return given_kw


@kernel
def carry_rest(left_kw, live, each, fixed, acting, order, c, leaf, action):  # type: ignore[no-untyped-def]
    """Set the fine leaves' fractions in their order; each takes its part of what the ones before it leave open, kW."""
    up_kw, down_kw = 0.0, 0.0
    for j in range(action.size):
        up_kw += each[j, EACH.UP_KW] * fixed[j, COLUMNS.IS_FINE]
        down_kw += each[j, EACH.DOWN_KW] * fixed[j, COLUMNS.IS_FINE]
    for j in order:
        x = each[j]
        part = clip(left_kw / max(up_kw if left_kw > 0.0 else down_kw, 1e-6), -1.0, 1.0)
        may = part > 0.0 or fixed[j, FIXED.IS_STORE] > 0.0  # loads are not asked to take more
        a = part if live and may else 0.0
        left_kw -= expected_kw(coming(in_force(a, x, c), acting[j], leaf[j]), x[EACH.UP_KW], x[EACH.DOWN_KW])
        up_kw, down_kw = up_kw - x[EACH.UP_KW], down_kw - x[EACH.DOWN_KW]
        action[j] = a


@kernel
def decide(obs, start, at, unit, c, fixed, showing, acting, order, group, leaf, action):  # type: ignore[no-untyped-def]
    """Set the fractions of every row, float32 (n, n_leaf), and move its memory on; the tables are those of `loop`."""
    seen = np.empty(at.size)
    now, each = seen[: NOW.N], seen[NOW.N :].reshape((-1, EACH.N))
    for w in range(obs.shape[0]):
        read(at, unit, obs[w], seen)
        recall(start[w], now, each, group[w], leaf[w])
        for j in range(action.shape[1]):
            x, f, m = each[j], fixed[j], leaf[w, j]
            x[EACH.DOWN_KW] *= f[FIXED.IS_STORE]
            learn_gain(x, f, shown_kw(x, showing[j], m), c, m)
            x[EACH.UP_KW] *= m[MEMORY.GAIN]
            learn_own(now, x, f, shown_kw(x, showing[j], m), c, group[w, GROUP.STEP], m)
        bias = bias_kw(now, each, fixed, c, group[w], leaf[w])
        need = need_kw(now, bias, c, group[w])
        live = has_target(now, c)
        base_kw = carry_base(switch(need, live, each, c, group[w]), live, each, fixed, acting, leaf[w], action[w])
        carry_rest(need - base_kw, live, each, fixed, acting, order, c, leaf[w], action[w])


class MeritOrder(ClosedLoop):
    """Slow and coarse leaves first, the fastest last; what each will really give is taken off before the next."""

    name = "merit_order"
    title = "Merit order: base from slow leaves, movement from fast ones, closed loop"
    config_class = MeritOrderConfig
    decide = staticmethod(decide)

    def constants(self) -> list[float]:
        """Return the places of ``c``."""
        c = self.config
        base_speed = 1.0 - np.exp(-self.public.decision_s / c.base_s)
        own = (c.learning, base_speed, c.base_step, c.base_share, self.public.change_share)
        return [*own_power.constants(self.public, c), *own]

    def columns(self) -> list[Array]:
        """Return the columns of ``fixed``, (n_leaf,) each."""
        return [*own_power.columns(self.public, self.config), self.fine, self.layout.nominal_kw, self.offsets]

    def tables(self, delays: Delays) -> tuple[Array, ...]:
        """Return the arrays that the kernel takes behind ``fixed``: weights, and the fine leaves, slowest first."""
        by_speed = np.argsort(-self.public.way_p95_s, kind="stable")
        return delays.showing, delays.acting, by_speed[self.fine[by_speed]]

    @property
    def offsets(self) -> Array:
        """Return each leaf's constant fraction, (n_leaf,); 0 on leaves that follow what moves."""
        c, on = self.config, self.public.holding
        offset: Array = c.heater_offset * on("heat") + c.car_offset * (on("mobile") & ~on("heat"))
        return np.where(self.fine, 0.0, offset)

    @property
    def fine(self) -> Array:
        """Return which leaves follow what moves, bool (n_leaf,): those with stores, all where there is none."""
        fine = self.public.holding("store")
        return fine if fine.any() else np.ones_like(fine)
