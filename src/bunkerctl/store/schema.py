"""The tables, as a list of migrations: each is one transaction with its record."""

from __future__ import annotations

from bunkerctl import crypto
from bunkerctl.store.state import version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.store.connection import Database

MOVED_AT_ONCE = 2000
"""How many events are moved from one table into another before the next are read."""

FIRST = """
CREATE TABLE migrations (
    version INTEGER PRIMARY KEY,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- All that is personal, and nothing else. Rows are appended, and overwritten in place with as
-- many zero bytes: SQLite then copies no cell, and no copy stays behind in the gap of a page.
-- Never delete a row, never change its size, never add a column.
CREATE TABLE drawer (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    token BLOB NOT NULL UNIQUE CHECK (length(token) = 16),
    record INTEGER NOT NULL REFERENCES drawer (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE identities (
    tag INTEGER NOT NULL,
    user INTEGER NOT NULL,
    PRIMARY KEY (tag, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE expirations (
    user INTEGER PRIMARY KEY,
    exptoken BLOB NOT NULL UNIQUE CHECK (length(exptoken) = 16),
    status TEXT NOT NULL CHECK (status IN ('none', 'wait', 'retain')),
    started_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL
) STRICT;

CREATE INDEX expirations_waiting ON expirations (due_at, user) WHERE status = 'wait';

CREATE TABLE holds (
    user INTEGER PRIMARY KEY,
    words INTEGER NOT NULL REFERENCES drawer (id),
    since INTEGER NOT NULL,
    until INTEGER
) STRICT;

CREATE TABLE tombstones (
    token BLOB PRIMARY KEY CHECK (length(token) = 16),
    exptoken BLOB,
    created_at INTEGER NOT NULL,
    erased_at INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('request', 'link', 'sweep', 'restore')),
    counts TEXT NOT NULL,
    event INTEGER NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX tombstones_exptoken ON tombstones (exptoken) WHERE exptoken IS NOT NULL;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    event TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    at INTEGER NOT NULL,
    token BLOB
) STRICT;

CREATE INDEX audit_token ON audit (token, seq) WHERE token IS NOT NULL;

CREATE TABLE tree (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    frontier BLOB NOT NULL
) STRICT;

CREATE TABLE totals (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    living INTEGER NOT NULL,
    erased INTEGER NOT NULL,
    unscrubbed INTEGER NOT NULL
) STRICT;

CREATE TABLE sweeps (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    reference_at INTEGER NOT NULL,
    completed_at INTEGER,
    reported_event INTEGER NOT NULL
) STRICT;

INSERT INTO tree VALUES (1, 0, x'');
INSERT INTO totals VALUES (1, 0, 0, 0);
"""

SECOND = """
-- What `audit prune` has left of the events before: the tree over them, and its signed checkpoint.
CREATE TABLE pruned (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    frontier BLOB NOT NULL,
    checkpoint TEXT NOT NULL
) STRICT;

CREATE TABLE backups (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    path TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    until INTEGER,
    gone_at INTEGER
) STRICT, WITHOUT ROWID;
"""

THIRD = """
-- 1 while the vault puts the file in its place or takes it away: where it is, only the disk knows.
ALTER TABLE backups ADD COLUMN moving INTEGER NOT NULL DEFAULT 0;
"""

FOURTH = """
-- The bytes of the largest record that the vault has ever had, if that is large: see drawer.put.
ALTER TABLE totals ADD COLUMN largest INTEGER NOT NULL DEFAULT 0;

UPDATE totals SET largest = (SELECT coalesce(max(length(bytes)), 0) FROM drawer);
"""


_EMPTIED = """
CASE WHEN json_valid(event) THEN
    replace(replace(replace(replace(event,
        '"at":"' || coalesce(event ->> '$.at', '') || '"', '"at":""'),
        '"seq":' || coalesce(event ->> '$.seq', '') || ',', '"seq":0,'),
        '"token":"' || coalesce(event ->> '$.token', '') || '"', '"token":""'),
        '"commitment":"' || coalesce(event ->> '$.commitment', '') || '"', '"commitment":""')
ELSE event END
"""
"""The wording of an event that was stored whole: see `store.audit`."""

_COMMITMENT = "unhex(iif(json_valid(event), event ->> '$.commitment', NULL))"

SIXTH = """
-- What events say again and again is stored once: see store/audit.py.
CREATE TABLE wordings (
    id INTEGER PRIMARY KEY,
    digest INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;

CREATE INDEX wordings_digest ON wordings (digest);

DROP INDEX audit_token;

ALTER TABLE audit RENAME TO whole;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    wording INTEGER NOT NULL,
    at INTEGER NOT NULL,
    token BLOB,
    user INTEGER,
    commitment BLOB,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- By the person's row number where that was known: the events of one act on many people then lie
-- side by side in the index, where by their random tokens each would take a page of its own.
CREATE INDEX audit_user ON audit (user, seq) WHERE user IS NOT NULL;

CREATE INDEX audit_token ON audit (token, seq) WHERE token IS NOT NULL AND user IS NULL;
"""

_AS_SIXTH = f"""
CREATE TEMP VIEW wordings AS SELECT seq AS id, {_EMPTIED} AS text FROM main.audit;

CREATE TEMP VIEW audit AS
SELECT seq, seq AS wording, at, token, NULL AS user, {_COMMITMENT} AS commitment, hash
FROM main.audit;
"""

SEVENTH = """
-- Whose a token is, of the living and of the erased: an erasure leaves it alone.
CREATE TABLE tokens (
    token BLOB PRIMARY KEY CHECK (length(token) = 16),
    user INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE exptokens (
    exptoken BLOB PRIMARY KEY CHECK (length(exptoken) = 16),
    user INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an import has added and not yet moved into the large tables: see store/lookup.py. No number
-- is given twice: who moves runs must not drop those that others have begun since.
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT
) STRICT;

CREATE TABLE recent_tokens (
    run INTEGER NOT NULL,
    token BLOB NOT NULL CHECK (length(token) = 16),
    user INTEGER NOT NULL,
    PRIMARY KEY (run, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE recent_identities (
    run INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    user INTEGER NOT NULL,
    PRIMARY KEY (run, tag, user)
) STRICT, WITHOUT ROWID;

-- What a large sweep has to take out of identities yet: see store/lookup.py.
CREATE TABLE leaving (
    run INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    user INTEGER NOT NULL,
    PRIMARY KEY (run, tag, user)
) STRICT, WITHOUT ROWID;

CREATE VIEW all_tokens AS
SELECT token, user FROM tokens UNION ALL
SELECT token, user FROM runs CROSS JOIN recent_tokens USING (run);

CREATE VIEW all_identities AS
SELECT tag, user FROM identities UNION ALL
SELECT tag, user FROM runs CROSS JOIN recent_identities USING (run);

ALTER TABLE users RENAME TO before;

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    token BLOB NOT NULL CHECK (length(token) = 16),
    record INTEGER NOT NULL REFERENCES drawer (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

INSERT INTO users SELECT * FROM before;

INSERT OR IGNORE INTO tokens SELECT token, id FROM before ORDER BY token;

DROP TABLE before;

DROP INDEX expirations_waiting;

ALTER TABLE expirations RENAME TO before;

CREATE TABLE expirations (
    user INTEGER PRIMARY KEY,
    exptoken BLOB NOT NULL CHECK (length(exptoken) = 16),
    status TEXT NOT NULL CHECK (status IN ('none', 'wait', 'retain')),
    started_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL
) STRICT;

INSERT INTO expirations SELECT * FROM before;

INSERT OR IGNORE INTO exptokens SELECT exptoken, user FROM before ORDER BY exptoken;

DROP TABLE before;

CREATE INDEX expirations_waiting ON expirations (due_at, user) WHERE status = 'wait';

DROP INDEX tombstones_exptoken;

ALTER TABLE tombstones RENAME TO before;

-- By the row number that the person had, or would have had: nobody else is given it.
CREATE TABLE tombstones (
    user INTEGER PRIMARY KEY,
    token BLOB NOT NULL CHECK (length(token) = 16),
    exptoken BLOB,
    created_at INTEGER NOT NULL,
    erased_at INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('request', 'link', 'sweep', 'restore')),
    counts TEXT NOT NULL,
    event INTEGER NOT NULL UNIQUE
) STRICT;

INSERT INTO tombstones
SELECT (SELECT coalesce(max(id), 0) FROM users) + row_number() OVER (ORDER BY event), *
FROM before;

DROP TABLE before;

INSERT OR IGNORE INTO tokens SELECT token, user FROM tombstones ORDER BY token;

INSERT OR IGNORE INTO exptokens
SELECT exptoken, user FROM tombstones WHERE exptoken IS NOT NULL ORDER BY exptoken;
"""

_AS_SEVENTH = """
CREATE TEMP VIEW all_tokens AS
SELECT token, id AS user FROM main.users UNION ALL SELECT token, event FROM main.tombstones;

CREATE TEMP VIEW all_identities AS SELECT tag, user FROM main.identities;

CREATE TEMP VIEW tombstones AS SELECT event AS user, * FROM main.tombstones;
"""


def _first(db: Database) -> None:
    _run(db, FIRST)


def _second(db: Database) -> None:
    """Add what evidence and backups need; the seed signs the audit trail's checkpoints."""
    _run(db, SECOND)
    db.run("INSERT INTO meta VALUES ('signing_seed', ?)", crypto.random_bytes(crypto.KEY_BYTES))


def _third(db: Database) -> None:
    _run(db, THIRD)


def _fourth(db: Database) -> None:
    _run(db, FOURTH)


def _fifth(_db: Database) -> None:
    """Change no table: an older program would not understand identities by initials alone."""


def _sixth(db: Database) -> None:
    """Take the events apart, a page at a time.

    By the code of today: a migration that changes `wordings` must first give this one its own.
    """
    from bunkerctl.store import audit

    _run(db, SIXTH)
    after = 0
    while True:
        rows = db.rows(
            f"SELECT seq, {_EMPTIED}, at, token, {_COMMITMENT}, hash FROM whole "
            "WHERE seq > ? ORDER BY seq LIMIT ?",
            after,
            MOVED_AT_ONCE,
        )
        if not rows:
            break
        numbers = {text: audit.number_of(db, text) for text in {row[1] for row in rows}}
        db.insert_many(
            "audit",
            "(?, ?, ?, ?, NULL, ?, ?)",
            [(seq, numbers[text], *rest) for seq, text, *rest in rows],
        )
        after = rows[-1][0]
    db.run("DROP TABLE whole")


def _seventh(db: Database) -> None:
    """Let an erasure leave tokens where they are, and an import add to small tables."""
    _run(db, SEVENTH)


def _run(db: Database, script: str) -> None:
    for statement in script.split(";\n"):
        db.run(statement)


MIGRATIONS = (_first, _second, _third, _fourth, _fifth, _sixth, _seventh)
"""In order; a vault's version is how many of them it has had: `state.VERSION` has had all."""


def migrate(db: Database, now: int) -> None:
    """Bring a vault up to date; each step is there wholly or not at all."""
    for number in range(version(db), len(MIGRATIONS)):
        db.begin()
        try:
            if version(db) == number:  # another process may have been faster
                MIGRATIONS[number](db)
                db.run("INSERT INTO migrations VALUES (?, ?)", number + 1, now)
                db.run(f"PRAGMA user_version = {number + 1}")
            db.commit()
        except BaseException:
            db.rollback()
            raise


def read_as_current(db: Database) -> None:
    """Let a backup of an older version, which cannot be migrated, be read like one of this."""
    found = version(db)
    for migration, views in ((_sixth, _AS_SIXTH), (_seventh, _AS_SEVENTH)):
        if found <= MIGRATIONS.index(migration):
            _run(db, views)


def columns(db: Database) -> dict[str, list[str]]:
    """Return the columns of each table."""
    tables = db.rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return {
        name: [row[0] for row in db.rows("SELECT name FROM pragma_table_info(?)", name)]
        for (name,) in tables
    }
