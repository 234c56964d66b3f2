"""``der-gym validate``: what a file is, and whether it can be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from der_gym.cli import common
from der_gym.core.errors import InputError
from der_gym.fleet.resources import ResourceTable
from der_gym.scenario.load import load
from der_gym.simulation.assets import arrange, read_resources

KINDS = {".yaml": "scenario", ".yml": "scenario", ".csv": "resources"}


def validate(file: Path) -> None:
    """Print what the file is, its figures and 'ok'; InputError names the first fault."""
    kind = KINDS.get(file.suffix.lower())
    if kind is None:
        raise InputError(f"{file}: suffix {file.suffix!r}; allowed: .yaml or .yml (scenario), .csv (resources)")
    lines = _scenario(file) if kind == "scenario" else _resources(file)
    common.tell("\n".join([f"{file}: {kind}", *lines, "ok"]))


def _scenario(file: Path) -> list[str]:
    scenario = load(file)
    resources, structure, _, _ = arrange(scenario)
    e, services = scenario.episode, ", ".join(config.id for config in scenario.services)
    hours = scenario.horizon_s / 3600
    lines = [f"  {scenario.name}: {scenario.title}".rstrip(": "), *_counts(resources)]
    lines.append(f"  {structure.n_leaf} leaves: {', '.join(structure.leaf_names)}")
    lines.append(
        f"  {services}; {e.n_block} blocks from {', '.join(str(h) for h in e.starts_h)} h, episodes of "
        f"{hours:g} h, {scenario.n_step} decisions, ticks of {scenario.tick_s} s"
    )
    lines.append(f"  settings {scenario.hash()}; the award is checked against the days when the scenario first runs")
    return lines


def _resources(file: Path) -> list[str]:
    return _counts(read_resources(file))


def _counts(resources: ResourceTable) -> list[str]:
    lines = [f"  {len(resources):,} resources at {len(resources.site.names):,} sites"]
    for column in ("class", "path", "maker_cloud"):
        labels = resources.labels(column)
        counted = zip(labels.list_names(), np.bincount(labels.codes, minlength=len(labels.names)), strict=True)
        lines.append(f"  by {column}: " + ", ".join(f"{name} {n:,}" for name, n in sorted(counted)))
    return lines
