"""Public functions of two arguments and more say what each argument is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

# The modules that a user calls or writes plug-ins against.
CALLED = ("env", "controllers", "evaluation", "scenario", "services/base.py", "devices/declare.py", "signals", "fleet")
# Parts of a picture, a page or a benchmark, called by the file beside them alone.
INNER = ("env/render/", "evaluation/report/", "evaluation/bench")
# Under one of these decorators stands no function that a user calls: loops, and functions of a command line.
KERNELS = {"kernel", "scalar", "part", "field_validator", "model_validator", "command", "callback"}
# A docstring that sends the reader on names the place: "see `Service`", "arguments as of `key`".
SENT_ON = re.compile(r"(see|as of|as for|those of|of) :?\w*:?[`\"]", re.IGNORECASE)


def faults(tree: ast.Module) -> Iterator[str]:
    """Yield the public functions of a module whose docstring leaves an argument out."""
    for owner, function in _public(tree):
        arguments = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
        arguments = [name for name in arguments if name not in ("self", "cls")]
        said = ast.get_docstring(function) or ""
        if len(arguments) < 2 or SENT_ON.search(said):
            continue
        missing = [name for name in arguments if not _listed(name, said)]
        if missing:
            yield f"{function.lineno} {owner}{function.name}: {', '.join(missing)}"


def _public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from ((f"{node.name}.", each) for each in node.body if _counts(each))  # type: ignore[misc]
        elif _counts(node):
            yield "", node  # type: ignore[misc]


def _counts(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not KERNELS & set(_marks(node))


def _marks(node: ast.FunctionDef) -> Iterator[str]:
    for mark in node.decorator_list:
        name = mark.func if isinstance(mark, ast.Call) else mark
        yield name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")


def _listed(name: str, said: str) -> bool:
    """Return whether a line of a list of arguments names one: ``a, b : type``, or ``name``: in a sentence."""
    lines = (line.strip() for line in said.splitlines())
    return any(re.match(rf"([*\w]+, )*\*{{0,2}}{name}(, \w+)* : ", line) for line in lines) or f"``{name}``" in said


def files(root: Path) -> Iterator[Path]:
    for name in CALLED:
        at = root / "der_gym" / name
        every = sorted(at.rglob("*.py")) if at.is_dir() else [at]
        yield from (path for path in every if not any(part in path.as_posix() for part in INNER))


def test_public_functions_list_their_arguments(project_root: Path) -> None:
    found = [
        f"{path.relative_to(project_root)}:{fault}"
        for path in files(project_root)
        for fault in faults(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ('def f(a, b):\n    """Return a."""', 1),
        ('def f(a, b):\n    """Return.\n\n    Parameters\n    ----------\n    a, b : float\n        kW.\n    """', 0),
        ('def f(a, b):\n    """Return.\n\n    Parameters\n    ----------\n    a : float\n        kW.\n    """', 1),
        ('def f(a, b):\n    """Return ``a`` times ``b``, kW."""', 0),
        ('def f(a, b):\n    """Return it; arguments as of `g`."""', 0),
        ("@kernel\ndef f(a, b):\n    pass", 0),
        ("def _f(a, b):\n    pass", 0),
        ("class A:\n    def f(self, a):\n        pass", 0),
        ("class A:\n    def f(self, a, b):\n        pass", 1),
    ],
)
def test_a_made_up_function_is_judged(text: str, n: int) -> None:
    assert len(list(faults(ast.parse(text)))) == n
