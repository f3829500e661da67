"""A key that the kernel keeps for a while."""

from __future__ import annotations

from bunkerctl.cli.answers import CHANGED, TIME, Answer, Fields, or_null, time_or_null
from bunkerctl.cli.answers.key import KEY, VAULT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.directory import Header
    from bunkerctl.vault import Vault

UNLOCKED: Fields = {
    **VAULT,
    "key_id": KEY["key_id"],
    "until": (or_null(TIME), "when the kernel forgets the key; null: it needs no unlocking"),
    **CHANGED,
}
LOCKED: Fields = {**VAULT, **CHANGED}


def unlocked(vault: Vault, until: int | None) -> Answer:
    return {
        "vault": vault.directory,
        "vault_id": vault.header.vault_id,
        "key_id": vault.header.key_id,
        "until": time_or_null(until),
        "changed": until is not None,
    }


def locked(vault: str, header: Header, changed: bool) -> Answer:
    return {"vault": vault, "vault_id": header.vault_id, "changed": changed}
