"""Whether the pages of a database are whole: what is damaged, and what is behind the last."""

from __future__ import annotations

import os

from bunkerctl.errors import IntegrityFailure
from bunkerctl.store import connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.model import Progress
    from bunkerctl.store.connection import Database

PAGE_BYTES = 4096  # those of SQLCipher 4; the schema that would tell may be what is damaged
CHECKING_CACHE = -64 << 10  # KiB: with SQLite's own 2 MB it took four times as long
READ_TO_COMPARE = 2  # how often `integrity_check` reads each page while the indexes fit in there


def problems(db: Database, progress: Progress) -> list[str]:
    """Return what two checks find wrong, each of which misses what the other finds.

    `cipher_integrity_check` tells altered pages, and takes a file cut at a page's end for
    whole; `integrity_check` tells that one. What is appended behind the end is no problem of
    the database: see `excess`.
    """
    last, _ = excess(db)
    _begin_reading(db, progress, "pages checked", last)
    found = [_plain(str(row[0])) for row in db.rows("PRAGMA cipher_integrity_check")]
    cache = int(db.one("PRAGMA cache_size")[0])
    db.run(f"PRAGMA cache_size = {CHECKING_CACHE}")
    _begin_reading(db, progress, "pages compared", READ_TO_COMPARE * last)
    try:
        found += [str(row[0]) for row in db.rows("PRAGMA integrity_check(20)")]
    except IntegrityFailure as error:  # a page that it needs to go on
        found.append(error.message)
    finally:
        db.run(f"PRAGMA cache_size = {cache}")
    return [problem for problem in found if problem != "ok" and _page_of(problem) <= last]


def excess(db: Database) -> tuple[int, int]:
    """Return the number of the last page, and how many bytes the file has behind it."""
    pages, size = db.pages()
    return pages, max(0, os.path.getsize(db.path) - pages * size)


def altered_pages(path: str, key: bytes) -> list[str]:
    """Tell which pages of a file are altered, though it does not open: one may be of the schema.

    Nothing if that cannot be told, or if most are: then it is the key that does not fit.
    """
    found = connection.altered(path, key)
    if not found:
        return []
    most = os.path.getsize(path) // PAGE_BYTES // 2
    return [_plain(problem) for problem in found] if len(found) <= most else []


def _plain(problem: str) -> str:
    """Return a problem of `cipher_integrity_check` in words for an admin."""
    altered = problem.startswith("HMAC verification failed for page ")
    return f"page {_page_of(problem)} is damaged" if altered else problem


def _page_of(problem: str) -> int:
    """Return the page that a problem is with; 0 if it names none."""
    import re

    found = re.search(r"page (\d+)", problem)
    return int(found[1]) if found else 0


def _begin_reading(db: Database, progress: Progress, what: str, total: int) -> None:
    """Begin a stage that SQLite is silent in; Linux counts what is read (proc_pid_io(5))."""
    size, before = db.pages()[1], _bytes_read()
    if before is None:
        progress.begin(what)
    else:
        progress.begin(what, total, lambda: ((_bytes_read() or before) - before) // size)


def _bytes_read() -> int | None:
    """Return how many bytes this process has read so far; None where nothing tells it."""
    try:
        with open("/proc/self/io", "rb") as file:
            return int(file.readline().split()[1])
    except OSError:
        return None
