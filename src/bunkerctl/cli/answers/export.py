"""All that is held about one person, and a line of everybody's."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import Answer
from bunkerctl.cli.answers.audit import event
from bunkerctl.cli.answers.exp import expiration
from bunkerctl.cli.answers.user import any_hold, hold, user
from bunkerctl.model import USER_SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.exports import Person
    from bunkerctl.model import User

EXPORT_SCHEMA = "bunkerctl.export/1"


def exported_user(found: User, now: int) -> Answer:
    """A line of `export --all`, which `user import` reads."""
    return {"schema": USER_SCHEMA, **user(found, now)}


def person(found: Person, overdue_before: int, base: str | None) -> Answer:
    return {
        "schema": EXPORT_SCHEMA,
        "vault_id": found.vault_id,
        "exported_at": times.text(found.at),
        "user": user(found.user, found.at),
        "expiration": expiration(found.user, found.at, overdue_before, base),
        "hold": hold(found.user, found.at),
        "lapsed_hold": None if found.user.held(found.at) else any_hold(found.user),
        "cancelled_expiration": _cancelled(found.user),
        "access_history": [event(one, whole=True) for one in found.events],
    }


def _cancelled(found: User) -> Answer | None:
    """What is remembered of an expiration that was taken back."""
    if found.expiration is None or found.expstatus() != "none":
        return None
    return {
        "exptoken": found.expiration.exptoken,
        "started_at": times.text(found.expiration.started_at),
        "due_at": times.text(found.expiration.due_at),
    }
