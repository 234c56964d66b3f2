"""The bits of every shipped scenario are the ones on record; ``python tests/support/golden.py`` writes new ones."""

from __future__ import annotations

import json

import golden
import pytest
from worlds import trace


def test_the_record_holds_every_scenario() -> None:
    assert sorted(json.loads(golden.FILE.read_text(encoding="utf-8"))) == golden.every()


@pytest.mark.parametrize("name", golden.every())
def test_the_bits_are_the_ones_on_record(name: str) -> None:
    assert golden.current(name) == json.loads(golden.FILE.read_text(encoding="utf-8"))[name]


def test_another_seed_or_length_has_another_hash() -> None:
    hashes = {trace("tertiary-1", {}, seed, n) for seed in (1, 2) for n in (5, 6)}
    assert len(hashes) == 4
