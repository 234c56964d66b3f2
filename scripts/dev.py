"""What ``make`` runs; without make (Windows): ``py scripts\\dev.py demo``.

Standard library only, so that it runs before anything is installed. The first ``demo`` or ``test`` makes ``.venv`` and
installs the tested versions of ``constraints.txt`` there; later ones find a stamp and skip that.
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
from typing import Any, NoReturn

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(BIN / ("python.exe" if os.name == "nt" else "python"))
STAMP = VENV / "der_gym-installed.json"
TEST_EXTRAS = ("train", "data", "dev")
RESULTS = Path("results", "demo")


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
    step("ruff check", PYTHON, "-m", "ruff", "check", ".")
    step("ruff format --check", PYTHON, "-m", "ruff", "format", "--check", ".")
    step("mypy", PYTHON, "-m", "mypy")
    # By file, so that one process compiles what the file's tests share.
    step("pytest", PYTHON, "-m", "pytest", "-n", "2", "--dist", "loadfile")


def bench() -> None:
    """measure the speed of the environments"""
    install()
    der_gym("bench")


def clean() -> None:
    """remove .venv, caches, build products and the demo's results"""
    caches = [".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"]
    for folder in [VENV, ROOT / "build", ROOT / "dist", ROOT / RESULTS, *(ROOT / name for name in caches)]:
        shutil.rmtree(folder, ignore_errors=True)
    for folder in [*ROOT.rglob("__pycache__"), *ROOT.glob("*.egg-info")]:
        shutil.rmtree(folder, ignore_errors=True)


COMMANDS = {"demo": demo, "test": test, "bench": bench, "clean": clean}


def install(extras: tuple[str, ...] = ()) -> None:
    """Make ``.venv`` hold der_gym with ``extras``, editable, in the tested versions; skip what the stamp covers."""
    if is_installed(extras):
        return
    print("Installing into .venv; the first time downloads the packages.", flush=True)
    make_venv()
    STAMP.unlink(missing_ok=True)
    pip = [PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-c", "constraints.txt"]
    if "train" in extras:
        # By itself and by its exact version: so pip takes a CPU build where one is at hand.
        step("install torch", *pip, pinned("torch"))
    step("install der_gym", *pip, "-e", f".[{','.join(extras)}]" if extras else ".")
    STAMP.write_text(json.dumps({**inputs(), "extras": sorted(extras)}), encoding="utf-8")


def make_venv() -> None:
    """Make ``.venv`` unless there is one whose Python runs and is new enough, made at this place."""
    probe = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    runs = Path(PYTHON).exists() and subprocess.run([PYTHON, "-c", probe], check=False).returncode == 0
    if not runs or stamp().get("root", str(ROOT)) != str(ROOT):
        step("make .venv", sys.executable, "-m", "venv", "--clear", str(VENV))


def is_installed(extras: tuple[str, ...]) -> bool:
    """Return whether an earlier run installed ``extras`` from the same inputs."""
    found = stamp()
    same = all(found.get(key) == value for key, value in inputs().items())
    return same and set(extras) <= set(found.get("extras", [])) and Path(PYTHON).exists()


def inputs() -> dict[str, str]:
    """Return what an installation depends on: this place, and a hash of the requirements and the tested versions."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return {"root": str(ROOT), "sources": digest.hexdigest()}


def stamp() -> dict[str, Any]:
    """Return what the last complete installation wrote; empty where there is none."""
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def pinned(name: str) -> str:
    """Return the line of ``constraints.txt`` that pins a package, such as ``torch==2.13.0``."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{name}=="))


def der_gym(*arguments: str) -> None:
    """Run the installed command ``der-gym``."""
    step(f"der-gym {arguments[0]}", str(BIN / ("der-gym.exe" if os.name == "nt" else "der-gym")), *arguments)


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
