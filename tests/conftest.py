"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from der_gym.engine import compile_ahead

# No display is needed for a figure or a window; tables have the same width and no colour codes wherever the tests run.
os.environ["MPLBACKEND"] = "Agg"
os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "120"

# The first call of a kernel compiles it, which no deadline foresees; the same examples each time.
settings.register_profile("der_gym", deadline=None, derandomize=True, database=None)
settings.load_profile("der_gym")

if "PYTEST_XDIST_WORKER" in os.environ:  # the other cores are busy with tests: forks would only cost
    compile_ahead.MOST = 1


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the top of the checkout."""
    return Path(__file__).resolve().parents[1]
