"""A training run on disk, whole: network, optimiser, worlds and every generator, so that it goes on to the bit.

One ``.npz`` of plain arrays and one JSON text; nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from stable_baselines3 import PPO

from agents.residual_env import Corrected
from der_gym.core.arrays import read_arrays
from der_gym.core.errors import DerGymError, InputError
from der_gym.core.files import whole_file
from der_gym.scenario.validation import explain
from der_gym.simulation.snapshot import Snapshot

Array = np.ndarray
Kind = TypeVar("Kind")
FILE = "checkpoint.npz"
LARGEST_BYTES = 2**31
_HASH = "scenario_hash"
_MOMENTS = ("exp_avg", "exp_avg_sq")


_Count = Annotated[int, Field(ge=0, lt=2**62)]


class _Numpy(NamedTuple):
    """State of numpy's shared generator, a Mersenne twister."""

    name: Literal["MT19937"]
    key: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=624, max_length=624)]
    place: Annotated[int, Field(ge=0, le=624)]
    has_gauss: Annotated[int, Field(ge=0, le=1)]
    gauss: Annotated[float, Field(ge=-100, le=100)]


class _Text(BaseModel):
    """What a checkpoint holds beside arrays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, Any]
    books: dict[str, Any]
    num_timesteps: _Count
    n_updates: _Count
    episodes: list[dict[str, int | float]]
    shuffling: _Numpy = Field(alias="numpy")
    generators: list[dict[str, Any]]
    clock: Annotated[list[list[Annotated[float, Field(ge=-1e15, le=1e15)]]], Field(min_length=2, max_length=2)]

    @field_validator("shuffling", mode="before")
    @classmethod
    def _of_a_list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


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
    """Return a checkpoint's text and arrays; InputError where there is none that can be used."""
    try:
        arrays = read_arrays(folder / FILE, LARGEST_BYTES)
        held = json.loads(str(arrays.pop("text")))
    except FileNotFoundError:
        raise InputError(f"--resume: {folder} holds no {FILE}") from None
    except InputError as error:
        raise InputError(f"--resume: {error}") from None
    except (ValueError, KeyError, RecursionError) as error:
        raise InputError(f"--resume: {folder / FILE} cannot be read: {error}") from None
    try:
        text = _Text.model_validate(held, strict=True)
    except ValidationError as error:
        raise InputError(f"--resume: {folder / FILE}: {explain(error, _Text)}") from None
    return text.model_dump(by_alias=True), arrays


def made(kind: type[Kind], values: dict[str, Any]) -> Kind:
    """Return the settings or the books that a checkpoint holds; InputError where they are none."""
    try:
        TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
        return kind(**values)  # as they are: what is checked would hold 30.0 for 30 steps
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--resume: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except TypeError as error:  # a name too many
        raise InputError(f"--resume: {error}") from None


def check_settings(kept: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise InputError that names the settings in which a run would go on otherwise than it began."""
    differ = [key for key in {**kept, **now} if kept.get(key) != now.get(key)]
    if differ:
        shown = ", ".join(f"{key} {kept.get(key)!r} then, {now.get(key)!r} now" for key in differ)
        raise InputError(f"--resume: other settings than the run began with: {shown}")


def restore(text: dict[str, Any], arrays: dict[str, Array], model: PPO, env: Corrected) -> None:
    """Put a checkpoint into a model and worlds made with the same settings.

    Raises
    ------
    InputError
        For arrays that are missing, not known, or of another shape or type; nothing is changed then.
    """
    env.reset()
    _check_arrays(arrays, model, env)
    clock, luck = _clock(text, env), _luck(arrays["torch_state"])
    _load_worlds(env, text, arrays)
    _load_network(model, arrays)
    model.num_timesteps, model._n_updates = text["num_timesteps"], text["n_updates"]
    model._last_obs, model._last_episode_starts = arrays["last_obs"], arrays["last_start"]
    model.ep_info_buffer = deque(text["episodes"], maxlen=model._stats_window_size)
    model.ep_success_buffer = deque(maxlen=model._stats_window_size)
    adapter: Any = env.venv
    adapter._return[:], adapter._length[:] = clock
    name, key, place, has_gauss, gauss = text["numpy"]
    np.random.set_state((name, np.array(key, dtype=np.uint32), place, has_gauss, gauss))
    torch.set_rng_state(luck)


def _luck(state: Array) -> torch.Tensor:
    """Return the state of PyTorch's generator as a tensor; InputError where it is none, which its bytes alone tell."""
    found = torch.from_numpy(state)
    try:
        torch.Generator().set_state(found)
    except RuntimeError as error:
        raise InputError(f"--resume: torch_state: {error}") from None
    return found


def _check_arrays(arrays: dict[str, Array], model: PPO, env: Corrected) -> None:
    """Refuse what is not the model's, the optimiser's and the corrections'; the worlds check their own."""
    like = _network(model) | _adam(model, any(name.startswith("adam.") for name in arrays))
    like |= {"base": env.base, "reach": env.reach} | {f"memory.{k}": a for k, a in (env.memory or {}).items()}
    like |= {"last_obs": np.asarray(env.x), "last_start": np.zeros(env.num_envs, dtype=bool), _HASH: np.array("")}
    others = ("world.", "own.", "ended")
    given = {name: array for name, array in arrays.items() if not name.startswith(others)}
    for name in sorted(given.keys() ^ like.keys()):
        raise InputError(
            f"--resume: {name} is {'missing' if name in like else 'not known'}; allowed: {len(like)} arrays"
        )
    for name, array in like.items():
        found = given[name]
        if name != _HASH and (found.shape, found.dtype) != (array.shape, array.dtype):
            raise InputError(f"--resume: {name} is {found.dtype} {found.shape}; allowed: {array.dtype} {array.shape}")
    if "ended" not in arrays:
        raise InputError("--resume: ended is missing")


def _adam(model: PPO, begun: bool) -> dict[str, Array]:
    """Return arrays like those of the optimiser once it has taken a step; none before."""
    shapes = [tuple(p.shape) for group in model.policy.optimizer.param_groups for p in group["params"]]
    held = {f"adam.{k}.{name}": np.zeros(shape, np.float32) for k, shape in enumerate(shapes) for name in _MOMENTS}
    return held | {f"adam.{k}.step": np.zeros((), np.float32) for k in range(len(shapes))} if begun else {}


def _clock(text: dict[str, Any], env: Corrected) -> list[Array]:
    """Return the running sums of the worlds' episodes as arrays of the adapter's length."""
    now: Any = env.venv
    given = [np.array(each, dtype=like.dtype) for each, like in zip(text["clock"], _sums(now), strict=True)]
    if any(each.shape != like.shape for each, like in zip(given, _sums(now), strict=True)):
        raise InputError(f"--resume: clock holds {[len(each) for each in given]} numbers; allowed: {env.n_all} each")
    return given


def _sums(adapter: Any) -> tuple[Array, Array]:
    return adapter._return, adapter._length


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

    kept = Snapshot(str(arrays[_HASH]), part("world"), tuple(text["generators"]))
    env.venv.native.restore((kept, part("own"), arrays["ended"]))  # type: ignore[attr-defined]
    env.memory, env.base, env.reach = part("memory"), arrays["base"], arrays["reach"]


def _clocks(env: Corrected) -> list[list[float]]:
    """Return the running sums of the worlds' episodes."""
    adapter: Any = env.venv
    return [adapter._return.tolist(), adapter._length.tolist()]
