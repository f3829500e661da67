"""What a command costs, in counts that do not depend on the machine.

Modules loaded, statements, syncs, pages read, bytes a person: whoever makes one of them larger
finds out here, and decides. Times are for `make bench`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bunkerctl.store.connection import Database
from conftest import EXECUTABLE, Home
from killing import needs_strace, steps

HOT = {
    "user get login:ann --json": 11,
    "exp status login:ann --json": 11,
    "exp start login:ann --json": 13,
    "user add login=bob": 17,
}
"""How many statements a hot command takes at most."""

SYNCS = 5
"""Those of a WAL that is made, written once, moved into the database and taken away."""

OWN = 42
"""How many modules of bunkerctl a hot command loads at most."""

FOREIGN = {
    *("__future__", "_collections", "_datetime", "_functools", "_json", "_operator", "_sha2"),
    *("_sha256", "_signal", "collections", "datetime", "errno", "fcntl", "gc", "itertools"),
    *("keyword", "marshal", "math", "operator", "pwd", "reprlib", "resource", "sqlcipher3"),
}
"""What it may load of others: no `contextlib`, `functools`, `re`, `enum`, `json`,
`hashlib`, Typer, rich or keyring."""

PEOPLE = 2000
RECORD_BYTES = 250
BYTES_A_PERSON = 560


def imported(line: list[str], environment: dict[str, str]) -> set[str]:
    """Return the modules that a Python loads to run a program."""
    done = subprocess.run(
        line,
        env={**environment, "PYTHONPROFILEIMPORTTIME": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return {one.rpartition("|")[2].strip() for one in done.stderr.splitlines() if "|" in one}


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the statements of this process by their first word."""
    found: Counter[str] = Counter()
    execute, many, commit = Database._execute, Database.insert_many, Database.commit

    def counting(self: Database, sql: str, parameters: Any) -> Any:
        found[sql.split(maxsplit=1)[0]] += 1
        return execute(self, sql, parameters)

    def counting_many(self: Database, table: str, values: str, rows: list[Any]) -> None:
        found["INSERT"] += len(rows)
        many(self, table, values, rows)

    def counting_commit(self: Database) -> None:
        found["COMMIT"] += 1
        commit(self)

    with monkeypatch.context() as patch:
        patch.setattr(Database, "_execute", counting)
        patch.setattr(Database, "insert_many", counting_many)
        patch.setattr(Database, "commit", counting_commit)
        yield found


def people(count: int, first: int = 0) -> str:
    records = []
    for number in range(first, first + count):
        record = {
            "email": f"ann.{number:x}@example.com",
            "phone": f"+4930{20_000_000 + number}",
            "login": f"user{number:x}",
            "note": "",
        }
        room = RECORD_BYTES - len(json.dumps(record, separators=(",", ":")))
        records.append(json.dumps({**record, "note": "x" * room}, separators=(",", ":")))
    return "\n".join(records)


@pytest.mark.parametrize("line", HOT)
def test_a_hot_command_loads_little(home: Home, line: str) -> None:
    home.add(login="ann")
    loaded = imported([EXECUTABLE, *line.split()], home.environment)
    loaded -= imported([sys.executable, "-c", "pass"], home.environment)
    own = {one for one in loaded if one.partition(".")[0] == "bunkerctl"}
    assert "bunkerctl.users" in own
    assert len(own) <= OWN
    assert {one.partition(".")[0] for one in loaded - own} <= FOREIGN


@pytest.mark.parametrize(
    "line", ["audit list --limit 100 --json", "exp sweep --accept-clock --json"]
)
def test_a_command_that_cron_or_a_script_calls_loads_little_of_others(
    home: Home, line: str
) -> None:
    home.add(login="ann")
    loaded = imported([EXECUTABLE, *line.split()], home.environment)
    loaded -= imported([sys.executable, "-c", "pass"], home.environment)
    foreign = {one.partition(".")[0] for one in loaded} - {"bunkerctl"}
    assert "sqlcipher3" in foreign
    assert foreign <= FOREIGN | {"select"}


@pytest.mark.parametrize("line", HOT)
def test_a_hot_command_takes_few_statements(
    home: Home, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add(login="ann")
    with counted(monkeypatch) as found:
        home.ok(line)
    del found["PRAGMA"]
    assert found["COMMIT"] == 1
    assert 5 < found.total() <= HOT[line], found


@needs_strace
@pytest.mark.parametrize("line", HOT)
def test_a_hot_command_syncs_for_one_commit(home: Home, line: str) -> None:
    home.add(login="ann")
    syncs = [step for step in steps(home, line) if step.name in ("fsync", "fdatasync")]
    assert 1 <= len(syncs) <= SYNCS, syncs


@pytest.mark.parametrize("words", ["exp start - --in 90d", "exp status -", "user forget - --yes"])
def test_a_batch_is_one_transaction_a_group(
    home: Home, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.ok("user import -", people(1000))
    lines = "\n".join(f"user{number:x}" for number in range(1000))
    with counted(monkeypatch) as found:
        assert len(home.ok(f"{words} -o jsonl", lines).out.splitlines()) == 1000
    assert found["COMMIT"] <= 5, found


def test_a_sweep_takes_as_many_statements_of_each_among_few_and_many(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.ok("user import -", people(PEOPLE))
    totals = []
    for first in (0, 400):
        lines = "\n".join(f"user{number:x}" for number in range(first, first + 200 + first))
        home.ok("exp start - --in 1d -q", lines)
        home.now += 2 * 86400
        with counted(monkeypatch) as found:
            swept = home.ok("exp sweep --max-deletes 2000 --json").json["erased"]
        totals.append((swept, found.total()))
    (few, before), (many, after) = totals
    assert (few, many) == (200, 600)
    assert (after - before) / (many - few) <= 4


@needs_strace
@pytest.mark.parametrize(
    "line", [*list(HOT)[:3], "audit list --limit 9", "exp sweep --accept-clock"]
)
def test_a_call_reads_hardly_more_pages_among_many(home: Home, line: str) -> None:
    home.add(login="ann")
    reads = []
    for count in (200, 4000):
        home.ok("user import -", people(count, first=count))
        home.ok("status")
        reads.append(sum(step.name == "pread64" for step in steps(home, line, ("pread64",))))
    assert 0 < reads[1] <= reads[0] + 12, reads


def test_a_person_takes_few_bytes(home: Home) -> None:
    sizes = []
    for first in (0, PEOPLE, 2 * PEOPLE):
        home.ok("user import -", people(PEOPLE, first))
        sizes.append(os.path.getsize(home.vault / "vault.db"))
    assert (sizes[-1] - sizes[0]) / (2 * PEOPLE) <= BYTES_A_PERSON
