"""Attacks behind the program's back: what `audit verify` finds, with --deep and with --against.

The attacker has the disk, and in some tests the key. SQLCipher authenticates each page with its
number, so an old page in its old place decrypts well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import _GeneratorContextManager
from itertools import combinations
from typing import Any

import pytest

from bunkerctl import commitments, crypto, jsontext, merkle, uuids
from bunkerctl.store import users
from bunkerctl.store.connection import Database
from bunkerctl.vault import Vault
from conftest import DAY, Home, Result
from wholeness import leaves, opened, put_leaf, tamper

PAGE = 4096
DEEP = "audit verify --deep --json"
NOBODY = "00000000-0000-4000-8000-000000000000"


def content(home: Home) -> bytes:
    """Return the database's file, which has all there is: the last to close it empties the WAL."""
    assert not (home.vault / "vault.db-wal").exists()
    return (home.vault / "vault.db").read_bytes()


def put(home: Home, raw: bytes) -> None:
    (home.vault / "vault.db").write_bytes(raw)


def places(home: Home) -> dict[str, set[int]]:
    """Return the pages of each table and its indexes; each fits in one page here."""
    db = home.database()
    rows = db.rows("SELECT tbl_name, rootpage FROM sqlite_schema WHERE rootpage > 0")
    db.close()
    found: dict[str, set[int]] = {}
    for table, page in rows:
        found.setdefault(table, set()).add(page)
    return found


def mixed(new: bytes, old: bytes, pages: set[int]) -> bytes:
    """Return the new file with some pages as they were in the old one."""
    assert len(new) == len(old)
    return b"".join(
        (old if start // PAGE + 1 in pages else new)[start : start + PAGE]
        for start in range(0, len(new), PAGE)
    )


def changed_tables(home: Home, old: bytes, new: bytes) -> dict[str, set[int]]:
    changed = {
        start // PAGE + 1
        for start in range(0, len(new), PAGE)
        if old[start : start + PAGE] != new[start : start + PAGE]
    }
    found = {name: pages & changed for name, pages in places(home).items() if pages & changed}
    assert set.union(*found.values()) == changed
    return found


def mixtures(home: Home, old: bytes) -> Iterator[tuple[str, ...]]:
    """Put the old pages of some tables back, in every combination; yield the tables' names."""
    new = content(home)
    tables = changed_tables(home, old, new)
    for number in range(1, len(tables) + 1):
        for names in combinations(sorted(tables), number):
            if {"audit", "tree"} <= set(names):
                continue  # an old trail as it was: only a head kept elsewhere tells
            put(home, mixed(new, old, set().union(*(tables[name] for name in names))))
            yield names
    put(home, new)


def deep(home: Home) -> Result:
    result = home.run(DEEP)
    assert result.code in (0, 7), result
    return result


# The answer.


def test_a_whole_vault_is_found_whole(home: Home) -> None:
    tokens = [home.add(login=f"u{number}") for number in range(3)]
    home.ok(f"user update {tokens[0]} a=b")
    home.ok(f"user forget {tokens[1]} --yes")
    found = home.ok(DEEP).json
    assert (found["ok"], found["people"], found["unchecked"], found["bad"]) == (True, 2, 0, [])
    plain = home.ok("audit verify --json").json
    assert (plain["people"], plain["unchecked"], plain["bad"]) == (None, None, None)


def test_people_whose_events_were_pruned_are_told_to_be_unchecked(home: Home) -> None:
    old = home.add(login="old")
    home.add(login="older")
    home.now += 2 * DAY
    home.add(login="new")
    home.ok(f"user update {old} a=b")
    home.ok("audit prune --before 1d --yes")
    found = home.ok(DEEP).json
    assert (found["ok"], found["people"], found["unchecked"]) == (True, 3, 1)


def test_a_vault_of_many_pages_is_found_whole_and_every_bad_record_in_it(home: Home) -> None:
    home.ok("user import -", "".join(f'{{"login":"u{n}"}}\n' for n in range(1200)))
    assert home.ok(DEEP).json["people"] == 1200
    tamper(home, "UPDATE drawer SET bytes = zeroblob(length(bytes)) WHERE id % 200 = 7")
    result = deep(home)
    assert (result.code, len(result.json["bad"])) == (7, 6)
    assert result.error["code"] == "integrity" and "6 records" in result.error["message"]


def test_no_more_than_a_hundred_are_named(home: Home) -> None:
    home.ok("user import -", "".join(f'{{"login":"u{n}"}}\n' for n in range(150)))
    tamper(home, "UPDATE drawer SET bytes = zeroblob(length(bytes))")
    assert len(deep(home).json["bad"]) == 100


# Old pages.


@pytest.mark.parametrize("line", ["note=new", "email=new@example.com", "--if-version 1 a:=[1,2]"])
def test_old_pages_never_bring_an_old_record_back_unseen(home: Home, line: str) -> None:
    token = home.add(email="ann@example.com", note="old")
    home.add(login="bob")
    before = content(home)
    home.ok(f"user update {token} {line}")
    unseen, tried = [], 0
    for names in mixtures(home, before):
        tried += 1
        if deep(home).code == 0:
            found = home.run(f"user get {token} --json")
            if found.code or found.json["version"] != 2:
                unseen.append(names)
    assert tried >= 11
    assert unseen == []


def test_the_old_page_of_the_records_alone_is_found(home: Home) -> None:
    token = home.add(login="ann", note="old")
    before = content(home)
    home.ok(f"user update {token} note=new")
    after = content(home)
    put(home, mixed(after, before, places(home)["drawer"]))
    result = deep(home)
    assert (result.code, result.json["bad"], result.json["first_bad"]) == (7, [token], None)


@pytest.mark.parametrize("way", ["user forget", "exp delete", "exp sweep"])
def test_old_pages_never_bring_an_erased_person_back_unseen(home: Home, way: str) -> None:
    token = home.add(email="ann@example.com", note="old")
    home.add(login="bob")
    exptoken = home.start(token, "1d") if way != "user forget" else ""
    home.now += 2 * DAY if way == "exp sweep" else 0
    before = content(home)
    home.ok(f"{way} {token if way == 'user forget' else exptoken} --yes" if way[-1] != "p" else way)
    assert home.run(f"user get {token}").code == 4
    after = content(home)
    unseen, tried = [], 0
    for names in mixtures(home, before):
        tried += 1
        if deep(home).code == 0 and home.run(f"user get {token}").code == 0:
            unseen.append(names)
    put(home, after)
    assert tried >= 95
    assert unseen == []


def test_old_pages_never_lose_a_person_unseen(home: Home) -> None:
    home.add(login="bob")
    before = content(home)
    token = home.add(email="ann@example.com")
    unseen = [
        names
        for names in mixtures(home, before)
        if deep(home).code == 0 and home.run(f"user get {token}").code
    ]
    assert unseen == []


def test_old_pages_of_the_trail_alone_are_found_without_deep(home: Home) -> None:
    token = home.add(login="ann")
    before = content(home)
    home.ok(f"user forget {token} --yes")
    after, where = content(home), places(home)
    for names in (["audit"], ["tree"]):
        put(home, mixed(after, before, set().union(*(where[name] for name in names))))
        assert home.run("audit verify").code == 7


def test_an_old_page_in_another_place_does_not_decrypt(home: Home) -> None:
    home.add(login="ann")
    raw, where = content(home), places(home)
    (first,), second = where["drawer"], min(where["users"])
    page = raw[(first - 1) * PAGE : first * PAGE]
    put(home, raw[: (second - 1) * PAGE] + page + raw[second * PAGE :])
    assert home.run(DEEP).code == 7


# Old files.

KEPT = ["audit head --json", "audit checkpoint", "audit checkpoint --json"]


@pytest.mark.parametrize("line", KEPT)
@pytest.mark.parametrize("after", ["user add login=bob", "user forget login:ann --yes"])
def test_an_old_file_is_found_by_what_was_kept_elsewhere_alone(
    home: Home, line: str, after: str
) -> None:
    home.add(login="ann")
    before = content(home)
    home.ok(after)
    kept = home.ok(line).out
    put(home, before)
    home.ok("audit verify")
    home.ok(DEEP)
    result = home.run("audit verify --json --against -", kept)
    assert (result.code, result.error["code"]) == (7, "integrity")
    assert "shorter" in result.error["message"]


@pytest.mark.parametrize("line", KEPT)
def test_an_old_file_that_went_on_is_found_by_what_was_kept_elsewhere(
    home: Home, line: str
) -> None:
    home.add(login="ann")
    before = content(home)
    home.ok("user forget login:ann --yes")
    kept = home.ok(line).out
    put(home, before)
    for number in range(9):
        home.add(login=f"u{number}")
    home.ok(DEEP)
    result = home.run("audit verify --json --against -", kept)
    assert (result.code, result.json["first_bad"]) == (7, None)
    assert "not a continuation" in result.error["message"]


def test_the_anchors_of_the_sweeps_find_an_old_file(home: Home) -> None:
    anchors = home.directory / "anchors"
    home.ok(["config", "set", "audit.anchor", f"file:{anchors}"])
    home.ok("exp sweep")
    before = content(home)
    home.now += DAY
    home.ok("exp sweep")
    put(home, before)
    result = home.run(f"audit verify --against {anchors}")
    assert result.code == 7, result


# Rows planted, deleted and altered by who has the key.


def planted(home: Home, *, event: bool = False) -> str:
    """Put in a person behind the program's back."""
    db = home.database()
    index_key = db.one("SELECT value FROM meta WHERE name = 'index_key'")[0]
    tag = crypto.identity_tagger(index_key)("login", "eve")
    packed = users.pack({"login": "eve"}, {"login": "eve"}, b'{"login":"eve"}', bytes(16))
    db.begin()
    people = users.Fresh()
    people.add(uuids.to_bytes(NOBODY), *packed, ("login",), {tag})
    users.insert(db, people, home.now)
    db.commit()
    db.close()
    assert home.ok("user get login:eve --json").json["token"] == NOBODY
    return NOBODY


@pytest.mark.parametrize("counted", [False, True])
def test_a_planted_row_is_found(home: Home, counted: bool) -> None:
    home.add(login="ann")
    token = planted(home)
    if counted:
        tamper(home, "UPDATE totals SET living = living + 1")
    home.ok("audit verify")
    result = deep(home)
    assert (result.code, result.json["bad"]) == (7, [token])


def test_a_planted_row_is_found_by_the_count_when_the_trail_was_pruned(home: Home) -> None:
    home.now += 2 * DAY
    home.ok("audit prune --before 1d --yes")
    planted(home)
    result = deep(home)
    assert (result.code, result.json["unchecked"]) == (7, 1)
    assert "number of people" in result.error["message"]


def put_back_by_hand(home: Home) -> str:
    """Erase a person, and put the row and the record back behind the program's back."""
    token = home.add(login="ann")
    db = home.database()
    row = db.one("SELECT id, token, record, created_at, updated_at, version FROM users")
    raw = db.one("SELECT bytes FROM drawer WHERE id = ?", row[2])[0]
    db.close()
    home.ok(f"user forget {token} --yes")
    db = home.database()
    db.run("UPDATE drawer SET bytes = ? WHERE id = ?", raw, row[2])
    db.run("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", *row)
    db.run("UPDATE totals SET living = living + 1")
    db.close()
    return token


def test_the_row_of_an_erased_person_put_back_by_hand_is_found(home: Home) -> None:
    token = put_back_by_hand(home)
    result = deep(home)
    assert (result.code, result.json["bad"]) == (7, [token])


def test_it_is_found_though_its_tombstone_is_gone_too(home: Home) -> None:
    token = put_back_by_hand(home)
    tamper(home, "DELETE FROM tombstones", "UPDATE totals SET erased = erased - 1")
    result = deep(home)
    assert (result.code, result.json["bad"]) == (7, [token])


@pytest.mark.parametrize("tables", [("users",), ("users", "identities"), ("drawer",)])
def test_a_deleted_row_is_found(home: Home, tables: tuple[str, ...]) -> None:
    home.add(login="ann")
    bob = home.add(login="bob")
    where = {"users": "login", "identities": "user = 2", "drawer": "id = 2"}
    where["users"] = "id = 2"
    db = home.database()
    db.run("PRAGMA foreign_keys = OFF")
    for table in tables:
        assert db.run(f"DELETE FROM {table} WHERE {where[table]}") == 1
    db.close()
    assert home.run(f"user get {bob}").code in (4, 7)
    home.ok("audit verify")
    assert deep(home).code == 7


def altered_body(raw: bytes) -> bytes:
    return raw.replace(b'"old"', b'"odd"')


def altered_salt(raw: bytes) -> bytes:
    return bytes([raw[0] ^ 1]) + raw[1:]


def sealed_anew(_raw: bytes) -> bytes:
    record = {"login": "ann", "note": "odd"}
    packed: bytes = users.pack({"login": "ann"}, record, json.dumps(record).encode(), bytes(16))[0]
    return packed


def without_its_mark(raw: bytes) -> bytes:
    return raw.replace(b"\n", b" ")


def other_identities(raw: bytes) -> bytes:
    salt, (_, _, body) = raw[:16], raw[16:].partition(b"\n")
    return salt + jsontext.dumps({"login": "eve"}).encode() + b"\n" + body


ALTERED: list[Callable[[bytes], bytes]] = [
    altered_body,
    altered_salt,
    sealed_anew,
    without_its_mark,
    other_identities,
]


@pytest.mark.parametrize("alter", ALTERED)
def test_an_altered_record_is_found(home: Home, alter: Callable[[bytes], bytes]) -> None:
    token = home.add(login="ann", note="old")
    home.add(login="bob")
    db = home.database()
    raw = db.one("SELECT bytes FROM drawer WHERE id = 1")[0]
    assert alter(raw) != raw
    db.run("UPDATE drawer SET bytes = ? WHERE id = 1", alter(raw))
    db.close()
    home.ok("audit verify")
    result = deep(home)
    assert (result.code, result.json["bad"]) == (7, [token])


def test_two_records_that_were_exchanged_are_found(home: Home) -> None:
    tokens = [home.add(login="ann"), home.add(login="bob")]
    tamper(home, "UPDATE users SET record = 3 - record")
    result = deep(home)
    assert (result.code, result.json["bad"]) == (7, tokens)


def test_an_event_that_was_put_with_somebody_else_is_found(home: Home) -> None:
    token, other = home.add(login="ann"), home.add(login="bob")
    home.ok(f"user get {token}")
    for statement in (
        "UPDATE audit SET user = 2 WHERE seq = 2",
        "UPDATE audit SET user = 99 WHERE seq = 4",
    ):
        db = home.database()
        before = db.rows("SELECT seq, user FROM audit")
        db.run(statement)
        db.close()
        home.ok("audit verify")
        result = deep(home)
        assert (result.code, set(result.json["bad"])) == (7, {token})
        db = home.database()
        for seq, user in before:
            db.run("UPDATE audit SET user = ? WHERE seq = ?", user, seq)
        db.close()
        home.ok(DEEP)
    assert other not in result.json["bad"]


def test_an_event_of_an_erased_person_that_was_put_with_somebody_else_is_found(home: Home) -> None:
    token = home.add(login="ann")
    home.ok(f"user forget {token} --yes")
    home.now += 10 * DAY
    home.ok("audit prune --before 5d --yes")
    home.ok(f"exp status {token}")
    db = home.database()
    (last,) = db.one("SELECT max(seq) FROM audit WHERE token IS NOT NULL")
    db.run("UPDATE audit SET user = 77 WHERE seq = ?", last)
    db.close()
    home.ok("audit verify")
    result = deep(home)
    assert (result.code, result.json["bad"]) == (7, [token])


def test_a_damaged_wording_is_told_once_by_a_deep_look_too(home: Home) -> None:
    token = home.add(login="ann")
    home.ok(f"user get {token}")
    tamper(home, "UPDATE wordings SET text = 'garbage' WHERE id > 1")
    result = deep(home)
    assert (result.code, result.json["first_bad"]) == (7, 2)
    tamper(home, "DELETE FROM users", "UPDATE audit SET user = NULL WHERE seq = 2")
    assert deep(home).json["bad"].count(token) == 1


def test_events_without_a_number_are_found_by_their_token(home: Home) -> None:
    """As those of vaults from before there were numbers."""
    token = home.add(login="ann")
    home.ok(f"user get {token}")
    line = f"audit list {token} -o jsonl"
    before = home.ok(line).out
    for statement in ("UPDATE audit SET user = NULL WHERE seq = 2", "UPDATE audit SET user = NULL"):
        tamper(home, statement)
        assert home.ok(line).out == before
        home.ok(DEEP)
    home.ok(f"user forget {token} --yes")
    found = home.ok(line).out
    assert found.startswith(before) and len(found.splitlines()) == 3
    home.ok(DEEP)


def test_a_number_is_not_given_again_and_nobodys_events_are_mixed(home: Home) -> None:
    gone = home.add(login="ann")
    home.ok(f"user forget {gone} --yes")
    token = home.add(login="bob")
    db = home.database()
    assert db.rows("SELECT DISTINCT user FROM audit WHERE user IS NOT NULL") == [(1,), (2,)]
    db.close()
    for whose in (gone, token):
        listed = home.ok(f"audit list {whose} -o jsonl").out.splitlines()
        assert {json.loads(one)["token"] for one in listed} == {whose}
    assert len(home.ok(f"export {token}").json["access_history"]) == 2
    home.ok(DEEP)


# The trail rebuilt, and cut.


def rewrite(home: Home, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """As who has the key would: another history, numbered anew, with a tree that fits it."""
    db = home.database()
    events = [json.loads(leaf) for leaf in leaves(db)]
    db.begin()
    db.run("DELETE FROM audit")
    tree = merkle.Tree()
    for seq, event in enumerate(change(events), 1):
        leaf = json.dumps(
            {**event, "seq": seq}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        tree.append(put_leaf(db, leaf))
    db.run("UPDATE tree SET size = ?, frontier = ?", tree.size, tree.frontier())
    db.commit()
    db.close()


def without_reads(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["action"] != "user.get"]


def another_actor(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**event, "actor": "mallory"} for event in events]


def turned_round(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [events[0], *events[:0:-1]]


def cut(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return events[:-2]


@pytest.mark.parametrize("line", KEPT)
@pytest.mark.parametrize("change", [without_reads, another_actor, turned_round, cut])
def test_a_trail_that_was_rebuilt_is_found_by_what_was_kept_elsewhere_alone(
    home: Home, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], line: str
) -> None:
    token = home.add(login="ann")
    for _ in range(3):
        home.ok(f"user get {token}")
    kept = home.ok(line).out
    rewrite(home, change)
    home.ok("audit verify")
    if change is not cut:
        home.ok(DEEP)
    result = home.run("audit verify --json --against -", kept)
    assert (result.code, result.json["ok"]) == (7, False)
    for number in range(9):
        home.add(login=f"u{number}")
    assert home.run("audit verify --against -", kept).code == 7


def test_a_head_from_before_what_was_rebuilt_finds_nothing(home: Home) -> None:
    kept = home.ok("audit checkpoint").out
    token = home.add(login="ann")
    home.ok(f"user get {token}")
    rewrite(home, without_reads)
    home.ok("audit verify --against -", kept)


@pytest.mark.parametrize(
    ("number", "moved"), [(1, False), (1, True), (3, False), (3, True), (7, True)]
)
def test_a_tail_that_was_cut_is_found(home: Home, number: int, moved: bool) -> None:
    """With the tree moved back to fit, only a head kept elsewhere tells."""
    for n in range(8):
        home.add(login=f"u{n}")
    kept = home.ok("audit head --json").out
    db = home.database()
    hashes = [row[0] for row in db.rows("SELECT hash FROM audit ORDER BY seq")]
    left = len(hashes) - number
    db.run("DELETE FROM audit WHERE seq > ?", left)
    tree = merkle.Tree()
    for leaf in hashes[:left]:
        tree.append(leaf)
    if moved:
        db.run("UPDATE tree SET size = ?, frontier = ?", tree.size, tree.frontier())
    db.close()
    assert home.run("audit verify").code == (0 if moved else 7)
    result = home.run("audit verify --json --against -", kept)
    assert (result.code, result.json["first_bad"]) == (7, left + 1)
    assert deep(home).code == 7  # the people of those events have none left


def test_a_trail_signed_anew_by_who_has_the_key_does_not_fit_an_old_checkpoint(home: Home) -> None:
    token = home.add(login="ann")
    home.ok(f"user get {token}")
    kept = home.ok("audit checkpoint").out
    rewrite(home, without_reads)
    assert home.ok("audit checkpoint").out != kept
    assert home.run("audit verify --against -", kept).code == 7


# No false alarm.


class Slow(Vault):
    """A vault of a process that is slow: something happens before each of its reads."""

    between: Callable[[], object]

    def reading(self) -> _GeneratorContextManager[None]:
        self.between()
        return super().reading()


def slow(home: Home, between: Callable[[], object]) -> Vault:
    vault = opened(home)
    vault.__class__ = Slow
    vault.between = between  # type: ignore[attr-defined]
    return vault


def test_what_others_do_meanwhile_is_no_alarm(home: Home) -> None:
    home.ok("user import -", "".join(f'{{"login":"u{n}"}}\n' for n in range(700)))
    tokens = [one["token"] for one in home.ok("user list --json").json]
    turns = 0

    def others() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:  # behind the first page: one goes that was not counted, one comes before it
            home.ok(f"user forget {tokens[-1]} --yes --lock-wait 5s")
            person = {"schema": "bunkerctl.user/1", "version": 1, "expstatus": "none"}
            person |= {"token": NOBODY, "data": {"login": "new"}}
            dates = dict.fromkeys(("created_at", "updated_at"), "2027-01-01T00:00:00Z")
            line = json.dumps({**person, **dates, "held": False, "due_at": None})
            home.ok("user import -", line)

    vault = slow(home, others)
    try:
        found = commitments.check(vault)
    finally:
        vault.close()
    assert turns >= 3
    assert found.ok()


def test_a_damaged_file_ends_in_no_traceback(home: Home) -> None:
    for number in range(30):
        home.add(login=f"u{number}", text="x" * 500)
    raw, where = content(home), places(home)
    read = set().union(*(where[name] for name in ("audit", "tree", "users", "drawer", "totals")))
    for page in range(1, len(raw) // PAGE + 1):
        for fill in (bytes(PAGE), os.urandom(PAGE)):
            put(home, raw[: (page - 1) * PAGE] + fill + raw[page * PAGE :])
            code = deep(home).code
            assert code == 7 or page not in read
    for size in range(0, len(raw), PAGE):
        put(home, raw[:size])
        assert home.run(DEEP).code == 7, size


def test_the_pages_are_those_of_the_file(home: Home) -> None:
    """Else the attacks above would be none."""
    home.add(login="ann")
    db: Database = home.database()
    assert int(db.one("PRAGMA page_size")[0]) == PAGE
    assert int(db.one("PRAGMA page_count")[0]) * PAGE == os.path.getsize(home.vault / "vault.db")
    assert all(len(pages) >= 1 for pages in places(home).values())
    db.close()
