"""What each device draws in the twin, the same world without offers: a yardstick for evaluation, `baseline: twin`.

The twin is played once at each reset, so it costs an episode. Nobody who pays homes knows it.
"""

from __future__ import annotations

import numpy as np

from der_gym.core.units import BLOCK_S
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.engine.tables import FLEET
from der_gym.simulation.fleet_arrays import Fleet

Array = np.ndarray


class OwnTwin:
    """The twin's power of every device.

    Parameters
    ----------
    fleet : Fleet
    horizon_s, tick_s : int
        Length of an episode and of a tick, s.

    Attributes
    ----------
    metered_kw : float32 (S, n_block, n_place)
        Mean of each half hour, by the meters.
    """

    def __init__(self, fleet: Fleet, horizon_s: int, tick_s: int) -> None:
        self.fleet, self._n_tick = fleet, BLOCK_S // tick_s
        shape = (fleet.n_all, horizon_s // BLOCK_S, fleet.structure.n_place)
        self.metered_kw = np.zeros(shape, dtype=np.float32)
        self._sum = np.zeros(shape)

    def add(self, mask: Array, tick: int) -> None:
        """Add the power of a tick of the twin, counted from 0, in the worlds of ``mask``."""
        shards, fleet = np.repeat(mask, self.fleet.n_shard), self.fleet.fleet
        power = fleet[shards, FLEET.POWER_KW].astype(np.float64) * fleet[shards, FLEET.METER_GAIN]
        self._sum[shards, tick // self._n_tick] += power

    def keep(self, mask: Array) -> None:
        """Keep the means of the twin that was played in the worlds of ``mask``."""
        shards = np.repeat(mask, self.fleet.n_shard)
        self.metered_kw[shards] = self._sum[shards] / self._n_tick
        self._sum[shards] = 0.0

    def spreading(self, due: Array, row: int, state: Array) -> Call:
        """Return the call that writes the half hour that begins into a row of ``state``, in the ``due`` worlds."""
        return Call(spread_twin, self.fleet.n_shard, due, self.fleet.t_s, self.metered_kw, row, state)


@kernel
def spread_twin(s0, s1, n_shard, due, t_s, metered_kw, row, state):  # type: ignore[no-untyped-def]
    """Write the twin's mean of the half hour that begins, ``metered_kw`` (S, n_block, N), into ``state`` (S, n, N)."""
    for s in range(s0, s1):
        w = s // n_shard
        if due[w]:
            b = min(int(t_s[w]) // BLOCK_S, metered_kw.shape[1] - 1)
            state[s, row] = metered_kw[s, b]
