"""Kernels on disk: an edit reaches the kernels that depend on it and no others; what is damaged is made anew."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from der_gym.engine import cache, kernel_cache
from der_gym.engine.compile import kernel

# A few kernels that compile in no time, in files of all layers, as a program would ask for them.
COMPILE = """
import numba, sys
from numba import types as t
from der_gym.devices import DEVICES
import der_gym.env.observation.layout as layout, der_gym.env.worlds as worlds
import der_gym.simulation.array_ops as ops, der_gym.network.outages as outages
f4, u4, i8, on = t.float32, t.uint32, t.int64, t.boolean
rows, table, whole = f4[:, :, ::1], f4[:, ::1], (i8, i8, i8, on[::1])
asked = [
    *((DEVICES[n].kernels.save, (*whole, rows, rows, t.float64[:, :, ::1], rows)) for n in ("battery", "ecocute")),
    (ops.blank, (*whole, rows)),
    (outages.draw_links, (*whole, u4[:, ::1], u4[:, ::1], i8[::1], t.float64[::1], f4[::1], rows)),
]
hits = 0
for kernel, types in asked:
    kernel.compile(types)
    hits += sum(kernel.stats.cache_hits.values())
print(len(asked), hits)
"""


def run(folder: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with ``folder`` on its path, outside the checkout."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("DER_GYM", "NUMBA", "XDG", "PYTHON"))}
    env = {**keep, "PYTHONPATH": str(folder), **variables}
    command = [sys.executable, "-W", "always::UserWarning", "-c", code]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)


@pytest.fixture
def copy(project_root: Path, tmp_path: Path) -> Path:
    """Return a folder that holds a copy of the package."""
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(project_root / "der_gym", tmp_path / "copy" / "der_gym", ignore=skip)
    return tmp_path / "copy"


def edit(copy: Path, module: str, old: str = "", new: str = "") -> None:
    """Add a comment to a module's file, or change it."""
    path = copy / "der_gym" / f"{module}.py"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1 or not old
    path.write_text(text.replace(old, new) if old else f"{text}# a comment\n", encoding="utf-8")


def test_an_edit_recompiles_what_depends_on_it_and_nothing_else(copy: Path, tmp_path: Path) -> None:
    before = set[str]()

    def new() -> list[str]:
        """Run a process and return which kernels it compiled."""
        n, hits = map(int, run(copy, COMPILE, DER_GYM_CACHE=str(tmp_path / "cache")).stdout.split())
        now = {path.name for path in (tmp_path / "cache" / "kernels").iterdir()}
        found = sorted(".".join(name.split(".")[1:-2]) for name in now - before)
        before.update(now)
        assert n - hits == len(found)
        return found

    assert len(new()) == 4
    assert new() == []
    for module in ("env/observation/fields", "evaluation/report/page", "simulation/simulator", "fleet/tree"):
        edit(copy, module)
    edit(copy, "engine/tables", "unit of the command: the device's rated swing", "another meaning")
    assert new() == []
    edit(copy, "engine/tables", "    link_down_s ", "    made_up | - | | one row more\n    link_down_s ")
    assert "simulation.array_ops.blank" not in (changed := new())  # it names no row that has another number now
    assert len(changed) == 3  # the numbers stand in the devices' written sources
    edit(copy, "devices/battery/model")
    assert ["battery" in name for name in new()] == [True]
    edit(copy, "numerics/rng", "0xD2511F53", "0xD2511F55")  # of the draws, which the saved states do not name
    assert new() == ["network.outages.draw_links"]
    edit(copy, "engine/cache")
    assert new() == []
    edit(copy, "engine/compile")
    assert len(new()) == 4


PRINT_A_VALUE = """
import numpy as np
from der_gym.engine import tables
from der_gym.network import outages
fleet = np.zeros((1, tables.FLEET.N, 3), np.float32)
uid, link = np.arange(3, dtype=np.uint32)[None], np.array([1, 1, 60, 0], np.float32)
on, keys = np.ones(1, bool), np.ones((1, 4), np.uint32)
outages.draw_links(0, 1, 1, on, keys, uid, np.array([7 * 86_400]), np.zeros(1), link, fleet)
print(fleet[0, tables.FLEET.LINK_DOWN_S].tolist(), sum(outages.draw_links.stats.cache_hits.values()))
"""


def test_an_edit_of_another_file_changes_the_next_process_values(copy: Path, tmp_path: Path) -> None:
    def value() -> list[str]:
        return run(copy, PRINT_A_VALUE, DER_GYM_CACHE=str(tmp_path / "cache")).stdout.rsplit(None, 1)

    first, again = value(), value()
    assert (first[1], again) == ("0", [first[0], "1"])
    edit(copy, "numerics/rng", "0xD2511F53", "0xD2511F55")
    edited = value()
    assert edited[0] != first[0] and edited[1] == "0"


def test_places_that_cannot_be_written_are_passed_over(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    below = str(tmp_path / "file" / "below")
    nowhere = {"DER_GYM_CACHE": below, "HOME": below, "TMPDIR": str(tmp_path / "tmp")}
    done = [run(copy, PRINT_A_VALUE, **nowhere) for _ in range(2)]
    assert [each.stderr for each in done] == ["", ""]
    assert [each.stdout.split()[-1] for each in done] == ["0", "1"]  # the temporary folder serves the next process


def test_without_any_place_kernels_still_run_with_one_warning(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    below = str(tmp_path / "file" / "below")
    code = f"import tempfile\ntempfile.tempdir = {str(tmp_path / 'file')!r}\n{PRINT_A_VALUE}"
    done = run(copy, code, DER_GYM_CACHE=below, HOME=below)
    assert done.stdout.startswith("[")
    assert done.stderr.count("Warning") == 1 and "compiles anew" in done.stderr


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of kernels, made anew, as a new process would see it that has probed its numba."""
    assert doubled()[0] == 6.0  # the first kernel of a process is probed, and the probe's own kernel kept
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_folders", {})
    monkeypatch.setattr(cache, "_warned", set())
    return tmp_path / "cache" / "kernels"


def doubled() -> tuple[float, int]:
    """Return what a kernel computes that has just been declared, and how often it came from disk."""

    @kernel
    def double(s0, s1, x):
        for s in range(s0, s1):
            x[s] = x[s] + x[s]

    x = np.ones(3)
    double(0, 3, x)
    return float(x.sum()), sum(double.stats.cache_hits.values())


class Planted:
    """What a foreign file may hold: a call that is made as soon as it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def sealed(content: bytes) -> bytes:
    return kernel_cache._FORM + hashlib.sha256(content).digest() + content


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "cut in the checksum": lambda whole: whole[:20],
    "foreign": lambda whole: b"PK\x03\x04 no kernel" * 99,
    "one bit": lambda whole: whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
    "of numba": lambda whole: pickle.dumps("0.61.0") + whole,
    "sealed, no pickle": lambda whole: sealed(b"no pickle"),
    "sealed, nothing": lambda whole: sealed(b""),
    "sealed, another object": lambda whole: sealed(pickle.dumps(({}, ()))),
    "sealed, unknown class": lambda whole: sealed(b"cno_such_module\nThing\n."),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_made_anew_with_one_warning(name: str, place: Path) -> None:
    assert [doubled(), doubled()] == [(6.0, 0), (6.0, 1)]
    (path,) = place.glob("*.nbc")
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[name](whole))
    if name == "sealed, another object":  # it is whole, and another kernel's
        assert doubled() == (6.0, 0)
    else:
        with pytest.warns(UserWarning, match="made anew") as given:
            assert doubled() == (6.0, 0)
        assert len(given) == 1
    assert doubled() == (6.0, 1) and len(list(place.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_what_others_may_write_is_not_run(place: Path, tmp_path: Path) -> None:
    assert doubled() == (6.0, 0)
    (path,) = place.glob("*.nbc")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(sealed(pickle.dumps(Planted(tmp_path / "run"))))
    path.chmod(0o666)
    with pytest.warns(UserWarning, match="others may write it"):
        assert doubled() == (6.0, 0)
    assert not (tmp_path / "run").exists()
    path.write_bytes(sealed(pickle.dumps(Planted(tmp_path / "run"))))
    with pytest.warns(UserWarning, match="made anew"):  # the file alone is private: so the planted call is a real one
        cache._warned.clear()
        doubled()
    assert (tmp_path / "run").exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owner here")
def test_a_kernel_planted_in_an_open_folder_is_not_run(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    assert doubled() == (6.0, 0)
    (path,) = place.glob("*.nbc")
    path.write_bytes(sealed(pickle.dumps(Planted(tmp_path / "run"))))
    place.parent.chmod(0o777)
    cache._folders.clear()
    with pytest.warns(UserWarning, match="others may write there") as given:
        assert doubled() == (6.0, 0)
        assert doubled() == (6.0, 1)  # from the temporary folder
    assert len(given) == 1 and not (tmp_path / "run").exists()


def test_a_full_disk_costs_a_warning(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **named: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "new_file", full)
    with pytest.warns(UserWarning, match="No space left on device") as given:
        assert [doubled(), doubled()] == [(6.0, 0), (6.0, 0)]
    assert len(given) == 1


BIG = np.ones(1_000_000)


def test_what_cannot_be_kept_is_told(place: Path) -> None:
    @kernel
    def add_big(s0, s1, x):
        for s in range(s0, s1):
            x[s] = x[s] + BIG[s]

    x = np.ones(3)
    with pytest.warns(UserWarning, match="add_big cannot be kept: it holds large arrays"):
        add_big(0, 3, x)
    assert x.tolist() == [2.0, 2.0, 2.0] and list(place.iterdir()) == []


def test_types_and_forms_are_kept_apart(place: Path) -> None:
    @kernel
    def more(s0, s1, x):
        for s in range(s0, s1):
            x[s] = x[s] + 1
        return s1

    for x in (np.zeros(3), np.zeros(3, np.float32), np.zeros(3, np.int64), np.zeros(6)[::2]):
        assert more(0, 3, x) == 3 and x.tolist() == [1, 1, 1]
    n = len(list(place.iterdir()))
    assert n == len({path.name for path in place.iterdir()}) >= 4
    more.opened._cache.flush()
    assert list(place.iterdir()) == []


def test_a_loaded_kernel_was_used_now(place: Path) -> None:
    doubled()
    (path,) = place.glob("*.nbc")
    os.utime(path, (0, 0))
    assert doubled() == (6.0, 1) and path.stat().st_mtime > 1e9
