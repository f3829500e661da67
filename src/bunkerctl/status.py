"""The state of a vault in a few numbers, and whether its sweep does its work."""

from __future__ import annotations

from bunkerctl import errors, times
from bunkerctl.model import Value
from bunkerctl.store import deadlines, holds, state
from bunkerctl.sweep import MAX_BEHIND_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.vault import Vault


MAX_AGE = "26h"
"""How old the last sweep may be, if nothing else is said."""


class Status(Value):
    """Counts of people; `due` and `overdue` leave out the held. Times are Unix seconds."""

    vault: str
    vault_id: str
    users: int
    waiting: int
    due: int
    overdue: int
    held: int
    erased: int
    last_sweep: int | None
    next_due: int | None
    key_source: str


def read(vault: Vault, overdue_before: int, key_source: str) -> Status:
    """Return the state of a vault; it names nobody, so it is no audit event."""
    now = vault.now()
    with vault.reading():
        totals = state.totals(vault.db)
        return Status(
            vault=vault.directory,
            vault_id=vault.header.vault_id,
            users=totals.living,
            waiting=deadlines.count_waiting(vault.db),
            due=deadlines.count_due(vault.db, now, now),
            overdue=deadlines.count_due(vault.db, now, overdue_before),
            held=holds.count(vault.db, now),
            erased=totals.erased,
            last_sweep=state.sweeps(vault.db).completed_at,
            next_due=deadlines.next_due(vault.db, now),
            key_source=key_source,
        )


def check(status: Status, now: int, max_age: times.Duration) -> errors.Overdue | None:
    """Return what a monitor should raise an alarm for, if anything."""
    hint = "does cron run `bunkerctl exp sweep`? see its last output"
    if status.overdue:
        return errors.Overdue(f"{status.overdue} overdue and not held", hint=hint)
    if status.last_sweep is None:
        return errors.Overdue("no sweep has completed yet", hint=hint)
    if status.last_sweep > now + MAX_BEHIND_SECONDS:
        return errors.Overdue(
            f"the last sweep completed at {times.text(status.last_sweep)}, which lies ahead",
            hint="every sweep is refused until then: set the clock, or `exp sweep --accept-clock`",
        )
    if status.last_sweep < times.before(now, max_age):
        return errors.Overdue(
            f"the last sweep completed at {times.text(status.last_sweep)}", hint=hint
        )
    return None
