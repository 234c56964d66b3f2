"""Print what constant changes of a rule's offers by leaf bring, beside a policy.

    python scripts/leaf_constants.py incentive-solar needs_offer agents/zoo/incentive-solar

The tuned rule's offers are multiplied by one constant for each leaf. The constants are searched on training seeds, in
some rounds of single changes with new seeds. Rule, constants and policy then play fresh seeds. A policy that gains no
more than the constants has learned whom to pay, not when.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from gymnasium.utils import seeding

from der_gym.controllers import public_info
from der_gym.controllers.policy import Policy
from der_gym.env.worlds import Worlds
from der_gym.evaluation.controller_factory import players
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.scenario.load import load

Array = np.ndarray
TUNED = Path(__file__).resolve().parents[1] / "configs" / "controllers"
ALL, ONE = (0.7, 0.85, 1.2, 1.4), (0.0, 0.7, 1.3)  # what a round tries for all leaves together, and for each
AT_ONCE = 12  # candidates that play side by side
FRESH = 30_000  # first training seed of the comparison


def play(scenario: str, controller: Any, times: Array, seeds: Sequence[int], split: str, workers: int) -> Array:
    """Return the rewards of a controller whose offers are multiplied by ``times`` (n, n_leaf), (n, n_seed)."""
    n, n_seed = len(times), len(seeds)
    worlds = Worlds(load(scenario, {"split": split}), None, n * n_seed, workers)
    controller.bind(worlds.layout, public_info(worlds))
    head, first, n_leaf = worlds.layout.action.places["offer"]
    own, span = slice(first, first + n_leaf), (head.high - head.low) / 2.0
    factor, every = np.repeat(times, n_seed, axis=0), np.ones(n * n_seed, dtype=bool)
    worlds.reset(every, {w: seeding.np_random(seeds[w % n_seed])[0] for w in range(n * n_seed)}, {})
    total, state, start = np.zeros(n * n_seed), None, every.copy()
    for _ in range(worlds.scenario.n_step):
        action, state = controller.predict(worlds.observe(), state, start)
        yen = ((action[:, own] + 1.0) * span + head.low) * factor
        action[:, own] = np.clip((yen - head.low) / span - 1.0, -1.0, 1.0)
        worlds.step(action, every)
        total, start = total + worlds.reward.reward, ~every
    return total.reshape(n, n_seed)


def candidates(now: Array) -> Array:
    """Return ``now`` (n_leaf,) and its single changes, (n, n_leaf); a leaf at 0 may come back."""
    found = [now, *(now * each for each in ALL)]
    for j in range(len(now)):
        for each in ONE:
            changed = now.copy()
            changed[j] = each * now[j] if now[j] else each
            found.append(changed)
    return np.array(found)


def searched(scenario: str, rule: Any, n_leaf: int, rounds: int, n_seed: int, workers: int) -> Array:
    """Return the best constants, (n_leaf,): each round takes the best single change that is above its error."""
    now = np.ones(n_leaf)
    for k in range(rounds):
        tried, seeds = candidates(now), range(20_000 + 1000 * k, 20_000 + 1000 * k + n_seed)
        parts = [tried[at : at + AT_ONCE] for at in range(0, len(tried), AT_ONCE)]
        got = np.concatenate([play(scenario, rule, part, seeds, "train", workers) for part in parts])
        gain = got - got[0]
        mean, error = gain.mean(axis=1), gain.std(axis=1) / np.sqrt(n_seed)
        best = int(np.argmax(mean))
        if mean[best] <= error[best]:
            break
        now = tried[best]
        print(f"round {k + 1}: {mean[best]:+.4f} (+-{error[best]:.4f}) with {np.round(now, 2).tolist()}", flush=True)
    return now


def main(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario with offers of pay.")],
    rule: Annotated[str, typer.Argument(help="A rule that is tuned for it.")],
    policy: Annotated[str, typer.Argument(help="Folder of a policy.")],
    rounds: Annotated[int, typer.Option(min=1, help="Most rounds of the search.")] = 6,
    seeds: Annotated[int, typer.Option(min=2, help="Training seeds of a candidate.")] = 64,
    fresh: Annotated[int, typer.Option(min=2, help="Seeds of the comparison, on each split.")] = 128,
    workers: Annotated[int, typer.Option(min=1, help="Threads.")] = 1,
) -> None:
    """Print the constants, and what they and the policy gain over the rule."""
    (tuned,) = players([f"{rule}@{TUNED / rule / scenario}.yaml"]).values()
    leaf_names = Worlds(scenario, None, 1, 1).layout.leaf_names
    n_leaf = len(leaf_names)
    times = np.stack([np.ones(n_leaf), searched(scenario, tuned, n_leaf, rounds, seeds, workers)])
    found = zip(leaf_names, np.round(times[1], 3).tolist(), strict=True)
    print(f"leaf_part: {{{', '.join(f'{name}: {part:g}' for name, part in found)}}}")
    for split in ("train", "test"):
        chosen = range(FRESH, FRESH + fresh) if split == "train" else seeds_of(split, fresh)
        base, constant = play(scenario, tuned, times, chosen, split, workers)
        learned = play(scenario, Policy.load(policy), times[:1], chosen, split, workers)[0]
        told = {"constants": constant - base, "policy": learned - base, "policy over constants": learned - constant}
        for name, gain in told.items():
            print(f"{split}, {name}: {gain.mean():+.4f} (+-{gain.std(ddof=1) / np.sqrt(fresh):.4f})", flush=True)


if __name__ == "__main__":
    typer.run(main)
