"""A comparison that goes on, on disk: what is played, and each controller once it is finished.

It stands in the folder ``unfinished`` of the results until all is written; ``der-gym evaluate --resume`` begins with
what is there, after Ctrl-C, a full disk or a killed process, and comes to the same bits.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.core.arrays import read_arrays
from der_gym.core.errors import InputError
from der_gym.core.files import read_text, whole_file, write_text
from der_gym.evaluation.play import Played
from der_gym.evaluation.recorder import Trace
from der_gym.evaluation.service_played import ServicePlayed

Array = np.ndarray
FOLDER, PLAN = "unfinished", "plan.json"
LARGEST_BYTES, LARGEST_PLAN_BYTES = 2**33, 2**26
_BEGUN = {"evaluate": "comparison", "firm": "search for firm power", "tune": "search for settings"}
_NAMED = ("by_variant", "by_home", "summed", "offers")  # mappings of arrays
_NAMES = ("lines", "kinds")  # texts; all other fields are arrays, or mappings of them


@dataclass(frozen=True)
class Finished:
    """A controller's play, what was done to the user's files meanwhile, and the seconds that it took."""

    played: Played
    notes: list[str]
    seconds: float


class Unfinished:
    """The finished controllers of a comparison.

    Parameters
    ----------
    results : Path
        Folder of the results.
    plan : mapping
        All that the comparison depends on, as JSON takes it; written with the first controller.
    anew : bool
        Whether what is there is of another comparison: it goes when the first controller is kept.
    """

    def __init__(self, results: Path, plan: Mapping[str, Any], anew: bool = False) -> None:
        self.folder, self.plan, self._anew = results / FOLDER, plan, anew

    def keep(self, name: str, finished: Finished) -> None:
        """Keep a controller's play; where it cannot be written, warn and go on.

        Parameters
        ----------
        name : str
            Of the controller.
        finished : Finished
            Its play, and how long it took.
        """
        if self._anew:
            self.clear()
            self._anew = False
        try:
            if not (self.folder / PLAN).exists():
                write_text(self.folder / PLAN, json.dumps(self.plan, indent=1, default=str) + "\n")
            with whole_file(self.folder / f"{name}.npz") as temporary, open(temporary, "wb") as file:
                save: Any = np.savez  # its stub takes every keyword for a flag
                save(file, **_arrays(finished))
        except OSError as error:
            warnings.warn(f"{self.folder}: {error.strerror}; --resume will play {name} again", stacklevel=2)

    def get(self, name: str) -> Finished | None:
        """Return a controller that was finished before, or None; InputError for a file that cannot be used."""
        if self._anew:
            return None
        try:
            kept = read_arrays(self.folder / f"{name}.npz", LARGEST_BYTES)
        except FileNotFoundError:
            return None
        try:
            return _finished(kept)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.folder / name}.npz: cannot be used: {error}; remove it to play it again") from None

    @property
    def waits(self) -> bool:
        """Return whether a comparison was begun here and not finished."""
        return (self.folder / PLAN).exists()

    def clear(self) -> None:
        """Remove all: the results are whole, or another comparison begins."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_plan(
    results: Path, versions: Mapping[str, str], command: str = "evaluate", folder: Path | None = None
) -> dict[str, Any]:
    """Return what an unfinished comparison or search depends on.

    Parameters
    ----------
    results : Path
        Folder of results, or the settings file that ``tune`` was to write.
    versions : mapping of str to str
        Package -> version that runs now.
    command : str
        The one that goes on: ``evaluate``, ``firm`` or ``tune``.
    folder : Path, optional
        Where the plan is; default: ``unfinished`` in the results.

    Raises
    ------
    InputError
        Where there is none, another command began it, or other versions: its controllers would not have played the
        same worlds.
    """
    path = (folder or results / FOLDER) / PLAN
    if not path.exists():
        raise InputError(f"--resume: {str(results)!r} holds no unfinished {_BEGUN[command]}")
    try:
        plan: dict[str, Any] = json.loads(read_text(path, LARGEST_PLAN_BYTES))
        then, begun_by = dict(plan["versions"]), plan.get("command", "evaluate")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"--resume: {path}: cannot be used: {error}") from None
    if begun_by != command:
        raise InputError(f"--resume: {str(results)!r} was begun by der-gym {begun_by}; go on with it")
    differ = [f"{name} {then.get(name)} then, {now} now" for name, now in versions.items() if then.get(name) != now]
    if differ:
        raise InputError(f"--resume: {str(results)!r} was begun by other versions: {', '.join(differ)}")
    return plan


def _arrays(finished: Finished) -> dict[str, Array]:
    played = finished.played
    out: dict[str, Array] = {}
    for field in fields(Played):
        value = getattr(played, field.name)
        if isinstance(value, np.ndarray):
            out[field.name] = value
        elif field.name in _NAMED:
            out |= {f"{field.name}/{key}": array for key, array in value.items()}
    out |= {f"trace/{key}": array for key, array in played.trace.arrays().items()}
    for k, service in enumerate(played.services.values()):
        out |= {f"services/{k}/{f.name}": np.asarray(getattr(service, f.name)) for f in fields(ServicePlayed)}
    names: dict[str, Any] = {name: getattr(played, name) for name in _NAMES}
    names |= {key: list(getattr(played, key)) for key in ("services", *_NAMED)}
    names |= {"notes": finished.notes, "seconds": finished.seconds}
    return out | {"text": np.array(json.dumps(names))}


def _finished(kept: dict[str, Array]) -> Finished:
    names = json.loads(str(kept["text"]))
    whole: dict[str, Any] = {field.name: kept[field.name] for field in fields(Played) if field.name in kept}
    whole |= {name: tuple(names[name]) for name in _NAMES}
    whole |= {part: {key: kept[f"{part}/{key}"] for key in names[part]} for part in _NAMED}
    whole["trace"] = Trace(**{field.name: kept[f"trace/{field.name}"] for field in fields(Trace)})
    whole["services"] = {key: _service(kept, k) for k, key in enumerate(names["services"])}
    return Finished(Played(**whole), list(names["notes"]), float(names["seconds"]))


def _service(kept: dict[str, Array], k: int) -> ServicePlayed:
    own: dict[str, Any] = {field.name: kept[f"services/{k}/{field.name}"] for field in fields(ServicePlayed)}
    return ServicePlayed(**{**own, "band_share": float(own["band_share"])})
