"""What there is one of: the version, the vault's own id and index key, totals, the sweep's row."""

from __future__ import annotations

from bunkerctl.errors import IntegrityFailure, UnsupportedVersion
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.store.connection import Database

VERSION = 7
"""That of a vault that has had all migrations; who opens one that has needs not load them."""


class Sweeps(Value):
    """`reference_at` is what a sweep's clock is judged by; `completed_at` the last real one.

    `reported_event` is the number of the last `exp.sweep` event whose tokens were told.
    """

    reference_at: int
    completed_at: int | None
    reported_event: int


class Totals(Value):
    """How many live, how many are erased.

    `unscrubbed` is the event of the newest erasure that is not known to be finished, else 0;
    `largest` the bytes of the largest record, if one was ever large.
    """

    living: int
    erased: int
    unscrubbed: int
    largest: int


def version(db: Database) -> int:
    """Return the version of an open vault.

    Raises:
        UnsupportedVersion: it is newer than this program.
    """
    found = int(db.one("PRAGMA user_version")[0])
    if found > VERSION:
        raise UnsupportedVersion(
            f"the vault has version {found}, this program knows {VERSION}",
            hint="upgrade bunkerctl",
        )
    return found


def begin(db: Database, vault_id: bytes, index_key: bytes, now: int) -> None:
    """Fill the rows of a new vault."""
    db.run("INSERT INTO meta VALUES ('vault_id', ?), ('index_key', ?)", vault_id, index_key)
    db.run("INSERT INTO sweeps VALUES (1, ?, NULL, 0)", now)


def meta(db: Database, name: str) -> bytes:
    value: bytes = db.one("SELECT value FROM meta WHERE name = ?", name)[0]
    return value


def own(db: Database) -> tuple[bytes, bytes]:
    """Return the id of the vault that the database is of, and the key of its index."""
    rows = dict(db.rows("SELECT name, value FROM meta WHERE name IN ('index_key', 'vault_id')"))
    try:
        return rows["vault_id"], rows["index_key"]
    except KeyError:
        raise IntegrityFailure("the database lacks a row that it must have") from None


def totals(db: Database) -> Totals:
    living, erased, unscrubbed, largest = db.one(
        "SELECT living, erased, unscrubbed, largest FROM totals"
    )
    return Totals(living=living, erased=erased, unscrubbed=unscrubbed, largest=largest)


def add_living(db: Database, count: int = 1) -> None:
    db.run("UPDATE totals SET living = living + ?", count)


def add_erased(db: Database, event: int, count: int = 1, *, living: int) -> None:
    """Count erasures, `event` is that of the last; `living` of them were in this vault till now."""
    db.run(
        "UPDATE totals SET living = living - ?, erased = erased + ?, unscrubbed = ?",
        living,
        count,
        event,
    )


def note_large(db: Database, size: int) -> None:
    """Note a record of so many bytes, if it is the largest."""
    db.run("UPDATE totals SET largest = ? WHERE largest < ?", size, size)


def set_scrubbed(db: Database, event: int) -> None:
    """Note that the erasures up to `event` are finished; a later one stays noted."""
    db.run("UPDATE totals SET unscrubbed = 0 WHERE unscrubbed <= ?", event)


def sweeps(db: Database) -> Sweeps:
    reference_at, completed_at, reported = db.one(
        "SELECT reference_at, completed_at, reported_event FROM sweeps"
    )
    return Sweeps(reference_at=reference_at, completed_at=completed_at, reported_event=reported)


def set_completed(db: Database, reference_at: int, completed_at: int) -> None:
    db.run("UPDATE sweeps SET reference_at = ?, completed_at = ?", reference_at, completed_at)


def set_reported(db: Database, event: int) -> None:
    """Note that the sweeps up to `event` have told whom they erased; a later one stays noted."""
    db.run("UPDATE sweeps SET reported_event = max(reported_event, ?)", event)
