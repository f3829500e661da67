"""Recovery codes at the terminal: shown once and typed back in part, or read as they are typed."""

from __future__ import annotations

import os

from bunkerctl import errors, files, recovery
from bunkerctl.keys import code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.call import Call

TRIES = 3
NONE = "no recovery code was made: whoever loses the key loses the records"
SHOWN = """\
The recovery code of this vault, shown this once. Write it down, keep it where
the vault is not, and clear this screen: with the code and the vault's files
everything can be read, also when the key is lost.

  {code}

"""


def offered(call: Call, path: str | None, none: bool) -> str | None:
    """Return a new code for an option --recovery-file or --no-recovery, or for the terminal.

    There it is shown, and its last group typed back; without a terminal there is none.

    Raises:
        Usage: both options, or a file inside the vault.
        Conflict: the file is there.
        Declined: it was not typed back.
    """
    if path is not None and none:
        raise errors.Usage("--recovery-file and --no-recovery exclude each other")
    if path is not None:
        if os.path.dirname(os.path.realpath(path)) == os.path.realpath(call.directory()):
            raise errors.Usage("the recovery file must lie outside the vault")
        files.check_writable(path, force=False, hint="name another file")
        return code.new()
    return None if none or not call.attended() else confirmed(call)


def confirmed(call: Call) -> str:
    """Show a new code on the terminal, and let its last group be typed back; raise Declined."""
    new = code.new()
    call.tell(SHOWN.format(code=new))
    for left in reversed(range(TRIES)):
        typed = call.ask("Type its last group")
        if code.plain(typed) == code.plain(new)[-code.GROUP :]:
            return new
        if not typed:
            break
        call.tell("That is not its last group." + (" Once more.\n" if left else "\n"))
    raise errors.Declined(
        "the recovery code was not typed back: nothing was changed",
        hint="--recovery-file FILE writes it into a file, --no-recovery makes none",
    )


def typed(call: Call, path: str | None) -> str:
    """Return a code from a file (`-` is standard input), or as it is typed at the terminal.

    Raises:
        Usage: there is no terminal, and no file is named.
    """
    if path is not None:
        return recovery.in_file(call.read(path, recovery.MAX_FILE_BYTES))
    if not call.attended():
        raise errors.Usage(
            "the recovery code is typed at a terminal, or comes from a file",
            hint="pass --recovery-file FILE, or - for standard input",
        )
    return call.ask("Recovery code")
