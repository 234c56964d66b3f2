"""The simulator: many worlds of one scenario, stepped at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S, DAY_S
from der_gym.engine import parallel, tables
from der_gym.engine.program import Program, share
from der_gym.scenario.model import Scenario
from der_gym.simulation import metering
from der_gym.simulation.aggregator_view import Public
from der_gym.simulation.assets import ground
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.market_session import RUN_ON_S, Desk
from der_gym.simulation.meters import Tallies
from der_gym.simulation.network_runtime import Wires
from der_gym.simulation.reset import Opening
from der_gym.simulation.snapshot import Snapshot, put, take
from der_gym.simulation.step_plan import MINUTE_S, Steps

Array = np.ndarray


class Simulator:
    """Step ``n_world`` worlds of a scenario.

    Parameters
    ----------
    scenario : Scenario
    n_world : int
        Worlds, >= 1; each has its own key, date, clock and weather.
    workers : int, optional
        Threads; the result does not depend on it. Default: as many as pay.
    by_device : bool
        Whether registers that only add up (energy through a battery, starts ...) are kept for every device, at 60
        bytes each; else their sum of each class.

    Attributes
    ----------
    public : Public
        All that an aggregator knows now.
    desk : Desk
        Awards, requests, plans and the product with its outcome and book.
    fleet, wires : Fleet, Wires
        The truth; no observation may read it.
    """

    def __init__(
        self, scenario: Scenario, n_world: int = 1, workers: int | None = None, by_device: bool = False
    ) -> None:
        if n_world < 1:
            raise InputError(f"n_world: {n_world}; allowed: 1 or more")
        self.scenario, self.n_world, self.by_device = scenario, n_world, by_device
        self.ground = ground(scenario)
        st = self.structure = self.ground.structure
        receiving = scenario.market.rules.metering == "receiving"
        self.fleet = Fleet(st, scenario.devices, n_world, scenario.horizon_s, by_device, receiving)
        kinds = set(scenario.devices.behaviour.kinds) - {"dispatch"}  # type: ignore[attr-defined]
        n_day = (scenario.horizon_s + RUN_ON_S) // DAY_S + 2
        self.wires = Wires(st, scenario.network, n_world, scenario.decision_s, n_day, bool(kinds))
        self.desk = Desk(scenario, st, self.ground.signals, self.ground.pool, n_world, self.ground.sample)
        self.public = Public(n_world, st.n_leaf)
        self.generators = [np.random.default_rng() for _ in range(n_world)]
        tolerance = scenario.devices.behaviour.meter_tolerance  # type: ignore[attr-defined]
        self.tallies = Tallies(self.fleet, self.desk.receiving, tolerance)
        self.never = np.ones(n_world, dtype=bool)  # worlds never reset
        self.heard_tick: list[Callable[[], None]] = []  # who listens hears each tick's end, each minute's once settled
        self.heard_minute: list[Callable[[], None]] = []
        self.nominal_kw = self._nominal()
        per_worker = max(1, parallel.WORTH_A_THREAD * 2 // 3)
        most = max(1, self.fleet.n_all * st.n_place // per_worker)
        self.workers = min(workers or parallel.default_workers(), most, self.fleet.n_all)
        # What is shown of the plan: the plan itself, but by the minute in the ablation without plan error.
        self._shown_kw = np.zeros_like(self.desk.plan_kw) if self.desk.perfect else self.desk.plan_kw
        self._debtors = np.zeros(n_world, dtype=bool)
        self._gauged = np.zeros((self.fleet.n_all, st.n_cell, tables.N_GAUGE))
        gauge = self.fleet.measuring(self._debtors, self._gauged)
        self._gauge = Program(gauge, n_world, self.fleet.n_shard, self.workers)
        parts = (scenario, self.fleet, self.wires, self.desk, self.tallies, self.public)
        self.steps = Steps(*parts, self.nominal_kw, self._shown_kw, self.workers)
        place, pool = self.ground.sample.place, self.ground.pool
        self._open = Opening(self.fleet, self.wires, self.tallies, pool, place, self.workers)

    def _nominal(self) -> Array:
        """Return each leaf's rated swing, kW, from the pool's first fleet: the unit of its action and telemetry."""
        small = self.ground.sample
        one = Fleet(small.structure, self.scenario.devices, 1, 1.0)
        one.keys[:, :2] = self.ground.pool.keys[0]
        share(one.drawing(np.ones(1, dtype=bool)), 1, 1)
        rated, st = one.fleet[0, tables.RATED_KW], small.structure
        cells = np.array([rated[lo:hi].sum(dtype=np.float64) for lo, hi in zip(st.cell_lo, st.cell_hi, strict=True)])
        return np.bincount(st.cell_leaf, cells * small.scale[: st.n_cell], minlength=st.n_leaf)

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on, by name."""
        parts = (self.fleet, self.wires, self.desk, self.public, self.tallies)
        return {name: array for part in parts for name, array in part.arrays().items()}

    # -- reset ---------------------------------------------------------------------------------------------------

    def reset(
        self, mask: Array, generators: Mapping[int, np.random.Generator], options: Mapping[str, Any] | None = None
    ) -> None:
        """Start a new episode in the worlds of ``mask``.

        Parameters
        ----------
        mask : bool (n_world,)
        generators : mapping
            World -> its generator, for every world of ``mask``.
        options : mapping, optional
            ``date`` ("YYYY-MM-DD") and ``start_h`` (an hour of ``market.starts_h``) instead of drawn ones.
        """
        fleet, desk = self.fleet, self.desk
        desk.check(options or {})
        which = np.flatnonzero(mask)
        for w in which:
            self.generators[w] = generators[int(w)]
            fleet.keys[w, 2:] = self.generators[w].integers(2**32, size=2, dtype=np.uint32)
            desk.choose(int(w), self.generators[w], options or {})
            fleet.keys[w, :2] = self.ground.pool.keys[desk.fleet_no[w]]
        fleet.t_s[mask] = 0.0
        fleet.abs_s[mask] = desk.start_abs_s()[mask]
        desk.begin(mask, [self.generators[w] for w in which])
        self.steps.context(mask, self.scenario.tick_s)(0, self.n_world)
        self._open(mask, self.ground.pool.at(desk.fleet_no, desk.day0, fleet.abs_s))
        self.never[mask] = False
        self.steps.whole.load()
        if desk.perfect:
            self._fill_perfect(mask)
        self._show(mask)

    def _fill_perfect(self, mask: Array) -> None:
        """Run the twin: the same worlds without commands, to their end; its power is the perfect plan."""
        before = {name: array.copy() for name, array in self.arrays().items()}
        n_minute = self.desk.perfect_kw.shape[1]
        self.steps.active[:] = mask
        kw = np.zeros((self.n_world, n_minute))
        for minute in range(n_minute):
            for _ in range(MINUTE_S // self.scenario.tick_s):
                self.steps.tick()
            kw[:, minute] = self.tallies.minute_kw[:, metering.TRUE] / (MINUTE_S // self.scenario.tick_s)
            self.tallies.minute_kw[mask] = 0.0
        for name, array in self.arrays().items():
            array[:] = before[name]
        self.desk.perfect_kw[mask] = kw[mask]
        self._publish_plan_perfect(mask)

    def _publish_plan_perfect(self, mask: Array) -> None:
        means = self.desk.perfect_kw.reshape(self.n_world, self.desk.n_block, -1).mean(axis=2)
        self.desk.plan_kw[mask] = means[mask]

    # -- step ----------------------------------------------------------------------------------------------------

    def step(self, message: Array, active: Array, follow: bool = True) -> None:
        """Send the leaves' messages and advance the ``active`` worlds to the next decision.

        Parameters
        ----------
        message : float32 (n_world, n_leaf, 3)
            kind, a, b per leaf; see ``core.units`` for the sign of a.
        active : bool (n_world,)
            Other worlds change no bit.
        follow : bool
            Whether the calls that follow a step are made (see `Steps.follow`); else the caller runs ``steps.after``.
        """
        self.steps.active[:], self.steps.message[:] = active, message
        if follow and not (self.desk.perfect or self.heard_tick or self.heard_minute):
            self.steps.whole()
            return
        self._step_in_parts()
        if follow:
            self.steps.after()

    def _step_in_parts(self) -> None:
        """Take a step with what only Python does: let listeners hear, show the twin's plan."""
        self.steps.opening()
        for k in range(n_tick := self.scenario.decision_s // self.scenario.tick_s):
            self.steps.tick()
            for hear in self.heard_tick:
                hear()
            if k == n_tick - 1:
                self.steps.book()
            self.steps.settle()
            for hear in self.heard_minute if self.steps.minute.ends.any() else []:
                hear()
        self.steps.freeze()
        self._show(self.steps.active)

    def _show(self, active: Array) -> None:
        """Write the public table of the ``active`` worlds."""
        self.steps.active[:] = active
        if self.desk.perfect:
            self._show_perfect()
        self.steps.publish()

    def _show_perfect(self) -> None:
        """Show for the running block what the twin drew in the last minute: what is seen belongs to it."""
        desk, w = self.desk, np.arange(self.n_world)
        minute = np.clip((self.fleet.t_s // MINUTE_S).astype(np.int64) - 1, 0, desk.perfect_kw.shape[1] - 1)
        block = np.minimum(self.fleet.t_s // BLOCK_S, desk.n_block - 1).astype(np.int64)
        self._shown_kw[:] = desk.plan_kw
        self._shown_kw[w, block] = desk.perfect_kw[w, minute]

    # -- after the end, copies -----------------------------------------------------------------------------------

    def run_on(self, active: Array, seconds: int = RUN_ON_S) -> None:
        """Run the ``active`` worlds on without messages and market, as an evaluation does after the end."""
        self.steps.active[:] = active
        for _ in range(seconds // MINUTE_S):
            self.steps.run_on()
        self.tallies.minute_kw[active] = 0.0

    def debt_kwh(self, active: Array | None = None) -> Array:
        """Return what stores lack at this moment for their next need, electric kWh, float64 (n_world,).

        Worlds that are not ``active`` (default: all are) have 0.
        """
        active = np.ones(self.n_world, dtype=bool) if active is None else active
        self._debtors[:], self._gauged[:] = active, 0.0
        self._gauge()
        total: Array = self._gauged[:, :, tables.DEBT_KWH].reshape(self.n_world, -1).sum(axis=1)
        return total

    def snapshot(self, worlds: Sequence[int] | None = None) -> Snapshot:
        """Return the chosen worlds whole; ``restore`` puts them back, or elsewhere, to the bit."""
        which = list(range(self.n_world)) if worlds is None else list(worlds)
        return take(self.scenario.hash(), self.arrays(), self.n_world, which, self.generators)

    def restore(self, snapshot: Snapshot, worlds: Sequence[int] | None = None) -> None:
        """Put a snapshot's worlds into the given places of this simulator, one for one."""
        which = list(range(self.n_world)) if worlds is None else list(worlds)
        for w, generator in put(snapshot, self.scenario.hash(), self.arrays(), self.n_world, which).items():
            self.generators[w] = generator
        self.never[which] = False

    def fork(self, worlds: Sequence[int] | None = None) -> Simulator:
        """Return a simulator that holds copies of the chosen worlds, with the same keys."""
        which = list(range(self.n_world)) if worlds is None else list(worlds)
        twin = Simulator(self.scenario, len(which), by_device=self.by_device)
        twin.restore(self.snapshot(which))
        return twin
