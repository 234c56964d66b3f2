"""Write ``docs/schema.md``: every row of every table of the package. ``python scripts/schema.py``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import der_gym
from der_gym.devices.base import DeviceModel
from der_gym.engine.schema import Table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "schema.md"
HEAD = """# Schema

Every row of every shared array, with its unit, its reader and its meaning. The page is written by
`python scripts/schema.py` from the tables in the code (`engine/schema.py`); do not edit it. Readers: `truth` is read by
physics and evaluation alone, `meter` by settlement, `aggregator` by controllers and observations, `engine` means
nothing outside the code. A leading axis `S` is the shards, `N` the rows of the table.
"""
ORDER = ("core", "engine", "numerics", "signals", "fleet", "devices", "network", "services", "scenario", "simulation",
         "env", "controllers", "evaluation", "cli")  # fmt: skip
OF_A_CLASS = ("params", "state", "energy", "registers", "saved")


def tables() -> Iterator[tuple[str, Table]]:
    """Yield (module, table) for every table of the package, under the module that makes it, in the order of the layers.

    Tables of settings are left out: ``der-gym schema`` shows settings.
    """
    names = [info.name for info in pkgutil.walk_packages(der_gym.__path__, "der_gym.")]
    modules = [importlib.import_module(name) for name in sorted(names, key=_rank) if not name.endswith("__main__")]
    seen: set[int] = set()
    for module in modules:
        for home, table in _tables(module):
            if id(table) not in seen and table.N and not table.__name__.endswith(".cfg"):
                seen.add(id(table))
                yield home, table


def _tables(module: ModuleType) -> Iterator[tuple[str, Table]]:
    """Yield the tables that a module makes, and those of the device class that it declares."""
    text = inspect.getsource(module) if module.__file__ and Path(module.__file__).stat().st_size else ""
    for value in vars(module).values():
        if isinstance(value, Table) and re.search(rf'\(\s*"{re.escape(_title(value))}"', text):
            yield module.__name__, value
        elif isinstance(value, DeviceModel) and f'name="{value.name}"' in text:
            yield from ((module.__name__, getattr(value, each)) for each in OF_A_CLASS)


def _title(table: Table) -> str:
    return table.__name__.removeprefix("der_gym.table.")


def _rank(name: str) -> tuple[int, str]:
    part = name.split(".")[1]
    return (ORDER.index(part) if part in ORDER else len(ORDER), name)


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for module, table in tables():
        parts.append(f"## {_title(table)}\n\n`{module}`: {table.about}.\n\n{table.markdown()}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
