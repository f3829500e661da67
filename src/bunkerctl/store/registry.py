"""What the vault holds about a person, column by column: erasure is driven by it.

A test compares it with the schema and with an export: a new column that is neither erased nor
exported fails.
"""

from __future__ import annotations

from bunkerctl import jsontext
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bunkerctl.store.connection import Database


class Holding(Value):
    """One table with something about a person.

    `owner` is its column with the user's id; `drawers` are its columns that point into the
    drawer; `shown` maps a column to its field of the export, `omitted` to why it has none.
    `counted` is its class in the counts of an erasure.
    """

    table: str
    owner: str
    drawers: tuple[str, ...]
    counted: str
    shown: dict[str, str]
    omitted: dict[str, str]


HOLDINGS = (
    Holding(
        table="identities",
        owner="user",
        drawers=(),
        counted="identities",
        shown={},
        omitted={"tag": "keyed hash of an identity of the record", "user": "row number"},
    ),
    Holding(
        table="recent_identities",
        owner="user",
        drawers=(),
        counted="identities",
        shown={},
        omitted={
            "run": "number of a part of an import",
            "tag": "keyed hash of an identity of the record",
            "user": "row number",
        },
    ),
    Holding(
        table="expirations",
        owner="user",
        drawers=(),
        counted="expirations",
        shown={
            "exptoken": "expiration.exptoken",
            "status": "expiration.expstatus",
            "started_at": "expiration.started_at",
            "due_at": "expiration.due_at",
        },
        omitted={"user": "row number"},
    ),
    Holding(
        table="holds",
        owner="user",
        drawers=("words",),
        counted="holds",
        shown={"words": "hold.reason, hold.by", "since": "hold.since", "until": "hold.until"},
        omitted={"user": "row number"},
    ),
    Holding(
        table="users",
        owner="id",
        drawers=("record",),
        counted="records",
        shown={
            "token": "user.token",
            "record": "user.data",
            "created_at": "user.created_at",
            "updated_at": "user.updated_at",
            "version": "user.version",
        },
        omitted={"id": "row number"},
    ),
)
"""In the order of erasure: the user's own row last."""

BESIDE = {
    "users.record, its salt": "random bytes, by which the audit trail commits to the record",
    "users.record, its identities": "those of user.data once more, in the form they are found by",
}
"""What lies in a drawer beside the value that is shown, and why it is not shown."""

IMPERSONAL = {
    "audit": "tokens, names of fields and the admins' own words; exported as access_history",
    "backups": "when and where a backup was made, and until when it is kept",
    "drawer": "reached by the columns above that point into it",
    "exptokens": "the random tokens of links, and the row numbers that they lead to",
    "leaving": "keyed hashes of identities of the erased, until a sweep has taken them out",
    "meta": "the vault's own keys and id",
    "migrations": "the vault's own history",
    "pruned": "hashes of audit events that were pruned",
    "recent_tokens": "as tokens",
    "runs": "numbers of the parts of an import",
    "sqlite_sequence": "the highest of those numbers",
    "sweeps": "times of the vault's sweeps",
    "tokens": "the random tokens of the living and the erased, and their row numbers",
    "tombstones": "what remains of an erased person: no more than the evidence of the erasure",
    "totals": "counts",
    "tree": "hashes of audit events",
    "wordings": "what audit events have in common, once",
}


def left_out() -> list[tuple[str, str]]:
    """Return (what, why) of all that the database has and an export of a person has not."""
    columns = [
        (f"{holding.table}.{column}", why)
        for holding in HOLDINGS
        for column, why in holding.omitted.items()
    ]
    tables = [(name, why) for name, why in IMPERSONAL.items() if name != "drawer"]
    return [*columns, *BESIDE.items(), *tables]


def clear(
    db: Database, people: Mapping[int, set[int]], *, later: bool
) -> dict[int, dict[str, int]]:
    """Zero in place all that is personal of some users and delete the rows.

    `people` are the users' ids with the tags of their identities; these are to be taken out by
    `lookup.take_out`, if `later`. Returns counts by class for each. The caller holds the
    transaction.
    """
    from bunkerctl.store import drawer, indexes, lookup

    ids = jsontext.dumps(list(people))
    tags = jsontext.dumps(sorted({tag for own in people.values() for tag in own}))
    counts: dict[int, dict[str, int]] = {user_id: {} for user_id in people}
    gone: set[tuple[Any, ...]] = set()
    for holding in HOLDINGS:
        if holding.table == "identities" and later:
            gone.update((user_id, tag) for user_id, own in people.items() for tag in own)
            lookup.leave(db, [(tag, user_id) for user_id, tag in gone])
            for user_id, own in people.items():
                counts[user_id][holding.counted] = len(own)
            continue
        where, parameters = f"{holding.owner} IN (SELECT value FROM json_each(?))", [ids]
        columns = ", ".join((holding.owner, *holding.drawers))
        if "tag" in holding.omitted:  # keyed by tag: without the tags it would be a scan
            where, parameters = f"tag IN (SELECT value FROM json_each(?)) AND +{where}", [tags, ids]
            columns += ", tag"
            if "run" in holding.omitted:
                where = f"{indexes.IN_RUNS} AND {where}"
        rows = db.rows(
            f"DELETE FROM {holding.table} WHERE {where} RETURNING {columns}", *parameters
        )
        if "tag" in holding.omitted:  # what an import is just moving is in two tables
            rows = [row for row in rows if row not in gone]
            gone.update(rows)
        else:
            drawer.zero(db, [place for row in rows for place in row[1:]])
        for found in counts.values():
            found.setdefault(holding.counted, 0)
        for row in rows:
            counts[row[0]][holding.counted] += 1
    return counts
