"""A fleet by its mix: whole numbers, stable ids, homes that several devices share."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from der_gym.core.errors import InputError
from der_gym.fleet.mix import FleetConfig, MixRow, apportion, leaf_counts, sample_table

MIX = (
    {"device": "battery", "path": "P3", "cloud": "A", "share": 280},
    {"device": "battery", "path": "P4", "cloud": "C", "share": 420},
    {"device": "ecocute", "path": "P4", "cloud": "C", "share": 180},
    {"device": "ev", "path": "P6", "cloud": "E", "share": 120},
)

PLACES = {"host": "battery", "guests": ("ecocute", "ev")}


def fleet(n_device: int = 1000, **more) -> FleetConfig:
    return FleetConfig(**{"n_device": n_device, "mix": MIX} | PLACES | more)


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=12).filter(lambda w: sum(w) > 1e-6), st.integers(0, 10**7))
def test_apportion_adds_up_and_stays_within_one(weights: list[float], n: int) -> None:
    counts = apportion(weights, n)
    assert counts.sum() == n and (counts >= 0).all()
    quota = np.array(weights) / sum(weights) * n
    assert (np.abs(counts - quota) < 1.0 + 1e-6).all()


def test_apportion_by_hand() -> None:
    assert apportion([0.29, 0.71], 100).tolist() == [29, 71]
    assert apportion([1, 1, 1], 4).tolist() == [2, 1, 1]
    assert apportion([3, 0, 1], 0).tolist() == [0, 0, 0]


def test_counts_follow_the_shares_at_any_size() -> None:
    assert leaf_counts(fleet(1000)).tolist() == [280, 420, 180, 120]
    assert leaf_counts(fleet(3000)).tolist() == [840, 1260, 540, 360]
    assert leaf_counts(fleet(4)).tolist() == [1, 1, 1, 1]
    table = sample_table(fleet(50))
    assert Counter(table.device.texts().tolist()) == {"battery": 35, "ecocute": 9, "ev": 6}


def test_small_leaves_get_one_and_absent_ones_none() -> None:
    rows = [{"device": "battery", "path": "P3", "share": 1.0}, {"device": "ev", "path": "P6", "share": 1e-6}]
    rows.append({"device": "ecocute", "path": "P4", "share": 0.0})
    assert leaf_counts(FleetConfig(**PLACES, n_device=10, mix=rows)).tolist() == [9, 1, 0]
    with pytest.raises(InputError, match="n_device: 3; allowed: at least 4"):
        sample_table(fleet(3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_device": 0}, "greater than or equal to 1"),
        ({"n_device": 10_000_001}, "less than or equal to 10000000"),
        ({"mix": ()}, "at least 1"),
        ({"mix": ({**MIX[0], "share": -1},)}, "greater than or equal to 0"),
        ({"mix": ({**MIX[0], "share": 0},)}, "add up to 0"),
        ({"mix": (MIX[0], {**MIX[0], "share": 3})}, "battery-P3-A stands twice"),
        ({"mix": ({**MIX[0], "shares": 1},)}, "Extra inputs"),
        ({"n_devices": 10}, "Extra inputs"),
        ({"metering_point": "receiving"}, "write services.ID.metering: receiving"),
        ({"colocated_share": 1.5}, "less than or equal to 1"),
    ],
)
def test_refused(change: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        fleet(**change)


def test_ids_and_addresses_do_not_depend_on_the_rest_of_the_fleet() -> None:
    small, large = sample_table(fleet(100)), sample_table(fleet(700))
    without_ev = sample_table(FleetConfig(**PLACES, n_device=616, mix=MIX[:3]))
    renamed = sample_table(fleet(700, mix=[{**row, "leaf": "all"} for row in MIX]))
    uid = dict(zip(large.labels("id").texts().tolist(), large.uid.tolist(), strict=True))
    assert len(set(uid.values())) == 700
    for other in (small, without_ev, renamed):
        pairs = list(zip(other.labels("id").texts().tolist(), other.uid.tolist(), strict=True))
        assert all(uid[name] == number for name, number in pairs)
    assert "battery-P3-A-000017" in uid


def test_same_config_same_table() -> None:
    a, b = sample_table(fleet(500, n_feeder=4)), sample_table(fleet(500, n_feeder=4))
    assert (a.site.texts() == b.site.texts()).all() and (a.feeder.texts() == b.feeder.texts()).all()
    c = sample_table(fleet(500, n_feeder=4, placing_seed=1))
    assert (a.site.texts() != c.site.texts()).any() and (a.feeder.texts() != c.feeder.texts()).any()


def test_guests_live_at_hosts_in_the_stated_share() -> None:
    table = sample_table(fleet(1000, colocated_share=0.25))
    homes: dict[str, list[str]] = {}
    for site, device in zip(table.site.texts().tolist(), table.device.texts().tolist(), strict=True):
        homes.setdefault(site, []).append(device)
    at_host = Counter(device for home in homes.values() if "battery" in home for device in home)
    assert at_host == {"battery": 700, "ecocute": 45, "ev": 30}
    assert all(max(Counter(home).values()) == 1 for home in homes.values())
    assert all(len(home) == 1 for home in homes.values() if "battery" not in home)
    leaves = {table.path.text(row) for row in np.flatnonzero(table.site.codes < 700)}
    assert leaves == {"P3", "P4", "P6"}


def test_more_guests_than_hosts_fill_every_host_once() -> None:
    mix = [{"device": "battery", "path": "P3", "share": 1}, {"device": "ev", "path": "P6", "share": 9}]
    table = sample_table(FleetConfig(**PLACES, n_device=100, mix=mix, colocated_share=1.0))
    assert len(table.site.names) == 90
    assert len(sample_table(fleet(200, colocated_share=0.0)).site.names) == 200


def test_a_site_hangs_on_one_feeder_and_feeders_are_filled_alike() -> None:
    table = sample_table(fleet(2000, n_feeder=5, colocated_share=0.5))
    feeder_of: dict[str, set[str]] = {}
    for site, feeder in zip(table.site.texts().tolist(), table.feeder.texts().tolist(), strict=True):
        feeder_of.setdefault(site, set()).add(feeder)
    assert all(len(feeders) == 1 for feeders in feeder_of.values())
    counts = np.array(list(Counter(next(iter(f)) for f in feeder_of.values()).values()))
    assert len(counts) == 5
    assert (np.abs(counts - counts.mean()) < 5 * np.sqrt(counts.mean())).all()


def test_a_row_takes_the_resource_table_s_words() -> None:
    words = MixRow.model_validate({"class": "ev", "path": "P6", "maker_cloud": "B", "share": 1})
    assert words == MixRow(device="ev", path="P6", cloud="B", share=1)
    with pytest.raises(ValidationError, match="'class' and 'device' are one column"):
        MixRow.model_validate({"class": "ev", "device": "ev", "path": "P6", "share": 1})
