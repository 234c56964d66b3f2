"""What takes actions, policies, snapshots, checkpoints and kept files, fed with mutated ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from policies import card_for, tensors_for
from worlds import small

from der_gym.controllers import policy_file, public_info
from der_gym.controllers.policy import Policy
from der_gym.controllers.policy_file import CARD, WEIGHTS, PolicyCard
from der_gym.core.errors import InputError
from der_gym.engine import cache as caching
from der_gym.engine import kernel_cache
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.simulation import assets, reference_days_file
from der_gym.simulation.snapshot import Snapshot
from fuzzing.file_kinds import Target
from fuzzing.mutate import Canary, mutated_array, mutated_arrays, mutated_bytes, mutated_tree, values

Array = np.ndarray
TINY = {"fleet.n_device": 60, "services.tertiary-1.limits": "off"}


def _vector(n: int = 2) -> DERGroupVectorEnv:
    env = DERGroupVectorEnv(n, "tertiary-1", small())
    env.reset(seed=3)
    return env


def _some_steps(env: Any, rng: Random, n: int) -> None:
    for _ in range(n):
        action = np.random.default_rng(rng.randrange(2**32)).uniform(-1, 1, env.action_space.shape)
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers that no world would hold
            env.step(action.astype(np.float32))


def action(folder: Path) -> Target:
    """Actions of a single and a vector environment."""
    single, vector = DERGroupEnv("tertiary-1", small()), _vector()
    _tensor(np.zeros(1, np.float32))  # to import it takes seconds, which are no input's
    single.reset(seed=1)

    def run(rng: Random) -> None:
        env: Any = rng.choice((single, vector))
        given = _action(rng, np.zeros(env.action_space.shape, np.float32))
        try:
            ended = env.step(given)[3]
        except InputError:
            env.reset()
            raise
        if np.any(ended):
            env.reset()

    return run


def _action(rng: Random, plain: Array) -> Any:
    what = rng.randrange(5)
    if what == 0:
        return rng.choice(values())
    if what == 1:
        return mutated_tree(rng, plain.tolist())
    if what == 2:
        return rng.choice((_raising(), _tensor(plain), np.ma.masked_array(plain, True), [plain] * 3, memoryview(b"x")))
    return mutated_array(rng, plain)


def _raising() -> Any:
    class Odd:
        def __array__(self, *_: Any, **__: Any) -> Array:
            raise RuntimeError("two\nlines")

        def __len__(self) -> int:
            return -1

    return Odd()


def _tensor(plain: Array) -> Any:
    try:
        import torch
    except ImportError:
        return plain
    return torch.tensor(plain, requires_grad=True)


def making(folder: Path) -> Target:
    """Arguments of environments, of reset, snapshot and restore."""
    vector = _vector()

    def run(rng: Random) -> None:
        odd = lambda: rng.choice(values())  # noqa: E731
        calls: tuple[Callable[[], Any], ...] = (
            lambda: DERGroupEnv(odd(), TINY),
            lambda: DERGroupEnv("tertiary-1-tiny", odd()),
            lambda: DERGroupEnv("tertiary-1", small(), workers=odd()),
            lambda: DERGroupEnv("tertiary-1", small(), render_mode=odd()),
            lambda: DERGroupVectorEnv(odd(), "tertiary-1", small()),
            lambda: DERGroupVectorEnv(1, "tertiary-1", small(), autoreset_mode=odd()),
            lambda: vector.reset(seed=odd()),
            lambda: vector.reset(options=odd()),
            lambda: vector.reset(options={rng.choice(("date", "start_h", "reset_mask", "x")): odd()}),
            lambda: vector.snapshot(odd()),
            lambda: vector.restore(odd()),
            lambda: vector.restore(vector.snapshot(), odd()),
        )
        rng.choice(calls)()

    return run


def snapshot(folder: Path) -> Target:
    """Snapshots with other numbers, shapes, names and generators; a restored one is played."""
    env = _vector()
    good = env.snapshot()

    def run(rng: Random) -> None:
        kept, own, flags = good
        arrays, generators, digits = kept.arrays, kept.generators, kept.scenario_hash
        what = rng.randrange(8)
        if what == 0:
            generators = mutated_tree(rng, list(generators))
        elif what == 1:
            own = mutated_arrays(rng, own)
        elif what == 2:
            flags = mutated_array(rng, flags)
        elif what == 3:
            digits = rng.choice(values())
        else:
            arrays = mutated_arrays(rng, arrays)
        state = (Snapshot(digits, arrays, generators), own, flags)
        try:
            env.restore(state if rng.random() < 0.95 else rng.choice((state[:1], list(state), *state)))
            _some_steps(env, rng, 3)
        finally:
            env.restore(good)

    return run


def policy(folder: Path) -> Target:
    """Policies whose card, numbers or bytes are changed and whose checksum is made anew; a loaded one acts."""
    from safetensors.numpy import save

    env = _vector()
    worlds = env.worlds
    card = card_for(worlds)
    tensors, obs = tensors_for(card), worlds.observe()

    def run(rng: Random) -> None:
        tree = card.model_dump(mode="json")
        given = dict(tensors)
        if rng.random() < 0.7:
            tree = mutated_tree(rng, tree, odd=False)
        if rng.random() < 0.4:
            given = {str(k): v for k, v in mutated_arrays(rng, given).items() if _plain(v)}
        weights = save({name: np.ascontiguousarray(array) for name, array in given.items()})
        weights = mutated_bytes(rng, weights) if rng.random() < 0.2 else weights
        try:
            if isinstance(tree, dict):
                tree["sha256"] = _digest(tree, weights)
            text = json.dumps(tree).encode()
        except (TypeError, ValueError, OverflowError):  # what JSON does not hold
            text = b"[1]"
        (folder / CARD).write_bytes(mutated_bytes(rng, text) if rng.random() < 0.1 else text)
        (folder / WEIGHTS).write_bytes(weights)
        made = Policy(*policy_file.load(folder))
        made.bind(worlds.layout, public_info(worlds))
        state = None
        for start in (True, False):
            acts, state = made.predict(obs, state, np.full(len(obs), start))
            env.step(acts)

    return run


def _digest(tree: dict[str, Any], weights: bytes) -> str:
    """Return the checksum of a card that is one, as an attacker would make it."""
    try:
        return PolicyCard.model_validate(tree).digest(weights)
    except (ValueError, TypeError):
        return "0"


def _plain(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.dtype != np.longdouble


def cache(folder: Path) -> Target:
    """Kept reference days, as bytes and as arrays; now and then worlds are made of accepted ones. Kept kernels."""
    asked: list[Any] = []
    load_pool, kept_in = reference_days_file.load_pool, caching.folder

    def noting(name: str, like: Any = None) -> Any:
        asked.append((name, like))
        return load_pool(name, like)

    assets.load_pool = noting  # type: ignore[assignment]
    _vector()
    name, like = asked[-1]
    pools, kernels = kept_in("pools"), kept_in("kernels")
    assert pools is not None and kernels is not None, "no cache folder can be written"
    good = (pools / f"{name}.npz").read_bytes()
    with np.load(pools / f"{name}.npz") as kept:
        arrays = {key: kept[key] for key in kept.files}
    code = max(kernels.iterdir(), key=lambda each: each.stat().st_size).read_bytes()
    path, kernel = folder / f"{name}.npz", folder / "kernel.nbc"
    caching.folder = lambda kind: folder if kind == "pools" else kept_in(kind)

    def run(rng: Random) -> None:
        if rng.random() < 0.2:
            return _read_kernel(kernel, code, mutated_bytes(rng, code))
        reference_days_file._load.cache_clear()
        path.unlink(missing_ok=True)
        if rng.random() < 0.5:
            path.write_bytes(mutated_bytes(rng, good))
        else:
            given: Any = {key: value for key, value in mutated_arrays(rng, arrays).items() if key not in ("", "../x")}
            with open(path, "wb") as file:
                np.savez(file, **{key: np.asarray(value) for key, value in given.items()})
        found = load_pool(name, like)
        if found is None:
            raise InputError("made anew")
        if rng.random() < 0.2:
            for each in vars(assets).values():
                getattr(each, "cache_clear", lambda: None)()
            _some_steps(_vector(), rng, 3)

    return run


def _read_kernel(path: Path, code: bytes, changed: bytes) -> None:
    """Read a kept kernel; what is run must be what was kept."""
    path.write_bytes(changed)
    os.chmod(path, 0o600)
    try:
        found = kernel_cache._read(path)
    except ValueError:
        raise InputError("compiled anew") from None
    assert changed == code and code.endswith(found)


def checkpoint(folder: Path) -> Target:
    """Checkpoints of a training run, as bytes, arrays and text; an accepted one goes on."""
    from fuzzing.training import Training

    made = Training(folder)

    def run(rng: Random) -> None:
        text, arrays = made.text, made.arrays
        if rng.random() < 0.4:
            text = mutated_tree(rng, text, odd=False)
        if rng.random() < 0.7:
            arrays = {str(k): v for k, v in mutated_arrays(rng, arrays).items() if str(k) not in ("", "../x", "text")}
        packed = rng.random() < 0.1
        try:
            content = json.dumps(text)
        except ValueError:
            content = "{}"
        held = {name: np.asarray(array) for name, array in arrays.items()}
        if rng.random() < 0.05:
            held["text2"] = np.array([Canary()], dtype=object)
        with open(made.path, "wb") as file:
            keep: Any = np.savez_compressed if packed else np.savez
            keep(file, text=np.array(content.encode("utf-8", "replace").decode()), **held)
        if rng.random() < 0.2:
            made.path.write_bytes(mutated_bytes(rng, made.path.read_bytes()))
        made.go_on()

    return run
