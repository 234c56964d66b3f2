"""NetworkRuntime without a fleet: cells of devices behind chosen paths, stepped as the simulator steps them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from der_gym.core.units import DAY_S
from der_gym.engine.tables import FLEET
from der_gym.network import tables as net
from der_gym.network.config import NetworkConfig
from der_gym.network.streams import DISPATCH, MessageStream
from der_gym.network.tables import NEVER_S
from der_gym.simulation.network_runtime import NetworkRuntime

CALM = {"cloud_minor_per_year": 0.0, "cloud_major_per_year": 0.0, "region_per_year": 0.0, "reach_share": 1.0}


def structure(cells: Sequence[tuple[str, int, int, str]], uid: np.ndarray | None = None) -> Any:
    """Return as much of a fleet's structure as the network read; a cell is (path, devices, leaf, cloud)."""
    paths, sizes, leaves, clouds = (list(column) for column in zip(*cells, strict=True))
    path_names, cloud_names = tuple(dict.fromkeys(paths)), tuple(dict.fromkeys(clouds))
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(edges[-1])
    if uid is None:
        uid = np.random.default_rng(11).permutation(10 * n)[:n]
    return SimpleNamespace(
        n_shard=1,
        n_cell=len(cells),
        n_leaf=max(leaves) + 1,
        n_place=n,
        path_names=path_names,
        cloud_names=cloud_names,
        cell_path=np.array([path_names.index(p) for p in paths], dtype=np.int32),
        cell_leaf=np.array(leaves, dtype=np.int32),
        cell_cloud=np.array([cloud_names.index(c) for c in clouds], dtype=np.int32),
        cell_lo=edges[:-1].copy(),
        cell_hi=edges[1:].copy(),
        uid=np.asarray(uid, dtype=np.uint32)[None].copy(),
        present=np.ones((1, n), dtype=np.uint8),
    )


class Line:
    """``n_world`` worlds of network that start at midnight plus ``start_s``; links and clouds are up unless set.

    ``message`` float32 (n_world, n_leaf, 3) is what the aggregator wants now; ``shown`` float32 (n,) what devices
    would report.
    """

    def __init__(
        self,
        cells: Sequence[tuple[str, int, int, str]],
        *,
        uid: np.ndarray | None = None,
        n_world: int = 1,
        tick_s: int = 60,
        decision_s: int = 60,
        start_s: int = 0,
        streams: Sequence[MessageStream] = (DISPATCH,),
        dead_s: float = 0.0,
        links: bool = False,
        seed: int = 5,
        **settings: Any,
    ) -> None:
        self.structure = structure(cells, uid)
        self.config = NetworkConfig.model_validate({**CALM, **settings})
        self.network = NetworkRuntime(self.structure, self.config, n_world, float(decision_s), 3, streams)
        self.tick_s, self.n_tick, self.links = tick_s, decision_s // tick_s, links
        self.active = np.ones(n_world, dtype=bool)
        self.keys = np.random.default_rng(seed).integers(2**32, size=(n_world, 4), dtype=np.uint32)
        self.t_s = np.zeros(n_world)
        self.abs_s = np.full(n_world, 9000 * DAY_S + start_s, dtype=np.int64)
        self.fleet = np.zeros((n_world, FLEET.N, self.structure.n_place), dtype=np.float32)
        self.fleet[:, FLEET.DEAD_S] = dead_s
        self.fleet[:, FLEET.PENDING_KW], self.fleet[:, FLEET.SEEN_S] = np.inf, 0.0
        self.message = np.zeros((n_world, self.network.leaf.shape[1], 3), dtype=np.float32)
        self.message[:, :, 0] = np.repeat(np.arange(len(streams)), self.structure.n_leaf)
        self.network.begin(self.active, self.keys, self.abs_s)
        self._new_day(self.active)

    @property
    def now(self) -> float:
        return float(self.t_s[0])

    def row(self, number: int, world: int = 0) -> np.ndarray:
        """Return a row of the fleet, float32 (n,)."""
        return self.fleet[world, number]

    def arrivals(self, slot: int = 0, world: int = 0) -> np.ndarray:
        """Return when the messages in a slot of all leaves' rings reach each device, float32 (n,), s."""
        return np.concatenate([self.network.arrivals(world, c, slot) for c in range(self.structure.n_cell)])

    def book(self, number: int, leaf: int = 0, world: int = 0) -> float:
        """Return a figure of the sender's book."""
        return float(self.network.leaf[world, leaf, number])

    def cloud_out(self, start_s: float, end_s: float, cloud: int = 0) -> None:
        """Let one cloud of every world be out in [start, end)."""
        self.network.cloud[:, cloud, net.CLOUD.OUT_0_FROM : net.CLOUD.OUT_0_FROM + 2] = start_s, end_s

    def want(self, a: float, leaf: int = 0) -> None:
        self.message[:, leaf, 1] = a

    def mean(self, world: int = 0) -> np.ndarray:
        """Return the fraction in force, averaged over the last tick, float64 (n,)."""
        a0, a1, part = (
            self.row(k, world).astype(np.float64) for k in (FLEET.CMD_START, FLEET.CMD_END, FLEET.CMD_END_SHARE)
        )
        return a0 * (1 - part) + a1 * part

    def step(self) -> Iterator[float]:
        """Send, then work the ticks to the next decision; yields the time (s) after each tick."""
        w = self.network
        n = len(self.fleet)  # one shard a world
        w.send_messages(self.active, self.t_s, self.message)(0, n)
        for k in range(self.n_tick):
            midnight = self.active & (self.abs_s % DAY_S == 0) & (self.t_s > 0)
            if midnight.any():
                w.refill_quotas(midnight)(0, n)
                self._new_day(midnight)
            if k == 0:
                w.compute_arrivals(self.keys, self.fleet)(0, n)
            for call in w.deliver_messages(self.active, self.t_s, self.tick_s, self.fleet):
                call(0, n)
            w.report_telemetry(self.active, self.keys, self.t_s, self.tick_s, self.fleet)(0, n)
            self.t_s[self.active] += self.tick_s
            self.abs_s[self.active] += self.tick_s
            w.free_slots(self.active, self.t_s)(0, n)
            yield self.now

    def run(self, until_s: float) -> None:
        """Step until the clock stands at ``until_s``."""
        while self.now < until_s:
            for _ in self.step():
                pass

    def _new_day(self, due: np.ndarray) -> None:
        if self.links:
            self.network.draw_link_outages(due, self.keys, self.abs_s, self.t_s, self.fleet)(0, len(self.fleet))
        else:
            self.fleet[:, FLEET.LINK_DOWN_S : FLEET.LINK_UP_S + 1] = NEVER_S
