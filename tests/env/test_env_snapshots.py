"""A snapshot that cannot be put back is refused in one line, and changes nothing; nothing in it is executed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from worlds import same, small

from der_gym.core.errors import InputError
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.network.tables import SENDER

Array = np.ndarray


@pytest.fixture(scope="module")
def env() -> DERGroupEnv:
    made = DERGroupEnv("tertiary-1", small())
    made.reset(seed=3)
    for _ in range(3):
        made.step(np.full(made.layout.n_leaf, 0.4, dtype=np.float32))
    return made


@pytest.fixture(scope="module")
def many() -> DERGroupVectorEnv:
    made = DERGroupVectorEnv(3, "tertiary-1", small())
    made.reset(seed=1)
    return made


def changed(kept: Any, name: str, value: Any, where: Any = ...) -> Any:
    """Return a snapshot with one array of the simulator changed, at some places or whole."""
    arrays = dict(kept[0].arrays)
    if where is ...:
        arrays[name] = value
    else:
        arrays[name] = arrays[name].copy()
        arrays[name][where] = value
    return replace(kept[0], arrays=arrays), kept[1]


def refused(env: DERGroupEnv, kept: Any, words: str) -> None:
    before = env.snapshot()
    with pytest.raises(InputError, match=words) as caught:
        env.restore(kept)
    after = env.snapshot()
    assert same(before[0].arrays, after[0].arrays) == [] and same(before[1], after[1]) == []
    assert before[0].generators == after[0].generators
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "where", "value"),
    [
        ("network.leaf", (0, 0, SENDER.HEAD), 1e12),
        ("network.leaf", (0, 1, SENDER.OLDEST), -1.0),
        ("network.leaf", (0, 0, SENDER.FLYING), np.nan),
        ("episode.kinds", (0, 0, 1), 3),
        ("episode.kinds", (0, 1, 0), -1),
        ("episode.day0", 0, -(10**15)),
        ("episode.fleet_no", 0, 2),
        ("episode.start_h", 0, 24),
        ("abs_s", 0, -(10**15)),
        ("t_s", 0, np.inf),
        ("t_s", 0, -60.0),
        ("ctx", (0, 3), 7.0),
        ("fleet", (0, 0, 0), np.nan),
        ("site", (0, 0, 0), np.nan),
        ("network.mail", (0, 0, 0), np.nan),
    ],
)
def test_what_kernels_take_for_a_place_lies_within(env: DERGroupEnv, name: str, where: Any, value: Any) -> None:
    if name == "ctx":
        from der_gym.engine.tables import EXOGENOUS

        where = (0, EXOGENOUS.SEASON)
    refused(env, changed(env.snapshot(), name, value, where), rf"snapshot: {name}\[.*\] is .*; allowed: .* to ")


def test_the_clock_stands_where_day_start_and_seconds_say(env: DERGroupEnv) -> None:
    kept = env.snapshot()
    refused(env, changed(kept, "abs_s", kept[0].arrays["abs_s"] + 60), r"snapshot: abs_s\[0\] is \d+; allowed")


def test_shapes_types_and_names_are_checked_before_anything_is_written(env: DERGroupEnv) -> None:
    kept = env.snapshot()
    fleet = kept[0].arrays["fleet"]
    for value, words in (
        (fleet[0, 0, 0], "float32, one of 1|fleet is"),  # it would be broadcast
        (fleet[:, :, :1], "fleet is float32"),
        (np.concatenate([fleet, fleet]), "fleet is float32"),
        (fleet.astype(np.float64), "fleet is float64"),
        (fleet.tolist(), "fleet is list"),
    ):
        refused(env, changed(kept, "fleet", value), words)
    fewer = {name: array for name, array in kept[0].arrays.items() if name != "site"}
    refused(env, (replace(kept[0], arrays=fewer), kept[1]), "snapshot: site is missing")
    more = {**kept[0].arrays, "extra": fleet}
    refused(env, (replace(kept[0], arrays=more), kept[1]), "snapshot: extra is not known")
    refused(env, (kept[0], {**kept[1], "step_no": np.zeros(2, np.int64)}), r"step_no is int64 \(2,\)")
    refused(env, (kept[0], {}), "is missing")


@pytest.mark.parametrize("name", ["set_state", "MT19937", "__doc__", 3])
def test_no_generator_but_pcg64_is_made(env: DERGroupEnv, monkeypatch: pytest.MonkeyPatch, name: Any) -> None:
    kept = env.snapshot()
    called: list[str] = []
    monkeypatch.setattr(np.random, "set_state", lambda *_: called.append("called"))
    state = {**copy.deepcopy(kept[0].generators[0]), "bit_generator": name}
    refused(env, (replace(kept[0], generators=(state,)), kept[1]), f"generator {name!r}; allowed: PCG64")
    assert called == []


@pytest.mark.parametrize("state", [{"state": 1}, {"state": {"state": -1, "inc": "x"}}, {"uinteger": "no"}])
def test_a_generator_s_state_that_is_none_is_refused(env: DERGroupEnv, state: dict[str, Any]) -> None:
    kept = env.snapshot()
    broken = {**copy.deepcopy(kept[0].generators[0]), **state}
    refused(env, (replace(kept[0], generators=(broken,)), kept[1]), "the generator's state cannot be used")


@pytest.mark.parametrize("kept", [None, [], (), (None, {}), "snapshot", 3])
def test_what_is_no_snapshot_is_refused(env: DERGroupEnv, many: DERGroupVectorEnv, kept: Any) -> None:
    refused(env, kept, "allowed: what snapshot\\(\\) returned")
    with pytest.raises(InputError, match="allowed: what snapshot"):
        many.restore(kept)


def test_places_are_distinct_and_there(env: DERGroupEnv, many: DERGroupVectorEnv) -> None:
    two = many.snapshot([0, 1])
    for wrong in ([0, 0], [0, 3], [-1, 0], [0.5, 1], ["a", 1], []):
        with pytest.raises(InputError, match=r"worlds: .*; allowed: "):
            many.restore(two, worlds=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"1 worlds; 2 places"):
        many.restore(env.snapshot(), worlds=[0, 1])
    for wrong in ([], [3], [-1]):
        with pytest.raises(InputError, match=r"worlds: .*; allowed: one or more of 0 to 2"):
            many.snapshot(wrong)
    assert len(many.snapshot([0, 0])[0].generators) == 2  # a copy may be taken twice
    with pytest.raises(InputError, match=r"ended is float64 \(2,\); allowed: bool"):
        many.restore((*two[:2], np.zeros(2)), worlds=[0, 1])
