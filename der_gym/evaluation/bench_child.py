"""Measurements that need a process of their own, run by ``evaluation.bench``; each prints one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def start(began: float, import_s: float) -> dict[str, object]:
    """Return seconds to import the package, from ``began`` to the first step, and per compiled function."""
    from numba.core import event

    heard = event.RecordingListener()
    event.register("numba:compile", heard)
    prepare(1000)
    return {"import_s": import_s, "first_step_s": time.perf_counter() - began, "compile_s": _compiled(heard)}


def prepare(n_device: int) -> dict[str, object]:
    """Take one step of a world."""
    from der_gym.evaluation import bench_worlds

    env = bench_worlds.single(n_device)
    env.reset(seed=0)
    env.step(bench_worlds.actions(1, env.action_space.shape[0])[0, 0])
    return {}


def _compiled(heard: object) -> dict[str, float]:
    """Return seconds per compiled function, what it inlines included."""
    begun: list[float] = []
    spent: dict[str, float] = {}
    for at, what in heard.buffer:  # type: ignore[attr-defined]
        if what.is_start:
            begun.append(at)
        else:
            function = what.data["dispatcher"].py_func
            name = f"{function.__module__.removeprefix('der_gym.')}.{function.__name__}"
            spent[name] = spent.get(name, 0.0) + at - begun.pop()
    return spent


def large(n_device: int, n_run: int, run_s: float) -> dict[str, object]:
    """Return device-ticks per second and bytes per device of one large world."""
    from der_gym.evaluation import bench_worlds

    prepare(1000)  # loads the kernels
    before, began = _peak_bytes(), time.perf_counter()
    env = bench_worlds.single(n_device)
    env.reset(seed=0)
    built_s = time.perf_counter() - began
    action = bench_worlds.actions(1, env.action_space.shape[0])[:, 0]
    for k in range(60):
        env.step(action[k])
    grown = _peak_bytes() - before
    per_s = bench_worlds.rate(lambda k: _step(env, action[k % bench_worlds.N_ACTION]), bench_worlds.Pace(n_run, run_s))
    scenario = env.worlds.scenario
    ticks = per_s * n_device * (scenario.decision_s // scenario.tick_s)
    return {"ticks_per_s": ticks, "bytes": grown / n_device, "built_s": built_s}


def _step(env: object, action: object) -> None:
    if env.step(action)[3]:  # type: ignore[attr-defined]
        env.reset()  # type: ignore[attr-defined]


def _peak_bytes() -> int:
    """Return the process's peak memory; 0 where the system does not tell (Windows).

    Linux hands the peak that ``resource`` tells on from the process that started this one: there its own is read.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def main(words: list[str], began: float, import_s: float) -> None:
    """Run the named measurement; ``began`` and ``import_s`` tell when the process began to import the package."""
    what, *more = words
    if what == "start":
        found = start(began, import_s)
    elif what == "prepare":
        found = prepare(int(more[0]))
    else:
        found = large(int(more[0]), int(more[1]), float(more[2]))
    print(json.dumps(found))
