"""A search for settings that goes on, on disk: the trials that are finished.

They stand in a folder beside the settings file, ``best.yaml.unfinished``, until the settings are written. Each trial
follows from those before it, so ``der-gym tune --resume`` takes what is there, plays the rest, and comes to the same
bytes. Trial 0 stays what it was, also where the shipped settings have changed since.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.controllers.base import settings
from der_gym.controllers.tune import Trial
from der_gym.core.errors import InputError
from der_gym.core.files import read_text, write_text
from der_gym.core.folders import locked
from der_gym.evaluation.unfinished import PLAN

FILE = "trials.json"
LARGEST_BYTES = 2**28


def unfinished_folder(target: Path) -> Path:
    """Return the folder of a settings file's trials while they are searched.

    Parameters
    ----------
    target : Path
        Where the best settings will be.

    Raises
    ------
    InputError
        For a path without a name, such as an empty one.
    """
    if not target.name:
        raise InputError(f"{str(target)!r}: allowed: a settings file, such as best.yaml")
    return target.with_name(f"{target.name}.unfinished")


class UnfinishedTune:
    """The finished trials of a search.

    Parameters
    ----------
    target : Path
        Where the best settings will be.
    name : str
        The controller whose settings are searched.
    plan : mapping
        All that the search depends on, as JSON takes it; written with the first trial.
    anew : bool
        Whether what is there is of another search: it goes when the first trial is kept.

    Raises
    ------
    InputError
        Where what was kept cannot be used.
    """

    def __init__(self, target: Path, name: str, plan: Mapping[str, Any], anew: bool = False) -> None:
        self.folder, self.plan = unfinished_folder(target), plan
        self._anew, self._trials = anew, [] if anew else _read(self.folder / FILE, name)

    @property
    def waits(self) -> bool:
        """Return whether a search was begun here and not finished."""
        return (self.folder / PLAN).exists()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder: another search for the same file meanwhile gets an InputError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self.folder):
                yield
        finally:
            with suppress(OSError):  # it goes where nothing was kept
                self.folder.rmdir()

    def get(self, k: int) -> Trial | None:
        """Return trial ``k``, >= 0, or None where it was not finished."""
        return self._trials[k] if k < len(self._trials) else None

    def keep(self, trial: Trial) -> None:
        """Keep the next trial; where it cannot be written, warn and go on.

        Parameters
        ----------
        trial : Trial
        """
        self._trials.append(trial)
        rows = [[each.config.model_dump(mode="json"), each.pass_rate, each.reward] for each in self._trials]
        try:
            if self._anew:
                self._remove()
                write_text(self.folder / PLAN, json.dumps(self.plan, indent=1, default=str) + "\n")
                self._anew = False
            write_text(self.folder / FILE, json.dumps(rows) + "\n")
        except OSError as error:
            warnings.warn(f"{self.folder}: {error.strerror}; --resume will play some trials again", stacklevel=2)

    def clear(self) -> None:
        """Remove all: the settings are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove(self) -> None:
        for name in (FILE, PLAN):  # the plan last: without its trials it begins anew
            (self.folder / name).unlink(missing_ok=True)


def _read(path: Path, name: str) -> list[Trial]:
    if not path.exists():
        return []
    try:
        return [_trial(name, *row) for row in json.loads(read_text(path, LARGEST_BYTES))]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _unusable(path, str(error)) from None
    except InputError as error:
        raise _unusable(path, str(error).removeprefix(f"{path}: ")) from None


def _trial(name: str, values: Any, pass_rate: Any, reward: Any) -> Trial:
    made = Trial(settings(name, dict(values)), float(pass_rate), float(reward))
    if not (0.0 <= made.pass_rate <= 1.0 and np.isfinite(made.reward)):
        raise ValueError("a number is out of its range")
    return made


def _unusable(path: Path, why: str) -> InputError:
    return InputError(f"{path}: cannot be used: {why}; remove it to play all trials again")
