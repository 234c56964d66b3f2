"""Print what owners add to a step: the same homes commanded alone, and with offers of pay, in turns.

    python scripts/owners_cost.py incentive-evening tertiary-1-both

Each kind of worlds takes some steps in turn, so that a machine that slows down slows all of them. Commands are drawn
anew every five minutes where there are commands; the rule is the tuned one of the scenario. A figure is the mean over
an episode, the median of several; neither resets nor the rule's own time count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from gymnasium.utils import seeding

from der_gym.controllers import public_info
from der_gym.env.worlds import Worlds
from der_gym.evaluation.controller_factory import players

Array = np.ndarray
HELD = 5  # decisions for which drawn commands are held
RULES = {"incentive": "needs_offer", "both": "offers_and_commands"}
TUNED = Path(__file__).resolve().parents[1] / "configs" / "controllers"


class Played:
    """Worlds under one kind of control.

    Parameters
    ----------
    scenario : str
    control : str or None
        In place of the scenario's own.
    act : callable
        ``act(worlds)`` gives ``action(obs, k)``.
    n_world, workers : int
    """

    def __init__(self, scenario: str, control: str | None, act: Callable[..., Any], n_world: int, workers: int) -> None:
        changes = {"split": "train"} | ({"control": control} if control else {})
        self.worlds = Worlds(scenario, changes, n_world, workers)
        self.every, self.spent, self.k = np.ones(n_world, dtype=bool), list[float](), 0
        self.action, self.obs = act(self.worlds), np.zeros((0, 0), np.float32)
        self._reset()

    def turn(self, n_step: int) -> None:
        """Take steps, and note the seconds of one."""
        if self.k + n_step > self.worlds.scenario.n_step:
            self._reset()
        spent = 0.0
        for _ in range(n_step):
            action = self.action(self.obs, self.k)
            began = time.perf_counter()
            self.worlds.step(action, self.every)
            self.obs = self.worlds.observe()
            spent += time.perf_counter() - began
            self.k += 1
        self.spent.append(spent / n_step)

    def _reset(self) -> None:
        self.worlds.reset(self.every, {w: seeding.np_random(w)[0] for w in range(self.worlds.n_world)}, {})
        self.obs, self.k = self.worlds.observe(), 0


def drawn(yen: float) -> Callable[[Worlds], Callable[[Array, int], Array]]:
    """Return players that offer one price to every leaf, and draw commands where there are commands."""

    def act(worlds: Worlds) -> Callable[[Array, int], Array]:
        layout, rng = worlds.layout, np.random.default_rng(0)
        value = layout.encode({"offer": yen} if "offer" in layout.action.places else {})
        action, commands = np.repeat(value[None], worlds.n_world, axis=0), layout.action.places.get("dispatch")

        def play(obs: Array, k: int) -> Array:
            if commands and k % HELD == 0:
                _, first, n = commands
                action[:, first : first + n] = rng.uniform(0.0, 0.3, (len(action), n))
            return action

        return play

    return act


def ruled(scenario: str) -> Callable[[Worlds], Callable[[Array, int], Array]]:
    """Return players by the rule that is tuned for a scenario."""

    def act(worlds: Worlds) -> Callable[[Array, int], Array]:
        name = RULES[worlds.scenario.control]
        (rule,) = players([f"{name}@{TUNED / name / scenario}.yaml"]).values()
        rule.bind(worlds.layout, public_info(worlds))
        memory: dict[str, Any] = {}

        def play(obs: Array, k: int) -> Array:
            start = np.full(worlds.n_world, k == 0)
            action, memory["state"] = rule.predict(obs, None if k == 0 else memory["state"], start)
            return np.asarray(action)

        return play

    return act


def main(
    scenarios: Annotated[list[str], typer.Argument(help="Shipped scenarios with offers of pay.")],
    yen: Annotated[float, typer.Option(min=0, help="Offer, yen/kWh.")] = 20.0,
    worlds: Annotated[int, typer.Option(min=1, help="Worlds side by side.")] = 64,
    workers: Annotated[int, typer.Option(min=1, help="Threads.")] = 1,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of each kind.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Steps of a turn.")] = 30,
) -> None:
    """Print a table."""
    print("| | us a world and step | against commands alone |")
    print("|---|---|---|")
    for scenario in scenarios:
        kinds: dict[str, tuple[str | None, Any]] = {"commands alone": ("dispatch", drawn(0.0))}
        kinds |= {"no offers": (None, drawn(0.0)), "offers by rule": (None, ruled(scenario))}
        kinds |= {f"{yen:g} yen to all always": (None, drawn(yen))}
        played = {name: Played(scenario, control, act, worlds, workers) for name, (control, act) in kinds.items()}
        n_turn = played["no offers"].worlds.scenario.n_step // steps
        for _ in range(episodes * n_turn):
            for each in played.values():
                each.turn(steps)
        spent = np.array([each.spent for each in played.values()]).reshape(len(kinds), episodes, n_turn).mean(axis=2)
        for name, own in zip(kinds, spent, strict=True):
            more = np.median(own / spent[0]) - 1.0
            print(f"| {scenario}, {name} | {np.median(own) / worlds * 1e6:.1f} | {100 * more:+.0f} % |", flush=True)


if __name__ == "__main__":
    typer.run(main)
