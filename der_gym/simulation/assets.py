"""The assets that all worlds of a scenario share, made once: fleet structure, signals and reference days."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.files import contents
from der_gym.core.units import HOUR_S
from der_gym.devices import DEVICES, with_trait
from der_gym.engine import memory
from der_gym.fleet import eligibility, mix, table
from der_gym.fleet.structure import Structure
from der_gym.fleet.tree import DEFAULT_TREES, TreeConfig
from der_gym.network.channels import CHANNELS
from der_gym.scenario.config_files import shipped_splits
from der_gym.scenario.model import Scenario
from der_gym.scenario.settings import SignalSettings
from der_gym.signals.calendar import date_of, day_of
from der_gym.signals.synthetic import FIRST_DAY, LAST_DAY, SyntheticConfig, synthesise
from der_gym.signals.table import SignalTable
from der_gym.simulation.claims import node_leaves
from der_gym.simulation.reference_days import AFTER_DAYS, WARM_UP_DAYS, Pool, joined, run_pool
from der_gym.simulation.reference_days_file import keep_pool, load_pool, pool_name, wanted
from der_gym.simulation.representative_fleet import Sample, build, take_sample


@dataclass(frozen=True, eq=False)
class ScenarioAssets:
    """Structure, signals and pool of a scenario, and the scenario's hash as its files were.

    ``pool_name`` is the key of the pool on disk; None where it is not kept. ``notes`` tell what a list left out.
    """

    scenario: Scenario
    structure: Structure
    signals: SignalTable
    sample: Sample
    pool: Pool
    made_of: str
    pool_name: str | None = None
    notes: tuple[str, ...] = ()

    def __deepcopy__(self, memo: object) -> ScenarioAssets:
        """Return the assets themselves: nothing writes into them."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a pickle hold the scenario alone."""
        return _same_assets, (self.scenario, self.made_of)


def _same_assets(scenario: Scenario, made_of: str) -> ScenarioAssets:
    """Return a scenario's assets; InputError where its files are not those of the pickle."""
    found = scenario_assets(scenario)
    if found.made_of != made_of:
        raise InputError(f"pickle: the files of scenario {scenario.name} have changed since it was written")
    return found


@lru_cache(maxsize=8)
def _made(text: str, _files: tuple[str, ...]) -> ScenarioAssets:
    return _make(Scenario.model_validate_json(text))


def scenario_assets(scenario: Scenario) -> ScenarioAssets:
    """Return the assets of a scenario, made once for each content of its files; reference days are kept on disk."""
    return _made(scenario.model_dump_json(), contents(scenario.files()))


def _make(scenario: Scenario) -> ScenarioAssets:
    resources, structure, trees, switched = arrange(scenario)
    notes = _filled_in(scenario, resources)
    signals = read_signals(scenario)
    keys = fleet_keys(scenario)
    sample = take_sample(resources, structure, trees, switched, scenario.devices, keys)
    structure = replace(structure, row=np.empty((0, 0), np.int32))  # the table's rows are not needed any more
    del resources
    memory.trim()  # the table of a million devices takes as much as the engine
    starts_s = tuple(sorted({h * HOUR_S for h in scenario.episode.starts_h}))
    settings = _pool_settings(scenario, sample.structure, signals, starts_s) | {"keys": keys.tolist()}
    name = pool_name(settings, *sample.structures)
    pool = _pool(name, scenario, sample.structures, signals, keys, starts_s)
    return ScenarioAssets(scenario, structure, signals, sample, pool, scenario.hash(), name, notes)


def _filled_in(scenario: Scenario, resources: table.ResourceTable) -> tuple[str, ...]:
    """Return a line where ratings of one's own list are drawn; settings that draw all devices draw theirs anyhow."""
    n = int(np.isnan(resources.rated_kw).sum())
    if scenario.resources is None or n == 0:
        return ()
    return (f"{scenario.resources}: rated_kw of {n:,} of {len(resources):,} devices is not given and drawn",)


def arrange(
    scenario: Scenario,
) -> tuple[table.ResourceTable, Structure, dict[str, TreeConfig], dict[str, list[str]]]:
    """Return a scenario's resources, their structure, the trees and each class's start-stop paths.

    Raises
    ------
    InputError
        For unknown classes or paths, trees that do not fit, units too slow for the product.
    """
    switched = {name: _switched(scenario, name) for name in DEVICES}
    trees = {**DEFAULT_TREES, **scenario.groups}
    resources, points = _table(scenario), {config.metering for config in scenario.services}
    if len(points) == 1:  # else each device keeps the point that it is registered at
        resources = resources.metered_at(*points)
    structure = build(resources, trees, switched)
    _refuse_slow(scenario, structure)
    return resources, structure, trees, switched


def _switched(scenario: Scenario, name: str) -> list[str]:
    """Return the channels by which a class can only be started and stopped, of its own and of the settings."""
    own = DEVICES[name].traits.switched_on
    return [p for p in CHANNELS if p in own or name in scenario.network.path(p).switched]


def read_resources(path: str | Path) -> table.ResourceTable:
    """Return a list of resources from a CSV file, with the registered classes and paths; see `table.read_csv`."""
    japanese = {DEVICES[name].japanese: name for name in DEVICES}
    return table.read_csv(path, tuple(DEVICES), tuple(CHANNELS), words=japanese)


def _table(scenario: Scenario) -> table.ResourceTable:
    if scenario.resources is not None:
        return read_resources(scenario.resources)
    resources = mix.sample_table(scenario.fleet, with_trait("host"), with_trait("guest"))
    for row in scenario.fleet.mix:
        DEVICES[row.device], CHANNELS[row.path]  # an unknown name raises with the nearest one
    return resources


def _refuse_slow(scenario: Scenario, structure: Structure) -> None:
    """Refuse units whose p95 response is slower than the product."""
    p95 = response_p95_s(scenario, structure)
    names = [structure.path_names[k] for k in structure.cell_path]
    for config in scenario.services:
        if (limit_s := getattr(config, "response_time_s", None)) is not None:
            held = node_leaves(structure, config)[structure.cell_leaf]
            own = [name for name, within in zip(names, held, strict=True) if within]
            eligibility.refuse(p95[held], limit_s, own, config.id)


def response_p95_s(scenario: Scenario, structure: Structure) -> np.ndarray:
    """Return each cell's 95 % quantile of command to full response, s: channel, dead time and ramp of its class."""
    own = {name: DEVICES[name].response_s(getattr(scenario.devices, name)) for name in structure.class_names}
    cells = [
        (structure.path_names[p], structure.class_names[c])
        for p, c in zip(structure.cell_path, structure.cell_class, strict=True)
    ]
    found = {cell: scenario.network.path(cell[0]).p95_s(own[cell[1]]) for cell in set(cells)}
    return np.array([found[cell] for cell in cells])


def read_signals(scenario: Scenario) -> SignalTable:
    """Return the scenario's signals: made up for the fiscal year, or read from the named files."""
    settings, year = scenario.signals, shipped_splits()[scenario.split].year
    if year > 1 and not (settings.prices or settings.demand or settings.weather):  # files are a year of their own
        other = settings.synthetic.model_copy(update={"seed": settings.synthetic.seed + _YEAR * (year - 1)})
        settings = settings.model_copy(update={"synthetic": other})
    return _signals(settings.model_dump_json(), contents(settings.files()))


_YEAR = 1_000_003  # between the seeds of synthetic years


@lru_cache(maxsize=8)
def _signals(text: str, _files: tuple[str, ...]) -> SignalTable:
    s = SignalSettings.model_validate_json(text)
    if s.prices or s.demand or s.weather:
        from der_gym.signals.loaders import load_signals  # only where files are named

        whole = load_signals(
            prices=s.prices, demand=s.demand, weather=s.weather, area=s.area, station=s.station, base=s.synthetic
        )
    elif s.start is not None:
        whole = _made_up(s.synthetic, s.start)
    else:
        return synthesise(s.synthetic)
    return _around(whole, s.start)


def _made_up(config: SyntheticConfig, start: str) -> SignalTable:
    """Return made-up days around a fixed date; InputError, with the dates allowed, where there are none."""
    before, after, day = WARM_UP_DAYS + 5, AFTER_DAYS + 1, day_of(start)
    if not FIRST_DAY + before <= day <= LAST_DAY - after:
        low, high = date_of(FIRST_DAY + before), date_of(LAST_DAY - after)
        raise InputError(f"signals.start {start}: made-up signals allow {low} to {high}")
    return synthesise(config, day - before, day + after)


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


def fleet_keys(scenario: Scenario) -> np.ndarray:
    """Return the keys of the pool's fleets, uint32 (n_fleet, 2); each split has its own, so that no home is shared."""
    size = (scenario.pool.n_fleet, 2)
    homes = shipped_splits()[scenario.split].homes if scenario.pool.homes == "split" else 0
    seed = [scenario.pool.seed, homes] if homes else scenario.pool.seed
    return np.random.default_rng(seed).integers(2**32, size=size, dtype=np.uint32)


def _pool(
    name: str | None,
    scenario: Scenario,
    structures: tuple[Structure, ...],
    signals: SignalTable,
    keys: np.ndarray,
    starts_s: tuple[int, ...],
) -> Pool:
    structure, storm = structures[0], scenario.signals.storm_share
    like = wanted(structure, keys, signals.first_day, signals.last_day - signals.first_day + 1, starts_s)
    kept = load_pool(name, like) if name is not None else None
    if kept is not None:
        return kept
    days = f"reference days of {structure.n_cell:,} groups of devices of one class and path"
    memory.check_room(days, sum(array.nbytes for array in like.values()))
    each = [keys] if len(structures) == 1 else np.split(keys, len(keys))
    made = joined(
        run_pool(fleet, scenario.devices, signals, own, starts_s, storm)
        for fleet, own in zip(structures, each, strict=True)
    )
    if name is None:
        return made
    keep_pool(name, made)
    return load_pool(name, like) or made  # as read from disk it takes no memory until it is used


def _pool_settings(
    scenario: Scenario, structure: Structure, signals: SignalTable, starts_s: tuple[int, ...]
) -> dict[str, Any]:
    """Return all settings that shape the pool: of the classes in use, of homes and owners, and the signals' bits."""
    devices = scenario.devices.model_dump(mode="json")
    idle = set(DEVICES) - set(structure.class_slice)
    return {
        "devices": {name: value for name, value in devices.items() if name not in idle},
        "pool": scenario.pool.model_dump(),
        "signals": [signals.start_abs_s, hashlib.sha256(signals.values.tobytes()).hexdigest()],
        "starts": starts_s,
        "storm": scenario.signals.storm_share,
    }
