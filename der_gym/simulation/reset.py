"""The start of an episode: devices, their state, and their last reports before it."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import BLOCK_S, DAY_S
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call, Program
from der_gym.engine.tables import FLEET
from der_gym.simulation.array_ops import copy
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.meters import Meters
from der_gym.simulation.network_runtime import NetworkRuntime
from der_gym.simulation.reference_days import Pool

Array = np.ndarray
FEW = 32_768  # devices at once where copies are held: a large world has no memory for copies of all
_0, _NONE_KW, _LONG_AGO_S = np.float32(0.0), np.float32(np.inf), np.float32(-DAY_S)


class EpisodeReset:
    """The calls of a reset, made once.

    Params are drawn for one world of each fleet, and copied to the others.

    Parameters
    ----------
    fleet, network, meters
        The simulator's.
    pool : Pool
    place : dict
        Class -> int16 (n_shard, n): the place in the reference days whose state a device takes over.
    standing : bool (n_world, n_block, n_leaf)
        Where stores stand by for a service.
    workers : int
        Threads.
    """

    def __init__(
        self,
        fleet: Fleet,
        network: NetworkRuntime,
        meters: Meters,
        pool: Pool,
        place: dict[str, Array],
        standing: Array,
        workers: int,
    ) -> None:
        self._fleet, self._wires, self._tallies = fleet, network, meters
        self._due, self._turn, self._draws = (np.zeros(fleet.n_world, dtype=bool) for _ in range(3))
        self._model = np.zeros(fleet.n_world, dtype=np.int64)
        self._at = np.zeros(fleet.n_all, dtype=np.int64)
        saved = {name: (pool.rows(name), place[name]) for name in fleet.classes}
        dawn = network.draw_link_outages(self._due, fleet.keys, fleet.abs_s, fleet.t_s, fleet.fleet)
        calls = [
            *fleet.begin_episode(self._due, saved, self._at),
            dawn,
            *fleet.update_membership(self._turn),
            fleet.redraw_house_noise(self._due),
            network.stand_by(self._due, fleet.keys, fleet.abs_s, fleet.t_s, standing, fleet.fleet),
        ]
        steps = (fleet.draw_params(self._draws), fleet.copy_params_from(self._due, self._model), calls)
        self._steps = [Program(each, fleet.n_world, fleet.n_shard, workers) for each in steps]
        few = max(1, FEW // fleet.structure.n_place)
        spans = [(s, min(s + few, fleet.n_all)) for s in range(0, fleet.n_all, few)]
        kept = [np.zeros_like(part[: min(few, fleet.n_all)]) for part in self._moving()]
        self._reports = [
            Program(self._reporting(first, kept), last, 1, min(workers, last - first), first) for first, last in spans
        ]

    def calls(self) -> list[Call]:
        """Return all calls of a reset."""
        return [call for program in (*self._steps, *self._reports) for call in program.calls]

    def _moving(self) -> list[Array]:
        """Return the arrays of the classes that a tick changes."""
        classes = self._fleet.classes.values()
        return [
            part.view(np.float32) for st in classes for part in (st.state, st.energy, st.registers)
        ]  # copied as they are

    def _reporting(self, first: int, kept: list[Array]) -> list[Call]:
        """Return the calls that fill the reports of the shards from ``first`` on: a tick of own schedule, undone."""
        f, span = self._fleet, (self._fleet.n_shard, self._due)
        pairs = list(zip(self._moving(), kept, strict=True))
        keep = [Call(copy, *span, part, 0, held, first) for part, held in pairs]
        restore = [Call(copy, *span, held, first, part, 0) for part, held in pairs]
        seen = [*self._tallies.measure_capability(self._due), self._tallies.sum_seen(self._due, 0)]
        return [*keep, *f.advance_devices(self._due), *restore, Call(first_reports, *span, f.fleet), *seen]

    def __call__(self, mask: Array, at: Array) -> None:
        """Start episodes in the worlds of ``mask`` from the rows ``at``, int64 (n_world,), of the reference days."""
        f = self._fleet
        self._due[:], self._turn[:] = mask, mask & (f.abs_s % BLOCK_S == 0)
        self._at[:] = np.repeat(at, f.n_shard)
        self._model[:] = first_alike(mask, f.keys[:, :2])
        self._draws[:] = mask & (self._model == np.arange(f.n_world))
        self._wires.begin(mask, f.keys, f.abs_s)
        for program in self._steps:
            program()
        self._tallies.begin(mask)
        for reports in self._reports:
            reports()


def first_alike(mask: Array, keys: Array) -> Array:
    """Return the first world of ``mask`` that has the same key as each, int64 (n_world,); itself where it has none."""
    model = np.arange(len(mask))
    worlds = np.flatnonzero(mask)
    _, first, of = np.unique(keys[worlds], axis=0, return_index=True, return_inverse=True)
    model[worlds] = worlds[first[of]]
    return model


@kernel
def first_reports(s0, s1, n_shard, active, fleet):  # type: ignore[no-untyped-def]
    """Fill the table with the reports just before the episode; those of homes whose link is out are old.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    fleet : float32 (S, FLEET.N, N)
        SEEN_KW, SEEN_S and PENDING_KW are written.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            down, up, shown = fleet[s, FLEET.LINK_DOWN_S], fleet[s, FLEET.LINK_UP_S], fleet[s, FLEET.SHOWN_KW]
            seen_kw, seen_s, pending = fleet[s, FLEET.SEEN_KW], fleet[s, FLEET.SEEN_S], fleet[s, FLEET.PENDING_KW]
            for i in range(shown.shape[0]):
                silent = (down[i] <= _0) & (up[i] > _0)
                seen_kw[i] = _0 if silent else shown[i]
                seen_s[i] = _LONG_AGO_S if silent else _0
                pending[i] = _NONE_KW
