"""The one table that holds personal bytes: append, read, and zero in place."""

from __future__ import annotations

from bunkerctl import jsontext
from bunkerctl.errors import IntegrityFailure
from bunkerctl.store import state
from bunkerctl.store.connection import blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.store.connection import Database

LARGE = 64 * 1024
"""What is larger takes more room to be overwritten than is kept for every vault."""


def put(db: Database, content: bytes) -> int:
    """Append bytes; return where they are."""
    _note(db, len(content))
    return db.insert("INSERT INTO drawer (bytes) VALUES (?)", content)


def put_many(db: Database, contents: list[bytes]) -> int:
    """Append bytes several times; return where the first are, the others lie behind them."""
    if len(contents) == 1:
        return put(db, contents[0])
    _note(db, max(map(len, contents), default=0))
    first = int(db.one("SELECT coalesce(max(id), 0) + 1 FROM drawer")[0])
    db.insert_many("drawer", "(?, ?)", list(enumerate(map(blob, contents), first)))
    return first


def get(db: Database, place: int) -> bytes:
    content: bytes = db.one("SELECT bytes FROM drawer WHERE id = ?", place)[0]
    return content


def zero(db: Database, places: list[int]) -> None:
    """Overwrite with as many zero bytes: SQLite rewrites the cell and its overflow pages in place.

    Raises:
        IntegrityFailure: there is nothing at one of the places.
    """
    if not places:
        return
    sql = "UPDATE drawer SET bytes = zeroblob(length(bytes)) WHERE id"
    if len(places) == 1:
        found = db.run(f"{sql} = ?", places[0])
    else:
        found = db.run(f"{sql} IN (SELECT value FROM json_each(?))", jsontext.dumps(places))
    if found != len(places):
        raise IntegrityFailure("the database lacks the bytes of a record")


def _note(db: Database, size: int) -> None:
    if size > LARGE:
        state.note_large(db, size)
