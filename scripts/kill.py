"""Kill commands at random moments and look at what they leave: nothing may be lost that was reported as written.

    python scripts/kill.py --kills 100 --seed 0
    python scripts/kill.py --cold 8          # no kills: so many processes begin at once on one empty cache

Each case is played to its end, which gives its time and the files that it should write. Then it is started again and
again and killed (``kill -9``) at a random share of that time. One that had ended by then is looked at but not counted,
and its time is known better. Afterwards

- a folder that had results holds the old ones or the new ones, whole;
- what was reported as written is there;
- the same command, or the one that goes on, ends as if nothing had happened, and leaves no temporary file.

One line is printed for each kill; the exit code is 1 where any of this fails. Standard library and der_gym only; the
training is a case where torch is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from der_gym.controllers import policy_file
from der_gym.core import folders
from der_gym.core.errors import InputError
from der_gym.evaluation.results import OURS, RECORD
from der_gym.evaluation.unfinished import FOLDER as UNFINISHED

ROOT = Path(__file__).resolve().parents[1]
LONGEST_S = 300
CLI = ("-m", "der_gym.cli")
SHORT = ("signals.start=2026-08-03", "services.tertiary-1.limits=off", "episode.n_block=2", "episode.n_block_after=1")
SET = tuple(word for setting in SHORT for word in ("--set", setting))
PLAYED = ("--scenario", "tertiary-1-tiny", "--seeds", "2", *SET)
LEARNT = ("--worlds=2", "--n-steps=15", "--batch=30", "--steps=120", "--hidden=8", "--eval-every=2", "--eval-seeds=2")
TRACKED: tuple[str, ...] = (
    "--also=",
    "--rounds=2",
    "--episodes=2",
    "--worlds=2",
    "--frames=1",
    "--hidden=4",
    "--updates=5",
)
TRACKED += ("--eval-seeds=1", "--rule=open_loop")
OFFERED = ("--generations=2", "--pairs=1", "--episodes=1", "--eval-every=1", "--eval-seeds=1")
PLAIN = ("--steps=64", "--worlds=1", "--eval-every-s=1000", "--eval-seeds=1", "--test-seeds=0")
DIFFERENT = ("run.json", "checkpoint.npz", "policy.json")  # they hold times
KEPT = (f"{UNFINISHED}/*.npz", f"{UNFINISHED}/awards.json", "best.yaml.unfinished/trials.json", "checkpoint.npz")
REPORTED = ("Results:", "Settings:", "Curves:", "Shares by class", "Schema:")
FILES = {
    "offers.yaml": "base: incentive-evening\nfleet: {n_device: 60}\nsignals: {start: 2026-08-03}\n",
    "tiny.yaml": "base: tertiary-1-tiny\nepisode: {n_block: 2, n_block_after: 1}\nsignals: {start: 2026-08-03}\n"
    "services: [{name: tertiary-1, limits: 'off'}]\n",
}


@dataclass(frozen=True)
class Case:
    """A command that writes into the folder ``{out}``.

    Attributes
    ----------
    name : str
    words : tuple of str
        What Python is called with.
    old : tuple of str
        The command whose results the folder holds before, if any.
    begun : tuple of str
        The command that is killed before, once it has kept something: ``words`` goes on with that.
    resume : tuple of str
        The one that goes on, where there is something to go on with.
    then : tuple of str
        The one whose results count, where ``words`` leaves none.
    anew : bool
        Whether it begins in an empty folder only.
    cache : str
        ``warm``; ``empty``: nothing is compiled before; ``copied``: a full one of its own.
    differ : tuple of str
        Files that differ between runs: they hold times.
    """

    name: str
    words: tuple[str, ...]
    old: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    anew: bool = False
    cache: str = "warm"
    differ: tuple[str, ...] = DIFFERENT


def cases(learning: bool) -> list[Case]:
    """Return all commands that write files; a test looks whether one is missing."""
    out = ("--out", "{out}", "--overwrite")
    compare = (*CLI, "evaluate", *PLAYED, "--controller", "open_loop,closed_loop", *out)
    run = (*CLI, "run", "tertiary-1-tiny", *SET, *out)
    few = ("--season", "summer", "--start-h", "14", "--budget", "3", "--seeds", "1")
    firm = (*CLI, "firm", "tertiary-1-tiny", *few, *SET, *out)
    tune = (*CLI, "tune", "tertiary-1-tiny", "--trials", "3", "--seeds", "2", *SET, "--out", "{out}/best.yaml")
    resume = {name: (*CLI, name, "--resume", "{out}") for name in ("evaluate", "firm")}
    tune_on = (*CLI, "tune", "--resume", "{out}/best.yaml")
    fewer = (*CLI, "evaluate", *PLAYED, "--controller", "open_loop", *out)
    curves = ("--seeds", "1", "--prices", "10,30", "--minutes", "16", "--every-h", "24", "--out", "{out}/curves.csv")
    found = [
        Case("evaluate", compare, resume=resume["evaluate"]),
        Case("evaluate over old results", compare, old=fewer, resume=resume["evaluate"]),
        Case("evaluate --resume", resume["evaluate"], begun=compare, resume=resume["evaluate"]),
        Case("run", run),
        Case("run over old results", run, old=firm),
        Case("firm over old results", firm, old=fewer, resume=resume["firm"]),
        Case("firm --resume", resume["firm"], begun=firm, resume=resume["firm"]),
        Case("tune over old settings", tune, old=(*tune[:5], "1", *tune[6:]), resume=tune_on),
        Case("tune --resume", tune_on, begun=(*tune, "--overwrite"), resume=tune_on),
        Case("schema", (*CLI, "schema", "--out", "{out}/schema.json")),
        Case("supply", (*CLI, "supply", "{root}/offers.yaml", *curves)),
        Case("fairness", (*CLI, "fairness", "{root}/tiny.yaml", "--permutations", "2", "--out", "{out}/shares.csv")),
        Case("cache --clear", (*CLI, "cache", "--clear"), then=run, cache="copied"),
        Case("cache --prune", (*CLI, "cache", "--prune", "--gigabytes", "0"), then=run, cache="copied"),
        Case("run with an empty cache", run, cache="empty"),
    ]
    if learning:
        train = ("agents/train_ppo.py", "--scenario", "tertiary-1-tiny", *LEARNT, "--out", "{out}")
        found.append(Case("train_ppo", train, resume=("agents/train_ppo.py", "--resume", "{out}"), anew=True))
        track = ("agents/train_tracker.py", "--scenario", "{root}/tiny.yaml", *TRACKED, "--out", "{out}")
        found.append(Case("train_tracker", track, anew=True, differ=(*DIFFERENT, "progress.csv")))
        offers = ("agents/train_offers.py", "--scenario", "{root}/offers.yaml", *OFFERED, "--out", "{out}")
        found.append(Case("train_offers", offers, anew=True, differ=(*DIFFERENT, "progress.csv")))
        plain = ("agents/baselines.py", "ppo", "--scenario", "{root}/tiny.yaml", *PLAIN, "--out", "{out}")
        found.append(Case("baselines", plain, anew=True, differ=(*DIFFERENT, "curve.csv")))
    return found


class Place:
    """Folders of one series of kills: results, what they should be, the cache, and scenarios of one's own."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root, root / "cache"
        for name, text in FILES.items():
            (root / name).write_text(text, encoding="utf-8")

    def start(self, words: Sequence[str], out: Path, cache: str = "warm") -> subprocess.Popen[str]:
        """Start a command in a group of its own."""
        kept = self.cache if cache == "warm" else self.root / "own"
        named = [word.replace("{out}", str(out)).replace("{root}", str(self.root)) for word in words]
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        own = {**os.environ, "DER_GYM_CACHE": str(kept), "PYTHONPATH": paths}
        pipe = subprocess.PIPE
        command = [sys.executable, *named]
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=own, start_new_session=True)

    def end(self, words: Sequence[str], out: Path, cache: str = "warm") -> str:
        """Run a command to its end; return what went wrong, '' for nothing."""
        process = self.start(words, out, cache)
        _, err = process.communicate(timeout=LONGEST_S)
        return "" if process.returncode == 0 else f"exit {process.returncode}: {err.strip()[-300:]}"

    def prepare(self, cache: str) -> None:
        """Put the cache of its own into the state that a case begins with."""
        shutil.rmtree(self.root / "own", ignore_errors=True)
        if cache == "copied":
            shutil.copytree(self.cache, self.root / "own", copy_function=shutil.copy)
            for path in (self.root / "own").rglob("*"):
                os.utime(path, (0, 0))  # long unused: nothing is spared


def contents(folder: Path, differ: Sequence[str] = DIFFERENT) -> dict[str, bytes]:
    """Return the files of a folder that are the same in every run."""
    if not folder.is_dir():
        return {}
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return {path.name: b"" if path.name in differ else path.read_bytes() for path in files}


def keeps(folder: Path) -> bool:
    """Return whether there is something to go on with."""
    return any(found for pattern in KEPT for found in folder.glob(pattern))


class Series:
    """The kills of one case.

    Attributes
    ----------
    lasts_s : float
        Time of the command; the shortest that was seen.
    """

    def __init__(self, case: Case, place: Place, folder: Path) -> None:
        self.case, self.place, self.folder = case, place, folder
        self.out, self.before = folder / "out", folder / "before"
        place.prepare(case.cache)
        if case.old:
            self._must(case.old, self.before)
        if case.begun:
            self._begin()
        self.old = contents(self.before, case.differ)
        if case.cache == "warm":
            self._fresh(folder / "warm")
            self._must(case.words, folder / "warm")
        self._fresh(folder / "whole")
        began = time.perf_counter()
        self._must(case.words, folder / "whole")
        self.lasts_s = time.perf_counter() - began
        if case.then:
            self._must(case.then, folder / "whole")
        self.whole = contents(folder / "whole", case.differ)

    def _must(self, words: Sequence[str], out: Path) -> None:
        wrong = self.place.end(words, out, self.case.cache)
        if wrong:
            raise SystemExit(f"kill: {self.case.name} fails by itself: {wrong}")

    def _begin(self) -> None:
        """Kill the command that is to be gone on with as soon as it has kept something."""
        process = self.place.start(self.case.begun, self.before)
        while process.poll() is None and not keeps(self.before):
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=LONGEST_S)
        if not keeps(self.before):
            raise SystemExit(f"kill: {self.case.name}: nothing was kept to go on with")

    def _fresh(self, out: Path) -> None:
        shutil.rmtree(out, ignore_errors=True)
        if self.before.is_dir():
            shutil.copytree(self.before, out)

    def kill(self, share: float) -> tuple[bool, str, list[str]]:
        """Kill the command at a share of its time.

        Returns whether it was killed while it ran (else it had ended, and its time is known better now), what was
        found, and what is wrong with it.
        """
        self._fresh(self.out)
        self.place.prepare(self.case.cache)
        process, began = self.place.start(self.case.words, self.out, self.case.cache), time.perf_counter()
        with suppress(subprocess.TimeoutExpired):
            process.wait(share * self.lasts_s)
            self.lasts_s = min(self.lasts_s, time.perf_counter() - began)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate(timeout=LONGEST_S)
        found, wrong = self._found(said)
        return process.returncode == -signal.SIGKILL, found, wrong + self._go_on()

    def _found(self, said: str) -> tuple[str, list[str]]:
        """Look at the folder as the process has left it."""
        reported = any(word in said for word in REPORTED)
        if self.out.is_dir() and not self.case.anew:
            folders.settle(self.out, OURS, RECORD)
        there = contents(self.out, self.case.differ)
        state = next((name for name, files in (("new", self.whole), ("old", self.old)) if there == files), "part")
        state = "nothing" if not there and not self.old else state
        wrong = []
        if reported and state != "new":
            wrong.append(f"reported as written, but {state}: {sorted(there)}")
        if state == "part" and (self.old or RECORD in there):
            wrong.append(f"neither old nor new: {sorted(there)}")
        if policy_file.CARD in there:
            wrong += self._policy()
        return f"{state}{', to go on with' if keeps(self.out) else ''}{', reported' if reported else ''}", wrong

    def _policy(self) -> list[str]:
        try:
            policy_file.load(self.out)
        except InputError as error:
            return [str(error)]
        return []

    def _go_on(self) -> list[str]:
        """Run the command that comes next; what it leaves must be whole."""
        case = self.case
        words = case.resume if case.resume and keeps(self.out) else case.then or case.begun or case.words
        if case.anew and words is not case.resume:
            shutil.rmtree(self.out, ignore_errors=True)
        failed = self.place.end(words, self.out, case.cache)
        if failed:
            return [f"the next command fails: {failed}"]
        there = contents(self.out, case.differ)
        wrong = [f"{name} differs" for name in sorted(self.whole) if there.get(name) != self.whole[name]]
        left = [path.name for pattern in (".*", f"*{UNFINISHED}") for path in self.out.rglob(pattern)]
        return wrong + [f"left: {name}" for name in left]


def cold(place: Place, words: Sequence[str], n: int) -> list[str]:
    """Start a command ``n`` times at once on one empty cache; return what is wrong with what they leave.

    All must end well and in silence with the same results. Nothing half-written may be left in the cache: its files
    serve one more process, which would warn of a damaged one.
    """
    outs = [place.root / f"cold{k}" for k in range(n)]
    began = time.perf_counter()
    running = [place.start(words, out) for out in outs]
    said = [each.communicate(timeout=n * LONGEST_S)[1] for each in running]
    lasted_s = time.perf_counter() - began
    last = place.start(words, place.root / "after")
    said, running = [*said, last.communicate(timeout=LONGEST_S)[1]], [*running, last]
    wrong = [f"exit {p.returncode}: {err[-300:]}" for p, err in zip(running, said, strict=True) if p.returncode or err]
    results = [contents(out) for out in (*outs, place.root / "after")]
    wrong += [f"{out.name} differs" for out, found in zip(outs, results, strict=False) if found != results[-1]]
    wrong += [] if results[-1] else ["no results"]
    kept = [path for path in place.cache.rglob("*") if path.is_file()]
    wrong += [f"left: {path.name}" for path in kept if path.name.startswith(".") or not path.stat().st_size]
    size_mb = sum(path.stat().st_size for path in kept) / 1e6
    print(f"{n} processes on an empty cache: {lasted_s:.0f} s, {len(kept)} files, {size_mb:.0f} MB kept", flush=True)
    return wrong


def main() -> None:
    """Kill as often as asked, the cases in turn."""
    parser = argparse.ArgumentParser(description="Kill commands at random moments; check that nothing is lost.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", action="append", help="Only cases whose name holds this; repeatable.")
    parser.add_argument("--cold", type=int, metavar="N", help="Start N processes on one empty cache instead.")
    asked = parser.parse_args()
    if asked.cold:
        with tempfile.TemporaryDirectory(prefix="der-gym-cold-") as root:
            wrong = cold(Place(Path(root)), (*CLI, "evaluate", *PLAYED, "--out", "{out}"), asked.cold)
        print("; ".join(wrong) or "all end with 0 and the same results, nothing is left half-written")
        raise SystemExit(1 if wrong else 0)
    with tempfile.TemporaryDirectory(prefix="der-gym-kill-") as root:
        n_wrong = series_of_kills(asked.kills, Random(asked.seed), asked.case or [""], Place(Path(root)))
    raise SystemExit(1 if n_wrong else 0)


def series_of_kills(n: int, draws: Random, named: Sequence[str], place: Place) -> int:
    """Kill the cases in turn until ``n`` processes were killed while they ran; return how often something was wrong."""
    learning = importlib.util.find_spec("stable_baselines3") is not None
    chosen = [case for case in cases(learning) if any(name in case.name for name in named)]
    series: dict[str, Series] = {}
    n_killed = n_wrong = n_ended = 0
    states = Counter[str]()
    while n_killed < n:
        case = chosen[n_killed % len(chosen)]
        if case.name not in series:
            series[case.name] = Series(case, place, place.root / f"case{len(series)}")
        own, share = series[case.name], draws.random()
        at = f"{share * own.lasts_s:6.2f} of {own.lasts_s:5.2f} s"
        killed, found, wrong = own.kill(share)
        n_killed, n_ended, n_wrong = n_killed + killed, n_ended + (not killed), n_wrong + bool(wrong)
        states[found] += killed
        number = f"{n_killed:4d}" if killed else "   -"  # one that had ended is looked at, and not counted
        print(f"{number}  {case.name:<26} {at}  {found:<28} {'; '.join(wrong) or 'ok'}", flush=True)
    told = ", ".join(f"{n_state} {state}" for state, n_state in states.items() if n_state)
    print(f"{n_killed} killed while they ran, {n_ended} that had ended before: {n_wrong} wrong; {told}")
    return n_wrong


if __name__ == "__main__":
    main()
