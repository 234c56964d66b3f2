"""Which dates and seeds train, validate and test: fixed once, by ISO week, so that no result can choose its days.

Weeks of one split are never neighbours of the same split's weeks, but weather and price levels last longer than a
week: a test week's level is partly known from the training week before it (lag-7 correlation of the daily mean price
0.72 ** 7 = 0.1).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from der_gym.core.data import LARGEST_BYTES, read_value
from der_gym.core.errors import InputError, unknown
from der_gym.core.files import read_text
from der_gym.signals.calendar import iso_week


class Split(BaseModel):
    """One split: the remainders of ISO week / ``modulo`` that belong to it, its range of seeds, its homes and year."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    week_remainder: tuple[int, ...] = Field(min_length=1)
    first_seed: int = Field(ge=0)
    n_seed: int = Field(gt=0)
    homes: int = Field(default=0, ge=0, description="number of the set of fleets that it plays")
    year: int = Field(default=1, ge=1, description="number of the synthetic year")


class Splits(BaseModel):
    """All splits. In a year every remainder belongs to one of them at most, and in the first to exactly one.

    Ranges of seeds do not overlap; no two splits share homes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    modulo: int = Field(ge=1, le=52)
    splits: dict[str, Split] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> Splits:
        first, *later = [
            sorted(r for split in self.splits.values() if split.year == year for r in split.week_remainder)
            for year in sorted({1, *(split.year for split in self.splits.values())})
        ]
        twice = [each for each in later if len(set(each)) < len(each) or not set(each) <= set(range(self.modulo))]
        if first != list(range(self.modulo)) or twice:
            remainders = twice[0] if twice else first
            raise ValueError(f"week_remainder {remainders}: each of 0..{self.modulo - 1} must stand in one split")
        homes = [split.homes for split in self.splits.values()]
        if any(homes) and len(set(homes)) < len(homes):
            raise ValueError(f"homes {homes}: each split must have its own")
        ranges = sorted((split.first_seed, split.first_seed + split.n_seed) for split in self.splits.values())
        if any(end > start for (_, end), (start, _) in pairwise(ranges)):
            raise ValueError(f"ranges of seeds overlap: {ranges}")
        return self

    def __getitem__(self, name: str) -> Split:
        if name not in self.splits:
            raise unknown("split", name, self.splits)
        return self.splits[name]


def load_splits(path: str | Path) -> Splits:
    """Return the splits of a YAML file; InputError where it cannot be read or its values do not fit."""
    try:
        return Splits.model_validate(read_value(read_text(path, LARGEST_BYTES)))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML: {error}") from None
    except ValidationError as error:
        raise InputError(f"{path}: {'; '.join(_told(dict(each)) for each in error.errors())}") from None


def _told(error: dict[str, Any]) -> str:
    return f"{'.'.join(str(part) for part in error['loc']) or 'file'}: {error['msg']}"


def split_days(split: str, first_day: int, last_day: int, splits: Splits) -> npt.NDArray[np.int64]:
    """Return the day numbers of ``split`` in ``first_day`` .. ``last_day`` (both included), in order.

    Raises
    ------
    InputError
        Where the split is unknown or none of its days lies in the range.
    """
    chosen = splits[split].week_remainder
    days = np.arange(first_day, last_day + 1, dtype=np.int64)
    days = days[np.isin(iso_week(days) % splits.modulo, chosen)]
    if not days.size:
        raise InputError(f"split {split!r}: no day in {first_day}..{last_day}; allowed: a range of four weeks or more")
    return days


def split_seed(split: str, i: int, splits: Splits) -> int:
    """Return seed number ``i`` (0 .. n_seed - 1) of ``split``; InputError where it is outside."""
    chosen = splits[split]
    if not 0 <= i < chosen.n_seed:
        raise InputError(f"split {split!r}: seed number {i}; allowed: 0..{chosen.n_seed - 1}")
    return chosen.first_seed + int(i)
