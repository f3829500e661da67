"""Events, heads and proofs of the audit trail."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import (
    COUNT,
    FLAG,
    HASH,
    KEY_ID,
    OBJECT,
    TEXT,
    TIME,
    UUID,
    Answer,
    Fields,
    list_of,
    object_of,
    or_null,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.audit import Verification
    from bunkerctl.commitments import Check
    from bunkerctl.events import Event
    from bunkerctl.model import Head
    from bunkerctl.pruning import Pruned

EVENT: Fields = {
    "seq": (COUNT, "number of the event: 1, 2, 3, without gaps"),
    "at": (TIME, "when it was, by the clock of the machine"),
    "action": (TEXT, "what was done, like user.get; the names are stable"),
    "outcome": (TEXT, "ok, not_found, refused, declined or failed"),
    "actor": (TEXT, "who did it: --actor, or else the login name"),
    "os_user": (TEXT, "the user of the operating system"),
    "host": (TEXT, "the name of the machine"),
    "token": (or_null(UUID), "whom it was done to"),
    "fields": (or_null(list_of(TEXT)), "the names of what was changed or shown, never a value"),
    "reason": (or_null(TEXT), "why, as --reason says"),
    "ref": (or_null(TEXT), "which ticket, as --ref says"),
    "hash": (HASH, "the event's leaf in the Merkle tree (RFC 6962)"),
}
EVENT_MORE: Fields = {
    "v": (COUNT, "the version of the event's form"),
    "uid": (COUNT, "the number of the user of the operating system"),
    "commitment": (TEXT, "binds the record as it then was; its salt dies with the version"),
    "counts": (OBJECT, "of a batch or an erasure: how many of what"),
    "was": (TEXT, "of a change of expstatus: what it was before"),
    "requested_at": (TIME, "of an erasure: when the waiting began"),
    "due_at": (TIME, "of an erasure: when it was due"),
    "key_id": (KEY_ID, "of a rotation and its kin: which key"),
    "backup": (UUID, "of a backup or a restore: which one"),
    "until": (TIME, "of `unlock`: when the kernel forgets the key"),
}
HEAD: Fields = {
    "vault_id": (UUID, "which vault"),
    "size": (COUNT, "how many events the trail has"),
    "root": (HASH, "the root of their Merkle tree (RFC 6962)"),
    "at": (TIME, "when that was"),
}
CHECKPOINT: Fields = {**HEAD, "checkpoint": (TEXT, "the same, as a signed note of C2SP")}
KEY: Fields = {
    "vault_id": (UUID, "which vault"),
    "key": (TEXT, "the public key, as C2SP's signed-note writes it"),
}
VERIFICATION: Fields = {
    "ok": (FLAG, "whether the trail is whole, and with --deep the records are as it says"),
    "events": (COUNT, "how many events it has"),
    "head": (object_of(HEAD), "its head, as `audit head` prints it"),
    "first_bad": (or_null(COUNT), "the first event that cannot be trusted, if that can be told"),
    "pruned": (COUNT, "how many events are known by their tree alone"),
    "consistency": (
        or_null(list_of(TEXT)),
        "with --against: the proof of RFC 6962, hashes in base 64",
    ),
    "people": (or_null(COUNT), "with --deep: how many records were compared"),
    "unchecked": (or_null(COUNT), "with --deep: how many have no event left to compare with"),
    "bad": (or_null(list_of(UUID)), "with --deep: whose record is not what the trail says of it"),
}
PRUNED: Fields = {
    "events": (COUNT, "how many events were deleted now"),
    "pruned": (COUNT, "how many in all"),
    "checkpoint": (or_null(TEXT), "the signed head of the tree over those"),
    "changed": (FLAG, "false if there was none to delete"),
}


def event(found: Event, *, whole: bool = False) -> Answer:
    """The promised fields, and with `whole` every other one that the event has."""
    said = {**found.said, "hash": found.hash}
    answer = {name: said.get(name) for name in EVENT}
    return {**answer, **said} if whole else answer


def head(found: Head) -> Answer:
    return {
        "vault_id": found.vault_id,
        "size": found.size,
        "root": found.root,
        "at": times.text(found.at),
    }


def verification(found: Verification, rows: Check | None) -> Answer:
    from base64 import b64encode  # which imports `re`: a list of events needs neither

    return {
        "ok": found.ok and (rows is None or rows.ok()),
        "events": found.events,
        "head": head(found.head),
        "first_bad": found.first_bad,
        "pruned": found.pruned,
        "consistency": found.proof and [b64encode(one).decode() for one in found.proof],
        "people": rows and rows.people,
        "unchecked": rows and rows.unchecked,
        "bad": rows and rows.bad,
    }


def pruned(done: Pruned) -> Answer:
    return {
        "events": done.events,
        "pruned": done.size,
        "checkpoint": done.checkpoint and done.checkpoint.note,
        "changed": done.events > 0,
    }
