"""The shipped configs: where they lie, and the splits that they name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from der_gym.signals.splits import load_splits


def configs() -> Path:
    """Return the folder of the shipped YAML files: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


@lru_cache(maxsize=1)
def split_names() -> tuple[str, ...]:
    """Return the names of the splits of dates and seeds."""
    return tuple(load_splits(configs() / "splits.yaml").splits)
