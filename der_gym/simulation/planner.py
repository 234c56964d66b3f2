"""The plan (基準値) of each control leaf: forecast from the days before, corrected and frozen block by block."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S, SLOT_PER_DAY
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.engine.tables import CAPABILITY
from der_gym.fleet.structure import Structure
from der_gym.services.baselines.forecast import PlanConfig, PlanForecaster, corrected
from der_gym.signals.table import SIGNALS
from der_gym.simulation.episode import Episode
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.meters import Meters
from der_gym.simulation.plan_model import GATE_SLOTS, KNOWN, PlanModel, Weather
from der_gym.simulation.plan_state import (
    PLAN_STATE,
    QUIET_S,
    REPORTING,
    begin_half_hour,
    count_reporting,
    freeze_forecast,
    heard_share,
    read_state,
    recall_state,
)
from der_gym.simulation.reference_days import KEPT, Pool
from der_gym.simulation.representative_fleet import Sample

Array = np.ndarray
HISTORY_DAYS = 10


class Planner:
    """Plans of the control leaves of ``n_world`` worlds; services sum them over their nodes.

    Parameters
    ----------
    config : PlanConfig
    episode : Episode
    structure : Structure
    pool : Pool
    sample : Sample
        How the fleet of the reference days represents this one.
    n_block : int
    receiving : bool
        Whether some service meters at the homes' receiving points: then the homes' own load and PV are planned too.
    standby_share : float64 (n_cell,)
        Expected share of each cell's devices that stand by in committed blocks; 0 where they are no stores.
    nominal_kw : float64 (n_leaf,)
        Rated swing of the leaves.
    model : PlanModel, optional
        Weights of the method ``forecast``; without them the plan is that of ``like_days``.
    moved : bool
        Whether the action corrects the plan.
    offered : bool
        Whether owners are offered pay.

    Attributes
    ----------
    base_kw, leaf_kw : float64 (n_world, n_block, n_leaf)
        Mean of like days; plan.
    house_kw : float64 (n_world, n_block)
        The homes' own load less PV, of the whole fleet.
    standing, stands : bool (n_world, n_block, n_leaf)
        Leaves that hold devices that stand by: their power there does not move the plan; leaves of such devices alone.
    standby_cell : bool (n_cell,)
    outlook : float64 (n_world, n_block, n_leaf)
        Part of the plan that clock, weather and the days before give, per nominal kW; read at the gate.
    state : float64 (n_world, n_leaf, PLAN_STATE.N)
        The leaves at the last gate.
    kept : float64 (n_world, n_leaf, PLAN_STATE.N)
        What they showed beyond the usual when they were last left without offers.
    silent : float64 (n_leaf, 2)
        Expected part of a leaf's plan that is of homes which cannot report: by its own schedule; where it stands by.
    correction : float64 (n_world, n_leaf), optional
        What the controller adds at the next gate, per nominal kW; None where no head does.
    added_kw : float64 (n_world, n_block, n_leaf), optional
        What it has added.
    """

    def __init__(
        self, config: PlanConfig, episode: Episode, structure: Structure, pool: Pool, sample: Sample, n_block: int,
        receiving: bool, standby_share: Array, nominal_kw: Array, model: PlanModel | None, moved: bool = False,
        offered: bool = False,
    ) -> None:  # fmt: skip
        self.forecaster, self.episode, self.structure, self.model = PlanForecaster(config), episode, structure, model
        self.pool, self.sample, self.receiving, self.offered = pool, sample, receiving, offered
        self.standby_share, self.standby_cell = standby_share, standby_share > 0
        n_world, n_leaf, n_cell = len(episode.day0), structure.n_leaf, structure.n_cell
        self.nominal_kw = np.maximum(nominal_kw, 1e-9)  # a leaf may be empty
        self.fold = np.zeros((n_cell, n_leaf))
        self.fold[np.arange(n_cell), structure.cell_leaf] = 1.0
        self.standby_leaf = self.standby_cell @ self.fold > 0
        self._whole = ~(~self.standby_cell @ self.fold > 0)
        self.base_kw, self.leaf_kw, self.outlook = (np.zeros((n_world, n_block, n_leaf)) for _ in range(3))
        self.house_kw = np.zeros((n_world, n_block))
        self.standing, self.stands = (np.zeros((n_world, n_block, n_leaf), dtype=bool) for _ in range(2))
        self.quiet_since_s, self.offered_since_s, self.seen_sum = (np.zeros((n_world, n_leaf)) for _ in range(3))
        self.sent_sum, self.sent_before = (np.zeros((n_world, n_leaf, 2)) for _ in range(2))
        self.seen_n = np.zeros(n_world)
        self.state, self.kept = (np.zeros((n_world, n_leaf, PLAN_STATE.N)) for _ in range(2))
        self.silent = np.zeros((n_leaf, 2))
        self.correction = np.zeros((n_world, n_leaf)) if moved else None
        self.added_kw = np.zeros((n_world, n_block if moved else 0, n_leaf))
        self._means = _by_half_hour(episode.signals.values[[SIGNALS.TEMP_C, SIGNALS.SUN_KW_M2]])
        self._weather = Weather(episode.signals)

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        names = ("base_kw", "leaf_kw", "house_kw", "standing", "quiet_since_s", "seen_sum", "seen_n")
        later = ("stands", "outlook", "sent_sum", "sent_before") if self.model else ()
        moved = () if self.correction is None else ("correction", "added_kw")
        offered = ("offered_since_s", "kept") if self.offered else ()
        return {f"plan.{name}": getattr(self, name) for name in (*names, *later, *moved, *offered)}

    def begin(self, mask: Array) -> None:
        """Set the sums of seen power and sent fractions in the worlds of ``mask`` to 0."""
        self.quiet_since_s[mask], self.offered_since_s[mask] = -QUIET_S, -QUIET_S
        self.seen_sum[mask], self.seen_n[mask], self.kept[mask] = 0.0, 0.0, 0.0
        self.sent_sum[mask], self.sent_before[mask] = 0.0, 0.0
        if self.correction is not None:
            self.correction[mask], self.added_kw[mask] = 0.0, 0.0

    def history(self, which: Array) -> tuple[Array, Array, Array]:
        """Return power per cell, weather means and weekends of the ten days before, for the worlds ``which``."""
        days = (self.episode.day0[which] - self.pool.first_day)[:, None] - np.arange(HISTORY_DAYS, 0, -1)
        power = self.pool.power_kw[self.episode.fleet_no[which][:, None], days]
        weekend = self.episode.kinds_of(days + self.pool.first_day)[..., 0].astype(bool)
        return power, self._means[days], weekend

    def forecast(self, which: Array, committed: Array) -> None:
        """Forecast every block of the worlds ``which`` from the ten days before, and freeze the first two.

        Parameters
        ----------
        which : int64 (n,)
        committed : bool (n_world, n_block, n_leaf)
            Where a leaf's kW are committed to a service whose stores stand by.
        """
        e, n_cell, n_block = self.episode, self.structure.n_cell, self.base_kw.shape[1]
        power, past, kind = self.history(which)  # of the sample; the steps below are linear in it
        first, step = e.start_h[which] * 2, slice(0, n_block * 6)
        temp = _half_hours(e.window[which, SIGNALS.TEMP_FORECAST_C, step])
        now = e.kinds[which, 0, 0].astype(bool)
        base = self.forecaster.base(power, kind, now, first, n_block, past[:, :, :, 0], temp)
        base *= self.sample.scale
        stands = committed[which][:, :, self.structure.cell_leaf] & self.standby_cell
        self.base_kw[which] = (base[:, :, :n_cell] * (1.0 - stands * self.standby_share)) @ self.fold
        self.leaf_kw[which] = self.base_kw[which]
        self.standing[which] = committed[which] & self.standby_leaf
        self.house_kw[which] = 0.0
        if self.receiving:
            sun = _half_hours(e.window[which, SIGNALS.SUN_FORECAST_KW_M2, step])
            pv_kw = power[..., -1].sum(axis=(1, 2), dtype=np.float64) * self.sample.scale[-1]
            ratio = pv_kw / np.maximum(past[..., 1].sum(axis=(1, 2)), 1e-6)
            self.house_kw[which] = base[:, :, n_cell] - ratio[:, None] * sun
        if self.model is not None:
            self._look_out(which, self.model)

    def known(self, which: Array) -> Array:
        """Return the inputs of clock, weather and base of the worlds ``which``, (n, n_block, n_leaf, KNOWN.N)."""
        e, base = self.episode, self.base_kw[which] / self.nominal_kw
        shared = self._weather.known(e.day0[which], e.start_h[which], base.shape[1], e.kinds[which, 0])
        inputs = np.repeat(shared[:, :, None, :], base.shape[2], axis=2)
        inputs[..., KNOWN.BASE] = base
        return inputs

    def _look_out(self, which: Array, model: PlanModel) -> None:
        """Work out the outlook of every block, and freeze the two whose gates closed before the episode."""
        row = model.row_of()[self.episode.start_h[which]]
        self.outlook[which] = np.einsum("wbjk,wbjk->wbj", self.known(which), model.known[row])
        self.stands[which] = self.standing[which] & self._whole
        early = min(GATE_SLOTS, self.base_kw.shape[1])
        for b in range(early):
            total = self.outlook[which, b] + np.einsum("wjk,wjk->wj", self.state_before(which, b), model.state[row, b])
            held = np.clip(total, model.least[row, b], model.greatest[row, b]) * self.nominal_kw
            self.leaf_kw[which, b] = np.where(self.stands[which, b], self.base_kw[which, b], held)

    def state_before(self, which: Array, b: int) -> Array:
        """Return the leaves' state at the gate of block ``b`` < 2, before the episode, (n, n_leaf, PLAN_STATE.N).

        It is read from the reference days, whose fleet the world takes over. No command was in force.
        """
        e, n_cell = self.episode, self.structure.n_cell
        gate = (e.day0[which] - self.pool.first_day) * SLOT_PER_DAY + 2 * e.start_h[which] + b - GATE_SLOTS
        fleet, scale = e.fleet_no[which], self.sample.scale[:n_cell]
        capability = self.pool.capability[fleet, gate // SLOT_PER_DAY, gate % SLOT_PER_DAY].astype(np.float64)
        last = gate - 1
        power = self.pool.power_kw[fleet, last // SLOT_PER_DAY, last % SLOT_PER_DAY, :n_cell].astype(np.float64)
        leaves = np.einsum("wck,c,cj->wjk", capability, scale, self.fold) / self.nominal_kw[:, None]
        state = np.zeros((len(which), self.structure.n_leaf, PLAN_STATE.N))
        rows = (PLAN_STATE.UP_KW, PLAN_STATE.DOWN_KW, PLAN_STATE.STORED_KWH)
        kept = [KEPT.index(row) for row in (CAPABILITY.UP_KW, CAPABILITY.DOWN_KW, CAPABILITY.STORED_KWH)]
        state[:, :, rows] = leaves[:, :, kept]
        state[:, :, PLAN_STATE.SEEN_KW] = ((power * scale) @ self.fold - self.base_kw[which, b]) / self.nominal_kw
        return state

    def freezing(self, ends: Array, fleet: Fleet, meters: Meters) -> list[Call]:
        """Return the calls that freeze the plan of the block two ahead, where a block ``ends``.

        Parameters
        ----------
        ends : bool (n_world,)
        fleet, meters : Fleet, Meters
            Clock and reports; the aggregator's sums.
        """
        st, t_s = self.structure, fleet.t_s
        reporting = np.zeros((fleet.n_all, st.n_cell, REPORTING.N))
        counts = Call(count_reporting, fleet.n_shard, ends, t_s, st.cell_lo, st.cell_hi, fleet.fleet, reporting)
        sent = (self.seen_n, self.sent_sum, self.sent_before)
        renew = Call(begin_half_hour, ends, self.seen_sum, *sent, by_world=True)
        by_leaf, m = (fleet.n_shard, st.cell_leaf), self.model
        if m is None:
            moved = (self.quiet_since_s, self.offered_since_s)
            own = (self.standing, *moved, self.base_kw, self.forecaster.config.persistence)
            last = (reporting, self.seen_sum, self.seen_n, self.leaf_kw)
            frozen = Call(freeze_leaves, ends, t_s, *by_leaf, *own, *last, by_world=True)
            return [counts, frozen, *self._correcting(ends, t_s), renew]
        reads = (meters.capability, meters.seen, reporting, self.nominal_kw, self.base_kw)
        told = (self.sent_sum, self.sent_before, self.seen_n, self.quiet_since_s, self.state)
        learned = (m.row_of(), m.state, m.least, m.greatest, self.nominal_kw)
        before = (m.row_of(), m.usual, m.fading, self.quiet_since_s, self.offered_since_s, self.kept, self.state)
        given = (
            self.outlook,
            self.state,
            self.stands,
            ~self.standby_leaf,
            self.base_kw,
            self.quiet_since_s,
            self.leaf_kw,
        )
        return [
            counts,
            Call(read_state, ends, t_s, *by_leaf, *reads, *told, by_world=True),
            *([Call(recall_state, ends, t_s, self.episode.start_h, *before, by_world=True)] if self.offered else []),
            Call(freeze_forecast, ends, t_s, self.episode.start_h, *learned, *given, by_world=True),
            *self._correcting(ends, t_s),
            renew,
        ]

    def _correcting(self, ends: Array, t_s: Array) -> list[Call]:
        """Return the call that adds the controller's correction to what has just been frozen; none without its head."""
        if self.correction is None:
            return []
        own = (self.correction, self.nominal_kw, self.added_kw, self.leaf_kw)
        return [Call(correct_plan, ends, t_s, *own, by_world=True)]


@kernel
def freeze_leaves(  # type: ignore[no-untyped-def]
    w0, w1, ends, t_s, n_shard, leaf_of, standing, quiet_since_s, offered_since_s, base_kw, persistence, reporting,
    seen_sum, seen_n, plan_leaf_kw,
):  # fmt: skip
    """Correct the plan of the block two ahead where a block ``ends``, by the method ``like_days``.

    Parameters
    ----------
    leaf_of : int64 (n_cell,)
        Leaf of each cell.
    standing : bool (n_world, n_block, n_leaf)
        Leaves that stand by: their power there does not move the plan.
    reporting : float64 (S, n_cell, REPORTING.N)
        Rated kW of the devices that report, and of all.
    quiet_since_s, offered_since_s, seen_sum : float64 (n_world, n_leaf); seen_n : float64 (n_world,)
        Last moment at which the leaf was under command, and under an offer, s; sum, kW, and number of its seen powers
        in the block.
    base_kw, plan_leaf_kw : float64 (n_world, n_block, n_leaf)
    """
    n_block, n_leaf = base_kw.shape[1], base_kw.shape[2]
    for w in range(w0, w1):
        if not ends[w]:
            continue
        now = int(t_s[w]) // BLOCK_S  # the block that begins
        last, ahead = max(now - 1, 0), now + 2
        for j in range(n_leaf if ahead < n_block else 0):
            moved_s = max(quiet_since_s[w, j], offered_since_s[w, j])
            alone = t_s[w] - moved_s >= QUIET_S and not standing[w, last, j]
            mean = seen_sum[w, j] / max(seen_n[w], 1.0) / heard_share(reporting, w, n_shard, leaf_of, j)
            known = alone and seen_n[w] > 0.0
            plan_leaf_kw[w, ahead, j] = corrected(
                base_kw[w, ahead, j], mean, plan_leaf_kw[w, last, j], known, persistence
            )


@kernel
def correct_plan(w0, w1, ends, t_s, correction, nominal_kw, added_kw, plan_leaf_kw):  # type: ignore[no-untyped-def]
    """Add the controller's correction to the plan of the block two ahead, where a block ``ends``.

    Parameters
    ----------
    ends : bool (n_world,); t_s : float64 (n_world,)
    correction : float64 (n_world, n_leaf); nominal_kw : float64 (n_leaf,)
        Per nominal kW, as the last decision before the gate set it.
    added_kw, plan_leaf_kw : float64 (n_world, n_block, n_leaf)
        Out; updated.
    """
    for w in range(w0, w1):
        b = int(t_s[w]) // BLOCK_S + 2
        for j in range(nominal_kw.shape[0] if ends[w] and b < plan_leaf_kw.shape[1] else 0):
            added_kw[w, b, j] = correction[w, j] * nominal_kw[j]
            plan_leaf_kw[w, b, j] += added_kw[w, b, j]


def _by_half_hour(values: Array) -> Array:
    """Return half-hour means of signals (n, n_step) by day, float64 (n_day, 48, n)."""
    per_day = DAY_S // REFRESH_S
    shaped = values[:, : (values.shape[1] // per_day) * per_day].reshape(len(values), -1, SLOT_PER_DAY, 6)
    means: Array = np.moveaxis(shaped.mean(axis=3), 0, -1).astype(np.float64)
    return means


def _half_hours(series: Array) -> Array:
    means: Array = series.reshape(series.shape[0], -1, 6).mean(axis=2).astype(np.float64)
    return means
