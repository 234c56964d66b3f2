"""The trainer as a user runs it: it learns, keeps its best policy, goes on after a kill to the bit, and refuses."""

from __future__ import annotations

import copy
import csv
import errno
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from policies import tensors_for
from worlds import nested, small

from der_gym.controllers.policy import Policy
from der_gym.controllers.policy_file import WEIGHTS, RuleCard, save
from der_gym.core.errors import DerGymError, InputError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "agents" / "train_ppo.py"
SIZES = ["--worlds", "2", "--n-steps", "15", "--batch", "30", "--steps", "180", "--hidden", "8"]
SMALL = [*SIZES, "--eval-every", "2", "--eval-seeds", "2", "--workers", "1"]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small scenario's file."""
    tree = {"base": "tertiary-1", "name": "small-one", **nested(small())}
    file = tmp_path_factory.mktemp("scenario") / "small-one.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


def command(*words: object) -> list[str]:
    return [sys.executable, str(SCRIPT), *map(str, words)]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def trained(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was left alone."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = run("--scenario", scenario, "--out", out, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "effective horizon: 252.1 decisions, 252 min" in done.stdout  # 15 / (1 - .99 * .95), of a minute each
    assert "time: worlds" in done.stdout and "best on validation" in done.stdout
    return out


def test_it_leaves_a_policy_its_progress_and_a_checkpoint(trained: Path) -> None:
    rows = list(csv.DictReader((trained / "progress.csv").read_text().splitlines()))
    assert [int(row["steps"]) for row in rows] == [30, 60, 90, 120, 150, 180]
    scores = {int(row["iteration"]): float(row["validation"]) for row in rows if row["validation"]}
    assert list(scores) == [2, 4, 6]
    policy = Policy.load(trained)
    assert policy.card.metrics["validation"] == pytest.approx(max(scores.values()), abs=1e-4)
    assert policy.card.training["iteration"] == max(scores, key=lambda k: scores[k])
    assert policy.card.scenario == "small-one" and policy.card.rule.controller == "merit_order"
    assert list((trained / "tensorboard").iterdir())


def test_the_policy_plays_on_the_command_line(trained: Path, scenario: Path, tmp_path: Path) -> None:
    words = ["-m", "der_gym.cli", "evaluate", "--scenario", scenario, "--seeds", "2", "--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, *map(str, words), "--controller", f"merit_order,policy:{trained}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = [
        row["controller"] for row in csv.DictReader((tmp_path / "out" / "scoreboard.csv").read_text().splitlines())
    ]
    assert sorted(names) == ["idle", "merit_order", "policy-whole"]


def test_after_a_kill_it_goes_on_to_the_bit(trained: Path, scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    with subprocess.Popen(
        command("--scenario", scenario, "--out", out, *SMALL), stdout=subprocess.PIPE, text=True
    ) as p:
        assert p.stdout is not None
        assert "effective horizon" in p.stdout.readline()
        assert "60 steps" in p.stdout.readline()  # the first checkpoint comes right behind this line
        while not (out / "checkpoint.npz").exists():
            time.sleep(0.01)
        p.send_signal(signal.SIGKILL)
    done = run("--resume", out)
    assert done.returncode == 0, done.stderr
    for name in ("progress.csv", WEIGHTS):
        assert (out / name).read_bytes() == (trained / name).read_bytes()
    mine, whole = Policy.load(out).card, Policy.load(trained).card
    assert mine == whole


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--scale", "0.5"], "other settings than the run began with: scale 0.02 then, 0.5 now"),
        (["--steps", "999"], "steps 180 then, 999 now"),
    ],
)
def test_other_settings_are_refused(trained: Path, words: list[str], line: str) -> None:
    done = run("--resume", trained, *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert line in done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--resume", "nowhere"], "nowhere holds no checkpoint.npz"),
        (["--batch", "11"], "--batch 11: does not divide worlds x n_steps = 1792; nearest that do: 8, 14"),
        (["--hold", "11"], "--hold 11: does not divide the 90 decisions of an episode"),
        (["--scenario", "tertiary1"], "did you mean 'tertiary-1'"),
        (["--rule", "merit_ordr"], "did you mean 'merit_order'"),
        (["--rule", "all"], "--rule all: allowed: one rule"),
    ],
)
def test_bad_words_are_refused_in_one_line(scenario: Path, tmp_path: Path, words: list[str], line: str) -> None:
    done = run("--scenario", scenario, "--out", tmp_path / "new", *words)  # of two scenarios the later counts
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert line in done.stderr


def test_a_folder_in_use_is_refused(trained: Path, scenario: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.iterdir()}
    done = run("--scenario", scenario, "--out", trained, *SMALL)
    assert done.returncode == 2 and "exists and is not empty" in done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in trained.iterdir()}


# in this process ----------------------------------------------------------------------------------------------------


@pytest.fixture
def learner(scenario: Path, tmp_path: Path) -> Any:
    """Return a run in the middle: its callback, model and worlds."""
    from stable_baselines3.common.logger import configure

    from agents import train_ppo as t

    values = {
        "scenario": str(scenario),
        "rule": "merit_order",
        "scale": 0.3,
        "scale_loads": 0.3,
        "frames": 2,
        "hold": 3,
    }
    values |= {"message_fields": False, "paired": False}
    values |= {"seed": 1, "worlds": 2, "steps": 60, "n_steps": 15, "batch": 30, "epochs": 1, "learning_rate": 1e-3}
    values |= {"gamma": 0.99, "gae_lambda": 0.95, "clip": 0.2, "entropy": 0.0, "noise": 0.1, "hidden": 8}
    settings = t.Settings(**values, eval_every=1, eval_seeds=2, patience=9)  # type: ignore[arg-type]
    env = t.make_env(settings, 1)
    model = t.make_model(settings, env, configure(str(tmp_path / "log"), []))
    return t, t.Run(settings, tmp_path, env, t.Books(), lambda what, share: None), model, env


def test_numbers_that_are_not_finite_end_it_and_the_last_checkpoint_is_kept(learner: Any, tmp_path: Path) -> None:
    import torch

    t, callback, model, _ = learner
    t.learn(model, callback)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    with torch.no_grad():
        model.policy.action_net.bias[0] = float("nan")
    with pytest.raises(DerGymError, match=r"not finite after 60 steps; lower --learning-rate"):
        callback.between()
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_a_full_disk_is_told_and_the_last_checkpoint_is_kept(
    learner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    t, callback, model, _ = learner
    t.learn(model, callback)
    before = (tmp_path / "checkpoint.npz").read_bytes()

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(DerGymError, match=r"checkpoint.npz cannot be written: No space left on device; the last one"):
        callback.keep()
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("*checkpoint*")) == ["checkpoint.npz"]


def test_a_full_disk_under_the_policy_is_one_line_too(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents import train_ppo as t

    def full(folder: Path, card: Any, tensors: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / WEIGHTS))

    monkeypatch.setattr(t.policy_file, "save", full)
    words = ["train_ppo", "--scenario", str(scenario), "--out", str(tmp_path / "out"), *SMALL]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(DerGymError, match=r"policy.safetensors: cannot be written: No space left on device; what was"):
        t.typer.run(t.main)


def test_a_broken_checkpoint_is_refused(tmp_path: Path) -> None:
    from agents import checkpoint

    (tmp_path / "checkpoint.npz").write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint.read(tmp_path)


def test_no_correction_earns_what_the_rule_earns_and_ends_are_bootstrapped(learner: Any) -> None:
    _, _, _, env = learner
    x, total, zero = env.reset(), np.zeros(2), np.zeros((2, env.action_space.shape[0]), np.float32)
    for _ in range(90 // 3):
        assert x.shape == (2, env.policy.card.n_input) and np.isfinite(x).all()
        x, reward, done, infos = env.step(zero)
        total += reward / env.reward_scale
    assert done.all() and all(info["TimeLimit.truncated"] for info in infos)
    assert [info["episode"]["r"] for info in infos] == pytest.approx(total, abs=1e-4)
    last = np.stack([info["terminal_observation"] for info in infos])
    n_x = len(env.policy.mean)
    assert last.shape == x.shape and (last[:, :n_x] != x[:, :n_x]).any()
    assert (x[:, :n_x] == x[:, n_x:]).all()  # a new episode has no past; the old one's last inputs had
    assert (last[:, :n_x] != last[:, n_x:]).any()


def test_ctrl_c_while_it_is_still_importing_is_one_line(tmp_path: Path) -> None:
    with subprocess.Popen(command("--out", tmp_path / "x"), stderr=subprocess.PIPE, text=True) as p:
        assert p.stderr is not None
        time.sleep(0.5)  # torch takes longer
        p.send_signal(signal.SIGINT)
        said = p.stderr.read()
    assert p.returncode == 130 and said.count("\n") == 1 and "interrupted" in said


CHANGES: list[tuple[str, Any, str]] = [
    ("text", lambda text: text.pop("numpy"), "numpy: Field required"),
    ("text", lambda text: text.update(more=1), "unknown key"),
    ("text", lambda text: text.update(num_timesteps=-1), "num_timesteps"),
    ("text", lambda text: text.update(numpy=["system", *text["numpy"][1:]]), "MT19937"),
    (
        "text",
        lambda text: text.update(numpy=[*text["numpy"][:2], 10**9, *text["numpy"][3:]]),
        "less than or equal to 624",
    ),
    ("text", lambda text: text["numpy"][1].pop(), "at least 624"),
    ("text", lambda text: text["clock"][0].pop(), "clock holds"),
    ("text", lambda text: text["generators"][0].update(bit_generator="Philox"), "PCG64"),
    ("text", lambda text: text["generators"].pop(), "worlds"),
    ("arrays", lambda arrays: arrays.pop("base"), "base is missing"),
    ("arrays", lambda arrays: arrays.pop("ended"), "ended is missing"),
    ("arrays", lambda arrays: arrays.update(more=np.zeros(3)), "more is not known"),
    ("arrays", lambda arrays: arrays.update(last_obs=arrays["last_obs"][:, :1]), "last_obs is float32"),
    ("arrays", lambda arrays: arrays.update(torch_state=arrays["torch_state"].astype(np.float64)), "torch_state"),
    ("arrays", lambda arrays: arrays.update(torch_state=arrays["torch_state"] | 255), "torch_state: Invalid"),
    ("arrays", lambda arrays: arrays.update({"adam.0.step": np.zeros(9)}), "adam.0.step"),
    ("arrays", lambda arrays: arrays.update({"world.abs_s": arrays["world.abs_s"] * 0 - 1}), "abs_s"),
    ("arrays", lambda arrays: arrays.update({"net.log_std": arrays["net.log_std"].astype(str)}), "net.log_std"),
]


@pytest.mark.parametrize(("part", "change", "said"), CHANGES, ids=[said for _, _, said in CHANGES])
def test_a_checkpoint_that_does_not_fit_is_refused(restorable: Any, part: str, change: Any, said: str) -> None:
    text, arrays = copy.deepcopy(restorable.text), dict(restorable.arrays)
    change(text if part == "text" else arrays)
    with pytest.raises(InputError, match=said) as error:
        restorable.put(text, arrays)
    assert len(str(error.value).splitlines()) == 1


def test_a_checkpoint_runs_no_code_and_unpacks_nothing(restorable: Any) -> None:
    from agents import checkpoint

    for keep, more in ((np.savez_compressed, {}), (np.savez, {"more": np.array([print], dtype=object)})):
        keep(restorable.path, text=np.array("{}"), **restorable.arrays, **more)
        with pytest.raises(InputError, match=r"packed|pickle"):
            checkpoint.read(restorable.folder)


@pytest.fixture(scope="module")
def restorable(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a learner after one iteration, and its checkpoint."""
    from fuzzing.training import Training

    return Training(tmp_path_factory.mktemp("restorable"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_behind_an_iteration_and_it_goes_on_to_the_bit(
    trained: Path, scenario: Path, tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "cut"
    words = command("--scenario", scenario, "--out", out, *SMALL)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        assert "effective horizon" in running.stdout.readline()
        assert "60 steps" in running.stdout.readline()  # of the first evaluation
        running.send_signal(number)
        said = running.stderr.read()
    assert (running.returncode, said) == (
        code,
        f"interrupted; go on with: python agents/train_ppo.py --resume {out}\n",
    )
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
    done = run("--resume", out)
    assert done.returncode == 0, done.stderr
    assert (out / "policy.safetensors").read_bytes() == (trained / "policy.safetensors").read_bytes()
    assert (out / "progress.csv").read_bytes() == (trained / "progress.csv").read_bytes()


def plain_policy(kept: Policy, folder: Path) -> Path:
    """Return the folder of a policy like ``kept`` that answers in the Box."""
    folder.mkdir()
    rule = RuleCard(controller="idle", values={})
    card = kept.card.model_copy(update={"box": "nominal", "rule": rule})
    save(folder, card, tensors_for(card))
    return folder


def test_a_run_can_begin_with_a_policy(learner: Any, trained: Path, tmp_path: Path) -> None:
    from stable_baselines3.common.logger import configure

    from agents import networks

    t, run, _, _ = learner
    settings = replace(run.settings, start=str(trained), hold=15)
    env = t.make_env(settings, 1)
    model = t.make_model(settings, env, configure(str(tmp_path / "log"), []))
    kept = Policy.load(trained)
    mine = Policy(kept.card, networks.tensors(networks.action_layers(model), env.policy))
    for name in ("weights", "mean", "gain"):
        assert np.array_equal(getattr(mine, name), getattr(kept, name))
    box = plain_policy(kept, tmp_path / "plain")
    with pytest.raises(InputError, match=r"--start .*: corrects no rule; allowed: a policy that does"):
        t.make_env(replace(settings, start=str(box)), 1)
    with pytest.raises(InputError, match=r"--hold 5: .* holds a correction for 15"):
        t.make_env(replace(settings, hold=5), 1)
