"""What holds for every registered device class, whatever it is."""

from __future__ import annotations

import ast
import inspect
import platform
import re
import textwrap
from typing import Any

import numba
import numpy as np
import pytest
from device_rig import AFTER, LO, Rig
from numba.core.dispatcher import Dispatcher

from der_gym.devices import DEVICES
from der_gym.devices.base import KERNELS, DeviceModel
from der_gym.devices.forms import source
from der_gym.devices.owners.terms import ASKED
from der_gym.engine.compile import _OPTIONS
from der_gym.engine.generated import load
from der_gym.engine.stage import Stage
from der_gym.engine.tables import CAPABILITY, FLEET

F4 = np.float32
MODELS = [DEVICES[name] for name in DEVICES]
of_each = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
X86 = platform.machine().lower() in {"x86_64", "amd64"}
PACKED = re.compile(r"\sv?(add|sub|mul|div|min|max|sqrt|round|rndscale|fn?m(add|sub)\d+|cmp\w*|and|blend\w*)p[sd]\s")


def commands(rig: Rig, k: int) -> tuple[Any, Any, Any]:
    """Return commands that differ from device to device: full, partial, none, arriving within the tick."""
    random = np.random.default_rng(100 + k)
    shape = rig.row("cmd_start").shape
    a0, a1 = (random.choice([0.0, 1.0, -1.0, 0.31, -0.6], shape).astype(F4) for _ in range(2))
    share = random.choice([0.0, 0.25, 1.0], shape).astype(F4) if k % 3 else np.full(shape, F4(k % 2))
    return a0, a1, share


# --- the kernels are the author's functions


@of_each
@pytest.mark.parametrize(("by_device", "start_h"), [(False, 11.95), (True, 23.9)])
def test_kernels_have_the_bits_of_the_functions_worked_in_plain_python(
    model: DeviceModel, by_device: bool, start_h: float
) -> None:
    fast, slow = (Rig(model, plain=plain, by_device=by_device, start_h=start_h) for plain in (False, True))
    for rig in (fast, slow):
        rig.begin()
    assert fast.bits() == slow.bits()
    for k in range(14):  # across noon or midnight, where luck is drawn
        for rig in (fast, slow):
            rig.active[1] = k % 5 != 2
            rig.site[:] = np.random.default_rng(k).normal(0.4, 1.5, rig.site.shape)
            rig.row("standby")[:, ::2] = k % 3 == 1
            rig.step(*commands(rig, k), dt_s=[60, 10, 300, 60][k % 4])
        assert fast.bits() == slow.bits(), k
    for reached, opting in ((True, False), (False, True)):
        for rig in (fast, slow):
            rig.reached, rig.opting = reached, opting
            rig.run("capability")
            rig.run("owner")
        assert fast.bits() == slow.bits()
    assert np.unique(fast.row("power_kw")).size > 3 or model.traits.mobile
    for rig in (fast, slow):
        rig.out = np.zeros((rig.n_world, len(model.saved), rig.n), F4)
        rig.run("save")
    assert fast.bits() == slow.bits()


@of_each
def test_a_world_of_several_shards_has_one_context(model: DeviceModel) -> None:
    fast, slow = (Rig(model, n=6, n_world=1, n_shard=2, plain=plain) for plain in (False, True))
    for rig in (fast, slow):
        rig.begin()
        rig.step(0.5)
    assert fast.bits() == slow.bits()


# --- what a kernel may write


@of_each
def test_other_places_and_inactive_worlds_keep_their_bits(model: DeviceModel) -> None:
    rig = Rig(model).begin()
    rig.step(*commands(rig, 1))
    names = ("params", "state", "energy", "registers", "fleet", "out", "asks")
    frozen = [getattr(rig, name)[1].tobytes() for name in names]
    beside, site = np.delete(rig.fleet, np.arange(LO, LO + rig.n), axis=2).tobytes(), rig.site.tobytes()
    rig.active[1], rig.fresh = False, True
    rig.keys += np.uint32(5)
    for kernel in ("draw", "redraw", "begin", "advance", "capability", "owner"):
        rig.run(kernel)
    assert [getattr(rig, name)[1].tobytes() for name in names] == frozen
    assert np.delete(rig.fleet, np.arange(LO, LO + rig.n), axis=2).tobytes() == beside
    assert rig.site.tobytes() == site and rig.fleet.shape[2] == LO + rig.n + AFTER
    rig.out[:] = 7.0
    rig.run("capability")
    assert (rig.out[0, [0, -1]] == 7.0).all() and (rig.out[0, 1:-1] != 7.0).any()  # other classes' cells


@of_each
def test_a_tick_writes_power_and_what_is_shown_of_the_shared_rows(model: DeviceModel) -> None:
    rig = Rig(model).begin()
    before = rig.fleet.copy()
    params = rig.params.tobytes()
    rig.clock(60)
    rig.run("advance")
    rig.run("redraw")
    rig.run("capability")
    changed = {name for k, name in enumerate(FLEET) if not np.array_equal(before[:, k], rig.fleet[:, k])}
    assert changed <= {"power_kw", "shown_kw"} and rig.params.tobytes() == params


@of_each
def test_a_copy_of_the_arrays_goes_on_as_the_original(model: DeviceModel) -> None:
    """Nothing that a device's future depends on lies outside of what a snapshot holds."""
    rig = Rig(model).begin()
    for k in range(8):
        rig.step(*commands(rig, k))
    other = Rig(model)
    for name in ("params", "state", "energy", "registers", "fleet"):
        getattr(other, name)[:] = getattr(rig, name)
    other.t_s = rig.t_s
    for k in range(8, 16):
        for each in (rig, other):
            each.step(*commands(each, k))
    assert rig.bits() == other.bits()


# --- what a device is


@of_each
def test_power_stays_within_limits(model: DeviceModel) -> None:
    rig = Rig(model, n=60, start_h=4.0).begin()
    rated = rig.row("rated_kw")
    assert (rated > 0).all() and (rig.row("dead_s") >= 0).all()
    most = rated * (2.0 if model.traits.heat else 1.0) + (0.1 if model.traits.heat else 1e-5)
    for k in range(80):
        rig.site[:] = np.random.default_rng(k).normal(0.4, 2.0, rig.site.shape)
        power = rig.step(*commands(rig, k // 6), dt_s=[60, 300, 1][k % 3])
        assert np.isfinite(power).all() and (power <= most).all()
        assert (power >= (-most if model.traits.store else -1e-6)).all()


@of_each
def test_registers_hold_the_energy_that_the_meters_saw(model: DeviceModel) -> None:
    rig = Rig(model, n=40, by_device=True, start_h=18.0).begin()
    rig.row("meter_gain")[:] = 1.0
    kwh = np.zeros(rig.row("power_kw").shape)
    for k in range(120):
        kwh += rig.step(*commands(rig, k // 10), dt_s=300).astype(np.float64) / 12
    booked = sum((rig.own(name) for name in model.role("charge")), np.zeros_like(kwh))
    booked = booked - sum((rig.own(name) for name in model.role("discharge")), np.zeros_like(kwh))
    assert np.abs(kwh).sum() > 1.0
    np.testing.assert_allclose(booked, kwh, rtol=1e-4, atol=2e-4)


@of_each
def test_registers_of_a_shard_are_sums_of_those_of_its_members(model: DeviceModel) -> None:
    each, total = (Rig(model, n=40, by_device=by_device, start_h=18.0).begin() for by_device in (True, False))
    for k in range(60):
        for rig in (each, total):
            rig.step(*commands(rig, k // 5), dt_s=300)
    assert not each.registers[each.row("meter_gain")[:, None].repeat(len(model.registers) or 1, 1) == 0].any()
    np.testing.assert_allclose(total.registers[:, :, 0], each.registers.sum(axis=2), rtol=1e-6, atol=1e-9)


@of_each
def test_who_takes_no_commands_keeps_its_own_schedule(model: DeviceModel) -> None:
    deaf, alone = (Rig(model, n=40, start_h=18.0).begin() for _ in range(2))
    deaf.row("accepts_commands")[:] = 0.0
    alone.row("accepts_commands")[:] = 1.0
    for k in range(60):
        asked = commands(deaf, k // 5)
        np.testing.assert_allclose(deaf.step(*asked), alone.step(0.0), rtol=1e-4, atol=1e-4)  # worked in two parts
    deaf.run("capability")
    assert not deaf.out[:, 1:-1, [CAPABILITY.UP_KW, CAPABILITY.DOWN_KW]].any()


@of_each
def test_a_command_moves_power_its_way(model: DeviceModel) -> None:
    """Upward response draws less and downward more, over a day and many devices."""
    means = {}
    for a in (1.0, 0.0, -1.0):
        rig = Rig(model, n=150, start_h=3.0, n_world=1).begin()
        rig.row("accepts_commands")[:], rig.row("meter_gain")[:] = 1.0, 1.0
        rig.site[:] = 0.5
        means[a] = np.mean([rig.step(a, dt_s=300).mean() for _ in range(24)])
    assert means[1.0] < means[0.0] < means[-1.0]


# --- what it declares


@of_each
def test_a_class_declares_what_others_ask(model: DeviceModel) -> None:
    assert model.name and model.japanese and model.stage in (1, 2) and model.command in ("swing", "cap", "on_off")
    assert all(register.title[0] and register.title[1] and register.meaning for register in model.meters.values())
    assert all(price.count(".") for price in model.harm.values()), "a harm has the setting of its price"
    assert set(model.harm) <= set(model.meters)
    assert 0.0 < model.response_p95_s(model.config()) < 3600.0
    assert isinstance(model.config(), model.config)
    assert DEVICES[model.name] is model


@of_each
def test_what_a_class_does_not_need_is_no_kernel(model: DeviceModel) -> None:
    for name in KERNELS:
        kernel = getattr(model.kernels, name)
        assert (kernel is None) == (not any(True for _ in model.stages(name)))


@of_each
def test_what_owners_ask_is_finite_and_their_stake_a_share(model: DeviceModel) -> None:
    if model.owner is None:
        pytest.skip("declares no owners")
    for start_h in (2.0, 12.0, 19.0):
        rig = Rig(model, n=200, start_h=start_h).begin()
        for _ in range(3):
            rig.step(0.4)
        rig.run("owner")
        up, down, stake = (rig.asks[:, k, LO : LO + rig.n] for k in range(len(ASKED)))
        assert np.isfinite(rig.asks).all() and up.min() >= 0.0 and down.min() >= 0.0 and up.max() < 100.0
        assert stake.min() >= 0.0 and stake.max() <= 1.0


# --- how the kernels are worked


def compiled(model: DeviceModel, stage: Stage, kernel: str) -> str:
    """Return the assembly of the loop of one function alone."""
    rig = Rig(model, n=20).begin()
    fresh = numba.njit(**_OPTIONS)(getattr(load(f"alone.{model.name}", source(model, stage.name)), kernel).py_func)
    fresh.compile(tuple(numba.typeof(each) for each in (0, 1, 1, *rig._given(kernel))))
    (text,) = fresh.inspect_asm().values()
    return str(text)


def computes(stage: Stage) -> bool:
    """Return whether a function computes anything beyond one conversion or a copy."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(stage.plain)))
    calls = [ast.unparse(node.func) for node in ast.walk(tree.body[0]) if isinstance(node, ast.Call)]
    body = [node for line in tree.body[0].body for node in ast.walk(line)]  # type: ignore[attr-defined]
    return any(isinstance(node, ast.BinOp) for node in body) or any("." in c and not c.startswith("np") for c in calls)


LOOPS = [
    pytest.param(model, kernel, stage, id=f"{model.name}-{kernel}-{stage.name}")
    for model in MODELS
    for kernel in ("advance", "capability")
    for stage in model.stages(kernel)
    if not stage.once and computes(stage)
]


@pytest.mark.skipif(not X86, reason="the instructions looked for are those of x86-64")
@pytest.mark.parametrize(("model", "kernel", "stage"), LOOPS)
def test_each_loop_is_worked_several_devices_at_a_time(model: DeviceModel, kernel: str, stage: Stage) -> None:
    assert any(PACKED.search(line) for line in compiled(model, stage, kernel).splitlines())


@of_each
def test_each_kernel_is_compiled_once(model: DeviceModel) -> None:
    rig = Rig(model).begin()
    rig.step(0.3)
    rig.run("capability")
    kernels = [kernel for kernel in vars(model.kernels).values() if isinstance(kernel, Dispatcher)]
    assert kernels and all(len(kernel.signatures) <= 1 for kernel in kernels)
