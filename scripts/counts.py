"""Count what a plug-in costs its author: ``python scripts/counts.py`` prints the table of docs/architecture.md.

Lines are those with code: no blank line, no comment, no docstring. Files opened outside are the files of the package
that import the plug-in, other plug-ins apart; a plug-in of this project is imported by the file of its registry alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "der_gym"
FOLDERS = {"device class": "devices", "service": "services"}
APART = {"baselines", "owners"}  # folders of parts, not of one plug-in
FILES = {
    "controller": [f"controllers/{name}.py" for name in ("open_loop", "closed_loop", "merit_order")],
    "behaviour and head": ["devices/droop.py"],
}


@dataclass(frozen=True)
class Count:
    """What one plug-in costs.

    Attributes
    ----------
    kind, name : str
    files, lines : int
        Its files that hold code, and the lines of code in them.
    outside : tuple of str
        Files of the package that import it, other plug-ins apart.
    """

    kind: str
    name: str
    files: int
    lines: int
    outside: tuple[str, ...]


def code_lines(path: Path) -> int:
    """Return the lines of a file that hold code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    text = path.read_text(encoding="utf-8").splitlines()
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and k not in said for k, line in enumerate(text, 1)
    )


def plug_ins() -> Iterator[tuple[str, str, list[Path]]]:
    """Yield kind, name and files of every shipped plug-in that has files of its own."""
    for kind, folder in FOLDERS.items():
        for own in sorted(each for each in (PACKAGE / folder).iterdir() if (each / "__init__.py").exists()):
            if own.name not in APART:
                yield kind, own.name, sorted(own.glob("*.py"))
    for kind, paths in FILES.items():
        for path in paths:
            yield kind, Path(path).stem, [PACKAGE / path]


def counts() -> list[Count]:
    """Return the counts of all plug-ins."""
    every = list(plug_ins())
    owned = {path for _, _, paths in every for path in paths}
    rest = [path for path in PACKAGE.rglob("*.py") if path not in owned]
    found = []
    for kind, name, paths in every:
        lines = [n for n in map(code_lines, paths) if n]
        outside = [path.relative_to(PACKAGE).as_posix() for path in rest if _imports(path, _module(kind, paths))]
        found.append(Count(kind, name, len(lines), sum(lines), tuple(sorted(outside))))
    return found


def _module(kind: str, paths: list[Path]) -> str:
    own = paths[0].parent if kind in FOLDERS else paths[0].with_suffix("")
    return ".".join(("der_gym", *own.relative_to(PACKAGE).parts))


def _imports(path: Path, module: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for name in _imported(path))


@cache
def _imported(path: Path) -> tuple[str, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))


def table() -> str:
    """Return the counts as a table in Markdown."""
    rows = ["| kind | plug-in | files | lines of code | files opened outside |", "|---|---|--:|--:|---|"]
    for c in counts():
        rows.append(f"| {c.kind} | {c.name} | {c.files} | {c.lines} | {', '.join(c.outside)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
