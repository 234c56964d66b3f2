"""Gain errors of the meters."""

from pathlib import Path

import numpy as np
import pytest

from der_gym.devices.meter import device_gain, draw_gain, site_gain

N = 4000


def draw(tolerance: float, n_world: int = 2, key: int = 7) -> np.ndarray:
    keys = np.zeros((n_world, 4), dtype=np.uint32)
    keys[:, 0] = key + np.arange(n_world)
    keys[:, 2] = np.arange(n_world) + 90  # the day's luck
    uid = np.arange(N, dtype=np.uint32)[None]
    out = np.full((n_world, N), 5.0, dtype=np.float32)
    draw_gain(0, n_world, 1, np.ones(n_world, dtype=bool), keys, uid, np.float32(tolerance), out)
    return out


@pytest.mark.parametrize("tolerance", [0.009, 0.02, 0.05, 0.10])
def test_gain_lies_within_the_tolerance_with_a_third_of_it_as_sd(tolerance: float) -> None:
    out = draw(tolerance).astype(np.float64)
    assert abs(out - 1).max() <= tolerance * 1.0001
    assert out.std() == pytest.approx(tolerance / 3, rel=0.05)
    assert abs(out.mean() - 1) < 4 * tolerance / 3 / np.sqrt(2 * N)


def test_perfect_meters_read_exactly() -> None:
    assert (draw(0.0) == 1).all()


def test_gain_follows_the_fleet_and_not_the_day() -> None:
    out = draw(0.02)
    assert (out[0] != out[1]).mean() > 0.99
    assert (draw(0.02, key=8)[0] == out[1]).all()  # same fleet key, other luck


def test_kernel_equals_plain_python_and_leaves_inactive_worlds() -> None:
    keys = np.arange(12, dtype=np.uint32).reshape(3, 4)
    uid = np.arange(40, dtype=np.uint32).reshape(2, 20)  # two shards a world
    active = np.array([True, False, True])
    a, b = (np.full((6, 20), 3, dtype=np.float32) for _ in range(2))
    draw_gain(0, 6, 2, active, keys, uid, np.float32(0.02), a)
    for s in (0, 1, 4, 5):
        for i in range(20):
            b[s, i] = site_gain.py_func(keys[s // 2, 0], keys[s // 2, 1], uid[s % 2, i], np.float32(0.02))
    np.testing.assert_array_equal(a, b, strict=True)
    assert (a[2:4] == 3).all()


def test_a_device_s_meter_has_the_same_spread() -> None:
    tolerance = np.float32(0.02)
    found = np.array([device_gain.py_func(7, 0, uid, tolerance) for uid in np.arange(N, dtype=np.uint32)], np.float64)
    assert abs(found - 1).max() <= 0.02 * 1.0001 and found.std() == pytest.approx(0.02 / 3, rel=0.05)


def test_one_place_draws_the_gain(project_root: Path) -> None:
    files = (project_root / "der_gym").rglob("*.py")
    assert [f.name for f in files if 'stream("meter.gain")' in f.read_text(encoding="utf-8")] == ["meter.py"]
