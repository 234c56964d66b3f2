"""The sums of all worlds and their arrays: metered, true and seen power, and the capability."""

from __future__ import annotations

import numpy as np

from der_gym.devices.meter import draw_gain
from der_gym.engine.program import Call
from der_gym.engine.tables import CAPABILITY, FLEET
from der_gym.simulation import metering
from der_gym.simulation.fleet_arrays import Fleet

Array = np.ndarray


class Meters:
    """Sums over the cells of a fleet.

    Parameters
    ----------
    fleet : Fleet
    receiving : bool
        Metered at the homes' receiving points instead of at the devices.
    tolerance : float
        Tolerance class of the receiving-point meters.
    """

    def __init__(self, fleet: Fleet, receiving: bool, tolerance: float) -> None:
        st, n_world, n_all = fleet.structure, fleet.n_world, fleet.n_all
        self.fleet, self.receiving = fleet, receiving
        self.power = np.zeros((n_all, st.n_cell, metering.POWER.N))
        self.net = np.zeros((n_all, metering.POWER.N))
        self.seen = np.zeros((n_all, st.n_cell, metering.SEEN.N))
        self.capability = np.zeros((n_all, st.n_cell, CAPABILITY.N))
        self.rated_kw = np.zeros((n_world, st.n_cell))
        self._site_weight = self._site_weights(np.float32(tolerance)) if receiving else None
        self._cells = (st.cell_lo, st.cell_hi, fleet.fleet)

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        names = ("seen", "capability", "rated_kw")
        return {f"meters.{name}": getattr(self, name) for name in names}

    def _site_weights(self, tolerance: np.float32) -> tuple[Array, Array]:
        """Return each site's presence and its receiving-point meter's gain, by address: (n_shard, n_site) each."""
        st = self.fleet.structure
        here, gain = st.site_present.astype(np.float32), np.ones(st.site_present.shape, dtype=np.float32)
        one, key = np.ones(1, dtype=bool), np.zeros((1, 4), dtype=np.uint32)
        draw_gain(0, st.n_shard, st.n_shard, one, key, st.site_uid, tolerance, gain)
        return here, here * gain

    def begin(self, mask: Array) -> None:
        """Empty the sums of the worlds in ``mask`` and count their rated kW."""
        every = np.repeat(mask, self.fleet.n_shard)
        for array in (self.power, self.net, self.seen, self.capability):
            array[every] = 0.0
        st = self.fleet.structure
        rated = metering.fold(self.fleet.fleet[:, FLEET.RATED_KW], self.fleet.n_shard)
        for c in range(st.n_cell):
            self.rated_kw[mask, c] = rated[mask, st.cell_lo[c] : st.cell_hi[c]].sum(axis=1, dtype=np.float64)

    def sum_power(self, active: Array, dt_s: int) -> list[Call]:
        """Return the calls that sum the tick's metered, true and seen power."""
        f = self.fleet
        calls = [
            Call(metering.sum_power_cells, f.n_shard, active, *self._cells, self.power),
            self.sum_seen(active, dt_s),
        ]
        if self._site_weight is not None:
            here, gain = self._site_weight
            calls.append(Call(metering.sum_power_sites, f.n_shard, active, here, gain, f.site, self.net))
        return calls

    def sum_seen(self, active: Array, dt_s: int) -> Call:
        """Sum the aggregator's table as it stands ``dt_s`` after the clock."""
        return Call(metering.sum_seen_cells, self.fleet.n_shard, active, self.fleet.t_s, dt_s, *self._cells, self.seen)

    def measure_capability(self, due: Array) -> list[Call]:
        """Return the calls that measure the capability of devices whose link is up, and sum it.

        An aggregator does not know which owners have opted out, so every member counts as one that takes commands.
        """
        return self.fleet.measure_capability(due, self.capability, opting=False, reached=True)
