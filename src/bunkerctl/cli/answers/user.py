"""A person's record, a hold, and what is left of an erasure."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import (
    CHANGED,
    COUNT,
    COUNTS,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TIME,
    UUID,
    Answer,
    Fields,
    list_of,
    object_of,
    one_of,
    or_null,
    time_or_null,
)
from bunkerctl.model import ERASURES, EXPSTATUSES, IDENTITY_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.masks import Mask
    from bunkerctl.model import Tombstone, User

TOKEN = (UUID, "stands for the person in other systems")
USER: Fields = {
    "token": TOKEN,
    "created_at": (TIME, "when the record came in"),
    "updated_at": (TIME, "when it was last changed"),
    "version": (COUNT, "1 at first, and one more with each change"),
    "identities": (list_of(one_of(*IDENTITY_KINDS)), "the kinds of identity that the record has"),
    "data": (OBJECT, "the record as it was given; `user list` masks it, but for --reveal"),
    "expstatus": (one_of(*EXPSTATUSES), "how the person stands, as `exp status` tells it"),
    "exptime": (or_null(NUMBER), "due_at as Unix seconds"),
    "due_at": (or_null(TIME), "when the person is to be erased, if waiting"),
    "held": (FLAG, "whether a legal hold bars the erasure"),
}
USER_CHANGED: Fields = {**USER, **CHANGED}
FIELD: Fields = {
    "token": TOKEN,
    "field": (TEXT, "with --field: the name of the field"),
    "value": ({}, "what the record has there"),
}
HOLD: Fields = {
    "reason": (TEXT, "why the data must be kept, in the admin's words"),
    "since": (TIME, "from when on"),
    "until": (or_null(TIME), "when it lapses by itself"),
    "by": (TEXT, "the actor who put it on"),
}
USER_HELD: Fields = {
    **USER,
    "hold": (or_null(object_of(HOLD)), "the legal hold"),
    **CHANGED,
}
ERASED: Fields = {
    "token": (UUID, "stood for the person in other systems"),
    "erased_at": (TIME, "when the person was erased"),
    "reason": (one_of(*ERASURES.values()), "by `user forget`, `exp delete`, a sweep or a restore"),
    "erased": (COUNTS, "how many things of each class were erased"),
    "event": (COUNT, "number of the audit event of the erasure"),
    **CHANGED,
}


def user(found: User, now: int, mask: Mask | None = None) -> Answer:
    due_at = found.due_at()
    return {
        "token": found.token,
        "created_at": times.text(found.created_at),
        "updated_at": times.text(found.updated_at),
        "version": found.version,
        "identities": list(found.identities),
        "data": found.data if mask is None else mask.of(found.data),
        "expstatus": found.expstatus(),
        "exptime": due_at,
        "due_at": time_or_null(due_at),
        "held": found.held(now),
    }


def hold(found: User, now: int) -> Answer | None:
    return any_hold(found) if found.held(now) else None


def any_hold(found: User) -> Answer | None:
    if found.hold is None:
        return None
    return {
        "reason": found.hold.reason,
        "since": times.text(found.hold.since),
        "until": time_or_null(found.hold.until),
        "by": found.hold.by,
    }


def erased(tombstone: Tombstone, changed: bool) -> Answer:
    return {
        "token": tombstone.token,
        "erased_at": times.text(tombstone.erased_at),
        "reason": tombstone.reason,
        "erased": tombstone.counts,
        "event": tombstone.event,
        "changed": changed,
    }
