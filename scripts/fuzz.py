"""Feed mutated inputs to everything that reads one, and count what is accepted, refused and wrong.

Wrong are: an exception that is no error of der_gym, a message that is not one short line, a process that ends, an
input that takes longer than 10 s or more than 2 GB, and a file that an input had made. Inputs run in child processes.
The same seed and number give the same input: ``python scripts/fuzz.py --kind table --seed 1 --only 734``.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import resource
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]
FILE_KINDS = ("scenario", "overrides", "table", "spot", "demand", "weather", "frequency", "request", "settings")
WORLD_KINDS = ("action", "making", "snapshot", "policy", "cache", "checkpoint")
KINDS = (*FILE_KINDS, *WORLD_KINDS)
BROKEN = "broken"  # does everything wrong: a test looks whether it is found
HANG_S, START_S = 10.0, 600.0  # of one input; of a child's imports and first compilation
MORE_BYTES = 2 * 10**9
BATCH = 400  # inputs of a child
OUTCOMES = ("accepted", "refused")
WRONG = ("traceback", "message", "crash", "hang", "memory", "executed")
Target = Callable[[Random], None]


def main() -> None:
    """Run as the command line says; exit with 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", action="append", choices=(*KINDS, BROKEN), help="repeatable; default: all sound ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all kinds together")
    parser.add_argument("--n", type=int, default=10**9, help="inputs of each kind, at most")
    parser.add_argument("--hang", type=float, default=HANG_S, help="seconds that are too many for an input")
    parser.add_argument("--only", type=int, help="one input, with its traceback")
    parser.add_argument("--child", nargs=2, type=int, metavar=("FIRST", "N"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    kinds = given.kind or KINDS
    if given.child:
        child(kinds[0], given.seed, given.hang, *given.child)
    elif given.only is not None:
        child(kinds[0], given.seed, given.hang, given.only, 1, aloud=True)
    else:
        found = run(kinds, given.seed, given.hang, given.minutes * 60, given.n)
        whole = sum((each.counts for each in found), Counter[str]())
        print(f"all: {told(whole)}")
        raise SystemExit(any(whole[what] for what in WRONG))


def run(kinds: tuple[str, ...], seed: int, hang_s: float, seconds: float, n: int) -> list[Fuzzing]:
    """Return what was found for each kind, each of which has the same share of the time that is left."""
    found = []
    for k, kind in enumerate(kinds):
        began = time.monotonic()
        each = Fuzzing(kind, seed, hang_s, began + seconds / (len(kinds) - k))
        while each.next < n and time.monotonic() < each.until:
            each.batch(min(BATCH, n - each.next))
        seconds -= time.monotonic() - began
        print(f"{kind}: {told(each.counts)}", flush=True)
        each.tell_faults()
        found.append(each)
    return found


class Fuzzing:
    """Inputs of one kind, run in one child process after the other.

    Attributes
    ----------
    next : int
        Number of the next input.
    counts : Counter
        Inputs by outcome.
    faults : list of (int, str)
        Number of an input, and what was wrong with it.
    """

    def __init__(self, kind: str, seed: int, hang_s: float, until: float) -> None:
        self.kind, self.seed, self.hang_s, self.until = kind, seed, hang_s, until
        self.next, self.counts, self.faults = 0, Counter[str](), list[tuple[int, str]]()

    def batch(self, n: int) -> None:
        """Run ``n`` inputs, or as many as a child and the time last."""
        with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "stderr", "wb+") as errors:
            words = ["--kind", self.kind, "--seed", str(self.seed), "--hang", str(self.hang_s)]
            command = [sys.executable, __file__, *words, "--child", str(self.next), str(n)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=folder, text=True)
            try:
                fate = self._listen(process)
                if fate == "crash":  # its pipe is closed: let it end by itself, its code tells why
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(START_S)
            finally:
                process.kill()
                code = process.wait()
            if fate == "crash":
                errors.seek(0)
                last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
                fate = f"crash: exit code {code} {' '.join(last)}"
            if fate:
                self._wrong(self.next, fate)
                self.next += 1
            if (Path(folder) / "der_gym_fuzz_canary").exists():
                self._wrong(self.next - 1, "executed: this input or one before it made a file")

    def _listen(self, process: subprocess.Popen[str]) -> str:
        """Count a child's answers until it ends; return what became of the input that has none: '' for no such."""
        begun = True  # a child that does not even begin has crashed
        for line in _lines(process, 1.5 * self.hang_s):
            if line is None:
                return "hang: killed"
            number, outcome, what = json.loads(line)
            begun = outcome == "begun"
            if begun and time.monotonic() > self.until:
                return ""
            if outcome in OUTCOMES:
                self.counts[outcome] += 1
            elif not begun:
                self._wrong(number, f"{outcome}: {what}")
            self.next = number if begun else number + 1
        return "crash" if begun else ""

    def _wrong(self, number: int, what: str) -> None:
        self.counts[what.split(":")[0]] += 1
        self.faults.append((number, what))

    def tell_faults(self) -> None:
        """Print the first fault of each place, and how often it was met."""
        places = [what.split(" at ")[-1] if " at " in what else what.split(":")[0] for _, what in self.faults]
        for place, times in Counter(places).items():
            number, what = self.faults[places.index(place)]
            print(f"{self.kind} --seed {self.seed} --only {number} ({times} such): {what}", flush=True)


def told(counts: Counter[str]) -> str:
    """Return counts as a line."""
    parts = [f"{counts[name]:,} {name}" for name in (*OUTCOMES, *WRONG)]
    return f"{sum(counts.values()):,} inputs, {', '.join(parts)}"


def _lines(process: subprocess.Popen[str], wait_s: float) -> Iterator[str | None]:
    """Yield the lines of a child; None once it says nothing for too long."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    wait = START_S
    while True:
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            yield None
            return
        if not line:
            return
        wait = wait_s
        yield line


def child(kind: str, seed: int, hang_s: float, first: int, n: int, aloud: bool = False) -> None:
    """Run ``n`` inputs and write a line before and after each."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an input prints is no answer
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    warnings.filterwarnings("error", category=RuntimeWarning)
    with tempfile.TemporaryDirectory() as folder:
        target = made(kind, Path(folder))
        limit = _size() + MORE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for number in range(first, first + n):
            print(json.dumps((number, "begun", "")), file=out, flush=True)
            began = time.monotonic()
            outcome, what = outcome_of(target, kind, seed, number, aloud)
            spent = time.monotonic() - began
            if spent > hang_s:
                outcome, what = "hang", f"{spent:.0f} s"
            print(json.dumps((number, outcome, what)), file=out, flush=True)


def made(kind: str, folder: Path) -> Target:
    """Return what takes the inputs of a kind."""
    where = "broken_kind" if kind == BROKEN else "file_kinds" if kind in FILE_KINDS else "world_kinds"
    target: Target = getattr(import_module(f"fuzzing.{where}"), kind)(folder)
    return target


def _size() -> int:
    """Return the size of this process's address space, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def outcome_of(target: Target, kind: str, seed: int, number: int, aloud: bool = False) -> tuple[str, str]:
    """Return what became of an input, and of a wrong one what happened."""
    from der_gym.core.errors import DerGymError
    from der_gym.core.text import LONGEST_LINE, hidden

    try:
        target(Random(f"{kind} {seed} {number}"))
    except DerGymError as error:
        line = str(error)
        good = len(line.splitlines()) == 1 and len(line) <= LONGEST_LINE and hidden(line) is None
        if aloud:
            traceback.print_exc()
        return ("refused", "") if good else ("message", line[:300])
    except MemoryError:
        return "memory", f"at {_where()}"
    except BaseException as error:  # also a panic of a library in Rust, which is no Exception
        if aloud:
            traceback.print_exc()
        try:
            text = f"{type(error).__name__}: {error}"
        except ValueError:  # a number of more digits than Python writes
            text = type(error).__name__
        return "traceback", f"{' '.join(text.split())[:200]} at {_where()}"
    return "accepted", ""


def _where() -> str:
    """Return the last places in der_gym and beyond of the exception that is handled."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    ours = [frame for frame in frames if "der_gym" in frame.filename or "agents" in frame.filename][-1:]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in [*frames[-1:], *ours])


if __name__ == "__main__":
    main()
