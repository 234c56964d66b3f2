"""A script's command line: what goes wrong is one line, signals have their exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from der_gym.core.errors import DerGymError
from der_gym.core.interrupt import exit_code, heard


def script(command: Callable[..., None]) -> None:
    """Run a command; what goes wrong is one line on stderr and exit code 2; 130 after Ctrl-C, 143 after SIGTERM."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    def told(**given: Any) -> None:  # within typer, which would say "Aborted!"
        try:
            command(**given)
        except KeyboardInterrupt as error:
            print(f"{Path(sys.argv[0]).stem}: interrupted", file=sys.stderr)
            raise SystemExit(exit_code(error)) from None

    app.command()(wraps(command)(told))
    try:
        with heard():
            app()
    except DerGymError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
