"""The command as a user types it: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import der_gym
from der_gym import cli
from der_gym.cli.common import parse_settings
from der_gym.core.errors import InputError
from der_gym.core.folders import locked
from der_gym.engine import cache as caching
from der_gym.evaluation.play import EpisodeRunner

SET = ["--set", "signals.start=2026-08-03", "--set", "services.tertiary-1.limits=off"]  # a pool of few days
SHORT = [*SET, "--set", "episode.n_block=2", "--set", "episode.n_block_after=1"]
Shown = tuple[int, str, str]
Command = Callable[..., Shown]


def succeed(shown: Shown) -> str:
    code, out, err = shown
    assert code == 0, err
    return out


def refuse(shown: Shown) -> str:
    """Return the one line on stderr of a command that must end with 2."""
    code, out, err = shown
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_version_and_help(command: Command) -> None:
    assert succeed(command("--version")).strip() == der_gym.__version__
    shown = succeed(command("--help"))
    for name in ("run", "evaluate", "firm", "tune", "list", "validate", "schema", "cache", "bench"):
        assert name in shown
        assert "Usage" in succeed(command(name, "--help"))


def test_the_help_is_quick_to_load() -> None:
    code = "import sys, der_gym.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"scipy", "torch", "pandas", "pyarrow", "der_gym.simulation.simulator"} & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("scenarios", "tertiary-1-tiny"),
        ("controllers", "closed_loop"),
        ("devices", "ecocute"),
        ("paths", "P4-slow"),
        ("services", "三次調整力①"),
        ("fields", "leaf.age_mean_s"),
        ("heads", "dispatch.a"),
    ],
)
def test_lists(command: Command, what: str, name: str) -> None:
    out = succeed(command("list", what))
    assert name in out
    assert max(map(len, out.splitlines())) <= 120


def test_run_shows_ledger_outcome_and_causes(command: Command) -> None:
    out = succeed(command("run", "tertiary-1-tiny", "--controller", "idle", "--seed", 1, *SHORT))
    assert "idle, seed 1, from 2026-08-03" in out
    for line in ("revenue", "penalty", "total", "blocks passed", "unserved_kwh"):
        assert line in out
    assert "no command: nothing was asked of any leaf" in out


def test_run_is_the_same_twice_and_differs_with_the_seed(command: Command) -> None:
    words = ["run", "tertiary-1-tiny", "--controller", "open_loop", *SHORT]
    first, again, other = (succeed(command(*words, "--seed", seed)) for seed in (4, 4, 5))
    assert first == again
    assert first != other


@pytest.mark.filterwarnings("always:.*bins cut to the award:UserWarning")
def test_run_takes_a_fleet_a_request_and_an_hour(command: Command, tmp_path: Path) -> None:
    fleet, request = tmp_path / "fleet.csv", tmp_path / "request.csv"
    fleet.write_text("id,class,path\n" + "".join(f"b{i},battery,P1\n" for i in range(4)), encoding="utf-8")
    rows = [f"2026-08-03 {10 + k // 12:02d}:{k % 12 * 5:02d},{-3000 if k < 4 else -1}\n" for k in range(18)]
    request.write_text("datetime,request_kw\n" + "".join(rows), encoding="utf-8")
    words = ["--fleet", fleet, "--request", request, "--request-sign", "upward_negative", "--start", "2026-08-03"]
    set_ = {"services.tertiary-1.award_kw": 2, "services.tertiary-1.limits": "off"}
    set_ |= {"episode.n_block": 2, "episode.n_block_after": 1}
    short = [word for key, value in set_.items() for word in ("--set", f"{key}={value}")]
    more = ["--start-h", 10, "--out", tmp_path / "out"]
    asked = r"\(up to 3,000 kW asked; are these W\? numbers are read as kW\)"
    cut = f"4 of 12 bins cut to the award of 2 kW {asked}; 6 bins outside the awarded blocks set to 0"
    code, out, err = command("run", "tertiary-1-tiny", "--controller", "open_loop", *words, *more, *short)
    assert code == 0 and len(re.findall(cut, err)) == 1
    assert re.search(f"Done to your files: {request}: {cut}", out)
    drawn = f"{fleet}: rated_kw of 4 of 4 devices is not given and drawn"
    assert f"Done to your files: {drawn}" in out
    assert "from 2026-08-03 10:00, award 2 kW in 2 blocks" in out
    record = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert record["settings"]["resources"] == str(fleet)
    assert record["done_to_your_files"][0] == drawn
    assert re.search(cut, record["done_to_your_files"][1]) and len(record["done_to_your_files"]) == 2
    assert record["settings"]["signals"]["request_sign"] == "upward_negative"


@pytest.mark.filterwarnings("always:.*request.csv:UserWarning")
@pytest.mark.parametrize("name", ["evaluate", "firm"])
def test_what_was_done_to_files_is_told_and_kept(command: Command, tmp_path: Path, name: str) -> None:
    request = tmp_path / "request.csv"
    rows = [f"2026-08-03 {14 + k // 12:02d}:{k % 12 * 5:02d},{30 if k < 4 else 1}\n" for k in range(18)]
    request.write_text("datetime,request_kw\n" + "".join(rows), encoding="utf-8")
    short = [*SHORT, "--set", "services.tertiary-1.award_kw=20", "--set", "episode.n_block=2"]
    of = ["--set", f"signals.request={request}", "--set", "episode.starts_h=[14]", "--controller", "idle"]
    first = ["--scenario", "tertiary-1-tiny"] if name == "evaluate" else ["tertiary-1-tiny", "--budget", 3]
    out = succeed(command(name, *first, "--seeds", 1, *short, *of, "--out", tmp_path / "out"))
    told = f"{request}: 4 of 12 bins cut to the award of 20 kW (up to 30 kW asked)"
    assert f"Done to your files: {told}" in out
    kept = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["done_to_your_files"]
    assert any(note.startswith(told) for note in kept)


def test_evaluate_prints_a_table_and_writes_files(command: Command, tmp_path: Path) -> None:
    words = ["evaluate", "--scenario", "tertiary-1-tiny", "--controller", "idle,open_loop", "--seeds", 2, *SHORT]
    out = succeed(command(*words, "--out", tmp_path / "r"))
    assert max(map(len, out.splitlines())) <= 120
    assert "open_loop" in out
    assert str(tmp_path / "r") in out
    assert (tmp_path / "r" / "scoreboard.csv").exists()
    assert "add --overwrite" in refuse(command(*words, "--out", tmp_path / "r"))
    succeed(command(*words, "--out", tmp_path / "r", "--overwrite", "--no-traces"))
    assert list((tmp_path / "r").glob("traces-*")) == []


def test_files_are_there_where_the_reader_of_the_table_has_gone(tmp_path: Path) -> None:
    tiny, folders = ["--scenario", "tertiary-1-tiny", "--controller", "idle", "--seeds", "2", *SHORT], ("board", "run")
    words = {"board": ["evaluate", *tiny], "run": ["run", "tertiary-1-tiny", *SHORT]}
    for name in folders:
        command = [sys.executable, "-m", "der_gym.cli", *words[name], "--out", str(tmp_path / name)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            running.stdout.close()
        assert running.returncode == 0
        assert {"run.json", "report.html"} <= {path.name for path in (tmp_path / name).iterdir()}


@pytest.mark.parametrize("words", [["--help"], ["list", "fields"], ["schema"], ["list", "--help"], ["--version"]])
def test_a_reader_that_goes_away_is_nothing_wrong(words: list[str]) -> None:
    command = [sys.executable, "-m", "der_gym.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert (running.stderr.read(), running.wait()) == ("", 0)


def test_overwrite_keeps_the_old_results_until_the_new_are_whole(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["evaluate", "--scenario", "tertiary-1-tiny", "--seeds", 1, *SHORT, "--out", tmp_path / "r"]
    succeed(command(*words, "--controller", "open_loop"))
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    for wrong in ("clsed_loop", "policy:nowhere", "open_loop@nowhere.yaml"):
        refuse(command(*words, "--overwrite", "--controller", wrong))
    with monkeypatch.context() as patch:
        patch.setattr(EpisodeRunner, "play", None)
        with pytest.raises(TypeError):
            command(*words, "--overwrite", "--controller", "open_loop")
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before
    succeed(command(*words, "--overwrite", "--controller", "idle", "--no-traces"))
    kept = {path.name for path in (tmp_path / "r").iterdir()}
    assert kept == {name for name in before if not name.startswith("traces")} and len(kept) < len(before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "link", "device"])
def test_what_is_no_regular_file_is_not_replaced(command: Command, tmp_path: Path, kind: str) -> None:
    target = Path(os.devnull) if kind == "device" else tmp_path / "x.html"
    if kind == "pipe":
        os.mkfifo(target)
    if kind == "link":
        target.symlink_to(tmp_path / "there.html")
    assert "is no folder" in refuse(command("run", "tertiary-1-tiny", *SHORT, "--out", target))
    if kind != "device":
        assert f"is a {kind}" in refuse(command("run", "tertiary-1-tiny", *SHORT, "--report", target))
    assert f"is a {kind}" in refuse(command("schema", "--out", target))
    assert f"is a {kind}" in refuse(command("tune", "tertiary-1-tiny", "--out", target))
    assert target.is_symlink() if kind == "link" else not target.is_file()


def test_two_runs_do_not_write_one_folder(command: Command, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    with locked(tmp_path / "r"):
        held = [sys.executable, "-m", "der_gym.cli", "run", "tertiary-1-tiny", "--out", str(tmp_path / "r"), *SHORT]
        for words in (held, [*held, "--overwrite"]):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (2, "") and "is being written by another run" in done.stderr
    assert list((tmp_path / "r").iterdir()) == []
    succeed(command("run", "tertiary-1-tiny", "--controller", "idle", "--out", tmp_path / "r", *SHORT))


def test_ctrl_c_ends_in_one_line_and_keeps_finished_controllers(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play, played = EpisodeRunner.play, []

    def once(self: EpisodeRunner, *given: object, **more: object) -> object:
        if played:
            raise KeyboardInterrupt
        played.append(play(self, *given, **more))  # type: ignore[arg-type]
        return played[0]

    monkeypatch.setattr(EpisodeRunner, "play", once)
    words = ["evaluate", "--scenario", "tertiary-1-tiny", "--controller", "open_loop", "--seeds", 2, *SHORT]
    code, _, err = command(*words, "--out", tmp_path / "r")
    assert code == 130
    assert err == f"der-gym: interrupted; finished: idle; go on with: der-gym evaluate --resume {tmp_path / 'r'}\n"
    assert json.loads((tmp_path / "r" / "run.json").read_text(encoding="utf-8"))["interrupted"] is True
    code, _, err = command("run", "tertiary-1-tiny", *SHORT)
    assert code == 130
    assert err.count("\n") == 1


def test_firm_prints_capability_and_awards(command: Command, tmp_path: Path) -> None:
    words = ["firm", "tertiary-1-tiny", "--controller", "open_loop", "--seeds", 1, "--start-h", 14, *SHORT]
    out = succeed(command(*words, "--season", "summer", "--budget", 3, "--level", 0.5, "--out", tmp_path / "f"))
    assert "Upward kW for 30 minutes, summer" in out
    assert "50 % of blocks" in out
    assert {path.name for path in (tmp_path / "f").iterdir()} == {
        *("capability.csv", "firm.csv", "report.html", "run.json")
    }


def test_tune_writes_settings_that_run_takes(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    words = ["tune", "tertiary-1-tiny", "--controller", "open_loop", "--trials", 2, "--seeds", 1, *SHORT]
    assert "best:" in succeed(command(*words, "--out", file))
    out = succeed(command("run", "tertiary-1-tiny", "--controller", f"open_loop@{file}", *SHORT))
    assert "open_loop@mine, seed 0" in out
    again = ["tune", "tertiary-1-tiny", "--controller", f"open_loop@{file}", "--trials", 1, "--seeds", 1, *SHORT]
    out = succeed(command(*again, "--out", tmp_path / "again.yaml"))
    assert "  first: " in out and "shipped" not in out
    values = [yaml.safe_load(path.read_text(encoding="utf-8"))["values"] for path in (file, tmp_path / "again.yaml")]
    assert values[0] == values[1]
    assert "allowed: 'closed_loop'" in refuse(command(*again[:3], f"closed_loop@{file}", *again[4:]))


def test_validate_tells_what_a_file_is(command: Command, tmp_path: Path) -> None:
    scenario, fleet = tmp_path / "mine.yaml", tmp_path / "fleet.csv"
    scenario.write_text("base: tertiary-1-tiny\nfleet: {n_device: 20}\n", encoding="utf-8")
    fleet.write_text("id,class,path\na,battery,P1\nb,ev,P6\n", encoding="utf-8")
    out = succeed(command("validate", scenario))
    assert "scenario" in out
    assert "20 resources" in out
    assert out.splitlines()[-1] == "ok"
    out = succeed(command("validate", fleet))
    assert "by class: battery 1, ev 1" in out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "base: tertiary-1-tiny\nflet: {}\n", "did you mean 'fleet'"),
        ("a.yaml", "base: tertiary-1-tiny\ntick_s: 7\n", "tick_s 7 does not divide"),
        ("a.csv", "id,class\na,batery\n", "did you mean 'battery'"),
        ("a.txt", "", "allowed: .yaml"),
        ("a.yaml", None, "cannot be read"),
    ],
)
def test_validate_refuses_in_one_line(command: Command, tmp_path: Path, name: str, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert said in refuse(command("validate", tmp_path / name))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "tertiary-1-tyny"], "did you mean 'tertiary-1-tiny'"),
        (["run", "tertiary-1-tiny", "--controller", "closed"], "did you mean 'closed_loop'"),
        (["run", "tertiary-1-tiny", "--controller", "all"], "der-gym evaluate compares several"),
        (["run", "tertiary-1-tiny", "--set", "fleet.n_devic=3"], "did you mean 'n_device'"),
        (["run", "tertiary-1-tiny", "--set", "fleet.n_device"], "KEY=VALUE"),
        (["run", "tertiary-1-tiny", "--set", "fleet.n_device=[1"], "is not YAML"),
        (["run", "tertiary-1-tiny", "--set", "fleet.n_device=__import__('os')"], "fleet.n_device"),
        (["run", "tertiary-1-tiny", "--start", "2026-13-03"], "2026-13-03"),
        (["run", "tertiary-1-tiny", "--prices", "none.csv", "--start", "2026-08-03"], "none.csv"),
        (["evaluate", "--scenario", "tertiary-1-tiny", "--split", "tst"], "did you mean 'test'"),
        (["evaluate", "--controller", ","], "--controller"),
        (["firm", "tertiary-1-tiny", "--season", "autumn", *SET], "autumn"),
    ],
)
def test_bad_input_is_one_line(command: Command, words: list[str], said: str) -> None:
    assert said in refuse(command(*words))


def test_schema_has_every_setting(command: Command, tmp_path: Path) -> None:
    schema = json.loads(succeed(command("schema")))
    assert {"fleet", "devices", "network", "services"} <= schema["properties"].keys()
    assert "BatteryConfig" in schema["$defs"]
    succeed(command("schema", "--out", tmp_path / "s.json"))
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == schema


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    cli._warn(UserWarning("award above what is there"), UserWarning, "file.py", 3)
    assert capsys.readouterr().err == "der-gym: warning: award above what is there\n"


def test_values_stay_what_a_setting_wants() -> None:
    pairs = ["a=off", "b=2026-08-03", "c=true", "d=[1, 2]", "e=0.5", "f=null", "g=!!python/object/apply:os.getcwd []"]
    good = parse_settings(pairs[:-1])
    assert good == {"a": "off", "b": "2026-08-03", "c": True, "d": [1, 2], "e": 0.5, "f": None}
    with pytest.raises(InputError, match="is not YAML"):
        parse_settings(pairs[-1:])


def test_cache_shows_prunes_and_clears(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path / "cache"))
    shown = succeed(command("cache"))
    assert str(tmp_path / "cache") in shown and "30 days" in shown and "2.0 GB" in shown
    for name, age_s, n_byte in (("a.nbc", 0, 2000), ("b.nbc", 5 * 86_400, 3000), ("c.nbc", 40 * 86_400, 1000)):
        path = tmp_path / "cache" / "kernels" / name
        path.write_bytes(b"x" * n_byte)
        os.utime(path, (time.time() - age_s,) * 2)
    row = next(line for line in succeed(command("cache")).splitlines() if "kernels" in line and "compiled" in line)
    assert row.split()[2:5] == ["3", "6.0", "kB"] and "now" in row and "40 days ago" in row
    assert "removed 1 file, 1.0 kB; 2 files, 5.0 kB left" in succeed(command("cache", "--prune"))
    assert "removed 1 file, 3.0 kB" in succeed(command("cache", "--prune", "--days", "4"))
    assert "removed 0 files" in succeed(command("cache", "--prune", "--gigabytes", "0"))  # in use
    assert "removed 1 file, 2.0 kB; 0 files, 0 B left" in succeed(command("cache", "--clear"))
    assert "--clear removes everything" in refuse(command("cache", "--clear", "--prune"))
    assert "add --prune" in refuse(command("cache", "--days", "3"))
    monkeypatch.setattr(caching, "folder", lambda kind: None)
    assert "DER_GYM_CACHE" in refuse(command("cache"))


def test_set_gives_lists_and_mappings(command: Command) -> None:
    assert parse_settings(["groups.control.by=[class]"]) == {"groups.control.by": ["class"]}
    assert parse_settings(["episode={n_block: 2}"]) == {"episode": {"n_block": 2}}
    short = [*SHORT, "--controller", "idle", "--set", "fleet.n_device=20"]
    assert "idle, seed 0" in succeed(command("run", "tertiary-1-tiny", *short, "--set", "groups.control.by=[device]"))


def test_a_run_tells_of_the_service_that_is_asked_for(command: Command, tmp_path: Path) -> None:
    few = ["--set", "fleet.n_device=60", "--set", "pool.n_fleet=1", "--set", "signals.start=2026-08-03", *SHORT[-4:]]
    words = ["run", "stacked-imbalance", "--controller", "idle", *few]
    first = succeed(command(*words))
    other = succeed(command(*words, "--service", "imbalance", "--report", tmp_path / "page.html"))
    assert " blocks of tertiary-1\n" in first and ", award 0 kW in 0 blocks of imbalance\n" in other
    own = ("tertiary_1_yen", "imbalance_yen")  # rows of each service where all are told of
    both = [[line for line in out.splitlines() if "yen" in line or "total" in line] for out in (first, other)]
    assert [line for line in both[0] if not line.startswith(own)] == both[1]
    assert all(any(line.startswith(name) for line in both[0]) for name in own)
    assert "· imbalance" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "service: unknown name 'imbalanc'; did you mean 'imbalance'?" in refuse(
        command(*words, "--service", "imbalanc")
    )
