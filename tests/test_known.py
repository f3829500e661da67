"""What an import knows of who is there: never less than there is, whatever others do meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from bunkerctl import known
from bunkerctl.known import Known
from bunkerctl.store import audit, lookup
from bunkerctl.store.connection import Database
from bunkerctl.vault import Vault
from conftest import Home
from wholeness import opened


@pytest.fixture
def vault(home: Home) -> Iterator[Vault]:
    home.add(login="ann")
    found = opened(home)
    yield found
    found.close()


def taken(vault: Vault, knows: Known, *logins: str) -> list[str]:
    tags = {vault.tag("login", login): login for login in logins}
    with vault.reading():
        found = knows.taken(audit.tree(vault.db).size, list(tags))
    return sorted(tags[tag] for tag in found)


def adds(home: Home) -> None:
    home.add(login="new")


def updates(home: Home) -> None:
    home.ok("user update login:ann login=new")


def adds_many(home: Home) -> None:
    for number in range(4):
        home.add(login=f"u{number}")
    home.add(login="new")


def prunes(home: Home) -> None:
    home.add(login="new")
    home.now += 60
    home.ok("audit prune --before 1s --yes")


def adds_beside_a_damaged_record(home: Home) -> None:
    home.add(login="new")
    bob = home.add(login="bob")
    db = home.database()
    db.run(
        "UPDATE drawer SET bytes = zeroblob(length(bytes)) "
        "WHERE id = (SELECT record FROM users WHERE token = ?)",
        bytes.fromhex(bob.replace("-", "")),
    )
    db.close()


@pytest.mark.parametrize("most", [known.MOST_BYTES, 1])
@pytest.mark.parametrize("act", [adds, updates, adds_many, prunes, adds_beside_a_damaged_record])
def test_what_others_do_is_known(
    home: Home,
    vault: Vault,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Home], None],
    most: int,
) -> None:
    monkeypatch.setattr(known, "MOST_WRITTEN", 3)
    monkeypatch.setattr(known, "MOST_BYTES", most)
    knows = Known(vault)
    knows.read(10)
    assert taken(vault, knows, "x", "y") == []
    act(home)
    assert taken(vault, knows, "new", "z") == ["new"]
    knows.read(10)
    home.add(login="later")
    standing = "new" if act is updates else "ann"
    assert taken(vault, knows, "later", standing, "v") == sorted(("later", standing))


def test_only_what_is_suspect_is_looked_up(
    home: Home, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[int] = []
    look = lookup.taken

    def counting(db: Database, tags: list[int]) -> set[int]:
        looked_up.append(len(tags))
        return look(db, tags)

    monkeypatch.setattr(lookup, "taken", counting)
    knows = Known(vault)
    assert taken(vault, knows, "a", "ann") == ["ann"]  # nothing is read yet
    knows.read(10)
    home.ok("user get login:ann")
    home.add(login="bob")
    assert taken(vault, knows, "b", "bob") == ["bob"]
    assert taken(vault, knows, "c", "d", "ann") == ["ann"]
    assert looked_up == [2, 1, 1]


def test_among_many_people_a_few_are_looked_up(
    home: Home, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "WORTH", 2)
    home.ok("user import -", "".join(json.dumps({"login": f"u{n}"}) + "\n" for n in range(9)))
    knows = Known(vault)
    knows.read(4)
    assert knows.size == 0
    knows.read(1)
    assert knows.size > 0
    assert taken(vault, knows, "u7", "w") == ["u7"]
