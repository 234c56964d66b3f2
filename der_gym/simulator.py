"""The simulator: many worlds of one scenario, stepped at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from der_gym.core import parallel, rows
from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S, DAY_S, HOUR_S
from der_gym.devices.behaviour import BEHAVIOURS
from der_gym.devices.house import HOUSE_SHAPE
from der_gym.network import rows as net
from der_gym.scenario import Scenario
from der_gym.simulation import books, tally
from der_gym.simulation.context import context
from der_gym.simulation.desk import RUN_ON_S, Desk
from der_gym.simulation.fleet import Fleet
from der_gym.simulation.public import Public, publish
from der_gym.simulation.snapshot import Snapshot, put, take
from der_gym.simulation.tallies import Tallies
from der_gym.simulation.wires import Wires
from der_gym.simulation.world import ground

Array = np.ndarray
MINUTE_S = 60


class Simulator:
    """Step ``n_world`` worlds of a scenario.

    Parameters
    ----------
    scenario : Scenario
    n_world : int
        Worlds, >= 1; each has its own key, date, clock and weather.
    workers : int, optional
        Threads; the result does not depend on it. Default: as many as pay.

    Attributes
    ----------
    public : Public
        All that an aggregator knows now.
    desk : Desk
        Awards, requests, plans and the product with its outcome and book.
    fleet, wires : Fleet, Wires
        The truth; no observation may read it.
    """

    def __init__(self, scenario: Scenario, n_world: int = 1, workers: int | None = None) -> None:
        if n_world < 1:
            raise InputError(f"n_world: {n_world}; allowed: 1 or more")
        self.scenario, self.n_world = scenario, n_world
        self.ground = ground(scenario)
        st = self.structure = self.ground.structure
        self.fleet = Fleet(st, scenario.devices, n_world, scenario.horizon_s)
        kinds = scenario.devices.behaviour.kinds  # type: ignore[attr-defined]
        self.behaviours = [BEHAVIOURS[name] for name in kinds if name != "dispatch"]
        n_day = (scenario.horizon_s + RUN_ON_S) // DAY_S + 2
        self.wires = Wires(st, scenario.network, n_world, scenario.decision_s, n_day, bool(self.behaviours))
        self.desk = Desk(scenario, st, self.ground.signals, self.ground.pool, n_world, self.ground.sample)
        self.public = Public(n_world, st.n_leaf)
        self.generators = [np.random.default_rng() for _ in range(n_world)]
        tolerance = scenario.devices.behaviour.meter_tolerance  # type: ignore[attr-defined]
        self.tallies = Tallies(self.fleet, self.desk.receiving, tolerance)
        self.never = np.ones(n_world, dtype=bool)  # worlds never reset
        self.refreshed = np.zeros(n_world, dtype=bool)  # worlds that stood at a refresh in the last step
        self._due, self._midnight = np.zeros(n_world, dtype=bool), np.zeros(n_world, dtype=bool)
        self._ends, self._block = np.zeros(n_world, dtype=bool), np.zeros(n_world, dtype=bool)
        self._minute = np.zeros(n_world, dtype=np.int64)
        self._true_kw, self._metered_kw, self._plan_kw = np.zeros(n_world), np.zeros(n_world), np.zeros(n_world)
        self.nominal_kw = self._nominal()
        per_worker = max(1, parallel.WORTH_A_THREAD * 2 // 3)
        most = max(1, self.fleet.n_all * st.n_place // per_worker)
        self._ranges = parallel.split(self.fleet.n_all, min(workers or parallel.default_workers(), most))

    def _nominal(self) -> Array:
        """Return each leaf's rated swing, kW, from the pool's first fleet: the unit of its action and telemetry."""
        small = self.ground.sample
        one = Fleet(small.structure, self.scenario.devices, 1, 1.0)
        one.keys[:, :2] = self.ground.pool.keys[0]
        one.draw(np.ones(1, dtype=bool))
        rated, st = one.fleet[0, rows.RATED_KW], small.structure
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
        self._context(mask, self.scenario.tick_s)
        fleet.draw(mask)
        fleet.begin(mask, self._pool_states(which))
        self.wires.begin(mask, fleet.keys, fleet.abs_s)
        self.tallies.begin(mask)
        self.wires.new_day(0, fleet.n_all, mask, fleet.keys, fleet.abs_s, fleet.t_s, fleet.fleet)
        fleet.refresh(0, fleet.n_all, mask)
        self._first_reports(mask)
        self.never[mask] = False
        if desk.perfect:
            self._fill_perfect(mask)
        self._publish(mask)

    def _pool_states(self, which: Array) -> dict[str, Array]:
        """Return the pool's normalised states for every world; rows of other worlds stay NaN and are not read."""
        desk, pool, n_shard = self.desk, self.ground.pool, self.fleet.n_shard
        out = {}
        for name, st in self.fleet.stores.items():
            rows_ = np.full((self.fleet.n_all, len(st.device.pool), st.hi - st.lo), np.nan, dtype=np.float32)
            place = self.ground.sample.place[name]
            for w in which if len(st.device.pool) else []:
                k = pool.starts_s.index(int(self.fleet.abs_s[w] % DAY_S))
                kept = pool.states[name][desk.fleet_no[w], desk.day0[w] - pool.first_day, k]
                for p in range(n_shard):
                    rows_[w * n_shard + p] = kept[:, place[p]]
            out[name] = rows_
        return out

    def _first_reports(self, mask: Array) -> None:
        """Fill the table with what devices reported before the episode: their own schedule; silent homes, long ago."""
        fleet, every = self.fleet, np.repeat(mask, self.fleet.n_shard)
        keep = {name: (st.state.copy(), st.acc.copy()) for name, st in fleet.stores.items()}
        fleet.advance(0, fleet.n_all, mask)
        for name, (state, acc) in keep.items():
            fleet.stores[name].state[:], fleet.stores[name].acc[:] = state, acc
        f = fleet.fleet
        silent = (f[every, rows.LINK_DOWN_S] <= 0) & (f[every, rows.LINK_UP_S] > 0)
        f[every, rows.SEEN_KW] = np.where(silent, 0.0, f[every, rows.SHOWN_KW])
        f[every, rows.SEEN_S] = np.where(silent, np.float32(-DAY_S), np.float32(0.0))
        f[every, rows.PENDING_S] = np.float32(-1e9)
        self.tallies.measure(0, fleet.n_all, mask)
        self.tallies.count_seen(0, fleet.n_all, mask, 0)

    def _fill_perfect(self, mask: Array) -> None:
        """Run the twin: the same worlds without commands, to their end; its power is the perfect plan."""
        before = {name: array.copy() for name, array in self.arrays().items()}
        n_minute = self.desk.perfect_kw.shape[1]
        kw = np.zeros((self.n_world, n_minute))
        for minute in range(n_minute):
            for _ in range(MINUTE_S // self.scenario.tick_s):
                self._tick(mask, self.scenario.tick_s)
            kw[:, minute] = self.tallies.minute_kw[:, tally.TRUE] / (MINUTE_S // self.scenario.tick_s)
            self.tallies.minute_kw[mask] = 0.0
        for name, array in self.arrays().items():
            array[:] = before[name]
        self.desk.perfect_kw[mask] = kw[mask]
        self._publish_plan_perfect(mask)

    def _publish_plan_perfect(self, mask: Array) -> None:
        means = self.desk.perfect_kw.reshape(self.n_world, self.desk.n_block, -1).mean(axis=2)
        self.desk.plan_kw[mask] = means[mask]

    # -- step ----------------------------------------------------------------------------------------------------

    def step(self, message: Array, active: Array) -> None:
        """Send the leaves' messages and advance the ``active`` worlds to the next decision.

        Parameters
        ----------
        message : float32 (n_world, n_leaf, 3)
            kind, a, b per leaf; see ``core.units`` for the sign of a.
        active : bool (n_world,)
            Other worlds change no bit.
        """
        dt = self.scenario.tick_s
        self.wires.send(active, self.fleet.t_s, message)
        self._ask(active)
        self.refreshed[:] = False
        n_tick = self.scenario.decision_s // dt
        for k in range(n_tick):
            self._tick(active, dt, posts=k == 0, last=k == n_tick - 1)
            self._end_of_minute(active)
        self._publish(active)

    def _ask(self, active: Array) -> None:
        wires, step_h = self.wires, self.scenario.decision_s / HOUR_S
        books.ask(active, self.fleet.t_s, step_h, wires.leaf, self.public.leaf, self.nominal_kw, self.desk.asked_kwh)

    def _tick(self, active: Array, dt: int, posts: bool = False, last: bool = False) -> None:
        """Advance one tick: context, then every range of shards, then the wires' books."""
        fleet, wires, tallies = self.fleet, self.wires, self.tallies
        due, midnight = self._due, self._midnight
        refreshes, turns = books.mark_due(active, fleet.t_s, fleet.abs_s, due, midnight)
        if refreshes:
            self.refreshed |= due
        if turns:
            wires.refill(midnight)
        self._context(active, dt)

        exact = self.scenario.network.ideal  # reports then hold the power itself, no device's own estimate

        def work(s0: int, s1: int) -> None:
            if refreshes:
                if turns:
                    wires.new_day(s0, s1, midnight, fleet.keys, fleet.abs_s, fleet.t_s, fleet.fleet)
                fleet.refresh(s0, s1, due)
            if posts:
                wires.post(s0, s1, fleet.keys, fleet.fleet)
            wires.deliver(s0, s1, active, fleet.t_s, dt, fleet.fleet)
            for rule in self.behaviours:
                rule.decide(s0, s1, fleet.n_shard, active, fleet.ctx, wires.latched, fleet.fleet)
            fleet.advance(s0, s1, active)
            if exact:
                fleet.fleet[s0:s1, rows.SHOWN_KW] = fleet.fleet[s0:s1, rows.POWER_KW]
            wires.report(s0, s1, active, fleet.keys, fleet.t_s, dt, fleet.fleet)
            tallies.count_power(s0, s1, active)
            if refreshes:
                tallies.measure(s0, s1, due)
            if last:
                tallies.count_seen(s0, s1, active, dt)

        parallel.for_ranges(work, self._ranges)
        if posts:
            wires.book(active)
        books.step_clock(active, dt, fleet.t_s, fleet.abs_s)
        wires.retire(active, fleet.t_s)
        tallies.add_tick(active)

    def _context(self, active: Array, dt: int) -> None:
        f, d = self.fleet, self.desk
        context(active, f.t_s, f.abs_s, dt, d.day0, d.kinds, d.window, d.awarded, HOUSE_SHAPE, f.ctx)

    def _end_of_minute(self, active: Array) -> None:
        """Settle the minute where one has ended, and freeze the plan where a block begins."""
        desk, fleet = self.desk, self.fleet
        n_ends, n_blocks = books.close_minute(
            active,
            fleet.t_s,
            self.tallies.minute_kw,
            float(MINUTE_S // self.scenario.tick_s),
            desk.plan_kw,
            desk.perfect_kw,
            desk.perfect,
            self._ends,
            self._block,
            self._minute,
            self._true_kw,
            self._metered_kw,
            self._plan_kw,
        )
        if not n_ends:
            return
        if n_blocks:
            self._registers(self._block)
        desk.product.minute(self._ends, self._minute, self._true_kw, self._metered_kw, self._plan_kw, desk.registers)
        if n_blocks:
            desk.freeze(self._block, (fleet.t_s // BLOCK_S).astype(np.int64), fleet.t_s)

    def _registers(self, due: Array) -> None:
        """Read the cumulative registers that settlement books; called at block ends."""
        fleet, desk = self.fleet, self.desk
        messages = (self.wires.leaf[:, :, net.N_SENT] * self.wires.gate[:, net.N_UNIT]).sum(axis=1)
        values = (fleet.total("discharged_kwh"), fleet.total("starts"), messages, desk.asked_kwh)
        desk.registers[due] = np.stack(values, axis=1)[due]

    def _publish(self, active: Array) -> None:
        fleet, desk, p = self.fleet, self.desk, self.public
        st, n_shard, product = self.structure, fleet.n_shard, desk.product
        seen, stock = tally.fold_seen(self.tallies.seen, n_shard), tally.fold(self.tallies.stock, n_shard)
        publish(
            active,
            fleet.t_s,
            fleet.abs_s,
            float(self.scenario.horizon_s),
            desk.day0,
            desk.kinds,
            desk.failed_before,
            desk.unit_kw,
            desk.window,
            desk.award_kw,
            self._shown_plan_kw() if desk.perfect else desk.plan_kw,
            desk.plan_leaf_kw,
            desk.house_kw,
            product.request_kw,
            product.target_kw,
            seen,
            self.tallies.rated_kw,
            stock,
            st.cell_leaf,
            self.wires.gate,
            self.wires.leaf,
            self.wires.mail,
            self.tallies.bin_error,
            p.clock,
            p.world,
            p.leaf,
            p.block,
        )
        self._note(active)

    def _shown_plan_kw(self) -> Array:
        """Return the plan, the running block's as the twin's power of the last minute: what is seen belongs to it."""
        desk, w = self.desk, np.arange(self.n_world)
        minute = np.clip((self.fleet.t_s // MINUTE_S).astype(np.int64) - 1, 0, desk.perfect_kw.shape[1] - 1)
        block = np.minimum(self.fleet.t_s // BLOCK_S, desk.n_block - 1).astype(np.int64)
        shown: Array = desk.plan_kw.copy()
        shown[w, block] = desk.perfect_kw[w, minute]
        return shown

    def _note(self, active: Array) -> None:
        """Keep the seen error of this 5-minute bin, the seen half-hour means and which leaves are under command."""
        p, desk = self.public, self.desk
        books.note(
            active,
            self.fleet.t_s,
            p.world,
            p.leaf,
            self.wires.leaf,
            self.tallies.bin_error,
            desk.seen_sum,
            desk.seen_n,
            desk.quiet_since_s,
        )

    # -- after the end, copies -----------------------------------------------------------------------------------

    def run_on(self, active: Array, seconds: int = RUN_ON_S) -> None:
        """Run the ``active`` worlds on without messages and market, as an evaluation does after the end."""
        for _ in range(seconds // MINUTE_S):
            self._tick(active, MINUTE_S)
        self.tallies.minute_kw[active] = 0.0

    def debt_kwh(self, active: Array | None = None) -> Array:
        """Return what stores lack at this moment for their next need, electric kWh, float64 (n_world,).

        Other worlds than the ``active`` ones (default: all) change no bit; their figure is not of this moment.
        """
        fleet = self.fleet
        active = np.ones(self.n_world, dtype=bool) if active is None else active
        fleet.measure(0, fleet.n_all, active)
        weighted = (fleet.gauge[:, rows.DEBT_KWH] * fleet.fleet[:, rows.PRESENT]).sum(axis=1, dtype=np.float64)
        total: Array = weighted.reshape(self.n_world, fleet.n_shard).sum(axis=1)
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
        twin = Simulator(self.scenario, len(which))
        twin.restore(self.snapshot(which))
        return twin
