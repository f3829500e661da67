"""The erasure ledger: a copy of the tombstones beside the database, for the day it is gone.

One JSON object a line, without blanks, in the order of the erasures. The table is the truth.
"""

from __future__ import annotations

import os
import stat

from bunkerctl import errors, files, jsontext, times
from bunkerctl.directory import LEDGER
from bunkerctl.model import Tombstone
from bunkerctl.store import tombstones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bunkerctl.vault import Vault

PAGE = 1000
TAIL_BYTES = 4096


def catch_up(vault: Vault, wait: float, *, after_crash: bool = False) -> None:
    """Append what the ledger lacks, and sync it. A line that a crash cut off is written anew.

    With `after_crash` what a power cut may have left of a write is looked for, too: a hole.

    Raises:
        Busy: another process keeps the ledger for longer than `wait` seconds.
        IntegrityFailure: its last line is not one of ours.
        OSError: it could not be written.
    """
    new = not os.path.exists(vault.path(LEDGER))
    with vault.ledger(wait) as descriptor:
        if after_crash:
            _cut_at_hole(descriptor)
        for page in _missing(vault, descriptor):
            _write(descriptor, "".join(map(_line, page)).encode())
        os.fsync(descriptor)
    if new:
        files.sync_directory(vault.directory)


def _cut_at_hole(descriptor: int) -> None:
    """Cut the ledger off before the first line with a zero byte, which none has by itself."""
    offset = 0
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        for line in file:
            if b"\0" in line:
                os.ftruncate(descriptor, offset)
                return
            offset += len(line)


def count(vault: Vault) -> int:
    """Return how many erasures the ledger has; 0 if there is none.

    Raises:
        IntegrityFailure: a line is not one of ours.
        InputOutput: it cannot be read.
    """
    path = vault.path(LEDGER)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise files.explain(error, "read", path) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise errors.InputOutput(f"{path} is not a regular file", hint="move it away")
        return len(_tokens(descriptor))
    finally:
        os.close(descriptor)


def _missing(vault: Vault, descriptor: int) -> Iterator[list[Tombstone]]:
    """Yield the tombstones that the ledger lacks.

    Those behind its last line, which are read if they are not just this process's own; if the
    database does not know that line, it was rolled back since, and each has to be looked for.
    """
    event, token = _last(descriptor)
    known: set[str] = set()
    own, vault.left = vault.left, []
    if event and not tombstones.is_of_event(vault.db, event, token):
        known, event = _tokens(descriptor), 0
    elif own and own[0].event > event and tombstones.count_since(vault.db, event) == len(own):
        yield own
        return
    while page := tombstones.since(vault.db, event, PAGE):
        event = page[-1].event
        if new := [one for one in page if one.token not in known]:
            yield new


def _line(tombstone: Tombstone) -> str:
    said = {
        "event": tombstone.event,
        "token": tombstone.token,
        "exptoken": tombstone.exptoken,
        "created_at": times.text(tombstone.created_at),
        "erased_at": times.text(tombstone.erased_at),
        "reason": tombstone.reason,
        "erased": tombstone.counts,
    }
    return jsontext.dumps(said) + "\n"


def _last(descriptor: int) -> tuple[int, str]:
    """Return event and token of the last whole line, and cut off a torn one; 0 if there is none."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - TAIL_BYTES)
    tail = os.pread(descriptor, size - start, start)
    whole = tail[: tail.rfind(b"\n") + 1]
    if len(whole) != len(tail):
        os.ftruncate(descriptor, start + len(whole))
    lines = whole.split()
    return _read(lines[-1]) if lines else (0, "")


def _tokens(descriptor: int) -> set[str]:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return {_read(line)[1] for line in file if line.strip()}


def _read(line: bytes) -> tuple[int, str]:
    try:
        said: Any = jsontext.loads(line)
        return int(said["event"]), str(said["token"])
    except (errors.Invalid, ValueError, KeyError, TypeError):
        raise errors.IntegrityFailure("the erasure ledger has a line that is not its own") from None


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
