"""Regression on one's own tracking errors: what is learned from, what is fitted, and what a run leaves."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from worlds import nested, small

from agents import tracking
from der_gym.controllers import public_info
from der_gym.controllers.policy import Policy
from der_gym.core.errors import InputError
from der_gym.env.worlds import Worlds
from der_gym.evaluation.play import EpisodeRunner
from der_gym.evaluation.recorder import Recorder
from der_gym.scenario.load import load

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "agents" / "train_tracker.py"
SMALL = ["--worlds", "4", "--episodes", "8", "--updates", "40", "--hidden", "8", "--eval-seeds", "2", "--workers", "1"]


def command(*words: object) -> list[str]:
    return [sys.executable, str(SCRIPT), *map(str, words)]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small scenario's file."""
    file = tmp_path_factory.mktemp("scenario") / "small-one.yaml"
    file.write_text(yaml.safe_dump({"base": "tertiary-1", "name": "small-one", **nested(small())}))
    return file


@pytest.fixture(scope="module")
def trained(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of two rounds."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    words = command("--scenario", scenario, "--out", out, "--rounds", "2", *SMALL)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "round 2" in done.stdout and "best on validation" in done.stdout
    return out


@pytest.mark.parametrize(("decision_s", "lag"), [(60, 0), (60, 1), (60, 7), (300, 1), (120, 2)])
def test_a_decision_answers_for_the_rest_of_the_window_in_which_it_acts(decision_s: int, lag: int) -> None:
    error = np.random.default_rng(1).normal(size=(2, 30))
    error[0, 10] = np.nan  # no award stands
    n_step = 30 * 60 // decision_s
    got = tracking.ahead(error, n_step, decision_s, 300, lag)
    for k in range(n_step):
        first = (k + lag) * decision_s // 60
        minutes = [m for m in range(first, 30) if m // 5 == first // 5]
        wanted = [np.mean([error[w, m] for m in minutes]) if minutes else np.nan for w in range(2)]
        np.testing.assert_allclose(got[:, k], wanted)


def test_examples_are_the_decisions_with_an_award_and_what_was_seen_before_them() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    wanted = np.array([[np.nan, 1.0, 2.0, np.nan], [3.0, np.nan, np.nan, 4.0]], np.float32)
    seen, rows, found = tracking.examples([tracking.Round(x, wanted, wanted, 0.0)], frames=3)
    assert found.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert rows.tolist() == [[0, 1, 0, 0], [0, 2, 1, 0], [1, 0, 0, 0], [1, 3, 2, 1]]
    assert np.array_equal(seen, x)


def test_a_fit_finds_a_linear_law() -> None:
    torch.manual_seed(0)
    x = np.random.default_rng(2).normal(size=(8, 60, 3)).astype(np.float32)
    before = np.concatenate([x[:, :1], x[:, :-1]], axis=1)
    wanted = 0.3 * x[:, :, 0] - 0.2 * before[:, :, 1]
    net = tracking.network(6, 16)
    loss = tracking.fit(net, [tracking.Round(x, wanted, wanted, 0.0)], 2, 800, 128, 1e-2)
    assert loss < 0.05 * wanted.var()


def test_the_log_holds_the_errors_of_the_trace() -> None:
    worlds, every = Worlds("tertiary-1", small(), 2), np.ones(2, bool)
    worlds.reset(every, {i: np.random.default_rng(i) for i in range(2)}, {})
    action = np.full((2, worlds.layout.n_leaf), 0.2, np.float32)
    with tracking.ErrorLog(worlds) as log, Recorder(worlds) as recorder:
        for _ in range(worlds.scenario.n_step):
            recorder.before(action)
            worlds.step(action, every)
            recorder.after()
    trace = recorder.trace
    np.testing.assert_allclose(log.error_kw, trace.plan_kw - trace.metered_kw - trace.target_kw, atol=1e-3)
    assert np.abs(log.error_kw).max() > 1.0


def test_a_run_leaves_a_policy_and_its_curve(trained: Path) -> None:
    rows = list(csv.DictReader((trained / "progress.csv").read_text().splitlines()))
    assert [int(row["episodes"]) for row in rows] == [8, 16]
    policy = Policy.load(trained)
    assert policy.card.metrics["validation"] == pytest.approx(max(float(r["validation"]) for r in rows), abs=1e-4)
    assert policy.card.frames == 4 and policy.card.hold == 1 and policy.card.scenario == "small-one"
    assert not list(trained.glob("*.next*"))


def test_it_moves_stores_alone(trained: Path, scenario: Path) -> None:
    policy = Policy.load(trained)
    played = EpisodeRunner(load(str(scenario)), 1).play(policy, [3], run_on=False)
    assert np.isfinite(played.reward).all()
    stores = public_info(Worlds(load(str(scenario)), None, 1)).stores
    last = policy.weights[-(len(stores) * (1 + policy.card.hidden[-1])) :].reshape(-1, len(stores))
    assert (last[:, ~stores] == 0).all() and (last[:, stores] != 0).any()


def test_of_commands_and_offers_it_moves_commands_of_stores_that_obey() -> None:
    worlds = Worlds("tertiary-1-both", small("tertiary-1-both", {"fleet.n_device": 60}), 1)
    entries, reach = tracking.carried(worlds, 0.5)
    layout, obeys = worlds.layout, public_info(worlds).obeys
    named = [name for name, moved in zip(layout.leaf_names, entries, strict=False) if moved]
    assert named == ["battery-P2-router", "battery-P1-direct"] and not entries[layout.n_leaf :].any()
    assert not obeys.all() and sum(np.array(reach)[entries[: layout.n_leaf]]) == pytest.approx(0.5)


def test_a_scenario_of_offers_alone_is_refused() -> None:
    worlds = Worlds("incentive-evening", small("incentive-evening", {"fleet.n_device": 40}), 1)
    with pytest.raises(InputError, match="incentive-evening: nobody is commanded; allowed: control dispatch, both"):
        tracking.carried(worlds, 0.5)


def test_a_service_without_a_trajectory_is_refused() -> None:
    quick = {**small(), "tick_s": 5, "decision_s": 60}
    worlds = Worlds("tertiary-1", quick, 1)
    worlds.simulator.market.primary.sample_s = 5
    with pytest.raises(InputError, match="samples of 5 s; allowed: a first service with 60 s"):
        tracking.ErrorLog(worlds)


def test_a_variation_that_changes_the_leaves_is_refused(scenario: Path, tmp_path: Path) -> None:
    also = "groups.control.by=[class]"
    words = command("--scenario", scenario, "--out", tmp_path / "run", "--also", also, *SMALL)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f"--also {also}: changes the leaves" in done.stderr


def test_sigterm_keeps_the_best_policy_so_far(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = command("--scenario", scenario, "--out", out, "--rounds", "1000", *SMALL)
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "policy.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 143 and "Traceback" not in said
    assert Policy.load(out).card.scenario == "small-one"
