"""The page of tables holds every row of every table as the code declares it now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from der_gym.engine.tables import FLEET


@pytest.fixture(scope="module")
def script(project_root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("schema_script", project_root / "scripts" / "schema.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(script: ModuleType, project_root: Path) -> None:
    written = (project_root / "docs" / "schema.md").read_text(encoding="utf-8")
    assert written == script.page(), "run: python scripts/schema.py"


def test_it_holds_the_tables_of_all_layers(script: ModuleType) -> None:
    found = {table.__name__.removeprefix("der_gym.table.") for _, table in script.tables()}
    assert {"fleet", "battery.params", "view of the leaves", "sender", "reward"} <= found
    assert all(f"| {row.name} | {row.unit} | {row.reader} | {row.meaning} |" in script.page() for row in FLEET.rows)
