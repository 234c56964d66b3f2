"""What a training run shows of itself: its score on the validation split against its rule, and its curve as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from der_gym.evaluation.play import EpisodeRunner
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.scenario.variations import varied

SHIPPED = "shipped"  # the variation that changes nothing


def with_owners_of(scenario: str, variation: str, split: str) -> Scenario:
    """Return a scenario on a split, with the owners of a variation.

    Parameters
    ----------
    scenario : str
        A shipped scenario or a YAML file.
    variation : str
        ``shipped`` or one of `der_gym.scenario.variations.VARIATIONS`.
    split : str
    """
    made = load(scenario, {"split": split})
    return made if variation == SHIPPED else varied(made, variation)


class Validation:
    """Plays policies on the validation split, on the same seeds as their rule.

    Parameters
    ----------
    scenario : str
        A shipped scenario or a YAML file.
    rule : Controller
    n_seed : int
    variations : sequence of str
        Each seed is played with the owners of each of them.
    """

    def __init__(self, scenario: str, rule: Any, n_seed: int, variations: Sequence[str] = (SHIPPED,)) -> None:
        self.stages = {
            name: EpisodeRunner(with_owners_of(scenario, name, "validation")) for name in dict.fromkeys(variations)
        }
        self.seeds = seeds_of("validation", n_seed)
        self.on_rule = np.array([played.reward for played in self._plays(rule)])

    @property
    def rule(self) -> float:
        """Return the rule's mean reward."""
        return float(self.on_rule.mean())

    def row(self, policy: Any) -> dict[str, float]:
        """Return a policy's mean reward, its gain over the rule with standard error, and its share of blocks passed.

        Where there are several variations, the gain in each stands behind them. The error is over seeds: it takes the
        mean over variations as one figure of a seed.
        """
        plays = self._plays(policy)
        better = np.array([played.reward for played in plays]) - self.on_rule
        mean = better.mean(axis=0)
        row = {
            "validation": float(np.mean([played.reward for played in plays])),
            "against_rule": float(mean.mean()),
            "against_rule_se": float(mean.std() / np.sqrt(len(mean))),
            "pass_rate": _mean_known(np.array([played.passed for played in plays])),
        }
        each = zip(self.stages, better.mean(axis=1), strict=True) if len(plays) > 1 else ()
        return row | {f"against_rule_{name}": float(gain) for name, gain in each}

    def _plays(self, controller: Any) -> list[Any]:
        return [stage.play(controller, self.seeds, run_on=False) for stage in self.stages.values()]


def to_csv(rows: list[dict[str, float]]) -> str:
    """Return rows as CSV; a column that a row lacks is empty there."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def horizon(gamma: float, gae_lambda: float, decision_s: float, hold: int = 1) -> str:
    """Return a line on how far ahead a learner looks: 1 / (1 - gamma * lambda) actions.

    Parameters
    ----------
    gamma, gae_lambda : float
        Discount and decay of generalised advantage estimation, 0..1; the latter is 1 where there is none.
    decision_s : float
        Time between two decisions, s.
    hold : int
        Decisions for which an action is held.
    """
    n = hold / max(1.0 - gamma * gae_lambda, 1e-12)
    return f"effective horizon: {n:,.1f} decisions, {n * decision_s / 60:,.0f} min (1 / (1 - gamma * lambda))"


def _mean_known(values: np.ndarray) -> float:
    """Return the mean of what is no NaN; NaN where nothing is: services that judge no block."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
