"""An expiration, and a sweep."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import Answer
from bunkerctl.model import Tombstone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.model import User
    from bunkerctl.sweep import Sweep

EXPIRATION = (
    "token",
    "expstatus",
    "exptime",
    "due_at",
    "exptoken",
    "started_at",
    "due",
    "overdue",
    "held",
    "retain_url",
    "delete_url",
)


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
