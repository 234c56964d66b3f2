"""Step, reset, make and close environments for hours and watch this process: memory and open files stay flat.

    python scripts/soak.py --minutes 5

A turn makes a single and a vector environment, plays some episodes with random actions, takes a snapshot, puts it back,
copies, and closes. The first turns fill what is made once (compiled kernels, reference days, allocator); from then on
neither the memory nor the number of open files may rise. A line is printed for every tenth of the time; the exit code
is 1 where one of both rises.
"""

from __future__ import annotations

import argparse
import copy
import gc
import os
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import der_gym  # noqa: F401  (registers the environments)

SETTINGS = ({"fleet.n_device": 40}, {"fleet.n_device": 50}, {"fleet.n_device": 60})
SHORT = {"signals.start": "2026-08-03", "services.tertiary-1.limits": "off", "episode.n_block": 2}
WARM_SHARE = 0.3  # of the time, before which nothing is judged
LARGEST_RISE = 0.02  # of the memory, from then on
ALLOWED_MB = 4.0  # in any case: what an allocator keeps back moves by so much


def turn(k: int, rng: np.random.Generator) -> float:
    """Make, play, copy and close environments; return the simulated hours."""
    changes = {**SHORT, **SETTINGS[k % len(SETTINGS)]}
    env: Any = gym.make("DERGroup-v0", scenario="tertiary-1-tiny", overrides=changes)
    hours = _play_one(env, rng)
    env.close()
    many: Any = gym.make_vec(
        "DERGroup-v0",
        num_envs=4,
        vectorization_mode="vector_entry_point",
        scenario="tertiary-1-tiny",
        overrides=changes,
    )
    many.reset(seed=int(rng.integers(2**31)))
    for _ in range(60):
        many.step(rng.uniform(-1.0, 1.0, many.action_space.shape).astype(np.float32))
    hours += 4 * 60 * float(many.unwrapped.worlds.scenario.decision_s) / 3600
    many.close()
    return hours


def _play_one(env: Any, rng: np.random.Generator) -> float:
    """Play an episode, put back its middle, and play on in a copy."""
    env.reset(seed=int(rng.integers(2**31)))
    n_step, ended, other = 0, False, None
    while not ended:
        _, _, terminated, truncated, _ = env.step(rng.uniform(-1.0, 1.0, env.action_space.shape).astype(np.float32))
        n_step, ended = n_step + 1, terminated or truncated
        if n_step == 20:
            env.unwrapped.restore(env.unwrapped.snapshot())
            other = copy.deepcopy(env)
    if other is not None:
        other.step(np.zeros(env.action_space.shape, np.float32))
        other.close()
    return float(n_step * env.unwrapped.worlds.scenario.decision_s / 3600)


def memory_mb() -> float:
    """Return the resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def n_open() -> int:
    """Return the number of open files of this process."""
    return len(os.listdir("/proc/self/fd"))


def main() -> None:
    """Take turns for the time that is asked for, and judge the rise behind the first part of it."""
    parser = argparse.ArgumentParser(description="Play for a long time; memory and open files must stay flat.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if not Path("/proc/self/statm").exists():
        raise SystemExit("soak: needs /proc (Linux), which tells memory and open files")
    lasts_s, rng, began = 60.0 * asked.minutes, np.random.default_rng(asked.seed), time.monotonic()
    k, hours, told, kept = 0, 0.0, 0, list[tuple[float, int]]()
    print(f"{'time':>8} {'turns':>6} {'simulated':>10} {'memory':>10} {'open files':>10}", flush=True)
    while (spent := time.monotonic() - began) < lasts_s:
        hours += turn(k, rng)
        k += 1
        gc.collect()
        if spent > WARM_SHARE * lasts_s:
            kept.append((memory_mb(), n_open()))
        if spent >= told * lasts_s / 10:
            told += 1
            print(f"{spent:7.0f}s {k:6d} {hours:8.1f} h {memory_mb():7.1f} MB {n_open():10d}", flush=True)
    raise SystemExit(judge(kept, k, hours))


def judge(kept: list[tuple[float, int]], n_turn: int, hours: float) -> int:
    """Compare the last quarter of the judged turns with the first; print and return 1 where something rises."""
    if len(kept) < 8:
        print(f"soak: {n_turn} turns are too few; give it more minutes", file=sys.stderr)
        return 1
    part = len(kept) // 4
    first, last = (np.median([mb for mb, _ in each]) for each in (kept[:part], kept[-part:]))
    files = max(n for _, n in kept) - min(n for _, n in kept)
    flat = last - first <= max(LARGEST_RISE * first, ALLOWED_MB) and files == 0
    print(
        f"{n_turn} turns, {hours:.0f} simulated hours: memory {first:.1f} to {last:.1f} MB, open files "
        f"{'the same' if files == 0 else f'up to {files} more'}: {'flat' if flat else 'RISES'}"
    )
    return 0 if flat else 1


if __name__ == "__main__":
    main()
