"""Kernels written from functions of numbers: what is refused, where the source lies, what an edit of it does."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_rig import Rig
from lamps import add, burn, draw, hours, lamp, make

from der_gym.core.errors import InputError
from der_gym.devices.base import Register
from der_gym.devices.forms import kernels_of, source
from der_gym.engine import generated

_0 = np.float32(0.0)


def test_a_class_of_four_functions_runs() -> None:
    for plain in (False, True):
        rig = Rig(lamp(), plain=plain, by_device=True).begin()
        rig.row("accepts_commands")[:], rig.row("meter_gain")[:] = 1.0, 1.0
        power = rig.step(0.25, dt_s=300)
        assert power == pytest.approx(0.75 * rig.own("full_kw"))
        assert rig.own("used_kwh") == pytest.approx(power / 12) and rig.own("burnt_kwh") == pytest.approx(power / 12)
    assert lamp().kernels.redraw is None and lamp().kernels.save is None and lamp().kernels.begin is None


# --- what is refused, when the class is built


def bad_unknown(ful_kw):
    level = ful_kw
    return level


def bad_reserved(full_kw):
    energy = full_kw
    return energy


def bad_written(full_kw):
    full_kw = full_kw * full_kw
    return full_kw


def bad_return(full_kw):
    return full_kw * full_kw


def bad_twice(full_kw):
    if full_kw > _0:
        level = full_kw
        return level
    level = _0
    return level


def bad_eleven(level):
    a, b, c, d, e, f, g, h, j, k, m = level, level, level, level, level, level, level, level, level, level, level
    return a, b, c, d, e, f, g, h, j, k, m


def bad_wide(burnt_kwh, level):
    level = np.float32(burnt_kwh) * abs(np.sqrt(level))
    return level


def bad_late(later):
    level = later
    return level


def power_kw(full_kw):
    level = full_kw
    return level


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (bad_unknown, ["bad_unknown", "'ful_kw'", "did you mean 'full_kw'?"]),
        (bad_reserved, ["bad_reserved", "'energy'", "kernel's own"]),
        (bad_written, ["bad_written", "'full_kw'", "only read"]),
        (bad_return, ["bad_return", "must return names"]),
        (bad_twice, ["bad_twice", "must return names"]),
        (bad_eleven, ["bad_eleven", "11 rows", "allowed: 10"]),
        (bad_wide, ["bad_wide", "'burnt_kwh'", "np.sqrt", "np.float32"]),
        (bad_late, ["bad_late", "unknown name 'later'"]),
        (power_kw, ["power_kw", "name the function otherwise"]),
    ],
)
def test_a_function_that_cannot_stand_is_refused_by_name(function: Any, words: list[str]) -> None:
    model = lamp()
    model.tick(function)
    with pytest.raises(InputError) as caught:
        kernels_of(model)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


def test_what_nothing_returns_is_named() -> None:
    model = make(meters={})
    model.draw(draw)
    model.once("tick")(hours)
    model.tick(add)
    with pytest.raises(InputError, match=r"unknown name 'power_kw'|no advance function returns 'power_kw'"):
        kernels_of(model)


def test_a_register_without_a_row_is_named() -> None:
    model = make(meters={"used_kwh": Register("kWh", "drawn", ("used", "使用"), row="powr_kw")})
    model.draw(draw)
    model.tick(burn)
    with pytest.raises(InputError, match="did you mean 'power_kw'"):
        kernels_of(model)
    with pytest.raises(InputError, match="did you mean 'burnt_kwh'"):
        make(meters={"burn_kwh": Register("kWh", "burnt", ("burnt", "燃"), by_home=True)})


def test_a_function_inside_a_function_is_refused() -> None:
    def inner(full_kw):
        level = full_kw
        return level

    with pytest.raises(InputError, match="at the top of a module"):
        make().tick(inner)


def test_an_unknown_kernel_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'tick'"):
        make().once("tock")(hours)
    with pytest.raises(InputError, match="did you mean 'advance'"):
        make().by_hand(advanced=lambda: None)


def test_a_kernel_by_hand_takes_the_place_of_a_written_one() -> None:
    model = lamp()

    def advance(*given: Any) -> None:
        given[-2][:, 10] = 7.0

    model.by_hand(advance=advance)
    assert model.kernels.advance is advance and model.kernels.draw is not None


# --- the file


def test_the_source_is_a_file_that_stays_where_it_is_and_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path))
    text = source(lamp())
    assert "for i in range(n):" in text and "level[i], power_kw[i], shown_kw[i] = burn(" in text
    module = generated.load("demo.lamp", text)
    (path,) = (tmp_path / "generated").glob("lamp_*.py")
    assert path.read_text(encoding="utf-8") == text and module.advance.py_func.__code__.co_filename == str(path)
    assert generated.load("demo.lamp", text) is module
    stamp = path.stat().st_ino
    del sys.modules[module.__name__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert generated.load("demo.lamp", text).__name__ == module.__name__
    assert path.stat().st_ino == stamp
    del sys.modules[module.__name__]
    path.write_text(text.replace("burn(", "brun("), encoding="utf-8")
    with pytest.warns(UserWarning, match="was edited; it is written anew"):
        generated.load("demo.lamp", text)
    assert path.read_text(encoding="utf-8") == text
    del sys.modules[module.__name__]


def test_where_nothing_can_be_written_the_source_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path / "file"))
    module = generated.load("demo.lamp", "def f():\n    raise ValueError('here')\n")
    with pytest.raises(ValueError, match="here") as caught:
        module.f()
    assert "raise ValueError('here')" in str(caught.traceback[-1].statement)
    del sys.modules[module.__name__]


def test_classes_that_no_scenario_uses_cost_nothing(project_root: Path) -> None:
    code = (
        "import sys, der_gym.devices; print([n for n in sys.modules if n.startswith(('numba', 'der_gym.devices.e'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=True)
    written = [name for name in eval(done.stdout) if "_" in name.rpartition(".")[2] and "der_gym" in name]
    assert written == []
