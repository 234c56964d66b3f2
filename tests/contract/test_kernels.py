"""What holds for kernels at large: packed arithmetic, one signature each, and the bits of plain Python."""

from __future__ import annotations

import os
import pickle
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from network_line import Line
from numba.core.dispatcher import Dispatcher
from plain import plain

from der_gym.devices import membership, site
from der_gym.engine.compile import _OPTIONS
from der_gym.network import arrive, deliver, outages, report, send
from der_gym.network import tables as net
from der_gym.network.streams import DISPATCH, MessageStream
from der_gym.simulation import network_runtime

Signatures = dict[str, tuple[bool, list[Any]]]

EPISODE = """
import pickle, sys
import gymnasium
import der_gym
import numpy as np
from numba.core.dispatcher import Dispatcher
from der_gym.scenario.load import load
from der_gym.simulation.simulator import Simulator

for n_world in (1, 2):
    simulator = Simulator(load("tertiary-1-tiny"), n_world)
    every = np.ones(n_world, dtype=bool)
    simulator.reset(every, {w: np.random.default_rng(w) for w in range(n_world)})
    message = np.zeros((n_world, simulator.structure.n_leaf, 3), dtype=np.float32)
    for k in range(simulator.scenario.n_step):
        message[:, :, 1] = 0.5 * (k % 2)
        simulator.step(message, every)
    simulator.run_on(every, 120)
    simulator.debt_kwh()
    simulator.restore(simulator.snapshot())
env = gymnasium.make("DERGroup-v0", scenario="tertiary-1-tiny")
env.reset(seed=1)
while not env.step(env.action_space.sample())[3]:
    pass
found = {}
for name, module in sorted(sys.modules.items()):
    for key, value in vars(module).items() if name.startswith("der_gym") else ():
        if isinstance(value, Dispatcher) and value.py_func.__module__ == name:
            found[f"{name}.{key}"] = bool(value.targetoptions.get("forceinline")), value.signatures
with open(sys.argv[1], "wb") as file:
    pickle.dump(found, file)
"""


@pytest.fixture(scope="module")
def signatures(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Signatures:
    """Return whether it is a scalar, and its signatures, of every compiled function after whole episodes."""
    target = tmp_path_factory.mktemp("signatures") / "found.pickle"
    env = {**os.environ, "PYTHONPATH": str(project_root)}
    command = [sys.executable, "-W", "error", "-c", EPISODE, str(target)]
    subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=600)
    found: Signatures = pickle.loads(target.read_bytes())
    return found


def test_every_kernel_is_compiled_once(signatures: Signatures) -> None:
    kernels = {name: found for name, (is_scalar, found) in signatures.items() if not is_scalar}
    assert sum(len(found) == 1 for found in kernels.values()) > 25
    many = {name: [str(s) for s in found] for name, found in kernels.items() if len(found) > 1}
    assert not many, many


# --- packed arithmetic

PACKED = re.compile(r"\sv?(add|sub|mul|div|min|max|sqrt|round|rndscale|fn?m(add|sub)\d+|cmp\w*)p[sd]\s")
X86 = platform.machine().lower() in {"x86_64", "amd64"}
# They have no loop over devices: they call those that do, or ask once per cell.
CALLERS = {"network.deliver.deliver", "network.report._is_out"}
PHYSICS = [site.advance_sites, deliver.deliver, arrive.post, report.report]  # device classes: `test_devices`


def short(kernel: Any) -> str:
    return f"{kernel.py_func.__module__.removeprefix('der_gym.')}.{kernel.py_func.__name__}"


def called(kernel: Any) -> Iterator[Any]:
    """Yield the kernels that a kernel calls."""
    for name in kernel.py_func.__code__.co_names:
        value = kernel.py_func.__globals__.get(name)
        if isinstance(value, Dispatcher) and not value.targetoptions.get("forceinline"):
            yield value


def assembly(kernel: Any, signature: Any) -> list[str]:
    """Return the assembly of a kernel's own function, compiled afresh: neither wrappers nor the kernels it calls."""
    fresh = numba.njit(**_OPTIONS)(kernel.py_func)
    fresh.compile(signature)
    (text,) = fresh.inspect_asm().values()
    name, lines, inside = kernel.py_func.__name__, [], False
    for line in text.splitlines():
        label = re.match(r"([\w.\"$<>@-]+):", line)
        if label and not label[1].startswith(".L"):
            inside = label[1].startswith("_ZN7der_gym") and f"{len(name)}{name}B" in label[1]
        elif inside:
            lines.append(line)
    assert len(lines) > 20, f"{short(kernel)}: its assembly was not found"
    return lines


def unpacked(kernel: Any, signature: Any, seen: set[str]) -> Iterator[str]:
    """Yield the names of a kernel and of those below it whose assembly holds no packed arithmetic."""
    seen.add(short(kernel))
    if not any(PACKED.search(line) for line in assembly(kernel, signature)):
        yield short(kernel)
    for below in called(kernel):
        if short(below) not in seen and below.signatures:
            yield from unpacked(below, below.signatures[0], seen)


@pytest.mark.skipif(not X86, reason="the instructions looked for are those of x86-64")
def test_physics_is_worked_many_devices_at_a_time(signatures: Signatures) -> None:
    seen: set[str] = set()
    found = set()
    for kernel in PHYSICS:
        found |= set(unpacked(kernel, signatures[f"der_gym.{short(kernel)}"][1][0], seen))
    assert {"network.deliver._take", "network.deliver._expire_all"} <= seen
    assert not found - CALLERS, "worked one device at a time"


@pytest.mark.skipif(not X86, reason="the instructions looked for are those of x86-64")
def test_a_loop_with_a_branch_and_a_bare_literal_is_found() -> None:
    def good(x, y):
        for i in range(x.shape[0]):
            y[i] = x[i] * x[i]

    def bad(x, y):
        for i in range(x.shape[0]):
            y[i] = y[i - 1] * 0.5 if x[i] > y[i - 1] else y[i - 1]

    for loop, packed in ((good, True), (bad, False)):
        compiled = numba.njit(**_OPTIONS)(loop)
        compiled(np.ones(8, np.float32), np.ones(8, np.float32))
        (text,) = compiled.inspect_asm().values()
        assert bool(PACKED.search(text)) == packed


# --- the same bits in plain Python

CELLS = [("P3", 6, 0, "A"), ("P4", 5, 0, "B"), ("P1", 3, 1, "A"), ("P5", 4, 2, "C"), ("P4-slow", 3, 3, "B")]
ROUGH = {"cloud_minor_per_year": 900.0, "region_per_year": 20.0, "link_up_days": 0.4, "reach_share": 0.9}
SLOW = {"P3": {"request_per_s": 0.1, "batch": 3, "hold_s": 400}, "P1": {"telemetry_delay_s": 70.0}}


STREAMS = (DISPATCH, MessageStream("incentive", channel="P5", change_b=0.5), MessageStream("rule"))


def traffic() -> dict[str, np.ndarray]:
    """Return every array of two rough worlds after forty steps of random messages across midnight."""
    line = Line(
        CELLS, n_world=2, tick_s=30, start_s=85_000, streams=STREAMS, links=True, dead_s=2.5, paths=SLOW, **ROUGH
    )
    draw = np.random.default_rng(12)
    for k in range(40):
        line.active[1] = k % 7 != 3
        if k % 2:
            line.message[:, :, 1] = draw.choice([0.0, 0.5, -1.0, 0.31], line.message.shape[:2])
            line.message[:, :, 2] = draw.choice([0.0, 49.9], line.message.shape[:2])
        line.fleet[:, 11] = draw.normal(0, 3, line.fleet[:, 11].shape)
        for _ in line.step():
            pass
    return {**line.network.arrays(), "fleet": line.fleet, "cell_t": line.network.cell_t, "t": line.t_s}


def test_the_networks_kernels_give_the_bits_of_plain_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = traffic()
    assert compiled["network.leaf"][:, :, net.SENDER.N_SENT].mean() > 8 and (compiled["network.cloud"] < 1e8).sum() > 20
    hold = compiled["network.hold"]
    assert hold.shape[1] == 4 + 8 + 8 and all(hold[:, row].any() for row in (*range(4), *range(4, 20)))
    for module in (deliver, send, arrive, report):
        names = plain(module)
        for name in {"deliver", "retire", "send", "post", "report"} & set(names) & set(vars(network_runtime)):
            if getattr(vars(module)[name], "py_func", None):
                monkeypatch.setattr(network_runtime, name, names[name])
    names = plain(outages)
    for name in ("draw_links", "draw_clouds"):
        monkeypatch.setattr(outages, name, names[name])
    assert not isinstance(network_runtime.post, Dispatcher) and not isinstance(network_runtime.report, Dispatcher)
    slow = traffic()
    for name, array in compiled.items():
        assert array.tobytes() == slow[name].tobytes(), name


WITHOUT_JIT = """
import hashlib, sys
import test_kernels
arrays = test_kernels.traffic()
print(hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest())
"""


def test_the_network_runs_without_the_compiler(project_root: Path) -> None:
    tests = project_root / "tests"
    path = os.pathsep.join(map(str, (project_root, tests / "support", tests / "contract")))
    found = []
    for off in ("1", "0"):
        env = {**os.environ, "PYTHONPATH": path, "NUMBA_DISABLE_JIT": off}
        command = [sys.executable, "-W", "error", "-c", WITHOUT_JIT]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout)
    assert found[0] == found[1] and len(found[0]) == 65


def test_membership_gives_the_bits_of_a_plain_loop() -> None:
    n, draw = 60, np.random.default_rng(3)
    uid = draw.integers(2**32, size=(1, n), dtype=np.uint32)
    keys = draw.integers(2**32, size=(2, 4), dtype=np.uint32)
    cfg = np.array([0.4, 0.3, 20_000, 0.02], dtype=np.float32)
    present = (draw.random((1, n)) < 0.9).astype(np.uint8)
    out = [np.zeros((2, 17, n), dtype=np.float32) for _ in range(2)]
    for refresh, fleet in zip((membership.update_membership, plain(membership)["update_membership"]), out, strict=True):
        abs_s, t_s, on = np.array([10**9, 10**9 + 1800]), np.array([1800.0, 3600.0]), np.ones(2, dtype=bool)
        refresh(0, 2, 1, on, keys, uid, present, abs_s, t_s, cfg, np.float32(0.2), 5, n, fleet)
    assert out[0].tobytes() == out[1].tobytes() and out[0].any()
