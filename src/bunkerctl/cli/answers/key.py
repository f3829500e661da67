"""The master key: where it is, and what was done with it."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.answers import (
    CHANGED,
    FLAG,
    KEY_ID,
    TEXT,
    TIME,
    UUID,
    Answer,
    Fields,
    list_of,
    one_of,
    or_null,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.custody import Custody
    from bunkerctl.directory import Header, Recovery
    from bunkerctl.enrolment import Enrolled
    from bunkerctl.keys import Route
    from bunkerctl.restoration import Restored
    from bunkerctl.rotation import Plan, Rotated
    from bunkerctl.vault import Opened, Vault


VAULT: Fields = {
    "vault": (TEXT, "the vault's directory"),
    "vault_id": (UUID, "which vault"),
}
SOURCES = ("keyring", "file", "command", "fd", "credential")
KEY: Fields = {
    **VAULT,
    "key_source": (one_of(*SOURCES), "what the key comes from; see bunkerctl-keys(7)"),
    "place": (TEXT, "backend of the keyring, path, command or number of the descriptor"),
    "key_id": (KEY_ID, "tells the key from others, and nothing of it"),
}
RECOVERY_AT = (or_null(TIME), "when the recovery code was made; null: there is none")
CUSTODY: Fields = {
    **{name: KEY[name] for name in ("vault", "vault_id", "key_source", "place")},
    "backend": (or_null(TEXT), "the keyring's backend, if the key is in a keyring"),
    "locked": (or_null(FLAG), "whether the keyring is locked; null where it cannot be asked"),
    "available": (FLAG, "whether a key could be had"),
    "problem": (or_null(TEXT), "why not, in a word: the `reason` of the error key_unavailable"),
    "key_id": (KEY_ID, "the key that the vault wants"),
    "found_key_id": (or_null(KEY_ID), "the key that is there"),
    "match": (or_null(FLAG), "whether it is the vault's, or that of a rotation cut off"),
    "recovery_at": RECOVERY_AT,
    "copies": (list_of(TEXT), "other places that `key enroll` has put the key"),
    "rotating": (FLAG, "whether a rotation was cut off: the next command settles it"),
}
TESTED: Fields = {
    **KEY,
    "variables": (list_of(TEXT), "variables of this shell that the job needs too"),
}
ENROLLED: Fields = {
    **KEY,
    "default": (FLAG, "whether the key comes from there if nothing else is said"),
    **CHANGED,
}
RECOVERY: Fields = {
    **VAULT,
    "key_id": KEY["key_id"],
    "recovery_at": RECOVERY_AT,
    "recovery_file": (or_null(TEXT), "the file with the new code; null: it was shown"),
    "changed": (FLAG, "true: the code before opens the vault no more"),
}
VERIFIED: Fields = {
    **VAULT,
    "key_id": KEY["key_id"],
    "recovery_at": RECOVERY_AT,
    "ok": ({"const": True}, "true: a code that does not open the vault is an error"),
}
RESTORED: Fields = {**KEY, **CHANGED}
ROTATED: Fields = {
    **VAULT,
    "key_id": (KEY_ID, "the new key"),
    "old_key_id": (KEY_ID, "the one before"),
    "renewed": (list_of(TEXT), "places that have the new key"),
    "stale": (list_of(TEXT), "places that keep the old one"),
    "recovery_at": RECOVERY_AT,
    "recovery_file": (
        or_null(TEXT),
        "the file with the new code; null: shown, or there is none",
    ),
    "changed": (FLAG, "true: the vault has the new key"),
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
