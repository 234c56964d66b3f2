"""Freed memory goes back to the system where there is a way."""

from __future__ import annotations

import ctypes
import gc
from types import SimpleNamespace
from typing import Any

import pytest

from der_gym.engine import memory


def test_trim_calls_the_c_library_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=asked.append))
    memory.trim()
    assert asked == [0]


def _no_such_library(name: Any) -> Any:
    raise OSError(name)


@pytest.mark.parametrize("library", [lambda name: SimpleNamespace(), _no_such_library])
def test_trim_does_nothing_where_there_is_none(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", library)
    memory.trim()


@pytest.mark.parametrize("looks", [True, False])
def test_python_looks_for_cycles_again_as_it_did_before(looks: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if looks else gc.disable)()
        with pytest.raises(KeyError), memory.not_looking():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == looks
    finally:
        (gc.enable if before else gc.disable)()
