"""The shipped configs: where they lie, and the splits that they name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic.config import JsonDict

from der_gym.signals.splits import Splits, load_splits

PATH: JsonDict = {"format": "path"}  # json_schema_extra of a field that names a file
ENDS = (".csv", ".csv.gz")
CSV_OR_WORD: JsonDict = {"format": "path", "ends": [*ENDS]}  # of one that may hold a word instead


def configs() -> Path:
    """Return the folder of the shipped YAML files: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


@lru_cache(maxsize=1)
def shipped_splits() -> Splits:
    """Return the splits of dates, seeds and homes."""
    return load_splits(configs() / "splits.yaml")


def split_names() -> tuple[str, ...]:
    """Return the names of the splits."""
    return tuple(shipped_splits().splits)
