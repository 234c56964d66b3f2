"""``DERGroup-v0``: one world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from der_gym.core.errors import InputError
from der_gym.env.observation.layout import field_table
from der_gym.env.render import FPS, MODES, Renderer, check_mode, warn_no_mode
from der_gym.env.worlds import Worlds
from der_gym.scenario.model import Scenario

Array = np.ndarray

MANUAL = """Dispatch a group of distributed energy resources into a balancing market.

    ## Description

    An aggregator holds an award: reserved upward power for six hours. The market's request moves within the award;
    the group must follow its ramp-limited trajectory with *response* = plan - power, as the meter sees it. The
    aggregator sends fractions to the leaves of its control tree over slow and lossy paths and sees late telemetry.

    ## Action space

    ``Box(-1, 1, (n,), float32)``: the entries of the scenario's heads (``action.heads``), one per leaf each. The head
    ``dispatch``, alone by default, sets per leaf the fraction of its rated upward (+) or downward (-) swing; 0 leaves
    its devices on their own schedule. A message goes out only when the fraction moves by more than 2 %, the path's
    least interval has passed and quota is left. ``env.unwrapped.layout.action`` names the entries;
    ``layout.encode(dict(dispatch=...))`` makes an action from values in the heads' units.

    ## Observation space

    ``Box(float32)``. Values read 1 at the unit in the table (``award``: the episode's award; ``nominal``: the leaf's
    rated swing; ``fleet``: the sum over leaves). ``env.unwrapped.layout.decode(obs, name)`` gives units back.

{fields}

    ## Rewards

    Change of the ledger's yen over that of a group that follows every request exactly, skill of the response, comfort,
    lock-out and debt. That group is a yardstick, not the bound: ``der-gym evaluate --bound`` searches the best episode.
    Every term stands in ``info`` as ``reward_*``, every line as ``yen_*``; all are float64. ``messages_sent`` counts
    what the action sent, once for each leaf. The environment itself tells stores to stand by: ``yen_message`` pays for
    those messages too.
    ``reward.variant`` is ``shared`` (so far described), ``ledger`` (the books: yen alone, the whole lock-out) or
    ``relative`` (shared less what an idle group gets on the same seed; each reset then plays an idle episode, which
    about doubles the simulated steps).
    ``reward.credit: window`` advances a block's penalty as its windows are judged; the episode's sum is the same.

    ## Start and end

    ``reset`` draws date (from the scenario's split), start hour, fleet and luck; ``options={{"date": "2026-08-03",
    "start_h": 14}}`` fixes them. The episode is truncated after its last unawarded block, never terminated: a learner
    should bootstrap; the clock is observed. The length depends on the scenario, so ``spec.max_episode_steps`` is None:
    ``env.unwrapped.worlds.scenario.n_step`` is the number of decisions.

    ## Rendering

    ``render_mode="rgb_array"``: ``render()`` returns the present moment as a picture, uint8 (480, 800, 3): the episode
    so far (request, target, the band that passes, response), a row per leaf, money and reward. ``"human"`` shows the
    same in a window at each step (needs pygame: ``pip install 'der_gym[viz]'``). ``"ansi"``: lines of text. Pictures
    are for people: what is marked ``metered (hindsight)`` the aggregator does not know, and no observation holds it.
    Past a ``restore``, the curves begin anew.

    ## Arguments

    ``scenario`` (name, YAML path or dict), ``overrides`` (dotted keys), ``workers`` (threads), ``render_mode``.

    ## Versions

    v0: first.
    """


class DERGroupEnv(gym.Env[Array, Array]):
    metadata = {"render_modes": list(MODES), "render_fps": FPS}  # noqa: RUF012  gymnasium's own form

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario = "tertiary-1",
        overrides: Mapping[str, Any] | None = None,
        workers: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        check_mode(render_mode)
        self.render_mode = render_mode
        self.worlds = Worlds(scenario, overrides, 1, workers)
        self._renderer = Renderer(self.worlds, render_mode) if render_mode is not None else None
        self.layout = self.worlds.layout
        self.observation_space = self.worlds.observation_space
        self.action_space = self.worlds.action_space
        self._one = np.ones(1, dtype=bool)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode; returns observation and info.

        Parameters
        ----------
        seed : int, optional
            Luck of this and later episodes.
        options : dict, optional
            ``date`` ("YYYY-MM-DD") and ``start_h`` (an hour of ``episode.starts_h``) in place of drawn ones.
        """
        super().reset(seed=seed)
        self.worlds.reset(self._one, {0: self.np_random}, options)
        if self._renderer is not None:
            self._renderer.begin(self._one)
        return self._observation(), self._info()

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Take one decision; returns observation, reward, terminated (never), truncated, info.

        Raises
        ------
        InputError
            For an action that is none, and where the episode has ended or never begun.
        """
        if self.worlds.action.step_no[0] >= self.worlds.action.n_step:
            raise InputError("step: the episode has ended; call reset() first")
        ended = self.worlds.step(action[None] if isinstance(action, np.ndarray) else [action], self._one)
        if self._renderer is not None:
            self._renderer.note(self._one)
        return self._observation(), float(self.worlds.reward.reward[0]), False, bool(ended[0]), self._info()

    def render(self) -> Array | str | None:
        """Return the present moment as ``render_mode`` says; see the class."""
        if self._renderer is None:
            warn_no_mode("make")
            return None
        return self._renderer.render(0)

    def close(self) -> None:
        """Close the window, if any."""
        if self._renderer is not None:
            self._renderer.close()

    def _observation(self) -> Array:
        obs: Array = self.worlds.observe()[0]
        return obs

    def _info(self) -> dict[str, Any]:
        return self.worlds.info()

    def snapshot(self) -> Any:
        """Return the world whole."""
        return self.worlds.snapshot([0])

    def restore(self, kept: Any) -> None:
        """Put a world back, to the bit; also one that a vector environment's ``snapshot`` took."""
        self.worlds.restore(kept, [0])
        self.np_random = self.worlds.simulator.generators[0]
        if self._renderer is not None:
            self._renderer.begin(self._one)

    def fork(self) -> DERGroupEnv:
        """Return another environment with a copy of this world; it renders nothing."""
        twin = DERGroupEnv(self.worlds.scenario)
        twin.restore(self.snapshot())
        return twin


DERGroupEnv.__doc__ = MANUAL.format(fields="\n".join("    " + line for line in field_table().splitlines()))
