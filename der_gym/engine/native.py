"""The way into a kernel's machine code without numba's own: arguments laid down as words, and small functions in LLVM.

Numba's wrapper takes 0.35 us a call and 0.05 us more for each array, and a tenth of the time to compile. Here a kernel
that returns nothing is called with the words that numba's calling convention wants.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

_MASK = 2**64 - 1
_LOOKS = 20_000  # about half a millisecond: then another thread may need this core
_addresses: dict[tuple[Any, tuple[Any, ...]], int | None] = {}


def words(given: Sequence[Any]) -> tuple[str, list[int]]:
    """Return arguments as numba passes them: a letter and 64 bits for each word.

    Letters: i a whole number or an address, b a bool, f float32, d float64. An array is seven words and more: owner,
    parent, size, item size, data, shape, steps.

    Raises
    ------
    TypeError
        For what cannot be handed over.
    """
    kinds, out = "", list[int]()
    for each in given:
        if isinstance(each, np.ndarray):
            kinds += "i" * (5 + 2 * each.ndim)
            out += [0, 0, each.size, each.itemsize, each.ctypes.data, *each.shape, *each.strides]
        elif isinstance(each, np.float32):
            kinds, out = kinds + "f", [*out, *struct.unpack("<I", struct.pack("<f", each))]
        elif isinstance(each, float):
            kinds, out = kinds + "d", [*out, *struct.unpack("<Q", struct.pack("<d", each))]
        elif isinstance(each, int):  # a bool is one as well
            kinds, out = kinds + ("b" if isinstance(each, bool) else "i"), [*out, each]
        else:
            raise TypeError(f"a program cannot hand over {type(each).__name__}")
    return kinds, [word & _MASK for word in out]


def address(kernel: Any, given: Sequence[Any]) -> int | None:
    """Return the address of a kernel's machine code for two whole numbers and these arguments; compile it if need be.

    None for a kernel that returns something.
    """
    key = kernel, tuple(_kind(each) for each in given)
    if key not in _addresses:
        _addresses[key] = _find(kernel, given)
    return _addresses[key]


def _kind(each: Any) -> Any:
    """Return the properties of an argument on which numba's type depends."""
    if isinstance(each, np.ndarray):
        flags = each.flags
        return each.dtype.str, each.ndim, flags.c_contiguous, flags.f_contiguous, flags.writeable, flags.aligned
    return type(each)


def types(given: Sequence[Any]) -> tuple[Any, ...]:
    """Return numba's types of a kernel's arguments: two whole numbers and these."""
    import numba

    return tuple(numba.typeof(each) for each in (0, 0, *given))


def _find(kernel: Any, given: Sequence[Any]) -> int | None:
    import numba
    from numba.core.registry import cpu_target

    asked = types(given)
    kernel.compile(asked)
    made = kernel.overloads[asked]
    if made.signature.return_type != numba.types.none:
        return None
    form = cpu_target.target_context.call_conv.get_function_type(made.fndesc.restype, made.fndesc.argtypes)
    n_word = len(words(given)[0])
    if len(form.args) != 4 + n_word:
        raise TypeError(f"{kernel.py_func.__name__} wants {len(form.args) - 4} words; a program hands over {n_word}")
    found = int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))
    if not found:
        raise TypeError(f"{kernel.py_func.__name__} is a part of kernels; a program can only call kernels")
    return found


def call(kernel: Any, lo: int, hi: int, given: Sequence[Any]) -> bool:
    """Call ``kernel(lo, hi, *given)`` and return True; False, and nothing happens, if it returns something.

    Raises
    ------
    TypeError
        For what cannot be handed over.
    """
    kinds, laid = words(given)
    at = address(kernel, given)
    if at is None:
        return False
    place = np.array(laid, dtype=np.uint64)
    if _bridge_call(kinds)(place.ctypes.data, at, lo, hi):
        raise MemoryError(f"{kernel.py_func.__name__} failed")  # ours raise nothing else
    return True


@cache
def _bridge_call(kinds: str) -> Callable[[int, int, int, int], int]:
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64, ctypes.c_int64)(
        bridge(kinds)
    )


def bridge(kinds: str) -> int:
    """Return the address of ``status bridge(words, kernel, lo, hi)``, which calls ``kernel(lo, hi, *words)``."""
    return bridges([kinds])[0]


def bridges(kinds: Sequence[str]) -> list[int]:
    """Return the addresses of many bridges, see `bridge`; those that are new are compiled together."""
    new = [each for each in dict.fromkeys(kinds) if each not in _bridges]
    if new:
        names = [f"der_gym_bridge_{len(_bridges) + k}" for k in range(len(new))]
        engine = _engine("".join(_bridge(name, each) for name, each in zip(names, new, strict=True)), opt=0)
        _bridges.update((each, int(engine.get_function_address(name))) for name, each in zip(names, new, strict=True))
    return [_bridges[each] for each in kinds]


_FROM_WORD = {  # letter -> type, and how to make it of a word
    "i": ("i64", ""),
    "b": ("i1", "%v{k} = trunc i64 %w{k} to i1\n"),
    "f": ("float", "%h{k} = trunc i64 %w{k} to i32\n%v{k} = bitcast i32 %h{k} to float\n"),
    "d": ("double", "%v{k} = bitcast i64 %w{k} to double\n"),
}


def _bridge(name: str, kinds: str) -> str:
    """Return the code of a bridge, as text: to build those of a start from objects and print them took 0.3 s."""
    from llvmlite import ir

    i64, p = ir.IntType(64), ir.IntType(8).as_pointer()
    row, place = i64.as_pointer(), p.as_pointer()
    types = ", ".join(map(str, (place, place, i64, i64, *(_FROM_WORD[kind][0] for kind in kinds))))
    given = "".join(f", {_FROM_WORD[kind][0]} %{'w' if kind == 'i' else 'v'}{k}" for k, kind in enumerate(kinds))
    read = (
        f"%p{k} = getelementptr i64, {row} %words, i64 {k}\n%w{k} = load i64, {row} %p{k}\n"
        + _FROM_WORD[kind][1].format(k=k)
        for k, kind in enumerate(kinds)
    )
    function = ir.PointerType() if str(row) == "ptr" else f"i32 ({types})*"
    return (
        f"define i32 @{name}({row} %words, i64 %kernel, i64 %lo, i64 %hi) {{\n{''.join(read)}"
        f"%value = alloca {p}\n%fault = alloca {p}\n"  # numba's places for the value and the exception
        f"%f = inttoptr i64 %kernel to {function}\n"
        f"%s = call i32 %f({place} %value, {place} %fault, i64 %lo, i64 %hi{given})\nret i32 %s\n}}\n"
    )


@cache
def walker() -> Callable[[int, int, int, int], int]:
    """Return ``0 walk(table, n, next, end)``: see `_walk`."""
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_uint64, ctypes.c_int64, ctypes.c_uint64, ctypes.c_int64)(_walk())


@cache
def runner() -> Callable[[int], int]:
    """Return ``status run(words)``, one thread's walk: words (5,) are table, n, next, end and the first number.

    One argument in place of three calls: the way from Python takes a quarter of the time.
    """
    from llvmlite import ir

    i64, i32 = ir.IntType(64), ir.IntType(32)
    row = i64.as_pointer()
    module, function, b = _function("run", [row])
    table, n, taken, end, first = (b.load(b.gep(function.args[0], [i64(k)])) for k in range(5))
    taken = b.inttoptr(taken, row)
    for k, value in enumerate((first, i64(0), i64(0))):
        b.store(value, b.gep(taken, [i64(k)]))
    walk = b.inttoptr(i64(_walk()), ir.FunctionType(i32, [row, i64, row, i64]).as_pointer())
    b.call(walk, [b.inttoptr(table, row), n, taken, end])
    b.ret(b.trunc(b.load(b.gep(taken, [i64(2)])), i32))
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_uint64)(_compile(module))


@cache
def _walk() -> int:
    """Return the address of ``0 walk(table, n, next, end)``, which goes through the table's rows for each number.

    A row is (bridge, words, kernel, width, most, due). It is left out where ``due`` is the address of a bool array of
    which none of its range is set. Numbers are taken from ``next[0]``, one more each time, up to ``end``: so threads
    share them. A thread that finds none left sets the bits of its calls' statuses in ``next[2]``, and adds 1 to
    ``next[1]``, see `waiter`.
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
        places = [b.gep(table, [b.add(b.mul(k, i64(6)), i64(j))]) for j in range(6)]
        bridge, words, kernel, width, most, due = (b.load(place) for place in places)
        first = b.mul(at, width)
        last = b.add(first, width)
        last = b.select(b.icmp_signed("<", last, most), last, most)
        given = [b.inttoptr(words, row), kernel, first, last]
        with b.if_then(_any_due(b, due, first, last)):
            b.store(b.or_(b.load(status), b.call(b.inttoptr(bridge, bridge_type), given)), status)
    b.atomic_rmw("or", b.gep(taken, [i64(2)]), b.zext(b.load(status), i64), "acq_rel")
    b.atomic_rmw("add", b.gep(taken, [i64(1)]), i64(1), "acq_rel")
    b.ret(i32(0))
    return _compile(module)


@cache
def waiter() -> Callable[[int, int], int]:
    """Return ``done wait(next, n)``: look for a while, without the interpreter, whether ``n`` threads have ended.

    A lock would wake its waiter 20 us late, which is a part in thirty of a step of 64 worlds.
    """
    from llvmlite import ir

    i64, i32 = ir.IntType(64), ir.IntType(32)
    module, function, b = _function("wait", [i64.as_pointer(), i64])
    ended, n = b.gep(function.args[0], [i64(1)]), function.args[1]
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    pause = module.declare_intrinsic("llvm.x86.sse2.pause", (), ir.FunctionType(ir.VoidType(), [])) if x86 else None
    with _counted(b, i64(_LOOKS)):
        with b.if_then(b.icmp_signed(">=", b.load_atomic(ended, "acquire", 8), n)):
            b.ret(i32(1))
        if pause is not None:  # let the other half of this core go on
            b.call(pause, [])
    b.ret(i32(0))
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_uint64, ctypes.c_int64)(_compile(module))


def _any_due(b: Any, due: Any, first: Any, last: Any) -> Any:
    """Write code that finds whether any of the bools ``first`` .. ``last`` is set; true where ``due`` is 0."""
    from llvmlite import ir

    i64, bit, byte = ir.IntType(64), ir.IntType(1), ir.IntType(8)
    with b.goto_entry_block():
        found = b.alloca(bit)
    asked = b.icmp_signed("!=", due, i64(0))
    b.store(b.not_(asked), found)
    with b.if_then(asked), _counted(b, b.sub(last, first)) as k:
        one = b.load(b.gep(b.inttoptr(due, byte.as_pointer()), [b.add(first, k)]))
        b.store(b.or_(b.load(found), b.icmp_signed("!=", one, byte(0))), found)
    return b.load(found)


@contextmanager
def _loop(b: Any, take: Callable[[], Any], end: Any) -> Iterator[Any]:
    """Write a loop around the code of the block: it takes a number, and goes on while that is below ``end``."""
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
    """Write a loop over 0 .. ``n`` around the code of the block."""
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
    """Return a new module, its function of the same name that returns a status, and the builder of its code."""
    from llvmlite import ir

    module = ir.Module(f"der_gym_{name}_{len(_engines)}")
    function = ir.Function(module, ir.FunctionType(ir.IntType(32), types), module.name)
    return module, function, ir.IRBuilder(function.append_basic_block())


_engines: list[Any] = []  # their code is called for as long as the process lives
_bridges: dict[str, int] = {}  # letters of the words -> address


def _compile(module: Any) -> int:
    """Return the address of the function that has a module's name."""
    return int(_engine(str(module), opt=2).get_function_address(module.name))


def _engine(text: str, opt: int) -> Any:
    """Compile a module; so small that numba's way would take ten times as long."""
    from llvmlite import binding
    from numba.core.compiler_lock import global_compiler_lock

    with global_compiler_lock:
        machine = binding.Target.from_default_triple().create_target_machine(opt=opt, jit=True)
        engine = binding.create_mcjit_compiler(binding.parse_assembly(text), machine)
        engine.finalize_object()
        _engines.append(engine)
        return engine
