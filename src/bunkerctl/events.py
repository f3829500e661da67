"""Events of the audit trail: list them, and show one."""

from __future__ import annotations

from bunkerctl import errors, jsontext, merkle, uuids
from bunkerctl.model import Value
from bunkerctl.store import audit as store
from bunkerctl.store import trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bunkerctl.store.connection import Database
    from bunkerctl.vault import Vault

PAGE = 2000


class Event(Value):
    """One event: what it says, and the hash of its leaf (hex)."""

    said: dict[str, Any]
    hash: str


class Filter(Value):
    """Which events to list; None means no condition. Times are Unix seconds."""

    token: str | None
    since: int | None
    until: int | None
    action: str | None
    actor: str | None
    limit: int | None


def listing(vault: Vault, wanted: Filter) -> Iterator[Event]:
    """Yield events, newest last; `limit` takes the newest."""
    after = 0
    with vault.reading():
        where, parameters = _conditions(vault.db, wanted)
        newest = store.tree(vault.db).size
        if wanted.limit is not None:
            after = trail.nth_newest(vault.db, wanted.limit, where, parameters)
    while True:
        with vault.reading():
            page = trail.page(vault.db, after, PAGE, [*where, "seq <= ?"], [*parameters, newest])
        yield from (_event(leaf) for _, leaf in page)
        if len(page) < PAGE:
            return
        after = page[-1][0]


def count(vault: Vault, wanted: Filter) -> int:
    """Return how many events `listing` yields."""
    with vault.reading():
        where, parameters = _conditions(vault.db, wanted)
        found = trail.count(vault.db, where, parameters)
    return found if wanted.limit is None else min(found, wanted.limit)


def of_token(db: Database, token: str) -> list[Event]:
    """Return every event about a token, within the caller's transaction."""
    condition, parameters = _about(db, token)
    page = trail.page(db, 0, -1, [condition], parameters)
    return [_event(leaf) for _, leaf in page]


def show(vault: Vault, seq: int) -> Event:
    """Return one event; raise NotFound."""
    with vault.reading():
        leaf = trail.by_seq(vault.db, seq)
    if leaf is None:
        raise errors.NotFound("no such event")
    return _event(leaf)


def _event(leaf: str) -> Event:
    raw = leaf.encode()
    try:
        said = jsontext.loads(raw)
    except errors.Invalid:
        said = None
    if not isinstance(said, dict):
        raise errors.IntegrityFailure(
            "an event of the audit trail is damaged", hint="run `audit verify`"
        )
    return Event(said=said, hash=merkle.leaf_hash(raw).hex())


def _conditions(db: Database, wanted: Filter) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    parameters: list[Any] = []
    if wanted.token is not None:
        condition, about = _about(db, wanted.token)
        where.append(condition)
        parameters += about
    for condition, value in (
        ("at >= ?", wanted.since),
        ("at < ?", wanted.until),
        (trail.says("action"), wanted.action),
        (trail.says("actor"), wanted.actor),
    ):
        if value is not None:
            where.append(condition)
            parameters.append(value)
    return where, parameters


def _about(db: Database, token: str) -> tuple[str, list[Any]]:
    raw = uuids.to_bytes(token)
    return trail.about(raw, trail.user_of(db, raw))
