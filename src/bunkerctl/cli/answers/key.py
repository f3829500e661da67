"""The master key: where it is, and what was done with it."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.custody import Custody
    from bunkerctl.directory import Header, Recovery
    from bunkerctl.enrolment import Enrolled
    from bunkerctl.keys import Route
    from bunkerctl.restoration import Restored
    from bunkerctl.rotation import Plan, Rotated
    from bunkerctl.vault import Opened, Vault


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
