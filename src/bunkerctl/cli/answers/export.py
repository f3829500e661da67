"""All that is held about one person, and a line of everybody's."""

from __future__ import annotations

from bunkerctl import jsontext, times
from bunkerctl.cli.answers import (
    COUNT,
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
from bunkerctl.cli.answers.audit import EVENT, EVENT_MORE, event
from bunkerctl.cli.answers.exp import EXPIRATION, expiration
from bunkerctl.cli.answers.user import HOLD, USER, any_hold, hold, user
from bunkerctl.model import USER_SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.exports import Person
    from bunkerctl.model import User
    from bunkerctl.store.records import Stored

EXPORT_SCHEMA = "bunkerctl.export/1"
EXPORTED: Fields = {"schema": (one_of(USER_SCHEMA), "with --all: what this line is"), **USER}
CHECKED: Fields = {
    "ok": ({"const": True}, "true: an archive that does not hold is an error"),
    "vault_id": (UUID, "which vault it comes from"),
    "token": (UUID, "whom it is about"),
    "exported_at": (TIME, "when it was made"),
    "version": (TEXT, "the version of bunkerctl that made it"),
    "files": (COUNT, "how many files are in it"),
}
CANCELLED: Fields = {
    "exptoken": (UUID, "its token, which the links had"),
    "started_at": (TIME, "when the waiting began"),
    "due_at": (TIME, "when the person was to be erased"),
}
PERSON: Fields = {
    "schema": (one_of(EXPORT_SCHEMA), "what this is"),
    "vault_id": (UUID, "which vault"),
    "exported_at": (TIME, "when that was"),
    "user": (object_of(USER), "the person, as `user get` shows it"),
    "expiration": (object_of(EXPIRATION), "as `exp status` shows it"),
    "hold": (or_null(object_of(HOLD)), "the legal hold"),
    "lapsed_hold": (or_null(object_of(HOLD)), "one that is over, and was not released"),
    "cancelled_expiration": (
        or_null(object_of(CANCELLED)),
        "what is remembered of an expiration that was taken back",
    ),
    "access_history": (
        list_of(object_of(EVENT, EVENT_MORE)),
        "every audit event about the person, as `audit show` has it",
    ),
}


LINE = tuple(EXPORTED)
"""The fields of a line of `export --all`, which `user import` reads."""


def line(found: Stored, now: int) -> str:
    """Return a person as a JSON line: what `user` would make of it, and its `schema`.

    Put together from the record's stored text: to parse it and write it again takes most of an
    export's time, and gives the same (`tests/test_everyone.py`).
    """
    due_at = found.due_at
    kinds = '","'.join(found.kinds)
    return (
        f'{{"schema":"{USER_SCHEMA}","token":"{found.token}",'
        f'"created_at":"{times.text(found.created_at)}",'
        f'"updated_at":"{times.text(found.updated_at)}","version":{found.version},'
        f'"identities":["{kinds}"],"data":{jsontext.escaped(found.body.decode())},'
        f'"expstatus":"{found.expstatus}",'
        + ('"exptime":null,"due_at":null,' if due_at is None else _due(due_at))
        + ('"held":true}\n' if found.held(now) else '"held":false}\n')
    )


def _due(due_at: int) -> str:
    return f'"exptime":{due_at},"due_at":"{times.text(due_at)}",'


def csv_line(found: Stored, now: int) -> str:
    """Return a person as a line of CSV with the columns of LINE; put together, as `line` is."""
    due_at = found.due_at
    kinds = ",".join(found.kinds)
    body = jsontext.escaped(found.body.decode()).replace('"', '""')
    return (
        f"{USER_SCHEMA},{found.token},{times.text(found.created_at)},"
        f"{times.text(found.updated_at)},{found.version},"
        + (f'"{kinds}"' if "," in kinds else kinds)
        + f',"{body}",{found.expstatus},'
        + ("," if due_at is None else f"{due_at},{times.text(due_at)}")
        + (",true\n" if found.held(now) else ",false\n")
    )


def chosen(found: Stored, now: int, names: list[str]) -> Answer:
    """Return some fields: LINE's own, else the record's; `data.NAME` is always the record's."""
    record: Any = jsontext.loads(found.body)
    due_at = found.due_at
    known: Answer = {
        "schema": USER_SCHEMA,
        "token": found.token,
        "created_at": times.text(found.created_at),
        "updated_at": times.text(found.updated_at),
        "version": found.version,
        "identities": found.kinds,
        "data": record,
        "expstatus": found.expstatus,
        "exptime": due_at,
        "due_at": time_or_null(due_at),
        "held": found.held(now),
    }
    return {
        name: known[name] if name in known else record.get(name.removeprefix("data."))
        for name in names
    }


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
