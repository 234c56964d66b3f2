"""A kind that does everything wrong, so that a test can see whether the fuzzer finds it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

from der_gym.core.errors import InputError
from fuzzing.mutate import Canary


def broken(folder: Path) -> Callable[[Random], None]:
    """Return what goes wrong in one of all ways, as the input's luck says."""
    ways = (_nothing, _refusal, _traceback, _message, _memory, _execution, _hang, _crash)
    return lambda rng: rng.choice(ways)()


def _nothing() -> None:
    pass


def _refusal() -> None:
    raise InputError("as it should be")


def _traceback() -> None:
    raise KeyError("no error of ours")


class _Long(InputError):
    def __str__(self) -> str:
        return "x" * 5000


def _message() -> None:
    raise _Long


def _memory() -> None:
    np.ones(10**9)


def _execution() -> None:
    Path(Canary.path).touch()


def _hang() -> None:
    time.sleep(60)


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)
