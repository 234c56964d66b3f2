"""Splits: apart, complete, frozen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.scenario.config_files import configs
from der_gym.signals.calendar import date_of, day_of
from der_gym.signals.splits import Splits, load_splits, split_days, split_seed

FILE = Path(__file__).parents[2] / "configs" / "splits.yaml"
FIRST, LAST = day_of("2026-04-01"), day_of("2027-03-31")


@pytest.fixture(scope="module")
def splits() -> Splits:
    return load_splits(FILE)


def test_each_date_belongs_to_one_split(splits: Splits) -> None:
    days = [split_days(name, FIRST, LAST, splits) for name, each in splits.splits.items() if each.year == 1]
    assert sorted(np.concatenate(days).tolist()) == list(range(FIRST, LAST + 1))
    assert min(len(d) for d in days) > 80


def test_split_is_the_week_of_the_date(splits: Splits) -> None:
    expected = {0: "test", 2: "validation", 1: "train", 3: "train"}
    for name in expected.values():
        for day in split_days(name, FIRST, LAST, splits):
            assert expected[date_of(int(day)).isocalendar().week % 4] == name


def test_seeds_are_never_shared(splits: Splits) -> None:
    assert [split_seed(name, 7, splits) for name in ("train", "validation", "test")] == [7, 1_000_007, 2_000_007]
    assert split_seed("train", 999_999, splits) < split_seed("validation", 0, splits)


@pytest.mark.parametrize("i", [-1, 1_000_000])
def test_seed_outside_is_refused(splits: Splits, i: int) -> None:
    with pytest.raises(InputError, match=r"0\.\.999999"):
        split_seed("train", i, splits)


def test_unknown_split_names_the_nearest(splits: Splits) -> None:
    with pytest.raises(InputError, match="unknown name 'trian'; did you mean 'train'"):
        split_days("trian", FIRST, LAST, splits)
    with pytest.raises(InputError, match="did you mean 'validation'"):
        split_seed("valid", 0, splits)


def test_range_without_a_day_is_refused(splits: Splits) -> None:
    monday = day_of("2026-04-06")  # week 15
    assert split_days("train", monday, monday, splits).tolist() == [monday]
    with pytest.raises(InputError, match="no day"):
        split_days("test", monday, monday + 6, splits)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[2]", "[2, 3]", "each of 0..3 must stand in one split"),
        ("first_seed: 1000000", "first_seed: 999999", "overlap"),
        ("modulo", "modolu", "modolu: Extra inputs"),
        ("n_seed: 1000000", "n_seed: 0", "n_seed"),
        ("splits:", "splits: [", "is not YAML"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "splits.yaml"
    file.write_text(FILE.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_splits(file)


def test_missing_file() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_splits("nowhere.yaml")


def test_splits_share_no_homes_and_a_later_year_may_leave_weeks_out() -> None:
    shipped = load_splits(configs() / "splits.yaml")
    homes = [split.homes for split in shipped.splits.values()]
    assert len(set(homes)) == len(homes)
    assert shipped["test-year-2"].year == 2
    data = shipped.model_dump()
    data["splits"]["test"]["homes"] = data["splits"]["train"]["homes"]
    with pytest.raises(ValueError, match="each split must have its own"):
        type(shipped).model_validate(data)
