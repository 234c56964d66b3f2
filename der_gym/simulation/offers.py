"""Offers of pay to owners: the budget, what is known of the answers, and what groups of homes usually draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from der_gym.core.units import BLOCK_S, SLOT_PER_DAY
from der_gym.devices.owners.behaviour import INCENTIVE_ANSWER, STATE
from der_gym.devices.owners.terms import TARIFF
from der_gym.engine.compile import kernel, part
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.engine.scratch import borrow, give_back
from der_gym.engine.tables import FLEET
from der_gym.network import tables as net
from der_gym.network.deliver import looked_at
from der_gym.numerics.sums import dot
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.fleet_ledger import FleetLedger
from der_gym.simulation.network_runtime import NetworkRuntime
from der_gym.simulation.own_bills import OwnBills
from der_gym.simulation.own_twin import OwnTwin
from der_gym.simulation.planner import Planner

Array = np.ndarray
_0, _1 = np.float32(0.0), np.float32(1.0)

OFFER = Table(
    "view of the offers",
    "float64 (n_world, N n_leaf), row by row: what is known of the offers to each leaf; only where offers are made",
    """
    offer_yen_kwh  | yen/kWh | aggregator | last offer sent, while it holds
    offer_on_way   | -       | aggregator | 1 while homes may still wait for it (p95 of the way)
    answered_share | -       | aggregator | rated power whose owners take part, as reports tell (5 min old)
    """,
)
BUDGET = Table(
    "view of the budget",
    "float64 (n_world, N): only where offers are made",
    """
    budget_left | - | aggregator | part of the budget that is left; 1 where there is none
    """,
)


def tariff(costs: Any) -> Array:
    """Return the prices of the homes, float32 (TARIFF.N,), from the costs of a scenario."""
    return np.array([getattr(costs, name) for name in TARIFF], dtype=np.float32)


class Offers:
    """What a simulator keeps of offers; made only where a scenario offers pay.

    Parameters
    ----------
    fleet, network, planner
        The simulator's.
    lane : int
        First lane of the offers' messages.
    budget_yen : float, optional
    books : FleetLedger
        Where the devices' registers are booked, owners in events bear their own part of them.
    obeys : sequence of bool
        Which leaves may be sent commands.
    given : bool
        Whether each event has the notice that it gives, see `IncentiveConfig.notice`.
    announced : sequence of (float64 (n_world, n), int)
        Columns in which services tell the seconds until a start that they have announced, 0 none.
    twin : OwnTwin, optional
        Where homes are paid by their twin.

    Attributes
    ----------
    usual : float32 (n_world, n_block, n_cell)
        Power of each cell at each half hour of the episode, mean of the days before, per rated kW.
    answered : float64 (S, n_cell)
        Rated kW whose owners take part, as far as reports have told.
    paid_kwh : float64 (n_world, n_block)
        Energy that owners were paid for, up to the end of each half hour.
    """

    def __init__(
        self,
        fleet: Fleet,
        network: NetworkRuntime,
        planner: Planner,
        lane: int,
        budget_yen: float | None,
        books: FleetLedger,
        obeys: Sequence[bool],
        given: bool = False,
        announced: Sequence[tuple[Array, int]] = (),
        twin: OwnTwin | None = None,
    ) -> None:
        self.fleet, self.network, self.planner, self.lane = fleet, network, planner, lane
        self.budget_yen = np.inf if budget_yen is None else float(budget_yen)
        self.paid_yen, self.given, self.announced = books.paid_yen, given, announced
        self.twin = twin
        self.silenced = np.flatnonzero(~np.array(obeys, dtype=bool))
        st = fleet.structure
        self.usual = np.zeros((fleet.n_world, planner.base_kw.shape[1], st.n_cell), dtype=np.float32)
        self.answered = np.zeros((fleet.n_all, st.n_cell))
        self.paid_kwh = np.zeros((fleet.n_world, self.usual.shape[1]))
        self._kwh = np.zeros(fleet.n_world)
        (self.state,) = fleet.behaviours.asking
        self.own_bills = OwnBills(fleet, self.state, books.registers) if books.registers else None
        self.n_shown = OFFER.N * st.n_leaf + BUDGET.N

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        own = self.own_bills.arrays() if self.own_bills else {}
        own |= {"offers.twin_kw": self.twin.metered_kw} if self.twin else {}
        own |= {"offers.usual": self.usual, "offers.answered": self.answered, "offers.paid_kwh": self.paid_kwh}
        return own

    def begin(self, mask: Array, rated_kw: Array) -> None:
        """Look up what groups usually draw in the worlds of ``mask``; ``rated_kw`` float64 (n_world, n_cell)."""
        which, n_cell = np.flatnonzero(mask), self.fleet.structure.n_cell
        power, _, _ = self.planner.history(which)
        scale = self.planner.sample.scale[:n_cell]
        mean = power[..., :n_cell].mean(axis=1, dtype=np.float64) * scale
        first = self.planner.episode.start_h[which, None] * (SLOT_PER_DAY // 24)
        slot = (first + np.arange(self.usual.shape[1])) % SLOT_PER_DAY
        per_kw = mean[np.arange(len(which))[:, None], slot] / np.maximum(rated_kw[which, None, :], 1e-9)
        self.usual[which] = per_kw
        self.answered[np.repeat(mask, self.fleet.n_shard)], self.paid_kwh[mask] = 0.0, 0.0
        if self.own_bills:
            self.own_bills.begin(mask)

    def limiting(self, active: Array, message: Array) -> list[Call]:
        """Return the calls that make commands 0 where leaves obey none, and offers where the budget is spent."""
        calls = [Call(limit_commands, active, self.silenced, message, by_world=True)] if len(self.silenced) else []
        if np.isfinite(self.budget_yen):
            lanes = (self.lane, self.fleet.structure.n_leaf)
            spent = (self.fleet.n_shard, self.paid_yen, self.state, self.budget_yen)
            calls.append(Call(limit_offers, active, *spent, *lanes, message, by_world=True))
        return calls

    def spreading(self, due: Array) -> list[Call]:
        """Return the calls that write what homes usually draw in the half hour that begins, in the ``due`` worlds."""
        if self.twin is not None:
            return [self.twin.spreading(due, STATE.USUAL_KW, self.state)]
        return self.fleet.spread_usual(due, self.usual)

    def noticing(self, active: Array, t_s: Array) -> list[Call]:
        """Return the calls that tell homes of the start that a service has announced, at a decision."""
        if not self.given:
            return []
        told = (self.fleet.n_shard, active, t_s)
        calls = [Call(tell_start, *told, False, self.announced[0][0], 0, self.state)] if self.announced else []
        return calls + [Call(tell_start, *told, True, shown, k, self.state) for shown, k in self.announced]

    def telling(self, active: Array, dt_s: int) -> Call:
        """Return the call that marks the worlds in which a message in force may have changed in the tick."""
        lanes = (self.lane, self.lane + self.fleet.structure.n_leaf)
        given = (active, self.fleet.t_s, dt_s, self.network.leaf, *lanes, self.fleet.behaviours.news)
        return Call(mark_news, *given, by_world=True)

    def dating(self, active: Array) -> list[Call]:
        """Return the call that dates the offers in force, before homes look at them."""
        if not self.given:
            return []
        st, w = self.fleet.structure, self.network
        kept_s = w.gate[self.lane + st.cell_leaf, net.GATE.HOLD_S]
        row = w.message_rows()[INCENTIVE_ANSWER.name][0] + net.HOLD.A_VALID_S
        cells = (st.cell_lo, st.cell_hi, kept_s)
        return [Call(date_offers, self.fleet.n_shard, active, *cells, row, w.hold, self.state)]

    def following(self, active: Array) -> list[Call]:
        """Return the calls that tell apart what owners in events bear themselves, before the devices advance."""
        return self.own_bills.following(active) if self.own_bills else []

    def closing(self, ends: Array) -> list[Call]:
        """Return the calls that bring this up to the end of a half hour."""
        return self.own_bills.following(ends, always=True) if self.own_bills else []

    def counting(self, due: Array) -> list[Call]:
        """Return the call that counts the answers that reports have told of, in the ``due`` worlds."""
        st = self.fleet.structure
        cells = (st.cell_lo, st.cell_hi, self.fleet.fleet, self.state, self.answered)
        return [Call(count_answers, self.fleet.n_shard, due, *cells)]

    def totalling(self, ends: Array, books: FleetLedger) -> list[Call]:
        """Return the calls that sum what was paid, and the calls of people, where a half hour ``ends``."""
        f = self.fleet
        sums = (("offer_paid_yen", books.paid_yen), ("offer_calls", books.calls), ("offer_paid_kwh", self._kwh))
        summed = [call for name, out in sums for call in f.totalling(name, ends, out)]
        summed += [self.own_bills.booking(ends, books.totals)] if self.own_bills else []
        return [*summed, Call(note_paid, ends, f.t_s, self._kwh, self.paid_kwh, by_world=True)]

    def publishing(self, active: Array, t_s: Array, rated_kw: Array, out: Array, at: int) -> list[Call]:
        """Return the call that shows what is known of the offers, in ``out`` from column ``at`` on."""
        w, st = self.network, self.fleet.structure
        sent = (w.leaf, w.gate, self.lane, st.n_leaf)
        cells = (self.fleet.n_shard, st.cell_leaf, rated_kw, self.answered)
        given = (active, t_s, *sent, *cells, self.paid_yen, self.state, self.budget_yen)
        return [Call(publish_offers, *given, out, at, by_world=True)]


@kernel
def limit_commands(w0, w1, active, silenced, message):  # type: ignore[no-untyped-def]
    """Set the commands in ``message``, float32 (n_world, n_lane, 3), to 0 for the leaves ``silenced``, int64 (k,)."""
    for w in range(w0, w1):
        if active[w]:
            for j in silenced:
                message[w, j, 1] = 0.0
                message[w, j, 2] = 0.0


@part
def spent_yen(w, n_shard, paid_yen, state):  # type: ignore[no-untyped-def]
    """Return what owners of world ``w`` were paid, and what the open half hour has cost so far."""
    total = paid_yen[w]
    for s in range(w * n_shard, (w + 1) * n_shard):
        total += state[s, STATE.OWED_YEN, 0]
    return total


@kernel
def limit_offers(w0, w1, active, n_shard, paid_yen, state, budget_yen, lane, n_leaf, message):  # type: ignore[no-untyped-def]
    """Set the offers in ``message``, float32 (n_world, n_lane, 3), to 0 where the budget is spent."""
    for w in range(w0, w1):
        if active[w] and spent_yen(w, n_shard, paid_yen, state) >= budget_yen:
            for j in range(lane, lane + n_leaf):
                message[w, j, 1] = 0.0


@kernel
def tell_start(s0, s1, n_shard, active, t_s, adds, shown, k, state):  # type: ignore[no-untyped-def]
    """Note the start that a service has announced, s of the episode; ``adds`` to what is noted, else 0.

    ``shown`` float64 (n_world, n): its column ``k`` has the seconds until then, 0 none.
    """
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            in_s = np.float32(shown[w, k])
            begins = np.float32(t_s[w]) + in_s if in_s > _0 else _0
            state[s, STATE.STARTS_S, 0] = max(state[s, STATE.STARTS_S, 0], begins) if adds else _0


@kernel
def mark_news(w0, w1, active, t_s, dt_s, book, lo, hi, news):  # type: ignore[no-untyped-def]
    """Write into ``news``, uint8 (n_world,), where `deliver` has looked in this tick.

    1 for the lanes ``lo .. hi`` of offers, 2 for others, 3 for both; ``book``: float64 (n_world, n_lane, SENDER.N).
    """
    for w in range(w0, w1):
        if active[w]:
            own = others = False
            for j in range(book.shape[1]):
                if looked_at(book[w, j], t_s[w] + dt_s):
                    own, others = own or lo <= j < hi, others or not lo <= j < hi
            news[w] = (1 if own else 0) + (2 if others else 0)


@kernel
def date_offers(s0, s1, n_shard, active, cell_lo, cell_hi, kept_s, row, hold, state):  # type: ignore[no-untyped-def]
    """Write when the offer that each device holds was sent: its end, a row of ``hold``, less ``kept_s`` (n_cell,).

    Known error: a message that replaces another within the tick dates both.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            ends, sent = hold[s, row], state[s, STATE.SENT_S]
            for c in range(cell_lo.shape[0]):
                kept = np.float32(kept_s[c])
                for i in range(cell_lo[c], cell_hi[c]):
                    sent[i] = ends[i] - kept


@kernel
def note_paid(w0, w1, ends, t_s, kwh, paid_kwh):  # type: ignore[no-untyped-def]
    """Note the energy paid for so far, ``kwh`` (n_world,), at the end of a half hour, in ``paid_kwh``."""
    for w in range(w0, w1):
        if ends[w]:
            paid_kwh[w, min(int(t_s[w]) // BLOCK_S - 1, paid_kwh.shape[1] - 1)] = kwh[w]


@kernel
def count_answers(s0, s1, n_shard, due, cell_lo, cell_hi, fleet, state, answered):  # type: ignore[no-untyped-def]
    """Sum the rated kW of each cell whose owners take part and have reported since.

    Parameters
    ----------
    due : bool (n_world,)
    cell_lo, cell_hi : int64 (n_cell,)
    fleet : float32 (S, FLEET.N, N); state : float32 (S, STATE.N, N)
    answered : float64 (S, n_cell)
        Out.
    """
    rows = borrow(1, fleet.shape[2])
    known = rows[0]
    for s in range(s0, s1):
        if due[s // n_shard]:
            rated, gain, seen_s = fleet[s, FLEET.RATED_KW], fleet[s, FLEET.METER_GAIN], fleet[s, FLEET.SEEN_S]
            answer, look_s = state[s, STATE.ANSWER], state[s, STATE.LOOK_S]
            for i in range(known.shape[0]):
                tells = (answer[i] > _0) & (gain[i] > _0) & (seen_s[i] >= look_s[i])
                known[i] = _1 if tells else _0
            for c in range(cell_lo.shape[0]):
                answered[s, c] = dot(rated[cell_lo[c] : cell_hi[c]], known[cell_lo[c] : cell_hi[c]])
    give_back(rows)


@kernel
def publish_offers(  # type: ignore[no-untyped-def]
    w0, w1, active, t_s, book, gate, lane, n_leaf, n_shard, cell_leaf, rated_kw, answered, paid_yen, state, budget_yen,
    out, at,
):  # fmt: skip
    """Write the rows of OFFER, then those of BUDGET, into ``out`` from column ``at`` on.

    Parameters
    ----------
    book : float64 (n_world, n_lane, SENDER.N); gate : float64 (n_lane, GATE.N)
        The sender's state and rules; offers have the lanes ``lane .. lane + n_leaf``.
    rated_kw : float64 (n_world, n_cell); answered : float64 (S, n_cell)
    out : float64 (n_world, n)
    """
    n_cell = cell_leaf.shape[0]
    for w in range(w0, w1):
        if not active[w]:
            continue
        t = t_s[w]
        for j in range(n_leaf):
            sent = book[w, lane + j]
            holds = sent[net.SENDER.SENT_UNTIL] > t
            on_way = t - sent[net.SENDER.SENT_S] < gate[lane + j, net.GATE.ON_WAY_S]
            out[w, at + j] = sent[net.SENDER.SENT_A] if holds else 0.0
            out[w, at + n_leaf + j] = 1.0 if on_way else 0.0
            known, rated = 0.0, 0.0
            for c in range(n_cell):
                if cell_leaf[c] == j:
                    rated += rated_kw[w, c]
                    for s in range(w * n_shard, (w + 1) * n_shard):
                        known += answered[s, c]
            out[w, at + 2 * n_leaf + j] = min(known / max(rated, 1e-9), 1.0)
        spent = spent_yen(w, n_shard, paid_yen, state)
        left = 1.0 - spent / max(budget_yen, 1e-9) if budget_yen < 1e300 else 1.0
        out[w, at + 3 * n_leaf] = max(left, 0.0)
