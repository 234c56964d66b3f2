"""Forks that compile, tested in a process alone: beside threads of other tests nothing forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_kernels_are_compiled_by_forks(project_root: Path) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/support/forks_alone.py"]
    done = subprocess.run([sys.executable, *words], cwd=project_root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "8 passed" in done.stdout, done.stdout + done.stderr
