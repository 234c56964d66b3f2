"""Mutations: of bytes, of tables of cells, of nested settings and of arrays."""

from __future__ import annotations

import copy
import datetime
import gzip
import math
import pickle
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np

Array = np.ndarray
ENCODINGS = ("utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "iso2022_jp", "latin-1")


class Canary:
    """Makes a file when it is unpickled: nothing may ever do so."""

    path = "der_gym_fuzz_canary"

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (Canary.path, "w")


def texts() -> list[str]:
    """Return texts that a reader may stumble over."""
    run = f"!!python/object/apply:os.system ['touch {Canary.path}']"
    long = ["9" * 5000, "x" * 300, "x" * 20_000, "[" * 2000, "{a: " * 500, "a." * 300, "é" * 101, "東" * 70]
    numbers = [
        "0",
        "-0",
        "-1",
        "1e308",
        "1e400",
        "nan",
        "inf",
        "-inf",
        "９．５",
        "²",
        "١",
        "1_000",
        "0x10",
        "1,234",
        "1:30",
    ]
    dates = [
        "99999999999999999999/1/1",
        "2024/02/30",
        "0000-00-00",
        "2024/1/1 24:60",
        "24:00",
        "2099/12/31",
        "1999/1/1",
    ]
    marks = ["", " ", "　", "\0", "\x1b[31m", "\ud800", "\u202e", "\n", "\r", "\t", '"', '"a', "'", ",", ";", "\ufeff"]
    words = ["東京", "[/red]", ":smile:", "%n", "../../x", "/dev/zero", "/dev/null", "/", ".", "~", "nul", "__class__"]
    yaml = ["null", "true", "off", "!!int abc", "!!binary x", "&a [*a]", "*a", "<<", "{", "- ", "---", "? :", run]
    return [*long, *numbers, *dates, *marks, *words, *yaml]


def values() -> list[Any]:
    """Return values that a caller may hand over in place of a number, a text, a list or a mapping."""
    numbers = [0, -1, 1, 2, 7, 10**6, 10**9, 10**18, 10**400, -(10**400), 10**5000, 2**31, 2**63, 2**64]
    floats = [0.0, -0.0, 0.5, 1e-320, 1e-46, 1e-12, 1e12, -1e15, 1e308, -1e308, math.nan, math.inf, -math.inf]
    odd = [None, True, False, b"x", 1 + 2j, Decimal("1e5000"), object(), len, int, datetime.date(2024, 1, 1)]
    many = [[], {}, (), set(), [[]], [{}], {"a": 1}, {1: 2}, {None: None}, [1] * 1000, range(3), {"x": {"y": {}}}]
    arrays = [np.float32(3), np.array([1.0, 2.0]), np.zeros((2, 2)), np.array("x"), np.ma.masked_all(3)]
    return [*numbers, *floats, *odd, *many, *arrays, *texts()]


def mutated_bytes(rng: Random, data: bytes) -> bytes:
    """Return bytes with a few changes."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        at, n = rng.randrange(len(data) + 1), rng.choice((1, 1, 4, 40, 400))
        piece = data[at : at + n]
        token = rng.choice(texts()).encode("utf-8", "surrogatepass")
        noise = rng.randbytes(rng.choice((1, 2, 8)))
        new = rng.choice((b"", token, noise, piece * 2, piece[::-1], pickle.dumps(Canary()), b"\x00" * n))
        data = data[:at] + new + data[at + n :]
        if rng.random() < 0.1:
            data = data[: rng.randrange(len(data) + 1)]
    return data


def mutated_table(rng: Random, rows: list[str]) -> bytes:
    """Return a table's bytes with cells, columns, rows, encoding or packing changed."""
    cells = [row.split(",") for row in rows]
    for _ in range(rng.choice((0, 1, 1, 2, 6))):
        _change_cells(rng, cells)
    text = rng.choice(("\r\n", "\n", "\r")).join(",".join(row) for row in cells)
    encoding = rng.choice((*ENCODINGS, "utf-8", "utf-8", "utf-8"))
    data = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    if rng.random() < 0.3:
        data = mutated_bytes(rng, data)
    return gzip.compress(data, 1) if rng.random() < 0.05 else data


def _change_cells(rng: Random, cells: list[list[str]]) -> None:
    row = rng.choice(cells) if cells and rng.random() < 0.7 else (cells[0] if cells else [])
    k = rng.randrange(len(row) + 1)
    what = rng.randrange(8)
    if what <= 2 and row:
        row[k % len(row)] = rng.choice(texts())
    elif what == 3:
        row.insert(k, rng.choice(texts()))
    elif what == 4 and row:
        del row[k % len(row)]
    elif what == 5 and cells:
        del cells[rng.randrange(len(cells)) :][: rng.choice((1, 5))]
    elif what == 6 and cells:
        cells.insert(rng.randrange(len(cells)), list(rng.choice(cells)))
    elif row:
        j = k % len(row)
        for each in cells:  # a whole column
            if j < len(each):
                each[j] = rng.choice(texts()) if rng.random() < 0.1 else each[j - 1]


def mutated_tree(rng: Random, tree: Any, odd: bool = True) -> Any:
    """Return nested settings with a few values, keys or branches changed; without ``odd`` only what JSON holds."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2, 4))):
        holder, key = _place(rng, tree)
        if holder is None:
            return _value(rng, odd)
        _change(rng, holder, key, tree, odd)
    return tree


def _place(rng: Random, tree: Any) -> tuple[Any, Any]:
    """Return a mapping or list of a tree, and a key of it."""
    holder, key, at = None, None, tree
    while isinstance(at, dict | list) and at and (holder is None or rng.random() < 0.8):
        holder = at
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        at = at[key]
    return holder, key


def _change(rng: Random, holder: Any, key: Any, tree: Any, odd: bool) -> None:
    what = rng.randrange(7)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[rng.choice(texts())] = holder[key]
    elif what == 2 and isinstance(holder, list):
        holder.append(holder[key])
    elif what == 3 and isinstance(holder[key], int | float) and abs(holder[key]) < 1e300:
        holder[key] = rng.choice((holder[key] * -1, holder[key] * 1000, holder[key] / 7, float(holder[key])))
    elif what == 4:
        other, name = _place(rng, tree)
        holder[key] = copy.deepcopy(other[name]) if other is not None else None
    else:
        holder[key] = _value(rng, odd)


def _value(rng: Random, odd: bool) -> Any:
    plain = (type(None), bool, int, float, str, list, dict)
    found = rng.choice(values())
    while not odd and (not isinstance(found, plain) or found == {None: None}):
        found = rng.choice(values())
    return copy.copy(found) if isinstance(found, list | dict) else found


def mutated_array(rng: Random, array: Array) -> Any:
    """Return an array with numbers, shape or type changed."""
    what = rng.randrange(10)
    if what == 0:
        return rng.choice(values())
    if what == 1 and array.dtype.kind in "fiub":
        kind = rng.choice(("float64", "float32", "int64", "int8", "uint8", "bool", "complex128", "U3", "O"))
        with np.errstate(all="ignore"):
            return array.astype(kind)
    if what == 2:
        return array[:0] if array.ndim else array
    if what == 3:
        return np.concatenate([array, array]) if array.ndim else array[None]
    if what == 4:
        return array[..., None] if rng.random() < 0.5 else array.T
    changed = array.copy()
    flat = changed.reshape(-1)
    for _ in range(rng.choice((1, 3, max(flat.size, 1)))):
        if flat.size:
            number = rng.choice(
                (0, -1, 1, 2, 127, 1e9, 1e12, -1e15, 3e38, 1e308, 2**31, 2**63, math.nan, math.inf, 0.5)
            )
            with np.errstate(all="ignore"):
                flat[rng.randrange(flat.size)] = number if flat.dtype == object else np.array(number).astype(flat.dtype)
    return changed


def mutated_arrays(rng: Random, arrays: dict[str, Array]) -> dict[Any, Any]:
    """Return named arrays of which a few are changed, gone, or under another name."""
    out: dict[Any, Any] = dict(arrays)
    for _ in range(rng.choice((1, 1, 3))):
        name = rng.choice(list(arrays))
        what = rng.random()
        if what < 0.1:
            out.pop(name, None)
        elif what < 0.2:
            out[rng.choice([*arrays, "x", "", "../x"])] = out.get(name, arrays[name])
        else:
            out[name] = mutated_array(rng, arrays[name])
    return out
