"""Controllers in a small world: what they know of it, that they help there, that cheaters cheat, and tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import yaml
from cheaters import CHEATERS
from worlds import nested, small

import der_gym
from der_gym.controllers import CONTROLLERS, base, make, public_info
from der_gym.controllers.tune import search, tune
from der_gym.core.errors import InputError

Array = np.ndarray
LOOPS = ("closed_loop", "merit_order")
assert der_gym.__version__  # importing the package registers the environment


def episode(env: Any, rule: base.Rule, seed: int = 0) -> tuple[float, float, Array]:
    """Return (passed blocks, reward, last observation) of all worlds over an episode."""
    worlds, n = env.unwrapped.worlds, env.num_envs
    rule.bind(worlds.layout, public_info(worlds))
    obs, infos = env.reset(seed=seed)
    state, start, total = None, np.ones(n, dtype=bool), 0.0
    for _ in range(worlds.scenario.n_step):
        action, state = rule.predict(obs, state, start)
        obs, reward, _, _, infos = env.step(action)
        total, start = total + reward.sum(), np.zeros(n, dtype=bool)
    return float(infos["blocks_passed"].sum()), total, obs


def worlds_of(**overrides: Any) -> Any:
    made = {"scenario": "tertiary-1", "overrides": small() | overrides}
    return gym.make_vec("DERGroup-v0", num_envs=6, vectorization_mode="vector_entry_point", **made)


@pytest.fixture(scope="module")
def env() -> Any:
    return worlds_of()


def test_facts_say_how_fast_the_paths_are(env: Any) -> None:
    known = public_info(env.unwrapped.worlds)
    names = env.unwrapped.layout.leaf_names
    assert known.leaf_class == tuple(name.split("-")[0] for name in names)
    for share in (known.arrived, known.shown):
        assert (np.diff(share, axis=1) >= -1e-12).all() and (share >= 0).all() and (share[:, -1] == 1).all()
    assert (known.shown <= known.arrived + 0.2).all()
    direct, polled = names.index("battery-P1-direct"), names.index("battery-P4-C")
    assert known.arrived[direct, 0] > 0.9 and known.arrived[polled, 0] < 0.5
    assert known.way_p95_s[direct] < 60 < known.way_p95_s[polled] <= 330
    assert known.report_s[direct] < known.report_s[polled]
    assert known.stores.sum() == 5 and known.decision_s == 60 and known.n_block == 2


def test_the_closed_loops_do_better_than_nothing() -> None:
    env = worlds_of(**{"fleet.n_device": 600})  # of 60 devices each is a large step: what they earn is luck
    nothing = episode(env, CONTROLLERS["idle"]())
    for name in LOOPS:
        passed, reward, _ = episode(env, make(name))
        assert passed > nothing[0] and reward > nothing[1]


@pytest.fixture(scope="module")
def four() -> Any:
    """Return worlds of four half hours: some tricks are played in the last ones alone."""
    return worlds_of(**{"episode.n_block": 4})


@pytest.mark.parametrize("cheater", CHEATERS)
def test_a_cheater_bends_the_rule(four: Any, cheater: Any) -> None:
    honest, bent = episode(four, make("merit_order"), 5), episode(four, cheater(), 5)
    assert honest[2].tobytes() != bent[2].tobytes() or honest[1] != bent[1]


def test_tuning_writes_the_best_trial_and_where_it_comes_from(tmp_path: Path) -> None:
    path, told = tmp_path / "open_loop.yaml", []
    scenario = {"base": "tertiary-1", **nested(small())}
    kept = [
        tune("open_loop", scenario, 6, range(2), path=path, progress=lambda *share: told.append(share))
        for _ in range(2)
    ]
    assert kept[0] == kept[1] and [k for k, _, _ in told] == [1, 2, 3, 4, 5, 6] * 2
    tried = [trial.config for trial in kept[0].trials]
    assert tried[:2] == [make("open_loop").config, CONTROLLERS["open_loop"].config_class()]
    assert len({str(config) for config in tried[2:]}) >= 2  # drawn, and moved from the best
    assert kept[0].best == max(kept[0].trials, key=lambda trial: trial.reward)
    assert kept[0].best.reward >= kept[0].trials[0].reward  # never settings that score worse than the shipped
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert data["values"] == kept[0].best.config.model_dump()
    assert data["provenance"]["n_trial"] == 6 and data["provenance"]["n_seed"] == 2


def test_tuning_searches_the_parts_of_leaves_in_its_second_half() -> None:
    scenario = {"base": "incentive-evening", **nested(small("incentive-evening"))}
    found = search("flat_offer", scenario, 12, range(1))
    tried = [trial.config.model_dump()["leaf_part"] for trial in found.trials]
    assert not any(tried[:6]) and len({str(parts) for parts in tried[6:]}) > 3
    parts = [part for each in tried for part in each.values()]
    assert 0.0 in parts and any(0.0 < part <= 2.0 for part in parts)


def test_tuning_begins_with_the_settings_that_are_given() -> None:
    scenario = {"base": "incentive-evening", **nested(small("incentive-evening"))}
    first = base.settings("flat_offer", {"leaf_part": {"battery-P3-A": 0.5}, "store_yen_kwh": 33.0})
    found = search("flat_offer", scenario, 8, range(1), first=first)
    assert found.trials[0].config == first and found.trials[1].config == base.settings("flat_offer", {})
    drawn = [trial.config.model_dump() for trial in found.trials[2:4]]
    assert [each["leaf_part"] for each in drawn] == [{"battery-P3-A": 0.5}] * 2  # what is not drawn stays
    assert 33.0 not in [each["store_yen_kwh"] for each in drawn]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "idle"}, "declares no search space; allowed: open_loop"),
        ({"budget_trials": 0}, "0 trials"),
        ({"seeds": []}, "0 seeds"),
        ({"seeds": [2_000_000]}, "no seed of split 'train'; allowed: 0..999999"),
        ({"split": "tset"}, "did you mean 'test'"),
    ],
)
def test_tuning_refuses(values: dict[str, Any], said: str) -> None:
    call = {"name": "open_loop", "scenario": "tertiary-1", "budget_trials": 1, "seeds": [0], **values}
    with pytest.raises(InputError, match=said):
        tune(**call)
