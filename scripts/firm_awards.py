"""Print the firm award of every shipped scenario beside the award that it has now.

    python scripts/firm_awards.py                       # all scenarios
    python scripts/firm_awards.py tertiary-1 --level 0.9

A line for each window: what the best rule keeps on the train split, and the scenario's own award. Each scenario takes
about a minute the first time; the result is kept in the cache folder.
"""

from __future__ import annotations

import argparse

from der_gym.core.figures import figure
from der_gym.evaluation import firm_award
from der_gym.scenario.load import load, names
from der_gym.services.award import AwardConfig
from der_gym.simulation import award_level
from der_gym.simulation.award_check import award_kw


def lines(name: str, level: float) -> list[str]:
    """Return a line for each service and window of a scenario."""
    scenario, out = load(name, {"split": "train"}), []
    where = award_level.ready(scenario)
    for k, config in enumerate(scenario.services):
        if "award" not in type(config).model_fields:
            out.append(f"{name}, {config.id}: has no award level")
            continue
        asked = config.model_copy(update={"award": AwardConfig(mode="firm", share_of_blocks=level), "award_kw": None})
        services = [asked if j == k else other for j, other in enumerate(scenario.services)]
        table = firm_award.table(load(scenario, {"services": services}), config.id)
        for season, row in table.items():
            for start_h, kw in row.items():
                now = award_kw(where, where.scenario.services[k], season, start_h)
                out.append(f"{name}, {config.id}, {season} {start_h:2d} h: firm {figure(kw)} kW, now {figure(now)} kW")
    return out


def main() -> None:
    """Print the lines of the scenarios asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", default=names())
    parser.add_argument("--level", type=float, default=0.95, help="share of blocks that must pass")
    given = parser.parse_args()
    for name in given.scenario:
        print("\n".join(lines(name, given.level)), flush=True)


if __name__ == "__main__":
    main()
