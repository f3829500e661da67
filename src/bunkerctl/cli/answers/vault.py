"""A vault: made, counted, ended."""

from __future__ import annotations

from bunkerctl.cli.answers import (
    COUNT,
    FLAG,
    KEY_ID,
    TEXT,
    TIME,
    UUID,
    Answer,
    Fields,
    list_of,
    or_null,
    time_or_null,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.destruction import Destroyed
    from bunkerctl.directory import Header
    from bunkerctl.status import Status


CREATED: Fields = {
    "vault": (TEXT, "the vault's directory"),
    "vault_id": (UUID, "which vault: a random number of its own"),
    "key_id": (KEY_ID, "tells the master key from others, and nothing of it"),
    "key_source": (or_null(TEXT), "what the key comes from: keyring or file"),
}
STATUS: Fields = {
    "vault": (TEXT, "the vault's directory"),
    "vault_id": (UUID, "which vault"),
    "users": (COUNT, "how many people live in it"),
    "waiting": (COUNT, "how many of them are to be erased"),
    "due": (COUNT, "how many of those now, and not held"),
    "overdue": (COUNT, "how many are due for longer than exp.overdue_after, and not held"),
    "held": (COUNT, "how many are under a legal hold"),
    "erased": (COUNT, "how many were erased"),
    "last_sweep": (or_null(TIME), "when the last sweep was completed"),
    "next_due": (or_null(TIME), "when the next person falls due"),
    "key_source": (TEXT, "what the key came from; see bunkerctl-keys(7)"),
}
DESTROYED: Fields = {
    "vault": (TEXT, "the directory that the vault was in"),
    "vault_id": (UUID, "which vault"),
    "users": (or_null(COUNT), "how many people it had; null if an earlier call had begun"),
    "removed": (list_of(TEXT), "what was removed"),
    "remains": (list_of(TEXT), "what is or may be left, in words"),
    "changed": (FLAG, "true: it is gone"),
}


def header(vault: str, found: Header) -> Answer:
    return {
        "vault": vault,
        "vault_id": found.vault_id,
        "key_id": found.key_id,
        "key_source": found.key and found.key.source,
    }


def status(found: Status) -> Answer:
    answer = {name: getattr(found, name) for name in found.__annotations__}
    return {
        **answer,
        "last_sweep": time_or_null(found.last_sweep),
        "next_due": time_or_null(found.next_due),
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
