"""What an observation field is, and how one is made of a function of numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from der_gym.core.errors import InputError, unknown
from der_gym.core.registry import Registry
from der_gym.env.observation.columns import SCOPES, Scope, source

Unit = Literal["award", "nominal", "fleet"]
UNITS: tuple[Unit, ...] = get_args(Unit)


@dataclass(frozen=True)
class Field:
    """One quantity of the observation.

    Attributes
    ----------
    name : str
        Of a column of the scope's table, unless there is a function.
    scope : str
        One value per world, per service, per block shown of each service, or per leaf.
    unit : str
        Of the decoded value.
    scale : float or str
        Decoded value that reads 1: a number, or ``"award"`` (of its service; of the first one for a world or a leaf),
        ``"nominal"`` (the leaf's rated swing; only per leaf), ``"fleet"`` (the sum of all leaves' rated swing).
    low, high : float
        Bounds of the scaled value; what lies outside is cut.
    title : str
    compute : callable, optional
        Function of numbers, compiled into the step; its arguments name columns, see `field`.

    Raises
    ------
    InputError
        For an unknown scope, scale or argument, with the nearest name; for bounds in the wrong order.
    """

    name: str
    scope: Scope
    unit: str
    scale: float | Unit
    low: float
    high: float
    title: str
    compute: Callable[..., float] | None = None

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise InputError(f"{self.label}: scope {self.scope!r}; allowed: {', '.join(SCOPES)}")
        _check_scale(self)
        if not self.low < self.high:
            raise InputError(f"{self.label}: low {self.low!r}, high {self.high!r}; allowed: low below high")
        if self.compute is not None:
            _ = self.sources

    @property
    def key(self) -> str:
        """Return the name with its scope, as in the registry."""
        return f"{self.scope}.{self.name}"

    @property
    def label(self) -> str:
        """Return what errors call the field."""
        return f"observation field {self.key}"

    @property
    def sources(self) -> tuple[str, ...]:
        """Return how a kernel reads each argument of the function."""
        return tuple(source(self.label, self.scope, name) for name in _arguments(self.label, self.compute))

    def __call__(self, *columns: Any) -> float:
        """Return what the function gives for numbers, in plain Python."""
        if self.compute is None:
            raise TypeError(f"{self.label} is a column and has no function")
        return self.compute(*columns)

    def __deepcopy__(self, memo: object) -> Field:
        """Return the field itself: it is a constant."""
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Let a pickle name the field: the function stands in the module that registers it."""
        if self.key in FIELDS and FIELDS[self.key] is self:
            return _registered, (self.key,)
        return super().__reduce__()


def _check_scale(field: Field) -> None:
    scale = field.scale
    if isinstance(scale, str):
        if scale not in UNITS:
            raise unknown(f"{field.label}: scale", scale, [*UNITS, "a number"])
        if scale == "nominal" and field.scope != "leaf":
            raise InputError(f"{field.label}: scale 'nominal' is a leaf's rated swing; allowed: award, fleet, a number")
    elif not 0.0 < scale < math.inf:
        raise InputError(f"{field.label}: scale {scale!r}; allowed: above 0, or {', '.join(UNITS)}")


def _arguments(label: str, compute: Any) -> tuple[str, ...]:
    """Return the names of a function's arguments; InputError where some cannot be columns."""
    given = inspect.signature(getattr(compute, "py_func", compute)).parameters.values()
    odd = [p for p in given if p.kind != p.POSITIONAL_OR_KEYWORD or p.default is not p.empty]
    if odd:
        raise InputError(f"{label}: argument {str(odd[0])!r}; allowed: names of columns, without defaults or stars")
    return tuple(p.name for p in given)


FIELDS: Registry[Field] = Registry(
    "observation field", "der_gym.fields", lambda item: isinstance(item, Field), "a Field, as @field makes it"
)


def _registered(key: str) -> Field:
    return FIELDS[key]


def field(
    key: str, *, unit: str, scale: float | Unit, low: float, high: float, title: str = ""
) -> Callable[[Callable[..., float]], Field]:
    """Register a field that is worked out from columns of the aggregator's view.

    The function gets one float64 number for each argument and returns a number. It is compiled into the step, so it may
    use what numba compiles; functions that it calls must be compiled too. Division by 0 gives infinity or NaN and no
    error.

    Parameters
    ----------
    key : str
        Scope (``world``, ``service``, ``block`` or ``leaf``) and name: ``"service.gap_kw"``.
    unit, scale, low, high
        See `Field`.
    title : str
        What it means; default: the first line of the function's docstring.

    Returns
    -------
    callable
        Decorator that returns the `Field`; called with numbers, that runs the function in Python.

    Raises
    ------
    InputError
        For a key that is taken or has no scope; for what `Field` refuses.

    Notes
    -----
    An argument names a column of the field's own scope, else of the service, else of the world. ``world_temp_c`` is the
    world's column in any scope. ``leaf_up_kw``, ``service_plan_kw`` and ``block_plan_kw`` are arrays in a field of
    another scope: of all leaves, services, and blocks of the services. ``capacity_call_call_kw`` is a service's own
    column, of the scenario's first service of that name.

    The field stands in the observation of the scenarios that name it in ``observation.fields``.

    Examples
    --------
    ::

        @field("service.gap_kw", unit="kW", scale="award", low=-5, high=5)
        def gap_kw(target_kw, response_kw):
            return target_kw - response_kw
    """
    scope, _, name = key.partition(".")
    if not name.isidentifier():
        raise InputError(f"observation field {key!r}; allowed: scope.name, such as service.gap_kw")

    other = {"world": f"service.{name}", "service": f"world.{name}"}.get(scope)
    if other in FIELDS.registered():
        raise InputError(f"observation field {key}: {other!r} has this name in a layout already")

    def register(compute: Callable[..., float]) -> Field:
        said = title or (inspect.getdoc(compute) or name).splitlines()[0]
        return FIELDS.register(key, Field(name, cast(Scope, scope), unit, scale, low, high, said, compute))

    return register
