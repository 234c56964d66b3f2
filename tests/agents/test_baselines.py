"""Plain baselines as a user runs them: a curve, a table, a policy where there can be one, and refusals in one line."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from worlds import nested, small

from agents import plain
from agents.progress import horizon
from der_gym.controllers import public_info
from der_gym.controllers.policy import Policy
from der_gym.core.errors import InputError
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.env.worlds import Worlds

ROOT = Path(__file__).resolve().parents[2]
SCRIPT, YAMLS = ROOT / "agents" / "baselines.py", ROOT / "configs" / "rl_zoo3"
SMALL = ["--worlds", "1", "--eval-seeds", "2", "--workers", "1"]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small ladder-0's file."""
    file = tmp_path_factory.mktemp("scenario") / "small-ladder.yaml"
    file.write_text(yaml.safe_dump({"base": "ladder-0", "name": "small-ladder", **nested(small("ladder-0"))}))
    return file


@pytest.fixture(scope="module")
def env(scenario: Path) -> DERGroupSB3VecEnv:
    return DERGroupSB3VecEnv(2, scenario, {"split": "train"}, 1, infos="ends")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False)


def test_ppo_leaves_a_curve_a_policy_that_plays_and_a_table(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "ppo"
    words = ["ppo", "--scenario", scenario, "--steps", 100, "--out", out, "--test-seeds", 2, *SMALL]
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("effective horizon: 16.8 decisions, 84 min")
    assert all(name in done.stdout for name in ("ppo, seed 0", "closed_loop", "idle"))
    (row,) = csv.DictReader((out / "curve.csv").read_text().splitlines())
    assert int(row["steps"]) == 2048 and {"minutes", "cpu_minutes", "validation", "pass_rate", "noise"} <= set(row)
    card = Policy.load(out).card
    assert (card.box, card.rule.controller, card.metrics["validation"]) == ("award", "idle", float(row["validation"]))
    assert run(*words).returncode == 2  # the folder is not empty


def test_sac_leaves_its_score_alone(scenario: Path, tmp_path: Path) -> None:
    done = run("sac", "--scenario", scenario, "--steps", 110, "--out", tmp_path / "sac", "--test-seeds", 0, *SMALL)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "sac").iterdir()] == ["curve.csv"] and "policy:" not in done.stdout
    assert done.stdout.startswith("effective horizon: 100.0 decisions, 500 min")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["pp0"], "did you mean 'ppo'"),
        (["ppo", "--scenario", "ladder0"], "did you mean 'ladder-0'"),
        (["ppo", "--hyper", "gamma"], "allowed: KEY=VALUE"),
        (["ppo", "--hyper", "gama=1"], "hyperparameters of ppo"),
        (["ppo", "--hyperparameters", "no.yml"], "no.yml: cannot be read"),
        (["ppo", "--hyperparameters", ROOT / "configs" / "splits.yaml"], "no settings of 'DERGroup-v0'"),
    ],
)
def test_bad_words_are_refused_in_one_line(tmp_path: Path, words: list[Any], line: str) -> None:
    done = run(*words, "--out", tmp_path / "new")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert line in done.stderr


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(plain, "import_module", missing)
    with pytest.raises(InputError, match="sb3_contrib is not installed; install it with"):
        plain.learner("ppo_lstm")


@pytest.mark.parametrize("unit", ["award", "nominal"])
def test_an_exported_policy_answers_as_its_model_does(scenario: Path, tmp_path: Path, unit: str) -> None:
    overrides = {"split": "train", "action.unit": unit}
    env = DERGroupSB3VecEnv(2, scenario, overrides, 1, infos="ends")
    model = plain.made("ppo", env, 3, {})
    assert plain.export(tmp_path, model, env, "ppo", {"validation": 0.0, "pass_rate": 0.0, "steps": 0, "minutes": 0.0})
    policy = Policy.load(tmp_path)
    worlds = env.native.worlds
    policy.bind(worlds.layout, public_info(worlds))
    obs, state = env.reset(), None
    for step in range(12):  # the last ones lie behind the award, where a policy that corrects a rule is silent
        action, state = policy.predict(obs, state, np.full(2, step == 0))
        assert np.allclose(action, model.predict(obs, deterministic=True)[0], atol=2e-6)
        assert (action != 0).all()
        obs, *_ = env.step(action)
    other = Worlds(scenario, {"action.unit": "nominal" if unit == "award" else "award"}, 1)
    with pytest.raises(InputError, match=f"action.unit .*; allowed: '{unit}'"):
        policy.bind(other.layout, public_info(other))


def test_a_recurrent_learner_remembers_until_an_episode_starts(env: DERGroupSB3VecEnv) -> None:
    learned = plain.Learned(plain.made("ppo_lstm", env, 0, {}))
    obs, start, going = env.reset(), np.ones(2, bool), np.zeros(2, bool)
    first, state = learned.predict(obs, None, start)
    assert {name: array.shape[0] for name, array in state.items()} == {"hidden": 2, "cell": 2}
    second, _ = learned.predict(obs, state, going)
    mixed, _ = learned.predict(obs, state, np.array([True, False]))
    assert (second != first).all()
    assert np.allclose(mixed, [first[0], second[1]], atol=1e-6)


@pytest.mark.parametrize("algorithm", plain.ALGORITHMS)
def test_the_settings_for_rl_zoo3_are_the_librarys_defaults(algorithm: str, env: DERGroupSB3VecEnv) -> None:
    given = plain.read_hyperparameters(YAMLS / f"{algorithm}.yml")
    assert given.pop("n_envs") == 4 and given.pop("n_timesteps") > 0
    assert given.pop("policy") == plain.ALGORITHMS[algorithm][2]
    small_buffer = {"buffer_size": 1000} if "buffer_size" in given else {}
    named, default = (plain.made(algorithm, env, 0, values | small_buffer) for values in (given, {}))
    for name in given.keys() - small_buffer.keys():
        mine, own = getattr(named, name), getattr(default, name)
        assert (mine(1.0) == own(1.0)) if callable(mine) else mine == own, name
    with pytest.raises(InputError, match=rf"hyperparameters of {algorithm}: .*gama"):
        plain.made(algorithm, env, 0, {"gama": 0.9})


def test_every_file_for_rl_zoo3_is_tested_here() -> None:
    assert {path.stem for path in YAMLS.iterdir()} == set(plain.ALGORITHMS)


def test_noise_of_actions_is_read_as_rl_zoo3_does(env: DERGroupSB3VecEnv) -> None:
    made = plain.made("td3", env, 0, {"buffer_size": 100, "noise_type": "normal", "noise_std": 0.1})
    assert made.action_noise._sigma == pytest.approx([0.1])
    with pytest.raises(InputError, match="noise_type"):
        plain.made("td3", env, 0, {"noise_type": "pink", "noise_std": 0.1})


def test_one_hyperparameter_is_set_by_its_name_within_a_mapping_too(env: DERGroupSB3VecEnv) -> None:
    given: dict[str, Any] = {"gamma": 0.9, "policy_kwargs": {"ortho_init": False}}
    plain.set_each(given, {"policy_kwargs.log_std_init": -2, "n_epochs": 3})
    assert given == {"gamma": 0.9, "n_epochs": 3, "policy_kwargs": {"ortho_init": False, "log_std_init": -2}}
    assert plain.noise(plain.made("ppo", env, 0, given)) == pytest.approx(np.exp(-2))
    assert plain.noise(plain.made("ppo", env, 0, {"use_sde": True})) is None  # it depends on the state
    with pytest.raises(InputError, match=r"--hyper gamma\.x: gamma is 0\.9; allowed"):
        plain.set_each(given, {"gamma.x": 1})


def test_the_horizon_counts_decisions_and_minutes() -> None:
    assert horizon(0.99, 0.95, 300).startswith("effective horizon: 16.8 decisions, 84 min")  # 1 / (1 - .9405) = 16.8
    assert horizon(0.9, 1.0, 60, hold=15).startswith("effective horizon: 150.0 decisions, 150 min")
