"""Small worlds for the tests of engine and environments: few devices, short windows, a pool of two weeks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
MONDAY = "2026-08-03"
SMALL: dict[str, Any] = {
    "signals.start": MONDAY,  # the pool of days is run for a fortnight, not for a year
    "plan.method": "like_days",  # the forecast is learned from episodes of a year
    "pool.n_fleet": 1,
    "fleet.n_device": 60,
    "episode.n_block": 2,
    "episode.n_block_after": 1,
    "services.tertiary-1.limits": "off",
}
SMALL_STEPS = 90
# The engine's tests keep to a fleet of their own, whatever the shipped mix and awards come to be.
MIX = [
    {"device": "battery", "path": "P3", "cloud": "A", "share": 280},
    {"device": "battery", "path": "P3", "cloud": "B", "share": 140},
    {"device": "battery", "path": "P4", "cloud": "C", "share": 110},
    {"device": "battery", "path": "P2", "cloud": "router", "share": 120},
    {"device": "battery", "path": "P1", "cloud": "direct", "share": 50},
    {"device": "ecocute", "path": "P4", "cloud": "C", "share": 150},
    {"device": "ecocute", "path": "P2", "cloud": "router", "share": 30},
    {"device": "ev", "path": "P6", "cloud": "csms", "share": 80},
    {"device": "ev", "path": "P3", "cloud": "A", "share": 40},
]


def small(name: str = "tertiary-1", changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the overrides that make a shipped scenario small.

    A list of market size keeps its least award; a scenario with a call keeps the half hours that hold it.
    """
    services = load(name).services
    least = getattr(services[0], "min_bid_kw", 0.0)
    award = {"services.tertiary-1.award_kw": least, "fleet.n_device": 400} if least > 100 else {}
    calls = any(hasattr(config, "notice_h") for config in services)
    own = {k: v for k, v in SMALL.items() if not k.startswith("services.") and not (calls and "n_block" in k)}
    limits = {f"services.{config.id}.limits": "off" for config in services}
    return {**own, **limits, **award, **(changes or {})}


def scenario(name: str = "tertiary-1", **changes: Any) -> Scenario:
    """Return a small scenario with the engine's own fleet; keys of ``changes`` are dotted with ``__``."""
    own = {"fleet.mix": MIX, "services.tertiary-1.award_share": 1.0}
    return load(name, small(name, {**own, **{key.replace("__", "."): value for key, value in changes.items()}}))


def generators(seeds: Sequence[int]) -> dict[int, np.random.Generator]:
    """Return each world's generator as the environments make it."""
    return {i: np.random.default_rng(seed) for i, seed in enumerate(seeds)}


def started(
    made: Scenario, seeds: Sequence[int], workers: int | None = 1, by_device: bool = False, **options: Any
) -> Simulator:
    """Return a simulator whose worlds have begun an episode."""
    sim = Simulator(made, len(seeds), workers, by_device)
    sim.reset(np.ones(len(seeds), dtype=bool), generators(seeds), options)
    return sim


def message(sim: Simulator, a: Any) -> Array:
    """Return a dispatch of the fraction ``a`` (broadcast to worlds and leaves) for every leaf."""
    sent = np.zeros((sim.n_world, sim.structure.n_leaf, 3), dtype=np.float32)
    sent[:, :, 1] = a
    return sent


def take(sim: Simulator, a: Any, n: int = 1) -> None:
    """Take ``n`` decisions with the fraction ``a`` in all worlds."""
    for _ in range(n):
        sim.step(message(sim, a), np.ones(sim.n_world, dtype=bool))


def actions(seed: int, n: int, n_leaf: int) -> Array:
    """Return ``n`` actions that change every ten steps, float32 (n, n_leaf)."""
    drawn = np.random.default_rng(seed).uniform(-1, 1, ((n + 9) // 10, n_leaf))
    return np.repeat(drawn, 10, axis=0)[:n].astype(np.float32)


def bits(*arrays: Any) -> str:
    """Return 16 hex digits over the bits of arrays or numbers."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def same(one: Mapping[str, Array], other: Mapping[str, Array]) -> list[str]:
    """Return the names of arrays that differ in a bit."""
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


def copied(sim: Simulator) -> dict[str, Array]:
    """Return a copy of everything that a simulator's future depends on."""
    return {name: array.copy() for name, array in sim.arrays().items()}


def trace(name: str, changes: Mapping[str, Any], seed: int, n: int) -> str:
    """Return the hash of observations and rewards of ``n`` steps, at most an episode, with fixed actions."""
    env = DERGroupEnv(name, small(name, changes))
    obs, _ = env.reset(seed=seed)
    kept: list[Any] = [obs]
    for action in actions(seed, min(n, env.worlds.scenario.n_step), env.layout.action.size):
        obs, reward, _, _, _ = env.step(action)
        kept += [obs, np.float64(reward)]
    return bits(*kept)


def vector_trace(seed: int) -> str:
    """Return the hash of a few steps of two worlds; called in child processes."""
    env = DERGroupVectorEnv(2, "tertiary-1", small())
    obs, _ = env.reset(seed=seed)
    kept = [obs]
    for action in actions(seed, 5, env.layout.action.size):
        obs, reward, _, _, _ = env.step(np.stack([action, -action]))
        kept += [obs, reward]
    return bits(*kept)


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted settings as the mappings that a scenario's file holds."""
    out: dict[str, Any] = {}
    for key, value in dotted.items():
        *parts, last = key.split(".")
        at = out
        for part in parts:
            at = at.setdefault(part, {})
        at[last] = value
    return out
