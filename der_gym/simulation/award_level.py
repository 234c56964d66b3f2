"""From the level of an award in the settings to kW of the scenario's own list."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.services.base import ServiceConfig
from der_gym.signals.calendar import Season
from der_gym.simulation.assets import ScenarioAssets, scenario_assets
from der_gym.simulation.award_check import samples, window_kw
from der_gym.simulation.claims import node_leaves
from der_gym.simulation.representative_fleet import nominal_kw

Table = dict[Season, dict[int, float]]
# Firm power is found by play, which stands in layers above this one: the module is loaded when a scenario asks for it.
FIRM = "der_gym.evaluation.firm_award"


def ready(scenario: Scenario) -> ScenarioAssets:
    """Return the assets of a scenario whose awards are all in kW of its list; ``scenario`` of them has those."""
    return with_awards(scenario_assets(scenario))


def with_awards(assets: ScenarioAssets) -> ScenarioAssets:
    """Return assets whose scenario has all awards in kW; the same ones where it has already."""
    if not any(_open(config) for config in assets.scenario.services):
        return assets
    return _settled(assets.scenario.model_dump_json(), assets.made_of)


@lru_cache(maxsize=8)
def _settled(text: str, _made_of: str) -> ScenarioAssets:
    assets = scenario_assets(Scenario.model_validate_json(text))
    services = [_in_kw(assets, config) for config in assets.scenario.services]
    settled = load(assets.scenario, {"services": services})
    return replace(assets, scenario=settled, made_of=settled.hash())


def _open(config: ServiceConfig) -> bool:
    award = getattr(config, "award", None)
    return award is not None and award.mode != "kw"


def _in_kw(assets: ScenarioAssets, config: Any) -> ServiceConfig:
    if not _open(config):
        return config  # type: ignore[no-any-return]
    table = _firm(assets.scenario, config) if config.award.mode == "firm" else _share(assets, config)
    award = config.award.model_copy(update={"mode": "kw", "kw": table})
    settled: ServiceConfig = config.model_copy(update={"award": award})
    return settled


def _firm(scenario: Scenario, config: Any) -> Table:
    table: Callable[[Scenario, str], Table] = importlib.import_module(FIRM).table
    return table(scenario, config.id)


def _share(assets: ScenarioAssets, config: Any) -> Table:
    """Return the share of rated or available power by season and start hour, kW."""
    episode, least = assets.scenario.episode, config.least_kw()
    seasons = [season for season in episode.seasons if len(samples(assets, season))]
    return {
        season: {h: max(config.award.share * _power_kw(assets, config, season, h), least) for h in episode.starts_h}
        for season in seasons
    }


def _power_kw(assets: ScenarioAssets, config: Any, season: Season, start_h: int) -> float:
    if config.award.of == "rated":
        leaves = node_leaves(assets.structure, config)
        rated_kw = nominal_kw(assets.sample, assets.structure, assets.scenario.devices, assets.pool.keys[0])
        return float(rated_kw[leaves].sum()) * float(config.share)
    blocks = list(config.callable_blocks(start_h, assets.scenario.episode.n_block))
    return float(window_kw(assets, config, season, start_h, 0.0)[blocks].min())
