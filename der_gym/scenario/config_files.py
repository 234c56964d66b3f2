"""Where the shipped configs lie: inside the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path


def configs() -> Path:
    """Return the folder of the shipped YAML files."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"
