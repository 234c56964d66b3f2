"""Compare two cheaters that sell a surplus with their rules: ``python tests/support/hold_cars.py --seeds 128``.

One holds cars, one aims a quarter of the band too high. docs/money.md has the figures. The rules are the shipped one,
tuned under ``shared``, and one tuned under ``ledger``.
"""

from __future__ import annotations

import argparse

from cheaters import Cheater, HoldCars, SellSurplus

from der_gym.cli.common import console
from der_gym.cli.compare import show
from der_gym.controllers.base import Controller
from der_gym.core.units import DAY_S
from der_gym.evaluation import statistics as st
from der_gym.evaluation.controller_factory import players
from der_gym.evaluation.scoreboard import Scoreboard, evaluate
from der_gym.scenario.config_files import configs

SHIPPED = "merit_order"
TUNED = f"merit_order@{configs() / 'controllers' / 'merit_order' / 'tertiary-1-ledger.yaml'}"


def on(rule: str, kind: type[Cheater]) -> Cheater:
    """Return a cheater on a rule by its name, or its name and file."""
    cheater = kind()
    (cheater.rule,) = players([rule]).values()
    return cheater


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=128)
    parser.add_argument("--variant", default="ledger", choices=["ledger", "shared"])
    parser.add_argument("--split", default="test")
    asked = parser.parse_args()
    cheats: list[tuple[str, Controller]] = [
        (f"{does}, {on_what}", on(rule, kind))
        for does, kind in (("cars held", HoldCars), ("surplus sold", SellSurplus))
        for on_what, rule in (("tuned", TUNED), ("shipped", SHIPPED))
    ]
    overrides = {"reward.variant": asked.variant}
    base = "merit_order@tertiary-1-ledger"
    board = evaluate("tertiary-1", [SHIPPED, TUNED, *cheats], asked.seeds, asked.split, overrides=overrides, base=base)
    show(console(), board)
    for name in ("cars held, tuned", "surplus sold, tuned"):
        print(f"{name}, less its rule; means with 95 % intervals by day")
        compare(board, name, base)


def compare(board: Scoreboard, name: str, base: str) -> None:
    """Print a cheater less its rule: the reward under each variant, and the yen of each ledger line."""
    mine, rule = board.scores[name], board.scores[base]
    day = rule.played.start_abs_s // DAY_S
    for column in ("reward_ledger", "reward_shared", "reward_relative", "profit_yen", "profit_with_lockout_yen"):
        found = st.over_runs((mine.columns[column] - rule.columns[column])[None], day)
        print(f"  {column}: {found.value:+,.3f} [{found.low:,.3f}, {found.high:,.3f}]")
    change = (mine.played.ledger_yen - rule.played.ledger_yen).mean(axis=0)
    for line, yen in zip(mine.played.lines, change, strict=True):
        print(f"  {line}: {yen:+,.0f} yen")


if __name__ == "__main__":
    main()
