"""The kernel of the fields that are functions: a loop around them, written as source and compiled into the step."""

from __future__ import annotations

import hashlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.engine.closure import see
from der_gym.engine.compile import kernel, part
from der_gym.engine.generated import keep, remember
from der_gym.env.observation.columns import TABLES, own_columns
from der_gym.env.observation.field import Field

_NAME, _WIDTH, _NO_BREAK = "compute_fields", 100, "\0"
# The loops around a function, and where its values go; ``first`` is the field's first column.
_LOOPS: dict[str, tuple[tuple[str, ...], str]] = {
    "world": ((), ""),
    "service": (("for k in range(service.shape[1]):",), " + k"),
    "block": (("for k in range(block.shape[1]):", "for i in range(block.shape[2]):"), " + k * block.shape[2] + i"),
    "leaf": (("for i in range(leaf.shape[1]):",), " + i"),
}


def write(fields: Sequence[Field], places: Mapping[str, int]) -> str:
    """Return the source of the kernel that computes ``fields``.

    ``places``: number of each own column of the services, ``service.column``, in the view's ``own``.

    Its arguments: ``w0``, ``w1``; ``active`` bool (n_world,); ``world``, ``service``, ``block``, ``leaf``, ``own``, the
    view's arrays; ``first`` int64 (n_field,), each field's first column in ``out``; ``out`` float64 (n_world,
    n_column). Rows of worlds that are not active stay as they are.
    """
    titles = [f"    {f.key}: {f.title} ({_origin(f)})" for f in fields]
    head = ["@kernel", f"def {_NAME}(w0, w1, active, world, service, block, leaf, own, first, out):"]
    about = ['    """Compute the fields that are functions.', "", *titles, '    """']
    loop = ["    for w in range(w0, w1):", "        if not active[w]:", "            continue"]
    lines = [f"        {line}" for k, each in enumerate(fields) for line in _lines(k, each, places)]
    said = '"""Written of the observation fields that are functions. Do not edit: the file is written anew."""'
    return "\n".join([said, "", "", *head, *about, *loop, *lines, ""])


def _lines(number: int, field: Field, places: Mapping[str, int]) -> Iterator[str]:
    """Yield the lines that compute the field of this number."""
    loops, step = _LOOPS[field.scope]
    for depth, line in enumerate(loops):
        yield "    " * depth + line
    call = _call(f"out[w, first[{number}]{step}]", field, _placed(field, places))
    yield from (f"{'    ' * len(loops)}{line}" for line in call)


def _placed(field: Field, places: Mapping[str, int]) -> list[str]:
    """Return how a kernel reads each argument of a field's function.

    Raises
    ------
    InputError
        For an own column of a service that the scenario does not have.
    """
    for column in (name for each in field.sources for name in own_columns(each)):
        if column not in places:
            kind = column.partition(".")[0]
            raise InputError(f"{field.label}: reads {column!r}; allowed: a scenario with the service {kind!r}")
    return [re.sub(r"\{([^}]+)\}", lambda found: str(places[found[1]]), each) for each in field.sources]


def _call(target: str, field: Field, sources: Sequence[str]) -> list[str]:
    """Return the lines that set ``target`` to what the function gives."""
    head, given = f"{target} = {_function(field)}(", ", ".join(sources)
    if len(head) + len(given) < _WIDTH:
        return [f"{head}{given})"]
    lines = textwrap.wrap(", ".join(each.replace(" ", _NO_BREAK) for each in sources), _WIDTH)
    return [head, *(f"    {line.replace(_NO_BREAK, ' ')}" for line in lines), ")"]


def _plain(field: Field) -> Any:
    """Return the function as its author wrote it."""
    return getattr(field.compute, "py_func", field.compute)


def _origin(field: Field) -> str:
    """Return where a function stands; two of one place and name (lambdas) differ by what they do."""
    code = _plain(field).__code__
    digest = hashlib.sha256(code.co_code + repr(code.co_consts).encode()).hexdigest()[:8]
    return f"{_plain(field).__module__}.{_plain(field).__qualname__} {digest}"


def _function(field: Field) -> str:
    return field.key.replace(".", "_")


def compile_fields(fields: tuple[Field, ...], places: Mapping[str, int]) -> Callable[..., None]:
    """Return the kernel of ``fields``; arguments and errors are those of `write`.

    Raises
    ------
    InputError
        For a function that cannot be compiled, or that does not return a number.
    """
    return _compile(fields, write(fields, places))


@cache
def _compile(fields: tuple[Field, ...], text: str) -> Callable[..., None]:
    functions = {_function(field): _compiled(field) for field in fields}
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    in_files = all(see(_plain(field)) is not None for field in fields)  # else nobody could see a function change
    file = (keep if in_files else remember)(f"fields_{digest}.py", text)
    module = ModuleType(f"der_gym_fields_{digest}")
    module.__file__, module.__spec__ = file, ModuleSpec(module.__name__, None, origin=file)
    sys.modules[module.__name__] = module  # kept machine code is found by its module's name
    space = vars(module)
    space.update(_tables(), kernel=kernel, **functions)
    exec(compile(text, file, "exec"), space)
    made: Callable[..., None] = space[_NAME]
    if hasattr(made, "compile"):
        _try(made, fields, functions)
    return made


def _tables() -> dict[str, Any]:
    return {name.upper(): table for name, table in TABLES.items()}


def _compiled(field: Field) -> Any:
    """Return the field's function as kernels call it; one that its author has compiled stays as it is."""
    compute: Any = field.compute
    return compute if hasattr(compute, "py_func") else part(compute)


def _types() -> tuple[Any, ...]:
    """Return the types of the kernel's arguments."""
    from numba import typeof

    arrays = [
        np.zeros(1, bool),
        *(np.zeros((1,) * n) for n in (2, 3, 4, 3, 2)),
        np.zeros(1, np.int64),
        np.zeros((1, 1)),
    ]
    return tuple(typeof(each) for each in (0, 0, *arrays))


def _try(made: Any, fields: Sequence[Field], functions: dict[str, Any]) -> None:
    """Compile the kernel; where that fails, name the field whose function is at fault."""
    from numba.core.errors import NumbaError

    try:
        made.compile(_types())
    except NumbaError as error:
        for field in fields:
            _try_alone(field, functions[_function(field)])
        raise InputError(f"observation fields: cannot be compiled: {_first_line(error)}") from error


def _try_alone(field: Field, function: Any) -> None:
    """Compile one field's function for the types that it gets."""
    from numba import float64, types
    from numba.core.errors import NumbaError

    kinds = (float64, float64[:], float64[:, :])
    given = tuple(kinds[each.count(":")] for each in field.sources)
    try:
        function.compile(given)
    except NumbaError as error:
        raise InputError(f"{field.label}: cannot be compiled: {_first_line(error)}") from error
    returned = function.overloads[given].signature.return_type
    if not isinstance(returned, types.Integer | types.Float | types.Boolean):
        raise InputError(f"{field.label}: returns {returned}; allowed: a number")


def _first_line(error: Exception) -> str:
    """Return what numba says is wrong, without where in the compiler it was found."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("Failed in", "-", "During"))), str(error))
