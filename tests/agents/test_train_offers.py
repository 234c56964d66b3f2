"""The evolution strategy over offers: the search, the policy with few parameters, and what a run leaves."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from worlds import nested, small

from agents.evolution import Search, utilities
from agents.fresh import fresh_policy
from agents.offer_policy import OPEN_SD, OWN, Linear, chosen, scores
from agents.train_offers import Run, Settings
from der_gym.controllers import public_info
from der_gym.controllers.perceptron import answer, flatten
from der_gym.controllers.policy import Policy
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.env.worlds import Worlds
from der_gym.evaluation.play import EpisodeRunner
from der_gym.scenario.load import load

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "agents" / "train_offers.py"


def test_the_search_finds_the_top_of_a_hill_of_unequal_slopes() -> None:
    top, slope = np.array([1.0, -2.0, 0.5, 0.0]), np.array([1.0, 10.0, 0.1, 3.0])
    search = Search(np.zeros(4), 0.5, 8, seed=3)
    luck = np.random.default_rng(4)
    for _ in range(120):
        candidates = search.ask()
        np.testing.assert_allclose(candidates[:8] + candidates[8:], 2.0 * np.tile(search.centre, (8, 1)))
        search.tell(-(slope * (candidates - top) ** 2).sum(axis=1) + 0.01 * luck.normal(size=16))
    np.testing.assert_allclose(search.centre, top, atol=0.25)
    assert (search.sigma < 0.5).all()


def test_only_the_rank_of_a_score_counts() -> None:
    low = utilities(np.array([3.0, 1.0, 2.0, 0.0]))
    np.testing.assert_array_equal(low, utilities(np.array([1e6, 1.0, 2.0, -1e6])))
    assert low.sum() == pytest.approx(0.0) and low[0] > low[2] > 0 > low[1] == low[3]


@pytest.fixture(scope="module")
def policy() -> Policy:
    venv = DERGroupSB3VecEnv(2, "incentive-evening", small("incentive-evening"))
    fields = list(venv.native.worlds.layout.fields)
    without = tuple(set(fields) - set(chosen(fields)))
    return fresh_policy(venv, "flat_offer", (0.5,) * venv.native.worlds.layout.n_leaf, (), 1, 15, without)


def test_a_parameter_fills_what_it_stands_for(policy: Policy) -> None:
    linear = Linear(policy)
    theta = np.arange(1.0, linear.n + 1)
    tensors = linear.tensors(theta)
    Policy(policy.card, tensors)
    n, n_own, n_shared, weight = linear.n_leaf, linear.own.size, len(linear.shared), tensors["weight.0"]
    assert len(linear.need) == len(linear.time) == 1, "what is asked for now, and what is left of the episode"
    np.testing.assert_array_equal(weight[linear.need[0]], theta[linear.own[:, OWN.index("need")]])
    np.testing.assert_array_equal(weight[linear.time[0]], theta[linear.own[:, OWN.index("time")]])
    np.testing.assert_array_equal(weight[linear.shared], np.repeat(theta[n_own : n_own + n_shared, None], n, axis=1))
    for rows, value in zip(linear.each, theta[n_own + n_shared :], strict=True):
        np.testing.assert_array_equal(weight[rows], value * np.eye(n))
    assert (weight != 0).sum() == n * (3 + n_shared + len(linear.each))
    steps = linear.steps(0.1)
    assert (steps[:n_own] == 0.1).all() and (steps[n_own:] < 0.1).all() and len(steps) == linear.n


def test_commands_of_the_leaves_that_obey_are_moved_and_no_others() -> None:
    venv = DERGroupSB3VecEnv(2, "tertiary-1-both", small("tertiary-1-both"))
    layout = venv.native.worlds.layout
    without = tuple(set(layout.fields) - set(chosen(list(layout.fields))))
    made = fresh_policy(venv, "offers_and_commands", (0.5,) * layout.n_leaf, (), 1, 15, without)
    linear, obeys = Linear(made), public_info(venv.native.worlds).obeys
    assert 0 < obeys.sum() < layout.n_leaf and layout.action.places["dispatch"][1] == 0
    theta = np.zeros(linear.n)
    theta[linear.own] = np.arange(1.0, linear.own.size + 1).reshape(linear.own.shape)
    tensors, (_, first, n) = linear.tensors(theta), layout.action.places["offer"]
    for entries, moved in ((np.arange(n), obeys), (first + np.arange(n), ~obeys)):
        np.testing.assert_array_equal(tensors["bias.0"][entries] != 0, moved)
        np.testing.assert_array_equal((tensors["weight.0"][:, entries] != 0).any(axis=0), moved)
    place = np.flatnonzero(obeys)[0]
    assert tensors["bias.0"][place] == theta[linear.own[place, OWN.index("bias")]]
    assert tensors["weight.0"][linear.time[0], place] == theta[linear.own[place, OWN.index("time")]]


def test_a_part_changes_the_rules_price_and_a_constant_adds_to_it(policy: Policy) -> None:
    linear, theta = Linear(policy), np.zeros(Linear(policy).n)
    theta[linear.own[0]] = (-1.0, 0.0, 0.0, 0.0)
    theta[linear.own[1]] = (0.5, 0.0, 0.0, 0.0)
    theta[linear.own[2]] = (-1.0, 0.1, 0.0, 0.0)
    changed = Policy(policy.card, linear.tensors(theta))
    worlds = Worlds(load("incentive-evening", small("incentive-evening")), None, 1)
    changed.bind(worlds.layout, public_info(worlds))
    every, state, seen = np.ones(1, dtype=bool), None, 0
    worlds.reset(every, {0: np.random.default_rng(0)}, {})
    for k in range(worlds.scenario.n_step):
        obs = worlds.observe()
        action, state = changed.predict(obs, state, ~every if k else every)
        base = changed.rule.predict(obs, None, every)[0]
        if k % 15 == 0 and base[0, 0] > linear.nothing and changed.reach(obs).any():
            price = (base[0, :3] - linear.nothing) * np.array([0.0, 1.5, 0.0]) + [0.0, 0.0, 0.5 * 0.1]
            np.testing.assert_allclose(action[0, :3], linear.nothing + price, atol=1e-5)
            seen += 1
        worlds.step(action, every)
    assert seen > 3


def test_a_parameter_means_more_pay_where_offers_are_below_0_too() -> None:
    venv = DERGroupSB3VecEnv(2, "incentive-solar", small("incentive-solar"))
    fields = list(venv.native.worlds.layout.fields)
    without = tuple(set(fields) - set(chosen(fields)))
    made = fresh_policy(venv, "flat_offer", (1.0,) * venv.native.worlds.layout.n_leaf, (), 1, 15, without)
    linear = Linear(made)
    assert made.card.inputs[-3:].count("solar-purchase.bought_kwh") == 1 and len(linear.need) == 1
    theta = np.zeros(linear.n)
    theta[linear.own[0]] = (0.0, 0.2, 0.1, 0.0)
    tensors = linear.tensors(theta)
    assert tensors["bias.0"][0] == pytest.approx(-0.2) and tensors["weight.0"][linear.need[0], 0] == pytest.approx(-0.1)


def test_a_gate_takes_the_offer_of_its_leaf_below_its_need_and_nothing_else() -> None:
    venv = DERGroupSB3VecEnv(2, "incentive-solar", small("incentive-solar"))
    layout = venv.native.worlds.layout
    fields = chosen(list(layout.fields))
    n_x = sum(len(layout.places(name)) for name in fields) + layout.action.size
    without, wide = tuple(set(layout.fields) - set(fields)), (n_x + layout.n_leaf,)
    made = fresh_policy(venv, "flat_offer", (1.0,) * layout.n_leaf, wide, 1, 15, without)
    linear = Linear(made)
    theta = np.zeros(linear.n)
    theta[linear.own[0]] = (0.2, 0.1, 0.0, 0.0, OPEN_SD)
    theta[linear.own[1, 1]] = 0.1
    sizes, weights = flatten(linear.tensors(theta), 2)
    x = np.zeros((2, n_x), np.float32)
    x[:, linear.need[0]] = (-1.0, 1.0)
    out = np.zeros((2, made.card.n_entry), np.float32)
    answer(x, np.ones(2, dtype=bool), sizes, weights, np.float32(-1.0), np.float32(1.0), out)
    shut, opened = out[:, linear.offers]
    assert shut[0] == 1.0, "an offer below 0: nothing is the upper end of the Box"
    np.testing.assert_allclose(shut[1:], opened[1:], atol=1e-5)
    assert opened[0] < 0.0 and opened[1] == pytest.approx(-0.1, abs=0.01) and abs(opened[2:]).max() < 0.01


def test_a_play_of_the_trainer_is_that_of_the_policy(policy: Policy) -> None:
    """Two networks on two seeds at once score what each scores as a controller."""
    scenario, linear = load("incentive-evening", small("incentive-evening")), Linear(policy)
    draw = np.random.default_rng(0)
    networks = [linear.tensors(0.2 * draw.normal(size=linear.n)) for _ in range(2)]
    worlds = Worlds(scenario, None, 4)
    policy.bind(worlds.layout, public_info(worlds))
    got = scores(worlds, policy, networks, [5, 6])
    for row, tensors in zip(got, networks, strict=True):
        played = EpisodeRunner(scenario).play(Policy(policy.card, tensors), [5, 6], run_on=False)
        np.testing.assert_allclose(row, played.reward, rtol=1e-5, atol=1e-5)
    assert abs(got[0] - got[1]).max() > 1e-3


def small_one(folder: Path) -> Path:
    """Write a small scenario with offers; return its file."""
    file = folder / "small-one.yaml"
    own = nested(small("incentive-evening"))
    file.write_text(yaml.safe_dump({"base": "incentive-evening", "name": "small-one", **own}), encoding="utf-8")
    return file


def test_a_run_leaves_a_policy_and_its_curve(tmp_path: Path) -> None:
    file, out = small_one(tmp_path), tmp_path / "run"
    words = ["--scenario", file, "--rule", "flat_offer", "--generations", 3, "--pairs", 2, "--episodes", 2]
    words += ["--variations", "shipped,owners-low", "--eval-every", 2, "--eval-seeds", 2, "--workers", 1, "--out", out]
    done = subprocess.run([sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((out / "progress.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["generation"] for row in rows] == ["2", "3"] and "best on validation" in done.stdout
    assert [row["episodes_played"] for row in rows] == ["20", "30"]
    for row in rows:
        each = [float(row[f"against_rule_{name}"]) for name in ("shipped", "owners-low")]
        assert each[0] != each[1] and np.mean(each) == pytest.approx(float(row["against_rule"]))
    card = Policy.load(out).card
    assert card.metrics["validation"] == pytest.approx(max(float(row["validation"]) for row in rows), abs=1e-3)
    assert {"against_rule_shipped", "against_rule_owners-low"} <= set(card.metrics)
    assert card.training["variations"] == ["shipped", "owners-low"]


def test_the_days_of_a_generation_are_divided_among_owners(tmp_path: Path) -> None:
    own = {"generations": 1, "pairs": 1, "episodes": 4, "hold": 15, "reach": 0.5, "sigma": 0.1}
    told = {
        "seed": 0,
        "wide": 1,
        "gates": False,
        "sure": 1.0,
        "one": 0.0,
        "rule": "flat_offer",
        "eval_every": 1,
        "eval_seeds": 1,
    }
    settings = Settings(scenario=str(small_one(tmp_path)), variations=("shipped", "owners-high"), **own, **told)
    run = Run(settings, tmp_path, 1)
    assert [worlds.n_world for worlds in run.worlds] == [6, 6]
    terms = [worlds.scenario.offers.classes.get("ev", {}).get("hassle_yen_kwh") for worlds in run.worlds]
    assert terms == [None, 1.0] and {worlds.scenario.split for worlds in run.worlds} == {"train"}
    before = run.next_seed
    run.generation()
    assert run.next_seed == before + 4, "every day is another"


def test_days_that_cannot_be_divided_among_owners_are_refused(tmp_path: Path) -> None:
    words = ["--variations", "shipped,owners-low", "--episodes", "3", "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--episodes 3, 2 --variations; allowed: a multiple of their number" in done.stderr


def test_a_scenario_without_offers_is_refused(tmp_path: Path) -> None:
    words = ["--scenario", "tertiary-1-tiny", "--rule", "idle", "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nobody is offered pay; allowed: control incentive, both" in done.stderr
