"""What all worlds of a scenario share, made once: fleet structure, signals and the pool of days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import HOUR_S
from der_gym.devices import DEVICES
from der_gym.engine import memory
from der_gym.fleet import eligibility, mix, table
from der_gym.fleet.structure import Structure
from der_gym.fleet.tree import DEFAULT_TREES, TreeConfig
from der_gym.network.channels import CHANNELS
from der_gym.scenario.model import Scenario
from der_gym.scenario.settings import SignalSettings
from der_gym.signals.calendar import date_of, day_of
from der_gym.signals.synthetic import synthesise
from der_gym.signals.table import SignalTable
from der_gym.simulation import reference_days as pools
from der_gym.simulation.reference_days import AFTER_DAYS, WARM_UP_DAYS, Pool
from der_gym.simulation.representative_fleet import Sample, build, take_sample


@dataclass(frozen=True)
class ScenarioAssets:
    """Structure, signals and pool of a scenario."""

    scenario: Scenario
    structure: Structure
    signals: SignalTable
    sample: Sample
    pool: Pool


@lru_cache(maxsize=8)
def _made(text: str) -> ScenarioAssets:
    return _make(Scenario.model_validate_json(text))


def scenario_assets(scenario: Scenario) -> ScenarioAssets:
    """Return what the scenario's worlds share; made once per process, the pool once per machine."""
    return _made(scenario.model_dump_json())


def _make(scenario: Scenario) -> ScenarioAssets:
    resources, structure, trees, switched = arrange(scenario)
    signals = read_signals(scenario)
    sample = take_sample(resources, structure, trees, switched)
    structure = replace(structure, row=np.empty((0, 0), np.int32))  # nobody asks for the table's rows any more
    del resources
    memory.trim()  # the table of a million devices takes as much as the engine
    starts_s = tuple(sorted({h * HOUR_S for h in scenario.market.starts_h}))
    made = ScenarioAssets(scenario, structure, signals, sample, _pool(scenario, sample.structure, signals, starts_s))
    return made


def arrange(
    scenario: Scenario,
) -> tuple[table.ResourceTable, Structure, dict[str, TreeConfig], dict[str, list[str]]]:
    """Return a scenario's resources, their structure, the trees and each class's start-stop paths.

    Raises
    ------
    InputError
        For unknown classes or paths, trees that do not fit, units too slow for the product.
    """
    switched = {name: [p for p in CHANNELS if name in scenario.network.path(p).switched] for name in DEVICES}
    trees = {**DEFAULT_TREES, **scenario.groups}
    resources = _table(scenario).metered_at(scenario.market.rules.metering)
    structure = build(resources, trees, switched)
    _refuse_slow(scenario, structure)
    return resources, structure, trees, switched


def _table(scenario: Scenario) -> table.ResourceTable:
    if scenario.resources is not None:
        return table.read_csv(scenario.resources, tuple(DEVICES), tuple(CHANNELS))
    resources = mix.sample_table(scenario.fleet)
    for row in scenario.fleet.mix:
        DEVICES[row.device], CHANNELS[row.path]  # an unknown name raises with the nearest one
    return resources


def _refuse_slow(scenario: Scenario, structure: Structure) -> None:
    """Refuse units whose p95 response is slower than the product."""
    p95 = response_p95_s(scenario, structure)
    names = [structure.path_names[k] for k in structure.cell_path]
    eligibility.refuse(p95, scenario.market.rules.response_time_s, names, scenario.market.product)


def response_p95_s(scenario: Scenario, structure: Structure) -> np.ndarray:
    """Return each cell's 95 % quantile of command to full response, s: path, dead time and ramp of its class."""
    way = {name: scenario.network.path(name).p95_s() for name in structure.path_names}
    own = {name: DEVICES[name].response_p95_s for name in structure.class_names}
    cells = zip(structure.cell_path, structure.cell_class, strict=True)
    return np.array([way[structure.path_names[p]] + own[structure.class_names[c]] for p, c in cells])


def read_signals(scenario: Scenario) -> SignalTable:
    """Return the scenario's signals: made up for the fiscal year, or read from the named files."""
    return _signals(scenario.signals.model_dump_json())


@lru_cache(maxsize=8)
def _signals(text: str) -> SignalTable:
    s = SignalSettings.model_validate_json(text)
    if s.prices or s.demand or s.weather:
        from der_gym.signals.loaders import load_signals  # only where files are named

        whole = load_signals(
            prices=s.prices, demand=s.demand, weather=s.weather, area=s.area, station=s.station, base=s.synthetic
        )
    elif s.start is not None:
        day = day_of(s.start)
        whole = synthesise(s.synthetic, day - WARM_UP_DAYS - 5, day + AFTER_DAYS + 1)
    else:
        return synthesise(s.synthetic)
    return _around(whole, s.start)


def _around(whole: SignalTable, start: str | None) -> SignalTable:
    """Return only the days that a fixed date needs, so that its pool is quickly made."""
    n_day, least = whole.last_day - whole.first_day + 1, WARM_UP_DAYS + AFTER_DAYS + 1
    if n_day < least:
        raise InputError(f"signals: the files share {n_day} days; allowed: {least} or more, with ten of history")
    if start is None:
        return whole
    day = day_of(start)
    first, last = day - WARM_UP_DAYS, day + AFTER_DAYS
    if first < whole.first_day or last > whole.last_day:
        low, high = date_of(whole.first_day + WARM_UP_DAYS), date_of(whole.last_day - AFTER_DAYS)
        raise InputError(f"signals.start {start}: the files allow {low} to {high} (ten days of history before)")
    return whole.days(first, last)


def _pool(scenario: Scenario, structure: Structure, signals: SignalTable, starts_s: tuple[int, ...]) -> Pool:
    settings = {
        "devices": scenario.devices.model_dump(mode="json"),  # type: ignore[attr-defined]
        "pool": scenario.pool.model_dump(),
        "signals": [signals.start_abs_s, float(signals.values.sum(dtype=np.float64))],
        "starts": starts_s,
        "storm": scenario.signals.storm_share,
    }
    name = pools.pool_hash(settings, structure)
    kept = pools.load_pool(name)
    if kept is not None:
        return kept
    keys = np.random.default_rng(scenario.pool.seed).integers(2**32, size=(scenario.pool.n_fleet, 2), dtype=np.uint32)
    made = pools.run_pool(structure, scenario.devices, signals, keys, starts_s, scenario.signals.storm_share)
    pools.keep_pool(name, made)
    pools.load_pool.cache_clear()  # it said that there was none
    return pools.load_pool(name) or made  # as it is kept it takes no memory until it is looked at
