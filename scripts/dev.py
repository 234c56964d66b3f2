"""What ``make`` runs; without make (Windows): ``py scripts\\dev.py demo``.

Standard library only, so that it runs before anything is installed. The first ``demo`` or ``test`` makes ``.venv`` and
installs the tested versions of ``constraints.txt`` there; later ones find a stamp and skip that. ``test`` makes
``.venv-oldest`` as well, with the oldest versions that are allowed (``constraints-oldest.txt``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parents[1]
TEST_EXTRAS = ("train", "data", "dev")
RESULTS = Path("results", "demo")
# What the oldest versions must pass: the way into compiled code, its arithmetic, and the bits of an episode.
OLDEST_TESTS = (
    "tests/engine/test_program.py",
    "tests/engine/test_probe.py",
    "tests/engine/test_references.py",
    "tests/numerics",
    "tests/simulation/test_world_golden.py::test_the_bits_are_the_ones_on_record[tertiary-1-battery]",
)


class Venv(NamedTuple):
    """A virtual environment in the checkout, the file of the versions it holds, and what it holds beside der_gym."""

    name: str
    constraints: str
    tools: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return ROOT / self.name

    @property
    def stamp(self) -> Path:
        return self.folder / "der_gym-installed.json"

    @property
    def python(self) -> str:
        return self.command("python")

    def command(self, name: str) -> str:
        """Return the path of an installed command."""
        windows = os.name == "nt"
        return str(self.folder / ("Scripts" if windows else "bin") / (f"{name}.exe" if windows else name))


TESTED = Venv(".venv", "constraints.txt")
OLDEST = Venv(".venv-oldest", "constraints-oldest.txt", ("pytest", "hypothesis"))


def main() -> None:
    """Run one of the commands below."""
    parser = argparse.ArgumentParser(description="Install der_gym into .venv where needed, then run a command.")
    parser.add_argument("command", choices=COMMANDS, help="; ".join(f"{k}: {f.__doc__}" for k, f in COMMANDS.items()))
    command = parser.parse_args().command
    check_python(sys.version_info[:3])
    COMMANDS[command]()


def demo() -> None:
    """compare the rules and a learned policy on the first scenario"""
    install()
    players = "all,policy:agents/zoo/tertiary-1"
    what = f"--scenario tertiary-1 --controller {players} --seeds 16 --out {RESULTS.as_posix()} --overwrite"
    der_gym("evaluate", *what.split())
    print(f"Results: {ROOT / RESULTS}")


def test() -> None:
    """check style and types, then run all tests"""
    install(TEST_EXTRAS)
    install(venv=OLDEST)
    step("ruff check", TESTED.python, "-m", "ruff", "check", ".")
    step("ruff format --check", TESTED.python, "-m", "ruff", "format", "--check", ".")
    step("mypy", TESTED.python, "-m", "mypy")
    step("pytest on the oldest versions", OLDEST.python, "-m", "pytest", "-k", "not an_episode", *OLDEST_TESTS)
    # By file, so that one process compiles what the file's tests share.
    step("pytest", TESTED.python, "-m", "pytest", "-n", "2", "--dist", "loadfile")


def bench() -> None:
    """measure the speed of the environments"""
    install()
    der_gym("bench")


def fuzz() -> None:
    """feed mutated inputs to all readers for ten minutes"""
    install(TEST_EXTRAS)
    step("fuzz", TESTED.python, "scripts/fuzz.py", "--minutes", "10")


def kill() -> None:
    """kill all commands at 100 random moments and check that nothing is lost"""
    install(TEST_EXTRAS)
    step("kill", TESTED.python, "scripts/kill.py", "--kills", "100")


def soak() -> None:
    """play for half an hour and check that memory and open files stay flat"""
    install(TEST_EXTRAS)
    step("soak", TESTED.python, "scripts/soak.py", "--minutes", "30")


def clean() -> None:
    """remove .venv, .venv-oldest, caches, build products and the demo's results"""
    caches = [".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"]
    for folder in [
        TESTED.folder,
        OLDEST.folder,
        ROOT / "build",
        ROOT / "dist",
        ROOT / RESULTS,
        *(ROOT / name for name in caches),
    ]:
        shutil.rmtree(folder, ignore_errors=True)
    for folder in [*ROOT.rglob("__pycache__"), *ROOT.glob("*.egg-info")]:
        shutil.rmtree(folder, ignore_errors=True)


COMMANDS = {"demo": demo, "test": test, "bench": bench, "fuzz": fuzz, "kill": kill, "soak": soak, "clean": clean}


def install(extras: tuple[str, ...] = (), venv: Venv = TESTED) -> None:
    """Make an environment hold der_gym with ``extras``, editable, in its versions; skip what the stamp covers."""
    if is_installed(extras, venv):
        return
    print(f"Installing into {venv.name}; the first time downloads the packages.", flush=True)
    make_venv(venv)
    venv.stamp.unlink(missing_ok=True)
    pip = [venv.python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-c", venv.constraints]
    if "train" in extras:
        # By itself and by its exact version: so pip takes a CPU build where one is at hand.
        step("install torch", *pip, pinned("torch"))
    step("install der_gym", *pip, *venv.tools, "-e", f".[{','.join(extras)}]" if extras else ".")
    venv.stamp.write_text(json.dumps({**inputs(venv), "extras": sorted(extras)}), encoding="utf-8")


def make_venv(venv: Venv) -> None:
    """Make an environment unless there is one whose Python runs and is new enough, made at this place."""
    probe = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    runs = Path(venv.python).exists() and subprocess.run([venv.python, "-c", probe], check=False).returncode == 0
    if not runs or stamp(venv).get("root", str(ROOT)) != str(ROOT):
        step(f"make {venv.name}", sys.executable, "-m", "venv", "--clear", str(venv.folder))


def is_installed(extras: tuple[str, ...], venv: Venv) -> bool:
    """Return whether an earlier run installed ``extras`` from the same inputs."""
    found = stamp(venv)
    same = all(found.get(key) == value for key, value in inputs(venv).items())
    return same and set(extras) <= set(found.get("extras", [])) and Path(venv.python).exists()


def inputs(venv: Venv) -> dict[str, str]:
    """Return what an installation depends on: this place, and a hash of the requirements and of the versions."""
    digest = hashlib.sha256(" ".join(venv.tools).encode())
    for name in ("pyproject.toml", venv.constraints):
        digest.update((ROOT / name).read_bytes())
    return {"root": str(ROOT), "sources": digest.hexdigest()}


def stamp(venv: Venv) -> dict[str, Any]:
    """Return what the last complete installation wrote; empty where there is none."""
    try:
        found = json.loads(venv.stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def pinned(name: str) -> str:
    """Return the line of ``constraints.txt`` that pins a package, such as ``torch==2.13.0``."""
    lines = (ROOT / TESTED.constraints).read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{name}=="))


def der_gym(*arguments: str) -> None:
    """Run the installed command ``der-gym``."""
    step(f"der-gym {arguments[0]}", TESTED.command("der-gym"), *arguments)


def step(name: str, *command: str) -> None:
    """Run a command with its output shown; where it fails, end with one line and its exit code."""
    print(f"== {shlex.join([Path(command[0]).name, *command[1:]])}", flush=True)
    try:
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
    except OSError as error:
        stop(f"{name} could not be started: {error}")
    except KeyboardInterrupt:
        stop(f"{name} was interrupted", 130)
    if code:
        stop(f"{name} failed with exit code {code}; its output stands above", code if code > 0 else 128 - code)


def check_python(version: tuple[int, ...]) -> None:
    """End with one line where Python is older than the project needs."""
    if version < OLDEST_PYTHON:
        found, needed = (".".join(map(str, v)) for v in (version, OLDEST_PYTHON))
        stop(f"Python {needed} or newer is needed, this is {found}; name one, as in: make test PYTHON=python3.12")


def stop(message: str, code: int = 1) -> NoReturn:
    """Print one line and end."""
    print(f"der_gym: {message}", file=sys.stderr, flush=True)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
