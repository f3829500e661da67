"""One connection to one SQLCipher file; the driver's errors become ours here and nowhere else."""

from __future__ import annotations

import os
import time
from itertools import chain

import sqlcipher3

from bunkerctl.errors import (
    BunkerError,
    Busy,
    InputOutput,
    IntegrityFailure,
    Internal,
    OutcomeUnknown,
    UnsupportedVersion,
)
from bunkerctl.lean import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bunkerctl.model import Progress

APPLICATION_ID = 0x62756E6B  # "bunk"
OLDEST_SQLITE = (3, 51, 3)  # older ones can corrupt a database when a WAL is reset
SHORT_TURNS = 10
SHORT_TURN_SECONDS = 0.002
LONG_TURN_SECONDS = 0.004
BREATH_SECONDS = 0.006
"""How long who writes again and again leaves the lock alone: longer than a turn of who waits."""
UNBROKEN_SECONDS = 0.1
"""How long it may go on without that."""
BULK_CACHE_KIB, BULK_WAL_PAGES = 24 * 1024, 16_000
ROOM_FOR_BULK = 1 << 30
ROWS_AT_ONCE = 50
COPIED_AT_ONCE = 1000  # pages, and then a signal is heeded
LEAST_ROOM = 64 * 1024
"""What a command needs at least, for SQLite's shared memory."""

_MAGIC = b"SQLite format 3\0"
_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-~")

_FULL, _BUSY = sqlcipher3.SQLITE_FULL, sqlcipher3.SQLITE_BUSY
_DAMAGED = (sqlcipher3.SQLITE_CORRUPT, sqlcipher3.SQLITE_NOTADB)
_REFUSED = (
    sqlcipher3.SQLITE_IOERR,
    sqlcipher3.SQLITE_READONLY,
    sqlcipher3.SQLITE_CANTOPEN,
    sqlcipher3.SQLITE_PERM,
)


def version() -> str:
    """Return the version of the engine."""
    return f"SQLite {sqlcipher3.sqlite_version}"


blob = bytearray
"""What rows that are added many at once have in the place of bytes.

For each value that is `bytes` sqlcipher3 looks for an adapter, which takes a microsecond; a
`bytearray` it takes as it is.
"""


class Database:
    """An open, keyed and configured database.

    Transactions are explicit and begin IMMEDIATE: a deferred one that wants to write after
    it has read fails at once when another process wrote in between.
    """

    def __init__(
        self,
        path: str,
        key: bytes,
        lock_wait: float,
        *,
        create: bool = False,
        frozen: bool = False,
    ) -> None:
        """Open `path` with a raw 256-bit key; `lock_wait` is in seconds.

        A `frozen` file is only read, and nobody writes to it: a backup.

        Raises:
            IntegrityFailure: the key does not open it, or it is damaged.
            InputOutput: the file system refuses.
        """
        if sqlcipher3.sqlite_version_info < OLDEST_SQLITE:
            raise UnsupportedVersion(
                f"SQLite {sqlcipher3.sqlite_version} can corrupt a database in WAL mode",
                hint="install sqlcipher3 0.6.4 or newer",
            )
        self.path = path
        self._lock_wait = lock_wait
        self._in_bulk = False
        self._committed = self._breathed = 0.0
        mode = "ro&immutable=1" if frozen else "rwc" if create else "rw"
        try:
            self._connection = sqlcipher3.connect(
                f"{_uri(path)}?mode={mode}", uri=True, isolation_level=None, timeout=0
            )
        except sqlcipher3.Error as error:
            raise self._translated(error) from error
        try:
            self._configure(key, create, frozen)
        except BaseException:
            self._connection.close()
            raise

    def _configure(self, key: bytes, create: bool, frozen: bool) -> None:
        self.run("PRAGMA cipher_log_level = NONE")  # or a wrong key prints on stderr
        self._connection.set_key(f"x'{key.hex()}'")
        if create:
            self.run(f"PRAGMA application_id = {APPLICATION_ID}")
            if self.row("PRAGMA journal_mode = WAL") != ("wal",):  # it tells no failure
                raise InputOutput(f"the file system refused to let {self.path} be made")
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "temp_store = MEMORY",
        ):
            self.run(f"PRAGMA {pragma}")
        if self.row("PRAGMA secure_delete = ON") != (1,):
            raise Internal("secure_delete could not be switched on")
        if self.row("PRAGMA application_id") != (APPLICATION_ID,):
            raise IntegrityFailure(self._damage())
        if not frozen and self.row("PRAGMA journal_mode") != ("wal",):
            raise IntegrityFailure(f"{self.path} is not in WAL mode")

    def run(self, sql: str, *parameters: Any) -> int:
        """Execute a statement; return how many rows it changed."""
        count: int = self._execute(sql, parameters).rowcount
        return count

    def insert_many(self, table: str, values: str, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows, whose values are as in `(?, ?, 1)`, in a transaction.

        Many at once: to run a statement for each takes the driver longer than to insert the row.
        OR FAIL, or SQLite would keep what it changes in memory, to undo one statement alone: if it
        fails, some rows are in, and the transaction is to be undone.
        """
        insert = f"INSERT OR FAIL INTO {table} VALUES "
        whole = len(rows) - len(rows) % ROWS_AT_ONCE
        told = chain.from_iterable(rows[:whole])
        together = zip(*[told] * (values.count("?") * ROWS_AT_ONCE), strict=True)
        try:
            if whole:
                self._connection.executemany(insert + ", ".join([values] * ROWS_AT_ONCE), together)
            if whole < len(rows):
                self._connection.executemany(insert + values, rows[whole:])
        except sqlcipher3.Error as error:
            raise self._translated(error) from error

    def insert(self, sql: str, *parameters: Any) -> int:
        """Execute an INSERT; return the rowid."""
        rowid: int = self._execute(sql, parameters).lastrowid
        return rowid

    def row(self, sql: str, *parameters: Any) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        cursor = self._execute(sql, parameters)
        try:
            row: tuple[Any, ...] | None = cursor.fetchone()
        except sqlcipher3.Error as error:
            raise self._translated(error) from error
        return row

    def one(self, sql: str, *parameters: Any) -> tuple[Any, ...]:
        """Return the row that the schema says is there."""
        row = self.row(sql, *parameters)
        if row is None:
            raise IntegrityFailure("the database lacks a row that it must have")
        return row

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self._execute(sql, parameters)
        try:
            return list(cursor)
        except sqlcipher3.Error as error:
            raise self._translated(error) from error

    def some(self, sql: str, *parameters: Any, column: int, most: int) -> list[tuple[Any, ...]]:
        """Return the first rows, until their bytes in a column are more than `most`."""
        found, size = [], 0
        cursor = self._execute(sql, parameters)
        try:
            for row in cursor:
                found.append(row)
                size += len(row[column])
                if size > most:
                    break
        except sqlcipher3.Error as error:
            raise self._translated(error) from error
        finally:
            cursor.close()
        return found

    def changes(self) -> int:
        """Return how many rows this connection has changed so far."""
        return int(self._connection.total_changes)

    def begin(self, *, write: bool = True) -> None:
        if self._in_bulk and write:
            self._breathe()
        self.run("BEGIN IMMEDIATE" if write else "BEGIN")

    def commit(self) -> None:
        """Commit.

        Raises:
            InputOutput: the disk is full; nothing happened.
            OutcomeUnknown: the disk failed; the commit may have happened.
        """
        try:
            self._connection.execute("COMMIT")
            self._committed = time.monotonic()
        except sqlcipher3.Error as error:
            if _code(error) == _FULL:
                raise self._translated(error) from error
            raise OutcomeUnknown(
                "the disk failed at COMMIT: the change may or may not be saved",
                hint="look before you repeat the command",
            ) from error

    def in_transaction(self) -> bool:
        """Tell whether there is one: some failures of the disk end it.

        https://sqlite.org/lang_transaction.html, "Response to errors within a transaction".
        """
        return bool(self._connection.in_transaction)

    def rollback(self) -> None:
        """Leave the transaction, if there still is one."""
        if self.in_transaction():
            try:
                self._connection.execute("ROLLBACK")
            except sqlcipher3.Error:
                self._connection.close()

    @contextmanager
    def in_bulk(
        self, cache_kib: int = BULK_CACHE_KIB, wal_pages: int = BULK_WAL_PAGES
    ) -> Iterator[None]:
        """Run a block that changes pages all over the database, many of them again and again.

        They stay in memory for longer, and where the disk has room they go from the WAL into the
        database less often, after `wal_pages`: that commit takes longest. Between two transactions
        whoever waits for the lock can take it.
        """
        self._in_bulk = True
        self.run(f"PRAGMA cache_size = -{cache_kib}")
        if self.room() >= ROOM_FOR_BULK:
            self.run(f"PRAGMA wal_autocheckpoint = {wal_pages}")
        try:
            yield
        finally:
            self._in_bulk = False
            with suppress(BunkerError):  # of a connection that a failure has closed
                self.run("PRAGMA cache_size = -2000")  # SQLite's own
                self.run("PRAGMA wal_autocheckpoint = 1000")

    def pages(self) -> tuple[int, int]:
        """Return how many pages there are, and how many bytes each has."""
        return int(self.one("PRAGMA page_count")[0]), int(self.one("PRAGMA page_size")[0])

    def truncate_wal(self, wait: float) -> bool:
        """Move all of the WAL into the database and cut it to nothing; False if a reader bars it.

        `wait` is in seconds.
        """
        turns = _turns(wait)
        while True:
            try:
                row = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlcipher3.Error as error:
                if _code(error) != _BUSY:
                    raise self._translated(error) from error
            else:
                if row[0] == 0:
                    return True
            if not next(turns, False):
                return False

    def rekey(self, key: bytes, progress: Progress) -> None:
        """Encrypt every page anew under a raw 256-bit key, in one transaction.

        After a failure close the database, and see which key opens it.

        Raises:
            InputOutput: the disk is full, or refuses.
        """
        pages, size = self.pages()
        wal = f"{self.path}-wal"
        progress.begin("pages encrypted anew", pages, lambda: min(pages, _size(wal) // size))
        try:
            self._connection.execute(f"PRAGMA rekey = \"x'{key.hex()}'\"")
        except sqlcipher3.Error as error:  # its code says nothing: a full disk is "not a database"
            raise InputOutput(
                "the database could not be written anew under another key",
                hint="is there room? it stays as it was",
            ) from error

    def copy_to(self, path: str, key: bytes, progress: Progress) -> None:
        """Copy every page of one snapshot into an empty file, under a raw key of its own.

        Others go on writing (https://sqlite.org/backup.html).

        Raises:
            InputOutput: the disk is full, or refuses.
        """

        def copied(_status: int, left: int, total: int) -> None:
            progress.done = total - left

        progress.begin("pages copied", self.pages()[0])
        copy = sqlcipher3.connect(f"{_uri(path)}?mode=rw", uri=True, isolation_level=None)
        try:
            copy.execute("PRAGMA cipher_log_level = NONE")
            copy.set_key(f"x'{key.hex()}'")
            copy.execute("PRAGMA journal_mode = OFF")
            self.begin(write=False)  # or it would start anew whenever another process wrote
            self.one("PRAGMA schema_version")
            self._connection.backup(copy, pages=COPIED_AT_ONCE, progress=copied)
        except sqlcipher3.Error as error:  # which side failed, and how, it does not tell
            raise InputOutput(
                f"the disk is full, or refuses: the database could not be copied to {path}"
            ) from error
        finally:
            self.rollback()
            copy.close()

    def close(self) -> None:
        self._connection.close()

    def _execute(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        """Execute a statement, and again while another process has the lock, up to the wait."""
        turns = _turns(self._lock_wait)
        while True:
            try:
                return self._connection.execute(sql, parameters)
            except sqlcipher3.Error as error:
                if _code(error) != _BUSY:
                    raise self._translated(error) from error
                if not next(turns, False):
                    raise _still_busy() from error

    def _translated(self, error: sqlcipher3.Error) -> Exception:
        code = _code(error)
        if code == _BUSY:
            return _still_busy()
        if code == _FULL or (code in _REFUSED and self._has_no_room()):
            return InputOutput("the disk is full: this change was not made")
        if code in _REFUSED:
            return InputOutput(
                f"the file system refused access to {self.path}: this change was not made",
                hint="each command, a read too, writes an audit event first",
            )
        if code in _DAMAGED:
            return IntegrityFailure(self._damage())
        return Internal(f"SQLite failed ({getattr(error, 'sqlite_errorname', 'unknown')})")

    def _breathe(self) -> None:
        """Leave the lock alone for a moment since the last commit, unless that was done lately.

        Not by `sleep`, which fails where the clock was moved.
        """
        import select

        now = time.monotonic()
        left = self._committed + BREATH_SECONDS - now
        if 0 < left <= BREATH_SECONDS:
            if 0 < now - self._breathed < UNBROKEN_SECONDS:
                return
            select.select([], [], [], left)
        self._breathed = time.monotonic()

    def _has_no_room(self) -> bool:
        """Tell a full disk from one that refuses: shared memory fails with one code for both."""
        return self.room() < LEAST_ROOM

    def room(self) -> int:
        """Return how many bytes are free on the disk; many if that cannot be told."""
        try:
            system = os.statvfs(os.path.dirname(os.path.abspath(self.path)))
        except OSError:
            return 1 << 62
        return system.f_bavail * system.f_frsize

    def _damage(self) -> str:
        with open(self.path, "rb") as file:
            start = file.read(len(_MAGIC))
        if not start:
            return f"{self.path} is empty"
        if start == _MAGIC:
            return f"{self.path} is a plain SQLite file, not a bunkerctl vault"
        return f"{self.path} is damaged, or not a bunkerctl vault"


def altered(path: str, key: bytes) -> list[str]:
    """Return what `cipher_integrity_check` finds in a file, though it may not open otherwise.

    Nothing if that cannot be told.
    """
    connection = sqlcipher3.connect(f"{_uri(path)}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.set_key(f"x'{key.hex()}'")
        return [str(row[0]) for row in connection.execute("PRAGMA cipher_integrity_check")]
    except sqlcipher3.Error:
        return []
    finally:
        connection.close()


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _uri(path: str) -> str:
    return "file:" + "".join(
        chr(byte) if byte in _UNRESERVED else f"%{byte:02x}" for byte in os.fsencode(path)
    )


def _turns(wait: float) -> Iterator[bool]:
    """Yield true after each of the pauses that make up `wait` seconds.

    The waiting is done here because SQLite heeds no signal while it waits itself; it is
    counted because the clock may be moved.
    """
    for turn in range(round(wait / LONG_TURN_SECONDS) + SHORT_TURNS if wait else 0):
        time.sleep(SHORT_TURN_SECONDS if turn < SHORT_TURNS else LONG_TURN_SECONDS)
        yield True


def _still_busy() -> Busy:
    return Busy(
        "another process kept the vault locked", hint="try again, or wait longer with --lock-wait"
    )


def _code(error: sqlcipher3.Error) -> int:
    """Return the primary result code (https://sqlite.org/rescode.html)."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
