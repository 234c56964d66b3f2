"""Golden hashes: observations and rewards of a few steps of every shipped scenario, to the bit.

They change with every change of physics, of a default or of the order of a sum. Where that was meant, write them anew
and say why in the commit:

    python tests/support/golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

from worlds import trace

from der_gym.scenario.load import names

FILE = Path(__file__).with_name("golden.json")
SEED, N_STEP = 1, 30


PLAN = "tertiary-1 with the forecast plan"  # the small worlds of the others take the plan of like days


def current(name: str) -> str:
    """Return the hash of a scenario as the code has it now."""
    if name == PLAN:
        return trace("tertiary-1", {"plan.method": "forecast"}, SEED, N_STEP)
    return trace(name, {}, SEED, N_STEP)


def every() -> list[str]:
    """Return the names of all that is on record."""
    return sorted([*names(), PLAN])


def main() -> None:
    """Write the file anew."""
    hashes = {name: current(name) for name in every()}
    FILE.write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
    print(FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
