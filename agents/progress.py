"""What a training run shows of itself: its score on the validation split against its rule, and its curve as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from der_gym.evaluation.play import EpisodeRunner
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.scenario.load import load


class Validation:
    """Plays policies on the validation split, on the same seeds as their rule.

    Parameters
    ----------
    scenario : str
        A shipped scenario or a YAML file.
    rule : Controller
    n_seed : int
    """

    def __init__(self, scenario: str, rule: Any, n_seed: int) -> None:
        self.stage = EpisodeRunner(load(scenario, {"split": "validation"}))
        self.seeds = seeds_of("validation", n_seed)
        self.on_rule = self.stage.play(rule, self.seeds, run_on=False).reward

    @property
    def rule(self) -> float:
        """Return the rule's mean reward."""
        return float(self.on_rule.mean())

    def row(self, policy: Any) -> dict[str, float]:
        """Return a policy's mean reward, its gain over the rule with standard error, and its share of blocks passed."""
        played = self.stage.play(policy, self.seeds, run_on=False)
        better = played.reward - self.on_rule
        return {
            "validation": float(played.reward.mean()),
            "against_rule": float(better.mean()),
            "against_rule_se": float(better.std() / np.sqrt(len(better))),
            "pass_rate": float(np.nanmean(played.passed)),
        }


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
