"""What the idle twin tells a bound: power, room and money of the fleet, as it is without commands.

Two pools are told apart by the traits of the classes: *stores*, and *loads*, which may only put energy off. Devices
whose owners have opted out count in the power, not in the room.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import TracebackType

import numpy as np

from der_gym.core.units import REFRESH_S
from der_gym.devices import DEVICES
from der_gym.engine.tables import CAPABILITY, FLEET, SITE
from der_gym.env.worlds import Worlds
from der_gym.evaluation.bound import KeepingRecorder, Kept
from der_gym.simulation.plan_model import GATE_SLOTS

Array = np.ndarray
POOLS = ("store", "load")
FIXED_LINES = ("revenue", "fee", "owners", "maker")  # of the ledger: no action changes them


@dataclass(frozen=True)
class TwinRecord:
    """The idle twin of ``n`` seeds, in windows of 5 minutes; every array leads with the seed.

    Attributes
    ----------
    metered_kw : (n, n_window)
        Metered power of the service's node.
    power_kw, least_kw, most_kw : (n, 2, n_window)
        True power of the devices that take commands, by pool; the least and the greatest that they could have.
    charging_kw, import_kw, export_kw : (n, 2, n_window)
        How much less the pool's devices could draw until they draw nothing where the home draws from the grid; until
        the homes draw nothing; how much more until the homes feed nothing.
    surplus_kw, easing_kw, giving_kw : (n, n_window)
        Of the stores: charge where the home feeds the grid; discharge that feeds the grid, that serves the home.
    twice_kw, twice_export_kw : (n, n_window)
        Of the loads' power, and of their homes' feed, what stands in the bill of a store of the same home too.
    stored_kwh : (n, n_window)
        Energy that the stores could give at the end of the window.
    bill_yen, fixed_yen : (n,)
        What owners' bills are higher at the end, before it is held at 0; lines of the ledger that no action changes.
    award_kw, imbalance_yen_kwh, retail_yen : (n, n_block)
        Award; prices of imbalance and of the owners' retailer.
    target_kw : (n, n_window)
    per_yen, per_kw, less : (n,)
        Reward of a yen; of a kW less of error over a block; what the variant subtracts.
    plan_low_kw, plan_high_kw : (n, n_window)
        Least and greatest plan of the node.
    """

    metered_kw: Array
    power_kw: Array
    least_kw: Array
    most_kw: Array
    charging_kw: Array
    import_kw: Array
    export_kw: Array
    surplus_kw: Array
    easing_kw: Array
    giving_kw: Array
    twice_kw: Array
    twice_export_kw: Array
    stored_kwh: Array
    bill_yen: Array
    fixed_yen: Array
    award_kw: Array
    imbalance_yen_kwh: Array
    retail_yen: Array
    target_kw: Array
    per_yen: Array
    per_kw: Array
    less: Array
    plan_low_kw: Array
    plan_high_kw: Array

    @staticmethod
    def join(parts: list[TwinRecord]) -> TwinRecord:
        """Return the records of several batches as one."""
        return TwinRecord(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(TwinRecord)))


class TwinWatch(Kept):
    """The ``watch`` of the idle play: keeps the actions and the twin's record."""

    def __init__(self) -> None:
        super().__init__()
        self.records = list[TwinRecord]()

    def __call__(self, worlds: Worlds) -> KeepingRecorder:
        """Return the recorder of the next chunk's worlds."""
        self.chunks.append([])
        return _TwinRecorder(worlds, self.chunks[-1], self.records)

    def record(self) -> TwinRecord:
        """Return the record of all seeds."""
        return TwinRecord.join(self.records)


class _TwinRecorder(KeepingRecorder):
    """A recorder that sums what the devices do over the windows."""

    def __init__(self, worlds: Worlds, actions: list[Array], records: list[TwinRecord]) -> None:
        super().__init__(worlds, actions)
        n, n_window = worlds.n_world, worlds.scenario.horizon_s // REFRESH_S
        self._records = records
        self._sums = {name: np.zeros((n, 2, n_window)) for name in _BY_POOL}
        self._once, self._stored = np.zeros((n, len(_ONCE), n_window)), np.zeros((n, n_window))
        self._devices = _Devices(worlds)

    def _minute(self) -> None:
        super()._minute()
        sample = self.sim.market.primary.sample
        window = int(sample.number[0]) * self.sim.market.primary.sample_s // REFRESH_S
        part = self.sim.market.primary.sample_s / REFRESH_S
        found, once = self._devices.now()
        for name, value in found.items():
            self._sums[name][:, :, window] += part * value
        self._once[:, :, window] += part * once
        self._stored[:, window] = self._devices.stored_kwh(self.every)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        if kind is None:
            self._records.append(self._whole())

    def _whole(self) -> TwinRecord:
        n, n_window = self._stored.shape
        metered = self.trace.metered_kw.astype(np.float64).reshape(n, n_window, -1).mean(axis=2)
        low, high = plan_span(self.worlds)
        return TwinRecord(
            metered_kw=metered,
            **self._sums,
            **{name: self._once[:, k] for k, name in enumerate(_ONCE)},
            stored_kwh=self._stored,
            **_money(self.worlds),
            target_kw=self.trace.target_kw.astype(np.float64).reshape(n, n_window, -1).mean(axis=2),
            plan_low_kw=low,
            plan_high_kw=high,
        )


_BY_POOL = ("power_kw", "least_kw", "most_kw", "charging_kw", "import_kw", "export_kw")
_ONCE = ("surplus_kw", "easing_kw", "giving_kw", "twice_kw", "twice_export_kw")


def _money(worlds: Worlds) -> dict[str, Array]:
    """Return what the record holds of yen and reward, as the idle play ends."""
    market, reward = worlds.simulator.market, worlds.reward
    service, terms = market.primary.service, market.primary.service.bound_terms()
    fixed = [k for k, kind in enumerate(market.ledger.kinds) if kind in FIXED_LINES]
    return {
        "bill_yen": market.fleet_ledger.bill_yen.copy(),
        "fixed_yen": market.ledger.yen[:, fixed].sum(axis=1),
        "award_kw": service.award_kw.copy(),
        "imbalance_yen_kwh": np.zeros_like(service.award_kw) if terms is None else terms.imbalance_yen_kwh.copy(),
        "retail_yen": market.fleet_ledger.retail_yen.copy(),
        "per_yen": reward.weights[0] / reward.unit[:, 0],
        "per_kw": reward.weights[1] / reward.unit[:, 1],
        "less": reward.twin.sum(axis=1),
    }


class _Devices:
    """Sums over the devices of each pool of the worlds as they stand."""

    def __init__(self, worlds: Worlds) -> None:
        self.sim, st = worlds.simulator, worlds.simulator.structure
        stores = np.array([DEVICES[name].traits.store for name in st.class_names])
        of_class = np.zeros(st.n_place, dtype=bool)
        for name, (lo, hi) in st.class_slice.items():
            of_class[lo:hi] = DEVICES[name].traits.store
        self.is_store, self.store_cell = of_class, stores[st.cell_class]
        homes = np.zeros((st.n_shard, st.n_site), dtype=bool)
        for p in range(st.n_shard):
            homes[p, st.site_index[p, of_class & st.present[p].astype(bool)]] = True
        self.shares_home = np.take_along_axis(homes, st.site_index.astype(np.int64), axis=1) & ~of_class

    def now(self) -> tuple[dict[str, Array], Array]:
        """Return the sums of both pools, (n, 2) by name, and those of one, (n, 5) in the order of ``_ONCE``."""
        fleet, st, n = self.sim.fleet.fleet, self.sim.structure, self.sim.n_world
        at = np.tile(st.site_index.astype(np.int64), (n, 1))
        rated, power = fleet[:, FLEET.RATED_KW], fleet[:, FLEET.POWER_KW]
        takes = (fleet[:, FLEET.ACCEPTS_COMMANDS] > 0) & (fleet[:, FLEET.METER_GAIN] > 0)
        bare = np.take_along_axis(self.sim.fleet.site[:, SITE.BARE_KW], at, axis=1)
        before = np.take_along_axis(self.sim.fleet.site[:, SITE.NET_KW], at, axis=1)
        last = self.sim.fleet.receiving  # else the last stage is not in the homes' net power
        net = np.where(self.is_store, before if last else before + power, bare + power)
        draws, feeds = np.maximum(net, 0.0), np.maximum(-net, 0.0)
        span = rated + np.where(self.is_store, power, 0.0)
        least = np.where(self.is_store, power - span, 0.0)
        rows = {
            "power_kw": power,
            "least_kw": least,
            "most_kw": rated,
            "charging_kw": np.minimum(np.maximum(power, 0.0), draws),
            "import_kw": np.minimum(draws, power - least),
            "export_kw": np.minimum(feeds, rated - power),
        }
        found = {name: self._pools(np.where(takes, row, 0.0)) for name, row in rows.items()}
        also, stores = takes & np.tile(self.shares_home, (n, 1)), takes & self.is_store
        once = {
            "surplus_kw": np.where(stores, np.minimum(np.maximum(power, 0.0), feeds), 0.0),
            "easing_kw": np.where(stores, np.minimum(np.maximum(-power, 0.0), feeds), 0.0),
            "giving_kw": np.where(stores, np.maximum(-power - feeds, 0.0), 0.0),
            "twice_kw": np.where(also, rows["import_kw"], 0.0),
            "twice_export_kw": np.where(also, rows["export_kw"], 0.0),
        }
        return found, np.stack([self._sum(once[name]) for name in _ONCE], axis=1)

    def _sum(self, row: Array) -> Array:
        total: Array = row.astype(np.float64).reshape(self.sim.n_world, -1).sum(axis=1)
        return total

    def _pools(self, row: Array) -> Array:
        return np.stack([self._sum(np.where(own, row, 0.0)) for own in (self.is_store, ~self.is_store)], axis=1)

    def stored_kwh(self, every: Array) -> Array:
        """Return the energy that the stores could give now, (n,)."""
        found = self.sim.fleet.measure(every)[:, :, CAPABILITY.STORED_KWH] * self.store_cell
        total: Array = found.reshape(self.sim.n_world, -1).sum(axis=1)
        return total


def plan_span(worlds: Worlds) -> tuple[Array, Array]:
    """Return the least and greatest plan of the node in each window that any commands lead to, (n, n_window) each.

    The plan of a perfect forecast is the twin's power, whatever is commanded. The plan of the method ``forecast`` is
    frozen before the episode in its first two blocks, and where stores stand by; elsewhere the model bounds it. That of
    ``like_days`` is its base, moved by what the leaf was seen to draw.
    """
    sim, session = worlds.simulator, worlds.simulator.market.primary
    n_window = worlds.scenario.horizon_s // REFRESH_S
    if session.perfect:
        exact = session.perfect_kw.reshape(worlds.n_world, n_window, -1).mean(axis=2)
        return exact, exact
    p = sim.market.planner
    early = (np.arange(p.leaf_kw.shape[1]) < GATE_SLOTS)[:, None]
    if p.model is None:
        way = p.forecaster.config.persistence * p.nominal_kw
        spans = [np.where(early, p.leaf_kw, p.base_kw + sign * way) for sign in (-1.0, 1.0)]
    else:
        row = p.model.row_of()[sim.market.episode.start_h]
        held, fixed = np.where(p.stands, p.base_kw, p.leaf_kw), p.stands | early
        spans = [np.where(fixed, held, end[row] * p.nominal_kw) for end in (p.model.least, p.model.greatest)]
        loads = ~p.standby_leaf & ~fixed  # under command within the hour: the base at most
        spans[0] = np.where(loads, np.minimum(spans[0], p.base_kw), spans[0])
    each = n_window // p.leaf_kw.shape[1]
    low, high = (np.repeat((span * session.leaf_weight).sum(axis=2), each, axis=1) for span in spans)
    return low, high
