"""Recovery codes at the terminal: shown once and typed back in part, or read as they are typed."""

from __future__ import annotations

from bunkerctl import errors, placement, recovery
from bunkerctl.directory import check_outside
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


def check(call: Call, path: str | None, none: bool) -> None:
    """Check the options --recovery-file and --no-recovery before anything is begun.

    Raises:
        Usage: both options, or a file inside the vault.
        Conflict: the file is there.
    """
    if path is None:
        return
    if none:
        raise errors.Usage("--recovery-file and --no-recovery exclude each other")
    _check_path(path)
    if path == "-":
        raise errors.Usage("a recovery code does not go to standard output")
    check_outside(call.directory(), path, "recovery file")
    placement.check_writable(path, force=False, hint="name another file")


def offered(call: Call, path: str | None, none: bool) -> str | None:
    """Return a new code for an option --recovery-file or --no-recovery, or for the terminal.

    There it is shown, and its last group typed back; without a terminal there is none.

    Raises:
        Usage, Conflict: as `check` does.
        Declined: it was not typed back.
    """
    check(call, path, none)
    if path is not None:
        return code.new()
    return None if none or not call.attended() else confirmed(call)


def confirmed(call: Call) -> str:
    """Show a new code on the terminal, and let its last group be typed back; raise Declined."""
    new = code.new()
    call.tell(SHOWN.format(code=new))
    for left in reversed(range(TRIES)):
        typed = call.ask("Type its last group")
        if code.plain(typed) in (code.plain(new), code.plain(new)[-code.GROUP :]):
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
        _check_path(path)
        return recovery.in_file(call.read(path, recovery.MAX_FILE_BYTES))
    if not call.attended():
        raise errors.Usage(
            "the recovery code is typed at a terminal, or comes from a file",
            hint="pass --recovery-file FILE, or - for standard input",
        )
    return call.ask("Recovery code")


def _check_path(path: str) -> None:
    """Refuse a code in place of a file, which must not be repeated."""
    letters = code.plain(path)
    if len(letters) == code.LENGTH and set(letters) <= set(code.ALPHABET):
        raise errors.Usage("--recovery-file takes the path of a file, not the code itself")
