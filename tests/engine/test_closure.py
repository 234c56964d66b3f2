"""Keys of code: they change with every file and constant that the code depends on, and with no other."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from der_gym.engine import closure
from der_gym.engine.imports import Import, imports

ROOT = Path(__file__).resolve().parents[2]
_numbers = count()


def reference(text: str, package: str) -> set[Import]:
    """Return every import of a source by a walk over its whole tree."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {Import(alias.name, ()) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            found.add(
                Import(".".join([*above, *filter(None, [node.module])]), tuple(alias.name for alias in node.names))
            )
    return found


def test_the_imports_of_every_file_are_found() -> None:
    files = [*(ROOT / "der_gym").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "agents").rglob("*.py")]
    assert len(files) > 200
    for path in files:
        missing = reference(path.read_text(encoding="utf-8"), "a.b") - set(imports(path.read_bytes(), "a.b"))
        assert not missing, path


@pytest.mark.parametrize(
    "text",
    [
        "import a, b.c as d\n",
        "if x: import a\n",
        "x = 1; import a\n",
        "try:\n    from a import (\n        b,  # (\n        c as d,\n    )\nexcept ImportError: pass\n",
        "from a \\\n    import b\n",
        "from a import b, \\\n    c\n",
        "def f():\n    from . import a\n    from ..b import c\n    from .d import *\n",
        "from a import(b)\nfrom c import*\n",
        "x = '''\nfrom the depot import nothing at all\n'''\nimport a\n",
        "# import x\nimport a  # import y\n",
        "class A:\n    import a\n    if True:\n        import b; import c\n",
        "import important\nimportant.thing: int = 1\n",
        "import a\r\nfrom b import c\r\n",
    ],
)
def test_imports_are_found_however_they_are_written(text: str) -> None:
    assert set(imports(text.encode(), "p.q.r")) == reference(text, "p.q.r")


def test_what_is_no_python_imports_nothing() -> None:
    assert list(imports(b"import \xff", "a")) == [] and list(imports(b"import )", "a")) == []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """Return a call that writes a module of a package of its own and returns its name."""
    name = f"made_up_{next(_numbers)}"
    (tmp_path / name / "inner").mkdir(parents=True)
    for folder in ("", "inner"):
        (tmp_path / name / folder / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def write(module: str, text: str) -> str:
        path = tmp_path / name / (module.replace(".", "/") + ".py")
        path.write_text(text.replace("PACKAGE", name), encoding="utf-8")
        importlib.invalidate_caches()
        return f"{name}.{module}".removesuffix(".__init__")

    yield write
    for loaded in [each for each in sys.modules if each.split(".")[0] == name]:
        del sys.modules[loaded]


@pytest.mark.parametrize(
    "text",
    [
        "from PACKAGE import other\n",
        "from PACKAGE.other import thing\n",
        "import PACKAGE.other\n",
        "from . import other\n",
        "from .other import *\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from PACKAGE.other import thing\n",
        "def f():\n    from PACKAGE.other import thing\n",
        "import PACKAGE\n",
        "from PACKAGE import middle\n",
        "from PACKAGE.inner import deep\n",
    ],
)
def test_a_key_changes_with_what_is_imported_and_with_nothing_else(
    text: str, package: Callable[[str, str], str]
) -> None:
    package("other", "thing = 1\n")
    package("middle", "from .other import thing\n")
    package("inner.deep", "from ..middle import thing\n")
    package("unrelated", "thing = 1\n")
    root = package("root", text)
    before = closure.key([root])
    assert closure.key([root]) == before and len(before) == 16
    if text != "import PACKAGE\n":  # it counts every file of the package
        package("unrelated", "thing = 2  # another\n")
        assert closure.key([root]) == before
    package("other", "thing = 1  # a comment\n")
    assert closure.key([root]) != before


def test_a_packages_own_file_counts_where_a_name_of_its_own_is_taken(package: Callable[[str, str], str]) -> None:
    package("other", "thing = 1\n")
    passing = package("passing", "from PACKAGE import other\nfrom PACKAGE.other import thing\n")
    taking = package("taking", "from PACKAGE import own\n")
    before = closure.key([passing]), closure.key([taking])
    package("__init__", "from PACKAGE.other import thing\nown = 1\n")
    after = closure.key([passing]), closure.key([taking])
    assert after[0] == before[0] and after[1] != before[1]
    package("other", "thing = 2  # through the package's own file\n")
    assert closure.key([taking]) != after[1]


def test_libraries_count_by_their_version(package: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    root = package("root", "import numpy as np, math, numba.core\nfrom scipy import stats\nimport not_installed\n")
    assert closure.names([root]) == {root}
    before = closure.key([root])
    monkeypatch.setattr(closure, "versions", lambda: "another compiler")
    assert closure.key([root]) != before


def test_modules_left_out_do_not_count(package: Callable[[str, str], str]) -> None:
    other = package("other", "thing = 1\n")
    root = package("root", "from PACKAGE.other import thing\n")
    assert closure.names([root]) == {root, other} and closure.names([root], [other]) == {root}


def test_only_der_gyms_engine_stands_behind_a_leaf_of_it() -> None:
    assert closure.names(["der_gym.numerics.rng"]) <= {
        *(f"der_gym.numerics.{name}" for name in ("rng", "approx")),
        *(
            f"der_gym.engine.{name}"
            for name in ("compile", "dispatch", "native", "probe", "references", "memory", "parallel", "scratch")
        ),
        "der_gym.core.errors",
    }


def loaded(name: str) -> ModuleType:
    return importlib.import_module(name)


USING = """
from der_gym.engine.compile import kernel, part, scalar
from PACKAGE import other
from PACKAGE.other import FACTOR, half as by_two
from PACKAGE.unrelated import Unused

def outer(z):
    return kernel_of(z)

@kernel
def work(s0, s1, x):
    for s in range(s0, s1):
        x[s] = by_two(x[s]) * FACTOR + other.OFFSET + OWN

OWN = 3.0  # stands below what names it
"""
OTHER = """
from der_gym.engine.compile import scalar
from PACKAGE.deepest import third

FACTOR, OFFSET, ELSE = 2.0, 1.0, 5.0

@scalar
def half(x):
    return third(x) * 0.5
"""
DEEPEST = "from der_gym.engine.compile import scalar\n\n@scalar\ndef third(x):\n    return x / 3.0\n"


def in_a_new_start(name: str) -> str:
    """Return the key of ``work`` as the next process would find it."""
    for module in [each for each in sys.modules if each.split(".")[0] == name.split(".")[0]]:
        del sys.modules[module]
    found = closure.function_key(loaded(name).work.py_func)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("module", "old", "new", "changes"),
    [
        ("deepest", "x / 3.0", "x / 4.0", True),
        ("deepest", "return", "return  # a comment\n    return", True),
        ("other", "2.0, 1.0", "2.5, 1.0", True),
        ("other", "2.0, 1.0", "2.0, 1.5", True),
        ("root", "OWN = 3.0", "OWN = 4.0", True),
        ("unrelated", "class Unused", "'''A comment.'''\nclass Unused", False),
    ],
)
def test_a_functions_key_follows_what_it_names(
    module: str, old: str, new: str, changes: bool, package: Callable[[str, str], str]
) -> None:
    texts = {"deepest": DEEPEST, "other": OTHER, "root": USING, "unrelated": "class Unused: pass\n"}
    names = {name: package(name, text) for name, text in texts.items()}
    before = in_a_new_start(names["root"])
    assert in_a_new_start(names["root"]) == before
    assert texts[module].count(old) >= 1
    package(module, texts[module].replace(old, new, 1))
    assert (in_a_new_start(names["root"]) != before) == changes


def test_a_constant_that_no_source_tells_counts(package: Callable[[str, str], str]) -> None:
    package("other", "import os\nFACTOR = 1.0\nROWS = (1, 2)\nTABLE = {'a': 1}\n")
    text = "from PACKAGE import other\ndef work(x):\n    return x * other.FACTOR * other.ROWS[0] + other.TABLE['a']\n"
    work = loaded(package("root", text)).work
    other = sys.modules[work.__module__.replace("root", "other")]
    found = {closure.function_key(work)}
    for name, value in [("FACTOR", 2.0), ("FACTOR", 2), ("FACTOR", np.float32(2)), ("FACTOR", np.ones(3))]:
        setattr(other, name, value)
        found.add(closure.function_key(work))
    for name, value in [("ROWS", (2, 1)), ("ROWS", (2, (1,))), ("TABLE", {"b": 1}), ("FACTOR", np.sqrt)]:
        setattr(other, name, value)
        found.add(closure.function_key(work))
    assert len(found) == 9 and None not in found


def test_a_generated_source_leads_to_the_users_module(package: Callable[[str, str], str], tmp_path: Path) -> None:
    users = package("physics", "def half(x):\n    return x * 0.5\n")
    path = tmp_path / "generated-1234.py"
    path.write_text(f"from {users} import half\n\ndef work(x):\n    return half(x)\n", encoding="utf-8")

    def key() -> str | None:
        for module in [each for each in sys.modules if each.split(".")[0] == users.split(".")[0]]:
            del sys.modules[module]
        names: dict[str, Any] = {"__name__": "generated"}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
        return closure.function_key(names["work"])

    before = key()
    assert before is not None and key() == before
    package("physics", "def half(x):\n    return x * 0.25\n")
    between = key()
    assert between not in (None, before)
    path.write_text(path.read_text(encoding="utf-8").replace("half(x)", "half(x) + 1"), encoding="utf-8")
    assert key() not in (None, before, between)


def test_what_a_function_is_given_around_it_counts() -> None:
    def make(by: Any) -> Callable[[float], float]:
        return lambda x: x * by if by.__class__ is not type(make) else by(x)

    found = {closure.function_key(make(by)) for by in (1.0, 2.0, loaded, reference, make(1.0), make(2.0))}
    assert len(found) == 6 and None not in found


def test_a_function_without_a_file_has_no_key() -> None:
    names: dict[str, Any] = {"__name__": "typed"}
    exec("def work(x):\n    return x\n", names)
    assert closure.function_key(names["work"]) is None


def test_an_edit_counts_once_the_module_is_loaded_anew(package: Callable[[str, str], str]) -> None:
    """Code in memory is older than the file: what it compiles to must not be kept under the new file's key."""
    name = package("root", "def work(x):\n    return x\n")
    module = loaded(name)
    before = closure.function_key(module.work)
    package("root", "def work(x):\n    return x + 1  # edited while it runs\n")
    assert closure.function_key(module.work) == before
    importlib.reload(module)
    assert closure.function_key(module.work) != before
