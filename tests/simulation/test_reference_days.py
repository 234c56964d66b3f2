"""The pool of days on disk: the arrays that were kept, looked at where they lie; what cannot be used is made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from signals_files import jepx_rows, write
from worlds import bits, scenario, started, take

from der_gym.core.errors import InputError
from der_gym.devices import DEVICES
from der_gym.engine import cache, closure, memory
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.signals.table import SIGNALS
from der_gym.simulation import assets, reference_days_file
from der_gym.simulation.assets import ScenarioAssets, scenario_assets
from der_gym.simulation.reference_days import Pool
from der_gym.simulation.reference_days_file import keep_pool, load_pool, pool_name, wanted


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of pools, one of its own; kernels stay where they are."""
    pools, folder = tmp_path / "cache" / "pools", cache.folder
    pools.mkdir(parents=True)
    monkeypatch.setattr(cache, "folder", lambda kind: pools if kind == "pools" else folder(kind))
    monkeypatch.setattr(cache, "_warned", set())
    return pools


@pytest.fixture(scope="module")
def made() -> ScenarioAssets:
    return scenario_assets(scenario(fleet__n_device=50))


@pytest.fixture
def kept(made: ScenarioAssets) -> Pool:
    """Return a pool that is kept under ``a``."""
    keep_pool("a", made.pool)
    return made.pool


def like(made: ScenarioAssets) -> dict[str, Any]:
    pool = made.pool
    return wanted(made.sample.structure, pool.keys, pool.first_day, pool.n_day, pool.starts_s)


def test_a_kept_pool_is_the_one_that_was_made(kept: Pool, made: ScenarioAssets) -> None:
    read = load_pool("a", like(made))
    assert read is not None and read.first_day == kept.first_day and read.starts_s == kept.starts_s
    for name in ("keys", "power_kw", "capability"):
        assert np.array_equal(getattr(read, name), getattr(kept, name)) and getattr(read, name).any()
    assert read.states.keys() == kept.states.keys()
    assert all(np.array_equal(read.states[name], kept.states[name]) for name in read.states)
    assert isinstance(read.power_kw, np.memmap) and not read.power_kw.flags.writeable


@pytest.mark.parametrize("can_write", [True, False])
def test_a_pool_just_made_is_read_from_disk_where_it_could_be_kept(
    can_write: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache.folder
    monkeypatch.setattr(cache, "folder", lambda kind: folder(kind) if can_write or kind == "kernels" else None)
    pool = assets._make(scenario(fleet__n_device=50)).pool
    assert isinstance(pool.power_kw, np.memmap) == can_write and pool.power_kw.any()


def test_a_full_disk_costs_a_warning(made: ScenarioAssets, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **named: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        keep_pool("a", made.pool)
    assert list(place.iterdir()) == []


def objects(path: Path) -> None:
    path.unlink()
    np.savez(path, keys=np.array([{}], dtype=object))


def other_keys(path: Path) -> None:
    read = load_pool("a")
    assert read is not None
    keep_pool("a", replace(read, keys=read.keys + np.uint32(1)))


def other_shape(path: Path) -> None:
    read = load_pool("a")
    assert read is not None
    keep_pool("a", replace(read, states={name: each[..., :-1] for name, each in read.states.items()}))


def fewer_states(path: Path) -> None:
    read = load_pool("a")
    assert read is not None
    keep_pool("a", replace(read, states={}))


def cut(share: float) -> Callable[[Path], None]:
    return lambda path: put(path, path.read_bytes()[: int(path.stat().st_size * share)])


def put(path: Path, content: bytes) -> None:
    """Replace a file by another one; what looks at the old one keeps it."""
    path.unlink()
    path.write_bytes(content)


DAMAGE = {
    "empty": cut(0.0),
    "a third": cut(0.3),
    "nearly whole": cut(0.99),
    "foreign": lambda path: put(path, b"no pool" * 1000),
    "objects": objects,
    "another fleet's": other_keys,
    "other devices'": other_shape,
    "no states": fewer_states,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_that_cannot_be_used_is_no_pool_with_one_warning(
    name: str, kept: Pool, made: ScenarioAssets, place: Path
) -> None:
    assert load_pool("a", like(made)) is not None
    DAMAGE[name](place / "a.npz")
    with pytest.warns(UserWarning, match="made anew") as given:
        assert load_pool("a", like(made)) is None and load_pool("a", like(made)) is None
    assert len(given) == 1
    keep_pool("a", kept)
    assert load_pool("a", like(made)) is not None


def test_a_pool_that_is_not_there_is_none_in_silence() -> None:
    assert load_pool("b") is None


def test_a_damaged_pool_is_made_anew(place: Path) -> None:
    chosen = scenario(fleet__n_device=50)
    first = bits(assets._make(chosen).pool.power_kw)
    (path,) = place.iterdir()
    put(path, b"")
    with pytest.warns(UserWarning, match="made anew"):
        assert bits(assets._make(chosen).pool.power_kw) == first
    assert bits(assets._make(chosen).pool.power_kw) == first and path.stat().st_size > 0


# -- the name ---------------------------------------------------------------------------------------------------------


def changed(structure: Any, name: str) -> Any:
    value = getattr(structure, name)
    if isinstance(value, np.ndarray):
        other = value.copy()
        other.flat[0] = other.flat[0] + np.array(1).astype(other.dtype) if other.dtype != np.float32 else 1.25
        return replace(structure, **{name: other})
    return replace(structure, **{name: value[::-1]})


@pytest.mark.parametrize(
    "name",
    [
        *("cell_class", "cell_path", "cell_lo", "cell_hi", "present", "uid", "site_index", "rated_kw", "given"),
        *("site_uid", "site_present", "site_limits", "class_names", "path_names"),
    ],
)
def test_the_name_depends_on_all_that_a_fleet_is(name: str, made: ScenarioAssets) -> None:
    structure = made.sample.structure
    assert pool_name({}, changed(structure, name)) != pool_name({}, structure) == pool_name({}, replace(structure))


def test_the_name_depends_on_settings_and_not_on_what_shapes_no_pool(made: ScenarioAssets) -> None:
    structure = made.sample.structure
    assert pool_name({"a": 1}, structure) != pool_name({"a": 2}, structure)
    assert pool_name({}, replace(structure, trees={}, row=structure.row + 1)) == pool_name({}, structure)


def test_the_name_depends_on_the_signals_bits_and_not_on_their_sum(made: ScenarioAssets) -> None:
    rows = made.signals.values.copy()
    rows[:, [100, 200]] = rows[:, [200, 100]]
    swapped = replace(made.signals, values=rows)
    assert swapped.values.sum(dtype=np.float64) == made.signals.values.sum(dtype=np.float64)
    parts = made.scenario, made.sample.structure
    settings = [assets._pool_settings(*parts, signals, (0,))["signals"] for signals in (made.signals, swapped)]
    assert settings[0] != settings[1]


def test_settings_of_classes_that_are_not_there_do_not_count() -> None:
    mix = [{"device": "battery", "path": "P3", "cloud": "A", "share": 1}]
    names = set()
    for changes in ({}, {"devices.ecocute.dead_s": [30, 90]}, {"devices.behaviour.opt_out_share": {"battery": 0.5}}):
        chosen = scenario(fleet__mix=mix, **{key.replace(".", "__"): value for key, value in changes.items()})
        _, structure, _, _ = assets.arrange(chosen)
        signals = assets.read_signals(chosen)
        names.add(pool_name(assets._pool_settings(chosen, structure, signals, (0,)), structure))
    assert len(names) == 2


def test_the_sources_of_a_pool_are_those_that_shape_it() -> None:
    found = closure.names([Pool.__module__], reference_days_file._WITHOUT)
    inside = {"simulation.reference_days", "simulation.fleet_arrays", "simulation.exogenous", "simulation.metering"}
    inside |= {"devices.site", "devices.membership", "numerics.rng", "engine.compile", "engine.program"}
    assert {f"der_gym.{name}" for name in inside} <= found
    assert not [name for name in found if name.startswith(("der_gym.devices.battery", "der_gym.devices.ev"))]
    assert "der_gym.devices.behaviours" not in found  # nobody sends a message in a pool
    assert not [name for name in found if name.split(".")[1] in ("env", "cli", "evaluation", "controllers", "services")]
    battery = closure.names(set(reference_days_file._modules(DEVICES["battery"])), reference_days_file._WITHOUT)
    assert {"der_gym.devices.battery.physics", "der_gym.devices.battery.config"} <= battery
    assert not [name for name in battery if name.startswith(("der_gym.devices.ev", "der_gym.devices.ecocute"))]


def test_an_edit_of_a_class_makes_the_pools_of_its_fleets_anew(
    made: ScenarioAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the sources say: a module's part of the key is replaced in turn."""
    structure, inner = made.sample.structure, closure._closure
    _, batteries, _, _ = assets.arrange(
        scenario(fleet__mix=[{"device": "battery", "path": "P3", "cloud": "A", "share": 1}])
    )
    before = [pool_name({}, each) for each in (structure, batteries)]

    def edited(module: str) -> list[bool]:
        def with_edit(*given: Any) -> dict[str, bytes]:
            return {name: b"" if name == module else digest for name, digest in inner(*given).items()}

        monkeypatch.setattr(closure, "_closure", with_edit)
        return [pool_name({}, each) != name for each, name in zip((structure, batteries), before, strict=True)]

    assert edited("der_gym.devices.ev.physics") == [True, False]
    assert edited("der_gym.devices.battery.physics") == [True, True]
    assert edited("der_gym.devices.site") == [True, True]
    assert edited("der_gym.env.observation.fields") == [False, False]
    assert edited("der_gym.fleet.tree") == [False, False]


# -- files ------------------------------------------------------------------------------------------------------------


def listed(path: Path, device: str, channel: str = "P3", kw: float = 3.0) -> Scenario:
    """Return a scenario of a list of twenty devices, all alike."""
    rows = ["id,class,path,rated_kw,leaf", *(f"x{k},{device},{channel},{kw},all" for k in range(20))]
    path.write_text("\n".join(rows), encoding="utf-8")
    return scenario(resources=str(path))


def played(chosen: Scenario) -> str:
    sim = started(chosen, [1], start_h=14)
    take(sim, 0.5, 3)
    return bits(sim.fleet.fleet, sim.assets.pool.power_kw)


def test_another_class_in_an_edited_list_plays_its_own_pool(tmp_path: Path, place: Path) -> None:
    path, fresh = tmp_path / "mine.csv", {}
    for k, device in enumerate(("battery", "ev")):
        fresh[device] = played(listed(tmp_path / f"{k}.csv", device))
        for each in place.iterdir():  # so that the next one is made, too
            each.unlink()
    assert fresh["battery"] != fresh["ev"]
    for device in ("battery", "ev", "battery"):  # the same file and process
        assert played(listed(path, device)) == fresh[device]
    assert len(list(place.iterdir())) == 2


def test_an_edited_list_is_another_scenario_and_a_fork_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    chosen = listed(path, "battery", kw=3.0)
    before, sim = chosen.hash(), started(chosen, [1], start_h=14)
    saved = sim.snapshot()
    listed(path, "battery", kw=5.0)
    assert chosen.hash() != before
    twin = sim.fork()
    assert twin.structure is sim.structure
    sim.restore(saved)
    assert scenario_assets(chosen).structure.rated_kw.max() == 5.0
    path.unlink()
    assert len(chosen.hash()) == 16


def test_edited_prices_are_read_anew(tmp_path: Path) -> None:
    rows = jepx_rows(20)
    path = write(tmp_path / "spot.csv", rows)
    chosen = scenario(signals__prices=str(path), signals__start="2024-02-13")
    first, before = assets.read_signals(chosen), chosen.hash()
    write(path, rows)
    assert assets.read_signals(chosen) is first and chosen.hash() == before  # the same content, written again
    write(path, [row.replace(",22.02,", ",99.02,") for row in rows])  # as long as it was
    edited = assets.read_signals(chosen)
    assert edited.values.shape == first.values.shape and chosen.hash() != before
    assert edited.values[SIGNALS.SPOT_YEN].max() > 99 > first.values[SIGNALS.SPOT_YEN].max()


def test_what_does_not_fit_into_memory_is_refused_with_the_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("id,class,path\n" + "".join(f"b{i},battery,P1\n" for i in range(30)), encoding="utf-8")
    changes = {"resources": str(file), "groups": {"control": {"by": ["id"]}}, "pool.n_fleet": 3}
    monkeypatch.setattr(memory, "_room", lambda: 10e6)
    with pytest.raises(
        InputError, match=r"reference days of 30 groups .* need about 0\.0 GB of memory; there are 0\.0"
    ):
        scenario_assets(load("tertiary-1-tiny", changes))
