"""A person's record, a hold, and what is left of an erasure."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import Answer, time_or_null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.model import Tombstone, User

USER = (
    "token",
    "created_at",
    "updated_at",
    "version",
    "identities",
    "data",
    "expstatus",
    "exptime",
    "due_at",
    "held",
)
ERASED = ("token", "erased_at", "reason", "erased", "event", "changed")


def user(found: User, now: int, *, masked: bool = False) -> Answer:
    due_at = found.due_at()
    return {
        "token": found.token,
        "created_at": times.text(found.created_at),
        "updated_at": times.text(found.updated_at),
        "version": found.version,
        "identities": list(found.identities),
        "data": _masked(found) if masked else found.data,
        "expstatus": found.expstatus(),
        "exptime": due_at,
        "due_at": time_or_null(due_at),
        "held": found.held(now),
    }


def _masked(found: User) -> Any:
    from bunkerctl.cli.masks import mask

    return mask(found.data)


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
