"""The frame agrees with itself: one version, every requirement pinned, no dead link, commands that exist."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "agents").rglob("*.md")])


def pins(file: str = "constraints.txt") -> dict[str, str]:
    """Return the version of every package in a file of versions, as it holds for this Python."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    here = [each for each in found if each.marker is None or each.marker.evaluate()]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in here}


def requirements() -> list[Requirement]:
    """Return what the core and all extras ask for."""
    extras = [line for group in PROJECT["optional-dependencies"].values() for line in group]
    return [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_requirement_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("line", PROJECT["dependencies"])
def test_the_oldest_versions_are_within_the_bounds_and_numba_is_the_lowest(line: str) -> None:
    requirement = Requirement(line)
    pin = pins("constraints-oldest.txt")[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin)
    lowest = [Version(each.version) for each in requirement.specifier if each.operator == ">="]
    assert requirement.name != "numba" or lowest == [Version(pin)]


def test_the_core_stays_small() -> None:
    core = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    light = {"gymnasium", "numba", "numpy", "pillow", "pydantic", "pyyaml", "rich", "safetensors", "scipy", "typer"}
    assert core == light


def test_there_is_one_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert PROJECT["version"] == cited == newest[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readmes_name_commands_that_exist() -> None:
    targets = set(
        re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0].split()
    )
    for page in ("README.md", "README.ja.md", "CONTRIBUTING.md"):
        named = re.findall(r"^    make (\w+)|`make (\w+)`", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert named
        assert {a or b for a, b in named} <= targets


@pytest.fixture
def dev(tmp_path: Path) -> ModuleType:
    """Return scripts/dev.py, told that a folder of the test is the checkout."""
    loader = SourceFileLoader("dev", str(ROOT / "scripts" / "dev.py"))
    spec = spec_from_loader("dev", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    module.ROOT, module.Venv.python = tmp_path, sys.executable
    for name in ("pyproject.toml", "constraints.txt", "constraints-oldest.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for venv in (module.TESTED, module.OLDEST):
        venv.folder.mkdir()
    return module


@pytest.fixture
def steps(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return the list that every step of dev.py is written to, in place of being run."""
    taken: list[tuple[str, ...]] = []
    monkeypatch.setattr(dev, "step", lambda *words: taken.append(words))
    return taken


def test_the_first_install_takes_torch_first_and_by_itself(dev: ModuleType, steps: list[tuple[str, ...]]) -> None:
    dev.install(dev.TEST_EXTRAS)
    assert [words[0] for words in steps] == ["install torch", "install der_gym"]
    assert steps[0][-1] == f"torch=={pins()['torch']}"
    assert steps[1][-2:] == ("-e", ".[train,data,dev]")


def test_the_core_alone_needs_no_torch(dev: ModuleType, steps: list[tuple[str, ...]]) -> None:
    dev.install()
    assert [words[-1] for words in steps] == ["."]


def test_the_second_time_installs_nothing(dev: ModuleType, steps: list[tuple[str, ...]]) -> None:
    dev.install(dev.TEST_EXTRAS)
    steps.clear()
    dev.install(dev.TEST_EXTRAS)
    dev.install()  # what the core needs is part of it
    assert steps == []


def test_the_oldest_versions_stand_apart(dev: ModuleType, steps: list[tuple[str, ...]]) -> None:
    dev.install()
    steps.clear()
    dev.install(venv=dev.OLDEST)
    dev.install(venv=dev.OLDEST)
    (words,) = steps
    assert words[words.index("-c") + 1 :] == ("constraints-oldest.txt", "pytest", "hypothesis", "-e", ".")


def test_make_test_runs_tests_that_exist_on_the_oldest_versions(dev: ModuleType, steps: list[tuple[str, ...]]) -> None:
    dev.test()
    (words,) = (words for words in steps if words[0] == "pytest on the oldest versions")
    paths = [word.partition("::")[0] for word in words if word.startswith("tests/")]
    assert len(paths) > 3 and all((ROOT / path).exists() for path in paths)


def test_clean_removes_both_environments(dev: ModuleType) -> None:
    dev.clean()
    assert not dev.TESTED.folder.exists() and not dev.OLDEST.folder.exists()


def test_more_extras_or_another_pin_install_again(dev: ModuleType, steps: list[tuple[str, ...]]) -> None:
    dev.install()
    steps.clear()
    dev.install(dev.TEST_EXTRAS)
    assert len(steps) == 2
    with (dev.ROOT / "constraints.txt").open("a", encoding="utf-8") as file:
        file.write("# another\n")
    dev.install()
    assert len(steps) == 3


def test_a_checkout_that_moved_gets_a_new_environment(dev: ModuleType, steps: list[tuple[str, ...]]) -> None:
    dev.install()
    steps.clear()
    dev.ROOT = dev.ROOT / "." / ".." / dev.ROOT.name  # another name of the same place
    dev.install()
    assert [words[0] for words in steps] == ["make .venv", "install der_gym"]


def test_a_step_that_fails_ends_with_its_code_and_one_line(dev: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        dev.step("check", sys.executable, "-c", "print('seen'); raise SystemExit(3)")
    shown = capfd.readouterr()
    assert end.value.code == 3
    assert "seen" in shown.out
    assert shown.err == "der_gym: check failed with exit code 3; its output stands above\n"


def test_a_command_that_is_not_there_ends_with_one_line(dev: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        dev.step("check", str(dev.ROOT / "no-such-command"))
    assert capfd.readouterr().err.count("\n") == 1


def test_an_old_python_is_told_so_in_one_line(dev: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    dev.check_python((3, 11, 0))
    with pytest.raises(SystemExit):
        dev.check_python((3, 10, 13))
    assert "Python 3.11 or newer is needed, this is 3.10.13" in capfd.readouterr().err


def test_help_runs_before_anything_is_installed() -> None:
    done = subprocess.run([sys.executable, "-S", "scripts/dev.py", "--help"], cwd=ROOT, capture_output=True, check=True)
    assert b"demo" in done.stdout
