"""The award of mode ``firm``: what the best rule keeps of the scenario's own list, worked out once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from der_gym.core.figures import figure
from der_gym.engine import cache, closure
from der_gym.evaluation.firm import firm
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.services.award import SEARCHED
from der_gym.signals.calendar import Season

Table = dict[Season, dict[int, float]]
RULES = ("closed_loop", "merit_order")
N_SEED = 8  # episodes per rule, window and award
AWARDS = 12  # awards played per rule and window at most
_FORM = "award 1"


def table(scenario: Scenario, service: str) -> Table:
    """Return the largest award that the best of `RULES` keeps, by season and start hour, kW.

    Played on dates, seeds and homes of the train split, whatever the scenario's. Where a window keeps none at the
    wanted share of blocks, its award is the one that passes most, with one warning.

    Parameters
    ----------
    scenario : Scenario
        Its service ``service`` has an award of mode ``firm``.
    service : str
        Id.
    """
    trained = _searched(scenario, service)
    level = float(scenario.service(service).award.share_of_blocks)  # type: ignore[attr-defined]
    path = _path(trained, service, level)
    kept = None if path is None else _kept(path)
    if kept is None:
        kept = _work_out(trained, service, level)
        if path is not None:
            with cache.new_file(path) as temporary:
                temporary.write_text(json.dumps(kept), encoding="utf-8")
    return {season: {int(h): float(kw) for h, kw in row.items()} for season, row in kept.items()}


def _searched(scenario: Scenario, service: str) -> Scenario:
    """Return the scenario on the train split with an award that the search may scale, without names and titles."""
    own = [c.model_copy(update={"award": SEARCHED}) if c.id == service else c for c in scenario.services]
    return load(scenario, {"services": own, "split": "train", "name": "award", "title": ""})


def _path(scenario: Scenario, service: str, level: float) -> Path | None:
    folder = cache.folder("pools")
    if folder is None:
        return None
    what = f"{_FORM} {closure.key([__name__])} {scenario.hash()} {service} {level} {RULES} {N_SEED} {AWARDS}"
    return folder / f"award-{hashlib.sha256(what.encode()).hexdigest()[:16]}.json"


def _kept(path: Path) -> dict[Any, dict[str, float]] | None:
    try:
        found: dict[Any, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
        {season: {int(h): float(kw) for h, kw in row.items()} for season, row in found.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        cache.warn_unusable(path, error)
        return None
    cache.used(path)
    return found


def _work_out(scenario: Scenario, service: str, level: float) -> dict[Any, dict[str, float]]:
    print(
        f"der_gym: working out the firm award of {service}: {', '.join(RULES)}, {N_SEED} episodes, at most {AWARDS} "
        "awards a window; kept for the next time",
        file=sys.stderr,
    )
    found = firm(scenario, RULES, levels=[level], n_seed=N_SEED, budget=AWARDS, split="train", progress=_tell)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    out: dict[Any, dict[str, float]] = {}
    for season, start_h in dict.fromkeys((row["season"], row["start_h"]) for row in found.awards):
        own = [r for r in found.awards if (r["season"], r["start_h"]) == (season, start_h)]
        kw = max(row["firm_kw"] for row in own)
        if kw == 0.0:
            kw = _most_passed(found.passed, season, start_h, level)
        out.setdefault(season, {})[str(start_h)] = kw
    return out


def _most_passed(passed: list[dict[str, Any]], season: str, start_h: int, level: float) -> float:
    own = [row for row in passed if (row["season"], row["start_h"]) == (season, start_h)]
    best = max(own, key=lambda row: row["pass_rate"])
    warnings.warn(
        f"award: firm: no award passes {100 * level:g} % of blocks in {season} from {start_h} h; "
        f"{figure(best['award_kw'])} kW passes most, {100 * best['pass_rate']:.0f} %",
        stacklevel=2,
    )
    return float(best["award_kw"])


def _tell(what: str, done: float) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K  {what}, {100 * done:.0f} % of this round", end="", file=sys.stderr, flush=True)
