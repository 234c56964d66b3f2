"""The data of a picture of one world: the aggregator's view, the settlement so far, and the episode's past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from der_gym.core.units import BLOCK_S
from der_gym.env.worlds import Worlds
from der_gym.services.base import OUTCOME
from der_gym.signals.calendar import EPOCH
from der_gym.simulation import aggregator_view
from der_gym.simulation.aggregator_view import LEAF, SERVICE, WORLD
from der_gym.simulation.ledger import Ledger

Array = np.ndarray
MINUTE_S = 60
_EPOCH = datetime(EPOCH.year, EPOCH.month, EPOCH.day)


class History:
    """The past of every world's episode that the simulator itself does not keep; read from it, never written to it.

    Attributes
    ----------
    seen_kw : float64 (n_world, n_step + 1)
        Response by telemetry at each decision; NaN where nothing was noted (to come, or before a restore).
    metered_kw : float64 (n_world, n_minute)
        Response by the meter, minute means; NaN likewise.
    reward : float64 (n_world,)
        Sum since ``since_s``.
    since_s : float64 (n_world,)
        Moment from which the past is known: 0, or that of a restored snapshot.
    """

    def __init__(self, worlds: Worlds) -> None:
        n, minutes = worlds.n_world, worlds.scenario.horizon_s // MINUTE_S
        self.worlds = worlds
        self.seen_kw = np.full((n, worlds.scenario.n_step + 1), np.nan)
        self.metered_kw = np.full((n, minutes), np.nan)
        self.reward, self.since_s = np.zeros(n), np.zeros(n)
        self._minute, self._kwh = np.zeros(n, dtype=np.int64), np.zeros(n)

    def begin(self, mask: Array) -> None:
        """Forget the past of the worlds in ``mask``, bool (n_world,): they were reset or restored."""
        self.seen_kw[mask], self.metered_kw[mask], self.reward[mask] = np.nan, np.nan, 0.0
        self.since_s[mask] = self.worlds.simulator.fleet.t_s[mask]
        self._minute[mask], self._kwh[mask] = self._clock()[mask], self._delivered_kwh()[mask]
        self._see(mask)

    def note(self, active: Array) -> None:
        """Note the step that the worlds of ``active``, bool (n_world,), have just taken."""
        self.reward[active] += self.worlds.reward.reward[active]
        self._see(active)
        minute, kwh = self._clock(), self._delivered_kwh()
        for w in np.flatnonzero(active & (minute > self._minute)):
            since, now = self._minute[w], minute[w]
            self.metered_kw[w, since:now] = (kwh[w] - self._kwh[w]) * 60.0 / (now - since)
            self._minute[w], self._kwh[w] = now, kwh[w]

    def _see(self, mask: Array) -> None:
        w, sim = np.flatnonzero(mask), self.worlds.simulator
        self.seen_kw[w, self.worlds.step_no[w]] = sim.view.service[w, sim.market.shown, SERVICE.RESPONSE_KW]

    def _clock(self) -> Array:
        minute: Array = (self.worlds.simulator.fleet.t_s // MINUTE_S).astype(np.int64)
        return minute

    def _delivered_kwh(self) -> Array:
        kwh: Array = self.worlds.simulator.market.primary.service.outcome[:, :, OUTCOME.DELIVERED_KWH].sum(axis=1)
        return kwh


@dataclass(frozen=True)
class Scene:
    """One moment of one world.

    Attributes
    ----------
    scenario : str
    start : datetime
        First moment of the episode, JST.
    t_s, horizon_s : float
        Time since ``start``; length of the episode.
    decision_s, window_s : int
        Time between two decisions; length of a judged window.
    now : mapping
        The aggregator's view of the world: column -> value.
    request_kw : float64 (n_bin,); target_kw : float64 (n_minute,)
        Up to the end of this 5-minute bin: as far as they are known.
    award_kw : float64 (n_block,)
        Whole episode.
    band_kw : float64 (n_window, 2)
        Least and greatest mean response that passes, windows begun so far; NaN where there is no award.
    seen_kw : float64 (step + 1,); metered_kw : float64 (n_minute,)
        As in :class:`History`, so far.
    leaf_names : tuple of str
    nominal_kw : float64 (n_leaf,)
    leaf : mapping
        The aggregator's view of the leaves: column -> float64 (n_leaf,).
    passed : float64 (n_block,)
        Hindsight, by the meter: 1, 0, or NaN where not (yet) judged.
    yen : mapping
        Hindsight: kind of line of the ledger -> yen so far.
    reward, since_s : float
        As in :class:`History`.
    """

    scenario: str
    start: datetime
    t_s: float
    horizon_s: float
    decision_s: int
    window_s: int
    now: Mapping[str, float]
    request_kw: Array
    target_kw: Array
    award_kw: Array
    band_kw: Array
    seen_kw: Array
    metered_kw: Array
    leaf_names: tuple[str, ...]
    nominal_kw: Array
    leaf: Mapping[str, Array]
    passed: Array
    yen: Mapping[str, float]
    reward: float
    since_s: float

    @property
    def time(self) -> datetime:
        """Return this moment, JST."""
        return self.start + timedelta(seconds=self.t_s)

    def clock(self, t_s: float) -> str:
        """Return a moment of the episode as hours and minutes, JST."""
        return f"{self.start + timedelta(seconds=t_s):%H:%M}"

    @property
    def block(self) -> int:
        """Return the running block, 0..n_block - 1; the last one at the end."""
        return min(int(self.t_s) // BLOCK_S, len(self.award_kw) - 1)

    @property
    def left(self) -> str:
        """Return the time that is left of the block, as text."""
        left_s = (self.block + 1) * BLOCK_S - self.t_s
        return f"{left_s / 60:.0f} min left" if left_s > 0 else "episode ended"


def scene(worlds: Worlds, history: History, w: int) -> Scene:
    """Return the present moment of world ``w``; its arrays are copies, or are not written to later."""
    sim, scenario = worlds.simulator, worlds.scenario
    service, table, t_s = sim.market.primary.service, sim.view, float(sim.fleet.t_s[w])
    minute, known_bin = int(t_s) // MINUTE_S, int(t_s) // aggregator_view.BIN_S + 1
    return Scene(
        scenario=scenario.name,
        start=_EPOCH + timedelta(seconds=float(sim.fleet.abs_s[w]) - t_s),
        t_s=t_s,
        horizon_s=float(scenario.horizon_s),
        decision_s=scenario.decision_s,
        window_s=service.window_s,
        now=dict(zip(WORLD, table.world[w].tolist(), strict=True))
        | dict(zip(SERVICE, table.service[w, 0].tolist(), strict=True)),
        request_kw=service.request_kw[w, :known_bin],
        target_kw=service.target_kw[w, : known_bin * (aggregator_view.BIN_S // MINUTE_S)],
        award_kw=service.award_kw[w],
        band_kw=_band(worlds, w, t_s),
        seen_kw=history.seen_kw[w, : worlds.step_no[w] + 1],
        metered_kw=history.metered_kw[w, :minute],
        leaf_names=worlds.layout.leaf_names,
        nominal_kw=worlds.layout.nominal_kw,
        leaf=dict(zip(LEAF, table.leaf[w].T, strict=True)),
        passed=service.outcome[w, :, OUTCOME.PASSED],
        yen=_by_kind(sim.market.ledger, w),
        reward=float(history.reward[w]),
        since_s=float(history.since_s[w]),
    )


def _by_kind(ledger: Ledger, w: int) -> dict[str, float]:
    """Return the yen of each kind of line of world ``w``, summed over the services."""
    yen: dict[str, float] = {}
    for kind, value in zip(ledger.kinds, ledger.yen[w].tolist(), strict=True):
        yen[kind] = yen.get(kind, 0.0) + value
    return yen


def _band(worlds: Worlds, w: int, t_s: float) -> Array:
    """Return the least and greatest mean that passes in each window begun so far, kW, (n_window, 2)."""
    service = worlds.simulator.market.primary.service
    n = int(t_s) // service.window_s + 1
    award = np.repeat(service.award_kw[w], BLOCK_S // service.window_s)[:n]
    half = np.where(award > 0, service.band_share * award, np.nan)
    low, high = service.window_kw[w, :, :n]
    return np.stack([low - half, high + half], axis=1)
