"""Nanoseconds per device of every kernel that a step calls, on 64 worlds of 1,000 devices, in one thread.

The calls of a few steps are noted with copies of their arrays, then each kernel's are made again and again.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from der_gym.devices import DEVICES
from der_gym.engine import program
from der_gym.evaluation import bench_worlds

N_WORLD = 64
N_STEP = 6  # at least one of them refreshes what changes every 300 s
_SHARE_OF_A_RUN = 0.05
Call = tuple[Any, ...]


def kernels(pace: bench_worlds.Pace, compile_s: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return, per kernel, ns per device in a step that calls it, steps in six that do, and seconds to compile.

    A device class's kernel counts its own devices, every other all. What was compiled and is not called in a step
    stands below, by its compile time.
    """
    envs = bench_worlds.vector(N_WORLD, workers=1)
    envs.reset(seed=0)
    action = bench_worlds.actions(N_WORLD, envs.single_action_space.shape[0])
    for k in range(60):
        envs.step(action[k])
    steps = []
    for k in range(N_STEP):
        with noting() as heard:
            envs.step(action[k])
        steps.append(heard)
    names = sorted({name for heard in steps for name in heard})
    rows = [_row(name, [heard[name] for heard in steps if name in heard], envs, pace, compile_s) for name in names]
    rows.sort(key=lambda row: -row["ns_per_device"] * row["steps_in_6"])
    known = {full_name(kernel) for _, _, kernel in _places()}
    others = sorted(((s, name) for name, s in compile_s.items() if name in known - set(names)), reverse=True)
    return rows + [_unmeasured(name, s) for s, name in others]


def _unmeasured(name: str, compile_s: float) -> dict[str, Any]:
    return {"kernel": name, "ns_per_device": float("nan"), "steps_in_6": 0, "compile_s": compile_s}


def _row(
    name: str, steps: list[list[tuple[Any, Call]]], envs: Any, pace: bench_worlds.Pace, compile_s: Mapping[str, float]
) -> dict[str, Any]:
    spent = [min(_seconds(calls) for _ in range(3)) for calls in steps]
    busiest = steps[int(np.argmax(spent))]
    ns = _ns(lambda: [kernel(*given) for kernel, given in busiest], _devices(name, envs), pace)
    return {
        "kernel": name,
        "ns_per_device": ns,
        "steps_in_6": sum(each > max(spent) / 2 for each in spent),  # in the others nothing was due
        "compile_s": compile_s.get(name, float("nan")),
    }


def _seconds(calls: list[tuple[Any, Call]]) -> float:
    began = time.perf_counter()
    for kernel, given in calls:
        kernel(*given)
    return time.perf_counter() - began


def _devices(name: str, envs: Any) -> int:
    """Return the devices that a kernel works on: its class's, or all."""
    sim = envs.worlds.simulator
    for key, (lo, hi) in sim.structure.class_slice.items():
        if name.startswith(f"devices.{key}"):
            return int((hi - lo) * sim.fleet.n_all)
    return int(sim.n_world * sim.structure.n_device)


@contextmanager
def noting() -> Iterator[dict[str, list[tuple[Any, Call]]]]:
    """Yield a dict that fills with name -> [(kernel, arguments)] of every kernel called in the block."""
    heard: dict[str, list[tuple[Any, Call]]] = {}
    places = list(_places())
    try:
        for owner, attribute, kernel in places:
            object.__setattr__(owner, attribute, _ear(kernel, heard))  # device classes are frozen
        with program.listening(lambda call, hi: _note(heard, call.kernel, (0, hi, *call.given))):
            yield heard
    finally:
        for owner, attribute, kernel in places:
            object.__setattr__(owner, attribute, kernel)


def _places() -> Iterator[tuple[Any, str, Any]]:
    """Yield where kernels stand: (module or device class's kernels, attribute, kernel)."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("der_gym.")]
    for owner in [*modules, *(DEVICES[name].kernels for name in DEVICES)]:
        for attribute, value in list(vars(owner).items()):
            if is_kernel(value):
                yield owner, attribute, value


def is_kernel(value: Any) -> bool:
    """Return whether ``value`` is a compiled loop: not one that is inlined into others."""
    return hasattr(value, "py_func") and not getattr(value, "targetoptions", {}).get("forceinline")


def _note(heard: dict[str, list[tuple[Any, Call]]], kernel: Any, given: Call) -> None:
    kept = tuple(each.copy() if isinstance(each, np.ndarray) else each for each in given)
    heard.setdefault(full_name(kernel), []).append((kernel, kept))


def _ear(kernel: Any, heard: dict[str, list[tuple[Any, Call]]]) -> Callable[..., Any]:
    def listen(*given: Any) -> Any:
        _note(heard, kernel, given)
        return kernel(*given)

    return listen


def full_name(kernel: Any) -> str:
    """Return ``module.function`` without the package, and without the hash of a written source."""
    function = kernel.py_func
    module = re.sub(r"_[0-9a-f]{10}$", "", function.__module__.removeprefix("der_gym."))
    return f"{module}.{function.__name__}"


def _ns(call: Callable[[], Any], n: int, pace: bench_worlds.Pace) -> float:
    call()
    found = []
    for _ in range(pace.n_run):
        count, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < pace.run_s * _SHARE_OF_A_RUN:
            call()
            count += 1
        found.append(spent / max(count, 1) / n * 1e9)
    return float(np.median(found))
