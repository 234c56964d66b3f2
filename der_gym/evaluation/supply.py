"""The supply curve of owners: kW that answer an offer, by price, class of device and hour of the day.

A day runs without offers. At each hour the worlds are kept, every price is offered to all for a while, and the worlds
are put back. The answer is the difference of power to the same worlds without an offer, over the last part of the
while. So the curve is that of an event which begins at that hour, with its notice; it holds no exhaustion.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium.utils import seeding

from der_gym.core.errors import InputError
from der_gym.devices.owners.behaviour import STATE
from der_gym.engine.tables import FLEET
from der_gym.env.worlds import Worlds
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.scenario.model import Scenario

Array = np.ndarray
_ANSWER = STATE.ANSWER
LAST_MIN = 15  # minutes at the end over which the answer is averaged


@dataclass(frozen=True)
class Supply:
    """Curves of a scenario.

    Attributes
    ----------
    scenario : Scenario
    classes : tuple of str
    hours : tuple of int
        Hours of the day.
    prices : tuple of float
        yen/kWh; below 0 for drawing more.
    kw : float64 (n_hour, n_class, n_price)
        Mean answer of the fleet's devices of each class, kW, in the direction of the offer.
    opted_in : float64 (n_hour, n_class, n_price)
        Their rated power whose owners take part at the end, over all.
    """

    scenario: Scenario
    classes: tuple[str, ...]
    hours: tuple[int, ...]
    prices: tuple[float, ...]
    kw: Array
    opted_in: Array

    def csv(self) -> str:
        """Return one line for each hour, class and price."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["hour", "class", "yen_per_kwh", "kw", "opted_in"])
        for h, hour in enumerate(self.hours):
            for c, name in enumerate(self.classes):
                for p, price in enumerate(self.prices):
                    writer.writerow([hour, name, price, f"{self.kw[h, c, p]:.3f}", f"{self.opted_in[h, c, p]:.4f}"])
        return out.getvalue()


def supply(
    scenario: Scenario,
    prices: Sequence[float] = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0),
    n_seed: int = 8,
    minutes: int = 60,
    every_h: int = 2,
    split: str = "test",
    workers: int | None = None,
) -> Supply:
    """Measure the supply curves of the hours of the scenario's window.

    Parameters
    ----------
    scenario : Scenario
        With offers.
    prices : sequence of float
        yen/kWh, within the head's bounds.
    n_seed : int
        Worlds, >= 1.
    minutes : int
        Length of each offer, notice included, 16..240.
    every_h : int
        Hours between two curves, >= 1.
    split : str
    workers : int, optional
        Threads.

    Raises
    ------
    InputError
        For a scenario without offers, a price that the head does not offer, a length out of range.
    """
    if scenario.offers is None:
        raise InputError(f"supply: control is {scenario.control!r}; allowed: a scenario with control incentive or both")
    if not LAST_MIN < minutes <= 240:
        raise InputError(f"supply: minutes {minutes}; allowed: {LAST_MIN + 1} to 240")
    worlds = Worlds(scenario, None, n_seed, workers)
    every = np.ones(n_seed, dtype=bool)
    generators = {i: seeding.np_random(seed)[0] for i, seed in enumerate(seeds_of(split, n_seed))}
    start_h = scenario.episode.starts_h[0]
    worlds.reset(every, generators, {"start_h": start_h})
    st, steps_h = worlds.simulator.structure, 3600 // scenario.decision_s
    last = (scenario.n_step * scenario.decision_s - minutes * 60) // 3600
    hours = range(start_h, start_h + last + 1, every_h)
    shape = (len(hours), len(st.class_slice), len(prices))
    kw, opted = np.zeros(shape), np.zeros(shape)
    for h in range(len(hours)):
        kept = worlds.snapshot(range(n_seed))
        idle = _play(worlds, 0.0, minutes)[0]
        for p, price in enumerate(prices):
            worlds.restore(kept, range(n_seed))
            power, opted[h, :, p] = _play(worlds, price, minutes)
            kw[h, :, p] = (idle - power) * np.sign(price)
        worlds.restore(kept, range(n_seed))
        if h < len(hours) - 1:
            _play(worlds, 0.0, every_h * steps_h * scenario.decision_s // 60)
    named = tuple(hour % 24 for hour in hours)
    return Supply(scenario, tuple(st.class_slice), named, tuple(map(float, prices)), kw, opted)


def _play(worlds: Worlds, price: float, minutes: int) -> tuple[Array, Array]:
    """Offer a price to all for a while; return each class's mean power at the end, kW, and its share of opted-in."""
    sim, every = worlds.simulator, np.ones(worlds.n_world, dtype=bool)
    action = np.repeat(worlds.layout.encode({"offer": price})[None], worlds.n_world, axis=0)
    n_step, tail = minutes * 60 // worlds.scenario.decision_s, max(LAST_MIN * 60 // worlds.scenario.decision_s, 1)
    spans = list(sim.structure.class_slice.values())
    power = np.zeros(len(spans))
    for k in range(n_step):
        worlds.step(action, every)
        if k >= n_step - tail:
            drawn = sim.fleet.fleet[:, FLEET.POWER_KW].sum(axis=0, dtype=np.float64) / worlds.n_world
            power += np.array([drawn[lo:hi].sum() for lo, hi in spans]) / tail
    rated = sim.fleet.fleet[:, FLEET.RATED_KW].astype(np.float64)
    answer = sim.fleet.behaviours.asking[0][:, _ANSWER] > 0
    share = [(rated * answer)[:, lo:hi].sum() / max(rated[:, lo:hi].sum(), 1e-9) for lo, hi in spans]
    return power, np.array(share)
