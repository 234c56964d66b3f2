"""The import statements of a source, wherever they stand, read without parsing the rest of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple


class Import(NamedTuple):
    """One import.

    Attributes
    ----------
    module : str
        Absolute dotted name.
    names : tuple of str
        Names that are imported from it (``*`` for all); empty for ``import module``.
    """

    module: str
    names: tuple[str, ...]


def imports(text: bytes, package: str) -> Iterator[Import]:
    """Yield every import of a source.

    Parameters
    ----------
    text : bytes
        A source of Python. Text that is no Python holds no import.
    package : str
        Dotted name of the package that relative imports start from.
    """
    try:
        tree = ast.parse("\n".join(_statements(text.decode())))
    except (SyntaxError, ValueError, _Unclear):
        tree = _parsed(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield Import(module, tuple(alias.name for alias in node.names))


class _Unclear(Exception):
    """The lines alone do not say whether an import stands there."""


def _parsed(text: bytes) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _statements(text: str) -> Iterator[str]:
    """Yield the import statements without their indentation; an example in a docstring is one as well.

    Parsing these alone takes a tenth of the time. Raises _Unclear for a line that is seldom written.
    """
    lines = iter(text.splitlines())
    for line in lines:
        if "import" not in line:
            if line.endswith("\\") and line.lstrip().startswith("from "):
                raise _Unclear
            continue
        bare = line.strip()
        words = bare.split(None, 3)
        if words[0] == "import" or (words[0] == "from" and len(words) > 2 and words[2].startswith("import")):
            yield _whole(bare, lines)
        elif _hidden(bare):
            raise _Unclear


def _whole(first: str, lines: Iterator[str]) -> str:
    """Return a statement with the lines that its brackets or backslashes take in."""
    taken = [first]
    while taken[-1].endswith("\\") or (_code(taken).count("(") > _code(taken).count(")")):
        following = next(lines, None)
        if following is None:
            raise _Unclear
        taken.append(following.strip())
    return "\n".join(taken)


def _code(lines: list[str]) -> str:
    return " ".join(line.partition("#")[0] for line in lines)


def _hidden(line: str) -> bool:
    """Return whether an import may stand behind something else on its line: ``if x: import y``, ``a = 1; import b``."""
    before, _, _ = line.partition("import ")
    return before != line and not line.startswith("#") and before.rstrip().endswith((":", ";"))
