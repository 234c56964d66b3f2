"""Tables: the rows of a shared array, declared once with name, unit, readers and meaning.

``FLEET = Table("fleet", ...)`` gives ``FLEET.RATED_KW``, the number of the row ``rated_kw``, to Python and to kernels:
a table is a module to numba, which takes a module's numbers as constants. Sizes, snapshots, the documentation and the
fields of an observation come from the same declaration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, get_args

from der_gym.core.errors import nearest

Reader = Literal["truth", "meter", "aggregator", "engine"]
READERS: tuple[Reader, ...] = get_args(Reader)


@dataclass(frozen=True)
class Row:
    """One quantity of a table.

    Attributes
    ----------
    name : str
        Lower case, with its unit at the end where it has one.
    unit : str
        ``-`` for a share, a count or a flag.
    reader : str
        Who may read it: ``truth`` the physics alone, ``meter`` settlement, ``aggregator`` controllers and observations,
        ``engine`` the code alone.
    meaning : str
    """

    name: str
    unit: str
    reader: Reader
    meaning: str


class Table(ModuleType):
    """The rows of one array.

    Parameters
    ----------
    name : str
        Its name in errors and in the documentation.
    about : str
        Shape and dtype of the array, and what it holds.
    rows : str
        One row a line: ``name | unit | reader | meaning``. A reader left empty is the one of the line above.

    Raises
    ------
    ValueError
        For a line that is no row, a name that stands twice or is ``n``, an unknown reader.

    Examples
    --------
    >>> table = Table("demo", "float32 (n_row, n)", "power_kw | kW | truth | mean power\\n age_s | s | | age")
    >>> table.AGE_S, table.N, table["age_s"].reader
    (1, 2, 'truth')
    """

    def __init__(self, name: str, about: str, rows: str) -> None:
        super().__init__(f"der_gym.table.{name}", about)
        self.about, self.rows = about, _parse(name, rows)
        self.names: tuple[str, ...] = tuple(row.name for row in self.rows)
        self.N = len(self.rows)
        for number, row in enumerate(self.rows):
            setattr(self, row.name.upper(), number)

    def __getattr__(self, name: str) -> int:
        known = self.__dict__.get("names", ()) if name.isupper() else ()  # others are asked for by hasattr
        close = nearest(name.lower(), known)
        hint = f"; did you mean {close.upper()!r}?" if close else ""
        raise AttributeError(f"table {self.__name__.removeprefix('der_gym.table.')} has no row {name!r}{hint}")

    def __getitem__(self, name: str) -> Row:
        return self.rows[self.number(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def extended(self, name: str, rows: str) -> Table:
        """Return a table of these rows and, behind them, of others: arrays that a special case makes wider."""
        return Table(name, self.about, f"{self.text()}\n{rows}")

    def number(self, name: str) -> int:
        """Return the number of the row ``name``; AttributeError names the nearest one."""
        number: int = getattr(self, name.upper())
        return number

    def __reduce__(self) -> str | tuple[object, ...]:
        """Let a copy be the table itself: tables are constants."""
        return Table, (self.__name__.removeprefix("der_gym.table."), self.about, self.text())

    def __deepcopy__(self, memo: object) -> Table:
        return self

    def text(self) -> str:
        """Return the declaration's lines."""
        return "\n".join(f"{row.name} | {row.unit} | {row.reader} | {row.meaning}" for row in self.rows)

    def markdown(self) -> str:
        """Return the table for the documentation."""
        lines = ["| row | unit | read by | meaning |", "|---|---|---|---|"]
        meanings = (r.meaning.replace("|", "\\|") for r in self.rows)  # a bar would end the cell
        rows = (f"| {r.name} | {r.unit} | {r.reader} | {said} |" for r, said in zip(self.rows, meanings, strict=True))
        return "\n".join([*lines, *rows])


def _parse(table: str, text: str) -> tuple[Row, ...]:
    rows: list[Row] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        parts = [part.strip() for part in line.split("|", 3)]
        if len(parts) != 4:
            raise ValueError(f"table {table}: {line!r}; allowed: name | unit | reader | meaning")
        name, unit, reader, meaning = parts
        reader = reader or (rows[-1].reader if rows else "")
        if reader not in READERS:
            raise ValueError(f"table {table}: row {name}: reader {reader!r}; allowed: {', '.join(READERS)}")
        if name == "n":
            raise ValueError(f"table {table}: row n: N is the number of rows; give it a longer name")
        if name in {row.name for row in rows}:
            raise ValueError(f"table {table}: row {name} stands twice")
        rows.append(Row(name, unit, reader, meaning))
    return tuple(rows)
