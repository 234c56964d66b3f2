"""Variations of a scenario by name: owners at the ends of their settings' ranges, for ``der-gym evaluate``.

The ranges are those that stand beside the settings (`devices.owners.config`, `terms`, `opting`). Fleets that no
training has seen are a matter of the split: ``test`` plays other homes than ``train``, ``test-year-2`` others again,
in another year (`docs/fleets.md`).

Known limit: what a scenario states by leaf (``behaviours.incentive.leaves``) stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from der_gym.core.errors import InputError, unknown
from der_gym.scenario.action import with_owners
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario

VARIATIONS = ("owners-low", "owners-high")
"""``owners-low``: each setting at the end at which fewer people answer; ``owners-high``: at the other."""
_OFFERED: dict[str, tuple[float, float]] = {
    "never_share": (0.5, 0.1),
    "stake_weight": (2.0, 0.5),
    "tired_weight": (0.4, 0.05),
    "tired_days": (14.0, 3.0),
    "look_median_min": (15.0, 2.0),
    "quit_share": (0.03, 0.005),
}
_TERMS: dict[str, tuple[float, float]] = {"hassle_yen_kwh": (5.0, 1.0), "span_yen_kwh": (20.0, 5.0)}
_COMMANDED: dict[str, tuple[float, float]] = {
    "stake_weight": (3.0, 0.5),
    "tired_weight": (0.4, 0.05),
    "tired_days": (14.0, 3.0),
    "override_share": (0.5, 0.1),
}


def varied(scenario: Scenario, name: str, named: Collection[str] = ()) -> Scenario:
    """Return a scenario with its owners at one end of their ranges.

    Parameters
    ----------
    scenario : Scenario
    name : str
        One of VARIATIONS.
    named : collection of str
        Dotted settings that somebody has given by hand.

    Returns
    -------
    Scenario
        Its title names the variation.

    Raises
    ------
    InputError
        For an unknown name, a scenario without owners who choose, or a setting that is also given by hand.
    """
    if name not in VARIATIONS:
        raise unknown("variation", name, VARIATIONS)
    changes = _changes(scenario, VARIATIONS.index(name))
    if not changes:
        raise InputError(
            f"variation {name}: scenario {scenario.name!r} has control {scenario.control!r}, no owner chooses in it; "
            "allowed: control 'incentive' or 'both', or behaviours.dispatch.opting_out 'owner'"
        )
    for key in named:
        if any(key == own or own.startswith(f"{key}.") or key.startswith(f"{own}.") for own in changes):
            raise InputError(f"variation {name} and --set {key}: both set the same; leave one out")
    return load(scenario, {**changes, "title": f"{scenario.title} [{name}]"})


def _changes(scenario: Scenario, end: int) -> dict[str, Any]:
    """Return the dotted settings of one end: 0 where the fewest answer, 1 the most."""
    changes: dict[str, Any] = {}
    if scenario.offers is not None:
        changes |= {f"behaviours.incentive.{key}": ends[end] for key, ends in _OFFERED.items()}
        terms = {key: ends[end] for key, ends in _TERMS.items()}
        changes |= {f"behaviours.incentive.classes.{each}": dict(terms) for each in with_owners()}
    if scenario.dispatch.opting_out == "owner":
        changes |= {f"behaviours.dispatch.{key}": ends[end] for key, ends in _COMMANDED.items()}
    return changes
