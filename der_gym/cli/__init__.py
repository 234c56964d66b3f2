"""Layer 4: the command ``der-gym``."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from der_gym.cli.streams import patient
from der_gym.core.interrupt import exit_code, heard
from der_gym.core.text import one_line


def main() -> None:
    """Run the command line; what goes wrong is one line on stderr.

    Exit codes: 2 for an input that cannot be used, 1 for a file that cannot be written, 130 after Ctrl-C, 143 after
    SIGTERM. A reader of the output that goes away is nothing wrong.
    """
    try:
        with heard(), patient():
            from der_gym.cli.app import app

            warnings.showwarning = _warn
            app(prog_name="der-gym")
    except KeyboardInterrupt as error:
        print("der-gym: interrupted", file=sys.stderr)
        raise SystemExit(exit_code(error)) from None


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"der-gym: warning: {one_line(str(message))}", file=sys.stderr)
