"""A folder of results: old or new, whenever the process that writes it is killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from der_gym.core.errors import InputError
from der_gym.core.folders import new_results

OURS, LAST = ("*.csv", "run.json"), "run.json"
OLD = {"a.csv": "old", "gone.csv": "old", "run.json": "old", "notes.txt": "mine"}
NEW = {"a.csv": "new", "b.csv": "new", "run.json": "new", "notes.txt": "mine"}


class Killed(BaseException):
    """Stands for kill -9: nothing behind it runs."""


def held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}


def publish(folder: Path) -> None:
    with new_results(folder, True, OURS, LAST) as made:
        for name in ("a.csv", "b.csv", LAST):
            (made.staging / name).write_text("new", encoding="utf-8")
        made.publish()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in OLD.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def stop_at(call: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the process be killed before its ``call``-th change of a name; return the changes so far."""
    done: list[str] = []

    def counted(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*given: Any, **more: Any) -> Any:
            if len(done) >= call:
                raise Killed
            done.append(name)
            return change(*given, **more)

        return changed

    for name in ("rename", "replace", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, counted(name, getattr(os, name)))
    monkeypatch.setattr(shutil, "rmtree", counted("rmtree", shutil.rmtree))
    return done


def test_at_every_change_of_a_name_the_old_or_the_new_are_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill before each change in turn; the next process that opens the folder finds one of both, whole."""
    states = []
    for call in range(20):
        for name in os.listdir(folder):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, text in OLD.items():
            (folder / name).write_text(text, encoding="utf-8")
        with monkeypatch.context() as patch:
            stop_at(call, patch)
            try:
                publish(folder)
                killed = False
            except Killed:
                killed = True
        if LAST in held(folder):  # whoever reads now is told that all is whole
            assert held(folder) | {".der-gym.lock": ""} in (OLD | {".der-gym.lock": ""}, NEW | {".der-gym.lock": ""})
        with pytest.raises(InputError, match="not empty"), new_results(folder, False, OURS, LAST):
            pass
        states.append(held(folder))
        assert states[-1] in (OLD, NEW)
        assert [path for path in folder.iterdir() if path.is_dir()] == []
        if not killed:
            break
    assert states[0] == OLD and states[-1] == NEW and NEW in states[:-1] and len(states) > 6


def test_what_is_whole_is_added_beside_the_old_without_a_record(folder: Path) -> None:
    with new_results(folder, True, OURS, LAST) as made:
        for name in ("a.csv", "b.csv", LAST, ".b.csv.half"):
            (made.staging / name).write_text("new", encoding="utf-8")
        made.add()
    assert held(folder) == OLD | {"b.csv": "new"}
