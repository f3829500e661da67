"""Audit events: the canonical JSON is what counts, and it is stored in parts.

Most events say what others have said, of another person at another time. So what is left of an
event without its number, time, token and commitment is a wording, of which there is one for all
events alike. An event is made of its row and its wording, and is nothing else; the hash of its
leaf tells which one was altered.
"""

from __future__ import annotations

from bunkerctl import hashing, jsontext, merkle, times, uuids
from bunkerctl.errors import IntegrityFailure
from bunkerctl.lean import lru_cache
from bunkerctl.store.connection import blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bunkerctl.store.connection import Database

Told = tuple[str, "bytes | None", "int | None", "str | None"]
"""What `append` is given of an event: wording, token (16 bytes), row number of the person and
commitment (hex).

The number is for finding the event alone, and None where whoever wrote it did not know it.
"""


def tree(db: Database) -> merkle.Tree:
    """Return the tree over all events so far.

    Raises:
        IntegrityFailure: the stored size and frontier do not fit each other.
    """
    try:
        return merkle.Tree(*db.one("SELECT size, frontier FROM tree"))
    except ValueError as error:
        raise IntegrityFailure("the audit tree is damaged", hint="run `audit verify`") from error


def wording(said: dict[str, Any]) -> str:
    """Return what is stored once for all events that say this: members that are None are not said.

    Of `at`, `commitment` and `token` it has only whether they are there.
    """
    emptied = {**said, "at": "", "seq": 0}
    for name in ("commitment", "token"):
        if said[name] is not None:
            emptied[name] = ""
    known = {name: value for name, value in emptied.items() if value is not None}
    return jsontext.dumps(known, sort_keys=True)


def append(db: Database, tree: merkle.Tree, events: Iterable[Told], at: int) -> None:
    """Add events after those of the tree, and move the tree on over them."""
    known: dict[str, tuple[int, str]] = {}
    leaves: list[bytes] = []
    rows: list[tuple[Any, ...]] = []
    written = times.text(at)
    for seq, (text, token, user, commitment) in enumerate(events, tree.size + 1):
        if text not in known:
            known[text] = number_of(db, text), form_of(text)[0]
        number, form = known[text]
        said = None if token is None else uuids.to_text(token)
        leaf = merkle.leaf_hash(filled(form, written, commitment, seq, said).encode())
        leaves.append(leaf)
        raw = None if token is None else blob(token)
        committed = None if commitment is None else blob.fromhex(commitment)
        rows.append((seq, number, at, raw, user, committed, blob(leaf)))
    tree.extend(leaves)
    db.insert_many("audit", "(?, ?, ?, ?, ?, ?, ?)", rows)
    db.run("UPDATE tree SET size = ?, frontier = ?", tree.size, tree.frontier())


def number_of(db: Database, text: str) -> int:
    """Return the number of a wording, which is added if there is none like it.

    It is looked for by a hash: an index by the text would have each text once more, and those
    with somebody's own times or a ticket are many.
    """
    digest = int.from_bytes(hashing.digest(text.encode())[:8], "big", signed=True)
    for number, known in db.rows("SELECT id, text FROM wordings WHERE digest = ?", digest):
        if known == text:
            return int(number)
    return db.insert("INSERT INTO wordings (digest, text) VALUES (?, ?)", digest, text)


@lru_cache(maxsize=256)
def form_of(text: str) -> tuple[str, bool, bool]:
    """Return a wording as a format, and whether it has a token and a commitment.

    In a string, a quotation mark would have a backslash before it: so what is looked for is found
    as a member or not at all. Members are in the order of their names.
    """
    form = text.replace("%", "%%")
    for member, hole in (
        ('"at":""', '"at":"%s"'),
        ('"commitment":""', '"commitment":"%s"'),
        ('"seq":0,', '"seq":%d,'),
        ('"token":""', '"token":"%s"'),
    ):
        form = form.replace(member, hole)
    return form, '"token":""' in text, '"commitment":""' in text


def filled(form: str, at: str, commitment: str | None, seq: int, token: str | None) -> str:
    """Return an event: its form, filled with what is in its row alone."""
    if commitment is None:
        return form % ((at, seq) if token is None else (at, seq, token))
    return form % ((at, commitment, seq) if token is None else (at, commitment, seq, token))
