"""The registry: names, errors, and plug-ins of installed packages that are loaded once, when they are asked for."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from der_gym.core import entry_points
from der_gym.core.errors import InputError
from der_gym.core.registry import Registry

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install packages of one module each, in the way that pip leaves them behind."""
    modules = set(sys.modules)

    def make(package: str, source: str, points: str) -> None:
        (tmp_path / f"{package}.py").write_text(source, encoding="utf-8")
        told = tmp_path / f"{package}-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        (told / "entry_points.txt").write_text(points, encoding="utf-8")

    monkeypatch.syspath_prepend(str(tmp_path))
    entry_points._found.cache_clear()
    entry_points._told.clear()
    yield make
    entry_points._found.cache_clear()
    entry_points._told.clear()
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def texts() -> Registry[str]:
    """Return a registry of texts with one in it."""
    made: Registry[str] = Registry("text", "der_gym.test_texts", lambda item: isinstance(item, str), "a str")
    made.register("own", "OWN")
    return made


POINTS = "[der_gym.test_texts]\n"


def test_a_package_is_loaded_once_for_the_first_name_that_is_not_there(install: Install) -> None:
    install("acme_once", "LOADS = []\nLOADS.append(1)\ntext = 'ACME'\n", POINTS + "acme = acme_once:text\n")
    kept = texts()
    assert kept["own"] == "OWN" and "own" in kept and kept.registered() == ("own",) and kept.holds("OWN")
    assert "acme_once" not in sys.modules  # nothing has asked for more
    assert kept["acme"] == "ACME" and sys.modules["acme_once"].LOADS == [1]
    assert list(kept) == ["own", "acme"] and len(kept) == 2
    with pytest.raises(InputError, match=r"text: unknown name 'acne'; did you mean 'acme'\?"):
        kept["acne"]


@pytest.mark.parametrize("ask", [list, len, lambda kept: "acme" in kept, lambda kept: kept["acme"]])
def test_every_way_of_asking_finds_it(install: Install, ask: Callable[[Registry[str]], Any]) -> None:
    install("acme_asked", "text = 'ACME'\n", POINTS + "acme = acme_asked:text\n")
    kept = texts()
    assert ask(kept) and kept.registered() == ("own", "acme")


def test_a_module_registers_what_it_brings_itself(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = texts()
    monkeypatch.setattr(entry_points, "_texts", kept, raising=False)
    source = "from der_gym.core.entry_points import _texts\ntext = _texts.register('made', 'M')\n"
    install("acme_module", source, POINTS + "a = acme_module\nb = acme_module:text\n")
    assert list(kept) == ["own", "made"]  # by either form, once


BROKEN = {
    "no such module": ("", "a = acme_missing:text\n", "ModuleNotFoundError: No module named 'acme_missing'"),
    "no such name": ("", "a = acme_broken:text\n", "AttributeError"),
    "an import that fails": ("raise ValueError('two\\nlines')", "a = acme_broken:t\nb = acme_broken:u\n", "two lines"),
    "a name that is taken": ("text = 'OTHER'", "own = acme_broken:text\n", "text: 'own' is registered already"),
    "another kind of object": ("text = 5", "a = acme_broken:text\n", "text: 'a' is 5; allowed: a str"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_package_is_left_out_with_one_warning(install: Install, name: str) -> None:
    source, points, says = BROKEN[name]
    install("acme_broken", source, POINTS + points)
    install("zeta_good", "text = 'Z'\n", POINTS + "z = zeta_good:text\n")
    kept, again = texts(), texts()
    with pytest.warns(UserWarning, match="package 'acme_broken': plug-in '.*' is left out: ") as told:
        assert list(kept) == ["own", "z"]
    assert len(told) == 1 and says in str(told[0].message) and "\n" not in str(told[0].message)
    with warnings.catch_warnings():  # it is told once, in whatever registry
        warnings.simplefilter("error")
        assert list(again) == ["own", "z"]


def test_packages_are_loaded_in_the_order_of_their_names(install: Install) -> None:
    for package in ("zeta_two", "acme_one"):
        install(package, f"text = {package!r}\n", POINTS + f"of_{package} = {package}:text\n")
    assert list(texts()) == ["own", "of_acme_one", "of_zeta_two"]


def test_registering_by_hand_needs_no_package() -> None:
    kept = texts()
    assert kept.register("late", "L") == "L" and kept["late"] == "L" and kept.register("late", "L") == "L"
    with pytest.raises(InputError, match="'late' is registered already"):
        kept.register("late", "other")
    with pytest.raises(InputError, match="allowed: a str"):
        kept.register("odd", 5)  # type: ignore[arg-type]
