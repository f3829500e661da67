"""The audit trail as it lies there: events found, counted, read in order, and pruned."""

from __future__ import annotations

from bunkerctl import merkle, times, uuids
from bunkerctl.errors import IntegrityFailure
from bunkerctl.model import ERASURES, Value
from bunkerctl.store.audit import filled, form_of, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bunkerctl.store.connection import Database

Leaf = tuple[int, "str | None", bytes]

Tallied = tuple[int, str, str, "bytes | None", str]

READINGS = ("user.get", "exp.status", "export.user")
"""The actions that read one person's data."""


class Pruned(Value):
    """What is left of the events that were pruned: the tree over them, and its checkpoint."""

    tree: merkle.Tree
    checkpoint: str


def pruned(db: Database) -> Pruned | None:
    """Return what pruning has left; None if nothing was pruned.

    Raises:
        IntegrityFailure: its size and frontier do not fit each other.
    """
    row = db.row("SELECT size, frontier, checkpoint FROM pruned")
    if row is None:
        return None
    try:
        return Pruned(tree=merkle.Tree(row[0], row[1]), checkpoint=row[2])
    except ValueError as error:
        raise IntegrityFailure("what pruning has left of the audit trail is damaged") from error


def prune(db: Database, left: Pruned) -> int:
    """Delete the events up to the size of that tree; return how many there were."""
    db.run("DELETE FROM pruned")
    db.run(
        "INSERT INTO pruned VALUES (1, ?, ?, ?)",
        left.tree.size,
        left.tree.frontier(),
        left.checkpoint,
    )
    count = db.run("DELETE FROM audit WHERE seq <= ?", left.tree.size)
    db.run("DELETE FROM wordings WHERE id NOT IN (SELECT wording FROM audit)")
    return count


def last_before(db: Database, at: int) -> int:
    """Return the number of events that come before the first one of that time or later."""
    row = db.row("SELECT min(seq) FROM audit WHERE at >= ?", at)
    if row is not None and row[0] is not None:
        return int(row[0]) - 1
    return tree(db).size


def user_of(db: Database, token: bytes) -> int | None:
    """Return the row number under which events about a token are, besides those without one.

    An erased person's is that of the event of the erasure.
    """
    row = db.row(
        "SELECT iif(event IS NULL, t.user, audit.user) FROM all_tokens t "
        "LEFT JOIN tombstones b ON b.user = t.user AND b.token = t.token "
        "LEFT JOIN audit ON seq = event WHERE t.token = ?",
        token,
    )
    return None if row is None else row[0]


def written_between(db: Database, after: int, last: int, limit: int) -> list[int]:
    """Return the row numbers of up to `limit` people whose record is new since an event."""
    sql = (
        "SELECT DISTINCT user FROM audit WHERE seq > ? AND seq <= ?"
        " AND commitment IS NOT NULL AND user IS NOT NULL LIMIT ?"
    )
    return [user for (user,) in db.rows(sql, after, last, limit)]


def about(token: bytes, user: int | None) -> tuple[str, list[Any]]:
    """Return the condition that an event is about a token, and its parameters."""
    return (
        "seq IN (SELECT seq FROM audit WHERE token = ? AND user IS NULL "
        "UNION ALL SELECT seq FROM audit WHERE +token = ? AND user = ?)",
        [token, token, user],
    )


def newest_commitment(db: Database, token: bytes, user: int | None) -> str | None:
    """Return the newest commitment to a person's record; None if no event has one."""
    condition, parameters = about(token, user)
    row = db.row(
        f"SELECT commitment FROM audit WHERE {condition} AND commitment IS NOT NULL "
        "ORDER BY seq DESC LIMIT 1",
        *parameters,
    )
    return None if row is None else str(row[0].hex())


def says_erased(db: Database, token: bytes, user: int | None) -> bool:
    """Tell whether an event says that a person was erased."""
    condition, parameters = about(token, user)
    marks = ", ".join("?" * len(ERASURES))
    row = db.row(
        f"SELECT 1 FROM audit JOIN wordings ON id = wording WHERE {condition} "
        f"AND {_member('outcome')} = 'ok' AND {_member('action')} IN ({marks}) LIMIT 1",
        *parameters,
        *ERASURES,
    )
    return row is not None


def tokens(db: Database, after: bytes, limit: int) -> list[bytes]:
    """Return up to `limit` tokens that events without a row number are about, from behind one."""
    rows = db.rows(
        "SELECT DISTINCT token FROM audit WHERE token > ? AND user IS NULL ORDER BY token LIMIT ?",
        after,
        limit,
    )
    return [row[0] for row in rows]


def numbered(db: Database, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Return the row numbers behind one, up to `limit`, with each token that has events there."""
    rows: list[Any] = db.rows(
        """
        SELECT DISTINCT user, token FROM audit
        WHERE user > ?1 AND user <= (
            SELECT max(user) FROM (
                SELECT DISTINCT user FROM audit WHERE user > ?1 ORDER BY user LIMIT ?2))
        ORDER BY user
        """,
        after,
        limit,
    )
    return rows


def has_pruned(db: Database, size: int) -> bool:
    """Tell whether there is an event among those that were pruned."""
    return db.row("SELECT 1 FROM audit WHERE seq <= ? LIMIT 1", size) is not None


def hashes(db: Database, after: int, limit: int) -> list[bytes]:
    """Return up to `limit` leaf hashes from behind `after`, as they were stored."""
    return [
        row[0]
        for row in db.rows(
            "SELECT hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", after, limit
        )
    ]


def hash_of(db: Database, seq: int) -> bytes | None:
    """Return the leaf hash of an event, as it was stored; None if it is missing."""
    row = db.row("SELECT hash FROM audit WHERE seq = ?", seq)
    return None if row is None else row[0]


def _whole(seq: int, text: str, at: int, token: bytes | None, commitment: bytes | None) -> str:
    """Return an event.

    Raises:
        IntegrityFailure: the row and the wording do not fit each other.
    """
    try:
        form, has_token, has_commitment = form_of(text)
        if has_token == (token is None) or has_commitment == (commitment is None):
            raise ValueError("a token or a commitment too many, or too few")
        return filled(
            form,
            times.text(at),
            None if commitment is None else commitment.hex(),
            seq,
            None if token is None else uuids.to_text(token),
        )
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise IntegrityFailure(
            f"event {seq} of the audit trail is damaged", hint="run `audit verify`"
        ) from None


_PARTS = "seq, text, at, token, commitment"

_WITH_WORDING = "FROM audit LEFT JOIN wordings ON id = wording"


def page(
    db: Database,
    after: int,
    limit: int,
    where: Iterable[str] = (),
    parameters: Iterable[Any] = (),
) -> list[tuple[int, str]]:
    """Return up to `limit` (seq, event), oldest first, from behind `after`.

    Raises:
        IntegrityFailure: one of them is damaged.
    """
    conditions = " AND ".join(("seq > ?", *where))
    rows = db.rows(
        f"SELECT {_PARTS} {_WITH_WORDING} WHERE {conditions} ORDER BY seq LIMIT ?",
        after,
        *parameters,
        limit,
    )
    return [(row[0], _whole(*row)) for row in rows]


def says(name: str) -> str:
    """Return the condition that a member of the event is a parameter, for `page` and its like."""
    return f"{_member(name)} = ?"


def _member(name: str) -> str:
    """Return the expression for a member of a wording, of a damaged one too."""
    return f"iif(json_valid(text), text ->> '$.{name}', NULL)"


def count(db: Database, where: Iterable[str], parameters: Iterable[Any]) -> int:
    """Return how many events there are of that kind."""
    conditions = " AND ".join(("1", *where))
    return int(db.one(f"SELECT count(*) {_WITH_WORDING} WHERE {conditions}", *parameters)[0])


def nth_newest(
    db: Database, count: int, where: Iterable[str] = (), parameters: Iterable[Any] = ()
) -> int:
    """Return the seq behind which the newest `count` events lie; 0 if there are no more."""
    conditions = " AND ".join(("1", *where))
    row = db.row(
        f"SELECT seq {_WITH_WORDING} WHERE {conditions} ORDER BY seq DESC LIMIT 1 OFFSET ?",
        *parameters,
        count,
    )
    return 0 if row is None else int(row[0])


def by_seq(db: Database, seq: int) -> str | None:
    """Return an event; raise IntegrityFailure if it is damaged."""
    row = db.row(f"SELECT {_PARTS} {_WITH_WORDING} WHERE seq = ?", seq)
    return None if row is None else _whole(*row)


def newest_is(db: Database, action: str, outcome: str, key_id: str) -> bool:
    """Tell whether the newest event is of that action and outcome, about that master key."""
    row = db.row(
        f"SELECT {_member('action')}, {_member('key_id')}, {_member('outcome')} "
        f"{_WITH_WORDING} ORDER BY seq DESC LIMIT 1"
    )
    return row == (action, key_id, outcome)


def newest_at(db: Database) -> int:
    """Return the time of the newest event."""
    return int(db.one("SELECT at FROM audit ORDER BY seq DESC LIMIT 1")[0])


def leaves(db: Database, after: int, limit: int) -> list[Leaf]:
    """Return up to `limit` (seq, event, hash) from behind `after`, to be verified.

    The event is None if its row and its wording do not fit each other.
    """
    rows = db.rows(
        f"SELECT {_PARTS}, hash {_WITH_WORDING} WHERE seq > ? ORDER BY seq LIMIT ?", after, limit
    )
    return [(row[0], _whole_or_none(*row[:-1]), row[-1]) for row in rows]


def _whole_or_none(*parts: Any) -> str | None:
    try:
        return _whole(*parts)
    except IntegrityFailure:
        return None


def tallied(db: Database, after: int, limit: int) -> list[Tallied]:
    """Return up to `limit` events from behind `after`, as what counts them wants them.

    A row has seq, event, time (RFC 3339), the token if a person's data were read, and as a JSON
    array what is counted: action, outcome, actor, what an expstatus `was` before it changed, the
    first field that changed, and how many records were erased. An event that is damaged, or no
    JSON, is left out.
    """
    rows = db.rows(
        f"""
        SELECT {_PARTS}, text ->> '$.outcome' = 'ok'
                AND text ->> '$.action' IN ({", ".join(f"'{one}'" for one in READINGS)}),
            json_extract(text, '$.action', '$.outcome', '$.actor', '$.was', '$.fields[0]',
                '$.counts.records')
        {_WITH_WORDING} WHERE seq > ? AND json_valid(text) ORDER BY seq LIMIT ?
        """,
        after,
        limit,
    )
    found: list[Tallied] = []
    for *parts, read, kind in rows:
        event = _whole_or_none(*parts)
        if event is not None:
            seq, _, at, token, _ = parts
            found.append((seq, event, times.text(at), token if read else None, kind))
    return found
