"""Classes of devices are known by what they declare, not by their names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "der_gym"
NAMES = re.compile(r"\b(battery|ecocute|ev|v2h)\b", re.IGNORECASE)
OWN = re.compile(r"devices/(battery|ecocute|ev|v2h)/")
REGISTRY = "devices/__init__.py"


def named(path: Path) -> list[str]:
    """Return the lines of a file that name a device class."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"{path.relative_to(ROOT)}:{k + 1}: {line.strip()}" for k, line in enumerate(lines) if NAMES.search(line)]


def test_no_file_but_its_own_names_a_device_class() -> None:
    found = []
    for path in sorted([*ROOT.rglob("*.py"), *ROOT.rglob("*.js")]):
        place = path.relative_to(ROOT).as_posix()
        if not OWN.search(place) and place != REGISTRY and "vendor" not in place:
            found += named(path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("line", ['x == "battery"', "hue = { ev: 3 }", "An EV.", "an EcoCute boils"])
def test_a_name_is_found(line: str) -> None:
    assert NAMES.search(line)
    assert not NAMES.search("battery_interface, every, seven, event")
