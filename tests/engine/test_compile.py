"""The cache of compiled kernels: an edit anywhere reaches the next process, and an unwritable place harms nobody."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from der_gym.engine import compile
from der_gym.engine.program import Call, Program
from der_gym.numerics import rng

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


def run(folder: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with ``folder`` on its path, outside the checkout."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("DER_GYM", "NUMBA", "XDG", "PYTHON"))}
    env = {**keep, "PYTHONPATH": str(folder), **variables}
    command = [sys.executable, "-W", "always::UserWarning", "-c", code]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)


def value_and_hits(folder: Path, **variables: str) -> tuple[str, int]:
    """Return what the kernel computes in a new process and how often it came from the cache."""
    value, _, hits = run(folder, PRINT_A_VALUE, **variables).stdout.strip().rpartition(" ")
    return value, int(hits)


@pytest.fixture
def copy(project_root: Path, tmp_path: Path) -> Path:
    """Return a folder that holds a copy of the package."""
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(project_root / "der_gym", tmp_path / "copy" / "der_gym", ignore=skip)
    return tmp_path / "copy"


def test_an_edit_of_another_file_reaches_the_next_process(copy: Path, tmp_path: Path) -> None:
    shared = {"DER_GYM_CACHE": str(tmp_path / "cache")}
    first, hits = value_and_hits(copy, **shared)
    assert hits == 0
    again, hits = value_and_hits(copy, **shared)
    assert (again, hits) == (first, 1)
    source = copy / "der_gym" / "numerics" / "rng.py"
    text = source.read_text(encoding="utf-8")
    assert text.count("0xD2511F53") == 1
    source.write_text(text.replace("0xD2511F53", "0xD2511F55"), encoding="utf-8")
    edited, hits = value_and_hits(copy, **shared)
    assert edited != first and hits == 0


PRINT_A_SUM = """
import numpy as np
from der_gym.controllers import loop
from der_gym.engine import compile as jit
from der_gym.numerics import rng
from der_gym.engine.program import Call, Program
total = loop.total(np.ones(3))
print(total, jit.source_hash(), sum(loop.total.opened.stats.cache_hits.values()))
"""


def test_an_edit_of_a_controller_reaches_its_kernels_and_no_pool(copy: Path, tmp_path: Path) -> None:
    shared = {"DER_GYM_CACHE": str(tmp_path / "cache")}
    found = [run(copy, PRINT_A_SUM, **shared).stdout.split() for _ in range(2)]
    source = copy / "der_gym" / "controllers" / "reading.py"
    source.write_text(source.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    found.append(run(copy, PRINT_A_SUM, **shared).stdout.split())
    assert [hits for _, _, hits in found] == ["0", "1", "0"]
    assert {(total, kept) for total, kept, _ in found} == {("3.0", found[0][1])}


def test_kernels_that_stand_apart_are_called_by_no_other_folder(project_root: Path) -> None:
    for path in (project_root / "der_gym").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for folder in compile._OWN_KERNELS - set(path.parts):
            if re.search(r"^\s*@(\w+\.)?(kernel|scalar)\b", text, re.MULTILINE):
                assert f"der_gym.{folder}" not in text, path


def test_folders_left_out_of_the_hash_hold_no_kernel(project_root: Path) -> None:
    for folder in compile._NO_KERNELS:
        files = list((project_root / "der_gym" / folder).rglob("*.py"))
        assert files, folder
        for path in files:
            assert not re.search(r"^\s*@(\w+\.)?(kernel|scalar)\b", path.read_text(encoding="utf-8"), re.MULTILINE), (
                path
            )


def test_places_that_cannot_be_written_are_passed_over(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    below = str(tmp_path / "file" / "below")
    nowhere = {"DER_GYM_CACHE": below, "HOME": below, "TMPDIR": str(tmp_path / "tmp")}
    done = run(copy, PRINT_A_VALUE, **nowhere)
    assert done.stdout.startswith("[") and done.stderr.count("Warning") <= 1
    assert value_and_hits(copy, **nowhere)[1] == 1  # the temporary folder serves the next process


def test_without_any_place_kernels_still_run_with_one_warning(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    code = (
        "import tempfile\n"
        f"tempfile.tempdir = {str(tmp_path / 'file')!r}\n"
        "import numba, der_gym.numerics.sums, der_gym.network.outages\n"
        "assert der_gym.engine.compile._folder == ''\n"
    )
    below = str(tmp_path / "file" / "below")
    done = run(copy, code + PRINT_A_VALUE, DER_GYM_CACHE=below, HOME=below)
    assert done.stdout.startswith("[")
    assert done.stderr.count("Warning") == 1 and "compiles anew" in done.stderr


def test_the_cache_home_is_named_by_variables_or_lies_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DER_GYM_CACHE", "/named")
    assert compile.cache_home() == Path("/named")
    monkeypatch.delenv("DER_GYM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert compile.cache_home() == Path("/xdg/der_gym")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert compile.cache_home() == Path.home() / ".cache" / "der_gym"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert compile.cache_home().parent == Path(compile.tempfile.gettempdir())


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owner here")
def test_a_temporary_folder_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    assert compile._own(tmp_path / "mine") and compile._own(tmp_path / "mine")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert not compile._own(tmp_path / "open")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    assert not compile._own(tmp_path / "link")
    assert not compile._own(tmp_path / "no" / "parent")


def test_other_peoples_kernels_are_not_kept_in_our_folder() -> None:
    before = numba.config.CACHE_DIR

    @compile.kernel
    def ours(x):
        return x + 1

    assert ours(1) == 2
    assert before == numba.config.CACHE_DIR
    assert compile.source_hash() == compile.source_hash() and len(compile.source_hash()) == 16


def test_kernels_keep_ieee_arithmetic_and_release_the_lock() -> None:
    @compile.kernel
    def total(x: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[0] += x[i]

    x = np.array([1e8, 1.0, -1e8] * 7, dtype=np.float32)
    out, slow = np.zeros(1, np.float32), np.zeros(1, np.float32)
    total(x, out)
    total.py_func(x, slow)  # type: ignore[attr-defined]
    assert out.tobytes() == slow.tobytes()  # added in order, never regrouped
    options = total.targetoptions  # type: ignore[attr-defined]
    assert options["nogil"] and not options["fastmath"] and options["error_model"] == "numpy"


def test_a_part_works_in_a_kernel_and_from_python_but_in_no_program() -> None:
    @compile.part
    def double(x: Any) -> None:
        for i in range(x.shape[0]):
            x[i] = x[i] + x[i]

    @compile.kernel
    def doubled(s0: Any, s1: Any, x: Any) -> None:
        for s in range(s0, s1):
            double(x[s])

    x = np.ones((3, 4))
    doubled(0, 2, x)
    double(x[1])
    assert x.sum(axis=1).tolist() == [8.0, 16.0, 4.0]

    @compile.part
    def alone(s0: Any, s1: Any, x: Any) -> None:
        for s in range(s0, s1):
            x[s, 0] = x[s, 0] + x[s, 0]

    with pytest.raises(TypeError, match="alone is a part of kernels"):
        Program([Call(alone, x)], 3, 1, 1)()


def test_a_loop_may_make_and_copy_arrays() -> None:
    @compile.kernel
    def halve(s0: Any, s1: Any, x: Any) -> None:
        for s in range(s0, s1):
            x[s] = x[s] * 0.5  # an array of its own, by no name that could be looked for

    x = np.ones((3, 4))
    halve(0, 2, x)
    assert x.sum(axis=1).tolist() == [2.0, 2.0, 4.0]


def test_a_scalar_is_plain_python_from_python_and_compiled_within_a_kernel() -> None:
    @compile.kernel
    def each(x: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[i] = rng.unit(x[i])

    x, out = np.arange(5, dtype=np.uint32), np.zeros(5, np.float32)
    assert [type(rng.unit(k)) for k in x] == [np.float32] * 5
    each(x, out)
    assert out.tolist() == [float(rng.unit(k)) for k in x] and each.opened.signatures  # type: ignore[attr-defined]


def test_garbage_is_collected_again_after_a_compilation() -> None:
    @compile.kernel
    def twice(x: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[i] = x[i] * np.float32(2.0)

    out = np.zeros(3, np.float32)
    twice(np.ones(3, np.float32), out)
    assert gc.isenabled() and out.tolist() == [2.0, 2.0, 2.0]
    gc.disable()
    try:
        twice(np.ones(3), np.zeros(3))  # other types: compiled anew
        assert not gc.isenabled()
    finally:
        gc.enable()
