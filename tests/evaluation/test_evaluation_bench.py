"""The measuring itself: what is counted, never how fast this machine happens to be."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest

from der_gym.core.errors import DerGymError
from der_gym.evaluation import bench, bench_kernels
from der_gym.network import deliver


@pytest.fixture
def spend(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what lets time pass, in place of the machine's clock."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


def test_the_rate_is_the_median_of_the_runs(spend: Callable[[float], None]) -> None:
    calls = []

    def step(k: int) -> None:
        calls.append(k)
        spend(0.125 if k < 8 else 0.0625)

    assert bench.rate(step, bench.Pace(n_run=3, run_s=1.0)) == 16.0  # runs at 8, 16 and 16 calls a second
    assert calls == list(range(8 + 16 + 16))


def test_resets_are_not_counted(spend: Callable[[float], None]) -> None:
    clock = bench.Clock(lambda: spend(3.0), n_step=3)
    for _ in range(6):
        clock.count(lambda action: spend(1.0), None)
    assert clock.share() == 0.5


def test_targets_have_a_side() -> None:
    assert bench.Figure("a", 40.0, "us", 50.0).met is True
    assert bench.Figure("a", 40.0, "steps/s", 50.0, at_most=False).met is False
    assert bench.Figure("a", 40.0, "s").met is None


def test_actions_differ_from_step_to_step() -> None:
    drawn = bench.actions(2, 3)
    assert drawn.shape == (bench.N_ACTION, 2, 3)
    assert len(np.unique(drawn, axis=0)) == bench.N_ACTION
    assert np.abs(drawn).max() <= 1.0


def test_noting_hears_the_kernels_of_a_step_and_changes_nothing() -> None:
    settings = {"signals.start": "2026-08-03", "services.tertiary-1.limits": "off"}
    envs = [gym.make("der_gym:DERGroup-v0", scenario="tertiary-1-tiny", overrides=settings) for _ in range(2)]
    before = deliver.deliver
    steps = []
    for env, listened in zip(envs, (False, True), strict=True):
        env.reset(seed=1)
        action = np.full(env.action_space.shape, 0.5, np.float32)
        if listened:
            with bench_kernels.noting() as heard:
                steps.append(env.step(action))
        else:
            steps.append(env.step(action))
    assert (steps[0][0] == steps[1][0]).all()
    assert {
        "devices.battery.battery.advance",
        "network.deliver.deliver",
        "services.tertiary_1.settlement.advance",
    } <= heard.keys()
    assert deliver.deliver is before
    kernel, given = heard["network.deliver.deliver"][0]
    assert kernel is before
    kernel(*given)  # on copies: the environment goes on as the other
    following = [env.step(np.zeros(env.action_space.shape, np.float32)) for env in envs]
    assert (following[0][0] == following[1][0]).all()


def test_a_failed_measurement_is_one_line() -> None:
    with pytest.raises(DerGymError, match="measuring large ended with 1"):
        bench.child("large", {}, "none", "1", "1")


def test_the_report_is_json_and_names_the_machine() -> None:
    report = bench.Report(bench.machine(), [bench.Figure("a", 1.0, "s", 2.0)])
    read = json.loads(report.to_json())
    assert read["machine"]["cpu"]
    assert read["figures"][0]["target"] == 2.0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there a process starts with another's peak")
def test_memory_is_a_process_s_own() -> None:
    held = np.ones(50_000_000)
    code = "from der_gym.evaluation.bench_child import _peak_bytes; print(_peak_bytes())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 10e6 < int(told.stdout) < held.nbytes
