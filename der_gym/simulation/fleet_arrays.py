"""The fleet: devices and homes of all worlds, from parameters drawn at reset to the power of the next tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Any

import numpy as np

from der_gym.core.errors import InputError, unknown
from der_gym.core.units import DAY_S
from der_gym.devices import DEVICES, membership
from der_gym.devices import site as home
from der_gym.devices.base import Role
from der_gym.devices.owners.opting import DispatchConfig
from der_gym.devices.owners.terms import TARIFF
from der_gym.engine.memory import Arena
from der_gym.engine.program import Call, share
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, SITE
from der_gym.fleet.structure import Structure
from der_gym.numerics.sums import sum_register
from der_gym.simulation.array_ops import blank, copy_params, tell, weigh
from der_gym.simulation.behaviour_arrays import Behaviours
from der_gym.simulation.device_arrays import DeviceArrays, make_device_arrays
from der_gym.simulation.dispatch_owners import DispatchOwners

Array = np.ndarray
_DEVICE_BYTES = 200  # of a device in the arrays below, about


def _opt_out(name: str, given: Mapping[str, float]) -> float:
    """Return the chance that an owner takes no commands: the ``given`` one, else the class's own."""
    return given.get(name, DEVICES[name].traits.opt_out_share)


def _calls(kernel: Callable[..., None] | None, *given: Any) -> list[Call]:
    """Return the call of a kernel; none of one that a class does not need."""
    return [] if kernel is None else [Call(kernel, *given)]


class Fleet:
    """Devices and homes of ``n_world`` worlds.

    Parameters
    ----------
    structure : Structure
        The arrangement of the devices; the same for all worlds.
    devices : object
        Settings per class, by class name (attribute), ``house`` and ``behaviour``.
    n_world : int
    horizon_s : float
        Length of an episode, s: late joiners join within it.
    by_device : bool
        Whether the registers that only add up are kept for every device; else their sum of each shard and class.
    booked_by_device : bool
        Whether those are that the fleet's ledger books, by their declarations.
    receiving : bool
        Whether the homes' net power is metered; else the last stage need not add to it.
    behaviours : mapping
        Kind of message -> settings of its behaviour, for every kind beside dispatch.
    tariff : float32 (TARIFF.N,), optional
        Prices of the homes, for owners who are offered pay.
    dispatch : DispatchConfig, optional
        How owners opt out of commands. Default: by the coin.
    pay : float, optional
        Mean ``owners_share`` of the services.
    commanded : bool
        Whether somebody may send dispatch.
    """

    def __init__(
        self,
        structure: Structure,
        devices: Any,
        n_world: int,
        horizon_s: float,
        by_device: bool = False,
        receiving: bool = True,
        behaviours: Mapping[str, Any] = MappingProxyType({}),
        tariff: Array | None = None,
        dispatch: DispatchConfig | None = None,
        pay: float | None = None,
        commanded: bool = True,
        booked_by_device: bool = False,
    ) -> None:
        self.structure, self.n_world, self.n_shard = structure, n_world, structure.n_shard
        n_all = n_world * self.n_shard
        self.n_all, self.receiving = n_all, receiving
        opt_out = {name: _opt_out(name, devices.behaviour.opt_out_share) for name in structure.class_slice}
        chosen = dispatch is not None and dispatch.opting_out == "owner"
        coin = {name: 0.0 if chosen else opt_out[name] for name in opt_out}
        arena = Arena(n_all * structure.n_place * _DEVICE_BYTES)
        kept = (by_device, booked_by_device, arena)
        self.classes = {
            name: make_device_arrays(name, structure, getattr(devices, name), n_all, coin[name], *kept)
            for name in structure.class_slice
        }
        stages = groupby(self.classes.values(), key=lambda st: st.device.stage)  # classes stand in order of their stage
        self.stages = [list(stage) for _, stage in stages]
        self.behaviours = Behaviours(behaviours, n_world, self.n_shard, structure.n_place, by_device, commanded)
        self.opting: DispatchOwners | None = None
        if chosen and dispatch is not None:
            asked = self.behaviours.asking[0] if self.behaviours.asking else None
            self.opting = DispatchOwners(dispatch, structure, opt_out, n_all, pay, asked)
        self.house_cfg = home.constants(devices.house)
        self.behaviour_cfg = devices.behaviour.constants(horizon_s)
        self.fleet = arena.zeros((n_all, FLEET.N, structure.n_place), np.float32)
        self.site = arena.zeros((n_all, SITE.N, structure.n_site), np.float32)
        self.ctx = np.zeros((n_world, EXOGENOUS.N), dtype=np.float32)
        self.keys = np.zeros((n_world, 4), dtype=np.uint32)
        self.abs_s = np.zeros(n_world, dtype=np.int64)
        self.t_s = np.zeros(n_world)
        self.site_uid = np.ascontiguousarray(structure.site_uid)
        at = structure.site_index.astype(np.int64)
        self.home_uid = (
            np.take_along_axis(self.site_uid, at, axis=1) if self.behaviours.all or chosen else structure.uid
        )
        self.tariff = np.zeros(TARIFF.N, dtype=np.float32) if tariff is None else tariff

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on; the leading axis is worlds times shards, or worlds."""
        own: dict[str, Array] = {"fleet": self.fleet, "site": self.site}
        own |= {"ctx": self.ctx, "keys": self.keys, "abs_s": self.abs_s, "t_s": self.t_s}
        for name, store in self.classes.items():
            own |= {f"{name}.params": store.params, f"{name}.state": store.state}
            own |= {f"{name}.energy": store.energy, f"{name}.registers": store.registers}
        own |= self.opting.arrays() if self.opting else {}
        return own | self.behaviours.arrays()

    def draw_params(self, due: Array) -> list[Call]:
        """Draw the Params of the ``due`` worlds from their keys; padding weighs nothing."""
        span, st = (self.n_shard, due), self.structure
        limits = home.site_limits(self.house_cfg, st.site_limits)
        calls = [Call(blank, *span, self.fleet), Call(tell, *span, st.rated_kw, self.fleet)]
        calls.append(Call(home.draw_sites, *span, self.keys, self.site_uid, self.house_cfg, self.site))
        for own in self.classes.values():
            homes = (st.given, st.site_index, self.site, limits)
            who = (self.keys, st.uid, own.cfg)
            calls += _calls(own.device.kernels.draw, *span, *who, *homes, own.params, self.fleet, own.lo)
        padding = [(st.site_present, row, self.site) for row in (SITE.LOAD_SCALE, SITE.PV_RATED_KW)]
        padding.append((st.present, FLEET.RATED_KW, self.fleet))
        calls += [Call(weigh, *span, *each) for each in padding]
        calls += self.opting.draw_params(due, (*span, self.keys), self.site_uid) if self.opting else []
        owners = [
            (st.class_names[k], lo, hi, self.classes[st.class_names[k]].device.owner, st.leaf_names[j])
            for k, j, lo, hi in zip(
                st.cell_class, st.cell_leaf, map(int, st.cell_lo), map(int, st.cell_hi), strict=True
            )
        ]
        return calls + self.behaviours.draw_params(due, self.keys, (st.uid, self.home_uid), self.fleet, owners)

    def copy_params_from(self, due: Array, model: Array) -> list[Call]:
        """Give the ``due`` worlds the Params of their ``model``, int64 (n_world,): a world of the same key."""
        drawn = [(FLEET.N, self.fleet), (SITE.BARE_KW, self.site)]
        drawn += [(st.params.shape[1], st.params) for st in self.classes.values()]
        calls = [Call(copy_params, self.n_shard, due, model, *each) for each in drawn]
        calls += [self.opting.copy_params_from(self.n_shard, due, model)] if self.opting else []
        return calls + self.behaviours.copy_params_from(due, model)

    def begin_episode(self, due: Array, pool: Mapping[str, tuple[Array, Array]], at: Array) -> list[Call]:
        """Draw the slots that run, and set State at the start of an episode; registers are 0.

        Parameters
        ----------
        due : bool (n_world,)
        pool : mapping
            Class -> float32 (n_saved, n_pool, n_sample), normalised states of the reference days, read only;
            int16 (n_shard, n), the place of the sample whose state each device takes over.
        at : int64 (S,)
            Which of the saved states; -1: none.
        """
        span, when = (self.n_shard, due, self.keys), (self.abs_s, self.ctx)
        calls = []
        for name, st in self.classes.items():
            saved, place = pool[name]
            own = (st.params, st.state, st.energy, st.lo)
            who = (*span, self.structure.uid, *when, st.cfg)
            registers = [each.view(np.float32) for each in (st.energy, st.registers)]
            calls += [Call(blank, self.n_shard, due, each) for each in (st.state, *registers)]
            calls += _calls(st.device.kernels.redraw, *who, *own, True)
            calls += _calls(st.device.kernels.begin, *who, saved, at, place, *own)
        calls += self.behaviours.begin_episode(due)
        if self.opting:  # owners decide by what is at stake when the episode begins
            calls += [*self.opting.begin_episode(self.n_shard, due), *self.ask_owners(due)]
        return calls

    def redraw_house_noise(self, due: Array) -> Call:
        """Redraw the homes' load of the slot that begins now."""
        return Call(
            home.redraw_noise, self.n_shard, due, self.keys, self.site_uid, self.abs_s, self.house_cfg, self.site
        )

    def redraw_slots(self, due: Array) -> list[Call]:
        """Redraw the slots that begin now; ``due`` worlds are at a multiple of REFRESH_S."""
        span = (self.n_shard, due, self.keys)
        calls = [self.redraw_house_noise(due)]
        for st in self.classes.values():
            own = (self.structure.uid, self.abs_s, self.ctx, st.cfg, st.params, st.state, st.energy, st.lo)
            calls += _calls(st.device.kernels.redraw, *span, *own, False)
        return calls

    def update_membership(self, due: Array) -> list[Call]:
        """Let units join and leave, and owners opt out; ``due`` worlds are at a half hour."""
        who = (self.n_shard, due, self.keys, self.structure.uid, self.structure.present)
        when = (self.abs_s, self.t_s, self.behaviour_cfg)
        of = self.classes.values()
        calls = [Call(membership.update_membership, *who, *when, st.opt_out, st.lo, st.hi, self.fleet) for st in of]
        if self.opting:
            span, clocks = (self.n_shard, due, self.keys), (self.abs_s, self.t_s)
            calls.append(self.opting.deciding(span, self.site_uid, clocks, self.fleet))
        return calls

    def watch_commands(self, due: Array) -> list[Call]:
        """Let owners who are commanded note their calls and take cars back; ``due`` worlds are at a refresh."""
        if self.opting is None:
            return []
        span = (self.n_shard, due, self.keys)
        return [self.opting.watching(span, self.home_uid, self.abs_s, self.ctx, self.fleet)]

    def advance_devices(self, active: Array) -> list[Call]:
        """Advance homes and devices by one tick, stage by stage."""
        span = (self.n_shard, active)
        calls = [Call(home.advance_sites, *span, self.ctx, self.house_cfg, self.site)]
        for stage in self.stages:
            for st in stage:
                calls += _calls(st.device.kernels.advance, *span, *self._own(st, st.registers))
            reach = (self.fleet, stage[0].lo, stage[-1].hi, self.site)
            if self.receiving or stage is not self.stages[-1]:
                calls.append(Call(home.add_power, *span, self.structure.site_index, *reach))
        return calls

    def decide(self, active: Array, dt_s: int, hold: Array, rows: Mapping[str, tuple[int, int]]) -> list[Call]:
        """Let the behaviours beside dispatch turn the messages in force into commands; see `Behaviours.decide`."""
        return self.behaviours.decide(active, dt_s, self._who(), self.fleet, hold, rows)

    def account(self, active: Array, dt_s: int) -> list[Call]:
        """Let behaviours enter the results of their decisions in the tick."""
        return self.behaviours.account(active, dt_s, self._who(), self.fleet)

    def _who(self) -> tuple[Any, ...]:
        return (self.n_shard, self.keys, self.structure.uid, self.home_uid, self.abs_s, self.ctx)

    def ask_owners(self, due: Array) -> list[Call]:
        """Work out what owners ask for a kWh now, and their comfort at stake; ``due`` worlds are at a refresh."""
        calls = []
        own_asked = [self.opting.asked] if self.opting and self.opting.own_asked else []
        for out in [*self.behaviours.asking, *own_asked]:
            for st in self.classes.values():
                site = (self.structure.site_index, self.site)
                own = (self.ctx, st.cfg, self.tariff, *site, st.params, st.state, st.energy, self.fleet, st.lo, out)
                calls += _calls(st.device.kernels.owner, self.n_shard, due, *own)
        return calls

    def spread_usual(self, due: Array, usual: Array) -> list[Call]:
        """Write what each device's group usually draws in the half hour that begins; see `Behaviours.spread_usual`."""
        cells = (self.t_s, self.structure.cell_lo, self.structure.cell_hi, usual)
        return self.behaviours.spread_usual(due, cells, self.fleet)

    def measure_capability(self, active: Array, out: Array, opting: bool = True, reached: bool = False) -> list[Call]:
        """Measure each cell: the power its devices could give now, the energy they hold, the energy they will lack.

        Parameters
        ----------
        active : bool (n_world,)
        out : float64 (S, n_cell, N_CAPABILITY)
        opting : bool
            Whether owners who have opted out are left out; else they are counted, as the aggregator does not know them.
        reached : bool
            Count only devices whose link is up; else all that are enrolled.
        """
        last = (opting, reached, self.structure.cell_lo, self.structure.cell_hi, out)
        span, calls = (self.n_shard, active), list[Call]()
        for st in self.classes.values():
            calls += _calls(st.device.kernels.capability, *span, *self._own(st), *last)
        return calls

    def measure(self, active: Array, reached: bool = False) -> Array:
        """Return each cell's capability now, float64 (S, n_cell, N_CAPABILITY); 0 in inactive worlds."""
        out = np.zeros((self.n_all, self.structure.n_cell, CAPABILITY.N))
        share(self.measure_capability(active, out, reached=reached), self.n_all, 1)
        return out

    def _own(self, st: DeviceArrays, *registers: Array) -> tuple[Any, ...]:
        site = (self.structure.site_index, self.site)
        return (self.ctx, st.cfg, *site, st.params, st.state, st.energy, *registers, self.fleet, st.lo)

    def day(self) -> Array:
        """Return each world's day number, int64 (n_world,)."""
        number: Array = self.abs_s // DAY_S
        return number

    def totalling(self, register: str, due: Array, out: Array) -> list[Call]:
        """Write a register's sum over all devices (padding left out) into ``out`` (n_world,) in ``due`` worlds."""
        present, classes = self.structure.present, self.classes.values()
        parts = [
            (st.energy, st.device.energy.number(register), present, st.lo)
            for st in classes
            if register in st.device.energy
        ]
        own = [st for st in classes if register in st.device.registers]
        added = [(st.registers, *place) for st in own for place in st.places(register)]
        for kept, names in self.behaviours.registers():
            added += [(kept, names.index(register), slice(0, kept.shape[2]))] if register in names else []
        for kept, row, columns in added:  # devices that are not enrolled have entered nothing
            here = np.zeros((self.n_shard, kept.shape[2]), dtype=np.uint8)
            here[:, columns] = 1
            parts.append((kept, row, here, 0))
        given = [(self.n_shard, due, *part, number == 0, out) for number, part in enumerate(parts)]
        return [Call(sum_register, *each, by_world=True) for each in given]

    def harm(self) -> dict[str, str]:
        """Return the registers by which people lose -> the setting of their price, ordered by the price's name.

        Raises
        ------
        InputError
            Where two classes give one register different prices.
        """
        found: dict[str, str] = {}
        for st in self.classes.values():
            for name, price in st.device.harm.items():
                if found.setdefault(name, price) != price:
                    raise InputError(
                        f"{st.device.name}: register {name} costs {price}; allowed: {found[name]}, as elsewhere"
                    )
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))

    def total_of(self, role: Role) -> Array:
        """Return the sum of the registers that classes declare to be ``role``, float64 (n_world,)."""
        names = {name for own in self.classes.values() for name in own.device.role(role)}
        total: Array = sum((self.total(name) for name in sorted(names)), np.zeros(self.n_world))
        return total

    def total(self, register: str) -> Array:
        """Return a register's sum over all devices (padding left out), float64 (n_world,): 0 where no class has it.

        Raises
        ------
        InputError
            For a register that no device class and no behaviour of this fleet has; names the nearest one.
        """
        of_classes = {name for model in map(DEVICES.__getitem__, DEVICES) for name in (*model.registers, *model.energy)}
        known = of_classes.union(*(names for _, names in self.behaviours.registers()))
        if register not in known:
            raise unknown("register", register, sorted(known))
        summed = np.zeros(self.n_world)
        for call in self.totalling(register, np.ones(self.n_world, dtype=bool), summed):
            call(0, self.n_world)
        return summed
