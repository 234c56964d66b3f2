"""A plug-in is imported by its registry alone, and the page says what it costs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

REGISTRIES = {
    "device class": "devices/__init__.py",
    "service": "services/__init__.py",
    "controller": "controllers/__init__.py",
    "behaviour and head": "devices/__init__.py",
}


@pytest.fixture(scope="module")
def script(project_root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("counts", project_root / "scripts" / "counts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks there for its annotations
    spec.loader.exec_module(module)
    return module


def test_no_file_but_its_registry_imports_a_plug_in(script: ModuleType) -> None:
    found = script.counts()
    assert {c.kind for c in found} == set(REGISTRIES) and len(found) > 8
    assert {(c.name, c.outside) for c in found} == {(c.name, (REGISTRIES[c.kind],)) for c in found}


def test_the_page_says_about_what_they_cost(script: ModuleType, project_root: Path) -> None:
    page = (project_root / "docs" / "architecture.md").read_text(encoding="utf-8")
    for c in script.counts():
        row = next(line for line in page.splitlines() if line.startswith(f"| {c.kind} | {c.name} |"))
        files, lines = (int(cell) for cell in row.split("|")[3:5])
        assert files == c.files and abs(lines - c.lines) <= 0.1 * c.lines + 5, row


def test_only_code_counts(script: ModuleType, tmp_path: Path) -> None:
    text = '"""Said.\n\nMore.\n"""\n\n# why\nx = """a\nb"""  # two lines\n\n\ndef f():\n    """Said."""\n    return x\n'
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    assert script.code_lines(tmp_path / "a.py") == 4
