"""Reference days on disk: their key, and reading them back without a copy."""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.core.units import SLOT_PER_DAY
from der_gym.devices import DEVICES
from der_gym.devices.base import DeviceModel
from der_gym.engine import cache, closure, kept_arrays
from der_gym.fleet.structure import Structure
from der_gym.simulation.reference_days import KEPT, Pool

Array = np.ndarray
_FORM = "pool 3"
_UNREAD = {"row", "trees"}  # of the structure: table rows and trees do not change reference days
# The registry of all classes does not count, the classes in use do. A structure counts by its arrays.
# No message is sent in the reference days, so behaviours that answer messages do not count.
_WITHOUT = ("der_gym.devices", "der_gym.fleet.structure", "der_gym.simulation.behaviour_arrays")


def pool_name(settings: Mapping[str, Any], structure: Structure, *more: Structure) -> str | None:
    """Return the key of reference days.

    Parameters
    ----------
    settings : mapping
        All settings that shape the pool, as JSON takes them.
    structure : Structure
        The pool's fleet.
    more : Structure
        Further ones, where each fleet has one of its own.

    Returns
    -------
    str or None
        16 hex digits over settings, fleet, and the sources of the pool, of homes and of the classes in use. None for a
        class whose code stands in no file: its pool cannot be known again.
    """
    kernels, modules = list[str](), {Pool.__module__}
    for name in structure.class_slice:
        modules |= set(_modules(DEVICES[name]))
        found = [closure.function_key(each) for each in _functions(DEVICES[name])]
        kernels += [each for each in found if each is not None]
        if len(kernels) == 0 or None in found:
            return None
    whole = hashlib.sha256(f"{_FORM} {closure.key(modules, _WITHOUT)} {kernels}".encode())
    whole.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for each in (structure, *more):
        for field in fields(each):
            if field.name not in _UNREAD:
                whole.update(_content(field.name, getattr(each, field.name)))
    return whole.hexdigest()[:16]


def _content(name: str, value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return f"{name} {value.dtype} {value.shape}".encode() + value.tobytes()
    return f"{name} {value!r}".encode()


def _modules(device: DeviceModel) -> Iterable[str]:
    """Yield the modules of the parts of a device class."""
    yield from (type(device).__module__, device.config.__module__, *(stage.module for stage in device.stages()))


def _functions(device: DeviceModel) -> Iterable[Any]:
    """Yield a device class's kernels in Python."""
    for each in vars(device.kernels).values():
        plain = getattr(each, "py_func", each)
        if hasattr(plain, "__code__"):
            yield plain


def load_pool(name: str, like: Mapping[str, Array] | None = None) -> Pool | None:
    """Return the pool kept under ``name``, or None where there is none that can be used, with a warning if it should.

    Parameters
    ----------
    name : str
    like : mapping, optional
        Arrays that the file must hold: name -> array of the same shape and type. See `wanted`.
    """
    folder = cache.folder("pools")
    path = None if folder is None else folder / f"{name}.npz"
    if path is None or not path.exists():
        return None
    try:
        state = path.stat()
        made = _load(path, (state.st_ino, state.st_size))
        _check(made, like or {})
    except Exception as error:  # a foreign file may raise anything
        cache.warn_unusable(path, error)
        return None
    cache.used(path)
    return made


@lru_cache(maxsize=4)
def _load(path: Path, _file: tuple[int, int]) -> Pool:
    kept = _mapped(path)
    states = {key[6:]: array for key, array in kept.items() if key.startswith("state.")}
    starts = tuple(int(s) for s in kept["starts_s"])
    return Pool(int(kept["first_day"]), kept["keys"], kept["power_kw"], kept["capability"], starts, states)


def wanted(
    structure: Structure, keys: Array, first_day: int, n_day: int, starts_s: tuple[int, ...]
) -> dict[str, Array]:
    """Return empty arrays of the shapes and types of reference days, filled where they are known before the run.

    Parameters
    ----------
    structure : Structure
        The pool's fleet.
    keys : uint32 (n_fleet, 2)
        The fleets' keys.
    first_day, n_day : int
        Number of the first day; days.
    starts_s : tuple of int
        Seconds of the day at which states are saved.
    """
    lead = (len(keys), n_day)
    like = {
        "keys": keys,
        "first_day": np.array(first_day),
        "starts_s": np.array(starts_s),
        "power_kw": _empty(*lead, SLOT_PER_DAY, structure.n_cell + 2),
        "capability": _empty(*lead, SLOT_PER_DAY, structure.n_cell, len(KEPT)),
    }
    for name, (lo, hi) in structure.class_slice.items():
        like[f"state.{name}"] = _empty(*lead, len(starts_s), len(DEVICES[name].saved), hi - lo)
    return like


def _empty(*shape: int) -> Array:
    return np.broadcast_to(np.float32(0), shape)


def _arrays(pool: Pool) -> dict[str, Array]:
    states = {f"state.{key}": value for key, value in pool.states.items()}
    own = {"first_day": np.array(pool.first_day), "starts_s": np.array(pool.starts_s), "keys": pool.keys}
    return {**states, **own, "power_kw": pool.power_kw, "capability": pool.capability}


def _check(pool: Pool, like: Mapping[str, Array]) -> None:
    """Raise ValueError where arrays differ from the wanted ones in shape or type: kernels do not check."""
    held = _arrays(pool)
    if like and held.keys() != like.keys():
        raise ValueError("it holds other arrays")
    for name, each in like.items():
        if held[name].shape != each.shape or held[name].dtype != each.dtype:
            raise ValueError(f"{name} has another shape or type")
        if name in ("first_day", "starts_s", "keys") and not np.array_equal(held[name], each):
            raise ValueError(f"{name} differs")


def _mapped(path: Path) -> dict[str, Array]:
    """Return the arrays of an uncompressed .npz, mapped read only: parts that are not read take no memory."""
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for member in archive.infolist():
            file.seek(member.header_offset + 26)  # of the lengths of its name and of what else stands before the data
            file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)
            np.lib.format.read_magic(file)
            shape, _, kind = np.lib.format.read_array_header_1_0(file)
            inside = file.tell() + math.prod(shape) * kind.itemsize <= path.stat().st_size
            if kind.hasobject or not inside or min(shape, default=0) < 0:
                raise ValueError(f"{member.filename} is no array of numbers")
            array = np.memmap(path, kind, "r", file.tell(), shape) if math.prod(shape) else np.zeros(shape, kind)
            arrays[member.filename.removesuffix(".npy")] = array
    return arrays


def keep_pool(name: str, pool: Pool) -> None:
    """Keep ``pool`` on disk under ``name``; where nothing can be written it is made again next time."""
    kept_arrays.keep(name, _arrays(pool), "the pool of days is made anew")
