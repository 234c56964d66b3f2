"""Compare the cheater that holds cars with its rule: ``python tests/support/hold_cars.py --seeds 128``.

docs/money.md has its figures. The rules are the shipped one, tuned under ``shared``, and one tuned under ``ledger``.
"""

from __future__ import annotations

import argparse

from cheaters import Cheater, HoldCars

from der_gym.cli.common import console
from der_gym.cli.compare import show
from der_gym.controllers.base import Controller
from der_gym.evaluation.controller_factory import players
from der_gym.evaluation.scoreboard import evaluate
from der_gym.scenario.config_files import configs

SHIPPED = "merit_order"
TUNED = f"merit_order@{configs() / 'controllers' / 'merit_order' / 'tertiary-1-ledger.yaml'}"


def on(rule: str) -> Cheater:
    """Return the cheater on a rule by its name, or its name and file."""
    cheater = HoldCars()
    (cheater.rule,) = players([rule]).values()
    return cheater


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=128)
    parser.add_argument("--variant", default="ledger", choices=["ledger", "shared"])
    asked = parser.parse_args()
    cheats: list[tuple[str, Controller]] = [("cars held, tuned", on(TUNED)), ("cars held, shipped", on(SHIPPED))]
    overrides = {"reward.variant": asked.variant}
    base = "merit_order@tertiary-1-ledger"
    board = evaluate("tertiary-1", [SHIPPED, TUNED, *cheats], asked.seeds, overrides=overrides, base=base)
    show(console(), board)
    played, rule = board.scores["cars held, tuned"].played, board.scores[base].played
    for line, yen in zip(played.lines, (played.ledger_yen - rule.ledger_yen).mean(axis=0), strict=True):
        print(f"{line}: {yen:+,.0f} yen, cars held less the rule, both tuned under ledger")


if __name__ == "__main__":
    main()
