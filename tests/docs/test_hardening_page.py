"""The page of what was mended names tests and scripts that are there."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_test_and_script_that_the_page_names_is_there(project_root: Path) -> None:
    page = (project_root / "docs" / "hardening.md").read_text(encoding="utf-8").split("## Figures")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| case ")]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`([a-z_]+/[a-z0-9_/]*(?:\.py)?)`", row.split("|")[-2])
        assert named, row
        for name in named:
            folder = project_root if name.startswith("scripts/") else project_root / "tests"
            assert (folder / name).exists(), name
