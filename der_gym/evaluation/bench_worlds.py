"""The worlds that the benchmark steps, and the clock that it steps them by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SCENARIO = "tertiary-1"
QUIET = {"services.tertiary-1.limits": "off"}
N_ACTION = 97  # actions in turn: a fresh one each step, drawn beforehand


@dataclass(frozen=True)
class Pace:
    """Length of the measurements."""

    n_run: int = 5
    run_s: float = 2.0
    n_large: int = 1_000_000


FULL, QUICK = Pace(), Pace(1, 0.3, 100_000)


def actions(n_world: int, n_leaf: int) -> np.ndarray:
    """Return actions that differ from step to step, float32 (N_ACTION, n_world, n_leaf)."""
    drawn: np.ndarray = np.random.default_rng(0).uniform(-1, 1, (N_ACTION, n_world, n_leaf)).astype(np.float32)
    return drawn


def rate(step: Callable[[int], None], pace: Pace) -> float:
    """Return calls of ``step(k)`` per second: the median of the runs."""
    found = []
    k = 0
    for _ in range(pace.n_run):
        n, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < pace.run_s:
            step(k)
            n, k = n + 1, k + 1
        found.append(n / spent)
    return float(np.median(found))


class Clock:
    """Takes steps, resets at the end, and knows the share of the time that went into the steps."""

    def __init__(self, reset: Callable[[], Any], n_step: int) -> None:
        self.reset, self.n_step, self.n = reset, n_step, 0
        self.began, self.resets_s = time.perf_counter(), 0.0

    def count(self, step: Callable[[Any], Any], action: Any) -> None:
        step(action)
        self.n += 1
        if self.n % self.n_step == 0:
            began = time.perf_counter()
            self.reset()
            self.resets_s += time.perf_counter() - began

    def share(self) -> float:
        return 1.0 - self.resets_s / (time.perf_counter() - self.began)


def single(n_device: int) -> Any:
    """Return one world of ``n_device`` devices without Gymnasium's wrappers."""
    import gymnasium as gym

    settings = {**QUIET, "fleet.n_device": n_device}
    return gym.make("der_gym:DERGroup-v0", scenario=SCENARIO, overrides=settings).unwrapped


def vector(n_world: int, workers: int | None = None) -> Any:
    """Return ``n_world`` worlds of 1,000 devices as a vector environment."""
    import gymnasium as gym

    settings = {"scenario": SCENARIO, "overrides": QUIET, "workers": workers}
    name, kind = "der_gym:DERGroup-v0", "vector_entry_point"
    return gym.make_vec(name, num_envs=n_world, vectorization_mode=kind, **settings).unwrapped  # type: ignore[arg-type]
