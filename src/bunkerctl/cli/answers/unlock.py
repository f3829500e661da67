"""A key that the kernel keeps for a while."""

from __future__ import annotations

from bunkerctl import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.answers import Answer
    from bunkerctl.directory import Header
    from bunkerctl.vault import Vault


def unlocked(vault: Vault, until: int) -> Answer:
    return {
        "vault": vault.directory,
        "vault_id": vault.header.vault_id,
        "key_id": vault.header.key_id,
        "until": times.text(until),
        "changed": True,
    }


def locked(vault: str, header: Header, changed: bool) -> Answer:
    return {"vault": vault, "vault_id": header.vault_id, "changed": changed}
