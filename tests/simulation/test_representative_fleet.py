"""A sample stands for a large fleet: each sampled device for equally many that are like it."""

from __future__ import annotations

import numpy as np
import pytest

from der_gym.devices import DEVICES
from der_gym.scenario.load import load
from der_gym.simulation import assets, representative_fleet
from der_gym.simulation.representative_fleet import _strata, after, alike, take_sample

N = 5000


def test_runs_of_like_devices_share_one_state() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    source = after(values, 100)
    _, counts = np.unique(source, return_counts=True)
    assert len(counts) == 100
    assert set(counts) == {10}
    blind = np.abs(values - values[np.random.default_rng(1).permutation(1000)]).mean(axis=0)
    assert (np.abs(values - values[source]).mean(axis=0) < 0.25 * blind).all()


def test_an_order_is_a_permutation_whatever_the_values() -> None:
    for values in (np.zeros((7, 3)), np.arange(12).reshape(6, 2), np.ones((1, 4))):
        for n in (1, len(values)):
            assert sorted(alike(values, n)) == list(range(len(values)))


def test_a_class_names_only_what_it_has() -> None:
    for device in map(DEVICES.__getitem__, DEVICES):
        assert not len(device.saved) or device.strata


def test_a_large_fleet_takes_after_homes_with_like_panels_in_each_fleet_of_the_pool() -> None:
    scenario = load("tertiary-1", {"fleet.n_device": N})
    table, structure, trees, switched = assets.arrange(scenario)
    keys = assets.fleet_keys(scenario)
    sample = take_sample(table, structure, trees, switched, scenario.devices, keys)
    assert len(sample.structures) == len(keys)
    assert sample.structure.n_device < N / 3
    assert not np.array_equal(sample.structures[0].uid, sample.structures[1].uid)
    for k, key in enumerate(keys):
        whole = _strata(structure, scenario.devices, key)["battery"][..., 0]
        small = _strata(sample.structures[k], scenario.devices, key)["battery"][..., 0]
        n_shard, (lo, hi) = structure.n_shard, structure.class_slice["battery"]
        place = sample.place["battery"][k * n_shard : (k + 1) * n_shard]
        own = structure.present[:, lo:hi] > 0
        likened = small[0][place][own]
        assert np.corrcoef(whole[own], likened)[0, 1] > 0.9
        assert likened.mean() == pytest.approx(whole[own].mean(), rel=0.03)


def test_a_small_fleet_represents_itself() -> None:
    scenario = load("tertiary-1", {"fleet.n_device": 60})
    table, structure, trees, switched = assets.arrange(scenario)
    sample = take_sample(table, structure, trees, switched, scenario.devices, assets.fleet_keys(scenario))
    assert sample.structures == (structure,)
    assert all((place == np.arange(place.shape[1])).all() for place in sample.place.values())
    assert (sample.scale == 1.0).all()
    assert representative_fleet.EXACT >= 60


def test_splits_play_other_homes_and_another_year() -> None:
    made = {name: load("tertiary-1", {"split": name}) for name in ("train", "validation", "test", "test-year-2")}
    keys = [tuple(map(tuple, assets.fleet_keys(each))) for each in made.values()]
    assert len({key for own in keys for key in own}) == 2 * len(made)
    shared = load("tertiary-1", {"split": "test", "pool.homes": "train"})
    assert np.array_equal(assets.fleet_keys(shared), assets.fleet_keys(made["train"]))
    test, train, later = (assets.read_signals(made[name]).values for name in ("test", "train", "test-year-2"))
    assert np.array_equal(test, train)
    assert not np.array_equal(test, later)
    assert later.shape == test.shape
