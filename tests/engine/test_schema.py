"""Tables: rows are declared once, kernels read their numbers as constants, mistakes name the nearest row."""

from __future__ import annotations

import ast
import copy
import pickle
from pathlib import Path

import numba
import numpy as np
import pytest

from der_gym.engine.schema import Table
from der_gym.engine.tables import FLEET

DEMO = Table("demo", "float32 (N, n)", "power_kw | kW | truth | mean power\nage_s | s | | age of the report")


def test_a_row_has_number_unit_reader_and_meaning() -> None:
    assert (DEMO.POWER_KW, DEMO.AGE_S, DEMO.N) == (0, 1, 2) and list(DEMO) == ["power_kw", "age_s"]
    assert DEMO["age_s"].reader == "truth" and DEMO["age_s"].unit == "s" and "age_s" in DEMO


def test_a_kernel_takes_a_row_number_as_a_constant() -> None:
    @numba.njit
    def read(x):  # type: ignore[no-untyped-def]
        return x[DEMO.AGE_S]

    assert read(np.array([1.0, 2.0])) == 2.0


def test_a_misspelt_row_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match="fleet has no row 'POWER_KWH'; did you mean 'POWER_KW'"):
        FLEET.number("power_kwh")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("power_kw | kW | truth", "allowed: name"),
        ("power_kw | kW | nobody | mean", "reader 'nobody'"),
        ("a | - | truth | x\na | - | | y", "stands twice"),
        ("n | - | truth | x", "N is the number of rows"),
    ],
)
def test_a_wrong_declaration_is_refused(rows: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Table("demo", "", rows)


def test_copies_are_equal() -> None:
    assert copy.deepcopy(DEMO) is DEMO
    assert pickle.loads(pickle.dumps(DEMO)).names == DEMO.names


def test_the_documentation_lists_every_row() -> None:
    assert DEMO.markdown().count("\n") == 1 + DEMO.N


def test_no_row_number_is_kept_by_hand(project_root: Path) -> None:
    """Names such as ``A, B = range(2)`` are index constants: tables make them."""
    found = []
    for path in sorted((project_root / "der_gym").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            many = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
            if many and ast.unparse(node.value).startswith("range("):
                found.append(f"{path.relative_to(project_root)}:{node.lineno}")
    assert found == []
