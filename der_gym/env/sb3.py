"""The worlds as a Stable-Baselines3 vector environment: one engine steps them all, no process and no copy per world."""

from __future__ import annotations

import time
import types
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode

from der_gym.core.errors import InputError, unknown
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.scenario.model import Scenario

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv
else:
    VecEnv = object  # the real one brings torch with it, so it is added when the first environment is made

Array = np.ndarray
Infos = list[dict[str, Any]]
METHODS = ("snapshot", "restore")


@lru_cache(maxsize=8)
def _joined(cls: type) -> type:
    """Return ``cls`` with Stable-Baselines3's base class added."""
    try:
        from stable_baselines3.common.vec_env import VecEnv as Base
    except ImportError:
        raise InputError("stable_baselines3 is not installed; install it with: pip install 'der_gym[train]'") from None
    return types.new_class(cls.__name__, (cls, Base), exec_body=lambda body: body.update(__module__=cls.__module__))


class DERGroupSB3VecEnv(VecEnv):
    """``n_envs`` worlds for Stable-Baselines3; equal to ``DummyVecEnv`` over ``Monitor(DERGroupEnv(...))``, but faster.

    World ``i`` is the single environment of seed + i. Where an episode ends, the info holds ``terminal_observation``,
    ``TimeLimit.truncated`` and Monitor's ``episode``: ``r`` (sum of rewards), ``l`` (steps), ``t`` (s since the start).

    Parameters
    ----------
    n_envs : int
        Worlds, >= 1.
    scenario, overrides, workers
        As in :class:`der_gym.env.single.DERGroupEnv`.
    infos : str
        ``all``: every step's info of every world. ``ends``: one empty dict for all worlds but in steps in which a world
        ends, which is when Stable-Baselines3's learners read them; a tenth of the time of a step is saved.

    Raises
    ------
    InputError
        Where Stable-Baselines3 is not installed, and as the single environment does.

    Notes
    -----
    ``seed(s)`` and ``set_options(...)`` act at the next ``reset``. All worlds share one environment: ``get_attr`` and
    ``set_attr`` act on that one; ``env_method`` takes ``snapshot`` and ``restore`` of a world. A restored world keeps
    the running sums of ``episode``, as with a Monitor around it.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> DERGroupSB3VecEnv:
        """Return an instance that is a VecEnv too."""
        made: DERGroupSB3VecEnv = object.__new__(_joined(cls))
        return made

    def __init__(
        self,
        n_envs: int = 1,
        scenario: str | Path | Mapping[str, Any] | Scenario = "tertiary-1",
        overrides: Mapping[str, Any] | None = None,
        workers: int | None = None,
        infos: str = "all",
    ) -> None:
        if infos not in ("all", "ends"):
            raise unknown("infos", infos, ("all", "ends"))
        self._all_infos = infos == "all"
        self.native = DERGroupVectorEnv(n_envs, scenario, overrides, AutoresetMode.SAME_STEP, workers)
        self.native.every_step_tells = self._all_infos
        self._actions = np.zeros((0, 0), dtype=np.float32)
        self._return, self._length = np.zeros(n_envs), np.zeros(n_envs, dtype=np.int64)
        self._made_s = time.time()
        super().__init__(n_envs, self.native.single_observation_space, self.native.single_action_space)

    def reset(self) -> Array:
        """Start an episode in every world, with the seeds and options set before; return the observations."""
        if all(options == self._options[0] for options in self._options):
            obs, infos = self.native.reset(seed=self._seeds, options=self._options[0])
        else:
            obs, infos = self._reset_each()
        self.reset_infos = _rows(infos)
        self._return[:], self._length[:] = 0.0, 0
        self._reset_seeds()
        self._reset_options()
        return obs

    def _reset_each(self) -> tuple[Array, dict[str, Any]]:
        """Reset world by world, each with its own options."""
        for i, options in enumerate(self._options):
            mask = np.arange(self.num_envs) == i
            obs, infos = self.native.reset(seed=self._seeds, options={**options, "reset_mask": mask})
        return obs, infos

    def step_async(self, actions: Array) -> None:
        """Keep the actions, (n_envs, n_leaf), for ``step_wait``."""
        self._actions = actions

    def step_wait(self) -> tuple[Array, Array, Array, Infos]:
        """Take the step; return observations, rewards (float32), dones and one info per world."""
        obs, reward, _, dones, infos = self.native.step(self._actions)
        self._return += reward
        self._length += 1
        any_done = np.count_nonzero(dones) > 0  # a quarter of the time of any()
        if not (self._all_infos or any_done):
            return obs, reward.astype(np.float32), dones, [{}] * self.num_envs
        rows = _rows(infos)
        for row in rows:
            row["TimeLimit.truncated"] = False
        if any_done:
            self._end(dones, rows, infos)
        return obs, reward.astype(np.float32), dones, rows

    def _end(self, dones: Array, rows: Infos, infos: dict[str, Any]) -> None:
        """Put the last step's info of the worlds that have ended in the place of their first one's."""
        last = _rows(infos["final_info"])
        for i in np.flatnonzero(dones):
            self.reset_infos[i] = {key: value for key, value in rows[i].items() if key != "TimeLimit.truncated"}
            total, length = float(self._return[i]), int(self._length[i])
            rows[i] = last[i] | {
                "TimeLimit.truncated": True,
                "terminal_observation": infos["final_obs"][i],
                "episode": {"r": round(total, 6), "l": length, "t": round(time.time() - self._made_s, 6)},
            }
        self._return[dones], self._length[dones] = 0.0, 0

    def close(self) -> None:
        """Close the environment."""
        self.native.close()

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """Return an attribute of the environment once per world asked for.

        Parameters
        ----------
        attr_name : str
        indices : int or iterable of int, optional
            Worlds, 0..n_world - 1; default: all.
        """
        value = getattr(self.native, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        """Set an attribute for all worlds; for some of them alone it raises InputError.

        Parameters
        ----------
        attr_name : str
        value : object
        indices : int or iterable of int, optional
            All worlds; default: all.
        """
        chosen = sorted(self._get_indices(indices))
        if chosen != list(range(self.num_envs)):
            raise InputError(f"set_attr {attr_name}: worlds {chosen}; allowed: all {self.num_envs}, which share it")
        setattr(self.native, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: int | Iterable[int] | None = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call ``snapshot()`` or ``restore(kept)`` for each of the worlds and return what the calls return.

        Parameters
        ----------
        method_name : str
            ``"snapshot"`` or ``"restore"``.
        indices : int or iterable of int, optional
            Worlds, 0..n_world - 1; default: all.
        """
        if method_name not in METHODS:
            raise unknown("env_method", method_name, METHODS)
        method = getattr(self.native, method_name)
        return [method(*method_args, worlds=[int(i)], **method_kwargs) for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: int | Iterable[int] | None = None) -> list[bool]:
        """Return True for ``Monitor``, whose ``episode`` stands in the infos, else False.

        Parameters
        ----------
        wrapper_class : type
        indices : int or iterable of int, optional
            Worlds, 0..n_world - 1; default: all.
        """
        from stable_baselines3.common.monitor import Monitor

        return [issubclass(Monitor, wrapper_class) for _ in self._get_indices(indices)]


def _rows(infos: Mapping[str, Any]) -> Infos:
    """Return a vector environment's infos as one dict of floats per world."""
    names = [name for name in infos if not name.startswith(("_", "final_"))]
    table = np.array([infos[name] for name in names]).T.tolist()
    return [dict(zip(names, row, strict=True)) for row in table]
