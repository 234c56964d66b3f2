"""The pool of days on disk: the arrays that were kept, looked at where they lie; what cannot be read is made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import scenario

from der_gym.simulation import assets, reference_days
from der_gym.simulation.assets import scenario_assets


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a pool that is kept under ``a`` in a folder of its own."""
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path))
    reference_days.load_pool.cache_clear()
    made = scenario_assets(scenario(fleet__n_device=50)).pool
    reference_days.keep_pool("a", made)
    yield made
    reference_days.load_pool.cache_clear()


def test_a_kept_pool_is_the_one_that_was_made(kept: reference_days.Pool) -> None:
    read = reference_days.load_pool("a")
    assert read is not None and read.first_day == kept.first_day and read.starts_s == kept.starts_s
    for name in ("keys", "power_kw", "capability"):
        assert np.array_equal(getattr(read, name), getattr(kept, name)) and getattr(read, name).any()
    assert read.states.keys() == kept.states.keys()
    assert all(np.array_equal(read.states[name], kept.states[name]) for name in read.states)
    assert isinstance(read.power_kw, np.memmap) and not read.power_kw.flags.writeable


@pytest.mark.parametrize("can_write", [True, False])
def test_a_pool_just_made_is_read_from_disk_where_it_could_be_kept(
    can_write: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path))
    monkeypatch.setattr(reference_days, "writable", lambda folder: can_write)
    reference_days.load_pool.cache_clear()
    made = assets._make(scenario(fleet__n_device=50)).pool
    assert isinstance(made.power_kw, np.memmap) == can_write and made.power_kw.any()
    reference_days.load_pool.cache_clear()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_broken_file_is_no_pool(kept: reference_days.Pool, tmp_path: Path, share: float) -> None:
    path = tmp_path / "pools" / "a.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert reference_days.load_pool("a") is None
    assert reference_days.load_pool("b") is None


def test_objects_in_the_file_are_refused(kept: reference_days.Pool, tmp_path: Path) -> None:
    np.savez(tmp_path / "pools" / "c.npz", keys=np.array([{}], dtype=object))
    assert reference_days.load_pool("c") is None
