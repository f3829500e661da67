"""The command line: `main` is the program."""

from __future__ import annotations

import gc
import os
import sys

from bunkerctl import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

RARELY = 100_000
"""How many objects more there must be before cycles are looked for: a short call never does."""


def main() -> None:
    """Run the program in this process, and end it.

    Nothing else is imported until signals end the program in order: an interrupt in an import
    would be a traceback. Nothing is left to Python's own end: it would only free memory, which
    takes half as long as Python's start.
    """
    if sys.argv[1:] == ["--version"] and _said_version():
        _end(0)
    gc.set_threshold(RARELY)
    from bunkerctl.cli import shell
    from bunkerctl.errors import Interrupted

    shell.speak_utf8()
    try:
        writable = shell.prepare()
        from bunkerctl.cli import door

        code = door.run_guarded(sys.argv[1:], shell.of_process(), writable=writable)
    except Interrupted as interrupted:  # before there was anything to tell it to
        code = 128 + interrupted.signum
    _end(code)


def _end(code: int) -> NoReturn:
    """End the process at once, unless a library that was put in has things to put away."""
    if os.environ.get("LD_PRELOAD"):
        sys.exit(code)
    os._exit(code)


def _said_version() -> bool:
    """Say the version, as scripts often ask for; False if that needs the long way."""
    try:
        return os.write(1, f"bunkerctl {__version__}\n".encode()) > 0
    except OSError:
        return False
