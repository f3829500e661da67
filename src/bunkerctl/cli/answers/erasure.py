"""Tombstones, and receipts that were checked."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.model import Tombstone
    from bunkerctl.receipts import Checked

TOMBSTONE = ("token", "erased_at", "reason", "erased", "event")


def tombstone(found: Tombstone) -> Answer:
    return {
        "token": found.token,
        "erased_at": times.text(found.erased_at),
        "reason": found.reason,
        "erased": found.counts,
        "event": found.event,
    }


def checked(done: Checked, *, trusted: bool) -> Answer:
    return {
        "ok": True,
        "token": done.token,
        "vault_id": done.vault_id,
        "erased_at": done.erased_at,
        "event": done.event,
        "size": done.size,
        "key": done.verifier.text(),
        "trusted": trusted,
    }
