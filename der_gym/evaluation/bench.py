"""The speed of the environments on this machine, by one fixed rule.

Default mix and network, a fresh action for every leaf each step; telemetry, metering, settlement, observation and info
included. Vector ``step`` for many worlds, ``gym.make(...).unwrapped`` for one; the median of 5 runs of at least 2 s
after a warm-up. Bytes per device: growth of the process's peak memory from before construction through reset and 60
steps, in a process of its own; kernels and the pool of days are there already. Start-up is measured in fresh
processes; *cold* has an empty cache, so it compiles all kernels and makes the pool of days.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.core.errors import DerGymError
from der_gym.evaluation import bench_kernels
from der_gym.evaluation.bench_worlds import FULL, N_ACTION, Clock, Pace, actions, rate, single, vector

_CHILD = """
import sys, time
began = time.perf_counter()
import der_gym
import_s = time.perf_counter() - began
from der_gym.evaluation import bench_child
bench_child.main(sys.argv[1:], began, import_s)
"""


@dataclass(frozen=True)
class Figure:
    """One result beside its target; ``at_most`` says which side is good."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = True

    @property
    def met(self) -> bool | None:
        """Return whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


@dataclass
class Report:
    """All figures, and the machine they are from."""

    machine: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    kernels: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(asdict(self), indent=1)


def bench(pace: Pace = FULL, told: Callable[[str, float], None] | None = None) -> Report:
    """Measure everything; ``told(what, share)`` hears what is being measured."""
    say = told or (lambda what, share: None)
    report = Report(machine())
    say("one world of 1,000", 0.05)
    report.figures.append(Figure("one world of 1,000 devices, a step", one_world_us(pace), "us", 50))
    say("64 worlds of 1,000", 0.15)
    steps, reset_ms = many_worlds(pace)
    report.figures.append(Figure("64 worlds of 1,000 devices", steps, "env steps/s", 100_000, at_most=False))
    report.figures.append(Figure("reset of 64 worlds of 1,000", reset_ms, "ms", 100))
    say(f"{pace.n_large:,} devices", 0.3)
    report.figures += _large(pace)
    say("start, cold and warm", 0.55)
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (child("start", {"DER_GYM_CACHE": folder}) for _ in range(2))
    report.figures += _started("cold", cold, 30.0) + _started("warm", warm, 3.0)
    say("kernels", 0.9)
    report.kernels = bench_kernels.kernels(pace, cold["compile_s"])
    return report


def machine() -> dict[str, Any]:
    """Return processor, cores, load and versions."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else (float("nan"),) * 3
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu(), "cores": cores, "load_1_min": round(load[0], 2), "python": platform.python_version()}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def one_world_us(pace: Pace) -> float:
    """Return microseconds per step of a single environment of 1,000 devices; its resets are not counted."""
    env = single(1000)
    action = actions(1, env.action_space.shape[0])[:, 0]
    env.reset(seed=0)
    clock = Clock(lambda: env.reset(), env.worlds.scenario.n_step)
    per_s = rate(lambda k: clock.count(env.step, action[k % N_ACTION]), pace)
    return 1e6 / per_s * clock.share()


def many_worlds(pace: Pace) -> tuple[float, float]:
    """Return env steps per second of 64 worlds of 1,000 (their resets included), and milliseconds to reset them all."""
    envs = vector(64)
    envs.reset(seed=0)
    action = actions(64, envs.single_action_space.shape[0])
    for k in range(60):
        envs.step(action[k])
    per_s = 64 * rate(lambda k: envs.step(action[k % N_ACTION]) and None, pace)
    resets = []
    for k in range(max(3, 2 * pace.n_run)):
        began = time.perf_counter()
        envs.reset(seed=k)
        resets.append(time.perf_counter() - began)
    return per_s, 1e3 * float(np.median(resets))


def _large(pace: Pace) -> list[Figure]:
    child("prepare", {}, str(pace.n_large))  # compiles, and makes the pool of days
    got = child("large", {}, str(pace.n_large), str(pace.n_run), str(pace.run_s))
    name = f"one world of {pace.n_large:,} devices"
    return [
        Figure(name, got["ticks_per_s"] / 1e6, "M device-ticks/s", 100, at_most=False),
        Figure(f"{name}, memory", got["bytes"], "bytes/device", 200),
        Figure(f"{name}, built and reset", got["built_s"], "s"),
    ]


def _started(name: str, got: dict[str, Any], target_s: float) -> list[Figure]:
    first = Figure(f"to the first step, {name}", got["first_step_s"], "s", target_s)
    return [Figure(f"import der_gym, {name}", got["import_s"], "s", 1.0), first]


def child(what: str, environment: dict[str, str], *words: str) -> dict[str, Any]:
    """Run one measurement in a fresh process and return what it found."""
    command = [sys.executable, "-c", _CHILD, what, *words]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DerGymError(f"bench: measuring {what} ended with {done.returncode}: {last}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
