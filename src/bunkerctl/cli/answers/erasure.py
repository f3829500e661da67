"""Tombstones, and receipts that were checked."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import (
    COUNT,
    FLAG,
    TEXT,
    TIME,
    UUID,
    Answer,
    Fields,
    list_of,
    object_of,
    one_of,
    or_null,
)
from bunkerctl.cli.answers.user import ERASED
from bunkerctl.receipts import SCHEMA as RECEIPT_SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.model import Tombstone
    from bunkerctl.receipts import Checked


TOMBSTONE: Fields = {name: field for name, field in ERASED.items() if name != "changed"}
RECEIPT: Fields = {
    "schema": (one_of(RECEIPT_SCHEMA), "what this is"),
    "vault_id": (UUID, "which vault"),
    **{name: ERASED[name] for name in ("token", "reason")},
    "ref": (or_null(TEXT), "which ticket, as --ref said"),
    "requested_at": (or_null(TIME), "when the waiting began"),
    "due_at": (or_null(TIME), "when the erasure was due"),
    "erased_at": ERASED["erased_at"],
    "actor": (TEXT, "who erased"),
    "erased": ERASED["erased"],
    "scrubbed": (or_null(TEXT), "how; null while the scrubbing is still to be finished"),
    "backups": (
        list_of(
            object_of(
                {
                    "id": (UUID, "which backup"),
                    "created_at": (TIME, "when it was made"),
                    "until": (or_null(TIME), "until when it is kept"),
                }
            )
        ),
        "those known that were made while the person lived",
    ),
    "leaf": (TEXT, "the audit event of the erasure, word for word"),
    "index": (COUNT, "the event's place in the tree, from 0 on"),
    "proof": (list_of(TEXT), "the path to the root (RFC 6962), hashes in base 64"),
    "checkpoint": (TEXT, "the head of the tree, as a signed note of C2SP"),
    "key": (TEXT, "the public key it is signed with, as `audit key` prints it"),
}
CHECKED: Fields = {
    "ok": ({"const": True}, "true: a receipt that does not hold is an error"),
    "token": ERASED["token"],
    "vault_id": (UUID, "which vault"),
    "erased_at": ERASED["erased_at"],
    "event": ERASED["event"],
    "size": (COUNT, "how many events the signed trail has"),
    "key": (TEXT, "the public key that it was checked by"),
    "trusted": (FLAG, "whether --key named that key; else the receipt did so itself"),
}


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
