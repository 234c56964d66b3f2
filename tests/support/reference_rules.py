"""The rules once more, slow and obvious: whole batches in numpy, one named array per thing remembered.

What the shipped rules compute row by row in kernels must have these values, and they must be taken over whenever a
formula is changed on purpose.
"""

from __future__ import annotations

import numpy as np

from der_gym.controllers.base import Array, PublicInfo, Rule, State, fresh
from der_gym.controllers.closed_loop import ClosedLoopConfig
from der_gym.controllers.merit_order import MeritOrderConfig
from der_gym.controllers.open_loop import OpenLoopConfig
from der_gym.core.units import BLOCK_S
from der_gym.env.observation.layout import Layout

LAG_MAX_S, BIN_S, MINUTE_S = 300.0, 300.0, 60.0
UNSEEN_MAX = 0.5
FROST_C, FROST_K = 5.0, 3.0
LEARN_FROM = 0.03
GAIN_MIN, GAIN_MAX = 0.5, 2.0


def total(values: Array) -> Array:
    """Return the sum over axis 1, column by column: the same bits for a row alone and in a batch."""
    out: Array = values[:, 0].copy()
    for j in range(1, values.shape[1]):
        out += values[:, j]
    return out


def push(history: Array, value: Array) -> Array:
    """Return ``history`` (n, n_lag, ...) with ``value`` (n, ...) as its newest, first entry; the oldest is dropped."""
    return np.concatenate([value[:, None], history[:, :-1]], axis=1)


def n_past(decision_s: float) -> int:
    """Return how many past targets must be kept to reach 300 s back."""
    return int(np.ceil(LAG_MAX_S / decision_s)) + 2


def aim(past_kw: Array, end_kw: Array, bin_left: Array, steps: float, decision_s: float) -> Array:
    """Return the target ``steps`` decisions ago, or ahead where negative, kW (n,).

    Parameters
    ----------
    past_kw : float64 (n, n_past)
        Targets of the coming minute as they were at each decision, newest first; linear in between.
    end_kw, bin_left : float64 (n,)
        Target of the last minute of the 5-minute bin, part of the bin that is left. Ahead, the target runs linearly to
        the bin's end and holds there: what follows is not announced yet.
    """
    if steps < 0.0:
        way = np.maximum(bin_left * BIN_S - MINUTE_S, 1.0)
        part = np.minimum(-steps * decision_s / way, 1.0)
        ahead: Array = past_kw[:, 0] + (end_kw - past_kw[:, 0]) * part
        return ahead
    i = min(int(steps), past_kw.shape[1] - 2)
    share = min(steps - i, 1.0)
    value: Array = past_kw[:, i] * (1.0 - share) + past_kw[:, i + 1] * share
    return value


class Delays:
    """The delays of the leaves as weights over the messages sent.

    Parameters
    ----------
    public : PublicInfo

    Attributes
    ----------
    n_lag : int
        Decisions that the memory of messages must reach back.
    """

    def __init__(self, public: PublicInfo) -> None:
        self.acting = np.diff(public.arrived, axis=1, prepend=0.0)  # (n_leaf, n_lag)
        self.showing = np.diff(public.shown, axis=1, prepend=0.0)
        self.n_lag = public.shown.shape[1]

    def begin(self, n: int) -> Array:
        """Return the memory before the first message, (n, n_lag, n_leaf)."""
        return np.zeros((n, self.n_lag, self.showing.shape[0]))

    def shown(self, sent: Array) -> Array:
        """Return the fraction of each leaf, (n, n_leaf), that telemetry should show by now.

        ``sent`` (n, n_lag, n_leaf): the fractions in force at the sender, newest first; entry ``k`` was sent ``k + 1``
        decisions ago.
        """
        return _weigh(sent, self.showing, 0)

    def on_the_way(self, sent: Array) -> Array:
        """Return what earlier messages make up of each leaf's mean fraction over the coming step, (n, n_leaf)."""
        return _weigh(sent[:, :-1], self.acting, 1)

    @property
    def at_once(self) -> Array:
        """Return the weight of a message sent now in the coming step, (n_leaf,)."""
        first: Array = self.acting[:, 0]
        return first


def _weigh(sent: Array, weight: Array, first: int) -> Array:
    out = np.zeros((sent.shape[0], sent.shape[2]))
    for k in range(sent.shape[1]):
        out += sent[:, k] * weight[:, first + k]
    return out


def expected_kw(fraction: Array, up_kw: Array, down_kw: Array) -> Array:
    """Return the response that fractions stand for: upward ones of ``up_kw``, downward ones of ``down_kw``."""
    kw: Array = np.where(fraction > 0.0, fraction * up_kw, fraction * down_kw)
    return kw


class OpenLoop(Rule):
    """``a = gain * target / sum(up_kw)`` for all leaves alike, held within 0..1."""

    name = "open_loop"
    config_class = OpenLoopConfig

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return one fraction for all leaves of a row."""
        target_kw, end_kw, bin_left, up_kw = self.read(obs, "target_kw", "target_bin_end_kw", "bin_left", "leaf.up_kw")
        step_s, award_kw = self.public.decision_s, self.read(obs, "award_kw")[0]
        memory = fresh(state, episode_start, {"target_kw": np.zeros((len(obs), n_past(step_s)))})
        past_kw = push(memory["target_kw"], target_kw)
        wanted_kw = self.config.gain * aim(past_kw, end_kw, bin_left, self.config.lag_s / step_s, step_s)
        share = np.where(award_kw > 0.0, np.clip(wanted_kw / np.maximum(total(up_kw), 1e-6), 0.0, 1.0), 0.0)
        action = np.repeat(share[:, None], self.layout.n_leaf, axis=1)
        return action.astype(np.float32), {"target_kw": past_kw}


class ClosedLoop(Rule):
    """One fraction for all leaves, corrected by telemetry with the delays taken into account."""

    name = "closed_loop"
    config_class = ClosedLoopConfig

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep layout and facts; work out the delays."""
        super().bind(layout, public)
        c, step_s = self.config, public.decision_s
        self.delays, self.stores = Delays(public), public.stores
        self.heaters = np.array(["ecocute" in name.split("+") for name in public.leaf_class])
        level, slow = (1.0 - np.exp(-step_s / s) for s in (c.level_s, c.integral_s))
        self.speed = np.where(self.stores, slow, level)

    def begin(self, n: int) -> State:
        """Return the memory at an episode's start."""
        return {
            "step": np.zeros(n),
            "sent": self.delays.begin(n),
            "target_kw": np.zeros((n, n_past(self.public.decision_s))),
            "own_kw": np.zeros((n, self.layout.n_leaf)),
            "plan_kw": np.zeros((n, 2)),
        }

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return one fraction for all leaves of a row."""
        memory = self.recall(obs, state, episode_start)
        up_kw, down_kw = self.capacity(obs)
        up_kw = self.config.gain * up_kw
        shown_kw = expected_kw(self.delays.shown(memory["sent"]), up_kw, down_kw)
        need_kw = self.need(obs, memory, self.bias(obs, memory, shown_kw))
        return self.share(need_kw, up_kw, down_kw).astype(np.float32), memory

    def recall(self, obs: Array, state: State | None, episode_start: Array) -> State:
        """Return the memory with what was sent and asked by now."""
        memory = fresh(state, episode_start, self.begin(len(obs)))
        sent, target_kw = self.read(obs, "leaf.sent_a", "target_kw")
        memory["sent"] = push(memory["sent"], sent)
        memory["target_kw"] = push(memory["target_kw"], target_kw)
        memory["step"] = memory["step"] + 1.0
        return memory

    def capacity(self, obs: Array) -> tuple[Array, Array]:
        """Return what each leaf could give and, where it holds batteries, take, kW (n, n_leaf)."""
        up_kw, down_kw = self.read(obs, "leaf.up_kw", "leaf.down_kw")
        return up_kw, np.where(self.stores, down_kw, 0.0)

    def bias(self, obs: Array, memory: State, shown_kw: Array) -> Array:
        """Learn the leaves' own power from drawn power and ``shown_kw``; return plan less own power, kW (n,)."""
        response_kw, seen_kw = self.read(obs, "response_kw", "leaf.seen_kw")
        own_kw = self.drawn(obs) + shown_kw
        level = memory["own_kw"] + self.speed * (own_kw - memory["own_kw"])
        level = np.where((memory["step"] <= 1.0)[:, None], own_kw, level)
        early = (memory["step"] <= self.delays.n_lag)[:, None]  # reports of batteries from before their standby
        memory["own_kw"] = np.where(early & self.stores, 0.0, level)
        bias_kw: Array = response_kw + total(seen_kw) - total(memory["own_kw"]) - self.grown(obs, memory)
        return bias_kw

    def grown(self, obs: Array, memory: State) -> Array:
        """Return how much more loads draw in the coming step than when they reported, by the plan, kW (n,).

        The plan's half-hour means, joined from middle to middle, give the slope; the loads that draw most give the age.
        """
        plan_kw, award_kw, left = self.read(obs, "block.plan_kw", "block.award_kw", "block_left")
        now, was = plan_kw[:, 0], memory["plan_kw"]
        before = np.where(left >= 1.0, was[:, 0], was[:, 1])
        before = np.where(memory["step"] <= 1.0, now, before)
        memory["plan_kw"] = np.stack([now, before], axis=1)
        ahead = np.where(award_kw[:, 1] > 0.0, plan_kw[:, 1] - now, 0.0)  # then batteries stand by no more
        load_kw = np.where(self.stores, 0.0, np.maximum(memory["own_kw"], 0.0))
        age_s = total(load_kw * self.public.report_s) / np.maximum(total(load_kw), 1e-6) + self.public.decision_s / 2.0
        grown_kw: Array = self.config.slope_part * age_s / BLOCK_S * np.where(left > 0.5, now - before, ahead)
        return grown_kw

    def drawn(self, obs: Array) -> Array:
        """Return what the leaves draw, kW (n, n_leaf), from what they report.

        A silent device stands in the table at 0 kW; batteries stand by at 0 kW and need no help. A water heater reports
        its nominal power, which knows neither frost nor losses.
        """
        silent, seen_kw, temp_c = self.read(obs, "leaf.silent_share", "leaf.seen_kw", "temp_c")
        silent = np.minimum(silent / np.maximum(1.0 - silent, 1e-3), UNSEEN_MAX)
        frost = np.minimum(np.maximum((FROST_C - temp_c) / FROST_K, 0.0), 1.0)
        gain = np.where(self.heaters, (self.config.heater_gain + self.config.frost_gain * frost)[:, None], 1.0)
        return np.where(self.stores, seen_kw, seen_kw * (1.0 + silent) * gain)

    def need(self, obs: Array, memory: State, bias_kw: Array) -> Array:
        """Return the response to command, kW (n,); 0 once the award is over."""
        award_kw, end_kw, bin_left = self.read(obs, "award_kw", "target_bin_end_kw", "bin_left")
        step_s = self.public.decision_s
        wanted = aim(memory["target_kw"], end_kw, bin_left, self.config.lag_s / step_s, step_s)
        return np.where(award_kw > 0.0, wanted - bias_kw, 0.0)

    def share(self, need_kw: Array, up_kw: Array, down_kw: Array) -> Array:
        """Return the fractions (n, n_leaf) that share ``need_kw`` (n,) in proportion to what leaves have."""
        up: Array = np.minimum(np.maximum(need_kw / np.maximum(total(up_kw), 1e-6), 0.0), 1.0)
        down = np.minimum(np.maximum(need_kw / np.maximum(total(down_kw), 1e-6), -1.0), 0.0)
        return np.where((need_kw > 0.0)[:, None], up[:, None], down[:, None] * self.stores)


class MeritOrder(ClosedLoop):
    """Slow and coarse leaves first, the fastest last; what each will really give is taken off before the next."""

    name = "merit_order"
    config_class = MeritOrderConfig

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep layout and facts; rank the leaves."""
        super().bind(layout, public)
        fine = np.array(["battery" in name.split("+") for name in public.leaf_class])
        self.fine = fine if fine.any() else np.ones_like(fine)
        by_speed = np.argsort(-public.way_p95_s, kind="stable")
        self.order = [int(j) for j in by_speed if self.fine[j]]
        self.base_speed = 1.0 - np.exp(-public.decision_s / self.config.base_s)

    def begin(self, n: int) -> State:
        """Return the memory at an episode's start."""
        leaf = (n, self.layout.n_leaf)
        return super().begin(n) | {"gain": np.ones(leaf), "base": np.zeros(n), "switched": np.zeros(n)}

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the fractions of every leaf."""
        memory = self.recall(obs, state, episode_start)
        up_kw, down_kw = self.capacity(obs)
        shown = self.delays.shown(memory["sent"])
        self.learn(obs, memory, expected_kw(shown, up_kw, down_kw))
        up_kw = memory["gain"] * up_kw
        bias_kw = self.bias(obs, memory, expected_kw(shown, up_kw, down_kw))
        return self.stack(obs, memory, self.need(obs, memory, bias_kw), up_kw, down_kw).astype(np.float32), memory

    def learn(self, obs: Array, memory: State, expected: Array) -> None:
        """Move each battery leaf's gain towards seen over expected response."""
        plan_kw, seen_kw = self.read(obs, "leaf.plan_kw", "leaf.seen_kw")
        heard = self.fine & (expected > LEARN_FROM * self.layout.nominal_kw)
        wrong = (plan_kw - seen_kw - memory["gain"] * expected) / np.maximum(expected, 1e-6)
        gain = memory["gain"] + np.where(heard, self.config.learning * wrong, 0.0)
        memory["gain"] = np.minimum(np.maximum(gain, GAIN_MIN), GAIN_MAX)

    def stack(self, obs: Array, memory: State, need_kw: Array, up_kw: Array, down_kw: Array) -> Array:
        """Return the fractions that make up ``need_kw``, from the coarsest leaf to the fastest."""
        sent, wait_s, award_kw = self.read(obs, "leaf.sent_a", "leaf.wait_s", "award_kw")
        moving = self.delays.on_the_way(memory["sent"])
        action = np.zeros_like(up_kw)
        live = award_kw > 0.0
        left_kw = need_kw - self.base(memory, need_kw, live, up_kw, action, moving)
        rest_up, rest_down = total(np.where(self.fine, up_kw, 0.0)), total(np.where(self.fine, down_kw, 0.0))
        for j in self.order:
            a = left_kw / np.maximum(np.where(left_kw > 0.0, rest_up, rest_down), 1e-6)
            a = np.where(live, np.minimum(np.maximum(a, -1.0 if self.stores[j] else 0.0), 1.0), 0.0)
            goes = (np.abs(a - sent[:, j]) > self.public.change_share) & (wait_s[:, j] <= 0.0)
            coming = moving[:, j] + self.delays.at_once[j] * np.where(goes, a, sent[:, j])
            left_kw = left_kw - expected_kw(coming, up_kw[:, j], down_kw[:, j])
            rest_up, rest_down = rest_up - up_kw[:, j], rest_down - down_kw[:, j]
            action[:, j] = a
        return action

    def base(self, memory: State, need_kw: Array, live: Array, up_kw: Array, action: Array, moving: Array) -> Array:
        """Set the switching leaves' fractions in ``action``; return what they will give in the coming step, kW (n,)."""
        wanted = np.minimum(np.maximum(need_kw / np.maximum(total(up_kw), 1e-6), 0.0), 1.0)
        memory["base"] = memory["base"] + self.base_speed * (wanted - memory["base"])
        aim = self.config.base_share * np.where(wanted >= 1.0, 1.0, memory["base"])  # in need, everybody
        moves = np.abs(aim - memory["switched"]) >= self.config.base_step
        memory["switched"] = np.where(live, np.where(moves, aim, memory["switched"]), 0.0)
        held = memory["switched"][:, None] + np.zeros_like(action)
        offset = np.zeros(action.shape[1])
        for j, name in enumerate(self.public.leaf_class):
            heats, drives = "ecocute" in name.split("+"), {"ev", "v2h"} & set(name.split("+"))
            offset[j] = self.config.heater_offset if heats else self.config.car_offset if drives else 0.0
        held = np.where(live[:, None], np.clip(held + offset, -1.0, 1.0), held)
        held = np.where(self.fine, 0.0, held)
        action[:] = held
        return total(np.where(self.fine, 0.0, (moving + self.delays.at_once * held) * up_kw))
