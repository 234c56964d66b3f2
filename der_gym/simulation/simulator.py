"""The simulator: many worlds of one scenario, stepped at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S, DAY_S
from der_gym.engine import parallel
from der_gym.engine.program import Program, share
from der_gym.engine.tables import CAPABILITY, FLEET
from der_gym.scenario.model import Scenario
from der_gym.simulation import metering, snapshot_limits
from der_gym.simulation.aggregator_view import AggregatorView
from der_gym.simulation.assets import scenario_assets
from der_gym.simulation.award_check import check_award
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.market_session import RUN_ON_S, MarketSession
from der_gym.simulation.meters import Meters
from der_gym.simulation.network_runtime import NetworkRuntime
from der_gym.simulation.reset import EpisodeReset
from der_gym.simulation.snapshot import Snapshot, put, take
from der_gym.simulation.step_plan import MINUTE_S, StepPlan

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
    public : AggregatorView
        All that an aggregator knows now.
    market : MarketSession
        Awards, requests, plans and the product with its outcome and book.
    fleet, network : Fleet, NetworkRuntime
        The truth; no observation may read it.
    """

    def __init__(
        self, scenario: Scenario, n_world: int = 1, workers: int | None = None, by_device: bool = False
    ) -> None:
        for name, count in (("n_world", n_world), ("workers", 1 if workers is None else workers)):
            if not isinstance(count, int | np.integer) or count < 1:
                raise InputError(f"{name}: {count!r}; allowed: 1 or more")
        self.scenario, self.n_world, self.by_device = scenario, n_world, by_device
        self.assets = scenario_assets(scenario)
        check_award(self.assets)
        st = self.structure = self.assets.structure
        receiving = scenario.market.rules.metering == "receiving"
        self.fleet = Fleet(st, scenario.devices, n_world, scenario.horizon_s, by_device, receiving)
        kinds = set(scenario.devices.behaviour.kinds) - {"dispatch"}  # type: ignore[attr-defined]
        n_day = (scenario.horizon_s + RUN_ON_S) // DAY_S + 2
        self.network = NetworkRuntime(st, scenario.network, n_world, scenario.decision_s, n_day, bool(kinds))
        self.market = MarketSession(scenario, st, self.assets.signals, self.assets.pool, n_world, self.assets.sample)
        self.view = AggregatorView(n_world, st.n_leaf)
        self.generators = [np.random.default_rng() for _ in range(n_world)]
        tolerance = scenario.devices.behaviour.meter_tolerance  # type: ignore[attr-defined]
        self.meters = Meters(self.fleet, self.market.receiving, tolerance)
        self.never = np.ones(n_world, dtype=bool)  # worlds never reset
        self.on_tick: list[Callable[[], None]] = []  # who listens hears each tick's end, each minute's once settled
        self.on_minute: list[Callable[[], None]] = []
        self.nominal_kw = self._nominal()
        per_worker = max(1, parallel.WORTH_A_THREAD * 2 // 3)
        most = max(1, self.fleet.n_all * st.n_place // per_worker)
        self.workers = min(workers or parallel.default_workers(), most, self.fleet.n_all)
        # What is shown of the plan: the plan itself, but by the minute in the ablation without plan error.
        self._shown_kw = np.zeros_like(self.market.plan_kw) if self.market.perfect else self.market.plan_kw
        self._debtors = np.zeros(n_world, dtype=bool)
        self._capability_now = np.zeros((self.fleet.n_all, st.n_cell, CAPABILITY.N))
        capability = self.fleet.measure_capability(self._debtors, self._capability_now)
        self._capability = Program(capability, n_world, self.fleet.n_shard, self.workers)
        parts = (scenario, self.fleet, self.network, self.market, self.meters, self.view)
        self.step_plan = StepPlan(*parts, self.nominal_kw, self._shown_kw, self.workers)
        place, pool = self.assets.sample.place, self.assets.pool
        self._open = EpisodeReset(self.fleet, self.network, self.meters, pool, place, self.workers)

    def _nominal(self) -> Array:
        """Return each leaf's rated swing, kW, from the pool's first fleet: the unit of its action and telemetry."""
        small = self.assets.sample
        one = Fleet(small.structure, self.scenario.devices, 1, 1.0)
        one.keys[:, :2] = self.assets.pool.keys[0]
        share(one.draw_params(np.ones(1, dtype=bool)), 1, 1)
        rated, st = one.fleet[0, FLEET.RATED_KW], small.structure
        cells = np.array([rated[lo:hi].sum(dtype=np.float64) for lo, hi in zip(st.cell_lo, st.cell_hi, strict=True)])
        return np.bincount(st.cell_leaf, cells * small.scale[: st.n_cell], minlength=st.n_leaf)

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on, by name."""
        parts = (self.fleet, self.network, self.market, self.view, self.meters)
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
        fleet, market = self.fleet, self.market
        market.check(options or {})
        which = np.flatnonzero(mask)
        for w in which:
            self.generators[w] = generators[int(w)]
            fleet.keys[w, 2:] = self.generators[w].integers(2**32, size=2, dtype=np.uint32)
            market.choose(int(w), self.generators[w], options or {})
            fleet.keys[w, :2] = self.assets.pool.keys[market.fleet_no[w]]
        fleet.t_s[mask] = 0.0
        fleet.abs_s[mask] = market.start_abs_s()[mask]
        market.begin(mask, [self.generators[w] for w in which])
        self.step_plan.context(mask, self.scenario.tick_s)(0, self.n_world)
        self._open(mask, self.assets.pool.at(market.fleet_no, market.day0, fleet.abs_s))
        self.never[mask] = False
        self.step_plan.whole.load()
        if market.perfect:
            self._fill_perfect(mask)
        self._show(mask)

    def _fill_perfect(self, mask: Array) -> None:
        """Run the twin: the same worlds without commands, to their end; its power is the perfect plan."""
        before = {name: array.copy() for name, array in self.arrays().items()}
        n_minute = self.market.perfect_kw.shape[1]
        self.step_plan.active[:] = mask
        kw = np.zeros((self.n_world, n_minute))
        for minute in range(n_minute):
            for _ in range(MINUTE_S // self.scenario.tick_s):
                self.step_plan.tick()
            kw[:, minute] = self.meters.minute_kw[:, metering.POWER.TRUE_KW] / (MINUTE_S // self.scenario.tick_s)
            self.meters.minute_kw[mask] = 0.0
        for name, array in self.arrays().items():
            array[:] = before[name]
        self.market.perfect_kw[mask] = kw[mask]
        self._publish_plan_perfect(mask)

    def _publish_plan_perfect(self, mask: Array) -> None:
        means = self.market.perfect_kw.reshape(self.n_world, self.market.n_block, -1).mean(axis=2)
        self.market.plan_kw[mask] = means[mask]

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
            Whether the calls that follow a step are made (see `StepPlan.follow`); else the caller runs ``steps.after``.
        """
        self.step_plan.active[:], self.step_plan.message[:] = active, message
        if follow and not (self.market.perfect or self.on_tick or self.on_minute):
            self.step_plan.whole()
            return
        self._step_in_parts()
        if follow:
            self.step_plan.post_step()

    def _step_in_parts(self) -> None:
        """Take a step with what only Python does: let listeners hear, show the twin's plan."""
        self.step_plan.opening()
        for k in range(n_tick := self.scenario.decision_s // self.scenario.tick_s):
            self.step_plan.tick()
            for hear in self.on_tick:
                hear()
            if k == n_tick - 1:
                self.step_plan.book()
            self.step_plan.settle()
            for hear in self.on_minute if self.step_plan.minute.ends.any() else []:
                hear()
        self.step_plan.freeze()
        self._show(self.step_plan.active)

    def _show(self, active: Array) -> None:
        """Write the public table of the ``active`` worlds."""
        self.step_plan.active[:] = active
        if self.market.perfect:
            self._show_perfect()
        self.step_plan.publish()

    def _show_perfect(self) -> None:
        """Show for the running block what the twin drew in the last minute: what is seen belongs to it."""
        market, w = self.market, np.arange(self.n_world)
        minute = np.clip((self.fleet.t_s // MINUTE_S).astype(np.int64) - 1, 0, market.perfect_kw.shape[1] - 1)
        block = np.minimum(self.fleet.t_s // BLOCK_S, market.n_block - 1).astype(np.int64)
        self._shown_kw[:] = market.plan_kw
        self._shown_kw[w, block] = market.perfect_kw[w, minute]

    # -- after the end, copies -----------------------------------------------------------------------------------

    def run_on(self, active: Array, seconds: int = RUN_ON_S) -> None:
        """Run the ``active`` worlds on without messages and market, as an evaluation does after the end."""
        self.step_plan.active[:] = active
        for _ in range(seconds // MINUTE_S):
            self.step_plan.run_on()
        self.meters.minute_kw[active] = 0.0

    def debt_kwh(self, active: Array | None = None) -> Array:
        """Return what classes lack at this moment for their next need, electric kWh, float64 (n_world,).

        Worlds that are not ``active`` (default: all are) have 0.
        """
        active = np.ones(self.n_world, dtype=bool) if active is None else active
        self._debtors[:], self._capability_now[:] = active, 0.0
        self._capability()
        total: Array = self._capability_now[:, :, CAPABILITY.DEBT_KWH].reshape(self.n_world, -1).sum(axis=1)
        return total

    def snapshot(self, worlds: Sequence[int] | None = None) -> Snapshot:
        """Return the chosen worlds whole; ``restore`` puts them back, or elsewhere, to the bit."""
        which = list(range(self.n_world)) if worlds is None else list(worlds)
        return take(self.scenario.hash(), self.arrays(), self.n_world, which, self.generators)

    def restore(self, snapshot: Snapshot, worlds: Sequence[int] | None = None) -> None:
        """Put a snapshot's worlds into the given places, one for one; a snapshot that is refused changes nothing."""
        which = list(range(self.n_world)) if worlds is None else list(worlds)
        check = partial(snapshot_limits.check, market=self.market, network=self.network)
        for w, generator in put(snapshot, self.scenario.hash(), self.arrays(), self.n_world, which, check).items():
            self.generators[w] = generator
        self.never[which] = False

    def fork(self, worlds: Sequence[int] | None = None) -> Simulator:
        """Return a simulator that holds copies of the chosen worlds, with the same keys."""
        which = list(range(self.n_world)) if worlds is None else list(worlds)
        twin = Simulator(self.scenario, len(which), by_device=self.by_device)
        twin.restore(self.snapshot(which))
        return twin
