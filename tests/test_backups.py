"""Backups: whole or refused; and nobody who was erased ever comes back with one."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import stat
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import backups, crypto, keys, manifests
from bunkerctl.errors import BunkerError
from bunkerctl.store.connection import Database
from conftest import DAY, Home, Result
from refusals import check_refusal
from residue import found
from wholeness import check_whole, heed_signals, made_now, make_older, tamper, until

MAKE = ["file", "id", "vault_id", "created_at", "until", "key_id", "users", "erased", "events"]
REFUSED = (2, 7, 12, 14)
"""No backup, a damaged one, one of another key, and one of a newer program."""
NOBODY = "00000000-0000-4000-8000-000000000000"
PERSON = {"email": "CANARY@example.com", "note": "CANARY", "login": "CANARY"}
TAIL = 16


def backup(home: Home, *options: str, name: str = "b.bunker") -> Path:
    path = home.directory / name
    home.ok(["backup", "create", str(path), *options])
    return path


def at(home: Home, vault: Path) -> Home:
    """Return another place of the same person: with the same key and clock."""
    other = Home(home.directory)
    other.vault = vault
    other.now = home.now
    other.environment = {**home.environment, "BUNKERCTL_VAULT": str(vault)}
    return other


def restore(home: Home, path: Path, *options: str, to: str = "restored") -> Result:
    place = home.directory / to
    return home.run(["backup", "restore", str(path), "--vault", str(place), "--json", *options])


def restored(home: Home, path: Path, *options: str, to: str = "restored") -> Home:
    result = restore(home, path, *options, to=to)
    assert result.code == 0, result
    return at(home, home.directory / to)


def verify(home: Home, path: Path, *options: str) -> Result:
    return home.run(["backup", "verify", str(path), "--json", *options])


def lost(home: Home) -> None:
    """Let the vault itself be gone, its ledger left."""
    (home.vault / "vault.db").unlink()


def files_beside(path: Path) -> list[str]:
    return sorted(name for name in os.listdir(path.parent) if path.name in name)


# Create.


def test_a_backup_says_what_it_is(home: Home) -> None:
    home.add(login="ann")
    home.ok(f"user forget {home.add(login='bob')} --yes")
    path = home.directory / "b.bunker"
    made = home.ok(f"backup create {path} --keep 90d --json").json
    header = json.loads((home.vault / "vault.json").read_text())
    assert list(made) == [*MAKE, "size", "changed"]
    assert {**made, "id": None, "size": None} == {
        "file": str(path),
        "id": None,
        "vault_id": header["vault_id"],
        "created_at": "2027-01-15T08:00:00Z",
        "until": "2027-04-15T08:00:00Z",
        "key_id": header["key_id"],
        "users": 1,
        "erased": 1,
        "events": 5,
        "size": None,
        "changed": True,
    }
    assert made["size"] < path.stat().st_size < made["size"] + 4096
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files_beside(path) == ["b.bunker"]
    assert home.ok("backup list --json").json == [
        {
            "id": made["id"],
            "path": str(path),
            "created_at": made["created_at"],
            "until": made["until"],
            "due": False,
        }
    ]
    said = verify(home, path).json
    assert list(said) == [*MAKE, "size", "ok"]
    assert {**said, "changed": True} == {**made, "ok": True}
    event = home.ok("audit list --json --limit 1").json[0]
    assert (event["action"], event["outcome"]) == ("backup.create", "ok")
    assert home.ok(f"audit show {event['seq']} --json").json["backup"] == made["id"]


def test_a_backup_of_an_empty_vault_is_whole(home: Home) -> None:
    path = backup(home)
    assert verify(home, path).json["users"] == 0
    assert home.ok("user list --vault " + str(restored(home, path).vault)).out == ""


def test_a_file_that_is_there_is_not_replaced_without_force(home: Home) -> None:
    path = home.directory / "b.bunker"
    path.write_text("mine")
    check_refusal(home.run(f"backup create {path}"), 5, "exists")
    assert path.read_text() == "mine"
    backup(home, "--force")
    assert verify(home, path).code == 0
    first = path.read_bytes()
    backup(home, "--force")
    assert path.read_bytes() != first
    assert files_beside(path) == ["b.bunker"]


def test_a_backup_goes_nowhere_but_into_a_regular_file(home: Home) -> None:
    (home.directory / "link").symlink_to(home.directory / "target")
    (home.directory / "folder").mkdir()
    os.mkfifo(home.directory / "pipe")
    for name in ("link", "folder", "pipe", "missing/b", "key/b"):
        for options in ([], ["--force"]):
            line = ["backup", "create", str(home.directory / name), *options]
            check_refusal(home.run(line), 9)
    assert not (home.directory / "target").exists()
    assert home.ok("backup list --json").json == []


@pytest.mark.parametrize("place", ["vault/b", "link/b", "vault/../vault/b", "vault/vault.db"])
def test_a_backup_inside_the_vault_is_refused(home: Home, place: str) -> None:
    (home.directory / "link").symlink_to(home.vault)
    before = sorted(os.listdir(home.vault))
    check_refusal(home.run(["backup", "create", f"{home.directory}/{place}"]), 2, "outside")
    check_refusal(home.run(["backup", "create", f"{home.directory}/{place}", "--force"]), 2)
    assert sorted(os.listdir(home.vault)) == before


def test_a_backup_deeper_inside_the_vault_is_refused(home: Home) -> None:
    (home.vault / "sub").mkdir()
    check_refusal(home.run(["backup", "create", str(home.vault / "sub" / "b")]), 2, "outside")


def test_a_bad_time_is_told_before_anything_is_done(home: Home) -> None:
    for keep in ("0d", "x", "30", "200y", ""):
        line = ["backup", "create", str(home.directory / "b"), "--keep", keep]
        check_refusal(home.run(line), 2)
    assert not (home.directory / "b").exists()


def test_a_relative_path_is_remembered_whole(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.directory)
    home.ok("backup create b.bunker")
    assert home.ok("backup list --json").json[0]["path"] == str(home.directory / "b.bunker")


def test_nothing_personal_and_no_key_is_in_the_file(home: Home) -> None:
    for number in range(30):
        home.add(login=f"CANARY{number}", text="CANARY" * 200)
    token = home.add(**PERSON)
    home.ok(["user", "hold", token, "--reason", "CANARY"])
    raw = backup(home).read_bytes()
    master = bytes.fromhex(home.key_file.read_text())
    own = keys_of(home, home.directory / "b.bunker")[1]
    secrets = [master, home.database_key(), own, *crypto.backup_keys(own, bytes(16))]
    words = [b"CANARY", b"SQLite format", b"user.add", b"example.com", token.encode()]
    words += [uuid.UUID(token).bytes]
    for word in words + secrets + [secret.hex().encode() for secret in secrets]:
        assert word not in raw


def keys_of(home: Home, path: Path) -> tuple[manifests.Manifest, bytes]:
    master = keys.parse(home.key_file.read_bytes(), "the key file")
    return backups.opened_by(str(path), master)


def test_no_two_backups_have_a_page_or_a_key_in_common(home: Home) -> None:
    first, second = backup(home, name="first"), backup(home, name="second")
    database = (home.vault / "vault.db").read_bytes()
    pages = [
        {raw[start : start + 4096] for start in range(0, len(raw) - 4095, 4096)}
        for raw in (first.read_bytes(), second.read_bytes(), database)
    ]
    assert not pages[0] & pages[1] and not pages[0] & pages[2]
    assert keys_of(home, first)[1] != keys_of(home, second)[1]


def test_a_second_one_that_runs_is_waited_for(home: Home) -> None:
    import fcntl

    with (home.vault / "vault.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = f"backup create {home.directory}/b --lock-wait 0s"
        check_refusal(home.run(line), 11)
    assert home.ok("backup list --json").json == []
    backup(home)


def test_a_backup_while_four_write_is_of_one_moment(bare: Home) -> None:
    home = made_now(bare)
    home.ok("user import -", "".join(f'{{"login":"v{n}"}}\n' for n in range(300)))
    lines = [
        "".join(f'{{"login":"w{writer}-{n}","text":"{"x" * 300}"}}\n' for n in range(6400))
        for writer in range(4)
    ]
    writers = [home.spawn("user import - --lock-wait 60s") for _ in lines]
    made = []
    for process, text in zip(writers, lines, strict=True):
        assert process.stdin is not None
        process.stdin.write(text.encode()[: len(text) // 2])
        process.stdin.flush()
    for number in range(4):
        path = home.directory / f"b{number}"
        made.append(home.process(f"backup create {path} --json --lock-wait 60s").json)
        for process, text in zip(writers, lines, strict=True):
            assert process.stdin is not None
            part = len(text) // 8
            process.stdin.write(text.encode()[(4 + number) * part : (5 + number) * part])
            process.stdin.flush()
    for process in writers:
        process.communicate(timeout=120)
    assert len({one["users"] for one in made}) > 1
    for number, one in enumerate(made):
        place = restored(home, home.directory / f"b{number}", to=f"r{number}")
        check_whole(place)
        assert place.ok("audit verify --deep --json").json["people"] == one["users"]
        added = place.ok("audit list --action user.add -o jsonl").out.splitlines()
        assert len(added) == one["users"]
        assert place.ok("audit list --action backup.create --json").json[-1]["seq"] <= one["events"]
    check_whole(home)


def large(home: Home) -> None:
    lines = "".join(f'{{"login":"u{n}","text":"{"x" * 2000}"}}\n' for n in range(3000))
    home.ok("user import -", lines)


def test_a_backup_that_is_killed_leaves_no_file_and_the_vault_goes_on(bare: Home) -> None:
    home = made_now(bare)
    large(home)
    path = home.directory / "out" / "b"
    path.parent.mkdir()
    killed = 0
    for turn in range(5):
        with home.spawn(f"backup create {path}") as process:
            until(lambda p=process: p.poll() is not None or os.listdir(path.parent))  # type: ignore[misc]
            time.sleep(0.02 * turn)
            process.kill()
            process.communicate(timeout=60)
        if process.returncode:
            killed += 1
            assert not path.exists() or verify(home, path).code == 0
        path.unlink(missing_ok=True)
        home.ok("status")
    assert killed
    check_whole(home)
    home.ok(f"backup create {path} --lock-wait 0s")
    assert verify(home, path).json["users"] == 3000


def test_a_backup_that_a_signal_ends_leaves_nothing_and_is_none(bare: Home) -> None:
    home = made_now(bare)
    large(home)
    path = home.directory / "out" / "b"
    path.parent.mkdir()
    with home.spawn(f"backup create {path}", preexec_fn=heed_signals) as process:
        until(lambda: process.poll() is not None or os.listdir(path.parent))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert os.listdir(path.parent) == []
    assert home.ok("backup list --json").json == []


# Verify.


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path]:
    """A vault and its backup, which tests only read."""
    home = Home(tmp_path_factory.mktemp("kept"))
    home.ok(["init", "--recovery-file", str(home.directory / "code")])
    for number in range(20):
        home.add(login=f"u{number}", text="x" * 300)
    home.ok("user forget login:u3 --yes")
    return home, backup(home, "--keep", "30d")


def test_a_backup_needs_the_key_and_not_the_vault(home: Home) -> None:
    home.add(login="ann")
    path = backup(home)
    shutil.rmtree(home.vault)
    assert verify(home, path).json["ok"] is True
    del home.environment["BUNKERCTL_KEY_FILE"]
    assert verify(home, path).json["ok"] is True  # the backup says where the key was
    home.key_file.rename(home.directory / "moved")
    assert verify(home, path).code == 13
    assert verify(home, path, "--key-file", str(home.directory / "moved")).json["ok"] is True


def test_the_recovery_code_opens_a_backup_too(kept: tuple[Home, Path], tmp_path: Path) -> None:
    home, path = kept
    nowhere = Home(tmp_path)
    del nowhere.environment["BUNKERCTL_KEY_FILE"]
    copy = tmp_path / "copy"
    shutil.copyfile(path, copy)
    code = home.directory / "code"
    assert verify(nowhere, copy, "--recovery-file", str(code)).json["ok"] is True
    said = code.read_text().splitlines()[-1]
    line = ["backup", "verify", str(copy), "--recovery-file", "-", "--json"]
    assert nowhere.run(line, said + "\n").json["ok"] is True
    assert nowhere.run(line, said[:-1]).code == 2
    assert nowhere.run(line, "").code == 2


def test_a_vault_without_a_code_has_no_backup_that_one_opens(
    home: Home, kept: tuple[Home, Path]
) -> None:
    code = str(kept[0].directory / "code")
    assert verify(home, backup(home), "--recovery-file", code).code == 13
    home.ok(["key", "recovery", "create", "--recovery-file", str(home.directory / "own")])
    path = backup(home, name="second")
    assert verify(home, path, "--recovery-file", code).code == 12
    assert verify(home, path, "--recovery-file", str(home.directory / "own")).code == 0


def test_what_is_no_backup_is_told_so(home: Home) -> None:
    (home.directory / "empty").write_bytes(b"")
    (home.directory / "short").write_bytes(b"bunkrbk1")
    (home.directory / "json").write_text("{}")
    (home.directory / "end").write_bytes(bytes(100) + b"bunkrbk1")
    for path, code in (
        (home.directory / "empty", 2),
        (home.directory / "short", 2),
        (home.directory / "json", 2),
        (home.directory / "end", 2),
        (home.vault / "vault.db", 2),
        (home.key_file, 2),
        (home.directory / "missing", 9),
        (home.directory, 9),
    ):
        for command in ("verify", "restore"):
            line = ["backup", command, str(path), "--vault", str(home.directory / "new")]
            check_refusal(home.run(line), code)
    assert not (home.directory / "new").exists()


def test_a_backup_that_was_cut_anywhere_is_refused(kept: tuple[Home, Path], tmp_path: Path) -> None:
    home, path = kept
    raw = path.read_bytes()
    cut = tmp_path / "cut"
    sizes = [*range(0, len(raw), 1000), *range(len(raw) - 40, len(raw))]
    for size in sizes:
        cut.write_bytes(raw[:size])
        assert verify(home, cut).code in REFUSED, size


def test_a_backup_with_something_put_into_it_is_refused(
    kept: tuple[Home, Path], tmp_path: Path
) -> None:
    home, path = kept
    raw, size = path.read_bytes(), keys_of(*kept)[0].size
    page = raw[4096:8192]
    wrong = tmp_path / "wrong"
    for content in (
        raw + b"\0",
        b"\0" + raw,
        raw + raw,
        raw[:4096] + page + raw[4096:],
        raw[:size] + b"\0" + raw[size:],
        raw[:size] + page + raw[size:],
        raw[:4096] + raw[8192:],
        raw[:size] + raw[size:] + raw[size:],
    ):
        wrong.write_bytes(content)
        assert verify(home, wrong).code in REFUSED


def test_two_pages_that_changed_places_are_found(kept: tuple[Home, Path], tmp_path: Path) -> None:
    home, path = kept
    raw = path.read_bytes()
    (tmp_path / "b").write_bytes(raw[:4096] + raw[8192:12288] + raw[4096:8192] + raw[12288:])
    assert verify(home, tmp_path / "b").code == 7


def test_each_of_two_hundred_flipped_bits_is_found(kept: tuple[Home, Path], tmp_path: Path) -> None:
    home, path = kept
    raw, size = path.read_bytes(), keys_of(*kept)[0].size
    dice = random.Random(4)
    wrong = tmp_path / "wrong"
    for _ in range(200):
        at, bit = dice.randrange(len(raw)), dice.randrange(8)
        flipped = bytearray(raw)
        flipped[at] ^= 1 << bit
        wrong.write_bytes(flipped)
        code = verify(home, wrong).code
        assert code == 7 if at < size else code in REFUSED, (at, bit)


def test_each_bit_of_the_manifest_and_of_its_length_counts(
    kept: tuple[Home, Path], tmp_path: Path
) -> None:
    home, path = kept
    raw, size = path.read_bytes(), keys_of(*kept)[0].size
    master = keys.parse(home.key_file.read_bytes(), "the key file")
    wrong, unseen = tmp_path / "wrong", []
    wrong.write_bytes(raw)
    with wrong.open("r+b", buffering=0) as file:
        for at in range(size, len(raw)):
            for bit in range(8):
                file.seek(at)
                file.write(bytes([raw[at] ^ 1 << bit]))
                try:
                    backups.opened_by(str(wrong), master)
                except BunkerError as error:
                    assert error.exit_code in REFUSED
                else:
                    unseen.append(raw[max(size, at - 12) : at + 4])
            file.seek(at)
            file.write(raw[at : at + 1])
    assert unseen == []


def rewritten(kept: tuple[Home, Path], body: bytes) -> bytes:
    """Return the backup with another manifest of whatever length."""
    raw, size = kept[1].read_bytes(), keys_of(*kept)[0].size
    return raw[:size] + body + len(body).to_bytes(8, "big") + raw[-8:]


def said_of(kept: tuple[Home, Path]) -> dict[str, Any]:
    raw, size = kept[1].read_bytes(), keys_of(*kept)[0].size
    said: dict[str, Any] = json.loads(raw[size:-TAIL])
    return said


def canonical(said: Any) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


ALTERED: dict[str, Any] = {
    "id": NOBODY,
    "vault_id": NOBODY,
    "vault": "/somewhere/else",
    "created_at": "2026-01-01T00:00:00Z",
    "until": None,
    "key_id": "0" * 16,
    "key": {"source": "file", "place": "/somewhere/else"},
    "recovery": None,
    "wrapped": "00" * 60,
    "users": 18,
    "erased": 0,
    "events": 99,
    "checkpoint": "",
    "size": 4096,
    "sha256": "0" * 64,
    "mac": "0" * 64,
    "schema": "bunkerctl.backup/2",
}


@pytest.mark.parametrize("name", sorted(ALTERED))
def test_an_altered_manifest_is_refused(kept: tuple[Home, Path], tmp_path: Path, name: str) -> None:
    said = said_of(kept)
    assert said.keys() == ALTERED.keys()
    assert said[name] != ALTERED[name]
    wrong = tmp_path / "wrong"
    wrong.write_bytes(rewritten(kept, canonical({**said, name: ALTERED[name]})))
    expected = {"id": 12, "vault_id": 12, "wrapped": 12, "schema": 14}.get(name, 7)
    for options in ([], ["--recovery-file", str(kept[0].directory / "code")]):
        code = verify(kept[0], wrong, *options).code
        if name in ("recovery", "vault_id") and options:
            expected = {"recovery": 13, "vault_id": 12}[name]
        assert code == expected, options
        assert restore(kept[0], wrong, *options, to="never").code == expected
    assert not (kept[0].directory / "never").exists()


@pytest.mark.parametrize("until", ["2027-02-15T08:00:00Z", "2099-01-01T00:00:00Z"])
def test_the_time_that_a_backup_is_kept_cannot_be_moved(
    kept: tuple[Home, Path], tmp_path: Path, until: str
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(rewritten(kept, canonical({**said_of(kept), "until": until})))
    assert verify(kept[0], wrong).code == 7


def spaced(said: dict[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True).encode()


def turned_round(said: dict[str, Any]) -> bytes:
    return canonical(said)[:0] + json.dumps(dict(reversed(said.items()))).encode()


def with_a_field_more(said: dict[str, Any]) -> bytes:
    return canonical({**said, "note": "approved"})


def with_a_field_twice(said: dict[str, Any]) -> bytes:
    return b'{"users":7,' + canonical(said)[1:]


def in_capitals(said: dict[str, Any]) -> bytes:
    return canonical({**said, "wrapped": said["wrapped"].upper()})


def padded(said: dict[str, Any]) -> bytes:
    return canonical(said) + b"\n"


@pytest.mark.parametrize(
    "write",
    [spaced, turned_round, with_a_field_more, with_a_field_twice, in_capitals, padded],
)
def test_a_manifest_is_authentic_in_the_one_form_that_was_written(
    kept: tuple[Home, Path], tmp_path: Path, write: Callable[[dict[str, Any]], bytes]
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(rewritten(kept, write(said_of(kept))))
    assert verify(kept[0], wrong).code in REFUSED


STRANGE: list[Any] = [None, True, -1, 1.5, 10**30, "", "x", [], {}, [1], {"a": 1}, "\ud800"]
STRANGE += [{"source": "command", "place": "true"}, {"source": "file"}, "9999-12-31T23:59:59-23:59"]


@pytest.mark.parametrize("name", sorted(ALTERED))
def test_a_manifest_with_a_field_of_another_kind_is_refused(
    kept: tuple[Home, Path], tmp_path: Path, name: str
) -> None:
    said = said_of(kept)
    wrong = tmp_path / "wrong"
    for value in STRANGE:
        if value == said[name]:
            continue
        wrong.write_bytes(rewritten(kept, canonical({**said, name: value})))
        code = verify(kept[0], wrong, "--key-file", str(kept[0].key_file)).code
        assert code in REFUSED, value
    del said[name]
    wrong.write_bytes(rewritten(kept, canonical(said)))
    assert verify(kept[0], wrong).code in REFUSED


@pytest.mark.parametrize("place", ["/srv/a\0b", "/srv/\ud800", "", "relative", "/"])
def test_the_place_of_the_key_in_a_manifest_is_taken_with_care(
    kept: tuple[Home, Path], tmp_path: Path, place: str
) -> None:
    """It is read before anything can be authenticated."""
    wrong, home = tmp_path / "wrong", Home(tmp_path)
    said = {**said_of(kept), "key": {"source": "file", "place": place}}
    wrong.write_bytes(rewritten(kept, canonical(said)))
    del home.environment["BUNKERCTL_KEY_FILE"]
    assert verify(home, wrong).code in (2, 13)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"null", b"{", b"[" * 9000, b"\xff", b"9" * 5000]
)
def test_what_is_no_manifest_is_refused(
    kept: tuple[Home, Path], tmp_path: Path, body: bytes
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(rewritten(kept, body))
    check_refusal(kept[0].run(["backup", "verify", str(wrong)]), 2)


def test_the_manifest_of_another_backup_does_not_fit(home: Home) -> None:
    home.add(login="ann")
    first = backup(home, name="first")
    home.add(login="bob")
    second = backup(home, name="second")
    sizes = [keys_of(home, path)[0].size for path in (first, second)]
    mixed = first.read_bytes()[: sizes[0]] + second.read_bytes()[sizes[1] :]
    (home.directory / "mixed").write_bytes(mixed)
    assert sizes[0] == sizes[1]
    assert verify(home, home.directory / "mixed").code == 7


def test_another_vaults_key_does_not_open_it(home: Home, kept: tuple[Home, Path]) -> None:
    path = backup(home)
    options = ["--key-file", str(kept[0].key_file)]
    result = verify(home, path, *options)
    assert (result.code, result.error["code"]) == (12, "wrong_key")
    assert restore(home, path, *options).code == 12
    assert not (home.directory / "restored").exists()


def test_a_rotation_ends_the_backups_before_it_unless_the_old_key_was_kept(home: Home) -> None:
    home.ok(["key", "recovery", "create", "--recovery-file", str(home.directory / "code")])
    token = home.add(login="ann")
    before = backup(home, name="before")
    old = home.directory / "old"
    shutil.copy(home.key_file, old)
    home.ok(f"key rotate --yes --recovery-file {home.directory}/code2")
    after = backup(home, name="after")
    assert (verify(home, before).code, verify(home, after).code) == (12, 0)
    assert verify(home, before, "--key-file", str(old)).code == 0
    assert verify(home, after, "--key-file", str(old)).code == 12
    for path, code, expected in (
        (before, "code", 0),
        (before, "code2", 12),
        (after, "code", 12),
        (after, "code2", 0),
    ):
        given = ["--recovery-file", str(home.directory / code)]
        assert verify(home, path, *given).code == expected
    assert restore(home, before).code == 12
    home.ok(f"user forget {token} --yes")
    place = restored(home, before, "--key-file", str(old))
    place.environment["BUNKERCTL_KEY_FILE"] = str(old)
    assert place.run(f"user get {token}").code == 4
    del place.environment["BUNKERCTL_KEY_FILE"]
    place.ok("status")  # the new vault knows where its key is


# Prune.


def test_prune_removes_what_is_over_and_nothing_else(home: Home) -> None:
    short = backup(home, "--keep", "1d", name="short")
    long = backup(home, "--keep", "9d", name="long")
    for_ever = backup(home, name="ever")
    nothing = home.ok("backup prune --json").json
    assert nothing == {"removed": [], "missing": [], "changed": False}
    home.now += DAY
    assert [one["due"] for one in home.ok("backup list --json").json].count(True) == 1
    done = home.ok("backup prune --json").json
    assert done == {"removed": [str(short)], "missing": [], "changed": True}
    assert [path.exists() for path in (short, long, for_ever)] == [False, True, True]
    assert {one["path"] for one in home.ok("backup list --json").json} == {
        str(long),
        str(for_ever),
    }
    event = home.ok("audit list --json --limit 1").json[0]
    assert (event["action"], event["outcome"]) == ("backup.prune", "ok")
    assert home.ok("backup prune --json").json["changed"] is False


def test_prune_tells_of_a_file_that_was_moved_and_goes_on(home: Home) -> None:
    first = backup(home, "--keep", "1d", name="first")
    second = backup(home, "--keep", "1d", name="second")
    first.rename(home.directory / "moved")
    home.now += 2 * DAY
    done = home.ok("backup prune --json").json
    assert done == {"removed": [str(second)], "missing": [str(first)], "changed": True}
    assert (home.directory / "moved").exists()
    (home.directory / "moved").rename(first)
    assert home.ok("backup prune --json").json["removed"] == [str(first)]


def test_prune_removes_no_other_file_that_is_in_its_place(home: Home) -> None:
    path = backup(home, "--keep", "1d")
    home.now += 2 * DAY
    path.write_text("something of mine")
    assert home.ok("backup prune --json").json["missing"] == [str(path)]
    assert path.read_text() == "something of mine"
    path.unlink()
    later = backup(home)
    assert home.ok("backup prune --json").json["missing"] == [str(path)]
    assert verify(home, later).code == 0


@pytest.fixture
def moving(home: Home) -> Path:
    """A backup whose time is over; the vault was killed when it was taking it away."""
    path = backup(home, "--keep", "1d")
    home.now += 2 * DAY
    tamper(home, "UPDATE backups SET moving = 1")
    return path


def test_prune_notes_what_it_was_killed_in_taking_away(home: Home, moving: Path) -> None:
    moving.rename(home.directory / "taken")
    assert home.ok("backup list --json").json == []
    assert home.ok("backup prune --json").json["missing"] == []
    (home.directory / "taken").rename(moving)
    assert home.ok("backup list --json").json == []  # it was noted for good


def test_prune_takes_away_what_it_was_killed_before(home: Home, moving: Path) -> None:
    assert [one["path"] for one in home.ok("backup list --json").json] == [str(moving)]
    assert home.ok("backup prune --json").json["removed"] == [str(moving)]
    assert not moving.exists()


def test_a_backup_that_prune_could_not_remove_and_that_was_moved_then_stays_known(
    home: Home, moving: Path
) -> None:
    home.ok(f"backup create {home.directory}/another")  # it sees that the first is there
    moving.rename(home.directory / "moved")
    assert home.ok("backup prune --json").json["missing"] == [str(moving)]


def test_a_backup_that_is_not_yet_in_its_place_is_known_by_then(home: Home, moving: Path) -> None:
    unfinished = moving.with_name(f".{moving.name}.0123456789ab.tmp")
    moving.rename(unfinished)
    assert [one["path"] for one in home.ok("backup list --json").json] == [str(moving)]
    home.ok("backup prune --json")
    assert not unfinished.exists()
    assert home.ok("backup list --json").json == []


def test_a_backup_that_was_replaced_is_gone(home: Home) -> None:
    token = home.add(login="ann")
    path = backup(home, "--keep", "1d")
    (home.directory / "link").symlink_to(home.directory)
    second = home.ok(f"backup create {home.directory}/link/{path.name} --force --json").json
    assert [one["id"] for one in home.ok("backup list --json").json] == [second["id"]]
    home.ok(f"user forget {token} --yes")
    receipt = home.ok(f"erasure show {token} --json").json
    assert [one["id"] for one in receipt["backups"]] == [second["id"]]
    home.now += 2 * DAY
    assert home.ok("backup prune --json").json["missing"] == []


# Restore.


def older(home: Home, path: Path) -> None:
    """Make of a backup what the program with version 2 of the database has made."""
    manifest, own = keys_of(home, path)
    raw = manifest.keys_of(own)[0]
    os.truncate(path, manifest.size)
    db = Database(str(path), raw, 0.0)
    make_older(db)
    db.close()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    manifests.append(str(path), manifest.with_(size=size, sha256=digest), own)


def test_a_backup_of_an_older_vault_is_restored(home: Home) -> None:
    token = home.add(login="ann")
    path = backup(home)
    older(home, path)
    home.ok(f"user forget {token} --yes")
    assert verify(home, path).json["ok"] is True
    place = restored(home, path)
    assert place.ok("user list").out == ""
    assert [one["path"] for one in place.ok("backup list --json").json] == [str(path)]
    check_whole(place)


def test_a_restored_vault_knows_the_backup_that_it_was_made_of(home: Home) -> None:
    path = backup(home)
    moved = path.rename(home.directory / "moved")
    place = restored(home, moved)
    assert [one["path"] for one in place.ok("backup list --json").json] == [str(path)]
    place.ok("backup prune")
    assert [one["path"] for one in place.ok("backup list --json").json] == [str(path)]


def test_a_restored_vault_is_the_vault_as_it_was(home: Home) -> None:
    ann, bob = home.add(login="ann", n=1), home.add(login="bob")
    exptoken = home.start(bob)
    home.ok(["user", "hold", ann, "--reason", "case"])
    before = home.ok(f"export {ann}").json
    path = backup(home)
    home.ok(f"user update {ann} n:=2")
    result = restore(home, path)
    place = at(home, home.directory / "restored")
    said = json.loads((place.vault / "vault.json").read_text())
    assert result.json == {
        "vault": str(place.vault),
        "vault_id": said["vault_id"],
        "file": str(path),
        "id": result.json["id"],
        "created_at": "2027-01-15T08:00:00Z",
        "users": 2,
        "erased_again": 0,
        "live": True,
        "anchored": None,
        "changed": True,
    }
    assert place.ok(f"export {ann}").json["user"] == before["user"]
    assert place.ok(f"exp status {bob} --json").json["exptoken"] == exptoken
    assert stat.S_IMODE(place.vault.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(one.stat().st_mode) for one in place.vault.iterdir()}
    assert modes == {0o600}
    assert [name for name in os.listdir(home.directory) if name.endswith(".tmp")] == []
    assert place.ok("audit verify --deep --json").json["ok"] is True
    check_whole(place)
    assert place.ok("audit key").out == home.ok("audit key").out


def test_the_restore_is_an_event_with_its_backup(home: Home) -> None:
    token = home.add(**PERSON)
    path = backup(home)
    home.ok(f"user forget {token} --yes")
    result = restore(home, path, "--actor", "carol", "--reason", "disk died", "--ref", "T-1")
    place = at(home, home.directory / "restored")
    events = place.ok("audit list --action backup.restore --json").json
    assert [one["token"] for one in events] == [token, None]
    assert {one["actor"] for one in events} == {"carol"}
    shown = place.ok(f"audit show {events[-1]['seq']} --json").json
    assert (shown["backup"], shown["counts"]) == (result.json["id"], {"erased": 1})
    assert (shown["reason"], shown["ref"]) == ("disk died", "T-1")


# Nobody who was erased comes back: each way to try.


def check_gone(place: Home, token: str) -> None:
    assert place.run(f"user get {token}").code == 4
    assert place.run("user get login:CANARY").code == 4
    assert place.ok(f"exp status {token} --json").json["expstatus"] == "expired"
    assert found(place, b"CANARY") == []
    check_whole(place)
    assert place.ok("audit verify --deep --json").json["ok"] is True


def erased_since(home: Home) -> tuple[str, Path]:
    """Return a person who was erased after a backup, and the backup."""
    home.add(login="bob")
    token = home.add(**PERSON)
    path = backup(home)
    home.ok(f"user forget {token} --yes")
    return token, path


def test_the_ledger_beside_the_vault_tells_who_was_erased(home: Home) -> None:
    token, path = erased_since(home)
    lost(home)
    result = restore(home, path)
    assert (result.json["erased_again"], result.json["live"], result.json["users"]) == (1, False, 1)
    assert "only the ledger" in result.err
    check_gone(at(home, home.directory / "restored"), token)


def test_the_vault_itself_tells_it_if_it_still_opens(home: Home) -> None:
    home.add(login="bob")
    token = home.add(**PERSON)
    path = backup(home)
    old = (home.vault / "erasures.jsonl").read_bytes()
    home.ok(f"user forget {token} --yes")
    (home.vault / "erasures.jsonl").write_bytes(old)
    result = restore(home, path)
    assert (result.json["erased_again"], result.json["live"]) == (1, True)
    check_gone(at(home, home.directory / "restored"), token)


def test_with_the_ledger_deleted_a_restore_is_refused_or_asks_the_vault(home: Home) -> None:
    token, path = erased_since(home)
    (home.vault / "erasures.jsonl").unlink()
    result = restore(home, path)
    if result.code:
        assert (result.code, result.error["code"]) == (5, "conflict")
        assert not (home.directory / "restored").exists()
        return
    check_gone(at(home, home.directory / "restored"), token)


def test_a_ledger_that_is_older_than_the_backup_is_refused(home: Home) -> None:
    home.ok(f"user forget {home.add(login='first')} --yes")
    old = home.directory / "old"
    shutil.copy(home.vault / "erasures.jsonl", old)
    home.ok(f"user forget {home.add(login='second')} --yes")
    _, path = erased_since(home)
    new = home.directory / "new"
    shutil.copy(home.vault / "erasures.jsonl", new)
    shutil.rmtree(home.vault)
    for given in (str(old), "/dev/null", str(home.directory / "missing")):
        result = restore(home, path, "--ledger", given)
        assert (result.code, result.error["code"]) == (5, "conflict")
        assert not (home.directory / "restored").exists()
    assert restore(home, path).code == 5
    assert restore(home, path, "--ledger", str(new)).json["erased_again"] == 1


def test_the_newest_ledger_that_was_kept_with_the_backup_is_enough(home: Home) -> None:
    token, path = erased_since(home)
    copy = home.directory / "ledger"
    shutil.copy(home.vault / "erasures.jsonl", copy)
    shutil.rmtree(home.vault)
    check_gone(restored(home, path, "--ledger", str(copy)), token)


def test_without_a_ledger_it_takes_a_reason_and_is_on_record(home: Home) -> None:
    token, path = erased_since(home)
    shutil.rmtree(home.vault)
    for options, code in (
        ([], 5),
        (["--no-ledger"], 2),
        (["--no-ledger", "--ledger", "x", "--reason", "y"], 2),
        (["--reason", "y"], 5),
    ):
        assert restore(home, path, *options).code == code, options
        assert not (home.directory / "restored").exists()
    place = restored(home, path, "--no-ledger", "--reason", "ledger burnt")
    assert place.ok(f"user get {token} --json").json["data"] == PERSON
    event = place.ok("audit list --action backup.restore --json").json[-1]
    assert event["reason"] == "ledger burnt"


def test_who_was_held_in_the_backup_and_erased_after_the_release_stays_erased(home: Home) -> None:
    token = home.add(**PERSON)
    home.ok(["user", "hold", token, "--reason", "CANARY v. us"])
    path = backup(home)
    home.ok(f"user release {token}")
    home.ok(f"user forget {token} --yes")
    check_gone(restored(home, path), token)


def test_who_came_after_the_backup_and_was_erased_is_not_imported_again(home: Home) -> None:
    path = backup(home)
    token = home.add(**PERSON)
    line = home.ok("export --all --yes").out
    home.ok(f"user forget {token} --yes")
    for alive, to in ((True, "one"), (False, "two")):
        if not alive:
            lost(home)
        place = restored(home, path, to=to)
        assert place.ok(f"exp status {token} --json").json["expstatus"] == "expired"
        result = place.run("user import -", line)
        assert (result.code, "erased" in result.err) == (3, True)
        check_gone(place, token)
        assert place.ok("status --json").json["erased"] == 1


@pytest.mark.parametrize("way", ["user forget", "exp delete", "exp sweep"])
def test_whatever_erased_them_they_stay_erased_and_their_links_stay_void(
    home: Home, way: str
) -> None:
    token = home.add(**PERSON)
    path = backup(home)
    exptoken = home.start(token, "1d")
    home.now += 2 * DAY if way == "exp sweep" else 0
    whom = {"user forget": token, "exp delete": exptoken, "exp sweep": ""}[way]
    home.ok(f"{way} {whom} --yes")
    again = home.ok(f"exp delete {exptoken} --yes --json").json
    assert again["changed"] is False
    place = restored(home, path)
    check_gone(place, token)
    assert place.run(f"exp retain {exptoken}").code == home.run(f"exp retain {exptoken}").code
    assert place.ok(f"exp delete {exptoken} --yes --json").json["changed"] is False
    assert place.ok(f"exp status {token} --json").json["exptoken"] == exptoken


def test_all_of_many_stay_erased(home: Home) -> None:
    home.ok("user import -", "".join(f'{{"login":"CANARY{n}"}}\n' for n in range(450)))
    tokens = [one["token"] for one in home.ok("user list --json").json]
    path = backup(home)
    gone = tokens[::2]
    home.ok("exp start - --in 1d -o jsonl", "\n".join(gone))
    home.now += 2 * DAY
    home.ok("exp sweep --max-deletes 225")
    lost(home)
    place = restored(home, path)
    left = {one["token"] for one in place.ok("user list --json").json}
    assert left == set(tokens) - set(gone)
    assert place.ok("status --json").json["erased"] == 225
    check_whole(place)


def test_they_stay_erased_through_a_backup_of_the_restored_vault(home: Home) -> None:
    token, first = erased_since(home)
    place = restored(home, first)
    second = home.directory / "second"
    place.ok(f"backup create {second}")
    again = restored(place, second, to="again")
    check_gone(again, token)


def test_the_restored_vaults_ledger_is_enough_for_the_first_backup_too(home: Home) -> None:
    token, path = erased_since(home)
    late = home.add(login="late")
    home.ok(f"user forget {late} --yes")
    place = restored(home, path)
    shutil.rmtree(home.vault)
    ledger = place.vault / "erasures.jsonl"
    third = restored(home, path, "--ledger", str(ledger), to="third")
    check_gone(third, token)
    assert third.ok(f"exp status {late} --json").json["expstatus"] == "expired"
    tokens = [json.loads(line)["token"] for line in ledger.read_text().splitlines()]
    assert sorted(tokens) == sorted([token, late])


def test_the_ledger_of_another_vault_in_the_old_ones_place_is_not_taken_for_its_own(
    home: Home,
) -> None:
    _, path = erased_since(home)
    home.vault.rename(home.directory / "old")
    home.ok("init")
    assert restore(home, path).code == 5
    assert not (home.directory / "restored").exists()


GARBAGE = [b"garbage\n", b"{}\n", b"\n", b"[]\n", b"\xff\n", b'{"token":1}\n', b"x" * 5000 + b"\n"]
GARBAGE += [b"[" * 4000 + b"\n", b"\0" * 100 + b"\n"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_ledger_is_found(home: Home, garbage: bytes) -> None:
    _, path = erased_since(home)
    lost(home)
    ledger = home.vault / "erasures.jsonl"
    whole = ledger.read_bytes()
    for content in (whole + garbage, garbage + whole):
        ledger.write_bytes(content)
        result = restore(home, path)
        assert (result.code, result.error["code"]) == (7, "integrity")
        assert not (home.directory / "restored").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", 5),
        ("token", "x"),
        ("exptoken", 5),
        ("created_at", None),
        ("erased_at", "yesterday"),
        ("erased", [1]),
        ("event", "x"),
        ("event", 1e999),
        ("event", None),
    ],
)
def test_a_ledger_line_with_a_field_of_another_kind_is_found(
    home: Home, name: str, value: Any
) -> None:
    _, path = erased_since(home)
    ledger = home.vault / "erasures.jsonl"
    line = {**json.loads(ledger.read_text()), name: value}
    ledger.write_text(json.dumps(line, separators=(",", ":")) + "\n")
    result = restore(home, path)
    assert result.code == 7, result
    assert not (home.directory / "restored").exists()


def test_a_torn_last_line_is_told_and_not_passed_over(home: Home) -> None:
    _, path = erased_since(home)
    ledger = home.vault / "erasures.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-20])
    lost(home)
    result = restore(home, path)
    assert (result.code, "torn" in result.error["hint"]) == (7, True)


# Where a vault is made, and what it can do.


def test_a_restore_goes_over_nothing(home: Home) -> None:
    home.add(login="ann")
    path = backup(home)
    (home.directory / "full").mkdir()
    (home.directory / "full" / "file").write_text("mine")
    (home.directory / "file").write_text("mine")
    (home.directory / "empty").mkdir()
    before = (home.vault / "vault.db").read_bytes()
    for name in ("vault", "full", "file"):
        result = restore(home, path, to=name)
        assert (result.code, result.error["code"]) == (5, "conflict"), name
    assert (home.vault / "vault.db").read_bytes() == before
    assert (home.directory / "file").read_text() == "mine"
    assert restore(home, path, to="empty").code == 0
    assert restore(home, path, to="empty").code == 5
    assert restore(home, path, to="deep/er/new").code == 0
    assert restore(home, path, to="key/new").code == 9


def test_a_restore_that_is_killed_leaves_no_vault_and_the_next_one_makes_it(bare: Home) -> None:
    home = made_now(bare)
    large(home)
    path = backup(home)
    token = home.ok("user list --limit 1 --json").json[0]["token"]
    home.ok(f"user forget {token} --yes")
    place = home.directory / "there" / "restored"
    place.parent.mkdir()
    killed = 0
    for turn in range(4):
        with home.spawn(f"backup restore {path} --vault {place}") as process:
            until(lambda p=process: p.poll() is not None or os.listdir(place.parent))  # type: ignore[misc]
            time.sleep(0.05 * turn)
            process.kill()
            process.communicate(timeout=60)
        if process.returncode:
            killed += 1
            for one in map(Path, place.parent.iterdir()):
                if at(home, one).run("status").code != 10:  # killed when it was done
                    check_gone(at(home, one), token)
        shutil.rmtree(place.parent)
        place.parent.mkdir()
    assert killed
    with home.spawn(f"backup restore {path} --vault {place}") as process:
        until(lambda: process.poll() is not None or os.listdir(place.parent))
        process.kill()
        process.communicate(timeout=60)
    done = home.process(f"backup restore {path} --vault {place} --json")
    assert done.code == 0, done
    assert done.json["erased_again"] == 1
    assert os.listdir(place.parent) == ["restored"]


def test_of_restores_at_one_place_one_wins_and_none_disturbs_another(bare: Home) -> None:
    home = made_now(bare)
    large(home)
    path = backup(home)
    token = home.ok("user list --limit 1 --json").json[0]["token"]
    home.ok(f"user forget {token} --yes")
    for turn in range(3):
        place = home.directory / f"restored{turn}"
        processes = []
        for _ in range(3):
            processes.append(home.spawn(f"backup restore {path} --vault {place} --json"))
            time.sleep(0.05 * turn)
        said = [process.communicate(timeout=60)[1] for process in processes]
        codes = sorted(process.returncode for process in processes)
        assert codes[0] == 0 and set(codes[1:]) <= {5, 11}, said
        winner = at(home, place)
        assert winner.run(f"user get {token}").code == 4
        check_whole(winner)
    assert [name for name in os.listdir(home.directory) if name.endswith(".tmp")] == []


def test_a_restored_vault_works_as_any(home: Home) -> None:
    waits, held, goes = home.add(login="waits"), home.add(login="held"), home.add(**PERSON)
    home.start(waits, "30d")
    home.start(held, "30d")
    home.ok(["user", "hold", held, "--reason", "case"])
    path = backup(home)
    home.ok(f"user forget {goes} --yes")
    place = restored(home, path)
    place.now += 31 * DAY
    swept = place.ok("exp sweep --json").json
    assert (swept["tokens"], swept["held"]) == ([waits], 1)
    place.ok(f"user release {held}")
    place.ok(f"user forget {held} --yes")
    assert place.ok("erasure list --json").json[0]["reason"] == "restore"
    assert len(place.ok("erasure list --json").json) == 3
    new = place.add(login="new")
    shutil.rmtree(home.vault)  # which has its key in the same file
    place.ok(f"key rotate --no-recovery --yes --key-file {home.key_file}")
    place.ok(f"user get {new}")
    assert place.run("doctor").code == 0
    assert place.ok("audit verify --deep --json").json["ok"] is True
    check_whole(place)


def test_a_restore_by_the_recovery_code_makes_a_vault_that_its_code_opens(
    home: Home, tmp_path: Path
) -> None:
    code = home.directory / "code"
    home.ok(["key", "recovery", "create", "--recovery-file", str(code)])
    home.add(login="ann")
    path = backup(home)
    home.key_file.rename(home.directory / "lost")
    place = restored(home, path, "--recovery-file", str(code))
    assert place.run("status").code == 13
    place.ok(f"key restore --recovery-file {code} --key-file {home.directory}/key2")
    place.environment["BUNKERCTL_KEY_FILE"] = f"{home.directory}/key2"
    place.ok("user get login:ann")


def test_a_key_that_came_from_a_command_is_not_recorded_as_one(home: Home) -> None:
    path = backup(home)
    del home.environment["BUNKERCTL_KEY_FILE"]
    copy = home.directory / "copy"
    shutil.copy(home.key_file, copy)
    place = restored(home, path, "--key-command", f"cat {copy}")
    said = json.loads((place.vault / "vault.json").read_text())
    assert said["key"] == {"source": "file", "place": str(home.key_file)}
    place.ok("status")


# Anchors.


def test_a_backup_is_proven_against_an_older_head(home: Home) -> None:
    older = home.directory / "older"
    older.write_text(home.ok("audit checkpoint").out)
    home.add(login="ann")
    path = backup(home)
    result = restore(home, path, "--against", str(older))
    assert (result.code, result.json["anchored"]) == (0, True)


def test_a_newer_head_proves_nothing_and_that_is_told(home: Home) -> None:
    path = backup(home)
    home.add(login="ann")
    newer = home.directory / "newer"
    newer.write_text(home.ok("audit checkpoint").out)
    result = restore(home, path, "--against", str(newer))
    assert (result.code, result.json["anchored"]) == (0, None)
    assert "not held against an anchor" in result.err


def test_a_head_that_the_backup_does_not_continue_is_exit_7(home: Home) -> None:
    head = home.ok("audit head --json").json
    home.add(login="ann")
    path = backup(home)
    false = home.directory / "false"
    false.write_text(json.dumps({**head, "root": hashlib.sha256(b"x").hexdigest()}))
    assert restore(home, path, "--against", str(false)).code == 7
    assert not (home.directory / "restored").exists()


def test_another_vaults_head_is_refused(home: Home, kept: tuple[Home, Path]) -> None:
    path = backup(home)
    other = home.directory / "other"
    for line in ("audit head --json", "audit checkpoint"):
        other.write_text(kept[0].ok(line).out)
        assert restore(home, path, "--against", str(other)).code == 2
    assert restore(home, path, "--against", "/nonexistent").code == 9
    other.write_text("garbage")
    assert restore(home, path, "--against", str(other)).code == 2
    assert not (home.directory / "restored").exists()


def test_the_anchor_of_the_settings_is_taken_by_itself(home: Home) -> None:
    anchors = home.directory / "anchors"
    home.ok(["config", "set", "audit.anchor", f"file:{anchors}"])
    home.ok("exp sweep")
    first = anchors.read_text()
    path = backup(home)
    assert restore(home, path, to="one").json["anchored"] is True
    anchors.write_text(first)
    assert restore(home, path, to="two").json["anchored"] is True
    false = json.loads(first)
    false.update(root=hashlib.sha256(b"x").hexdigest(), checkpoint=None)
    anchors.write_text(json.dumps(false) + "\n")
    assert restore(home, path, to="three").code == 7
    anchors.write_text("")
    assert restore(home, path, to="four").json["anchored"] is None


def test_a_backup_whose_trail_was_pruned_is_proven_from_there_on(home: Home) -> None:
    heads = []
    for number in range(6):
        home.add(login=f"u{number}")
        heads.append(home.ok("audit checkpoint").out)
        home.now += DAY
    home.ok("audit prune --before 3d --yes")
    path = backup(home)
    place = restored(home, path)
    assert place.ok("audit verify --json").json["pruned"] == 4
    head = home.directory / "head"
    head.write_text(heads[-1])
    assert restore(home, path, "--against", str(head), to="two").json["anchored"] is True
