"""What the single and the vector environment share: worlds, layout, reward, infos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from der_gym.core.errors import InputError
from der_gym.envs.heads import HEADS
from der_gym.envs.layout import Layout, observe
from der_gym.envs.reward import TERMS, Reward
from der_gym.markets.settlement import ABANDONED, LINES, MEAN_ABS, PASSED
from der_gym.devices.behaviour import KINDS
from der_gym.scenario import Scenario, load
from der_gym.simulation import public
from der_gym.simulator import Simulator, Snapshot

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
        self.clipped = np.zeros(n_world)
        self.step_no = np.zeros(n_world, dtype=np.int64)
        low, high = self.layout.bounds()
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.layout.n_leaf,), dtype=np.float32)

    def reset(self, mask: Array, generators: Mapping[int, np.random.Generator], options: Mapping[str, Any] | None) -> None:
        """Start new episodes in the worlds of ``mask``."""
        self.simulator.reset(mask, generators, options)
        self.reward.begin(mask)
        self.step_no[mask], self.clipped[mask] = 0, 0.0

    def step(self, action: Array, active: Array) -> Array:
        """Take a decision in the ``active`` worlds; return which of them have reached their end."""
        if self.simulator.never[active].any():
            raise InputError("step: called before reset; call reset() first")
        self._take(action, active)
        self.simulator.step(self._message, active)
        self.step_no[active] += 1
        ended: Array = active & (self.step_no >= self.scenario.n_step)
        self.reward.step(active, ended)
        return ended

    def _take(self, action: Array, active: Array) -> None:
        """Check actions (n_world, n_leaf), cut them to [-1, 1], count what was cut."""
        try:
            given = np.asarray(action, dtype=np.float32)
        except (TypeError, ValueError):
            raise InputError(f"action: {type(action).__name__} is no array of numbers") from None
        if given.shape != (self.n_world, self.layout.n_leaf):
            raise InputError(
                f"action: shape {given.shape}; allowed: {(self.n_world, self.layout.n_leaf)}, one fraction per leaf "
                f"({', '.join(self.layout.leaf_names)})"
            )
        wrong = ~np.isfinite(given) & active[:, None]
        if wrong.any():
            w, j = (int(i[0]) for i in np.nonzero(wrong))
            raise InputError(
                f"action: {given[w, j]} in world {w}, entry {j} ({self.layout.leaf_names[j]}); allowed: finite, -1 to 1"
            )
        cut = np.minimum(np.maximum(given, np.float32(-1.0)), np.float32(1.0))
        self.clipped[active] += (cut != given).sum(axis=1)[active]
        self._message[:, :, 1] = cut

    def observe(self, out: Array, active: Array) -> Array:
        """Write the active worlds' observations into ``out``, float32 (n_world, size), and return it."""
        p = self.simulator.public
        extra = self.layout.extras(p)
        observe(active, self._where, self._how, p.world, p.block, p.leaf, extra, public.UNIT, out)
        return out

    def infos(self) -> dict[str, Array]:
        """Return each info by name, float64 (n_world,); names in ``INFO`` and one per plug-in reward term."""
        product = self.simulator.desk.product
        out = {f"reward_{name}": self.reward.terms[:, k] for k, name in enumerate(TERMS)}
        out |= {f"reward_{name}": value for name, value in self.reward.extra.items()}
        out |= {f"yen_{name}": product.book[:, k] for k, name in enumerate(LINES)}
        verdict = product.outcome[:, :, PASSED]
        judged = ~np.isnan(verdict)
        out["blocks_passed"] = np.where(judged, verdict, 0.0).sum(axis=1)
        out["blocks_judged"] = judged.sum(axis=1).astype(np.float64)
        out["blocks_abandoned"] = product.outcome[:, :, ABANDONED].sum(axis=1)
        out["error_kw"] = product.outcome[:, :, MEAN_ABS].sum(axis=1) / np.maximum(out["blocks_judged"], 1.0)
        out["true_minus_metered_kwh"] = product.outcome[:, :, -1].sum(axis=1)
        out["actions_clipped"] = self.clipped
        out["messages_sent"] = self.simulator.wires.leaf[:, :, 9].sum(axis=1)
        return out

    def snapshot(self, worlds: list[int]) -> tuple[Snapshot, dict[str, Array]]:
        """Return the chosen worlds whole, the environment's own books included."""
        own = {**self.reward.arrays(), "clipped": self.clipped, "step_no": self.step_no}
        return self.simulator.snapshot(worlds), {name: array[worlds].copy() for name, array in own.items()}

    def restore(self, kept: tuple[Snapshot, dict[str, Array]], worlds: list[int]) -> None:
        """Put worlds back, or elsewhere."""
        self.simulator.restore(kept[0], worlds)
        own = {**self.reward.arrays(), "clipped": self.clipped, "step_no": self.step_no}
        for name, array in own.items():
            array[worlds] = kept[1][name]
