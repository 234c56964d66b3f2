"""What a step calls, laid down once: programs of kernels over the arrays of all worlds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from der_gym.core.units import HOUR_S
from der_gym.devices.behaviour import BEHAVIOURS
from der_gym.engine.program import Call, Program
from der_gym.network.report import show_power
from der_gym.simulation import books
from der_gym.simulation.aggregator_view import AggregatorView, publish
from der_gym.simulation.exogenous import context
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.market_session import MarketSession
from der_gym.simulation.meters import Meters
from der_gym.simulation.network_runtime import NetworkRuntime

Array = np.ndarray
MINUTE_S = 60
BOOKED = ("discharged_kwh", "starts", "withheld_kwh")  # the devices' registers that settlement books


class Minute(NamedTuple):
    """The minute that has just ended, in every world: arrays (n_world,)."""

    ends: Array  # bool: one has ended
    number: Array  # int64, of the episode
    true_kw: Array  # float64: means of the list's power
    metered_kw: Array
    plan_kw: Array


class StepPlan:
    """Programs over a simulator's arrays; who replaces one of these makes the programs anew.

    Parameters
    ----------
    scenario, fleet, network, market, meters, public
        The simulator's.
    nominal_kw : float64 (n_leaf,)
    shown_kw : float64 (n_world, n_block)
        What is shown of the plan.
    workers : int
        Threads.

    Attributes
    ----------
    active, message
        Written before a program is run: bool (n_world,), float32 (n_world, n_leaf, 3).
    refreshed : bool (n_world,)
        Worlds that stood at a refresh in the last step.
    minute : Minute
    opening, tick, book, settle, freeze, publish : Program
        Parts of a step, in this order; a step of several ticks repeats tick and settle, ``book`` stands in the last.
    whole, after : Program
        All of them and what follows; only that: see `follow`.
    run_on : Program
        A tick of a minute.
    """

    def __init__(
        self,
        scenario: Any,
        fleet: Fleet,
        network: NetworkRuntime,
        market: MarketSession,
        meters: Meters,
        public: AggregatorView,
        nominal_kw: Array,
        shown_kw: Array,
        workers: int,
    ) -> None:
        self.scenario, self.fleet, self.network = scenario, fleet, network
        self.market, self.meters, self.view = market, meters, public
        n, tick_s = fleet.n_world, scenario.tick_s
        self.active, self.refreshed = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self._due, self._turn, self._midnight, self._block = (np.zeros(n, dtype=bool) for _ in range(4))
        self._totals = [np.zeros(n) for _ in BOOKED]
        self.message = np.zeros((n, fleet.structure.n_leaf, 3), dtype=np.float32)
        self.minute = Minute(*(np.zeros(n, dtype=kind) for kind in (bool, np.int64, float, float, float)))
        opening, tick, settle = self._opening(nominal_kw), self._tick(tick_s), self._settle()
        book, freeze, publish_ = self._book(), [self._freeze()], [self._publish(shown_kw)]
        before_last = (scenario.decision_s // tick_s - 1) * [*tick, *settle]
        self._whole = [*opening, *before_last, *tick, *book, *settle, *freeze, *publish_]
        self._workers = workers
        self.opening, self.tick, self.book = (self._program(calls) for calls in (opening, tick, book))
        self.settle, self.freeze, self.publish = (self._program(calls) for calls in (settle, freeze, publish_))
        self.run_on = self.tick if tick_s == MINUTE_S else self._program(self._tick(MINUTE_S))
        self.append_stage([])

    def _program(self, calls: list[Call]) -> Program:
        return Program(calls, self.fleet.n_world, self.fleet.n_shard, self._workers)

    def append_stage(self, calls: list[Call]) -> None:
        """Let a whole step end with these calls too; alone they are ``post_step``."""
        self.whole, self.post_step = self._program([*self._whole, *calls]), self._program(calls)

    def _opening(self, nominal_kw: Array) -> list[Call]:
        t_s, network, step_h = self.fleet.t_s, self.network, self.scenario.decision_s / HOUR_S
        asked = (network.leaf, self.view.leaf, nominal_kw, self.market.asked_kwh, self.refreshed)
        opens = Call(books.open_step, self.active, t_s, step_h, *asked, by_world=True)
        return [network.send_messages(self.active, t_s, self.message), opens]

    def _tick(self, dt: int) -> list[Call]:
        """Return a tick: what is due in it, messages, devices, reports, sums, clocks."""
        f, network, meters, active = self.fleet, self.network, self.meters, self.active
        marks = (self._due, self._turn, self._midnight, self.refreshed)
        power = (meters.power, meters.net, meters.receiving, meters.minute_kw)
        exact = [Call(show_power, f.n_shard, active, f.fleet)] if self.scenario.network.ideal else []
        return [
            Call(books.mark_due, active, f.t_s, f.abs_s, *marks, by_world=True),
            self.context(active, dt),
            network.refill_quotas(self._midnight),
            network.draw_link_outages(self._midnight, f.keys, f.abs_s, f.t_s, f.fleet),
            *f.update_membership(self._turn),
            *f.redraw_slots(self._due),
            network.compute_arrivals(f.keys, f.fleet),
            network.deliver_messages(active, f.t_s, dt, f.fleet),
            *self._rules(),
            *f.advance_devices(active),
            *exact,
            network.report_telemetry(active, f.keys, f.t_s, dt, f.fleet),
            *meters.sum_power(active, dt),
            *meters.measure_capability(self._due),
            Call(books.end_tick, f.n_shard, active, dt, f.t_s, f.abs_s, *power, by_world=True),
            network.free_slots(active, f.t_s),
        ]

    def _rules(self) -> list[Call]:
        f, kinds = self.fleet, self.scenario.devices.behaviour.kinds
        rules = [BEHAVIOURS[name] for name in kinds if name != "dispatch"]
        return [Call(rule.decide, f.n_shard, self.active, f.ctx, self.network.latched, f.fleet) for rule in rules]

    def context(self, active: Array, dt: int) -> Call:
        """Return what fills the context rows of a tick of ``dt`` seconds that begins now."""
        f, d = self.fleet, self.market
        given = (active, f.t_s, f.abs_s, dt, d.day0, d.kinds, d.window, d.awarded, f.ctx)
        return Call(context, *given, by_world=True)

    def _settle(self) -> list[Call]:
        """Return what settles the minute in the worlds where one has ended."""
        d, n_tick = self.market, float(MINUTE_S // self.scenario.tick_s)
        plan = (self.active, self.fleet.t_s, self.meters.minute_kw, n_tick, d.plan_kw, d.perfect_kw, d.perfect)
        closes = Call(books.close_minute, *plan, *self.minute, by_world=True)
        return [closes, d.product.minute(*self.minute, d.registers)]

    def _book(self) -> list[Call]:
        """Return what reads the registers of the worlds whose block has just ended."""
        f, w, d, ends = self.fleet, self.network, self.market, self._block
        reads = zip(BOOKED, self._totals, strict=True)
        totals = [call for name, out in reads for call in f.totalling(name, ends, out)]
        own = (ends, *self._totals, w.leaf, w.gate, d.asked_kwh, d.registers)
        marks = Call(books.mark_block_ends, self.active, f.t_s, ends, by_world=True)
        return [marks, *totals, Call(books.note_registers, *own, by_world=True)]

    def _freeze(self) -> Call:
        """Return what fixes a plan in the worlds whose block has just ended."""
        d, ends = self.market, self._block
        alone = (d.awarded, d.standby_leaf, d.quiet_since_s)
        plans = (d.base_kw, d.house_kw, d.forecaster.config.persistence, d.perfect)
        own = (d.seen_sum, d.seen_n, d.plan_leaf_kw, d.plan_kw)
        return Call(books.freeze_plan, ends, self.fleet.t_s, *alone, *plans, *own, by_world=True)

    def _publish(self, shown_kw: Array) -> Call:
        """Return what writes the public table."""
        f, d, t, w, p, product = self.fleet, self.market, self.meters, self.network, self.view, self.market.product
        clocks = (f.n_shard, self.active, f.t_s, f.abs_s, t.seen, t.capability, float(self.scenario.horizon_s))
        days = (d.day0, d.kinds, d.failed_before, d.unit_kw, d.window)
        plans = (d.award_kw, shown_kw, d.plan_leaf_kw, d.house_kw, product.request_kw, product.target_kw, t.rated_kw)
        mail = (f.structure.cell_leaf, w.gate, w.leaf, w.mail)
        notes = (t.bin_error, d.seen_sum, d.seen_n, d.quiet_since_s)
        return Call(publish, *clocks, *days, *plans, *mail, *notes, p.world, p.leaf, p.block, by_world=True)
