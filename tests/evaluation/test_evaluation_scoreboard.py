"""The scoreboard: the same worlds for all, figures that can be worked out by hand, files that are whole."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from der_gym.controllers import Controller
from der_gym.core.errors import InputError
from der_gym.env.reward.reward import TERMS
from der_gym.evaluation import controller_factory, measures, results
from der_gym.evaluation import scoreboard as board_module
from der_gym.evaluation.causes import PARTS
from der_gym.evaluation.play import EpisodeRunner
from der_gym.evaluation.scoreboard import Scoreboard, evaluate, seeds_of
from der_gym.scenario.load import load
from der_gym.services.tertiary_1.settlement import OUTCOME

ONE_DAY = {"signals.start": "2026-08-03", "services.tertiary-1.limits": "off"}  # a pool of few days
SHORT = ONE_DAY | {"episode.n_block": 3, "episode.n_block_after": 1}
NAMES = ["closed_loop", "open_loop", "random"]


@pytest.fixture(scope="module")
def board() -> Scoreboard:
    return evaluate("tertiary-1-tiny", NAMES, 5, overrides=SHORT)


def test_idle_is_always_a_row_and_the_best_comes_first(board: Scoreboard) -> None:
    assert list(board.scores) == ["idle", *NAMES]
    rows = board.summary()
    rewards = [row["reward"] for row in rows]
    assert rewards == sorted(rewards, reverse=True)
    assert rows[0]["controller"] == "closed_loop"
    assert rows[0]["pass_rate"] > 0.5


def test_every_controller_meets_the_same_worlds(board: Scoreboard) -> None:
    first = board.scores["idle"].played
    for score in board.scores.values():
        assert score.played.start_abs_s.tolist() == first.start_abs_s.tolist()
        assert (score.played.trace.target_kw == first.trace.target_kw).all()
        assert (score.played.award_kw == first.award_kw).all()
        assert score.played.seeds.tolist() == seeds_of("test", 5)


def test_a_row_is_the_single_environment_of_its_seed(board: Scoreboard) -> None:
    env = gym.make("der_gym:DERGroup-v0", scenario="tertiary-1-tiny", overrides={**SHORT, "split": "test"})
    env.reset(seed=board.seeds[3])
    total, ended = 0.0, False
    while not ended:
        _, reward, _, ended, info = env.step(np.zeros(env.action_space.shape, np.float32))
        total += float(reward)
    played = board.scores["idle"].played
    assert played.reward[3] == total
    assert played.yen("total")[3] == info["yen_total"]


def test_the_chunks_do_not_show(board: Scoreboard) -> None:
    again = evaluate("tertiary-1-tiny", ["closed_loop", "random"], 5, overrides=SHORT, chunk=2)
    for name in ("idle", "closed_loop", "random"):
        for key, values in board.scores[name].columns.items():
            assert values.tolist() == again.scores[name].columns[key].tolist(), key
        assert (board.scores[name].played.trace.true_kw == again.scores[name].played.trace.true_kw).all()


def test_the_trace_is_what_was_settled(board: Scoreboard) -> None:
    played = board.scores["closed_loop"].played
    trace = played.trace
    response = (trace.plan_kw - trace.metered_kw).astype(float)
    error = np.abs(response - trace.target_kw).reshape(5, 4, 30).mean(axis=2)
    assert error[:, :3] == pytest.approx(played.outcome[:, :3, OUTCOME.MEAN_ABS_ERROR_KW], rel=1e-4, abs=1e-3)
    assert trace.leaf_kw.sum(axis=2) == pytest.approx(trace.true_kw, abs=1e-3)
    assert (trace.lost_kw <= trace.up_kw + 1e-6).all()
    assert (np.abs(trace.action) <= 1.0).all()


def test_recording_changes_no_bit() -> None:
    scenario = load("tertiary-1-tiny", {**SHORT, "split": "test"})
    stage = EpisodeRunner(scenario)
    (rule,) = controller_factory.players(["closed_loop"]).values()
    played = stage.play(rule, [1, 2], run_on=False)
    env = gym.make_vec(
        "der_gym:DERGroup-v0", num_envs=2, vectorization_mode="vector_entry_point", scenario=scenario.model_dump()
    )
    obs, _ = env.reset(seed=[1, 2])
    state, start, total = None, np.ones(2, bool), np.zeros(2)
    for _ in range(scenario.n_step):
        action, state = rule.predict(obs, state, start)
        obs, reward, _, _, _ = env.step(action)
        total, start = total + reward, np.zeros(2, bool)
    assert played.reward.tolist() == total.tolist()


def test_measures_by_hand(board: Scoreboard) -> None:
    idle, loop = board.scores["idle"], board.scores["closed_loop"]
    assert idle.columns["messages_per_unit"].tolist() == [0.0] * 5
    assert loop.columns["messages_per_unit"].min() > 1.0
    assert loop.columns["judged_share"].tolist() == [1.0] * 5
    passed = [(loop.played.passed[i] == 1).sum() / 3 for i in range(5)]
    assert loop.columns["pass_rate"] == pytest.approx(passed)
    i = 2
    off = (loop.played.trace.plan_kw - idle.played.trace.true_kw)[i, :90].astype(float).reshape(-1, 5).mean(axis=1)
    assert loop.columns["plan_error_share"][i] == pytest.approx(off.std() / loop.played.award_kw[i, 0], rel=1e-6)
    assert abs(loop.columns["yield_share"].mean() - 1.0) < abs(idle.columns["yield_share"].mean() - 1.0)


def test_home_quantiles() -> None:
    homes = np.array([[0.0, 0.0, 0.0, 4.0], [1.0, 1.0, 1.0, 1.0]], dtype=np.float32)
    assert measures.home_quantile(homes, 0.5).tolist() == [0.0, 1.0]
    assert measures.home_quantile(homes, 1.0).tolist() == [4.0, 1.0]
    assert measures.home_quantile(np.zeros((2, 0), np.float32), 0.5).tolist() == [0.0, 0.0]


def test_comparisons_name_base_and_next(board: Scoreboard) -> None:
    rows = {row["controller"]: row for row in board.summary()}
    assert math.isnan(rows["closed_loop"]["against_base"])
    assert rows["random"]["against_base_high"] < 0.0
    assert rows["closed_loop"]["beats_next"] > 0.5
    assert math.isnan(board.summary()[-1]["beats_next"])
    assert rows["idle"]["failed_blocks"] == len(board.scores["idle"].failures)
    assert rows["idle"]["main_cause"] == "no command"


def test_every_failed_block_has_a_line(board: Scoreboard) -> None:
    for score in board.scores.values():
        assert len(score.failures) == int((score.played.passed == 0.0).sum())
        assert all("\n" not in failure.line for failure in score.failures)


def test_files_are_written_and_read_back(board: Scoreboard, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    written = {path.name for path in results.save(board, folder, command=["der-gym", "evaluate"])}
    assert {"scoreboard.csv", "seeds.csv", "failures.csv", "run.json", "traces-idle.npz"} <= written
    assert {path.name for path in folder.iterdir()} == written
    rows = list(csv.DictReader((folder / "seeds.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 4 * 5
    got = [float(row["reward"]) for row in rows if row["controller"] == "random"]
    assert got == pytest.approx(board.scores["random"].columns["reward"], rel=1e-8)
    failed = list(csv.DictReader((folder / "failures.csv").read_text(encoding="utf-8").splitlines()))
    parts = [f"{part.replace(' ', '_')}_kw" for part in PARTS]
    assert len(failed) > 4
    for row in failed:
        assert sum(float(row[part]) for part in parts) == pytest.approx(float(row["worst_error_kw"]), abs=1e-4)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert run["scenario_hash"] == board.scenario.hash()
    assert run["seeds"] == board.seeds
    assert run["command"] == ["der-gym", "evaluate"]
    assert {"python", "numpy", "numba", "gymnasium", "der_gym"} <= run["versions"].keys()
    with np.load(folder / "traces-random.npz") as kept:
        assert kept["action"].shape == board.scores["random"].played.trace.action.shape
    if "seeds.parquet" in written:
        parquet = pytest.importorskip("pyarrow.parquet")
        assert parquet.read_table(folder / "seeds.parquet").num_rows == 20


def test_overwrite_replaces_ours_and_leaves_others(board: Scoreboard, tmp_path: Path) -> None:
    results.save(board, tmp_path)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="not empty"), results.opened(tmp_path, overwrite=False):
        pass
    old = {path.name for path in tmp_path.iterdir()}
    with results.opened(tmp_path, overwrite=True) as made:
        assert made is not None and old <= {path.name for path in tmp_path.iterdir()}
        (made.staging / "run.json").write_text("new", encoding="utf-8")
        (made.staging / "firm.csv").write_text("new", encoding="utf-8")
        made.publish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["firm.csv", "notes.txt", "run.json"]
    with pytest.raises(InputError, match="is no folder"), results.opened(tmp_path / "notes.txt", overwrite=True):
        pass


def test_a_folder_that_gets_no_results_is_not_left(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), results.opened(tmp_path / "new", overwrite=False):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / ".der-gym-new-killed").mkdir()  # of a run that was killed: it keeps nobody out
    (tmp_path / "old" / ".der-gym.lock").touch()
    with results.opened(tmp_path / "old", overwrite=False) as made:
        assert made is not None and [path.name for path in (tmp_path / "old").iterdir() if path.is_dir()] == [
            made.staging.name
        ]
        with pytest.raises(InputError, match="being written by another run"), results.opened(tmp_path / "old", True):
            pass
    assert list((tmp_path / "old").iterdir()) == []


def test_ctrl_c_keeps_what_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: object, obs: object, state: object, start: object) -> None:
        raise KeyboardInterrupt

    rule = controller_factory.players(["open_loop"])["open_loop"]
    monkeypatch.setattr(type(rule), "predict", stop)
    board = evaluate("tertiary-1-tiny", ["open_loop", "closed_loop"], 2, overrides=SHORT)
    assert board.interrupted
    assert list(board.scores) == ["idle"]
    assert board.summary()[0]["controller"] == "idle"


def test_the_recorder_gives_the_product_back_after_an_error() -> None:
    stage = EpisodeRunner(load("tertiary-1-tiny", SHORT))
    worlds = stage.worlds(1)
    product = worlds.simulator.market.primary.service

    class Wrong:
        def bind(self, layout: object, public: object) -> None: ...

        def predict(self, obs: np.ndarray, state: object, start: object) -> tuple[np.ndarray, object]:
            return np.full((1, worlds.layout.n_leaf), np.nan, np.float32), state

    wrong: Controller = Wrong()  # type: ignore[assignment]
    with pytest.raises(InputError, match="action"):
        stage.play(wrong, [1])
    assert worlds.simulator.market.primary.service is product


def test_one_s_own_controller_plays_too() -> None:
    mine = controller_factory.players(["open_loop"])["open_loop"]
    board = evaluate("tertiary-1-tiny", [("mine", mine)], 1, overrides=SHORT, base="mine")
    assert list(board.scores) == ["idle", "mine"]


@pytest.mark.parametrize(
    ("names", "n_seed", "split", "match"),
    [
        (["closed_lop"], 1, "test", "did you mean 'closed_loop'"),
        (["idle"], 0, "test", "seeds"),
        (["idle"], 1, "tests", "did you mean 'test'"),
    ],
)
def test_bad_input_is_told(names: list[str], n_seed: int, split: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        evaluate("tertiary-1-tiny", names, n_seed, split, overrides=ONE_DAY)


def test_settings_of_a_file_have_their_own_label(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("controller: closed_loop\nvalues: {gain: 1.5}\n", encoding="utf-8")
    made = controller_factory.players([f"closed_loop@{file}", "closed_loop"])
    assert list(made) == ["closed_loop@mine", "closed_loop"]
    assert made["closed_loop@mine"].config.gain == 1.5  # type: ignore[attr-defined]


def test_names_used_here_are_those_of_the_table() -> None:
    assert board_module.IDLE in controller_factory.resolve(["all"])
    assert board_module.BASE in controller_factory.resolve(["all"])
    assert len({m.name for m in measures.MEASURES}) == len(measures.MEASURES)


def test_a_base_that_does_not_play_is_refused() -> None:
    with pytest.raises(InputError, match="base: unknown name 'open_lop'; did you mean 'open_loop'"):
        evaluate("tertiary-1-tiny", ["open_loop"], 1, overrides=ONE_DAY, base="open_lop")
    with pytest.raises(InputError, match="base: unknown name 'closed_loop'"):
        evaluate("tertiary-1-tiny", ["open_loop"], 1, overrides=ONE_DAY, base="closed_loop")


def test_every_score_has_the_reward_under_all_three_variants(board: Scoreboard) -> None:
    idle, c = board.scores["idle"].columns, board.scenario.reward
    for score in board.scores.values():
        own = score.columns
        counted = score.played.terms[:, TERMS.LOCKOUT] / c.money  # of the lock-out, which ledger counts whole
        left_out = counted * (1.0 / c.lockout_share - 1.0)
        assert own["reward_shared"] == pytest.approx(own["reward"], abs=1e-9)
        assert np.array_equal(own["reward_relative"], own["reward_shared"] - idle["reward_shared"])
        assert own["reward_ledger"] == pytest.approx(own["reward_shared"] * 2 - own["accuracy"] + left_out, abs=0.2)
    assert not idle["reward_relative"].any()


def test_the_variant_that_is_played_changes_no_other_column(board: Scoreboard) -> None:
    again = evaluate("tertiary-1-tiny", NAMES[:1], 5, overrides=SHORT | {"reward.variant": "relative"})
    for name in ("idle", "closed_loop"):
        for key in ("reward_ledger", "reward_shared", "reward_relative", "profit_yen", "pass_rate"):
            assert board.scores[name].columns[key].tolist() == again.scores[name].columns[key].tolist(), key
    assert again.scores["closed_loop"].columns["reward"] == pytest.approx(
        board.scores["closed_loop"].columns["reward_relative"], abs=1e-9
    )
