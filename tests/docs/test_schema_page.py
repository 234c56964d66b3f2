"""The page of tables holds every row of every table as the code declares it now."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from script_files import load_script

from der_gym.engine.tables import FLEET


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("schema")


def test_the_page_is_current(script: ModuleType, project_root: Path) -> None:
    written = (project_root / "docs" / "schema.md").read_text(encoding="utf-8")
    assert written == script.page(), "run: python scripts/schema.py"


def test_it_holds_the_tables_of_all_layers(script: ModuleType) -> None:
    found = {table.__name__.removeprefix("der_gym.table.") for _, table in script.tables()}
    assert {"fleet", "battery.params", "view of the leaves", "sender", "reward"} <= found
    assert all(f"| {row.name} | {row.unit} | {row.reader} | {row.meaning} |" in script.page() for row in FLEET.rows)
