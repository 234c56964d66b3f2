"""A search for firm power that goes on, on disk: what each controller has passed at each award.

It stands in the folder ``unfinished`` of the results until all is written. The search asks for the same awards again,
so ``der-gym firm --resume`` takes what is there, plays the rest, and comes to the same bits.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError
from der_gym.core.files import read_text, write_text
from der_gym.evaluation.unfinished import FOLDER, PLAN

F8 = NDArray[np.float64]
FILE = "awards.json"
LARGEST_BYTES = 2**28


@dataclass(frozen=True)
class PlayedAward:
    """What a controller passed at an award.

    Attributes
    ----------
    rates : float64 (n_episode,)
        Share of blocks passed, 0..1.
    kw : float64 (n_episode,)
        Award, kW.
    nominal_kw : float
        Rated swing of the group.
    notes : list of str
        What was done to the user's files meanwhile.
    """

    rates: F8
    kw: F8
    nominal_kw: float
    notes: list[str]


class UnfinishedFirm:
    """The awards that were played of a search.

    Parameters
    ----------
    results : Path
        Folder of the results.
    plan : mapping
        All that the search depends on, as JSON takes it; written with the first award.
    anew : bool
        Whether what is there is of another search: it goes when the first award is kept.

    Raises
    ------
    InputError
        Where what was kept cannot be used.
    """

    def __init__(self, results: Path, plan: Mapping[str, Any], anew: bool = False) -> None:
        self.folder, self.plan, self._anew = results / FOLDER, plan, anew
        self._played = {} if anew else _read(self.folder / FILE)

    def keep(self, name: str, place: int, windows: Sequence[tuple[str, int]], played: PlayedAward) -> None:
        """Keep what a controller played at an award's place, in some windows; where it cannot be written, warn.

        Parameters
        ----------
        name : str
            Of the controller.
        place : int
            Of the award, on the lattice of `firm_search`.
        windows : sequence of (str, int)
            Season and start hour.
        played : PlayedAward
        """
        if self._anew:
            self.clear()
            self._anew = False
        self._played[_key(name, place, windows)] = played
        rows = [[key, p.rates.tolist(), p.kw.tolist(), p.nominal_kw, p.notes] for key, p in self._played.items()]
        try:
            if not (self.folder / PLAN).exists():
                write_text(self.folder / PLAN, json.dumps(self.plan, indent=1, default=str) + "\n")
            write_text(self.folder / FILE, json.dumps(rows) + "\n")
        except OSError as error:
            warnings.warn(f"{self.folder}: {error.strerror}; --resume will play some awards again", stacklevel=2)

    def get(self, name: str, place: int, windows: Sequence[tuple[str, int]], n_episode: int) -> PlayedAward | None:
        """Return what was played before, or None; InputError where it has another number of episodes.

        Parameters
        ----------
        name, place, windows
            As for `keep`.
        n_episode : int
            Episodes of all the windows together.
        """
        found = self._played.get(_key(name, place, windows))
        if found is not None and not found.rates.shape == found.kw.shape == (n_episode,):
            raise _unusable(self.folder / FILE, f"{len(found.rates)} episodes of {name}, {n_episode} are needed")
        return found

    @property
    def waits(self) -> bool:
        """Return whether a search was begun here and not finished."""
        return (self.folder / PLAN).exists()

    def clear(self) -> None:
        """Remove all: the results are whole, or another search begins."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _key(name: str, place: int, windows: Sequence[tuple[str, int]]) -> str:
    return json.dumps([name, place, [list(window) for window in windows]])


def _read(path: Path) -> dict[str, PlayedAward]:
    if not path.exists():
        return {}
    try:
        return {str(key): _award(*row) for key, *row in json.loads(read_text(path, LARGEST_BYTES))}
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _unusable(path, str(error)) from None


def _award(rates: Any, kw: Any, nominal_kw: Any, notes: Any) -> PlayedAward:
    made = PlayedAward(np.array(rates, float), np.array(kw, float), float(nominal_kw), [str(note) for note in notes])
    shares = (made.rates >= 0.0) & (made.rates <= 1.0)
    if not (shares.all() and np.isfinite(made.kw).all() and np.isfinite(made.nominal_kw)):
        raise ValueError("a number is out of its range")
    return made


def _unusable(path: Path, why: str) -> InputError:
    return InputError(f"{path}: cannot be used: {why}; remove it to play all awards again")
