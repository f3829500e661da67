"""Records as they lie there, read many at a time: to be exported, to be measured, as evidence."""

from __future__ import annotations

from bunkerctl import crypto, jsontext, uuids
from bunkerctl.errors import IntegrityFailure
from bunkerctl.model import Value
from bunkerctl.store.users import identities_in, kinds_in, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bunkerctl.store.connection import Database


class Stored:
    """A living person with the record as it is stored: JSON text that nothing needs to parse.

    `kinds` are those of the identities. Made by the hundred thousand, and so no `Value`.
    """

    __slots__ = (
        "body",
        "created_at",
        "due_at",
        "expstatus",
        "hold",
        "id",
        "kinds",
        "token",
        "updated_at",
        "version",
    )

    def __init__(self, row: tuple[Any, ...], token: str, kinds: list[str], body: bytes) -> None:
        self.id, _, self.created_at, self.updated_at, self.version = row[:5]
        self.token, self.kinds, self.body = token, kinds, body
        self.expstatus: str = row[6] or "none"
        self.due_at: int | None = row[7] if row[6] == "wait" else None
        self.hold: tuple[int | None] | None = row[9:10] if row[8] else None

    def held(self, now: int) -> bool:
        return self.hold is not None and (self.hold[0] is None or self.hold[0] > now)


_STORED = """
    SELECT u.id, u.token, u.created_at, u.updated_at, u.version, d.bytes,
           e.status, e.due_at, h.user IS NOT NULL, h.until,
           json_valid(CAST(substr(d.bytes, ?1 + instr(substr(d.bytes, ?1), x'0a')) AS TEXT))
    FROM users u
    JOIN drawer d ON d.id = u.record
    LEFT JOIN expirations e ON e.user = u.id
    LEFT JOIN holds h ON h.user = u.id
"""


def stored(db: Database, after: int, limit: int, most: int) -> list[Stored]:
    """Return up to `limit` people from behind a row number, or about `most` bytes of them.

    In the order in which they were added, and so mostly of the pages of the file: in any other
    each person would cost a page to decrypt.

    Raises:
        IntegrityFailure: what is stored is not a record.
    """
    rows = db.some(
        f"{_STORED} WHERE u.id > ?2 ORDER BY u.id LIMIT ?3",
        crypto.SALT_BYTES + 1,
        after,
        limit,
        column=5,
        most=most,
    )
    return _all_stored(rows)


def stored_up_to(db: Database, after: int, last: int) -> list[Stored]:
    """Return the people from behind a row number up to another, as `stored` does."""
    condition = "WHERE u.id > ?2 AND u.id <= ?3 ORDER BY u.id"
    return _all_stored(db.rows(f"{_STORED} {condition}", crypto.SALT_BYTES + 1, after, last))


def _all_stored(rows: list[tuple[Any, ...]]) -> list[Stored]:
    from json import loads  # an export alone needs it

    return [_stored(row, loads) for row in rows]


def _stored(row: tuple[Any, ...], loads: Callable[[bytes], Any]) -> Stored:
    header, mark, body = row[5][crypto.SALT_BYTES :].partition(b"\n")
    try:
        whole = mark and row[10] and body[:1] == b"{"
        kinds = (kinds_in(header) or list(loads(header))) if whole else None
    except ValueError:
        kinds = None
    if kinds is None:
        raise IntegrityFailure("a record in the database is damaged")
    return Stored(row, uuids.to_text(row[1]), kinds, body)


class Lying(Value):
    """A row as it lies there: the commitment to its record, None if that is damaged."""

    id: int
    token: bytes
    commitment: str | None
    identities: dict[str, str]


def lying(db: Database, after: int, limit: int) -> list[Lying]:
    """Return up to `limit` rows in the order of their numbers, from behind one."""
    rows = db.rows(
        "SELECT u.id, u.token, d.bytes FROM users u LEFT JOIN drawer d ON d.id = u.record "
        "WHERE u.id > ? ORDER BY u.id LIMIT ?",
        after,
        limit,
    )
    return [_lying(*row) for row in rows]


def _lying(user_id: int, token: bytes, content: bytes | None) -> Lying:
    salt, rest = (content or b"")[: crypto.SALT_BYTES], (content or b"")[crypto.SALT_BYTES :]
    header, mark, body = rest.partition(b"\n")
    try:
        identities = identities_in(header, parsed(body)) if mark else {}
        commitment = crypto.commitment(salt, body) if mark else None
    except IntegrityFailure:
        identities, commitment = {}, None
    return Lying(id=user_id, token=token, commitment=commitment, identities=identities)


def has(db: Database, token: bytes) -> bool:
    sql = (
        "SELECT 1 FROM users "
        "WHERE id IN (SELECT user FROM all_tokens WHERE token = ?1) AND token = ?1"
    )
    return db.row(sql, token) is not None


def is_tagged(db: Database, tag: int, user_id: int) -> bool:
    sql = "SELECT 1 FROM all_identities WHERE tag = ? AND user = ?"
    return db.row(sql, tag, user_id) is not None


def is_named(db: Database, token: bytes, user_id: int) -> bool:
    """Tell whether a token leads to that row."""
    sql = "SELECT 1 FROM all_tokens WHERE token = ? AND user = ?"
    return db.row(sql, token, user_id) is not None


def sizes(db: Database, user_ids: list[int]) -> dict[int, int]:
    """Return how many bytes each user's record has; none for one that is lost or damaged."""
    try:
        rows = db.rows(
            "SELECT u.id, length(d.bytes) FROM users u JOIN drawer d ON d.id = u.record"
            " WHERE u.id IN (SELECT value FROM json_each(?))",
            jsontext.dumps(user_ids),
        )
    except IntegrityFailure:
        if len(user_ids) == 1:
            return {}
        each = (sizes(db, [user_id]) for user_id in user_ids)
        return {user_id: size for one in each for user_id, size in one.items()}
    return {user_id: int(size) for user_id, size in rows}
