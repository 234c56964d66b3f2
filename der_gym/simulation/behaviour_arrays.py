"""The behaviours of a fleet that answer other messages than dispatch: their arrays, and their calls in a tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.core.units import BLOCK_S
from der_gym.devices import behaviours as b
from der_gym.devices.behaviours import Behaviour
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.engine.tables import FLEET
from der_gym.simulation.array_ops import blank, copy_params

Array = np.ndarray
Owners = tuple[str, int, int, Any, str]  # class, the places of a cell, the class's declared owners, the cell's leaf


@dataclass
class BehaviourArrays:
    """One behaviour's arrays.

    Attributes
    ----------
    config, cfg : DeviceConfig, float32 (k,)
        Its settings, and what its kernels read of them.
    params, state : float32 (S, n, n_place)
    registers : float64 (S, n, 1 or n_place)
    message : float32 (S, 3, n_place)
        See MESSAGE; written anew in every tick.
    """

    behaviour: Behaviour
    config: Any
    cfg: Array
    params: Array
    state: Array
    registers: Array
    message: Array

    def _call(self, kernel: Any, active: Array, dt_s: int, who: tuple[Any, ...], fleet: Array) -> list[Call]:
        n_shard, keys, devices, homes, abs_s, ctx = who
        uid = homes if self.behaviour.by_home else devices
        own = (ctx, self.cfg, self.params, self.state, fleet, self.message, self.registers)
        return [] if kernel is None else [Call(kernel, n_shard, active, keys, uid, abs_s, np.float32(dt_s), *own)]

    def call_alone(
        self, kernel: Any, active: Array, dt_s: int, who: tuple[Any, ...], fleet: Array, told: tuple[Any, ...]
    ) -> Call:
        """Return the call of `Behaviour.decide_alone`; ``told``: news, row, row of dispatch or -1, hold."""
        n_shard, keys, devices, homes, abs_s, ctx = who
        uid = homes if self.behaviour.by_home else devices
        own = (ctx, self.cfg, self.params, self.state, fleet, *told, self.registers)
        return Call(kernel, n_shard, active, keys, uid, abs_s, np.float32(dt_s), *own)


def _make(behaviour: Behaviour, config: Any, n_all: int, n_place: int, by_device: bool) -> BehaviourArrays:
    return BehaviourArrays(
        behaviour=behaviour,
        config=config,
        cfg=behaviour.constants(config),
        params=np.zeros((n_all, len(behaviour.params), n_place), dtype=np.float32),
        state=np.zeros((n_all, len(behaviour.state), n_place), dtype=np.float32),
        registers=np.zeros((n_all, len(behaviour.registers), n_place if by_device else 1)),
        message=np.zeros((n_all, len(b.MESSAGE), n_place), dtype=np.float32),
    )


class Behaviours:
    """The behaviours beside dispatch, in the order in which they are asked; with dispatch alone there are none.

    Parameters
    ----------
    configs : mapping
        Kind of message -> settings of its behaviour, an instance of its ``config``.
    n_world, n_shard, n_place : int
    by_device : bool
        Whether registers are kept for every device; else their sum of each shard.
    commanded : bool
        Whether somebody may send dispatch.
    """

    def __init__(
        self,
        configs: Mapping[str, Any],
        n_world: int,
        n_shard: int,
        n_place: int,
        by_device: bool = False,
        commanded: bool = True,
    ) -> None:
        ordered = b.in_order(configs)
        self.n_shard, self.commanded = n_shard, commanded
        self.news = np.ones(n_world, dtype=np.uint8)  # 0 where no message in force may have changed in the tick
        self.all = [_make(each, configs[each.name], n_world * n_shard, n_place, by_device) for each in ordered]
        self.free = np.zeros((n_world * n_shard, n_place if self.all and not self._alone else 0), dtype=np.float32)

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        rows = ("params", "state", "registers")
        return {f"behaviours.{own.behaviour.name}.{row}": getattr(own, row) for own in self.all for row in rows}

    def draw_params(
        self, due: Array, keys: Array, uid: tuple[Array, Array], fleet: Array, owners: Sequence[Owners]
    ) -> list[Call]:
        """Draw the Params of the ``due`` worlds.

        Parameters
        ----------
        uid : tuple of uint32 (n_shard, n_place)
            Address of each device, and of its home.
        owners : sequence of Owners
        """
        calls = []
        for own in self.all:
            each, who = own.behaviour, (self.n_shard, due, keys, uid[own.behaviour.by_home])
            if each.draw is not None:
                calls.append(Call(each.draw, *who, own.cfg, fleet, own.params))
            if each.draw_class is not None and each.of_class is not None:
                for name, lo, hi, terms, leaf in owners:
                    vector = each.of_class(own.config, own.config.terms(name, terms, leaf))
                    calls.append(Call(each.draw_class, *who, vector, lo, hi, own.params))
        return calls

    @property
    def asking(self) -> list[Array]:
        """Return the states whose first rows device classes write, see `Behaviour.asks`."""
        return [own.state for own in self.all if own.behaviour.asks]

    def spread_usual(self, due: Array, cells: tuple[Any, ...], fleet: Array) -> list[Call]:
        """Write the usual power of each device's group at the half hour that begins, in the ``due`` worlds.

        Parameters
        ----------
        cells : tuple
            t_s (n_world,), cell_lo, cell_hi (n_cell,), usual float32 (n_world, n_block, n_cell), kW per rated kW.
        """
        rows = [(own.behaviour.state.index(own.behaviour.usual), own.state) for own in self.all if own.behaviour.usual]
        return [Call(spread, self.n_shard, due, *cells, fleet, *row) for row in rows]

    def copy_params_from(self, due: Array, model: Array) -> list[Call]:
        """Give the ``due`` worlds the Params of their ``model``, int64 (n_world,)."""
        drawn = [own.params for own in self.all if own.params.shape[1]]
        return [Call(copy_params, self.n_shard, due, model, each.shape[1], each) for each in drawn]

    @property
    def _alone(self) -> bool:
        """Return whether one behaviour stands beside dispatch, and does not read it."""
        return len(self.all) == 1 and not self.all[0].behaviour.reads_dispatch

    @property
    def handed_over(self) -> bool:
        """Return whether the behaviour beside dispatch writes over it in ``fleet``: see `Behaviour.decide_alone`."""
        return self._alone and self.commanded and self.all[0].behaviour.decide_alone is not None

    def begin_episode(self, due: Array) -> list[Call]:
        """Set State and registers of the ``due`` worlds to 0."""
        parts = [each for own in self.all for each in (own.state, own.registers.view(np.float32))]
        return [Call(blank, self.n_shard, due, each) for each in parts if each.size]

    def decide(
        self,
        active: Array,
        dt_s: int,
        who: tuple[Any, ...],
        fleet: Array,
        hold: Array,
        rows: Mapping[str, tuple[int, int]],
    ) -> list[Call]:
        """Turn the messages in force into commands.

        Parameters
        ----------
        who : tuple
            n_shard, keys, addresses of devices and of their homes, abs_s, ctx.
        hold : float32 (S, n_row, n_place)
        rows : mapping
            Kind -> rows of ``hold`` of the first and the second value.
        """
        if not self.all:
            return []
        span = (self.n_shard, active)
        if self._alone:
            return self._decide_one(self.all[0], active, dt_s, who, fleet, hold, rows)
        calls = [Call(b.begin_deciding, *span, rows["dispatch"][0], hold, fleet, self.free)]
        for own in self.all:
            calls.append(Call(b.show_messages, *span, *rows[own.behaviour.name], hold, self.free, own.message))
            calls += own._call(own.behaviour.decide, active, dt_s, who, fleet)
            calls.append(Call(b.command, *span, own.message, fleet, self.free))
        return calls

    def _decide_one(
        self,
        own: BehaviourArrays,
        active: Array,
        dt_s: int,
        who: tuple[Any, ...],
        fleet: Array,
        hold: Array,
        rows: Mapping[str, tuple[int, int]],
    ) -> list[Call]:
        """Return the calls of `decide` for a fleet with one behaviour beside dispatch."""
        span, (row_a, row_b) = (self.n_shard, active), rows[own.behaviour.name]
        if own.behaviour.decide_alone is not None:
            told = (self.news, row_a, rows["dispatch"][0] if self.commanded else -1, hold)
            return [own.call_alone(own.behaviour.decide_alone, active, dt_s, who, fleet, told)]
        shows = Call(b.show_one, *span, row_a, row_b if own.behaviour.second else -1, hold, own.message)
        obeys = Call(b.command_one, *span, rows["dispatch"][0], hold, own.message, fleet)
        return [shows, *own._call(own.behaviour.decide, active, dt_s, who, fleet), obeys]

    def account(self, active: Array, dt_s: int, who: tuple[Any, ...], fleet: Array) -> list[Call]:
        """Let behaviours enter the results of their decisions in the tick into their registers."""
        return [call for own in self.all for call in own._call(own.behaviour.account, active, dt_s, who, fleet)]

    def registers(self) -> Sequence[tuple[Array, tuple[str, ...]]]:
        """Return the registers of each behaviour and their names."""
        return [(own.registers, own.behaviour.registers) for own in self.all]


@kernel
def spread(s0, s1, n_shard, due, t_s, cell_lo, cell_hi, usual, fleet, row, state):  # type: ignore[no-untyped-def]
    """Write what each device usually draws in the half hour that begins: its group's mean by rated power.

    Parameters
    ----------
    due : bool (n_world,)
        Worlds that stand at a half hour.
    t_s : float64 (n_world,)
    cell_lo, cell_hi : int64 (n_cell,)
    usual : float32 (n_world, n_block, n_cell)
        kW per rated kW.
    fleet : float32 (S, FLEET.N, N); row : int; state : float32 (S, n, N)
    """
    for s in range(s0, s1):
        w = s // n_shard
        if due[w]:
            b = min(int(t_s[w]) // BLOCK_S, usual.shape[1] - 1)
            rated, out = fleet[s, FLEET.RATED_KW], state[s, row]
            for c in range(cell_lo.shape[0]):
                per_kw = usual[w, b, c]
                for i in range(cell_lo[c], cell_hi[c]):
                    out[i] = per_kw * rated[i]
