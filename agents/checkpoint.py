"""A training run on disk, whole: network, optimiser, worlds and every generator, so that it goes on to the bit.

One ``.npz`` of plain arrays and one JSON text; nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO

from agents.residual_env import Corrected
from der_gym.core.errors import DerGymError, InputError
from der_gym.core.files import whole_file
from der_gym.simulation.snapshot import Snapshot, check_alike

Array = np.ndarray
FILE = "checkpoint.npz"
_HASH = "scenario_hash"


def save(folder: Path, model: PPO, env: Corrected, settings: dict[str, Any], books: dict[str, Any]) -> None:
    """Write the run as it stands between two iterations; DerGymError where it cannot be written, the last one kept."""
    arrays = {**_network(model), **_worlds(env)}
    arrays |= {"last_obs": np.asarray(model._last_obs), "last_start": np.asarray(model._last_episode_starts)}
    text = {
        "settings": settings,
        "books": books,
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "episodes": list(model.ep_info_buffer or []),
        "numpy": _numpy_state(),
        "generators": env.venv.native.snapshot()[0].generators,  # type: ignore[attr-defined]
        "clock": _clocks(env),
    }
    try:
        with whole_file(folder / FILE) as temporary, open(temporary, "wb") as file:
            keep: Any = np.savez  # its stub takes every keyword for a flag
            keep(file, text=np.array(json.dumps(text)), **arrays)
    except OSError as error:
        raise DerGymError(
            f"checkpoint: {folder / FILE} cannot be written: {error.strerror}; the last one is kept"
        ) from None


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a checkpoint's text and arrays; InputError where there is none that can be read."""
    try:
        with open(folder / FILE, "rb") as file, np.load(file, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        text: dict[str, Any] = json.loads(str(arrays.pop("text")))
    except FileNotFoundError:
        raise InputError(f"--resume: {folder} holds no {FILE}") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"--resume: {folder / FILE} cannot be read: {error}") from None
    return text, arrays


def check_settings(kept: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise InputError that names the settings in which a run would go on otherwise than it began."""
    differ = [key for key in {**kept, **now} if kept.get(key) != now.get(key)]
    if differ:
        shown = ", ".join(f"{key} {kept.get(key)!r} then, {now.get(key)!r} now" for key in differ)
        raise InputError(f"--resume: other settings than the run began with: {shown}")


def restore(text: dict[str, Any], arrays: dict[str, Array], model: PPO, env: Corrected) -> None:
    """Put a checkpoint into a model and worlds made with the same settings."""
    _load_network(model, arrays)
    _load_worlds(env, text, arrays)
    model.num_timesteps, model._n_updates = text["num_timesteps"], text["n_updates"]
    model._last_obs, model._last_episode_starts = arrays["last_obs"], arrays["last_start"]
    model.ep_info_buffer = deque(text["episodes"], maxlen=model._stats_window_size)
    model.ep_success_buffer = deque(maxlen=model._stats_window_size)
    name, key, place, has_gauss, gauss = text["numpy"]
    np.random.set_state((name, np.array(key, dtype=np.uint32), place, has_gauss, gauss))
    torch.set_rng_state(torch.from_numpy(arrays["torch_state"]))


def _numpy_state() -> list[Any]:
    """Return numpy's shared generator, which shuffles the minibatches, as JSON knows it."""
    name, key, *rest = np.random.get_state()
    return [name, np.asarray(key).tolist(), *rest]


def _network(model: PPO) -> dict[str, Array]:
    arrays = {f"net.{name}": t.detach().numpy() for name, t in model.policy.state_dict().items()}
    for k, slot in model.policy.optimizer.state_dict()["state"].items():
        arrays |= {f"adam.{k}.{name}": t.detach().numpy() for name, t in slot.items()}
    return arrays | {"torch_state": torch.get_rng_state().numpy()}


def _load_network(model: PPO, arrays: dict[str, Array]) -> None:
    net = {name[4:]: torch.from_numpy(a.copy()) for name, a in arrays.items() if name.startswith("net.")}
    model.policy.load_state_dict(net)
    optimizer = model.policy.optimizer.state_dict()
    for name, array in arrays.items():
        if name.startswith("adam."):
            _, k, entry = name.split(".")
            optimizer["state"].setdefault(int(k), {})[entry] = torch.from_numpy(array.copy())
    model.policy.optimizer.load_state_dict(optimizer)


def _worlds(env: Corrected) -> dict[str, Array]:
    kept, own, ended = env.venv.native.snapshot()  # type: ignore[attr-defined]
    arrays = {f"world.{name}": a for name, a in kept.arrays.items()} | {f"own.{name}": a for name, a in own.items()}
    arrays |= {f"memory.{name}": a for name, a in (env.memory or {}).items()}
    return arrays | {"ended": ended, "base": env.base, "reach": env.reach, _HASH: np.array(kept.scenario_hash)}


def _load_worlds(env: Corrected, text: dict[str, Any], arrays: dict[str, Array]) -> None:
    def part(name: str) -> dict[str, Array]:
        return {key[len(name) + 1 :]: a for key, a in arrays.items() if key.startswith(f"{name}.")}

    env.reset()
    now = {"base": env.base, "reach": env.reach, **{f"memory.{k}": a for k, a in (env.memory or {}).items()}}
    given = {name: a for name, a in arrays.items() if name in ("base", "reach") or name.startswith("memory.")}
    check_alike("--resume", given, {name: (a, len(a)) for name, a in now.items()})
    kept = Snapshot(str(arrays[_HASH]), part("world"), tuple(text["generators"]))
    env.venv.native.restore((kept, part("own"), arrays["ended"]))  # type: ignore[attr-defined]
    env.memory, env.base, env.reach = part("memory"), arrays["base"], arrays["reach"]
    adapter: Any = env.venv
    adapter._return[:], adapter._length[:] = text["clock"]


def _clocks(env: Corrected) -> list[list[float]]:
    """Return the running sums of the worlds' episodes."""
    adapter: Any = env.venv
    return [adapter._return.tolist(), adapter._length.tolist()]
