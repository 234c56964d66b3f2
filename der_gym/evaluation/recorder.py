"""The record of every minute of a played batch: plan, target, power, seen power, commands, availability."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import TracebackType

import numpy as np

from der_gym.core.units import BLOCK_S, REFRESH_S
from der_gym.engine.tables import CAPABILITY
from der_gym.env.worlds import Worlds
from der_gym.network.tables import SENDER
from der_gym.simulation import metering
from der_gym.simulation.aggregator_view import SERVICE
from der_gym.simulation.service_session import ServiceSession

Array = np.ndarray
MINUTE_S = 60
BY_SERVICE = ("plan_kw", "target_kw", "true_kw", "metered_kw", "seen_kw")  # rows of a trace that each service has


@dataclass(frozen=True)
class Trace:
    """One row per seed, one column per minute of the episode; kW, float32.

    Attributes
    ----------
    plan_kw, target_kw, true_kw, metered_kw, seen_kw : (n, n_minute)
        Of the service that is told of. Plan as it was frozen: what a service adds to it for its settlement is in the
        target; judged trajectory; power of its node as it was, as the meter had it, and by the telemetry at hand when
        the minute began.
    action : (n, n_minute, n_leaf)
        Fractions that the controller asked for, -1..1.
    sent : (n, n_minute, n_leaf)
        Fractions of each leaf's last message sent, while it holds.
    leaf_kw : (n, n_minute, n_leaf)
        True power of each leaf's devices (with several ticks or minutes a decision: of its last tick).
    up_kw, down_kw, lost_kw : (n, n_minute, n_leaf)
        Power that the leaf's devices could give and take for 30 minutes against a store's standby, every 5 minutes; the
        part of the first behind links that were down.
    """

    plan_kw: Array
    target_kw: Array
    true_kw: Array
    metered_kw: Array
    seen_kw: Array
    action: Array
    sent: Array
    leaf_kw: Array
    up_kw: Array
    down_kw: Array
    lost_kw: Array

    @staticmethod
    def empty(n: int, n_minute: int, n_leaf: int) -> Trace:
        """Return a trace of zeros.

        Parameters
        ----------
        n, n_minute, n_leaf : int
            Episodes, minutes of an episode, control leaves.
        """
        flat = [np.zeros((n, n_minute), dtype=np.float32) for _ in range(5)]
        leaves = [np.zeros((n, n_minute, n_leaf), dtype=np.float32) for _ in range(6)]
        return Trace(*flat, *leaves)

    @staticmethod
    def join(parts: list[Trace]) -> Trace:
        """Return the traces of several batches as one."""
        return Trace(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Trace)))

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def frozen_kw(session: ServiceSession, worlds: Array, number: Array) -> Array:
    """Return the plan of some worlds in one sample each, kW, before their service adds anything to it.

    Parameters
    ----------
    session : ServiceSession
    worlds : int64 (n,)
        0..n_world - 1.
    number : int64 (n,)
        Sample of the episode, >= 0.

    Returns
    -------
    float64 (n,)
    """
    plan, per = (session.perfect_kw, 1) if session.perfect else (session.plan_kw, BLOCK_S // session.sample_s)
    kw: Array = plan[worlds, np.minimum(number // per, plan.shape[1] - 1)]
    return kw


class Recorder:
    """Fills a trace while its ``with`` block runs; the worlds must have been reset.

    Attributes
    ----------
    trace : Trace
    services : dict of str to dict of str to float32 (n, n_minute)
        Service id -> its `BY_SERVICE`; those of the service that is told of are the trace's own arrays.
    """

    def __init__(self, worlds: Worlds) -> None:
        sim = worlds.simulator
        self.worlds, self.sim = worlds, sim
        self.trace = Trace.empty(worlds.n_world, worlds.scenario.horizon_s // MINUTE_S, worlds.layout.n_leaf)
        self.services = {session.id: self._rows(session) for session in sim.market.sessions}
        self.every = np.ones(worlds.n_world, dtype=bool)
        n_all, n_cell = sim.fleet.n_all, sim.structure.n_cell
        self._power = np.zeros((n_all, n_cell, metering.POWER.N))
        self.capability = np.zeros((n_all, n_cell, CAPABILITY.N))
        self._minutes = slice(0, 0)

    def _rows(self, session: ServiceSession) -> dict[str, Array]:
        told = session is self.sim.market.primary
        own = self.trace if told else Trace.empty(len(self.trace.plan_kw), self.trace.plan_kw.shape[1], 0)
        own.target_kw[:] = session.service.target_kw
        return {name: getattr(own, name) for name in BY_SERVICE}

    def __enter__(self) -> Recorder:
        self.sim.on_minute.append(self._minute)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.sim.on_minute.remove(self._minute)

    def _minute(self) -> None:
        """Note the samples that have just ended, of each service in the minutes that they cover."""
        for session in self.sim.market.sessions:
            self._sample(session, self.services[session.id])

    def _sample(self, session: ServiceSession, rows: dict[str, Array]) -> None:
        sample, per_s = session.sample, session.sample_s
        plan_kw = frozen_kw(session, np.arange(len(sample.number)), sample.number)
        for w in np.flatnonzero(sample.ends).tolist():
            at_s = int(sample.number[w]) * per_s
            minutes = slice(at_s // MINUTE_S, max((at_s + per_s) // MINUTE_S, at_s // MINUTE_S + 1))
            for name in ("true_kw", "metered_kw"):
                rows[name][w, minutes] = getattr(sample, name)[w]
            rows["plan_kw"][w, minutes] = plan_kw[w]

    def before(self, action: Array) -> None:
        """Note what is seen and asked for when a decision is taken."""
        t, decision_s = int(self.sim.fleet.t_s[0]), self.worlds.scenario.decision_s
        self._minutes = slice(t // MINUTE_S, max(-(-(t + decision_s) // MINUTE_S), t // MINUTE_S + 1))
        for k, rows in enumerate(self.services.values()):
            rows["seen_kw"][:, self._minutes] = self.sim.view.service[:, k, SERVICE.SEEN_KW, None]
        heads = self.worlds.layout.action
        if "dispatch" in heads.places:  # other heads are not told
            asked = heads.decode(np.asarray(action, np.float32), "dispatch", self.worlds.action.award_kw)
            self.trace.action[:, self._minutes] = asked[:, None]
        if t % REFRESH_S == 0 or self.worlds.scenario.decision_s > REFRESH_S:
            self._capability(self._minutes)
        elif self._minutes.start:
            for held in (self.trace.up_kw, self.trace.down_kw, self.trace.lost_kw):
                held[:, self._minutes] = held[:, self._minutes.start - 1, None]

    def after(self) -> None:
        """Note what each leaf drew in the tick that has just ended, and the message that it was sent."""
        fleet, st = self.sim.fleet, self.sim.structure
        span = (0, fleet.n_all, fleet.n_shard, self.every)
        metering.sum_power_cells(*span, st.cell_lo, st.cell_hi, fleet.fleet, self._power)
        self.trace.leaf_kw[:, self._minutes] = self._leaves(self._power[:, :, metering.POWER.TRUE_KW])[:, None]
        if "dispatch" in self.worlds.layout.action.places:  # its lanes are the leaves'; others come after
            sent = self.sim.network.leaf[:, : self.trace.sent.shape[2]]
            holds = sent[:, :, SENDER.SENT_UNTIL] > fleet.t_s[:, None] - MINUTE_S
            self.trace.sent[:, self._minutes] = np.where(holds, sent[:, :, SENDER.SENT_A], 0.0)[:, None]

    def _capability(self, minutes: slice) -> None:
        self.capability = self.sim.fleet.measure(self.every)
        reached = self.sim.fleet.measure(self.every, reached=True)
        every, up = (self._leaves(capability[:, :, CAPABILITY.UP_KW]) for capability in (self.capability, reached))
        self.trace.up_kw[:, minutes] = every[:, None]
        self.trace.down_kw[:, minutes] = self._leaves(self.capability[:, :, CAPABILITY.DOWN_KW])[:, None]
        self.trace.lost_kw[:, minutes] = (every - up)[:, None]

    def _leaves(self, parts: Array) -> Array:
        cells = metering.fold(parts, self.sim.fleet.n_shard)
        leaves: Array = cells @ self.sim.market.planner.fold
        return leaves
