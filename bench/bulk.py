"""What many people cost: import, streams, sweep, export and audit trail, beside their floors.

The floor of an import is what SQLCipher takes of one table, at the same durability. While the
import and the sweep run, another process asks for the write lock again and again.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlcipher3  # noqa: TID251 - the floor is what any program can have

from bunkerctl.store.connection import BULK_CACHE_KIB, BULK_WAL_PAGES, Database
from machine import Cost, Place, Row

RECORD_BYTES = 250
BATCH = 2000
DUE_PER_CENT = 10
STREAMED = 10_000
COLD_ROUNDS = 15
NAMES = ("Ann", "Bob", "Carl", "Dora", "Emil", "Fred", "Gina", "Hans", "Ida", "Jon")


def measure(place: Place, small: Place, people: int) -> Iterator[Row]:
    """Yield the rows of a vault of so many people, each with three identities."""
    file = Path(place.home) / "people.jsonl"
    write_people(file, people)
    floors = [floor(place.home, people)]
    with asking(place) as waits:
        cost = place.run(f"user import {file}", watch=True)
    floors.append(floor(place.home, people))
    raw, rate = statistics.mean(floors), people / cost.wall
    yield Row(
        f"import of {people:,} people",
        f"{rate:,.0f}/s",
        f"{raw:,.0f} rows/s",
        f"{rate / raw:.3f}",
        "≥ 0.15 of the floor",
        rate >= 0.15 * raw,
    )
    yield memory("import", people, cost, 120)
    yield lock("import", people, waits(), 500)
    size = os.path.getsize(place.database) / people
    yield Row("database", f"{size:,.0f} bytes a person", "", "", "≤ 800", size <= 800)
    yield from lookups(place, small, people)
    yield from streams(place, people)
    yield from sweeps(place, people)
    yield from reads(place, people)


def streams(place: Place, people: int) -> Iterator[Row]:
    count = min(people // 4, STREAMED)
    for words in ("user get -", "exp start - --in 90d", "exp status -", "user forget - --yes"):
        bare = forgetting_floor(place, count) if words.startswith("user forget") else None
        cost = place.run(words, some(place, people, count, first=1))
        yield speed(place, f"`{words}`, {count:,} of {people:,}", count, cost, 5000, bare)


swept: dict[int, float] = {}
"""Of how many people a sweep took how many seconds of each who was due."""


def sweep_growth() -> Row:
    """Compare what a sweep costs among most and among fewest people."""
    few, many = swept[min(swept)], swept[max(swept)]
    return Row(
        f"sweep, of each who is due: among {max(swept):,}, beside among {min(swept):,}",
        f"{many * 1e6:.0f} µs",
        f"{few * 1e6:.0f} µs",
        f"{many / few:.1f}",
        "≤ 8 ×",
        many <= 8 * few,
    )


def sweeps(place: Place, people: int) -> Iterator[Row]:
    due = people * DUE_PER_CENT // 100
    place.run("exp start - --in 1s --restart", some(place, people, due, first=2))
    time.sleep(2)
    before = len_of(place, "tombstones")
    with asking(place) as waits:
        cost = place.run(f"exp sweep --max-deletes {people}", watch=True)
    gone = len_of(place, "tombstones") - before
    swept[people] = cost.wall / gone
    yield speed(place, f"sweep of {gone:,} due among {people:,}", gone, cost, 4000)
    yield memory("sweep", people, cost, 100)
    yield lock("sweep", people, waits(), 250)


def reads(place: Place, people: int) -> Iterator[Row]:
    living = len_of(place, "users")
    cost = place.run("export --all --yes", watch=True)
    yield speed(place, f"`export --all` of {living:,}", living, cost, 50_000)
    yield memory("export", people, cost, 100)
    events = len_of(place, "audit")
    cost = place.run("audit verify")
    yield speed(place, f"`audit verify` of {events:,} events", events, cost, 200_000)


def lookups(place: Place, small: Place, people: int) -> Iterator[Row]:
    """Yield how long a cold call takes among many, beside a cold `user get` among one."""
    lines = [
        f"user get login:{login(0)} --json",
        f"user get {email(0)} --json",
        f"exp status login:{login(0)} --json",
        "audit list --limit 100 --json",
        "exp sweep --json",
    ]
    costs: dict[str, list[float]] = {line: [] for line in ["", *lines]}
    for _ in range(COLD_ROUNDS):
        costs[""].append(small.run(lines[0]).wall)
        for line in lines:
            costs[line].append(place.run(line).wall)
    least, *taken = (statistics.median(one) for one in costs.values())
    for line, one in zip(lines, taken, strict=True):
        yield Row(
            f"`{line}` among {people:,}",
            f"{one * 1000:.1f} ms",
            f"{least * 1000:.1f} ms",
            f"{one / least:.2f}",
            "≤ 1.5 × a get among one",
            one <= 1.5 * least,
        )


def floor(home: str, people: int) -> float:
    """Return how many rows a second SQLCipher takes of one table, as durable as a vault."""
    path = os.path.join(home, "floor.db")
    connection = sqlcipher3.connect(path, isolation_level=None)
    connection.set_key(f"x'{'00' * 32}'")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, record BLOB) STRICT")
    record = os.urandom(RECORD_BYTES)
    begin = time.perf_counter()
    for _ in range(0, people, BATCH):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO people (record) VALUES (?)", [(record,)] * BATCH)
        connection.execute("COMMIT")
    taken = time.perf_counter() - begin
    connection.close()
    os.remove(path)
    return people / taken


def forgetting_floor(place: Place, count: int) -> float:
    """Return how many people a second bare SQL takes out of a copy of the vault.

    The same pages change, as durably: a record is zeroed, a row and three tags go, an event comes.
    Nobody is looked up, nothing is checked, hashed or written beside the database.
    """
    path = os.path.join(place.home, "copy.db")
    shutil.copyfile(place.database, path)
    connection = sqlcipher3.connect(path, isolation_level=None)
    connection.set_key(f"x'{place.raw_key().hex()}'")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA cache_size = -{BULK_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {BULK_WAL_PAGES}")
    (most,) = connection.execute("SELECT max(id) FROM users").fetchone()
    drawn = json.dumps(random.Random(1).sample(range(1, most + 1), min(most, 2 * count)))
    sql = "SELECT id, record FROM users WHERE id IN (SELECT value FROM json_each(?))"
    people = random.Random(2).sample(connection.execute(sql, (drawn,)).fetchall(), count)
    wanted = json.dumps([person for person, _ in people])
    tags: dict[int, list[int]] = {}
    sql = "SELECT user, tag FROM identities WHERE user IN (SELECT value FROM json_each(?))"
    for person, tag in connection.execute(sql, (wanted,)):
        tags.setdefault(person, []).append(tag)
    (last,) = connection.execute("SELECT max(seq) FROM audit").fetchone()
    begin = time.perf_counter()
    for at in range(0, count, BATCH):
        part = sorted(people[at : at + BATCH])
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "UPDATE drawer SET bytes = zeroblob(length(bytes)) WHERE id = ?",
            [(record,) for _, record in part],
        )
        connection.executemany("DELETE FROM users WHERE id = ?", [(one,) for one, _ in part])
        connection.executemany(
            "DELETE FROM identities WHERE tag = ? AND user = ?",
            sorted((tag, one) for one, _ in part for tag in tags.get(one, ())),
        )
        connection.executemany(
            "INSERT INTO audit VALUES (?, 1, 0, zeroblob(16), ?, NULL, zeroblob(32))",
            [(number, one) for number, (one, _) in enumerate(part, last + at + 1)],
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    taken = time.perf_counter() - begin
    connection.close()
    os.remove(path)
    return count / taken


@contextmanager
def asking(place: Place) -> Iterator[Callable[[], float]]:
    """Let another process take the write lock, again and again, for no time.

    Yields what ends it, and tells its longest wait in seconds.
    """
    line = [sys.executable, __file__, place.database, place.raw_key().hex()]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield lambda: float(process.communicate("")[0])


def ask(path: str, key: str) -> None:
    """Take the write lock every 20 ms, until standard input ends; print the longest wait."""
    db, longest = Database(path, bytes.fromhex(key), 60.0), 0.0
    print("here", flush=True)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        begin = time.perf_counter()
        db.begin()
        longest = max(longest, time.perf_counter() - begin)
        db.rollback()
    print(longest)


def write_people(path: Path, people: int) -> None:
    chance = random.Random(1)
    with path.open("w") as file:
        for number in range(people):
            record = {
                "email": email(number),
                "phone": f"+4930{20_000_000 + number}",
                "login": login(number),
                "name": f"{chance.choice(NAMES)} {chance.choice(NAMES)}son",
                "born": f"19{chance.randrange(30, 99)}-0{chance.randrange(1, 10)}-12",
                "note": "",
            }
            room = RECORD_BYTES - len(json.dumps(record, separators=(",", ":")))
            file.write(json.dumps({**record, "note": "x" * room}, separators=(",", ":")) + "\n")


def some(place: Place, people: int, count: int, first: int) -> str:
    """Write the logins of some people, of every second from the first, in any order."""
    path = os.path.join(place.home, "some")
    chosen = random.Random(count).sample(range(first, people, 2), count)
    with open(path, "w") as file:
        file.writelines(f"login:{login(number)}\n" for number in chosen)
    return path


def login(number: int) -> str:
    return f"user{number:x}"


def email(number: int) -> str:
    return f"{NAMES[number % len(NAMES)].lower()}.{number:x}@example.com"


def len_of(place: Place, table: str) -> int:
    db = Database(place.database, place.raw_key(), 1.0)
    count = int(db.one(f"SELECT count(*) FROM {table}")[0])
    db.close()
    return count


def speed(
    place: Place, what: str, count: int, cost: Cost, goal: int, bare: float | None = None
) -> Row:
    """Return a row of how many a second, beside what any call takes."""
    least = min(place.run("status").wall for _ in range(5))
    rate = count / (cost.wall - least)
    beside = ("", "") if bare is None else (f"{bare:,.0f}/s", f"{rate / bare:.2f}")
    return Row(what, f"{rate:,.0f}/s", *beside, f"≥ {goal:,}/s", rate >= goal)


def memory(what: str, people: int, cost: Cost, goal: int) -> Row:
    said = f"{what} of {people:,}: most memory"
    return Row(said, f"{cost.memory} MB", "", "", f"≤ {goal} MB", cost.memory <= goal)


def lock(what: str, people: int, wait: float, goal: int) -> Row:
    said = f"{what} of {people:,}: longest wait of another writer"
    return Row(said, f"{wait * 1000:.0f} ms", "", "", f"≤ {goal} ms", wait * 1000 <= goal)


if __name__ == "__main__":
    ask(*sys.argv[1:])
