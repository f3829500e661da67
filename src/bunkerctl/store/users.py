"""Users: rows and drawer bytes on one side, `User` on the other.

A record lies in the drawer as salt, identities and record (JSON): 16 bytes, a line, the rest. The
identities are the initials of their kinds where they are just what the record says, else JSON.
"""

from __future__ import annotations

from operator import itemgetter

from bunkerctl import crypto, jsontext, uuids
from bunkerctl.errors import IntegrityFailure, Invalid
from bunkerctl.lean import lru_cache
from bunkerctl.model import IDENTITY_KINDS, Expiration, Hold, User
from bunkerctl.store import drawer
from bunkerctl.store.connection import blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bunkerctl.store.connection import Database

_COLUMNS = """
    SELECT u.id, u.token, u.created_at, u.updated_at, u.version, d.bytes,
           e.exptoken, e.status, e.started_at, e.due_at,
           w.bytes, h.since, h.until
"""
_JOINED = """
    JOIN drawer d ON d.id = u.record
    LEFT JOIN expirations e ON e.user = u.id
    LEFT JOIN holds h ON h.user = u.id
    LEFT JOIN drawer w ON w.id = h.words
"""
_SELECT = f"{_COLUMNS} FROM users u {_JOINED}"


def by_token(db: Database, token: str) -> User | None:
    return _first(
        db,
        "WHERE u.id IN (SELECT user FROM all_tokens WHERE token = ?1) AND u.token = ?1",
        uuids.to_bytes(token),
    )


def by_id(db: Database, user_id: int) -> User | None:
    return _first(db, "WHERE u.id = ?", user_id)


def by_ids(db: Database, user_ids: list[int]) -> list[User]:
    """Return those of the users that there are, in the order asked for."""
    rows = db.rows(
        f"{_SELECT} WHERE u.id IN (SELECT value FROM json_each(?))", jsontext.dumps(user_ids)
    )
    found = {row[0]: _user(row) for row in rows}
    return [found[user_id] for user_id in user_ids if user_id in found]


def by_identity(db: Database, tag: int, kind: str, value: str) -> User | None:
    """Return the user with that identity: a tag may be shared, so the identity is compared."""
    for row in db.rows(
        f"{_SELECT} WHERE u.id IN (SELECT user FROM all_identities WHERE tag = ?)", tag
    ):
        user = _user(row)
        if user.identities.get(kind) == value:
            return user
    return None


def by_tags_and_tokens(
    db: Database, tags: list[int], tokens: list[str], most: int
) -> tuple[list[User], bool]:
    """Return users to whom some tags and tokens lead, until `most` bytes of their records.

    And whether that is sure to be all of them.
    """
    rows = db.some(
        f"{_SELECT} WHERE u.id IN ("
        " SELECT user FROM json_each(?1) CROSS JOIN identities ON tag = value UNION ALL"
        " SELECT user FROM runs CROSS JOIN recent_identities USING (run)"
        " WHERE tag IN (SELECT value FROM json_each(?1)) UNION ALL"
        " SELECT user FROM json_each(?2) CROSS JOIN tokens ON token = unhex(value, '-') UNION ALL"
        " SELECT user FROM runs CROSS JOIN recent_tokens USING (run)"
        " WHERE token IN (SELECT unhex(value, '-') FROM json_each(?2)))",
        jsontext.dumps(sorted(tags)),  # in the order of the index
        jsontext.dumps(sorted(tokens)),
        column=5,
        most=most,
    )
    return [_user(row) for row in rows], sum(len(row[5]) for row in rows) <= most


def token_of(db: Database, user_id: int) -> str:
    """Return a user's token, though its record may be damaged."""
    return uuids.to_text(db.one("SELECT token FROM users WHERE id = ?", user_id)[0])


def page(
    db: Database,
    after: str | None,
    limit: int,
    where: Iterable[str] = (),
    parameters: Iterable[Any] = (),
) -> list[User]:
    """Return up to `limit` users in the order of their tokens, from behind `after`.

    `where` are conditions on u (users), e (expirations) and h (holds).
    """
    conditions = " AND ".join(("t.token > ?", *where))
    start = uuids.to_bytes(after) if after else b""
    found = [
        row
        for table in ("tokens", "recent_tokens")
        for row in db.rows(
            f"{_COLUMNS} FROM {table} t CROSS JOIN users u ON u.id = t.user {_JOINED} "
            f"WHERE {conditions} ORDER BY t.token LIMIT ?",
            start,
            *parameters,
            limit,
        )
    ]
    # Whoever is just being moved is in both.
    found = sorted({row[0]: row for row in found}.values(), key=itemgetter(1))
    return [_user(row) for row in (found[:limit] if limit >= 0 else found)]


class Fresh:
    """People on the way in: what the rows, the drawer and the events of them will say.

    Side by side, a list for each thing, so that thousands are soon passed on, to SQLite too.
    `owners` says of each tag whose it is, by the place in the other lists. `at` is when all of them
    were created and updated, in Unix seconds; None means now.
    """

    def __init__(self, *columns: list[Any]) -> None:
        self.at: tuple[int, int] | None = None
        self.version = 1
        self._sorted: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.tokens: list[bytes]
        self.contents: list[bytes]
        self.commitments: list[str]
        self.fields: list[tuple[str, ...]]
        self.tags: list[int]
        self.owners: list[int]
        columns = columns or ([], [], [], [], [], [])
        self.tokens, self.contents, self.commitments, self.fields, self.tags, self.owners = columns

    def __len__(self) -> int:
        return len(self.tokens)

    def add(
        self, token: bytes, content: bytes, commitment: str, fields: tuple[str, ...], tags: set[int]
    ) -> None:
        if fields not in self._sorted:  # most have the same
            self._sorted[fields] = tuple(sorted(fields))
        self.owners += [len(self.tokens)] * len(tags)
        self.tags += tags
        self.tokens.append(token)
        self.contents.append(content)
        self.commitments.append(commitment)
        self.fields.append(self._sorted[fields])

    def skip(self) -> None:
        """Add nobody: who lies there is not ready."""
        self.add(b"", b"", "", (), set())

    def columns(self) -> tuple[list[Any], ...]:
        return self.tokens, self.contents, self.commitments, self.fields, self.tags, self.owners

    def some(self, begin: int, end: int) -> Fresh:
        """Return those at the places from `begin` to before `end`."""
        if (begin, end) == (0, len(self)):
            return self
        from bisect import bisect_left

        first, last = bisect_left(self.owners, begin), bisect_left(self.owners, end)
        return Fresh(
            self.tokens[begin:end],
            self.contents[begin:end],
            self.commitments[begin:end],
            self.fields[begin:end],
            self.tags[first:last],
            [owner - begin for owner in self.owners[first:last]],
        )


def next_id(db: Database) -> int:
    """Return a row number that nobody has, or had: an erased person keeps it."""
    rows = db.rows("SELECT max(id) FROM users UNION ALL SELECT max(user) FROM tombstones")
    return 1 + max(number or 0 for (number,) in rows)


def reserve(db: Database, token: str) -> int:
    """Return a row number to which a token leads from now on, for a tombstone."""
    from bunkerctl.store import indexes

    user_id = next_id(db)
    indexes.add(db, "tokens", [(uuids.to_bytes(token), user_id)])
    return user_id


def insert(db: Database, people: Fresh, now: int, run: int | None = None) -> int:
    """Add people, whose tokens and identities are free; return the id of the first.

    Those behind it have the ids behind it. `run` is as for `indexes.add`.
    """
    from bunkerctl.store import indexes  # no hot command that only reads needs it

    first = next_id(db)
    numbers = range(first, first + len(people))
    place = drawer.put_many(db, people.contents)
    created_at, updated_at = people.at or (now, now)
    places = range(place, place + len(people))
    db.insert_many(
        "users",
        f"(?, ?, ?, {created_at:d}, {updated_at:d}, {people.version:d})",
        list(zip(numbers, map(blob, people.tokens), places, strict=True)),
    )
    indexes.add(db, "tokens", zip(people.tokens, numbers, strict=True), run)
    owners = [first + owner for owner in people.owners]
    indexes.add(db, "identities", zip(people.tags, owners, strict=True), run)
    return first


def replace(
    db: Database, user: User, now: int, content: bytes, old: set[int], new: set[int]
) -> None:
    """Put a record in place of the standing one: append the new bytes, zero the old ones.

    `old` and `new` are the tags of the identities before and after.
    """
    from bunkerctl.store import indexes

    place = _record_place(db, user.id)
    db.run(
        "UPDATE users SET record = ?, updated_at = ?, version = version + 1 WHERE id = ?",
        drawer.put(db, content),
        now,
        user.id,
    )
    drawer.zero(db, [place])
    for tag in old - new:
        indexes.remove(db, "identities", tag, user.id)
    indexes.add(db, "identities", [(tag, user.id) for tag in new - old])


def pack(
    identities: dict[str, str], record: dict[str, Any], body: bytes, salt: bytes
) -> tuple[bytes, str]:
    """Return what goes into the drawer, and the commitment to it (hex) for the audit trail.

    `body` is the record as JSON, the salt a new one.
    """
    header = ""
    for kind, value in identities.items():
        header += kind[0]
        if record[kind] != value and str(record[kind]) != value:
            header = jsontext.dumps(identities)
            break
    return salt + header.encode() + b"\n" + body, crypto.commitment(salt, body)


def body_of(content: bytes) -> bytes:
    """Return the record's own text from what lies in the drawer."""
    return content[crypto.SALT_BYTES :].partition(b"\n")[2]


def _record_place(db: Database, user_id: int) -> int:
    return int(db.one("SELECT record FROM users WHERE id = ?", user_id)[0])


def _first(db: Database, where: str, parameter: Any) -> User | None:
    row = db.row(_SELECT + where, parameter)
    return None if row is None else _user(row)


def _user(row: tuple[Any, ...]) -> User:
    header, mark, body = row[5][crypto.SALT_BYTES :].partition(b"\n")
    if not mark:
        raise IntegrityFailure("a record in the database is damaged")
    data = parsed(body)
    return User(
        id=row[0],
        token=uuids.to_text(row[1]),
        created_at=row[2],
        updated_at=row[3],
        version=row[4],
        identities=identities_in(header, data),
        data=data,
        expiration=_expiration(*row[6:10]),
        hold=_hold(*row[10:13]),
    )


def identities_in(header: bytes, record: dict[str, Any]) -> dict[str, str]:
    """Return the identities that stand before a record; raise IntegrityFailure if damaged."""
    kinds = kinds_in(header)
    if not kinds:
        return parsed(header)
    try:
        return {kind: str(record[kind]) for kind in kinds}
    except KeyError:
        raise IntegrityFailure("a record in the database is damaged") from None


def kinds_in(header: bytes) -> list[str]:
    """Return the kinds that initials stand for; none if there is something else."""
    return [] if len(header) > len(IDENTITY_KINDS) else _abbreviated(header)


@lru_cache
def _abbreviated(header: bytes) -> list[str]:
    initials = header.decode("ascii", "replace")
    kinds = [kind for kind in IDENTITY_KINDS if kind[0] in initials]
    return kinds if "".join(kind[0] for kind in kinds) == initials else []


def parsed(raw: bytes) -> dict[str, Any]:
    """Return an object from its JSON; raise IntegrityFailure for anything else."""
    try:
        value = jsontext.loads(raw)
    except Invalid:
        value = None
    if not isinstance(value, dict):
        raise IntegrityFailure("a record in the database is damaged")
    return value


def _expiration(
    exptoken: bytes | None, status: str, started_at: int, due_at: int
) -> Expiration | None:
    if exptoken is None:
        return None
    return Expiration(
        exptoken=uuids.to_text(exptoken), status=status, started_at=started_at, due_at=due_at
    )


def _hold(words: bytes | None, since: int, until: int | None) -> Hold | None:
    if words is None:
        return None
    said = parsed(words)
    return Hold(reason=said["reason"], by=said["by"], since=since, until=until)
