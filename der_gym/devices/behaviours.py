"""Behaviours: how a device answers a kind of message. One registry; a behaviour's name is the kind that it answers.

A device asks its behaviours in this order: ``rule`` (the device works out its power from its own measurements),
``incentive`` (the owner answers an offer), ``dispatch`` (the fraction sent). Each later one decides only where no
earlier one did. Dispatch needs no kernel: its message is the fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.core.errors import unknown
from der_gym.core.registry import Registry
from der_gym.devices.base import DeviceConfig
from der_gym.devices.owners.opting import DispatchConfig
from der_gym.engine.compile import kernel
from der_gym.engine.schema import Table
from der_gym.engine.tables import FLEET
from der_gym.numerics.approx import clip

RULE, INCENTIVE, DISPATCH = 10, 20, 30  # when a behaviour is asked: the lowest number first
_ZERO, _ONE, _NAN = np.float32(0.0), np.float32(1.0), np.float32(np.nan)

MESSAGE = Table(
    "message",
    "float32 (S, N, n_place): what a behaviour reads of its messages, and what it decides",
    """
    a        | - | truth | first value in force when the tick starts; 0: none, or an earlier behaviour has decided
    b        | - |       | second value
    fraction | - |       | out: fraction of the device's rated swing, -1..1; NaN (as found): it does not decide
    """,
)


class NoSettings(DeviceConfig):
    """Settings of a behaviour that has none."""


def numbers(config: DeviceConfig) -> np.ndarray:
    """Return the fields of a config in the order of their declaration, float32 (n,); each is a number."""
    return np.array([float(value) for value in config.model_dump().values()], dtype=np.float32)


@dataclass(frozen=True)
class Behaviour:
    """How devices answer the messages of one kind.

    Attributes
    ----------
    name : str
        The kind of message: ``"rule"``, ``"incentive"`` or one's own.
    order : int
        RULE, INCENTIVE or DISPATCH, or a number between them: when it is asked.
    title : str
    decide : kernel, optional
        ``decide(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers)``,
        called each tick before the devices advance; ``dt_s`` is float32. Where ``message[s, MESSAGE.A, i]`` is not 0
        it may write ``message[s, MESSAGE.FRACTION, i]``.
    decide_alone : kernel, optional
        ``decide`` for a fleet with this one behaviour beside dispatch. In place of ``message`` it is given ``news, row,
        below, hold``: uint8 (n_world,), where messages may have changed, its own (1), dispatch (2) or both (3); the
        rows of float32 (S, n_row, n_place) with its own first values in force, and with the first of dispatch, -1 where
        nobody sends it. It writes CMD_START, CMD_END and CMD_END_SHARE of ``fleet`` itself. Dispatch that has changed
        stands there already, also where the device is not to follow it.
    account : kernel, optional
        Called each tick after the devices have advanced, with the same arguments: ``fleet`` POWER_KW is now the tick's
        mean, and FRACTION what was decided.
    draw : kernel, optional
        ``draw(s0, s1, n_shard, active, keys, uid, cfg, fleet, params)``: the Params, at the start of an episode. Draw
        from the fleet's key, ``keys[w, 0]`` and ``keys[w, 1]``.
    draw_class : kernel, optional
        ``draw_class(s0, s1, n_shard, active, keys, uid, own, lo, hi, params)``: likewise, once for each device class,
        whose devices take the places ``lo .. hi``; ``own`` is what ``of_class`` gives.
    of_class : callable, optional
        ``of_class(config, terms)`` gives float32 ``own`` of a class with the owners ``terms``, see `Declaration.owner`.
    by_home : bool
        ``uid`` is the address of each device's home, so that devices of one home have one owner; else the device's.
    asks : bool
        The first rows of ``state`` are those of `owners.terms.ASKED`: device classes write them every REFRESH_S.
    second : bool
        Whether it reads the second value of its messages.
    reads_dispatch : bool
        Whether ``decide`` reads the tick's dispatch (CMD_START, CMD_END, CMD_END_SHARE of ``fleet``). One that does not
        costs half the rows where it is the only behaviour beside dispatch.
    usual : str
        Row of ``state`` that holds the usual power of each device's group at this half hour; '' none.
    params, state : tuple of str
        Rows of ``params`` and ``state``, float32 (S, n, n_place). State is 0 at the start of an episode.
    registers : tuple of str
        Sums over an episode, float64 (S, n, 1 or n_place); enter them with `der_gym.numerics.sums.enter`. Their totals
        are read by name like those of devices: ``simulator.fleet.total(name)``.
    config : type
        Settings, under ``behaviours.NAME`` of a scenario.
    constants : callable
        ``constants(config)`` gives the float32 vector ``cfg``; by default its fields in their order.
    """

    name: str
    order: int
    title: str = ""
    decide: Callable[..., None] | None = None
    decide_alone: Callable[..., None] | None = None
    account: Callable[..., None] | None = None
    draw: Callable[..., None] | None = None
    draw_class: Callable[..., None] | None = None
    of_class: Callable[[Any, Any], np.ndarray] | None = None
    by_home: bool = False
    asks: bool = False
    second: bool = True
    reads_dispatch: bool = True
    usual: str = ""
    params: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    registers: tuple[str, ...] = ()
    config: type[DeviceConfig] = NoSettings
    constants: Callable[[Any], np.ndarray] = numbers


BEHAVIOURS: Registry[Behaviour] = Registry("behaviour", "der_gym.behaviours")
BEHAVIOURS.register(
    "dispatch",
    Behaviour("dispatch", DISPATCH, "the device follows the fraction that is sent", config=DispatchConfig),
)


def in_order(names: Iterable[str]) -> list[Behaviour]:
    """Return the behaviours of these kinds as they are asked: by order, then by name; InputError for an unknown one."""
    return sorted((find(name) for name in names), key=lambda each: (each.order, each.name))


def find(name: str, where: str = "behaviour") -> Behaviour:
    """Return the behaviour that answers a kind of message; InputError names the nearest one."""
    if name not in BEHAVIOURS:
        raise unknown(where, name, BEHAVIOURS)
    return BEHAVIOURS[name]


# --- kernels around the behaviours; a world of dispatch alone calls none of them


@kernel
def begin_deciding(s0, s1, n_shard, active, row, hold, fleet, free):  # type: ignore[no-untyped-def]
    """Give every device its dispatch, and mark all as free to be decided by another behaviour.

    Parameters
    ----------
    row : int
        First row of dispatch in ``hold``, float32 (S, n_row, N): fractions at the tick's start and end, share of the
        end.
    fleet : float32 (S, N_FLEET, N)
        CMD_START, CMD_END and CMD_END_SHARE are written.
    free : float32 (S, N)
        Out: 1.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            a0, a1, part = hold[s, row], hold[s, row + 1], hold[s, row + 2]
            out0, out1, out = fleet[s, FLEET.CMD_START], fleet[s, FLEET.CMD_END], fleet[s, FLEET.CMD_END_SHARE]
            open_ = free[s]
            for i in range(a0.shape[0]):
                out0[i] = a0[i]
                out1[i] = a1[i]
                out[i] = part[i]
                open_[i] = _ONE


@kernel
def show_messages(s0, s1, n_shard, active, row_a, row_b, hold, free, message):  # type: ignore[no-untyped-def]
    """Show a behaviour the messages in force at the tick's start, of the devices that are ``free``.

    Parameters
    ----------
    row_a, row_b : int
        Rows of ``hold``, float32 (S, n_row, N): first and second value at the tick's start.
    free : float32 (S, N)
    message : float32 (S, 3, N)
        Out: see MESSAGE; FRACTION is NaN.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            held_a, held_b, here = hold[s, row_a], hold[s, row_b], free[s]
            a, b, fraction = message[s, MESSAGE.A], message[s, MESSAGE.B], message[s, MESSAGE.FRACTION]
            for i in range(here.shape[0]):
                a_now, b_now, is_free = held_a[i], held_b[i], here[i] > _ZERO
                a[i] = a_now if is_free else _ZERO
                b[i] = b_now if is_free else _ZERO
                fraction[i] = _NAN


@kernel
def command(s0, s1, n_shard, active, message, fleet, free):  # type: ignore[no-untyped-def]
    """Let devices follow what a behaviour decided, for the whole tick; those are no longer ``free``.

    CMD_END_SHARE stays as it is: both parts of the tick have the same command.

    Parameters
    ----------
    message : float32 (S, 3, N)
        Where A is 0 nothing is decided.
    fleet : float32 (S, N_FLEET, N)
        CMD_START and CMD_END are written.
    free : float32 (S, N)
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            a, fraction, open_ = message[s, MESSAGE.A], message[s, MESSAGE.FRACTION], free[s]
            out0, out1 = fleet[s, FLEET.CMD_START], fleet[s, FLEET.CMD_END]
            for i in range(a.shape[0]):
                old0, old1, was = out0[i], out1[i], open_[i]
                x = fraction[i]
                decides = (x == x) & (a[i] != _ZERO)
                new = clip(x, -_ONE, _ONE)
                out0[i] = new if decides else old0
                out1[i] = new if decides else old1
                open_[i] = _ZERO if decides else was


# --- the same around one behaviour alone, in half the rows


@kernel
def show_one(s0, s1, n_shard, active, row_a, row_b, hold, message):  # type: ignore[no-untyped-def]
    """Show the only behaviour beside dispatch its messages; ``row_b`` -1: it does not read the second value."""
    for s in range(s0, s1):
        if active[s // n_shard]:
            held, a, fraction = hold[s, row_a], message[s, MESSAGE.A], message[s, MESSAGE.FRACTION]
            for i in range(a.shape[0]):
                a[i] = held[i]
                fraction[i] = _NAN
            if row_b >= 0:
                message[s, MESSAGE.B] = hold[s, row_b]


@kernel
def command_one(s0, s1, n_shard, active, row, hold, message, fleet):  # type: ignore[no-untyped-def]
    """Let devices follow what the only behaviour decided, else their dispatch; see `begin_deciding` and `command`."""
    for s in range(s0, s1):
        if active[s // n_shard]:
            a0, a1, part = hold[s, row], hold[s, row + 1], hold[s, row + 2]
            a, fraction = message[s, MESSAGE.A], message[s, MESSAGE.FRACTION]
            out0, out1, out = fleet[s, FLEET.CMD_START], fleet[s, FLEET.CMD_END], fleet[s, FLEET.CMD_END_SHARE]
            for i in range(a.shape[0]):
                x, old0, old1 = fraction[i], a0[i], a1[i]
                decides = (x == x) & (a[i] != _ZERO)
                new = clip(x, -_ONE, _ONE)
                out0[i] = new if decides else old0
                out1[i] = new if decides else old1
                out[i] = part[i]
