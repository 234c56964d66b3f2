"""Ctrl-C while a command imports. It imports next to nothing itself: ``import der_gym`` pays for it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import Any

_COMMAND = ("der-gym", "der-gym.exe")


def end_while_starting() -> None:
    """Let Ctrl-C end the command line with one line and 130 from here on, until `core.interrupt.heard` takes over.

    The imports of a command take a moment in which there is nothing to keep. In a process that only imports der_gym,
    and where somebody else hears the signal or it is ignored, nothing changes.
    """
    name = os.path.basename(sys.argv[0] if sys.argv else "")
    module = name == "-m" and "der_gym.cli" in sys.orig_argv  # what Python calls it before it finds the module
    if module or name in _COMMAND:
        end_at_once("der-gym")


def end_at_once(name: str) -> None:
    """Let Ctrl-C end this process with one line and 130 from here on, until `core.interrupt.heard` takes over.

    An import may swallow KeyboardInterrupt. Where somebody else hears the signal or it is ignored, nothing changes.

    Parameters
    ----------
    name : str
        The line begins with it.
    """
    alone = threading.current_thread() is threading.main_thread()
    if alone and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, partial(_end, name))


def _end(name: str, number: int, _frame: Any) -> None:
    with suppress(OSError):
        os.write(2, f"{name}: interrupted\n".encode())  # what is half imported is not asked to print
    os._exit(128 + number)
