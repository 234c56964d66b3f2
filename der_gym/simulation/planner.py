"""The plan (基準値) of each control leaf: forecast from the days before, corrected and frozen block by block."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S, SLOT_PER_DAY
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.fleet.structure import Structure
from der_gym.services.baselines.forecast import PlanConfig, PlanForecaster, corrected
from der_gym.signals.table import SIGNALS
from der_gym.simulation.episode import Episode
from der_gym.simulation.reference_days import Pool
from der_gym.simulation.representative_fleet import Sample

Array = np.ndarray
QUIET_S = 3600.0  # a leaf under command within the last hour does not move the plan
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

    Attributes
    ----------
    base_kw, leaf_kw : float64 (n_world, n_block, n_leaf)
        Forecast; plan.
    house_kw : float64 (n_world, n_block)
        The homes' own load less PV, of the whole fleet.
    standing : bool (n_world, n_block, n_leaf)
        Leaves that stand by: their power there does not move the plan.
    standby_cell : bool (n_cell,)
    silent : float64 (n_leaf, 2)
        Expected part of a leaf's plan that is of homes which cannot report: by its own schedule; where it stands by.
    """

    def __init__(
        self, config: PlanConfig, episode: Episode, structure: Structure, pool: Pool, sample: Sample, n_block: int,
        receiving: bool, standby_share: Array,
    ) -> None:  # fmt: skip
        self.forecaster, self.episode, self.structure = PlanForecaster(config), episode, structure
        self.pool, self.sample, self.receiving = pool, sample, receiving
        self.standby_share, self.standby_cell = standby_share, standby_share > 0
        n_world, n_leaf, n_cell = len(episode.day0), structure.n_leaf, structure.n_cell
        self.fold = np.zeros((n_cell, n_leaf))
        self.fold[np.arange(n_cell), structure.cell_leaf] = 1.0
        self.standby_leaf = self.standby_cell @ self.fold > 0
        self.base_kw, self.leaf_kw = (np.zeros((n_world, n_block, n_leaf)) for _ in range(2))
        self.house_kw = np.zeros((n_world, n_block))
        self.standing = np.zeros((n_world, n_block, n_leaf), dtype=bool)
        self.quiet_since_s, self.seen_sum = (np.zeros((n_world, n_leaf)) for _ in range(2))
        self.seen_n = np.zeros(n_world)
        self.silent = np.zeros((n_leaf, 2))
        self._half_hour_means = _by_half_hour(episode.signals.values[[SIGNALS.TEMP_C, SIGNALS.SUN_KW_M2]])

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        names = ("base_kw", "leaf_kw", "house_kw", "standing", "quiet_since_s", "seen_sum", "seen_n")
        return {f"plan.{name}": getattr(self, name) for name in names}

    def begin(self, mask: Array) -> None:
        """Set the sums of seen power in the worlds of ``mask`` to 0."""
        self.quiet_since_s[mask], self.seen_sum[mask], self.seen_n[mask] = -QUIET_S, 0.0, 0.0

    def history(self, which: Array) -> tuple[Array, Array, Array]:
        """Return power per cell, weather means and weekends of the ten days before, for the worlds ``which``."""
        days = (self.episode.day0[which] - self.pool.first_day)[:, None] - np.arange(HISTORY_DAYS, 0, -1)
        power = self.pool.power_kw[self.episode.fleet_no[which][:, None], days]
        weekend = self.episode.kinds_of(days + self.pool.first_day)[..., 0].astype(bool)
        return power, self._half_hour_means[days], weekend

    def forecast(self, which: Array, committed: Array) -> None:
        """Forecast every block of the worlds ``which`` from the ten days before; the first two are frozen already.

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

    def freezing(self, ends: Array, t_s: Array) -> Call:
        """Return the call that corrects and freezes the plan of the block two ahead, where a block ``ends``."""
        own = (self.standing, self.quiet_since_s, self.base_kw, self.forecaster.config.persistence)
        return Call(freeze_leaves, ends, t_s, *own, self.seen_sum, self.seen_n, self.leaf_kw, by_world=True)


@kernel
def freeze_leaves(w0, w1, ends, t_s, standing, quiet_since_s, base_kw, persistence, seen_sum, seen_n, plan_leaf_kw):  # type: ignore[no-untyped-def]
    """Correct the plan of the block two ahead where a block ``ends``; then begin the sums of seen power anew.

    Parameters
    ----------
    standing : bool (n_world, n_block, n_leaf)
        Leaves that stand by: their power there does not move the plan.
    quiet_since_s, seen_sum : float64 (n_world, n_leaf); seen_n : float64 (n_world,)
        Since when each leaf is under no command, s; sum, kW, and number of its seen powers in the block.
    base_kw, plan_leaf_kw : float64 (n_world, n_block, n_leaf)
    """
    n_block, n_leaf = base_kw.shape[1], base_kw.shape[2]
    for w in range(w0, w1):
        if not ends[w]:
            continue
        now = int(t_s[w]) // BLOCK_S  # the block that begins
        last, ahead = max(now - 1, 0), now + 2
        for j in range(n_leaf if ahead < n_block else 0):
            alone = t_s[w] - quiet_since_s[w, j] >= QUIET_S and not standing[w, last, j]
            mean = seen_sum[w, j] / max(seen_n[w], 1.0)
            known = alone and seen_n[w] > 0.0
            plan_leaf_kw[w, ahead, j] = corrected(
                base_kw[w, ahead, j], mean, plan_leaf_kw[w, last, j], known, persistence
            )
        for j in range(n_leaf):
            seen_sum[w, j] = 0.0
        seen_n[w] = 0.0


def _by_half_hour(values: Array) -> Array:
    """Return half-hour means of signals (n, n_step) by day, float64 (n_day, 48, n)."""
    per_day = DAY_S // REFRESH_S
    shaped = values[:, : (values.shape[1] // per_day) * per_day].reshape(len(values), -1, SLOT_PER_DAY, 6)
    means: Array = np.moveaxis(shaped.mean(axis=3), 0, -1).astype(np.float64)
    return means


def _half_hours(series: Array) -> Array:
    means: Array = series.reshape(series.shape[0], -1, 6).mean(axis=2).astype(np.float64)
    return means
