"""Kernels from functions of numbers: the loops around such functions are written as Python source.

An author writes a function of one device, ``def follow(power_kw, limit_kw): ...; return power_kw`` (`stage`). The names
of its arguments are the rows that it reads, the returned names the rows that it writes. `write_kernel` adds the common
parts: views of the rows, gathers, one packed loop per function, rows of scratch, masks, sums. `generated.load` keeps
the text as a file.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from der_gym.core.errors import InputError, nearest
from der_gym.engine.stage import Stage, calls_others

MOST_WRITTEN = 10  # rows that one loop may write and still be worked several devices at a time
MOST_PAIRS = 128  # of rows of which one is written: LLVM checks that none overlap, and gives up beyond
WIDTH = 118


@dataclass(frozen=True)
class Place:
    """The place of a function's argument in a kernel.

    Attributes
    ----------
    text : str
        Expression for it, such as ``params[s, 3]``.
    kind : str
        ``row``: an entry for each device; ``value``: the same for all; ``gather``: the entry ``at`` of another row;
        ``made``: a row of scratch that the statement ``text`` fills.
    writes : bool
        Whether a function may return it.
    wide : bool
        Whether it is float64.
    local : str
        Its name in the kernel, where that is not the argument's.
    at : str
        Index expression of a gather.
    """

    text: str
    kind: Literal["row", "value", "gather", "made"] = "row"
    writes: bool = False
    wide: bool = False
    local: str = ""
    at: str = ""


@dataclass(frozen=True)
class Form:
    """The parts that the kernels of one kind share in all device classes.

    Attributes
    ----------
    name : str
        Of the kernel.
    arguments : str
        After ``s0, s1, n_shard``.
    places : mapping
        The names that functions may use.
    above, first, last, below : sequence of str
        Lines before the loop over shards, at the start and at the end of its body, and after it.
    wanted : sequence of str
        Names that must be returned by some function.
    often : bool
        Whether it runs every tick: then float64 stands in loops of its own.
    """

    name: str
    arguments: str
    places: Mapping[str, Place]
    above: Sequence[str] = ()
    first: Sequence[str] = ()
    last: Sequence[str] = ()
    below: Sequence[str] = ()
    wanted: Sequence[str] = ()
    often: bool = False


@dataclass(frozen=True)
class Entry:
    """A register: ``registers[s, number] += row * scale``, summed over the devices that are enrolled.

    ``place`` and ``n_register``: see `numerics.sums.kept_row`.
    """

    number: int
    row: str
    scale: str
    place: int
    n_register: int


@dataclass
class _Names:
    """The names in the functions of one kernel, and the place of each.

    Attributes
    ----------
    used : dict
        Places that are named, in order.
    scratch : dict
        Rows that live for this call only, in order: gathers, and results for later functions.
    values : set
        Names whose value is the same for all devices.
    """

    form: Form
    used: dict[str, Place] = field(default_factory=dict)
    scratch: dict[str, None] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)

    def take(self, label: str, name: str) -> None:
        """Note that a function reads ``name``.

        Raises
        ------
        InputError
            For an unknown name, or one that no earlier function has returned.
        """
        if name in self.scratch or name in self.values:
            return
        place = self.form.places.get(name)
        if place is None:
            close = nearest(name, [*self.form.places, *self.scratch, *self.values])
            hint = f"; did you mean {close!r}?" if close else ""
            raise InputError(f"{label}: unknown name {name!r} in a {self.form.name} function{hint}")
        self.used[name] = place
        if place.kind == "value":
            self.values.add(name)
        if place.kind in ("gather", "made"):
            self.scratch[name] = None

    def give(self, label: str, name: str, once: bool) -> None:
        """Note that a function returns ``name``.

        Raises
        ------
        InputError
            For a name that may not be written.
        """
        place = self.form.places.get(name)
        if place is not None and (once or not place.writes):
            raise InputError(f"{label}: {name!r} is only read in a {self.form.name} function; return another name")
        if name in RESERVED:
            raise InputError(f"{label}: {name!r} is a name of the kernel's own; return another name")
        if place is not None:
            self.used[name] = place
        elif once:
            self.values.add(name)
        else:
            self.scratch[name] = None


RESERVED = frozenset(
    (
        *("s0", "s1", "n_shard", "active", "keys", "uid", "ids", "abs_s", "ctx", "cfg", "given", "pool", "at", "place"),
        *("site_index", "site", "limits", "params", "state", "energy", "registers", "fleet", "lo", "out", "fresh"),
        *(
            "tariff",
            "opting",
            "reached",
            "cell_lo",
            "cell_hi",
            "n",
            "s",
            "w",
            "p",
            "i",
            "scratch",
            "saved",
            "each",
            "index",
            "np",
        ),
    )
)


def write_kernel(form: Form, stages: Sequence[Stage], entries: Sequence[Entry] = ()) -> list[str]:
    """Return the source lines of a kernel.

    Parameters
    ----------
    form : Form
    stages : sequence of Stage
        In the order in which they are called.
    entries : sequence of Entry
        Registers to add to.

    Raises
    ------
    InputError
        For an unknown name (with the nearest one), a name that may not be written or that is the kernel's own, more
        than ten written rows in a loop, float64 among other work, a row that nothing writes.
    """
    names = _Names(form)
    stages = sorted(stages, key=lambda stage: not stage.once)
    for stage in stages:
        _check(stage, names)
    missing = [name for name in form.wanted if name not in {give for stage in stages for give in stage.gives}]
    if missing:
        raise InputError(f"{stages[0].module}: no {form.name} function returns {missing[0]!r}")
    for entry in entries:
        names.take(f"{stages[0].module}: register {entry.number}", entry.row)
        if entry.scale.isidentifier():
            names.take(f"{stages[0].module}: register {entry.number}", entry.scale)
    if entries:
        names.take(form.name, "enrolled")
    body = [*form.first, *_views(names), *_once(stages), *_gathers(names), *_loops(stages, names, entries), *form.last]
    scratch = _scratch(names)
    late = [*_unless_due(stages), *scratch] if "fresh" in form.arguments else []  # nothing to do takes no memory
    lines = ["n = params.shape[2]", *form.above, *([] if late else scratch), "for s in range(s0, s1):"]
    inner = ["w, p = s // n_shard, s % n_shard", "if not active[w]:", "    continue", *late, *body]
    end = ["give_back(scratch)"] if scratch else []
    inner, after = (inner + end, []) if late else (inner, end)
    head = ["", "", "@kernel", *wrap(f"def {form.name}(s0, s1, n_shard, {form.arguments}):")]
    return [*head, *_indent([*lines, *_indent(inner), *after, *form.below])]


def _check(stage: Stage, names: _Names) -> None:
    """Note the names that a stage reads and writes; raise InputError where its kernel cannot do it."""
    form = names.form
    if stage.name in RESERVED or stage.name in form.places:
        raise InputError(f"{stage.label}: is also the name of what kernels hold; name the function otherwise")
    for name in stage.takes if not stage.loops else [t for t in stage.takes if t not in stage.gives]:
        names.take(stage.label, name)
    if stage.when:
        names.take(stage.label, stage.when)
    for name in stage.gives:
        names.give(stage.label, name, stage.once)
    if len(stage.gives) > MOST_WRITTEN and not stage.once:
        raise InputError(f"{stage.label}: returns {len(stage.gives)} rows; allowed: {MOST_WRITTEN}, in two functions")
    rows = {n for n in (*stage.takes, *stage.gives) if n not in names.values}
    n_out = len(stage.gives)
    pairs = n_out * (len(rows) - n_out) + n_out * (n_out - 1) // 2
    if pairs > MOST_PAIRS and form.often and not stage.once:
        raise InputError(
            f"{stage.label}: returns {n_out} of {len(rows)} rows, {pairs} pairs that may overlap; allowed: "
            f"{MOST_PAIRS}, in two functions"
        )
    wide = [n for n in (*stage.takes, *stage.gives) if n in form.places and form.places[n].wide]
    called = calls_others(stage.plain) if wide and form.often and not stage.loops else ""
    if called:
        raise InputError(
            f"{stage.label}: the float64 row {wide[0]!r} beside a call of {called} halves the speed; allowed: a "
            f"function before it that returns np.float32(...) of the row, and one after it that adds to the row"
        )


def _views(names: _Names) -> Iterator[str]:
    """Yield the lines that cut the rows and take the values that functions name."""
    for name, place in names.used.items():
        local = place.local or name
        if place.kind == "gather":
            yield f"of_{name} = {place.text}"
        elif place.kind == "made":
            yield place.text
        elif place.text != local:
            yield f"{local} = {place.text}"
    if any(place.kind == "gather" for place in names.used.values()):
        yield "index = site_index[p, lo : lo + n]"


def _gathers(names: _Names) -> Iterator[str]:
    for name, place in names.used.items():
        if place.kind == "gather":
            yield from ("for i in range(n):", f"    {name}[i] = of_{name}[{place.at}]")


def _scratch(names: _Names) -> list[str]:
    rows = list(names.scratch)
    if not rows:
        return []
    return [
        f"scratch = borrow({len(rows)}, n)",
        *(f"{row} = scratch[{k}]" for k, row in enumerate(rows)),
    ]


def _unless_due(stages: Sequence[Stage]) -> list[str]:
    """Return the lines that leave a shard out where no function is due."""
    due = dict.fromkeys(stage.due for stage in stages if not stage.once)
    if "" in due:
        return []
    return [f"if not ({' or '.join(each.replace('clock_s', 'abs_s[w]') for each in due)}):", "    continue"]


def _once(stages: Sequence[Stage]) -> Iterator[str]:
    for stage in stages:
        if stage.once:
            yield from wrap(f"{', '.join(stage.gives)} = {stage.called}({', '.join(stage.takes)})")


def _loops(stages: Sequence[Stage], names: _Names, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield one loop per function, under its condition, and the entries into registers."""
    places, open_due, left = names.form.places, "", list(entries)
    always = {name for stage in stages if not stage.when for name in (*stage.gives, *places)}
    for stage in [stage for stage in stages if not stage.once]:
        lines = list(_loop(stage, names.values, places))
        if stage.due != open_due and stage.due:
            yield f"if {stage.due}:"
        open_due = stage.due
        if stage.when:  # else the row may hold what another shard left
            own = [entry for entry in left if entry.row in stage.gives and entry.row not in always]
            lines += _entered(own)
            left = [entry for entry in left if entry not in own]
        yield from _indent(lines) if stage.due else lines
    yield from _entered(left)


def _entered(entries: Iterable[Entry]) -> list[str]:
    kept = "kept_row(registers[s], {e.number}, {e.place}, {e.n_register})"
    return [f"enter({e.row}, enrolled, {e.scale}, {kept.format(e=e)})" for e in entries]


def _loop(stage: Stage, values: set[str], places: Mapping[str, Place]) -> Iterator[str]:
    locals_ = {name: places[name].local or name if name in places else name for name in (*stage.takes, *stage.gives)}
    if stage.loops:
        yield from wrap(f"{stage.called}({', '.join(locals_[name] for name in stage.takes)})")
        return
    given = ", ".join(locals_[name] if name in values else f"{locals_[name]}[i]" for name in stage.takes)
    yield "for i in range(n):"
    yield from _indent(wrap(f"{', '.join(f'{locals_[name]}[i]' for name in stage.gives)} = {stage.called}({given})"))


def _indent(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else line for line in lines]


def wrap(line: str) -> list[str]:
    """Return a call, an assignment of one or a function's head in lines that have room to be indented."""
    if len(line) <= WIDTH - 16:
        return [line]
    before, _, arguments = line.rpartition("(") if line.startswith("def ") else line.partition(" = ")
    if line.startswith("def "):
        return [f"{before}(", *_folded(arguments.removesuffix("):")), "):"]
    called, _, given = arguments.partition("(")
    head = [f"({before}) = {called}("]
    if len(head[0]) > WIDTH - 16:
        head = ["(", *_folded(before), f") = {called}("]
    return [*head, *_folded(given.removesuffix(")")), ")"]


def wrap_import(module: str, names: Sequence[str]) -> list[str]:
    """Return an import of names from a module in lines of at most `WIDTH`."""
    line = f"from {module} import {', '.join(names)}"
    return [line] if len(line) <= WIDTH else [f"from {module} import (", *_folded(", ".join(names) + ","), ")"]


def _folded(text: str) -> list[str]:
    return _indent(textwrap.wrap(text, WIDTH - 20, break_long_words=False))
