"""From values to answers: the fields that CLI, scripts and people are promised, in their order."""

from __future__ import annotations

import base64

from bunkerctl import times
from bunkerctl.cli.masks import mask
from bunkerctl.model import USER_SCHEMA, Tombstone, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.audit import Event, Verification
    from bunkerctl.commitments import Check
    from bunkerctl.custody import Custody
    from bunkerctl.destruction import Destroyed
    from bunkerctl.diagnosis import Finding
    from bunkerctl.directory import Header, Recovery
    from bunkerctl.enrolment import Enrolled
    from bunkerctl.exports import Person
    from bunkerctl.keys import Route
    from bunkerctl.manifests import Manifest
    from bunkerctl.model import Head
    from bunkerctl.pruning import Pruned
    from bunkerctl.receipts import Checked
    from bunkerctl.reinstatement import Reinstated
    from bunkerctl.restoration import Restored
    from bunkerctl.rotation import Plan, Rotated
    from bunkerctl.status import Status
    from bunkerctl.store.backups import Backup
    from bunkerctl.sweep import Sweep
    from bunkerctl.vault import Opened, Vault

Answer = dict[str, "Any"]

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
USER_BRIEF = ("token", "data", "expstatus", "due_at", "held")
EXPIRATION_BRIEF = ("token", "due_at", "due", "held")
EVENT_BRIEF = ("seq", "at", "action", "outcome", "actor", "token")
"""What a table of many shows; the other forms have every field."""

ERASED = ("token", "erased_at", "reason", "erased", "event", "changed")
FINDING = ("check", "level", "message", "hint", "code", "exit_code")
FINDING_BRIEF = ("check", "level", "message", "hint")
TOMBSTONE = ("token", "erased_at", "reason", "erased", "event")
BACKUP = ("id", "path", "created_at", "until", "due")
SETTING = ("name", "value", "source")
EXPORT_SCHEMA = "bunkerctl.export/1"


def user(found: User, now: int, *, masked: bool = False) -> Answer:
    due_at = found.due_at()
    return {
        "token": found.token,
        "created_at": times.text(found.created_at),
        "updated_at": times.text(found.updated_at),
        "version": found.version,
        "identities": list(found.identities),
        "data": mask(found.data) if masked else found.data,
        "expstatus": found.expstatus(),
        "exptime": due_at,
        "due_at": _time(due_at),
        "held": found.held(now),
    }


def exported_user(found: User, now: int) -> Answer:
    """A line of `export --all`, which `user import` reads."""
    return {"schema": USER_SCHEMA, **user(found, now)}


def hold(found: User, now: int) -> Answer | None:
    return _hold(found) if found.held(now) else None


def _hold(found: User) -> Answer | None:
    if found.hold is None:
        return None
    return {
        "reason": found.hold.reason,
        "since": times.text(found.hold.since),
        "until": _time(found.hold.until),
        "by": found.hold.by,
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


def erased(tombstone: Tombstone, changed: bool) -> Answer:
    return {
        "token": tombstone.token,
        "erased_at": times.text(tombstone.erased_at),
        "reason": tombstone.reason,
        "erased": tombstone.counts,
        "event": tombstone.event,
        "changed": changed,
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


def pruned(done: Pruned) -> Answer:
    return {
        "events": done.events,
        "pruned": done.size,
        "checkpoint": done.checkpoint and done.checkpoint.note,
        "changed": done.events > 0,
    }


def manifest(file: str, found: Manifest) -> Answer:
    return {
        "file": file,
        "id": found.id,
        "vault_id": found.vault_id,
        "created_at": times.text(found.created_at),
        "until": _time(found.until),
        "key_id": found.key_id,
        "users": found.users,
        "erased": found.erased,
        "events": found.events,
        "size": found.size,
    }


def backup(found: Backup, now: int) -> Answer:
    return {
        "id": found.id,
        "path": found.path,
        "created_at": times.text(found.created_at),
        "until": _time(found.until),
        "due": found.until is not None and found.until <= now,
    }


def reinstated(file: str, done: Reinstated) -> Answer:
    return {
        "vault": done.directory,
        "vault_id": done.manifest.vault_id,
        "file": file,
        "id": done.manifest.id,
        "created_at": times.text(done.manifest.created_at),
        "users": done.users,
        "erased_again": done.erased,
        "live": done.live,
        "anchored": done.anchored,
        "changed": True,
    }


def person(found: Person, overdue_before: int, base: str | None) -> Answer:
    return {
        "schema": EXPORT_SCHEMA,
        "vault_id": found.vault_id,
        "exported_at": times.text(found.at),
        "user": user(found.user, found.at),
        "expiration": expiration(found.user, found.at, overdue_before, base),
        "hold": hold(found.user, found.at),
        "lapsed_hold": None if found.user.held(found.at) else _hold(found.user),
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


def status(found: Status) -> Answer:
    answer = {name: getattr(found, name) for name in found.__annotations__}
    return {
        **answer,
        "last_sweep": _time(found.last_sweep),
        "next_due": _time(found.next_due),
    }


def header(vault: str, found: Header) -> Answer:
    return {
        "vault": vault,
        "vault_id": found.vault_id,
        "key_id": found.key_id,
        "key_source": found.key and found.key.source,
    }


def custody(vault: str, found: Custody) -> Answer:
    header, problem = found.header, found.problem
    return {
        "vault": vault,
        "vault_id": header.vault_id,
        "key_source": found.route.source,
        "place": found.route.place,
        "backend": found.route.place if found.route.source == "keyring" else None,
        "locked": found.locked,
        "available": problem is None,
        "problem": problem and problem.reason,
        "key_id": header.key_id,
        "found_key_id": found.found,
        "match": found.matches(),
        "recovery_at": _recovery_at(header.recovery),
        "copies": [copy.words() for copy in header.copies],
        "rotating": header.succession is not None,
    }


def tested(opened: Opened, variables: list[str]) -> Answer:
    return {
        **_key(opened.vault.directory, opened.vault.header, opened.route),
        "variables": variables,
    }


def enrolled(vault: Vault, done: Enrolled) -> Answer:
    return {
        **_key(vault.directory, vault.header, done.route),
        "default": done.default,
        "changed": done.changed,
    }


def recovery(vault: Vault, made: Recovery, path: str | None) -> Answer:
    return {
        "vault": vault.directory,
        "vault_id": vault.header.vault_id,
        "key_id": vault.header.key_id,
        "recovery_at": _recovery_at(made),
        "recovery_file": path,
        "changed": True,
    }


def verified(vault: str, found: Header) -> Answer:
    return {
        "vault": vault,
        "vault_id": found.vault_id,
        "key_id": found.key_id,
        "recovery_at": _recovery_at(found.recovery),
        "ok": True,
    }


def restored(vault: str, done: Restored) -> Answer:
    return {**_key(vault, done.header, done.route), "changed": done.changed}


def rotated(vault: str, plan: Plan, done: Rotated, path: str | None) -> Answer:
    return {
        "vault": vault,
        "vault_id": done.header.vault_id,
        "key_id": done.header.key_id,
        "old_key_id": done.old_key_id,
        "renewed": [place.words() for place in plan.places if place not in done.left],
        "stale": [place.words() for place in (*plan.stale, *done.left)],
        "recovery_at": _recovery_at(done.header.recovery),
        "recovery_file": path,
        "changed": True,
    }


def destroyed(done: Destroyed, users: int | None) -> Answer:
    return {
        "vault": done.directory,
        "vault_id": done.vault_id,
        "users": users,
        "removed": list(done.removed),
        "remains": list(done.remains),
        "changed": True,
    }


def finding(found: Finding) -> Answer:
    return {
        "check": found.check,
        "level": found.level,
        "message": found.message,
        "hint": found.hint,
        "code": found.error and found.error.code,
        "exit_code": found.error and found.error.exit_code,
    }


def _key(vault: str, header: Header, route: Route) -> Answer:
    return {
        "vault": vault,
        "vault_id": header.vault_id,
        "key_source": route.source,
        "place": route.place,
        "key_id": header.key_id,
    }


def _recovery_at(recovery: Recovery | None) -> str | None:
    return None if recovery is None else times.text(recovery.made_at)


def _time(instant: int | None) -> str | None:
    return None if instant is None else times.text(instant)
