"""The simulator: many worlds of one scenario, stepped at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.text import shown
from der_gym.core.units import DAY_S
from der_gym.engine import memory, parallel
from der_gym.engine.compile_ahead import compile_ahead
from der_gym.engine.program import Program
from der_gym.engine.tables import CAPABILITY
from der_gym.scenario.action import OFFERS, check_opting, check_owners
from der_gym.scenario.model import Scenario
from der_gym.services import SERVICES
from der_gym.signals.frequency import Frequency
from der_gym.simulation import offers, snapshot_limits
from der_gym.simulation.aggregator_view import AggregatorView
from der_gym.simulation.assets import ScenarioAssets
from der_gym.simulation.award_check import check_award
from der_gym.simulation.award_level import ready
from der_gym.simulation.episode import RUN_ON_S
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.market_session import MarketSession
from der_gym.simulation.metering import POWER, fold
from der_gym.simulation.meters import Meters
from der_gym.simulation.network_runtime import NetworkRuntime
from der_gym.simulation.offers import Offers
from der_gym.simulation.own_twin import OwnTwin
from der_gym.simulation.plan_model import PlanModel
from der_gym.simulation.plan_training import learned
from der_gym.simulation.representative_fleet import nominal_kw
from der_gym.simulation.reset import EpisodeReset
from der_gym.simulation.snapshot import Snapshot, put, take
from der_gym.simulation.step_plan import MINUTE_S, StepPlan

Array = np.ndarray
# Memory of a world, measured at 60 and 1,000 devices: 50 kB and 206 kB.
_WORLD_BYTES, _DEVICE_BYTES = 40_000, 150


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
        Whether registers that only add up (energy through a store, starts ...) are kept for every device, at 60
        bytes each; else their sum of each class.
    assets : ScenarioAssets, optional
        Assets of the scenario. Default: made from it, and from its files as they are now.
    plan_model : PlanModel, optional
        Weights of the plan. Default: those that are learned on the train split, where ``plan.method`` is forecast.

    Attributes
    ----------
    public : AggregatorView
        All that an aggregator knows now.
    market : MarketSession
        Services with their awards, requests, plans, outcomes and ledgers.
    fleet, network : Fleet, NetworkRuntime
        The truth; no observation may read it.
    """

    def __init__(
        self,
        scenario: Scenario,
        n_world: int = 1,
        workers: int | None = None,
        by_device: bool = False,
        assets: ScenarioAssets | None = None,
        plan_model: PlanModel | None = None,
    ) -> None:
        for name, count in (("n_world", n_world), ("workers", 1 if workers is None else workers)):
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or not 1 <= count < 2**31:
                raise InputError(f"{name}: {shown(count)}; allowed: 1 or more")
        self.scenario, self.n_world, self.by_device = scenario, n_world, by_device
        self.files_hash = scenario.hash()  # of the files as they are read now
        self.assets = ready(scenario) if assets is None else assets
        scenario = self.assets.scenario  # with all awards in kW
        check_award(self.assets)
        st = self.structure = self.assets.structure
        per_world = _WORLD_BYTES + _DEVICE_BYTES * st.n_shard * st.n_place
        memory.check_room(f"n_world {shown(n_world)}: worlds of {st.n_device:,} devices", n_world * per_world)
        receiving = any(config.metering == "receiving" for config in scenario.services)
        check_opting(st.class_names, scenario.dispatch)
        owners = (scenario.answers(), offers.tariff(scenario.costs), scenario.dispatch, scenario.owners_share)
        told_apart = scenario.control == "both"  # what owners in events bear
        own = (by_device, receiving, *owners, scenario.control != "incentive", told_apart)
        self.fleet = Fleet(st, scenario.devices, n_world, scenario.horizon_s, *own)
        n_day = (scenario.horizon_s + RUN_ON_S) // DAY_S + 2
        self.network = NetworkRuntime(st, scenario.network, n_world, scenario.decision_s, n_day, scenario.streams())
        self.nominal_kw = self._nominal()
        planned = (self.nominal_kw, self._plan_model() if plan_model is None else plan_model)
        made = (scenario, st, self.assets.signals, self.assets.pool, n_world, self.assets.sample)
        self.market = MarketSession(*made, *planned)
        self.market.notes[:0] = self.assets.notes
        self.offers = self._offers()
        n_own = self.market.n_own + (self.offers.n_shown if self.offers else 0)
        self.view = AggregatorView(n_world, st.n_leaf, len(scenario.services), n_own)
        self.frequency = Frequency(scenario.signals.frequency, scenario.signals.frequency_model, n_world)
        self.generators = [np.random.default_rng() for _ in range(n_world)]
        tolerance = scenario.devices.behaviour.meter_tolerance  # type: ignore[attr-defined]
        # Services that are settled against the power of the fleet without commands.
        self._perfect = [session for session in self.market.sessions if session.perfect]
        self.meters = Meters(self.fleet, self.market.receiving, tolerance)
        self.never = np.ones(n_world, dtype=bool)  # worlds never reset
        # Called at the end of each tick; of each sample of the service that is shown, once it is settled.
        self.on_tick: list[Callable[[], None]] = []
        self.on_minute: list[Callable[[], None]] = []
        per_worker = max(1, parallel.WORTH_A_THREAD * 2 // 3)
        most = max(1, self.fleet.n_all * st.n_place // per_worker)
        self.workers = min(workers or parallel.default_workers(), most, self.fleet.n_all)
        self._debtors = np.zeros(n_world, dtype=bool)
        self._capability_now = np.zeros((self.fleet.n_all, st.n_cell, CAPABILITY.N))
        capability = self.fleet.measure_capability(self._debtors, self._capability_now)
        self._capability = Program(capability, n_world, self.fleet.n_shard, self.workers)
        parts = (scenario, self.fleet, self.network, self.market, self.meters, self.frequency, self.view)
        self.step_plan = StepPlan(*parts, self.nominal_kw, self.workers, self.offers)
        place, pool = self.assets.sample.place, self.assets.pool
        self._open = EpisodeReset(
            self.fleet, self.network, self.meters, pool, place, self.market.planner.standing, self.workers
        )

    def _plan_model(self) -> PlanModel | None:
        """Return the weights of the plan; None where no service settles against a forecast of the node's power."""
        settled = [SERVICES[config.name] for config in self.scenario.services if config.plan == "forecast"]
        forecasts = self.scenario.plan.method == "forecast" and not all(each.own_baseline for each in settled)
        return learned(self.assets, Simulator) if forecasts else None

    def _offers(self) -> Offers | None:
        """Return what is kept of offers; None where no pay is offered."""
        scenario, config, kinds = self.scenario, self.scenario.offers, [stream.kind for stream in self.network.streams]
        if config is None:
            return None
        check_owners(self.structure.class_names, config)
        lane = kinds.index(OFFERS) * self.structure.n_leaf
        known = (self.fleet, self.network, self.market.planner, lane)
        of = [session.service for session in self.market.sessions]
        announced = [(each.shown, each.FIELDS.number(each.announces)) for each in of if each.announces]
        twin = OwnTwin(self.fleet, scenario.horizon_s, scenario.tick_s) if config.baseline == "twin" else None
        notice = (config.notice == "given", announced)
        obeys = self.scenario.obeying(self.structure.leaf_names)
        return Offers(*known, config.budget_yen, self.market.fleet_ledger, obeys, *notice, twin)

    def leaf_power_kw(self) -> Array:
        """Return the leaves' power of the last tick by the meters, float64 (n_world, n_leaf)."""
        cells = fold(self.meters.power, self.fleet.n_shard)[:, :, POWER.METERED_KW]
        power: Array = cells @ self.market.planner.fold
        return power

    def _nominal(self) -> Array:
        """Return each leaf's rated swing, kW, in the first fleet: the unit of its action and telemetry."""
        return nominal_kw(self.assets.sample, self.structure, self.scenario.devices, self.assets.pool.keys[0])

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on, by name."""
        parts: tuple[Any, ...] = (self.fleet, self.network, self.market, self.view, self.meters, self.frequency)
        parts += (self.offers,) if self.offers else ()
        return {name: array for part in parts for name, array in part.arrays().items()}

    def __reduce__(self) -> tuple[Any, ...]:
        """Build a copy anew and give it the arrays.

        A program holds arrays and views of arrays; in copies made one by one, the views would be of no array. The
        assets of the scenario are not copied.
        """
        made = (self.scenario, self.n_world, self.workers, self.by_device, self.assets, self.market.planner.model)
        return (
            Simulator,
            made,
            (self.files_hash, self.arrays(), self.never, self.generators, self.on_tick, self.on_minute),
        )

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.files_hash, kept, never, self.generators, self.on_tick, self.on_minute = state
        for name, array in self.arrays().items():
            array[:] = kept[name]
        self.never[:] = never

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
            ``date`` ("YYYY-MM-DD") and ``start_h`` (an hour of ``episode.starts_h``) instead of drawn ones.
        """
        fleet, market = self.fleet, self.market
        market.episode.check(options or {})
        if self.never.all():
            compile_ahead([*self._open.calls(), *self.step_plan.freeze.calls, *self.step_plan.whole.calls])
        which = np.flatnonzero(mask)
        for w in which:
            self.generators[w] = generators[int(w)]
            fleet.keys[w, 2:] = self.generators[w].integers(2**32, size=2, dtype=np.uint32)
            market.choose(int(w), self.generators[w], options or {})
            fleet.keys[w, :2] = self.assets.pool.keys[market.episode.fleet_no[w]]
        fleet.t_s[mask] = 0.0
        fleet.abs_s[mask] = market.episode.start_abs_s()[mask]
        market.begin(mask, [self.generators[w] for w in which], fleet.keys)
        self.step_plan.context(mask, self.scenario.tick_s)(0, self.n_world)
        self._open(mask, self.assets.pool.at(market.episode.fleet_no, market.episode.day0, fleet.abs_s))
        self.step_plan.freeze_first(mask)
        if self.offers:
            self.offers.begin(mask, self.meters.rated_kw)
        self.frequency.begin(mask, fleet.keys, fleet.abs_s)
        self.never[mask] = False
        self.step_plan.whole.load()
        if self._perfect or (self.offers and self.offers.twin):
            self._fill_perfect(mask)
        self._show(mask)

    def _fill_perfect(self, mask: Array) -> None:
        """Run the twin to the end; its power is the perfect plan, and the yardstick of homes paid by their twin."""
        drawn = {session.id: np.zeros(session.perfect_kw.shape) for session in self._perfect}
        homes = self.offers.twin if self.offers else None

        def heard(tick: int) -> None:
            if homes is not None:
                homes.add(mask, tick - 1)
            for session in (each for each in self._perfect if tick % each.n_tick == 0):
                kw = session.sum_kw[:, POWER.TRUE_KW] / session.n_tick
                drawn[session.id][:, tick // session.n_tick - 1] = kw
                session.sum_kw[mask] = 0.0

        self._run_twin(mask, heard)
        for session in self._perfect:
            session.take_perfect(mask, drawn[session.id])
        if homes is not None:
            homes.keep(mask)

    def _run_twin(self, mask: Array, heard: Callable[[int], None]) -> None:
        """Run the twin, the same worlds without messages, to their end, and undo it; ``heard`` is told each tick."""
        before = {name: array.copy() for name, array in self.arrays().items()}
        self.step_plan.active[:] = mask
        for tick in range(1, self.scenario.horizon_s // self.scenario.tick_s + 1):
            self.step_plan.tick()
            heard(tick)
        for name, array in self.arrays().items():
            array[:] = before[name]

    # -- step ----------------------------------------------------------------------------------------------------

    def step(self, message: Array, active: Array, follow: bool = True) -> None:
        """Send the leaves' messages and advance the ``active`` worlds to the next decision.

        Parameters
        ----------
        message : float32 (n_world, n_lane, 3)
            Number of the stream, a, b; lane ``k n_leaf + j`` is stream ``k`` (0: dispatch) to leaf ``j``. See
            ``core.units`` for the sign of a fraction.
        active : bool (n_world,)
            Other worlds change no bit.
        follow : bool
            Whether the appended stages run (see `StepPlan.append_stage`); else the caller runs ``step_plan.post_step``.
        """
        if active is not self.step_plan.active:
            self.step_plan.active[:] = active
        if message is not self.step_plan.message:
            self.step_plan.message[:] = message
        if follow and not (self._perfect or self.on_tick or self.on_minute):
            self.step_plan.whole()
            return
        self._step_in_parts()
        if follow:
            self.step_plan.post_step()

    def _step_in_parts(self) -> None:
        """Take a step in parts, with the work that only Python does: call listeners, show the twin's plan."""
        self.step_plan.opening()
        for k in range(n_tick := self.scenario.decision_s // self.scenario.tick_s):
            self.step_plan.tick()
            for hear in self.on_tick:
                hear()
            if k == n_tick - 1:
                self.step_plan.book()
            self.step_plan.settle()
            for hear in self.on_minute if self.market.primary.sample.ends.any() else []:
                hear()
        self.step_plan.close()
        self.step_plan.freeze()
        self._show(self.step_plan.active)

    def _show(self, active: Array) -> None:
        """Write the public table of the ``active`` worlds."""
        self.step_plan.active[:] = active
        for session in self._perfect:
            session.show_perfect(self.fleet.t_s)
        self.step_plan.publish()

    # -- after the end, copies -----------------------------------------------------------------------------------

    def run_on(self, active: Array, seconds: int = RUN_ON_S) -> None:
        """Run the ``active`` worlds on without messages and market, as an evaluation does after the end."""
        self.step_plan.active[:] = active
        for _ in range(seconds // MINUTE_S):
            self.step_plan.run_on()
        for session in self.market.sessions:
            session.sum_kw[active] = 0.0

    def debt_kwh(self, active: Array | None = None) -> Array:
        """Return the energy that devices lack now for their next need, electric kWh, float64 (n_world,).

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
        return take(self.files_hash, self.arrays(), self.n_world, which, self.generators)

    def restore(self, snapshot: Snapshot, worlds: Sequence[int] | None = None) -> None:
        """Put a snapshot's worlds into the given places, one for one; a snapshot that is refused changes nothing."""
        which = list(range(self.n_world)) if worlds is None else list(worlds)
        check = partial(snapshot_limits.check, market=self.market, network=self.network)
        for w, generator in put(snapshot, self.files_hash, self.arrays(), self.n_world, which, check).items():
            self.generators[w] = generator
        self.never[which] = False

    def fork(self, worlds: Sequence[int] | None = None) -> Simulator:
        """Return a simulator that holds copies of the chosen worlds, with the same keys."""
        which = list(range(self.n_world)) if worlds is None else list(worlds)
        model = self.market.planner.model
        twin = Simulator(self.scenario, len(which), by_device=self.by_device, assets=self.assets, plan_model=model)
        twin.files_hash = self.files_hash
        twin.restore(self.snapshot(which))
        return twin
