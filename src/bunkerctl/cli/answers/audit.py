"""Events, heads and proofs of the audit trail."""

from __future__ import annotations

import base64

from bunkerctl import times
from bunkerctl.cli.answers import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.audit import Event, Verification
    from bunkerctl.commitments import Check
    from bunkerctl.model import Head
    from bunkerctl.pruning import Pruned

EVENT = (
    "seq",
    "at",
    "action",
    "outcome",
    "actor",
    "os_user",
    "host",
    "token",
    "fields",
    "reason",
    "ref",
    "hash",
)


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
    return {
        "ok": found.ok and (rows is None or rows.ok()),
        "events": found.events,
        "head": head(found.head),
        "first_bad": found.first_bad,
        "pruned": found.pruned,
        "consistency": found.proof and [base64.b64encode(one).decode() for one in found.proof],
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
