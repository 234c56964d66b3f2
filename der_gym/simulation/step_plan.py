"""The calls of a step, made once: programs of kernels over the arrays of all worlds."""

from __future__ import annotations

from typing import Any

import numpy as np

from der_gym.core.units import HOUR_S
from der_gym.engine.program import Call, Program, where_due
from der_gym.network.report import show_power
from der_gym.signals.frequency import Frequency
from der_gym.simulation import clock
from der_gym.simulation.aggregator_view import AggregatorView, publish, publish_service
from der_gym.simulation.exogenous import context
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.ledger import copy_lines
from der_gym.simulation.market_session import MarketSession
from der_gym.simulation.meters import Meters
from der_gym.simulation.network_runtime import NetworkRuntime
from der_gym.simulation.offers import Offers

Array = np.ndarray
MINUTE_S = 60


class StepPlan:
    """Programs over a simulator's arrays. Where an array is replaced, the programs must be made anew.

    Parameters
    ----------
    scenario, fleet, network, market, meters, frequency, public
        The simulator's.
    nominal_kw : float64 (n_leaf,)
    workers : int
        Threads.
    offers : Offers, optional
        Where owners are offered pay.

    Attributes
    ----------
    active, message
        Written before a program is run: bool (n_world,), float32 (n_world, n_lane, 3).
    refreshed : bool (n_world,)
        Worlds that stood at a refresh in the last step.
    opening, tick, book, settle, close, freeze, publish : Program
        Parts of a step, in this order; a step of several ticks repeats tick and settle, the others stand in the last.
    whole, post_step : Program
        All of them and the appended stages; the appended stages alone: see `append_stage`.
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
        frequency: Frequency,
        public: AggregatorView,
        nominal_kw: Array,
        workers: int,
        offers: Offers | None = None,
    ) -> None:
        self.scenario, self.fleet, self.network = scenario, fleet, network
        self.market, self.meters, self.view = market, meters, public
        self.frequency, self.offers = frequency, offers
        n, tick_s = fleet.n_world, scenario.tick_s
        self.active, self.refreshed = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self._due, self._turn, self._midnight, self._block = (np.zeros(n, dtype=bool) for _ in range(4))
        self.message = np.zeros((n, network.leaf.shape[1], 3), dtype=np.float32)
        opening, tick = self._opening(nominal_kw), self._tick(tick_s)
        settle, close = market.settling(self.active, fleet.t_s), self._close()
        book, freeze = self._book(), market.freezing(self._block, fleet, meters)
        publish_ = self._publish()
        before_last = (scenario.decision_s // tick_s - 1) * [*tick, *settle]
        self._whole = [*opening, *before_last, *tick, *book, *settle, *close, *freeze, *publish_]
        self._workers = workers
        self.opening, self.tick, self.book = (self._program(calls) for calls in (opening, tick, book))
        parts = (settle, close, freeze, publish_)
        self.settle, self.close, self.freeze, self.publish = (self._program(calls) for calls in parts)
        self.run_on = self.tick if tick_s == MINUTE_S else self._program(self._tick(MINUTE_S))
        self.append_stage([])

    def _program(self, calls: list[Call]) -> Program:
        return Program(calls, self.fleet.n_world, self.fleet.n_shard, self._workers)

    def append_stage(self, calls: list[Call]) -> None:
        """Let a whole step end with these calls too; alone they are ``post_step``."""
        self.whole, self.post_step = self._program([*self._whole, *calls]), self._program(calls)

    def freeze_first(self, mask: Array) -> None:
        """Freeze the plan of the block whose gate closes at the start of the episode, in the worlds of ``mask``."""
        self._block[:] = mask
        self.freeze()

    def _opening(self, nominal_kw: Array) -> list[Call]:
        t_s, network, step_h = self.fleet.t_s, self.network, self.scenario.decision_s / HOUR_S
        node_kw = np.stack([session.leaf_weight * nominal_kw for session in self.market.sessions])
        asked = (network.leaf, self.view.leaf, node_kw, self.market.fleet_ledger.asked_kwh, self.refreshed)
        opens = Call(clock.open_step, self.active, t_s, step_h, *asked, by_world=True)
        limits = self.offers.limiting(self.active, self.message) if self.offers else []
        limits += self.offers.noticing(self.active, t_s) if self.offers else []
        return [*limits, network.send_messages(self.active, t_s, self.message), opens]

    def _tick(self, dt: int) -> list[Call]:
        """Return the calls of a tick: marks, messages, devices, reports, sums, clocks."""
        f, network, meters, active = self.fleet, self.network, self.meters, self.active
        marks = (self._due, self._turn, self._midnight, self.refreshed)
        power, standing = (meters.power, meters.net), self.market.planner.standing
        told = network.stand_by(self._turn, f.keys, f.abs_s, f.t_s, standing, f.fleet)
        links = network.draw_link_outages(self._midnight, f.keys, f.abs_s, f.t_s, f.fleet)
        exact = [Call(show_power, f.n_shard, active, f.fleet)] if self.scenario.network.ideal else []
        return [
            Call(clock.mark_due, active, f.t_s, f.abs_s, *marks, by_world=True),
            self.context(active, dt),
            *self.frequency.advance(active, f.keys, f.abs_s, dt, f.ctx),
            *where_due(self._midnight, [network.refill_quotas(self._midnight), links]),
            *where_due(self._turn, [*f.update_membership(self._turn), told]),
            *where_due(self._due, f.redraw_slots(self._due)),
            *self._asking(),
            network.compute_arrivals(f.keys, f.fleet),
            *network.deliver_messages(active, f.t_s, dt, f.fleet),
            *((self.offers.telling(active, dt), *self.offers.dating(active)) if self.offers else ()),
            *([network.hand_over(active, f.t_s, dt, f.fleet)] if f.behaviours.handed_over else ()),
            *f.decide(active, dt, network.hold, network.message_rows()),
            *(self.offers.following(active) if self.offers else ()),
            *f.advance_devices(active),
            *f.account(active, dt),
            *exact,
            network.report_telemetry(active, f.keys, f.t_s, dt, f.fleet),
            *meters.sum_power(active, dt),
            *where_due(self._due, meters.measure_capability(self._due)),
            *(where_due(self._due, self.offers.counting(self._due)) if self.offers else ()),
            *(session.adding(f.n_shard, active, *power) for session in self.market.sessions),
            Call(clock.end_tick, active, dt, f.t_s, f.abs_s, by_world=True),
            network.free_slots(active, f.t_s),
        ]

    def _asking(self) -> list[Call]:
        """Return the calls by which owners learn what a kWh costs them now, and look at what is commanded."""
        usual = self.offers.spreading(self._turn) if self.offers else []
        asks = [*self.fleet.ask_owners(self._due), *self.fleet.watch_commands(self._due)]
        return [*where_due(self._due, asks), *where_due(self._turn, usual)]

    def context(self, active: Array, dt: int) -> Call:
        """Return the call that fills the exogenous rows of a tick of ``dt`` seconds that begins now."""
        f, e = self.fleet, self.market.episode
        given = (active, f.t_s, f.abs_s, dt, e.day0, e.kinds, e.window, f.ctx)
        return Call(context, *given, by_world=True)

    def _book(self) -> list[Call]:
        """Return the calls that sum the registers of the worlds whose block has just ended."""
        f, ends = self.fleet, self._block
        books = self.market.fleet_ledger
        reads = zip(books.registers, books.totals, strict=True)
        totals = self.offers.closing(ends) if self.offers else []
        totals += [call for each, out in reads for call in f.totalling(each.name, ends, out)]
        totals += self.offers.totalling(ends, books) if self.offers else []
        return [Call(clock.mark_block_ends, self.active, f.t_s, ends, by_world=True), *where_due(ends, totals)]

    def _close(self) -> list[Call]:
        """Return the calls that book the half hour that has ended and write the statement."""
        w = self.network
        return self.market.booking(self.active, self.fleet.t_s, self._block, w.leaf, w.gate)

    def _publish(self) -> list[Call]:
        """Return the calls that write the aggregator's view: the world and its leaves, then each service."""
        f, m, t, w, view = self.fleet, self.market, self.meters, self.network, self.view
        e, plan = m.episode, m.planner
        clocks = (f.n_shard, self.active, f.t_s, f.abs_s, t.seen, t.capability, float(self.scenario.horizon_s))
        mail = (f.structure.cell_leaf, w.gate, w.leaf, w.mail)
        lane = self.offers.lane if self.offers else -1
        notes = (lane, plan.seen_sum, plan.seen_n, plan.quiet_since_s, plan.offered_since_s, plan.sent_sum)
        days = (e.day0, e.kinds, e.window, plan.leaf_kw, t.rated_kw)
        calls = [Call(publish, *clocks, *days, *mail, *notes, view.world, view.leaf, by_world=True)]
        n_own = 0
        told = self.offers.publishing(self.active, f.t_s, t.rated_kw, view.own, m.n_own) if self.offers else []
        for i, session in enumerate(m.sessions):
            s, own = session.service, (session.leaf_weight, session.service.award_kw, session.shown_kw)
            asked = (plan.house_kw, session.receiving, s.request_kw, s.target_kw, s.failed_before, s.unit_kw)
            out = (plan.standing, plan.silent, session.bin_error, view.service, view.block)
            given = (i, self.active, f.t_s, *own, *asked, view.leaf, *out)
            calls += [Call(publish_service, *given, by_world=True), *s.show(self.active, f.t_s)]
            places = np.arange(n_own, n_own := n_own + s.FIELDS.N)
            calls.append(Call(copy_lines, self.active, s.shown, places, False, view.own, by_world=True))
        return [*(calls if n_own else [call for call in calls if call.kernel is not copy_lines]), *told]
