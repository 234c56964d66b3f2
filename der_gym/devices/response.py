"""How fast a class answers: quantiles over a fleet drawn from its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import unknown
from der_gym.devices.declare import Declaration
from der_gym.engine.tables import FLEET, GIVEN, NOT_GIVEN, SITE

N = 4096
_KEY = (20261125, 95)


def response_s(
    model: Declaration, draw: Callable[..., None] | None, seconds: Callable[..., Any] | None, config: Any
) -> NDArray[np.float64]:
    """Return equally likely seconds from a command's arrival to full upward response, float64 (200,), ascending.

    Parameters
    ----------
    model : Declaration
    draw : kernel or None
        The class's; None: its devices answer at once.
    seconds : callable
        Of params, ``rated_kw`` and ``dead_s``, each (n,); None: the dead time alone.
    config : DeviceConfig
        The class's settings.

    Raises
    ------
    InputError
        Where ``seconds`` names what is not drawn.
    """
    if draw is None:
        return np.zeros(200)
    params = np.zeros((1, max(len(model.params), 1), N), np.float32)
    fleet = np.zeros((1, FLEET.N, N), np.float32)
    fleet[0, FLEET.RATED_KW] = np.nan
    active, uid = np.ones(1, dtype=bool), np.arange(N, dtype=np.uint32)[None]
    keys, given = np.zeros((1, 4), np.uint32), np.full((1, GIVEN.N, N), NOT_GIVEN, np.int8)
    keys[0, :2] = _KEY
    home = np.zeros((1, N), np.int32), np.zeros((1, SITE.N, 1), np.float32), np.full((1, 2, 1), 10.0, np.float32)
    draw(0, 1, 1, active, keys, uid, model.constants(config), given, *home, params, fleet, 0)
    drawn = {name: params[0, k] for k, name in enumerate(model.params)}
    drawn |= {"rated_kw": fleet[0, FLEET.RATED_KW], "dead_s": fleet[0, FLEET.DEAD_S]}
    wanted = ["dead_s"] if seconds is None else list(inspect.signature(seconds).parameters)
    for name in wanted:
        if name not in drawn:
            raise unknown(f"{model.name}: response", name, drawn)
    values = [drawn[name] for name in wanted]
    found = values[0] if seconds is None else seconds(*values)
    quantiles: NDArray[np.float64] = np.quantile(
        np.broadcast_to(found, N).astype(np.float64), (np.arange(200) + 0.5) / 200
    )
    return quantiles
