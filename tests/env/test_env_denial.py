"""Arguments that are none: one clear error each, before anything is made or changed."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest
from worlds import small

from der_gym.core.errors import InputError
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv

HUGE = 10**5000
ARRAY = np.array([1.0, 2.0])


def kind(value: Any) -> str:
    """Return a name for a test: not every number can be written."""
    return type(value).__name__


@pytest.fixture(scope="module")
def env() -> DERGroupVectorEnv:
    made = DERGroupVectorEnv(2, "tertiary-1", small())
    made.reset(seed=1)
    return made


def refused(call: Any) -> str:
    with pytest.raises(InputError) as error:
        call()
    line = str(error.value)
    assert len(line.splitlines()) == 1 and len(line) <= 2000
    return line


@pytest.mark.parametrize("n", ["2", None, 0, -1, 1.5, True, HUGE, ARRAY, [], 2**31], ids=kind)
def test_a_number_of_worlds(n: Any) -> None:
    assert "n_world" in refused(lambda: DERGroupVectorEnv(n, "tertiary-1", small()))


@pytest.mark.parametrize("workers", ["2", 0, -1, 1.5, True, ARRAY], ids=kind)
def test_a_number_of_workers(workers: Any) -> None:
    assert "workers" in refused(lambda: DERGroupEnv("tertiary-1", small(), workers=workers))


@pytest.mark.parametrize("odd", [5, "x", HUGE, ARRAY, ["human"], b"ansi"], ids=kind)
def test_modes(odd: Any) -> None:
    assert "render_mode" in refused(lambda: DERGroupEnv("tertiary-1", small(), render_mode=odd))
    assert "autoreset_mode" in refused(lambda: DERGroupVectorEnv(1, "tertiary-1", small(), autoreset_mode=odd))


@pytest.mark.parametrize(
    "seed", ["1", -1, 1.5, [1], [1, 2, 3], [1, "2"], [1, -2], ARRAY, {}, [[1], [2, 3]], -HUGE], ids=kind
)
def test_seeds(env: DERGroupVectorEnv, seed: Any) -> None:
    assert "seed" in refused(lambda: env.reset(seed=seed))


@pytest.mark.parametrize("seed", [None, 0, np.int64(3), [1, None], (1, 2), np.array([1, 2])], ids=kind)
def test_seeds_that_are_some(env: DERGroupVectorEnv, seed: Any) -> None:
    env.reset(seed=seed)


@pytest.mark.parametrize(
    "options",
    [
        *([1], "date", 5, ARRAY, {1: 2}, {"x": 1}, {"date": HUGE}, {"date": ARRAY}, {"date": "x" * 5000}),
        *({"date": "2026-02-30"}, {"start_h": "5"}, {"start_h": ARRAY}, {"start_h": HUGE}, {"start_h": 3}),
        *({"reset_mask": m} for m in (None, "xx", [1, 0], [True], [False, False], ARRAY, HUGE)),
    ],
    ids=kind,
)
def test_reset_options(env: DERGroupVectorEnv, options: Any) -> None:
    before = env.worlds.observe().tobytes()
    refused(lambda: env.reset(options=options))
    assert env.worlds.observe().tobytes() == before


def test_snapshots_and_places(env: DERGroupVectorEnv) -> None:
    kept = env.snapshot()
    for worlds in ([], [5], ["0"], "x", 5, HUGE, [HUGE], [0.5], ARRAY):
        refused(lambda worlds=worlds: env.snapshot(worlds))
        refused(lambda worlds=worlds: env.restore(kept, worlds))
    for odd in (None, 5, [], (), kept[:1], list(kept), (1, 2, 3), (*kept[:2], np.zeros(0, bool)), (*kept[:2], True)):
        refused(lambda odd=odd: env.restore(odd))
    whole = kept[0]
    for state in (None, [], {"bit_generator": ["PCG64"]}, {"bit_generator": "PCG64", "state": np.zeros(3)}, {"x": 1}):
        odd = dataclasses.replace(whole, generators=(state, whole.generators[1]))
        refused(lambda odd=odd: env.restore((odd, *kept[1:])))
    env.restore(kept)


def test_actions(env: DERGroupVectorEnv) -> None:
    torch = pytest.importorskip("torch")
    shape = env.action_space.shape
    for odd in (
        None,
        HUGE,
        10**400,
        "x",
        [[10**400] * 9] * 2,
        [[None]],
        {},
        np.zeros(shape, complex),
        np.full(shape, np.nan),
    ):
        assert "action" in refused(lambda odd=odd: env.step(odd))
    assert "action" in refused(lambda: env.step(torch.zeros(shape, requires_grad=True)))
    env.step(torch.zeros(shape))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell its memory in this way")
def test_more_worlds_than_there_is_room_for_are_refused_before_memory_is_taken() -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "GB of memory; there are" in refused(lambda: DERGroupVectorEnv(10**8, "tertiary-1", small()))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB
