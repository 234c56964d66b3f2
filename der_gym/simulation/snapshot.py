"""Worlds out and in: every array that a world's future depends on, and its generator."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.core.errors import InputError

Array = np.ndarray


@dataclass(frozen=True)
class Snapshot:
    """Chosen worlds, whole: arrays by name (leading axis: the worlds, times their shards) and their generators."""

    scenario_hash: str
    arrays: dict[str, Array]
    generators: tuple[dict[str, Any], ...]


def take(
    scenario_hash: str,
    arrays: Mapping[str, Array],
    n_world: int,
    worlds: Sequence[int],
    generators: Sequence[np.random.Generator],
) -> Snapshot:
    """Return copies of the chosen worlds' rows of ``arrays`` and their generators' states."""
    rows = {name: array[_rows(array, n_world, worlds)].copy() for name, array in arrays.items()}
    states = tuple(dict(copy.deepcopy(generators[w].bit_generator.state)) for w in worlds)
    return Snapshot(scenario_hash, rows, states)


def put(
    snapshot: Snapshot, scenario_hash: str, arrays: Mapping[str, Array], n_world: int, worlds: Sequence[int]
) -> dict[int, np.random.Generator]:
    """Write a snapshot's worlds into the given places, one for one; return their generators.

    Raises
    ------
    InputError
        For a snapshot of another scenario, or of another number of worlds.
    """
    if snapshot.scenario_hash != scenario_hash:
        raise InputError("snapshot: was taken in another scenario; allowed: one with the same settings")
    if len(worlds) != len(snapshot.generators):
        raise InputError(f"snapshot: holds {len(snapshot.generators)} worlds; {len(worlds)} places were named")
    for name, array in arrays.items():
        if array.shape[1:] != snapshot.arrays[name].shape[1:]:
            raise InputError(f"snapshot: {name} is kept by another rule; allowed: a simulator with the same by_device")
    for name, array in arrays.items():
        array[_rows(array, n_world, worlds)] = snapshot.arrays[name]
    return {w: _generator(state) for w, state in zip(worlds, snapshot.generators, strict=True)}


def _generator(state: dict[str, Any]) -> np.random.Generator:
    generator = np.random.Generator(getattr(np.random, state["bit_generator"])())
    generator.bit_generator.state = copy.deepcopy(state)
    return generator


def _rows(array: Array, n_world: int, worlds: Sequence[int]) -> Array:
    """Return the rows of the given worlds in an array that leads with worlds, or with worlds times shards."""
    per_world = array.shape[0] // n_world
    places: Array = (np.array(worlds)[:, None] * per_world + np.arange(per_world)).ravel()
    return places
