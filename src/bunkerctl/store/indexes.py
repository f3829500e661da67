"""Indexes: tags and tokens that lead to a row number, added and taken out."""

from __future__ import annotations

from operator import itemgetter

from bunkerctl.store.connection import blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bunkerctl.store.connection import Database

KEYS = {"identities": "tag", "tokens": "token"}
"""The indexes and their keys; the runs of each are in `recent_` and its name."""

IN_RUNS = "run IN (SELECT run FROM runs)"


def add(db: Database, table: str, pairs: Iterable[tuple[Any, int]], run: int | None = None) -> None:
    """Add pairs of a key and a row number to an index, or to a run."""
    into = table if run is None else f"recent_{table}"
    first = "" if run is None else f"{run:d}, "
    rows = sorted(pairs, key=itemgetter(0))
    if table == "tokens":
        rows = [(blob(token), user) for token, user in rows]
    db.insert_many(into, f"({first}?, ?)", rows)


def remove(db: Database, table: str, key: Any, user: int) -> None:
    """Take a pair out of an index, and out of each run."""
    where = f"{KEYS[table]} = ? AND user = ?"
    db.run(f"DELETE FROM {table} WHERE {where}", key, user)
    db.run(f"DELETE FROM recent_{table} WHERE {IN_RUNS} AND {where}", key, user)
