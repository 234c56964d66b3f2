"""Counting of references to arrays, which numba leaves out of a loop that makes no array.

Numba's machine code counts references to an array, so that an array made inside a loop is freed. It counts references
to the arguments of the loop as well, and that takes a tenth of the time to compile. A loop that makes no array needs no
counting. This is decided from the inferred types of all values in the loop, not from names in its source: a loop counts
unless every step of it is known to make no array.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import ir
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.dispatcher import Dispatcher
from numba.core.typed_passes import NopythonTypeInference

from der_gym.engine.scratch import borrow, give_back

_NAMED = (ir.Arg, ir.Var, ir.Const, ir.Global, ir.FreeVar)  # other names of existing values
_VIEWS = {"static_getitem", "cast", "phi", "build_tuple", "exhaust_iter"}  # parts of it
_ATTRIBUTES = {"T", "view"}  # of an array, that copy nothing; ``view`` is then called


@register_pass(mutates_CFG=False, analysis_only=False)
class DropCounting(FunctionPass):  # type: ignore[misc]
    """Switches the counting of references off for a function that makes no array, nor anything else to be freed."""

    _name = "der_gym_drop_counting"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        if not makes(state):
            state.flags.nrt = False
            state.targetctx.enable_nrt = False  # this compilation's own context
        return False


class Counted(Compiler):  # type: ignore[misc]
    """Compiles with references counted where they must be."""

    def define_pipelines(self) -> list[Any]:
        made: list[Any] = super().define_pipelines()
        for each in made:
            each.add_pass_after(DropCounting, NopythonTypeInference)
            each.finalize()
        return made


def makes(state: Any) -> bool:
    """Return whether a function may make something that has to be freed.

    Parameters
    ----------
    state : numba's state of a compilation
        After type inference.
    """
    if state.func_ir.is_generator:
        return True
    lines = (line for block in state.func_ir.blocks.values() for line in block.body)
    return any(_line_makes(line, state) for line in lines)


def _line_makes(line: Any, state: Any) -> bool:
    """Return whether one line of numba's code may make something that has to be freed."""
    if isinstance(line, ir.SetItem | ir.StaticSetItem):  # of a whole array: numba may copy it first
        return any(_is_freed(var, state) for var in line.list_vars() if var.name != line.target.name)
    if isinstance(line, ir.Return):  # the caller gives back a reference, so that one must have been taken
        return _is_freed(line.value, state)
    return isinstance(line, ir.Assign) and not isinstance(line.value, _NAMED) and _value_makes(line, state)


def _value_makes(line: Any, state: Any) -> bool:
    """Return whether the value that a line assigns may have to be freed, or may refer to such a value."""
    value, made = line.value, _is_freed(line.target, state)
    if not isinstance(value, ir.Expr):
        return True  # unknown
    if value.op in _VIEWS:
        return False
    if value.op == "getattr":
        return made and value.attr not in _ATTRIBUTES and not isinstance(state.typemap[value.value.name], types.Module)
    if value.op == "getitem":
        return _is_freed(value.index, state)  # by an array of places: a copy
    callee = state.typemap[value.func.name] if value.op == "call" else None
    if _is_view(callee) or _is_borrowed(callee):
        return False
    return made or (not _stands_alone(callee) and any(_is_freed(var, state) for var in value.list_vars()))


def _is_view(callee: Any) -> bool:
    return isinstance(callee, types.BoundFunction) and callee.typing_key == "array.view"


def _is_borrowed(callee: Any) -> bool:
    return isinstance(callee, types.Function) and callee.typing_key in (borrow, give_back)


def _stands_alone(callee: Any) -> bool:
    """Return whether a function is compiled by itself, so that it frees what it makes and does not return."""
    if isinstance(callee, types.Dispatcher):
        return isinstance(callee.dispatcher, Dispatcher)
    overloads = callee.templates if isinstance(callee, types.Function) else ()
    return bool(overloads) and all(hasattr(o, "_overload_func") and o._inline.is_never_inline for o in overloads)


def _is_freed(var: Any, state: Any) -> bool:
    """Return whether numba would count references to a variable's value."""
    try:
        return bool(state.targetctx.data_model_manager[state.typemap[var.name]].contains_nrt_meminfo())
    except (KeyError, NotImplementedError):
        return True
