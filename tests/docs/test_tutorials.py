"""The tutorials work as they stand: their code runs in order, what they claim holds, their commands end well."""

from __future__ import annotations

from pathlib import Path

import pytest
from tutorials import Reader, blocks, commands, write_files

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_tutorial_works(page: Path, tmp_path: Path, project_root: Path) -> None:
    text = page.read_text(encoding="utf-8")
    write_files(text, tmp_path)
    reader = Reader(tmp_path, project_root)
    reader.run("page.py")
    for line in commands(text):
        reader.type(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_tutorial_checks_what_it_claims(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    run = [block.text for block in blocks(text) if block.language == "python" and not block.file]
    assert any("gym.make(" in code for code in run) and any("assert " in code for code in run)
    assert len(text.splitlines()) <= 220


def test_a_line_of_the_script_is_a_line_of_the_page(tmp_path: Path, project_root: Path) -> None:
    page = "A page.\n\n```python\n# my/part.py\nX = 1\n```\n\n```python\nfrom my.part import X\n```\n\n"
    page += "```python\n1 / 0\n```\n"
    write_files(page, tmp_path)
    assert (tmp_path / "my" / "part.py").read_text(encoding="utf-8").endswith("X = 1\n")
    with pytest.raises(AssertionError, match=r'page.py", line 13.*ZeroDivisionError'.replace(".*", r"[\s\S]*")):
        Reader(tmp_path, project_root).run("page.py")


def test_commands_are_read_line_by_line(tmp_path: Path, project_root: Path) -> None:
    page = "```sh\npip install .\nder-gym list \\\n    heads\n```\n"
    assert commands(page) == ["pip install .", "der-gym list      heads"]
    with pytest.raises(AssertionError, match="may not run: rm"):
        Reader(tmp_path, project_root).type("rm -r .")
