"""Check the cause of every failed block of many episodes: ``python scripts/causes.py tertiary-1 --seeds 256``.

The parts of a cause must add up to the worst window's error; ``meter`` is what the others leave, so it must be small.
The part that names the cause must have the sign of the error, and be a fifth of it or more. Exit code 1 where one of
these does not hold.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable

from der_gym.evaluation.causes import LEAST, NO_CAUSE, NO_COMMAND, Failure
from der_gym.evaluation.scoreboard import evaluate

ROUNDING_KW = 1e-6
MOST_LEFT = 0.1  # of the award
RULES = ("open_loop", "closed_loop", "merit_order", "random")


def faults(one: Failure) -> list[str]:
    """Return what is wrong with the cause of a failed block; nothing where all holds."""
    wrong = []
    if abs(sum(one.parts.values()) - one.worst_kw) > ROUNDING_KW:
        wrong.append("parts do not add up")
    if abs(one.parts["meter"]) >= MOST_LEFT * one.award_kw:
        wrong.append("much is left to the meter")
    if one.cause == NO_CAUSE:
        return wrong
    kw = one.parts["control" if one.cause == NO_COMMAND else one.cause]
    if kw * one.worst_kw <= 0.0:
        wrong.append("opposite sign")
    if abs(kw) < LEAST * abs(one.worst_kw):
        wrong.append("less than a fifth")
    return wrong


def told(name: str, found: Iterable[Failure]) -> Counter[str]:
    """Print a controller's failed blocks by cause; return what is wrong with them."""
    listed = list(found)
    causes = Counter(one.cause for one in listed)
    most = max((abs(one.parts["meter"]) / one.award_kw for one in listed), default=0.0)
    shown = ", ".join(f"{cause} {n}" for cause, n in causes.most_common()) or "none"
    print(
        f"{name}: {len(listed)} failed blocks, at most {most:.1%} of the award left to the meter: {shown}", flush=True
    )
    return Counter(fault for one in listed for fault in faults(one))


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description="Check the causes of failed blocks.")
    parser.add_argument("scenario", nargs="+")
    parser.add_argument("--seeds", type=int, default=256)
    parser.add_argument("--controller", action="append", help="Repeatable; default: the rules.")
    asked = parser.parse_args()
    wrong = Counter[str]()
    for scenario in asked.scenario:
        board = evaluate(scenario, asked.controller or RULES, asked.seeds)
        for name, score in board.scores.items():
            wrong += told(f"{scenario}, {name}", score.failures)
    print("; ".join(f"{n} {what}" for what, n in wrong.items()) or "all causes hold")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
