"""Recovery codes: a copy of the vault's key, in its header, that only a code on paper unwraps."""

from __future__ import annotations

from bunkerctl import crypto, errors, files, placement, times, uuids
from bunkerctl.directory import Recovery, read_header
from bunkerctl.keys import code
from bunkerctl.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bunkerctl.directory import Header
    from bunkerctl.vault import Opened

ACTION = "key.recovery"
_ANOTHER = "name another file"
MAX_FILE_BYTES = 4096


@contextmanager
def written(
    path: str | None, text: str, vault_id: str, now: int, stands: Callable[[], bool]
) -> Iterator[None]:
    """Write a new file (0600) with a code, and which vault it is for, before a block.

    If the block fails, the file goes again, unless the code `stands` all the same. Without a path
    nothing is written.

    Raises:
        Conflict: the file is there.
        InputOutput: the file system refuses.
    """
    if path is None:
        yield
        return
    placement.check_writable(path, force=False, hint=_ANOTHER)
    lines = f"# bunkerctl recovery code, vault {vault_id}, made {times.text(now)}\n{text}\n"
    try:
        placement.write(path, [lines.encode()], force=False, hint=_ANOTHER)
        yield
    except BaseException:
        if not stands():
            files.remove(path)
        raise


def in_file(content: bytes) -> str:
    """Return the code of what `write_file` wrote, or of a bare code.

    Raises:
        Invalid: it is too long to be one, or not ASCII.
    """
    if len(content) > MAX_FILE_BYTES or not content.isascii():
        raise errors.Invalid("that is not a recovery file")
    lines = content.decode("ascii").splitlines()
    return "".join(line for line in lines if not line.startswith("#"))


def wrapped(text: str, vault_id: str, master: bytes, now: int) -> Recovery:
    """Return the master key wrapped for a recovery code."""
    sealed = crypto.wrap(code.secret(text), uuids.to_bytes(vault_id), master)
    return Recovery(made_at=now, wrapped=sealed)


def replace(opened: Opened, text: str, path: str | None) -> Recovery:
    """Let a code be the vault's only one: a former one opens it no more. It goes into a file too.

    `opened` is alone in its vault: a rotation must not come between.

    Raises:
        Conflict: the file is there.
        InputOutput: the file system refuses.
    """
    vault, header = opened.vault, opened.vault.header
    made = wrapped(text, header.vault_id, opened.master, vault.now())
    wanted = header.with_(recovery=made)

    def stands() -> bool:
        return read_header(vault.directory).recovery == made

    with written(path, text, header.vault_id, vault.now(), stands), vault.becoming(wanted, ACTION):
        pass
    return made


def master_of(header: Header, text: str) -> bytes:
    """Return the master key that a code gives; of the new one, if a rotation was cut off.

    Raises:
        Invalid: that is no code, or it has a slip.
        KeyUnavailable: the vault has no recovery code.
        WrongKey: the code is not the vault's.
    """
    secret = code.secret(text)
    vault_id = uuids.to_bytes(header.vault_id)
    later = header.succession.recovery if header.succession else None
    known = [found for found in (header.recovery, later) if found]
    if not known:
        raise errors.KeyUnavailable(
            "this vault has no recovery code",
            reason="no_recovery",
            hint="`bunkerctl key recovery create` makes one, while its key can still be had",
        )
    for found in known:
        master = crypto.unwrap(secret, vault_id, found.wrapped)
        if master is not None:
            return master
    raise errors.WrongKey(
        "that is a recovery code, but not this vault's, or no longer",
        hint="a rotation and `key recovery create` each end the code before",
    )
