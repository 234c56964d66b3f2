"""Controllers by name."""

from __future__ import annotations

from collections.abc import Sequence

from der_gym.controllers import CONTROLLERS
from der_gym.core.errors import unknown


def resolve(names: Sequence[str]) -> list[str]:
    """Return registered names without repeats; ``all`` stands for every one. Unknown: InputError."""
    wanted = [name for each in names for name in (CONTROLLERS if each == "all" else [each])]
    for name in wanted:
        if name not in CONTROLLERS:
            raise unknown("controller", name, [*CONTROLLERS, "all"])
    return list(dict.fromkeys(wanted))

