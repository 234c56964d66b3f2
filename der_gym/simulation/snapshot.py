"""Snapshots of worlds: every array that a world's future depends on, and its generator."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.text import shown

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
    """Return copies of the chosen worlds' rows of ``arrays`` and their generators' states; a world may stand twice."""
    places = checked_places(worlds, n_world)
    rows = {name: array[_rows(array, n_world, places)].copy() for name, array in arrays.items()}
    states = tuple(dict(copy.deepcopy(generators[w].bit_generator.state)) for w in places)
    return Snapshot(scenario_hash, rows, states)


def put(
    snapshot: Snapshot,
    scenario_hash: str,
    arrays: Mapping[str, Array],
    n_world: int,
    worlds: Sequence[int],
    check: Callable[[Mapping[str, Array]], None],
) -> dict[int, np.random.Generator]:
    """Write a snapshot's worlds into the given places, one for one; return their generators.

    Everything is checked before anything is written: a refused snapshot changes nothing.

    Parameters
    ----------
    snapshot : Snapshot
    scenario_hash : str
    arrays : mapping
        Where the worlds go, each with n_world rows, or n_world times its shards.
    n_world : int
    worlds : sequence of int
        Distinct places, 0 .. n_world - 1, as many as the snapshot holds.
    check : callable
        Raises InputError where an array of the right shape holds what kernels cannot use; see `snapshot_limits`.

    Raises
    ------
    InputError
        For no snapshot, one of another scenario or number of worlds; arrays that are missing, of another shape or type
        or out of limits; another generator than PCG64.
    """
    places = check_fits(snapshot, scenario_hash, n_world, worlds)
    rows = {name: _rows(array, n_world, places) for name, array in arrays.items()}
    check_alike("snapshot", snapshot.arrays, {name: (array, len(rows[name])) for name, array in arrays.items()})
    check(snapshot.arrays)
    made = {w: _generator(state) for w, state in zip(places, snapshot.generators, strict=True)}
    for name, array in arrays.items():
        array[rows[name]] = snapshot.arrays[name]
    return made


def check_fits(snapshot: Snapshot, scenario_hash: str, n_world: int, worlds: Sequence[int]) -> list[int]:
    """Return the places, as ints, that a snapshot's worlds may be put into.

    Raises
    ------
    InputError
        For no snapshot, one of another scenario, or places that are not one for each of its worlds.
    """
    if not isinstance(snapshot, Snapshot):
        raise InputError(f"snapshot: {type(snapshot).__name__}; allowed: what snapshot() returned")
    if not isinstance(snapshot.scenario_hash, str) or snapshot.scenario_hash != scenario_hash:
        raise InputError("snapshot: was taken in another scenario; allowed: one with the same settings")
    places = checked_places(worlds, n_world, distinct=True)
    if len(places) != len(snapshot.generators):
        raise InputError(f"snapshot: holds {len(snapshot.generators)} worlds; {len(places)} places were named")
    return places


def checked_places(worlds: Sequence[int], n_world: int, distinct: bool = False) -> list[int]:
    """Return places of worlds as ints; InputError for none at all, one that is none, one twice where ``distinct``."""
    try:
        places = [operator.index(w) for w in worlds]
    except TypeError:
        raise InputError(f"worlds: {shown(worlds)}; allowed: whole numbers, 0 to {n_world - 1}") from None
    wrong = [w for w in places if not 0 <= w < n_world]
    twice = [w for w in places if distinct and places.count(w) > 1]
    if wrong or twice or not places:
        raise InputError(
            f"worlds: {shown(places)}; allowed: one or more of 0 to {n_world - 1}{', each once' if distinct else ''}"
        )
    return places


def check_alike(what: str, given: Mapping[str, Array], wanted: Mapping[str, tuple[Array, int]]) -> None:
    """Refuse arrays that cannot be written whole.

    Parameters
    ----------
    what : str
        What holds them, for the error.
    given : mapping
        Array by name.
    wanted : mapping
        Name -> (an array of the wanted type and trailing shape, the wanted number of rows).

    Raises
    ------
    InputError
        For a name too many or missing, another shape or another type.
    """
    for name in sorted(given.keys() ^ wanted.keys()):
        raise InputError(
            f"{what}: {name} is {'missing' if name in wanted else 'not known'}; allowed: {len(wanted)} arrays"
        )
    for name, (array, n_row) in wanted.items():
        found, shape = given[name], (n_row, *array.shape[1:])
        if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != array.dtype:
            have = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise InputError(f"{what}: {name} is {have}; allowed: {array.dtype} {shape}, of the same by_device")


def _generator(state: dict[str, Any]) -> np.random.Generator:
    """Return a generator in a state; no other name than PCG64's is looked up."""
    kind = state.get("bit_generator") if isinstance(state, Mapping) else None
    if not isinstance(kind, str) or kind != "PCG64":
        raise InputError(f"snapshot: generator {shown(kind)}; allowed: PCG64")
    generator = np.random.Generator(np.random.PCG64())
    try:
        generator.bit_generator.state = copy.deepcopy(state)
    except Exception as error:  # of whatever stands in place of numbers
        raise InputError(f"snapshot: the generator's state cannot be used: {error}") from None
    return generator


def _rows(array: Array, n_world: int, worlds: Sequence[int]) -> Array:
    """Return the rows of the given worlds in an array that leads with worlds, or with worlds times shards."""
    per_world = array.shape[0] // n_world
    places: Array = (np.array(worlds)[:, None] * per_world + np.arange(per_world)).ravel()
    return places
