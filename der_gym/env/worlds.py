"""What the single and the vector environment share: worlds, layout, reward, infos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from der_gym.core.errors import InputError
from der_gym.devices.behaviour import KINDS
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.env.action.check import read_action
from der_gym.env.action.heads import HEADS
from der_gym.env.observation.layout import Layout, observe
from der_gym.env.reward.reward import TERMS, Reward
from der_gym.network.tables import SENDER
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.services.tertiary_1.settlement import LINES, OUTCOME
from der_gym.simulation import aggregator_view, books
from der_gym.simulation.simulator import Simulator
from der_gym.simulation.snapshot import Snapshot, check_alike, check_fits, checked_places

Array = np.ndarray
INFO = (
    *(f"reward_{name}" for name in TERMS),
    *(f"yen_{name}" for name in LINES),
    "blocks_passed",
    "blocks_judged",
    "blocks_abandoned",
    "error_kw",
    "true_minus_metered_kwh",
    "actions_clipped",
    "messages_sent",
)


@kernel
def fill_infos(w0, w1, terms, book, outcome, clipped, leaf, table):  # type: ignore[no-untyped-def]
    """Fill ``table`` (len(INFO), n_world) in the order of ``INFO``."""
    for w in range(w0, w1):
        k = 0
        for i in range(terms.shape[1]):
            table[k, w] = terms[w, i]
            k += 1
        for i in range(book.shape[1]):
            table[k, w] = book[w, i]
            k += 1
        passed, judged, abandoned, error, gap, sent = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for b in range(outcome.shape[1]):
            verdict = outcome[w, b, OUTCOME.PASSED]
            judged += 0.0 if np.isnan(verdict) else 1.0
            passed += 0.0 if np.isnan(verdict) else verdict
            error += 0.0 if np.isnan(verdict) else outcome[w, b, OUTCOME.MEAN_ABS_ERROR_KW]
            abandoned += outcome[w, b, OUTCOME.ABANDONED]
            gap += outcome[w, b, OUTCOME.TRUE_MINUS_METERED_KWH]
        for j in range(leaf.shape[1]):
            sent += leaf[w, j, SENDER.N_SENT]
        table[k, w], table[k + 1, w], table[k + 2, w] = passed, judged, abandoned
        table[k + 3, w], table[k + 4, w] = error / max(judged, 1.0), gap
        table[k + 5, w], table[k + 6, w] = clipped[w], sent


class Worlds:
    """``n_world`` worlds of a scenario behind observation, action and reward."""

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario,
        overrides: Mapping[str, Any] | None,
        n_world: int,
        workers: int | None = None,
    ) -> None:
        self.scenario = load(scenario, overrides)
        self.simulator = Simulator(self.scenario, n_world, workers)
        self.layout = Layout.make(self.simulator.structure.leaf_names, self.simulator.nominal_kw)
        self.reward = Reward(self.simulator)
        self.n_world = n_world
        self._where, self._how = self.layout.plan()
        self._message = np.zeros((n_world, self.layout.n_leaf, 3), dtype=np.float32)
        self._message[:, :, 0] = KINDS[HEADS["dispatch"].kind]
        self._ready, self._n_step = False, self.scenario.n_step
        self.clipped = np.zeros(n_world)
        self.step_no = np.zeros(n_world, dtype=np.int64)
        self._obs = np.zeros((n_world, self.layout.size), dtype=np.float32)
        self._extra = np.zeros_like(self.layout.extras(self.simulator.view))
        self._table, self._computes = np.zeros((len(INFO), n_world)), self.layout.computes
        active = self.simulator.step_plan.active
        self.simulator.step_plan.append_stage([*self.reward.scoring(active), self._observing(active), self._telling()])
        low, high = self.layout.bounds()
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.layout.n_leaf,), dtype=np.float32)

    def reset(
        self, mask: Array, generators: Mapping[int, np.random.Generator], options: Mapping[str, Any] | None
    ) -> None:
        """Start new episodes in the worlds of ``mask``."""
        self.simulator.reset(mask, generators, options)
        self.reward.begin(mask)
        self.step_no[mask], self.clipped[mask] = 0, 0.0
        self._see(mask)

    def step(self, action: Any, active: Array) -> Array:
        """Take a decision in the ``active`` worlds; return which of them have reached their end."""
        if not self._ready:
            self._ready = self._check_reset(active)
        ended = np.empty(self.n_world, dtype=bool)
        any_ended = self._take(action, active, ended)
        self.simulator.step(self._message, active, follow=not any_ended)
        if any_ended:  # what they owe is settled first
            self.reward.charge_terminal_debt(ended)
            self.simulator.step_plan.post_step()
        self.reward.finish(active)
        if self._computes:
            self._see(active)
        return ended

    def _check_reset(self, active: Array) -> bool:
        """Refuse worlds that were never reset; return whether all have been."""
        if self.simulator.never[active].any():
            raise InputError("step: called before reset; call reset() first")
        return not self.simulator.never.any()

    def _take(self, action: Any, active: Array, ended: Array) -> bool:
        """Check actions (n_world, n_leaf), cut them to [-1, 1], count them; mark the worlds that end with this one."""
        given = read_action(action, (self.n_world, self.layout.n_leaf), self.layout.leaf_names)
        counted = (self._message, self.clipped, self.step_no, self._n_step, ended)
        at, n_ended = books.take_action(given, active, *counted)
        if at >= 0:
            w, j = divmod(at, self.layout.n_leaf)
            raise InputError(
                f"action: {given[w, j]} in world {w}, entry {j} ({self.layout.leaf_names[j]}); allowed: finite, -1 to 1"
            )
        return bool(n_ended)

    def _observing(self, active: Array) -> Call:
        p = self.simulator.view
        tables = (
            self._where,
            self._how,
            p.world,
            p.block,
            p.leaf,
            self._extra,
            aggregator_view.WORLD.UNIT_KW,
            self._obs,
        )
        return Call(observe, active, *tables, by_world=True)

    def _telling(self) -> Call:
        product, leaf = self.simulator.market.product, self.simulator.network.leaf
        given = (self.reward.terms, product.book, product.outcome, self.clipped, leaf)
        return Call(fill_infos, *given, self._table, by_world=True)

    def _see(self, mask: Array) -> None:
        """Write observations of the worlds of ``mask`` and all infos as they stand between two steps."""
        if self._computes:
            self._extra[:] = self.layout.extras(self.simulator.view)
        self._observing(mask)(0, self.n_world)
        self._telling()(0, self.n_world)

    def observe(self) -> Array:
        """Return the observations, float32 (n_world, size), fresh; a world that takes no step keeps its last one."""
        return self._obs.copy()

    def infos(self) -> dict[str, Array]:
        """Return each info by name, float64 (n_world,), fresh: names in ``INFO`` and one per plug-in reward term."""
        out = dict(zip(INFO, self._table.copy(), strict=True))
        for name, value in self.reward.extra.items():
            out[f"reward_{name}"] = value.copy()
        return out

    def info(self, w: int = 0) -> dict[str, float]:
        """Return the infos of one world as Python floats."""
        out = dict(zip(INFO, self._table[:, w].tolist(), strict=True))
        for name, value in self.reward.extra.items():
            out[f"reward_{name}"] = float(value[w])
        return out

    def _own(self) -> dict[str, Array]:
        """Return the environment's own books by name, each with one row per world."""
        return {**self.reward.arrays(), "clipped": self.clipped, "step_no": self.step_no}

    def snapshot(self, worlds: Sequence[int]) -> tuple[Snapshot, dict[str, Array]]:
        """Return the chosen worlds whole, the environment's own books included."""
        places = checked_places(worlds, self.n_world)
        return self.simulator.snapshot(places), {name: array[places].copy() for name, array in self._own().items()}

    def restore(self, kept: tuple[Snapshot, dict[str, Array]], worlds: Sequence[int]) -> None:
        """Put worlds back, or elsewhere; what cannot be put back is refused by InputError, and nothing is changed."""
        if not isinstance(kept, tuple) or len(kept) < 2 or not isinstance(kept[1], Mapping):
            raise InputError(f"restore: {type(kept).__name__}; allowed: what snapshot() returned")
        places, own = check_fits(kept[0], self.scenario.hash(), self.n_world, worlds), self._own()
        check_alike("snapshot", kept[1], {name: (array, len(places)) for name, array in own.items()})
        self.simulator.restore(kept[0], places)
        for name, array in own.items():
            array[places] = kept[1][name]
        self._see(np.isin(np.arange(self.n_world), places))
