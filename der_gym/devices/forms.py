"""What the functions of a device class may name in each of its seven kernels, and the source that is written of them.

| name | means | in |
|---|---|---|
| a row of params, state, energy | this device's entry | all |
| rated_kw, dead_s | shared rows of the fleet | draw writes them; rated_kw is read by all but save |
| cmd_start, cmd_end, cmd_end_share | the command in force | tick |
| accepts_commands, standby | 1 where it takes commands; where it stands by | tick; the first in capability too |
| power_kw, shown_kw | mean power of the tick, and what the device reports of it | tick writes them |
| enrolled | 1 while the device is a member | tick, capability |
| a row of SITE | of the device's home, gathered first | draw, tick, capability, owner |
| import_limit_kw, export_limit_kw | limits of the device's home | draw |
| given_feed_back, given_switched | what the resource table says, -1 nothing | draw |
| uid, k0, k1 | address for draws; the fleet's key in draw, else the world's | draw, begin, redraw |
| clock_s | seconds since 2000-01-01 00:00 | begin, redraw |
| fresh | whether the slots that run are drawn, not those that begin now | redraw |
| a row of EXOGENOUS | weather, calendar, clock | all but draw, save |
| a setting, cfg | its number, or the vector of all | all but save |
| up_kw, down_kw, stored_kwh, debt_kwh | what the device could give | capability writes them |
| saved_NAME | a row of what is carried from the reference days, NaN none | begin reads, save writes them |
| a row of TARIFF | the homes' prices | owner |
| ask_up_yen_kwh, ask_down_yen_kwh, stake | what an owner asks, the comfort at stake | owner writes them |
| another returned name | a number for each device; a value where the function is called once | the kernel, later on |

A row hides a setting of the same name.
"""

from __future__ import annotations

from collections.abc import Callable

from der_gym.devices.declare import KERNELS, Declaration
from der_gym.devices.owners.terms import ASKED, TARIFF
from der_gym.engine.codegen import Entry, Form, Place, wrap_import, write_kernel
from der_gym.engine.generated import load
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN, SITE

_Lines = tuple[str, ...]
_SPAN = "lo : lo + n"
_ONE = "np.uint32(index[i])"
_OR_ALL = "np.uint32(index[i] if limits.shape[2] > 1 else 0)"
_LIMITS = ("import_limit_kw", "export_limit_kw")
_OWN = {"draw": "params", "begin": "state energy", "redraw": "state energy", "advance": "state energy"}
_KEYS = {"draw": (0, 1), "begin": (2, 3), "redraw": (2, 3)}
_ARGUMENTS = {
    "draw": "active, keys, uid, cfg, given, site_index, site, limits, params, fleet, lo",
    "begin": "active, keys, uid, abs_s, ctx, cfg, pool, at, place, params, state, energy, lo",
    "redraw": "active, keys, uid, abs_s, ctx, cfg, params, state, energy, lo, fresh",
    "advance": "active, ctx, cfg, site_index, site, params, state, energy, registers, fleet, lo",
    "capability": "active, ctx, cfg, site_index, site, params, state, energy, fleet, lo, opting, reached, cell_lo, "
    "cell_hi, out",
    "save": "active, params, state, energy, out",
    "owner": "active, ctx, cfg, tariff, site_index, site, params, state, energy, fleet, lo, out",
}
_FLEET = {
    "draw": ("rated_kw", "dead_s"),
    "advance": (
        "rated_kw",
        "cmd_start",
        "cmd_end",
        "cmd_end_share",
        "accepts_commands",
        "standby",
        "power_kw",
        "shown_kw",
    ),
    "capability": ("rated_kw",),
    "owner": ("rated_kw",),
}
_WRITES = {"rated_kw": "draw", "dead_s": "draw", "power_kw": "advance", "shown_kw": "advance"}
_HEAD = '''"""Kernels of the device class {name}, written from the functions of {modules}.

Do not edit: the file is written anew. Rows are cut first, then each function has a loop of its own.
"""

import numpy as np

{imports}

'''


def kernels_of(model: Declaration) -> dict[str, Callable[..., None] | None]:
    """Return the kernels that a class's functions make, by name; None where it has no function for one.

    Raises
    ------
    InputError
        For a function that cannot stand in its kernel; names the function, and the nearest name for an unknown one.
    """
    if not any(True for _ in model.stages()):
        return {}
    module = load(_module_name(model), source(model))
    return {name: getattr(module, name, None) for name in KERNELS}


def _module_name(model: Declaration) -> str:
    above = next(model.stages()).module.rpartition(".")[0]
    return f"{above}.{model.name}" if above else model.name


def source(model: Declaration, only: str = "") -> str:
    """Return the source of a class's kernels; ``only``: with the loop of one function, for a look at its code."""
    lines: list[str] = []
    for kernel in KERNELS:
        stages = [stage for stage in model.stages(kernel) if only in ("", stage.name) or stage.once]
        if stages and any(only in ("", stage.name) for stage in stages):
            lines += write_kernel(form(model, kernel, only), stages, [] if only else entries(model, kernel))
    body = "\n".join(lines)
    modules = sorted({stage.module for stage in model.stages()})
    imports = "\n".join(_imports(model, body))
    return _HEAD.format(name=model.name, modules=", ".join(modules), imports=imports) + body.lstrip("\n") + "\n"


_LENT = {
    "der_gym.devices.flexibility": ("HERE", "HEARS", "N_SCRATCH", "find_accepting", "place_row", "recall", "sum_cells"),
    "der_gym.engine.compile": ("kernel",),
    "der_gym.engine.scratch": ("borrow", "give_back"),
    "der_gym.numerics.sums": ("any_positive", "enter", "find_enrolled", "kept_row"),
}


def _imports(model: Declaration, body: str) -> list[str]:
    lent = {module: [name for name in names if _names(body, name)] for module, names in _LENT.items()}
    for stage in model.stages():
        name = stage.name if stage.called == stage.name else f"{stage.name} as {stage.called}"
        if name not in lent.setdefault(stage.module, []) and f"{stage.called}(" in body:
            lent[stage.module].append(name)
    plain = [stage for stage in model.stages() if stage.bare and f"{stage.called}(" in body]
    for stage in plain:  # the author's module holds the function as it was written
        kind = "part" if stage.loops else "scalar"
        lent["der_gym.engine.compile"] = sorted({*lent["der_gym.engine.compile"], kind})
    named = ((module, sorted(names)) for module, names in sorted(lent.items()) if names)
    lines = [line for module, names in named for line in wrap_import(module, names)]
    compiled = sorted({f"{s.called} = {'part' if s.loops else 'scalar'}({s.called})" for s in plain})
    return [*lines, *(["", *compiled] if compiled else [])]


def _names(body: str, name: str) -> bool:
    return f"@{name}" in body or f"{name}(" in body or f"[{name}]" in body or f"({name}," in body


def entries(model: Declaration, kernel: str) -> list[Entry]:
    """Return what a class's ticks enter into its registers."""
    if kernel != "advance":
        return []
    sums = [(name, register) for name, register in model.meters.items() if not register.by_home]
    place = {name: number for number, name in enumerate(model.booked)}
    return [
        Entry(number, register.row or name, _scale(register.scale), place.get(name, -1), len(sums))
        for number, (name, register) in enumerate(sums)
    ]


def _scale(scale: float | str) -> str:
    return scale if isinstance(scale, str) else f"np.float64({scale!r})"


def form(model: Declaration, kernel: str, only: str = "") -> Form:
    """Return what functions may name in one of a class's kernels."""
    arguments = _ARGUMENTS[kernel]
    places = _settings(model, arguments) | _context(kernel, arguments) | _fleet(kernel) | _own(model, kernel)
    often = kernel in ("advance", "capability")
    if not only:
        above, first, last, below = _around(model, kernel)
        return Form(kernel, arguments, places, above, first, last, below, _wanted(model, kernel), often)
    # what other functions hand on, and what other loops fill, stands in for itself
    given = {name for stage in model.stages(kernel) if not stage.once for name in stage.gives} - places.keys()
    made = {name for name, place in places.items() if place.kind in ("gather", "made")}
    places |= {name: Place(f"fleet[s, {FLEET.POWER_KW}, {_SPAN}]", writes=True) for name in given | made}
    above, _, _, below = _around(model, kernel)
    return Form(kernel, arguments, places, above, below=below, often=often)


def _wanted(model: Declaration, kernel: str) -> tuple[str, ...]:
    wanted = {
        "draw": (*model.params, "rated_kw", "dead_s"),
        "advance": ("power_kw", "shown_kw"),
        "capability": CAPABILITY.names,
        "save": tuple(f"saved_{name}" for name in model.saved),
        "owner": ASKED,
    }
    return wanted.get(kernel, ())


def _own(model: Declaration, kernel: str) -> dict[str, Place]:
    """Return the places of a class's own rows."""
    found: dict[str, Place] = {}
    for array in ("params", "state", "energy"):
        if array in _ARGUMENTS[kernel]:
            writes = array in _OWN.get(kernel, "").split()
            table = getattr(model, array)
            found |= {n: Place(f"{array}[s, {k}]", "row", writes, array == "energy") for k, n in enumerate(table)}
    for k, name in enumerate(model.saved):
        if kernel in ("begin", "save"):
            text = f"out[s, {k}]" if kernel == "save" else f"saved[{k}]"
            found[f"saved_{name}"] = Place(text, writes=kernel == "save")
    return found


def _fleet(kernel: str) -> dict[str, Place]:
    """Return the places of the rows that all classes share, and of homes."""
    found = {
        name: Place(f"fleet[s, {FLEET.number(name)}, {_SPAN}]", "row", _WRITES.get(name) == kernel)
        for name in _FLEET.get(kernel, ())
    }
    if "site_index" in _ARGUMENTS[kernel]:
        found |= {name: Place(f"site[s, {k}]", "gather", at=_ONE) for k, name in enumerate(SITE)}
    if kernel == "draw":
        found |= {name: Place(f"limits[p, {k}]", "gather", at=_OR_ALL) for k, name in enumerate(_LIMITS)}
        found |= {f"given_{name}": Place(f"given[p, {k}, {_SPAN}]") for k, name in enumerate(GIVEN)}
    if kernel == "advance":
        found["enrolled"] = Place(f"find_enrolled(fleet[s, {FLEET.METER_GAIN}, {_SPAN}], enrolled)", "made")
    if kernel == "owner":
        found |= {name: Place(f"out[s, {k}, {_SPAN}]", writes=True) for k, name in enumerate(ASKED)}
    if kernel == "capability":
        found |= {name: Place(f"each[{k}]", writes=True) for k, name in enumerate(CAPABILITY)}
        found |= {"accepts_commands": Place("each[HEARS]"), "enrolled": Place("each[HERE]")}
    return found


def _context(kernel: str, arguments: str) -> dict[str, Place]:
    """Return the places of what is the same for all devices of a world."""
    found: dict[str, Place] = {}
    if "ctx" in arguments:
        found |= {name: Place(f"ctx[w, {k}]", "value") for k, name in enumerate(EXOGENOUS)}
    if "tariff" in arguments:
        found |= {name: Place(f"tariff[{k}]", "value") for k, name in enumerate(TARIFF)}
    if kernel in _KEYS:
        found |= {f"k{j}": Place(f"keys[w, {k}]", "value") for j, k in enumerate(_KEYS[kernel])}
        found["uid"] = Place(f"uid[p, {_SPAN}]", local="ids")
    if "abs_s" in arguments:
        found["clock_s"] = Place("abs_s[w]", "value")
    if "fresh" in arguments:
        found["fresh"] = Place("fresh", "value")
    return found


def _settings(model: Declaration, arguments: str) -> dict[str, Place]:
    if "cfg" not in arguments:
        return {}
    return {"cfg": Place("cfg", "value")} | {n: Place(model.layout.place(n), "value") for n in model.layout.sizes}


def _around(model: Declaration, kernel: str) -> tuple[_Lines, _Lines, _Lines, _Lines]:
    """Return the lines above the loop over shards, at the start and the end of its body, and below it."""
    if kernel == "begin" and len(model.saved):
        recall = "recall(pool, at[s], place[place_row(len(pool), at[s], len(place), p, n_shard)], saved)"
        return (f"saved = borrow({len(model.saved)}, n)",), (recall,), (), ("give_back(saved)",)
    if kernel == "capability":
        last = f"sum_cells(ctx[w, {EXOGENOUS.T_S}], each, fleet[s], lo, cell_lo, cell_hi, reached, out[s])"
        find = "find_accepting(fleet[s], lo, opting, each)"
        return ("each = borrow(N_SCRATCH, n)",), (find,), (last,), ("give_back(each)",)
    return (), (), (), ()
