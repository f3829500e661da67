"""An expiration, and a sweep."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import (
    CHANGED,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    TIME,
    UUID,
    Answer,
    Fields,
    list_of,
    one_of,
    or_null,
)
from bunkerctl.model import EXPSTATUSES, Tombstone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.model import User
    from bunkerctl.sweep import Sweep

EXPIRATION: Fields = {
    "token": (UUID, "stands for the person in other systems"),
    "expstatus": (
        one_of(*EXPSTATUSES),
        "none; wait: to be erased; retain: asked to be kept; expired: erased",
    ),
    "exptime": (or_null(NUMBER), "due_at as Unix seconds"),
    "due_at": (or_null(TIME), "when the person is to be erased, if waiting"),
    "exptoken": (or_null(UUID), "the expiration's own token, as in the links"),
    "started_at": (or_null(TIME), "when the waiting began"),
    "due": (FLAG, "whether the time has come"),
    "overdue": (FLAG, "due for longer than the setting exp.overdue_after"),
    "held": (FLAG, "whether a legal hold bars the erasure"),
    "retain_url": (or_null(TEXT), "link to keep the data, with the setting links.base"),
    "delete_url": (or_null(TEXT), "link to remove the data now, with the setting links.base"),
}
EXPIRATION_CHANGED: Fields = {**EXPIRATION, **CHANGED}
SWEEP: Fields = {
    "dry_run": (FLAG, "whether nothing was erased, as --dry-run says"),
    "guard": (or_null(one_of("limit", "clock")), "which guard a sweep would be refused by"),
    "due": (COUNT, "how many were due and not held"),
    "erased": (COUNT, "how many of them this run erased"),
    "held": (COUNT, "how many were due and held"),
    "failed": (COUNT, "how many could not be erased, and stay due"),
    "finished_earlier": (COUNT, "how many an earlier run had erased that was cut off"),
    "tokens": (list_of(UUID), "the erased, those of the earlier run first"),
    "started_at": (TIME, "when the sweep began"),
    "finished_at": (TIME, "when it ended"),
}


def expiration(found: User | Tombstone, now: int, overdue_before: int, base: str | None) -> Answer:
    """`overdue_before` is the latest due time that is overdue, `base` what links begin with."""
    if isinstance(found, Tombstone):
        return _expiration(found.token, "expired", found.exptoken, base)
    if found.expiration is None or found.expstatus() == "none":
        return _expiration(found.token, "none", None, base, held=found.held(now))
    exptoken = found.expiration.exptoken
    if not found.waiting():
        return _expiration(found.token, "retain", exptoken, base, held=found.held(now))
    due_at = found.expiration.due_at
    return _expiration(
        found.token,
        "wait",
        exptoken,
        base,
        held=found.held(now),
        exptime=due_at,
        due_at=times.text(due_at),
        started_at=times.text(found.expiration.started_at),
        due=due_at <= now,
        overdue=due_at <= overdue_before,
    )


def _expiration(
    token: str, expstatus: str, exptoken: str | None, base: str | None, **known: Any
) -> Answer:
    links = base is not None and exptoken is not None
    return {
        **dict.fromkeys(EXPIRATION),
        "token": token,
        "expstatus": expstatus,
        "due": False,
        "overdue": False,
        "held": False,
        "exptoken": exptoken,
        "retain_url": f"{base}/exp/retain/{exptoken}" if links else None,
        "delete_url": f"{base}/exp/delete/{exptoken}" if links else None,
        **known,
    }


def sweep(done: Sweep) -> Answer:
    return {
        "dry_run": done.dry_run,
        "guard": done.guard,
        "due": done.due,
        "erased": done.erased,
        "held": done.held,
        "failed": done.failed,
        "finished_earlier": done.finished_earlier,
        "tokens": done.tokens,
        "started_at": times.text(done.started_at),
        "finished_at": times.text(done.finished_at),
    }
