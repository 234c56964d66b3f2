"""Pages with code: their blocks, and a folder in which they are run as a reader would run them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^# ([\w/.-]+\.\w+)\n")


class Block(NamedTuple):
    """A block of code of a page."""

    language: str
    text: str
    line: int  # of its first line of code, from 1
    file: str  # named in a comment on its first line: the block is this file; '' for code that is run


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in Markdown, in order."""
    found = []
    for match in _FENCE.finditer(page):
        language, text = match.groups()
        named = _FILE.match(text)
        found.append(Block(language, text, page[: match.start(2)].count("\n") + 1, named[1] if named else ""))
    return found


def write_files(page: str, folder: Path) -> None:
    """Write the files of a page and one script, ``page.py``, of its other Python blocks.

    The script's code stands at the same lines as in the page, so that a traceback names the page's lines.
    """
    script: list[str] = []
    for block in blocks(page):
        if block.file:
            target = folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            script += [""] * (block.line - 1 - len(script)) + block.text.splitlines()
    (folder / "page.py").write_text("\n".join([*script, ""]), encoding="utf-8")


def commands(page: str) -> list[str]:
    """Return the lines of a page's ``sh`` blocks; a line that ends with a backslash goes on."""
    text = "".join(block.text for block in blocks(page) if block.language == "sh")
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


class Reader:
    """Somebody who works through a page in a folder of its own.

    Parameters
    ----------
    folder : Path
    project_root : Path
        The checkout, which stands in for an installed der_gym.
    """

    def __init__(self, folder: Path, project_root: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        path = os.pathsep.join([str(self.site), str(project_root)])
        self.environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"}

    def run(self, *command: str, **environment: str) -> str:
        """Run Python with these arguments; return what it prints, and fail with what it says."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def type(self, line: str) -> str:
        """Run one command of a page; ``pip install`` installs into a folder of the test, without a network."""
        first, *rest = shlex.split(line)
        if first == "der-gym":
            return self.run("-m", "der_gym.cli", *rest)
        assert (first, rest) == ("pip", ["install", "."]), f"a page of the documentation may not run: {line}"
        options = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--target", str(self.site))
        return self.run("-m", "pip", "install", *options, ".", PYTHONWARNINGS="default")
