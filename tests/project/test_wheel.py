"""The wheel works where the checkout is not: it brings the settings and the command along."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, blind to the checkout; its exit code is judged by the caller."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def succeed(folder: Path, *command: str | Path) -> str:
    """Run a command that must end with 0; return what it printed."""
    done = run(folder, *command)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from the checkout with the build tools at hand (no download)."""
    out = tmp_path_factory.mktemp("dist")
    tools = [sys.executable, "-W", "default", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*tools, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new environment that holds the wheel and borrows only what der_gym depends on.

    A path file lends it this environment's packages. Those come after its own, and the path files among them are not
    read, so an editable der_gym cannot be found through them.
    """
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False)
    python = home / SCRIPTS / "python"
    pip = [sys.executable, "-W", "default", "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, "-q", str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (own,) = home.rglob("site-packages")
    lent = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (own / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")
    return home


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "der_gym/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"der_gym"}
    assert [name for name in names if "__pycache__" in name] == []


def test_every_setting_travels(wheel: Path) -> None:
    at_home = {path.relative_to(ROOT).as_posix() for path in (ROOT / "configs").rglob("*") if path.is_file()}
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("der_gym/configs/")}
    assert at_home
    assert inside == {f"der_gym/{name}" for name in at_home}


def test_all_that_a_report_is_made_of_travels(wheel: Path) -> None:
    assets = ROOT / "der_gym" / "evaluation" / "assets"
    at_home = {path.relative_to(ROOT).as_posix() for path in assets.rglob("*") if path.is_file()}
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("der_gym/evaluation/assets/")}
    assert "der_gym/evaluation/assets/vendor/uPlot.LICENSE" in at_home
    assert inside == at_home


def test_the_wheel_is_imported_and_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = succeed(tmp_path, installed / SCRIPTS / "python", "-c", "import der_gym; print(der_gym.__file__)")
    assert Path(where.strip()).is_relative_to(installed)


def test_the_command_finds_the_scenarios(installed: Path, tmp_path: Path) -> None:
    shown = succeed(tmp_path, installed / SCRIPTS / "der-gym", "list", "scenarios")
    assert "tertiary-1-tiny" in shown


def test_the_command_runs_an_episode(installed: Path, tmp_path: Path) -> None:
    words = ["run", "tertiary-1-tiny", "--controller", "idle", "--seed", "1", "--report", "run.html"]
    assert succeed(tmp_path, installed / SCRIPTS / "der-gym", *words).strip()
    assert (tmp_path / "run.html").exists()


def test_the_command_refuses_an_unknown_scenario_in_one_line(installed: Path, tmp_path: Path) -> None:
    done = run(tmp_path, installed / SCRIPTS / "der-gym", "run", "tertiary-1-tyny", "--controller", "idle")
    assert done.returncode == 2
    assert "tertiary-1-tiny" in done.stderr
    assert "Traceback" not in done.stderr
