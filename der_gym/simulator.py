"""The simulator: many worlds of one scenario, stepped at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from der_gym.core import parallel, rows
from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S, DAY_S, HOUR_S
from der_gym.devices.behaviour import BEHAVIOURS
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
FEW = 4  # shards at once where copies are held at reset: a large world has no room for copies of all


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
        self.refreshed: Array | None = None  # worlds that stood at a refresh in the last step, where there are any
        self.nominal_kw = self._nominal()
        per_worker = max(1, parallel.WORTH_A_THREAD * 2 // 3)
        most = max(1, self.fleet.n_all * st.n_place // per_worker)
        self._ranges = parallel.split(self.fleet.n_all, min(workers or parallel.default_workers(), most))
        # What is shown of the plan: the plan itself, but by the minute in the ablation without plan error.
        self._shown_kw = np.zeros_like(self.desk.plan_kw) if self.desk.perfect else self.desk.plan_kw
        self._exact = scenario.network.ideal  # reports then hold the power itself, no device's own estimate
        self._bind()

    def _bind(self) -> None:
        """Put the kernels' standing arguments together, once; who replaces an array binds anew."""
        n, d, t, p, product = self.n_world, self.desk, self.tallies, self.public, self.desk.product
        self._due, self._turn, self._midnight = (np.zeros(n, dtype=bool) for _ in range(3))
        self._opening = (self._due, self._turn, self._midnight, d.day0, d.kinds, d.window, d.awarded, self.fleet.ctx)
        ends, self._block = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        true_kw, metered_kw, plan_kw = np.zeros(n), np.zeros(n), np.zeros(n)
        self._minute = (ends, np.zeros(n, dtype=np.int64), true_kw, metered_kw, plan_kw)
        n_tick = float(MINUTE_S // self.scenario.tick_s)
        self._closing = (n_tick, d.plan_kw, d.perfect_kw, d.perfect, self._block, *self._minute)
        self._publishing = (
            *(float(self.scenario.horizon_s), d.day0, d.kinds, d.failed_before, d.unit_kw, d.window, d.award_kw),
            *(self._shown_kw, d.plan_leaf_kw, d.house_kw, product.request_kw, product.target_kw, t.rated_kw),
            *(self.structure.cell_leaf, self.wires.gate, self.wires.leaf, self.wires.mail, t.bin_error),
            *(d.seen_sum, d.seen_n, d.quiet_since_s, p.world, p.leaf, p.block),
        )

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
        fleet.turn(0, fleet.n_all, mask & (fleet.abs_s % BLOCK_S == 0))
        fleet.refresh(0, fleet.n_all, mask)
        for s0 in range(0, fleet.n_all, FEW):
            self._first_reports(s0, min(s0 + FEW, fleet.n_all), mask)
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

    def _first_reports(self, s0: int, s1: int, mask: Array) -> None:
        """Fill the table with what devices reported before the episode: their own schedule; silent homes, long ago."""
        fleet, stores = self.fleet, self.fleet.stores.values()
        kept = [(st.state[s0:s1].copy(), st.acc[s0:s1].copy()) for st in stores]
        fleet.advance(s0, s1, mask)
        for st, (state, acc) in zip(stores, kept, strict=True):
            st.state[s0:s1], st.acc[s0:s1] = state, acc
        for s in range(s0, s1):
            if mask[s // fleet.n_shard]:
                f = fleet.fleet[s]
                silent = (f[rows.LINK_DOWN_S] <= 0) & (f[rows.LINK_UP_S] > 0)
                f[rows.SEEN_KW] = np.where(silent, 0.0, f[rows.SHOWN_KW])
                f[rows.SEEN_S] = np.where(silent, np.float32(-DAY_S), np.float32(0.0))
                f[rows.PENDING_S] = np.float32(-1e9)
        self.tallies.measure(s0, s1, mask)
        self.tallies.count_seen(s0, s1, mask)

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
        self.refreshed = None
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
        fleet, tallies, due = self.fleet, self.tallies, self._due
        refreshes, turns, days = books.open_tick(active, fleet.t_s, fleet.abs_s, dt, *self._opening)
        if refreshes:
            self.refreshed = due.copy() if self.refreshed is None else self.refreshed | due
        if days:
            self.wires.refill(self._midnight)
        how = (active, dt, refreshes, turns, days, posts, last)
        parallel.for_ranges(lambda s0, s1: self._work(s0, s1, *how), self._ranges)
        power = (tallies.power, tallies.net, tallies.receiving, tallies.minute_kw)
        books.end_tick(active, dt, fleet.t_s, fleet.abs_s, fleet.n_shard, *power)
        self.wires.retire(active, fleet.t_s)

    def _work(
        self,
        s0: int,
        s1: int,
        active: Array,
        dt: int,
        refreshes: bool,
        turns: bool,
        days: bool,
        posts: bool,
        last: bool,
    ) -> None:
        """Work one tick of a range of shards, from the messages to the sums; the flags say what is due in it."""
        fleet, wires, tallies = self.fleet, self.wires, self.tallies
        keys, t_s, table = fleet.keys, fleet.t_s, fleet.fleet
        if days:
            wires.new_day(s0, s1, self._midnight, keys, fleet.abs_s, t_s, table)
        if turns:
            fleet.turn(s0, s1, self._turn)
        if refreshes:
            fleet.refresh(s0, s1, self._due)
        if posts:
            wires.post(s0, s1, keys, table)
        wires.deliver(s0, s1, active, t_s, dt, table)
        for rule in self.behaviours:
            rule.decide(s0, s1, fleet.n_shard, active, fleet.ctx, wires.latched, table)
        fleet.advance(s0, s1, active)
        if self._exact:
            table[s0:s1, rows.SHOWN_KW] = table[s0:s1, rows.POWER_KW]
        wires.report(s0, s1, active, keys, t_s, dt, table)
        tallies.count(s0, s1, active, dt, last)
        if refreshes:
            tallies.measure(s0, s1, self._due)

    def _context(self, active: Array, dt: int) -> None:
        f = self.fleet
        context(active, f.t_s, f.abs_s, dt, *self._opening[3:])

    def _end_of_minute(self, active: Array) -> None:
        """Settle the minute where one has ended, and freeze the plan where a block begins."""
        desk, fleet = self.desk, self.fleet
        n_ends, n_blocks = books.close_minute(active, fleet.t_s, self.tallies.minute_kw, *self._closing)
        if not n_ends:
            return
        if n_blocks:
            self._registers(self._block)
        desk.product.minute(*self._minute, desk.registers)
        if n_blocks:
            desk.freeze(self._block, (fleet.t_s // BLOCK_S).astype(np.int64), fleet.t_s)

    def _registers(self, due: Array) -> None:
        """Read the cumulative registers that settlement books; called at block ends."""
        fleet, desk = self.fleet, self.desk
        messages = (self.wires.leaf[:, :, net.N_SENT] * self.wires.gate[:, net.N_UNIT]).sum(axis=1)
        given = fleet.total("discharged_kwh"), fleet.total("given_kwh")
        values = (given[0], fleet.total("starts"), messages, desk.asked_kwh, given[1])
        desk.registers[due] = np.stack(values, axis=1)[due]

    def _publish(self, active: Array) -> None:
        if self.desk.perfect:
            self._show_perfect()
        n_shard = self.fleet.n_shard
        seen, stock = tally.fold_seen(self.tallies.seen, n_shard), tally.fold(self.tallies.stock, n_shard)
        publish(active, self.fleet.t_s, self.fleet.abs_s, seen, stock, *self._publishing)

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
