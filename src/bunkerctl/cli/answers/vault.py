"""A vault: made, counted, ended."""

from __future__ import annotations

from bunkerctl.cli.answers import Answer, time_or_null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.destruction import Destroyed
    from bunkerctl.directory import Header
    from bunkerctl.status import Status


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
