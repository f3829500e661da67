"""`key recovery create`, `key recovery verify` and `key restore`."""

from __future__ import annotations

from bunkerctl import errors, keys, opening, recovery, restoration
from bunkerctl.cli import codes, keysource
from bunkerctl.cli.answers import key as answers
from bunkerctl.cli.answers import single
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import command, option
from bunkerctl.keys import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.directory import Header

_READ = option("--recovery-file", "FILE", "the code is in this file; `-` is standard input")


@command(
    "key recovery create",
    option("--recovery-file", "FILE", "write the code there (0600), and show it nowhere"),
    answer=single(answers.RECOVERY),
    fails=(errors.Conflict, errors.Declined),
)
def create(call: Call, recovery_file: str | None) -> None:
    """Make a new recovery code; the one before opens the vault no more.

    At a terminal it is shown once, and its last group is to be typed back. The code unwraps a
    copy of the key in vault.json: who has both the code and the vault's files can read all. With
    an older copy of vault.json the code before still gives the key, until `key rotate`.

    Examples:
      bunkerctl key recovery create
      bunkerctl key recovery create --recovery-file /media/safe/people.code
    """
    if recovery_file is None and not call.attended():
        raise errors.Usage(
            "a recovery code is shown at a terminal, or goes into a file",
            hint="pass --recovery-file FILE",
        )
    call.vault()
    code = codes.offered(call, recovery_file, none=False)
    if code is None:
        raise errors.Internal("no code was offered")
    opened = call.reopened_alone()  # who was asked at the terminal did not keep others out
    made = recovery.replace(opened, code, recovery_file)
    call.changed = True
    call.show(answers.recovery(opened.vault, made, recovery_file))


@command("key recovery verify", _READ, answer=single(answers.VERIFIED), fails=(errors.WrongKey,))
def verify(call: Call, recovery_file: str | None) -> None:
    """Try a recovery code: does it give this vault's key?

    It needs no key and no keyring. A code with a slip is exit 2, another one exit 12.

    Examples:
      bunkerctl key recovery verify
      bunkerctl key recovery verify --recovery-file /media/safe/people.code
    """
    directory = call.directory()
    header = opening.living(directory)
    master = recovery.master_of(header, codes.typed(call, recovery_file))
    if keys.id_of(master, header.vault_id) != header.key_id:
        raise errors.WrongKey(
            "the code is for the key of a rotation that was cut off",
            hint="run any command with the vault's key, to finish it or take it back",
        )
    call.show(answers.verified(directory, header))


@command(
    "key restore",
    _READ,
    option("--replace", None, "replace another key that is there"),
    answer=single(answers.RESTORED),
    fails=(errors.Conflict,),
)
def restore(call: Call, recovery_file: str | None, replace: bool) -> None:
    """Put the key back from a recovery code, where the keyring or the key file is gone.

    It goes where the vault's key came from, into this machine's keyring or into the same file; or
    into --key-file FILE, which is then where it comes from. A key that is there already and is
    another one is left as it is (exit 5), but for --replace.

    Examples:
      bunkerctl key restore
      bunkerctl key restore --key-file /root/new.key --recovery-file people.code
    """
    directory = call.directory()
    target = _target(call)
    text = codes.typed(call, recovery_file)
    done = restoration.restore(
        directory,
        text,
        lambda header: target or _recorded(call, header),
        call.surroundings(),
        replace=replace,
    )
    call.changed = done.changed
    call.show(answers.restored(directory, done))


def _target(call: Call) -> Route | None:
    named = keysource.named(call)
    if named is not None and named.source != "file":
        raise errors.Usage("a key is restored into a file or into the keyring: --key-file FILE")
    return named


def _recorded(call: Call, header: Header) -> Route:
    """Return where the vault's key came from; of keyrings, the one that works here."""
    if header.key is not None and header.key.source == "file":
        return header.key
    return keysource.keyring(call)
