"""Damaged, foreign, newer and forbidden vaults: each is told apart, and none is touched."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import pages
from bunkerctl.store import schema
from bunkerctl.store.state import VERSION
from conftest import Home, Result
from refusals import check_refusal
from wholeness import check_whole, make_older

NOBODY = 65534
IS_ROOT = os.geteuid() == 0
PAGE = 4096
PLAIN = b"SQLite format 3\0" + bytes(8_176)
CANARY = "canary"
EMAIL = f"{CANARY}@example.com"
RECORD = {"email": EMAIL, "name": f"{CANARY.title()} Miller", "notes": f"{CANARY} " * 2_000}

Damage = Callable[[Path], object]


@pytest.fixture
def vault(home: Home) -> Path:
    """A vault with one person, whose record goes over several pages."""
    home.add(**RECORD)
    return home.vault


def state(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of every file."""
    modes = {path: path.lstat().st_mode for path in (directory, *directory.rglob("*"))}
    return {str(p): (m, p.read_bytes() if stat.S_ISREG(m) else b"") for p, m in modes.items()}


def check_refused(result: Result, code: int, *words: str) -> None:
    """Check a refusal that says nothing about a person."""
    check_refusal(result, code, *words)
    assert CANARY not in result.err.lower()


def check_untouched(home: Home, code: int, *words: str) -> None:
    """Check that reading and writing are refused, and the vault is as it was."""
    before = state(home.directory)
    for line in ("status", f"user get {EMAIL}", f"user update {EMAIL} name={CANARY}"):
        check_refused(home.run(line), code, *words)
    assert state(home.directory) == before


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


# The database


DATABASES: dict[str, tuple[Damage, str]] = {
    "empty": (lambda db: cut(db, 0), ""),
    "five pages": (lambda db: cut(db, 5 * PAGE), ""),
    "cut within a page": (lambda db: cut(db, 5 * PAGE + 100), ""),
    "one page short": (lambda db: cut(db, db.stat().st_size - PAGE), ""),
    "salt": (lambda db: flip(db, 0), "damaged"),
    "page 1": (lambda db: flip(db, 2_000), "damaged"),
    "end of page 1": (lambda db: flip(db, PAGE - 1), "damaged"),
    "plain SQLite": (lambda db: db.write_bytes(PLAIN), "plain SQLite"),
    "text": (lambda db: db.write_text("to do\n" * 2_000), "damaged"),
    "random": (lambda db: db.write_bytes(os.urandom(40_000)), "damaged"),
}


@pytest.mark.parametrize(("damage", "word"), DATABASES.values(), ids=DATABASES)
def test_a_damaged_database_is_told(home: Home, vault: Path, damage: Damage, word: str) -> None:
    damage(vault / "vault.db")
    check_untouched(home, 7, "vault.db", word)


def test_a_damaged_page_is_told_when_it_is_read(home: Home, vault: Path) -> None:
    """Whatever page is hit, the answer is right or exit 7; for a page of the record it is 7."""
    whole = (vault / "vault.db").read_bytes()
    written = pages.decrypted(str(vault), home.database_key())
    of_the_record = {number for _, number, content in written if CANARY.encode() in content}
    told = set()
    for number in range(1, len(whole) // PAGE + 1):
        (vault / "vault.db").write_bytes(whole)
        flip(vault / "vault.db", number * PAGE - 4_000)
        before = state(vault)
        result = home.run(f"user get {EMAIL} --json")
        if result.code == 0:
            assert result.json["data"] == RECORD
            continue
        told.add(number)
        assert (result.out, result.error["code"], result.code) == ("", "integrity", 7)
        assert CANARY not in result.err.lower()
        assert state(vault) == before
    assert of_the_record <= told
    assert len(of_the_record) > 2


def test_a_missing_database_is_not_a_missing_vault(home: Home, vault: Path) -> None:
    (vault / "vault.db").unlink()
    check_untouched(home, 10, "vault.db", "missing")
    check_refused(home.run("init"), 5, "there is a vault")


def linked(path: Path) -> None:
    path.symlink_to(path.rename(path.parent.parent / "elsewhere"))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [linked, directory, fifo])
@pytest.mark.parametrize("name", ["vault.db", "vault.json"])
def test_what_is_not_a_regular_file_is_not_opened(
    home: Home, vault: Path, name: str, damage: Damage
) -> None:
    damage(vault / name)
    before = state(home.directory)
    with home.spawn("status") as process:
        try:
            out, err = process.communicate(timeout=5)
        finally:
            process.kill()
    check_refused(Result(process.returncode, out, err), 9, name)
    assert state(home.directory) == before


# The header


def said(**changes: Any) -> Damage:
    def altered(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))

    return altered


WRONG: dict[str, tuple[object, ...]] = {
    "format": (None, "1", []),
    "vault_id": (None, 5, "", "abc", []),
    "created_at": (None, 5, "", "yesterday", {}),
    "key_id": (None, 5, "", []),
    "key": (5, "file", [], {}, {"source": 5, "place": "x"}, {"source": "file", "place": None}),
}
HEADERS: dict[str, Damage] = {
    "empty": lambda header: cut(header, 0),
    "garbage": lambda header: header.write_bytes(b"\xff\xfe\0garbage"),
    "deep": lambda header: header.write_text("[" * 60_000),
    "no object": lambda header: header.write_text("[]"),
    **{f"{n}: {v!r}": said(**{n: v}) for n, values in WRONG.items() for v in values},
}


@pytest.mark.parametrize("damage", HEADERS.values(), ids=HEADERS)
def test_a_damaged_header_is_told(home: Home, vault: Path, damage: Damage) -> None:
    """With a key file named and without one."""
    damage(vault / "vault.json")
    check_untouched(home, 7, "vault.json", "damaged")
    del home.environment["BUNKERCTL_KEY_FILE"]
    check_untouched(home, 7, "vault.json", "damaged")


def test_a_missing_header_is_no_vault_and_init_does_not_take_the_place(
    home: Home, vault: Path
) -> None:
    (vault / "vault.json").unlink()
    check_untouched(home, 10, "no vault at")
    before = state(vault)
    check_refused(home.run("init"), 5, "not an empty directory")
    assert state(vault) == before


# Other vaults, newer ones, none


@pytest.mark.parametrize("name", ["vault.db", "vault.json"])
def test_a_file_of_another_vault_under_the_same_key_is_told(
    home: Home, vault: Path, name: str
) -> None:
    home.ok(f"init --vault {home.directory}/other")
    shutil.copy(home.directory / "other" / name, vault / name)
    check_untouched(home, 7, "vault.db")


def test_the_header_of_a_vault_with_another_key_asks_for_that_key(home: Home, vault: Path) -> None:
    home.ok(f"init --vault {home.directory}/other --key-file {home.directory}/other.key")
    shutil.copy(home.directory / "other" / "vault.json", vault)
    check_untouched(home, 12, "the key (id")


@pytest.mark.parametrize("changes", [{"format": 2}, {"format": 99, "vault_id": {"new": "form"}}])
def test_a_newer_format_is_told(home: Home, vault: Path, changes: dict[str, Any]) -> None:
    said(**changes)(vault / "vault.json")
    check_untouched(home, 14, "format", str(changes["format"]))


@pytest.mark.parametrize(
    ("pragma", "code", "words"),
    [("user_version = 99", 14, "version 99"), ("application_id = 5", 7, "not a bunkerctl vault")],
)
def test_a_newer_and_a_foreign_database_are_told(
    home: Home, vault: Path, pragma: str, code: int, words: str
) -> None:
    with closing(home.database()) as db:
        db.run(f"PRAGMA {pragma}")
    check_untouched(home, code, words)


def test_an_older_database_is_brought_up_to_date(home: Home, vault: Path) -> None:
    home.add(login="large", text="x" * 70_000)
    home.ok(f"backup create {home.directory}/b")
    with closing(home.database()) as db:
        make_older(db)
    assert len(home.ok("backup list --json").json) == 1
    with closing(home.database()) as db:
        assert db.one("PRAGMA user_version") == (VERSION,) == (len(schema.MIGRATIONS),)
        assert db.one("SELECT largest FROM totals")[0] > 70_000
    check_whole(home)


@pytest.mark.parametrize("place", ["nowhere", "file", "file/below", "empty", "."])
def test_a_place_without_a_vault_is_told(home: Home, vault: Path, place: str) -> None:
    (home.directory / "file").write_text(CANARY)
    (home.directory / "empty").mkdir()
    home.environment["BUNKERCTL_VAULT"] = str(home.directory / place)
    check_untouched(home, 10, "no vault at")


# Permissions


@pytest.fixture
def shared() -> Iterator[Home]:
    """A vault with one person that an ordinary user owns, where that user can go."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        home = Home(Path(name))
        home.ok("init")
        home.add(**RECORD)
        home.ok(f"user get {EMAIL}")  # what is imported late may lie where that user cannot read
        home.run("status --max-age never")
        if IS_ROOT:
            for path in (Path(name), *Path(name).rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        yield home


def as_ordinary_user(home: Home, line: str) -> Result:
    if not IS_ROOT:
        return home.run(line)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        return home.run(line)
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize(
    ("name", "mode", "word"),
    [
        ("", 0o500, "directory"),
        ("", 0o000, "vault.json"),
        ("vault.db", 0o400, "vault.db"),
        ("vault.json", 0o000, "vault.json"),
    ],
)
def test_a_vault_without_permission_is_told(shared: Home, name: str, mode: int, word: str) -> None:
    path = shared.vault / name
    path.chmod(mode)
    before = state(shared.directory) if IS_ROOT else {}
    for line in ("status", f"user get {EMAIL}"):
        check_refused(as_ordinary_user(shared, line), 9, word)
    assert not IS_ROOT or state(shared.directory) == before


@pytest.mark.skipif(not IS_ROOT, reason="only root can give files away")
@pytest.mark.parametrize("names", [("", "vault.db", "vault.json"), ("vault.json",), ("vault.db",)])
def test_another_users_vault_is_not_a_missing_one(shared: Home, names: tuple[str, ...]) -> None:
    for name in names:
        os.chown(shared.vault / name, 0, 0)
    before = state(shared.directory)
    for line in ("status", f"user get {EMAIL}"):
        check_refused(as_ordinary_user(shared, line), 9, str(shared.vault))
    check_refused(as_ordinary_user(shared, "init"), 9 if "" in names else 5, str(shared.vault))
    assert state(shared.directory) == before
