"""Owners' bills by a real twin: the same luck without award, standby and commands, metered at the homes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from der_gym.controllers import CONTROLLERS, bound
from der_gym.engine.tables import FLEET, SITE
from der_gym.env.worlds import Worlds
from der_gym.scenario.model import Scenario

Array = np.ndarray


def begun(scenario: Scenario, seeds: Sequence[int], standby: bool = True) -> Worlds:
    """Return worlds at the start of their episodes; without ``standby`` all stores follow their own schedules."""
    worlds = Worlds(scenario, None, len(seeds), 1)
    worlds.reset(np.ones(len(seeds), dtype=bool), {i: np.random.default_rng(seed) for i, seed in enumerate(seeds)}, {})
    if not standby:
        worlds.simulator.market.planner.standing[:] = False
        worlds.simulator.fleet.fleet[:, FLEET.STANDBY] = 0.0
    return worlds


def bills_yen(worlds: Worlds, controller: str) -> Array:
    """Play to the end; return what all homes paid for energy, yen (n_world,), metered every minute at the homes."""
    sim, costs, n = worlds.simulator, worlds.scenario.costs, worlds.n_world
    every, yen, state, start = np.ones(n, dtype=bool), np.zeros(n), None, np.ones(n, dtype=bool)
    rule = bound(CONTROLLERS[controller](), worlds)
    for k in range(worlds.scenario.n_step):
        action, state = rule.predict(worlds.observe(), state, start)
        start = ~every
        worlds.step(action, every)
        net = sim.fleet.site[:, SITE.NET_KW].reshape(n, -1).astype(np.float64)
        hour = (sim.market.episode.start_h + k // 60) % 24
        night = (hour < 7) | (hour >= 23)
        retail = np.where(night, costs.retail_night_yen_kwh, costs.retail_day_yen_kwh)
        yen += (np.maximum(net, 0).sum(axis=1) * retail - np.maximum(-net, 0).sum(axis=1) * costs.export_yen_kwh) / 60
    return yen


def kept_kwh(worlds: Worlds) -> Array:
    """Return the AC kWh that stores, tanks and cars save their homes from now on, (n_world,)."""
    sim, total = worlds.simulator, np.zeros(worlds.n_world)
    for own in sim.fleet.classes.values():
        total += _KEPT[own.device.name](own).reshape(worlds.n_world, -1).sum(axis=1)
    return total


def _battery(own) -> Array:  # type: ignore[no-untyped-def]
    return own.energy[:, own.device.energy.ENERGY_KWH] * own.params[:, own.device.params.EFFICIENCY]


def _heater(own) -> Array:  # type: ignore[no-untyped-def]
    cop = np.maximum(own.state[:, own.device.state.COP], 1.0)
    return own.energy[:, own.device.energy.HEAT_KWH] / cop


def _car(own) -> Array:  # type: ignore[no-untyped-def]
    return own.register("charged_kwh")


_KEPT: dict[str, Callable[..., Array]] = {"battery": _battery, "ecocute": _heater, "ev": _car}
