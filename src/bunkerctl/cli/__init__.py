"""The command line: `main` is the program."""

from __future__ import annotations

import sys

from bunkerctl.cli import shell


def main() -> None:
    """Run the program in this process, and end it.

    Nothing else is imported until signals end the program in order: an interrupt in an import
    would be a traceback.
    """
    from bunkerctl.errors import Interrupted

    shell.speak_utf8()
    try:
        writable = shell.prepare()
        from bunkerctl.cli import door

        code = door.run_guarded(sys.argv[1:], shell.of_process(), writable=writable)
    except Interrupted as interrupted:  # before there was anything to tell it to
        code = 128 + interrupted.signum
    sys.exit(code)
