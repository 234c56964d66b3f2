"""What a scenario is called on screens and pages: its title, or what its devices are where they are others."""

from __future__ import annotations

from pathlib import Path

from der_gym.core.text import one_line
from der_gym.scenario.load import load, names
from der_gym.scenario.model import Scenario
from der_gym.simulation.assets import scenario_assets


def title(scenario: Scenario) -> str:
    """Return the scenario's title; of a shipped one whose fleet was changed the number of devices and their file."""
    if not _tells_of_others(scenario):
        return scenario.title
    of = f" of {one_line(Path(scenario.resources).name)}" if scenario.resources else ""
    n = scenario_assets(scenario).structure.n_device
    return f"{n:,} device{'' if n == 1 else 's'}{of}"


def _tells_of_others(scenario: Scenario) -> bool:
    """Return whether the title is that of a shipped scenario with another fleet."""
    shipped = (load(name) for name in sorted(names(), key=lambda name: name != scenario.name))
    of = next((each for each in shipped if each.title == scenario.title), scenario)
    return (of.resources, of.fleet) != (scenario.resources, scenario.fleet)
