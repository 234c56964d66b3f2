"""A plug-in is imported by its registry alone, and the page says what it costs."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from script_files import load_script

REGISTRIES = {
    "device class": "devices/__init__.py",
    "service": "services/__init__.py",
    "controller": "controllers/__init__.py",
    "behaviour and head": "devices/__init__.py",
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("counts")


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
