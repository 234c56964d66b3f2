"""Kill commands at random moments and look at what they leave: nothing may be lost that was reported as written.

    python scripts/kill.py --kills 100 --seed 0
    python scripts/kill.py --cold 8          # no kills: so many processes begin at once on one empty cache

Each case is played once to its end, which gives its time and the files that it should write. Then it is started again
and again and killed (``kill -9``) at a random share of that time. Afterwards

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
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from der_gym.core import folders
from der_gym.evaluation.results import OURS, RECORD
from der_gym.evaluation.unfinished import FOLDER as UNFINISHED

ROOT = Path(__file__).resolve().parents[1]
LONGEST_S = 300
CLI = ("-m", "der_gym.cli")
SHORT = ("signals.start=2026-08-03", "services.tertiary-1.limits=off", "episode.n_block=2", "episode.n_block_after=1")
SET = tuple(word for setting in SHORT for word in ("--set", setting))
PLAYED = ("--scenario", "tertiary-1-tiny", "--seeds", "2", *SET)
LEARNT = ("--worlds=2", "--n-steps=15", "--batch=30", "--steps=120", "--hidden=8", "--eval-every=2", "--eval-seeds=2")
DIFFERENT = ("run.json", "checkpoint.npz", "policy.json")  # they hold times


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
    again : tuple of str
        The command that must end well after the kill.
    resume : tuple of str
        The one that goes on, where there is something to go on with.
    cold : bool
        Whether nothing is compiled before.
    """

    name: str
    words: tuple[str, ...]
    old: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    cold: bool = False


def cases(learning: bool) -> list[Case]:
    """Return all commands that write files."""
    out = ("--out", "{out}", "--overwrite")
    compare = (*CLI, "evaluate", *PLAYED, "--controller", "open_loop,closed_loop", *out)
    run = (*CLI, "run", "tertiary-1-tiny", *SET, *out)
    few = ("--season", "summer", "--start-h", "14", "--budget", "3", "--seeds", "1")
    firm = (*CLI, "firm", "tertiary-1-tiny", *few, *SET, *out)
    tune = (*CLI, "tune", "tertiary-1-tiny", "--trials", "3", "--seeds", "2", *SET, "--out", "{out}/best.yaml")
    go_on = (*CLI, "evaluate", "--resume", "{out}")
    fewer = (*CLI, "evaluate", *PLAYED, "--controller", "open_loop", *out)
    found = [
        Case("evaluate", compare, resume=go_on),
        Case("evaluate over old results", compare, old=fewer, resume=go_on),
        Case("run", run),
        Case("run over old results", run, old=firm),
        Case("firm over old results", firm, old=fewer, resume=(*CLI, "firm", "--resume", "{out}")),
        Case("tune over old settings", tune, old=(*tune[:5], "1", *tune[6:])),
        Case("schema", (*CLI, "schema", "--out", "{out}/schema.json")),
        Case("run with an empty cache", run, cold=True),
    ]
    if learning:
        train = ("agents/train_ppo.py", "--scenario", "tertiary-1-tiny", *LEARNT)
        back = ("agents/train_ppo.py", "--resume", "{out}")
        found.append(Case("training", (*train, "--out", "{out}"), again=(*train, "--out", "{out}-anew"), resume=back))
    return found


class Place:
    """Folders of one series of kills: results, what they should be, and the cache."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root, root / "cache"

    def start(self, words: Sequence[str], out: Path, cold: bool = False) -> subprocess.Popen[str]:
        """Start a command in a group of its own."""
        cache = self.root / "cold" if cold else self.cache
        named = [word.replace("{out}", str(out)) for word in words]
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        own = {**os.environ, "DER_GYM_CACHE": str(cache), "PYTHONPATH": paths}
        pipe = subprocess.PIPE
        command = [sys.executable, *named]
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=own, start_new_session=True)

    def end(self, words: Sequence[str], out: Path, cold: bool = False) -> str:
        """Run a command to its end; return what went wrong, '' for nothing."""
        process = self.start(words, out, cold)
        _, err = process.communicate(timeout=LONGEST_S)
        return "" if process.returncode == 0 else f"exit {process.returncode}: {err.strip()[-300:]}"


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder that are the same in every run."""
    if not folder.is_dir():
        return {}
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return {path.name: b"" if path.name in DIFFERENT else path.read_bytes() for path in files}


class Series:
    """The kills of one case."""

    def __init__(self, case: Case, place: Place, folder: Path) -> None:
        self.case, self.place, self.folder = case, place, folder
        self.out, self.old = folder / "out", contents(folder / "old")
        if case.old:
            self._must(case.old, folder / "old")
            self.old = contents(folder / "old")
        if not case.cold:
            self._must(case.words, folder / "warm")
        began = time.perf_counter()
        self._must(case.words, folder / "whole")
        self.whole, self.lasts_s = contents(folder / "whole"), time.perf_counter() - began

    def _must(self, words: Sequence[str], out: Path) -> None:
        wrong = self.place.end(words, out, self.case.cold)
        if wrong:
            raise SystemExit(f"kill: {self.case.name} fails by itself: {wrong}")

    def kill(self, share: float) -> tuple[str, list[str]]:
        """Kill the command at a share of its time; return what was found, and what is wrong with it."""
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.rmtree(self.place.root / "cold", ignore_errors=True)
        if self.case.old:
            shutil.copytree(self.folder / "old", self.out)
        process = self.place.start(self.case.words, self.out, self.case.cold)
        time.sleep(share * self.lasts_s)
        ended = process.poll() is not None
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate(timeout=LONGEST_S)
        found, wrong = self._found(said)
        return ("ended before; " if ended else "") + found, wrong + self._go_on()

    def _found(self, said: str) -> tuple[str, list[str]]:
        """Look at the folder as the process has left it."""
        reported = "Results:" in said or "Settings:" in said
        if self.out.is_dir() and "train" not in self.case.name:
            folders.settle(self.out, OURS, RECORD)
        there = contents(self.out)
        state = next((name for name, files in (("new", self.whole), ("old", self.old)) if there == files), "part")
        state = "nothing" if not there and not self.old else state
        wrong = []
        if reported and state != "new":
            wrong.append(f"reported as written, but {state}: {sorted(there)}")
        if state == "part" and (self.old or RECORD in there):
            wrong.append(f"neither old nor new: {sorted(there)}")
        kept = [path.stem for path in (self.out / UNFINISHED).glob("*.npz")]
        return f"{state}{f', finished: {len(kept)}' if kept else ''}{', reported' if reported else ''}", wrong

    def _go_on(self) -> list[str]:
        """Run the command that comes next; what it leaves must be whole."""
        case, out = self.case, self.out
        words = case.again or case.words
        if case.resume and any((out / name).exists() for name in (f"{UNFINISHED}/plan.json", "checkpoint.npz")):
            words = case.resume
        if case.again and words is case.again:
            shutil.rmtree(out, ignore_errors=True)
            words, out = case.words, out
        failed = self.place.end(words, out, case.cold)
        if failed:
            return [f"the next command fails: {failed}"]
        there = contents(out)
        wrong = [f"{name} differs" for name in sorted(self.whole) if there.get(name) != self.whole[name]]
        left = [path.name for path in out.rglob(".*")] + [f"{UNFINISHED}/" for _ in out.glob(UNFINISHED)]
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
    draws, n_wrong, states = random.Random(asked.seed), 0, Counter[str]()
    with tempfile.TemporaryDirectory(prefix="der-gym-kill-") as root:
        place = Place(Path(root))
        chosen = [
            case
            for case in cases(importlib.util.find_spec("stable_baselines3") is not None)
            if not asked.case or any(each in case.name for each in asked.case)
        ]
        series: list[Series] = []
        for k in range(asked.kills):
            if k < len(chosen):
                series.append(Series(chosen[k], place, Path(root, f"case{k}")))
            own, share = series[k % len(chosen)], draws.uniform(0.0, 1.05)
            found, wrong = own.kill(share)
            n_wrong += bool(wrong)
            states[found] += 1
            at = f"{share * own.lasts_s:6.2f} of {own.lasts_s:5.2f} s"
            print(f"{k + 1:4d}  {own.case.name:<26} {at}  {found:<28} {'; '.join(wrong) or 'ok'}", flush=True)
    print(
        f"{asked.kills} kills (seed {asked.seed}): {n_wrong} wrong; " + ", ".join(f"{n} {s}" for s, n in states.items())
    )
    raise SystemExit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
