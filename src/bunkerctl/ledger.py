"""The erasure ledger: a copy of the tombstones beside the database, for the day it is gone.

One JSON object a line, in the order of the audit events. The table is the truth.
"""

from __future__ import annotations

import json
import os

from bunkerctl import times
from bunkerctl.model import Tombstone
from bunkerctl.store import tombstones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Vault

PAGE = 1000
TAIL_BYTES = 4096


def catch_up(vault: Vault, wait: float) -> None:
    """Append what the ledger lacks, and sync it. A line that a crash cut off is written anew.

    Raises:
        Busy: another process keeps the ledger for longer than `wait` seconds.
        OSError: it could not be written.
    """
    with vault.ledger(wait) as descriptor:
        last = _last_event(descriptor)
        while page := tombstones.since(vault.db, last, PAGE):
            _write(descriptor, "".join(map(_line, page)).encode())
            last = page[-1].event
        os.fsync(descriptor)


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
    return json.dumps(said, separators=(",", ":")) + "\n"


def _last_event(descriptor: int) -> int:
    """Return the event of the last whole line, and cut off a torn one; 0 for an empty ledger."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - TAIL_BYTES)
    tail = os.pread(descriptor, size - start, start)
    whole = tail[: tail.rfind(b"\n") + 1]
    if len(whole) != len(tail):
        os.ftruncate(descriptor, start + len(whole))
    if not whole:
        return 0
    return int(json.loads(whole.splitlines()[-1])["event"])


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
