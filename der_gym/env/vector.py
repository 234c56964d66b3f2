"""Many worlds as a native Gymnasium vector environment, with all three autoreset modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from der_gym.core.errors import InputError
from der_gym.core.text import shown
from der_gym.env.render import FPS, Renderer, check_mode, warn_no_mode
from der_gym.env.worlds import Worlds
from der_gym.scenario.model import Scenario
from der_gym.simulation.snapshot import check_alike, checked_places

Array = np.ndarray
MODES = ("rgb_array", "ansi")  # a window shows one world


class DERGroupVectorEnv(gym.vector.VectorEnv[Array, Array, Array]):
    """``num_envs`` worlds of ``DERGroup-v0`` stepped at once; world ``i`` is the single environment of seed + i.

    Infos are float64 (num_envs,). Episodes have ``worlds.scenario.n_step`` decisions; ``spec.max_episode_steps`` is
    None, because that depends on the scenario.

    Parameters
    ----------
    num_envs : int
    scenario, overrides, workers
        As in :class:`der_gym.env.single.DERGroupEnv`.
    autoreset_mode : AutoresetMode or str
        ``NextStep`` (default): the step after an end resets; ``SameStep``: the ending step resets, its last
        observation and info stand in ``infos["final_obs"]`` and ``infos["final_info"]``; ``Disabled``: the caller
        resets with ``reset(options={"reset_mask": mask})``.
    render_mode : str, optional
        ``rgb_array`` or ``ansi``: ``render()`` returns a picture or a text of each world.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Mapping[str, Any] | Scenario = "tertiary-1",
        overrides: Mapping[str, Any] | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        workers: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        check_mode(render_mode, MODES)
        self.render_mode = render_mode
        self.autoreset_mode = _mode(autoreset_mode)
        self.metadata = {"render_modes": list(MODES), "render_fps": FPS, "autoreset_mode": self.autoreset_mode}
        self.worlds = Worlds(scenario, overrides, num_envs, workers)
        self._renderer = Renderer(self.worlds, render_mode) if render_mode is not None else None
        self.layout = self.worlds.layout
        self.num_envs = num_envs
        self.single_observation_space = self.worlds.observation_space
        self.single_action_space = self.worlds.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._all = np.ones(num_envs, dtype=bool)
        self._ended = np.zeros(num_envs, dtype=bool)
        self._generators: dict[int, np.random.Generator] = {}
        self.every_step_tells = True  # else infos are empty, except in steps in which a world ends
        self._masks = tuple(f"_{name}" for name in self.worlds.infos())

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start episodes in all worlds, or in those of ``options["reset_mask"]``."""
        if options is not None and not isinstance(options, Mapping):
            raise InputError(f"reset options: {shown(options)}; allowed: a mapping")
        options = dict(options or {})
        mask = self._checked_mask(options.pop("reset_mask", self._all))
        self._seed(mask, seed)
        self._begin(mask, options)
        self._ended[mask] = False
        return self.worlds.observe(), self._infos(mask)

    def _begin(self, mask: Array, options: dict[str, Any]) -> None:
        self.worlds.reset(mask, self._generators, options)
        if self._renderer is not None:
            self._renderer.begin(mask)

    def _checked_mask(self, given: Any) -> Array:
        """Return a mask of worlds; InputError where it is none, or marks no world."""
        mask = np.asarray(given)
        if mask.dtype != bool or mask.shape != (self.num_envs,) or not mask.any():
            raise InputError(f"reset_mask: {mask.dtype} {mask.shape}; allowed: bool ({self.num_envs},) with a True")
        return mask

    def _seed(self, mask: Array, seed: int | Sequence[int | None] | None) -> None:
        seeds = _seeds(seed, self.num_envs)
        for i in np.flatnonzero(mask):
            if seeds[i] is not None or int(i) not in self._generators:
                self._generators[int(i)] = seeding.np_random(seeds[i])[0]

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Take one decision in every world; see ``autoreset_mode`` for worlds that have ended."""
        again, n_again = self._ended, np.count_nonzero(self._ended)  # half the time of any()
        if n_again and self.autoreset_mode == AutoresetMode.DISABLED:
            raise InputError(f"step: world {int(again.argmax())} has ended; call reset(options={{'reset_mask': mask}})")
        active = ~again
        ended = self.worlds.step(actions, active) if n_again < self.num_envs else np.zeros_like(again)
        if self._renderer is not None:
            self._renderer.note(active)
        if n_again:
            self._begin(again, {})
        reward = self.worlds.reward.reward.copy()  # 0 where no step was taken
        obs, n_ended = self.worlds.observe(), np.count_nonzero(ended)
        infos = self._infos(self._all) if n_ended or self.every_step_tells else {}
        self._ended = ended
        if n_ended and self.autoreset_mode == AutoresetMode.SAME_STEP:
            obs, infos = self._reset_now(ended, obs, infos)
        return obs, reward, np.zeros(self.num_envs, dtype=bool), ended.copy(), infos

    def _reset_now(self, ended: Array, obs: Array, infos: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        final = np.full(self.num_envs, None, dtype=object)
        for w in np.flatnonzero(ended):
            final[w] = obs[w].copy()
        self._begin(ended, {})
        self._ended = np.zeros(self.num_envs, dtype=bool)
        last = {name: np.where(ended, value, 0.0) for name, value in infos.items() if not name.startswith("_")}
        last |= {f"_{name}": ended.copy() for name in last}
        fresh = self._infos(self._all)
        for name, value in infos.items():  # worlds that go on keep their infos
            if not name.startswith("_"):
                fresh[name] = np.where(ended, fresh[name], value)
        fresh |= {"final_obs": final, "_final_obs": ended.copy(), "final_info": last, "_final_info": ended.copy()}
        return self.worlds.observe(), fresh

    def _infos(self, mask: Array) -> dict[str, Any]:
        infos: dict[str, Any] = self.worlds.infos()
        infos.update(dict.fromkeys(self._masks, mask.copy()))  # one for all names: their masks are equal
        return infos

    def render(self) -> tuple[Any, ...] | None:
        """Return one picture, uint8 (480, 800, 3), or text per world; None without ``render_mode``."""
        if self._renderer is None:
            warn_no_mode("make_vec")
            return None
        return tuple(self._renderer.render(w) for w in range(self.num_envs))

    def snapshot(self, worlds: Sequence[int] | None = None) -> Any:
        """Return chosen worlds whole, autoreset flags included."""
        which = range(self.num_envs) if worlds is None else worlds
        return (*self.worlds.snapshot(which), self._ended[list(which)].copy())

    def restore(self, kept: Any, worlds: Sequence[int] | None = None) -> None:
        """Put worlds back, or into other places; a refused snapshot changes nothing.

        Parameters
        ----------
        kept : snapshot
            Of this environment or of another one of the same scenario.
        worlds : sequence of int, optional
            Places, 0..n_world - 1, one for each world of the snapshot; default: all of them.
        """
        which = checked_places(range(self.num_envs) if worlds is None else worlds, self.num_envs, distinct=True)
        flags = kept[2:3] if isinstance(kept, tuple) else ()
        for ended in flags:
            check_alike("snapshot", {"ended": ended}, {"ended": (self._ended, len(which))})
        self.worlds.restore(kept, which)
        self._ended[which] = flags[0] if flags else False
        if self._renderer is not None:
            self._renderer.begin(np.isin(np.arange(self.num_envs), which))
        for w in which:
            self._generators[w] = self.worlds.simulator.generators[w]


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return mode if isinstance(mode, AutoresetMode) else AutoresetMode(mode)
    except ValueError:
        raise InputError(
            f"autoreset_mode: {shown(mode)}; allowed: {', '.join(m.value for m in AutoresetMode)}"
        ) from None


def _seeds(seed: Any, n: int) -> list[int | None]:
    """Return a seed for each world, None for one that goes on; InputError where they are none."""
    if seed is None:
        return [None] * n
    if isinstance(seed, int | np.integer):
        seed = [int(seed) + i for i in range(n)]
    if not isinstance(seed, list | tuple | np.ndarray) or (isinstance(seed, np.ndarray) and seed.ndim != 1):
        raise InputError(f"seed: {shown(seed)}; allowed: a whole number from 0, or one for each world")
    found = list[Any](seed)
    if len(found) != n:
        raise InputError(f"seed: {len(found)} seeds for {n} worlds; allowed: one each, or one number")
    for each in found:
        if each is not None and (not isinstance(each, int | np.integer) or each < 0):
            raise InputError(f"seed: {shown(each)}; allowed: whole numbers from 0, or None")
    return [None if each is None else int(each) for each in found]
