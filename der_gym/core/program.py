"""Programs: many kernels, bound to their arrays, worked one after another in one call without Python in between.

A kernel called from Python costs 0.35 us and 0.05 us more for each array, and a step of one world calls forty of them
where its devices take 25 us. So each call's arguments are laid down once, as the words that numba's calling convention
wants, and a small loop in machine code walks the list. The interpreter is free meanwhile: threads work side by side.
World by world: all that a world needs in a step stays near the processor.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from der_gym.core import parallel
from der_gym.core.errors import DerGymError

Array = np.ndarray
Heard = Callable[["Call", int], None]
FEW = 2  # small worlds that a thread takes at once: less hopping between kernels, and still near the processor
_MASK = 2**64 - 1

_heard: Heard | None = None


class Call:
    """A kernel and its standing arguments: ``call(lo, hi)`` is ``kernel(lo, hi, *given)``.

    Parameters
    ----------
    kernel : callable
        A compiled kernel (a plain function does as well, slowly) that returns nothing.
    given : arrays, int, float, bool, np.float32
        Arrays are held, not copied.
    by_world : bool
        Whether ``lo, hi`` are a range of worlds; else of shards.
    """

    def __init__(self, kernel: Callable[..., Any], *given: Any, by_world: bool = False) -> None:
        self.kernel, self.given, self.by_world = kernel, given, by_world

    def __call__(self, lo: int, hi: int) -> None:
        self.kernel(lo, hi, *self.given)


def share(calls: Sequence[Call], n: int, workers: int) -> None:
    """Make calls by shard once, for the shards 0 .. ``n``: threads take them in turn."""
    n_part = 1 if workers == 1 else 4 * workers
    parts = iter(list(pairwise([-(-n * k // n_part) for k in range(n_part + 1)])))

    def work() -> None:
        for lo, hi in parts:  # one iterator for all threads
            for call in calls:
                call(lo, hi)

    parallel.together(work, workers)


class Program:
    """Calls to be made in order, for all worlds.

    Parameters
    ----------
    calls : sequence of Call
    n_world, n_shard : int
        Worlds; shards per world.
    workers : int
        Threads. Where there are worlds enough, each takes one after another through the whole program; else they
        share the shards, and meet between calls by shard and calls by world.
    """

    def __init__(self, calls: Sequence[Call], n_world: int, n_shard: int, workers: int) -> None:
        self.calls, self._n_world, self._n_shard, self._workers = tuple(calls), n_world, n_shard, workers
        self._compiled = all(hasattr(call.kernel, "overloads") for call in calls)  # else plain functions: slowly
        self._parts: list[tuple[_Walk, int]] | None = None

    def __call__(self) -> None:
        if _heard is not None or not self._compiled:
            self.plainly()
            return
        if self._parts is None:
            self._parts = self._make()
        for work, workers in self._parts:
            work.begin()
            parallel.together(work, workers)

    def plainly(self) -> None:
        """Make the calls from Python, each for all worlds at once: the same bits, and what listens hears them."""
        for call in self.calls:
            hi = self._n_world if call.by_world else self._n_world * self._n_shard
            if _heard is not None:
                _heard(call, hi)
            call(0, hi)

    def _make(self) -> list[tuple[_Walk, int]]:
        n_all = self._n_world * self._n_shard
        if self._workers <= self._n_world:
            return [(_Walk(self.calls, self._n_world, self._n_shard), self._workers)]
        groups = groupby(self.calls, key=lambda call: call.by_world)
        return [
            (_Walk(tuple(calls), self._n_world if by_world else n_all, 1), 1 if by_world else self._workers)
            for by_world, calls in groups
        ]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is bound to this process's memory: a copy binds its own."""
        return {**self.__dict__, "_parts": None}


class _Walk:
    """Calls for ``n`` worlds (or shards), one after another; several threads may be at it after ``begin``."""

    def __init__(self, calls: tuple[Call, ...], n: int, n_shard: int) -> None:
        kinds, words = zip(*(_words(call.given) for call in calls), strict=True) if calls else ((), ())
        self._words = [np.array(each, dtype=np.uint64) for each in words]
        few = FEW if n_shard == 1 and n >= 8 * FEW else 1
        widths = [1 if call.by_world else n_shard for call in calls]
        rows = [
            (_bridge(kind), each.ctypes.data, _address(call, len(kind)), few * width, n * width)
            for call, kind, each, width in zip(calls, kinds, self._words, widths, strict=True)
        ]
        self._calls, self._table, self._next = calls, np.array(rows, dtype=np.uint64), np.zeros(1, dtype=np.int64)
        self._walk = _walker()
        self._given = (self._table.ctypes.data, len(rows), self._next.ctypes.data, -(-n // few))

    def begin(self) -> None:
        self._next[0] = 0

    def __call__(self) -> None:
        if self._walk(*self._given):
            raise DerGymError("a kernel failed")  # ours raise nothing: no memory was left


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Let ``heard`` have every call of every program, before it is made up to a number, within the block."""
    global _heard
    _heard, before = heard, _heard
    try:
        yield
    finally:
        _heard = before


def _address(call: Call, n_word: int) -> int:
    """Return where the machine code of a kernel for these arguments begins; compiles it where it is new.

    Raises
    ------
    TypeError
        For a kernel that returns something, or wants its arguments as another number of words.
    """
    import numba
    from numba.core.registry import cpu_target

    kernel: Any = call.kernel
    types = tuple(numba.typeof(each) for each in (0, 0, *call.given))
    kernel.compile(types)
    made = kernel.overloads[types]
    if made.signature.return_type != numba.types.none:
        raise TypeError(
            f"{kernel.py_func.__name__} returns {made.signature.return_type}: a program has no place for it"
        )
    form = cpu_target.target_context.call_conv.get_function_type(made.fndesc.restype, made.fndesc.argtypes)
    if len(form.args) != 4 + n_word:
        raise TypeError(f"{kernel.py_func.__name__} wants {len(form.args) - 4} words; a program hands over {n_word}")
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


def _words(given: Sequence[Any]) -> tuple[str, list[int]]:
    """Return arguments as numba passes them: a letter and 64 bits for each word.

    Letters: i a whole number or an address, b a bool, f float32, d float64. An array is seven words and more: owner,
    parent, size, item size, data, shape, steps.

    Raises
    ------
    TypeError
        For what a program cannot hand over.
    """
    kinds, words = "", list[int]()
    for each in given:
        if isinstance(each, np.ndarray):
            kinds += "i" * (5 + 2 * each.ndim)
            words += [0, 0, each.size, each.itemsize, each.ctypes.data, *each.shape, *each.strides]
        elif isinstance(each, np.float32):
            kinds, words = kinds + "f", [*words, *struct.unpack("<I", struct.pack("<f", each))]
        elif isinstance(each, float):
            kinds, words = kinds + "d", [*words, *struct.unpack("<Q", struct.pack("<d", each))]
        elif isinstance(each, int):  # a bool is one as well
            kinds, words = kinds + ("b" if isinstance(each, bool) else "i"), [*words, each]
        else:
            raise TypeError(f"a program cannot hand over {type(each).__name__}")
    return kinds, [word & _MASK for word in words]


@cache
def _bridge(kinds: str) -> int:
    """Return the address of ``status bridge(words, kernel, lo, hi)``, which calls ``kernel(lo, hi, *words)``."""
    from llvmlite import ir

    i64, i32, bit, p = ir.IntType(64), ir.IntType(32), ir.IntType(1), ir.IntType(8).as_pointer()
    module, function, b = _function("bridge", [i64.as_pointer(), i64, i64, i64])
    words, kernel, lo, hi = function.args
    made = {
        "i": lambda word: word,
        "b": lambda word: b.trunc(word, bit),
        "f": lambda word: b.bitcast(b.trunc(word, i32), ir.FloatType()),
        "d": lambda word: b.bitcast(word, ir.DoubleType()),
    }
    given = [made[kind](b.load(b.gep(words, [i64(k)]))) for k, kind in enumerate(kinds)]
    out = [b.alloca(p), b.alloca(p)]  # numba's places for the value and the exception
    kind_of_call = ir.FunctionType(i32, [each.type for each in (*out, lo, hi, *given)])
    b.ret(b.call(b.inttoptr(kernel, kind_of_call.as_pointer()), [*out, lo, hi, *given]))
    return _compile(module)


@cache
def _walker() -> Callable[[int, int, int, int], int]:
    """Return ``status walk(table, n, next, end)``: every row (bridge, words, kernel, width) for each number taken.

    Numbers are taken from ``*next``, one more each time, up to ``end``: so threads share them.
    """
    from llvmlite import ir

    i64, i32 = ir.IntType(64), ir.IntType(32)
    row = i64.as_pointer()
    module, function, b = _function("walk", [row, i64, row, i64])
    table, n, taken, end = function.args
    status = b.alloca(i32)
    b.store(i32(0), status)
    bridge_type = ir.FunctionType(i32, [row, i64, i64, i64]).as_pointer()
    with _loop(b, lambda: b.atomic_rmw("add", taken, i64(1), "monotonic"), end) as at, _counted(b, n) as k:
        places = [b.gep(table, [b.add(b.mul(k, i64(5)), i64(j))]) for j in range(5)]
        bridge, words, kernel, width, most = (b.load(place) for place in places)
        first = b.mul(at, width)
        last = b.add(first, width)
        last = b.select(b.icmp_signed("<", last, most), last, most)
        given = [b.inttoptr(words, row), kernel, first, last]
        b.store(b.or_(b.load(status), b.call(b.inttoptr(bridge, bridge_type), given)), status)
    b.ret(b.load(status))
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_uint64, ctypes.c_int64, ctypes.c_uint64, ctypes.c_int64)(
        _compile(module)
    )


@contextmanager
def _loop(b: Any, take: Callable[[], Any], end: Any) -> Iterator[Any]:
    """Write a loop around what the block writes: it takes a number, and goes on while that is below ``end``."""
    head, body, done = (b.append_basic_block(name) for name in ("head", "body", "done"))
    b.branch(head)
    b.position_at_end(head)
    number = take()
    b.cbranch(b.icmp_signed("<", number, end), body, done)
    b.position_at_end(body)
    yield number
    b.branch(head)
    b.position_at_end(done)


@contextmanager
def _counted(b: Any, n: Any) -> Iterator[Any]:
    """Write a loop over 0 .. ``n`` around what the block writes."""
    from llvmlite import ir

    i64 = ir.IntType(64)
    with b.goto_entry_block():
        place = b.alloca(i64)
    b.store(i64(-1), place)

    def take() -> Any:
        b.store(b.add(b.load(place), i64(1)), place)
        return b.load(place)

    with _loop(b, take, n) as k:
        yield k


def _function(name: str, types: list[Any]) -> tuple[Any, Any, Any]:
    """Return a new module, its function ``name`` that returns a status, and what writes into it."""
    from llvmlite import ir

    module = ir.Module(f"der_gym_{name}_{len(_libraries)}")
    function = ir.Function(module, ir.FunctionType(ir.IntType(32), types), module.name)
    return module, function, ir.IRBuilder(function.append_basic_block())


_libraries: list[Any] = []  # their code is called for as long as the process lives


def _compile(module: Any) -> int:
    """Return the address of a module's one function."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    with global_compiler_lock:
        library = cpu_target.target_context.codegen().create_library(module.name)
        library.add_ir_module(module)
        library.finalize()
        _libraries.append(library)
        return int(library.get_pointer_to_function(module.name))
