"""A new key for a vault: it comes everywhere, or nowhere, whatever ends it and whoever looks on.

With BUNKERCTL_TORTURE set (`make torture`) a rotation is killed at each of its system calls that
changes something; otherwise at a sample of them.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bunkerctl import crypto, errors, files, keys, pages
from bunkerctl.directory import Header, read_header
from bunkerctl.store import schema
from bunkerctl.store.connection import Database
from conftest import Home, Result
from desktop import Desktop, log_in, needs_desktop
from killing import TORTURE, Step, first, interfered, killed, needs_strace, sample, steps
from refusals import check_refusal
from residue import found
from terminal import CODE, Terminal, on_terminal
from test_keyring import entries
from wholeness import check_whole, due_people, lines, made_now

NOBODY = 65534
IS_ROOT = os.geteuid() == 0
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # prctl(2), capabilities(7)
needs_modes = pytest.mark.skipif(
    IS_ROOT and sys.platform != "linux", reason="root may write everywhere"
)
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root can give files away")

ROTATE = "key rotate --no-recovery --json"
PATIENT = "--lock-wait 60s"
RECORD = {"login": "ann", "text": "whole"}
FIELDS = [
    "vault",
    "vault_id",
    "key_id",
    "old_key_id",
    "renewed",
    "stale",
    "recovery_at",
    "recovery_file",
    "changed",
]
OLD_COPIES = "destroy the former recovery code and other copies of the old key, which still open"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A vault with a person, a key file and a recovery code, in a directory of its own."""
    directory = tmp_path / "home"
    directory.mkdir()
    home = made_now(Home(directory))
    home.ok(f"key recovery create --recovery-file {directory}/old.code")
    home.add(**RECORD)
    return home


@pytest.fixture
def two_places(home: Home) -> Home:
    """The key of the vault is in `copy` too."""
    home.ok(f"key enroll file {home.directory}/copy")
    return home


def header(home: Home) -> Header:
    return read_header(str(home.vault))


def contents(home: Home) -> dict[str, object]:
    """Return every file of a home; of a database that the key opens, the rows but for the audit's.

    The attempt is an event there, so that other pages are written.
    """
    paths = (path for path in home.directory.rglob("*") if path.is_file())
    found: dict[str, object] = {
        str(path): path.read_bytes() for path in paths if "vault.db" not in path.name
    }
    try:
        db = home.database()
    except errors.IntegrityFailure:
        return {**found, "vault.db": (home.vault / "vault.db").read_bytes()}
    for table in schema.columns(db).keys() - {"audit", "tree", "wordings"}:
        found[table] = db.rows(f"SELECT * FROM {table}")
    db.close()
    return found


def waiting(home: Home) -> list[str]:
    return [path.name for path in home.directory.rglob("*.next")]


def key_texts(home: Home) -> dict[Path, bytes]:
    """Return every file outside of the vault that is a key."""
    outside = [path for path in home.directory.iterdir() if path.is_file()]
    return {path: text for path in outside if keys.looks_like_key(text := path.read_bytes()[:64])}


def opens(vault: Path, text: bytes) -> bool:
    """Tell whether the key with that text opens a database, whatever vault.json says."""
    vault_id = uuid.UUID(read_header(str(vault)).vault_id).bytes
    key = crypto.database_key(keys.parse(text, "a key"), vault_id)
    try:
        Database(str(vault / "vault.db"), key, 10.0).close()
    except errors.IntegrityFailure:
        return False
    return True


def outcomes(home: Home) -> list[str]:
    """Return how each rotation ended that the audit trail tells of."""
    events = home.ok("audit list --action key.rotate -o jsonl").out.splitlines()
    return [json.loads(event)["outcome"] for event in events]


def refused(home: Home, line: str, code: int, *words: str, **options: Any) -> Result:
    """Run a rotation that must be refused, and change nothing."""
    before = contents(home)
    line = f"key rotate --no-recovery {line}"
    result = home.process(line, **options) if options else home.run(line)
    check_refusal(result, code, *words)
    assert contents(home) == before
    assert home.ok("user get login:ann --json").json["data"] == RECORD
    return result


# Killed


class Before(NamedTuple):
    """What a rotation found: the key, as text, its id, and how many rotations there were."""

    key: bytes
    key_id: str
    rotations: int


def before_of(home: Home) -> Before:
    return Before(home.key_file.read_bytes(), header(home).key_id, len(outcomes(home)))


class Stage:
    """A home that is put back as it was; what is kept has a name of its own beside it."""

    def __init__(self, home: Home, name: str = "kept") -> None:
        self.home = home
        self._kept = home.directory.with_name(name)
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(home.directory, self._kept)

    def put_back(self) -> None:
        shutil.rmtree(self.home.directory)
        shutil.copytree(self._kept, self.home.directory)

    def steps(self, line: str) -> list[Step]:
        found = steps(self.home, line)
        self.put_back()
        return found

    def each(self, line: str, number: int, act: Callable[[Step], object]) -> None:
        """Act at each step, or so many, on the home as it was; tell all those that fail."""
        failures = []
        for step in sample(self.steps(line), number):
            try:
                act(step)
            except (AssertionError, errors.BunkerError) as error:
                failures.append(told(step, error))
            self.put_back()
        assert not failures, "\n\n".join(failures)


def told(step: Step, error: object) -> str:
    said = "\n".join(str(error).splitlines()[:5])
    return f"{step.name} {step.number}, {step.does[:100]}\n{said[:500]}"


def check_settled(home: Home, before: Before) -> bool:
    """Use a vault whose rotation was cut off; see that it is over, and tell whether it was done."""
    assert home.ok("user get login:ann --json").json["data"] == RECORD
    assert home.ok("audit verify --json").json["ok"] is True
    now = header(home)
    done = now.key_id != before.key_id
    assert now.succession is None
    assert waiting(home) == []
    assert [how for how in outcomes(home)[before.rotations :] if how == "ok"] == ["ok"] * done
    right = {place.place for place in now.places() if place.source == "file"}
    texts = {str(path): text for path, text in key_texts(home).items()}
    assert {texts[place] for place in right} == {home.key_file.read_bytes()[:64]}
    assert {place for place in texts if opens(home.vault, texts[place])} == right
    assert opens(home.vault, before.key) is not done
    check_recovery(home)
    return done


def check_recovery(home: Home) -> None:
    """See that the vault's recovery code, if it has one, is in one of the files."""
    codes = sorted(home.directory.glob("*.code"))
    tried = [home.run(f"key recovery verify --recovery-file {path}").code for path in codes]
    if header(home).recovery is None:
        assert set(tried) <= {13}
    else:
        assert sorted(tried) == [0, 12][: len(codes)]


@needs_strace
@pytest.mark.parametrize("recovery", ["--no-recovery", "--recovery-file {}/new.code"])
def test_a_rotation_killed_anywhere_is_finished_or_taken_back(home: Home, recovery: str) -> None:
    stage, before = Stage(home), before_of(home)
    line = f"key rotate {recovery.format(home.directory)}"

    def act(step: Step) -> None:
        killed(home, line, step)
        check_settled(home, before)

    stage.each(line, 22, act)


@needs_strace
@pytest.mark.parametrize("source", ["key", "copy"])
def test_with_two_places_either_of_them_is_enough_after_a_kill(
    two_places: Home, source: str
) -> None:
    stage, before = Stage(two_places), before_of(two_places)
    line = f"key rotate --recovery-file {two_places.directory}/new.code"

    def act(step: Step) -> None:
        two_places.environment["BUNKERCTL_KEY_FILE"] = str(two_places.key_file)
        killed(two_places, line, step)
        two_places.environment["BUNKERCTL_KEY_FILE"] = str(two_places.directory / source)
        check_settled(two_places, before)

    stage.each(line, 16, act)


@needs_strace
def test_what_finishes_a_killed_rotation_can_be_killed_too(two_places: Home) -> None:
    stage, line = Stage(two_places), "user get login:ann"
    before = before_of(two_places)

    def act(step: Step) -> None:
        killed(two_places, ROTATE, step)
        halfway = Stage(two_places, "halfway")
        later = halfway.steps(line)
        for second in later[::5] if TORTURE else [random.choice(later)]:
            killed(two_places, line, second)
            try:
                check_settled(two_places, before)
            except AssertionError as error:
                raise AssertionError(told(second, error)) from error
            halfway.put_back()

    stage.each(ROTATE, 8, act)


@needs_strace
def test_a_rotation_that_is_taken_back_is_told_once(home: Home) -> None:
    """The second kill comes before vault.json says that all is over."""
    into_wal = first(Stage(home).steps(ROTATE), "pwrite64", ", 4096, 56)")
    killed(home, ROTATE, into_wal)
    assert header(home).succession is not None
    killed(home, "user get login:ann", Step("linkat", 1, ""))
    assert header(home).succession is not None
    home.ok("user get login:ann")
    assert outcomes(home) == ["failed"]


@needs_strace
def test_many_that_come_after_a_kill_all_get_in(two_places: Home) -> None:
    stage, before = Stage(two_places), before_of(two_places)

    def act(step: Step) -> None:
        killed(two_places, ROTATE, step)
        with ThreadPoolExecutor(4) as pool:
            line = f"user get login:ann {PATIENT}"
            jobs = [pool.submit(two_places.process, line) for _ in range(4)]
        assert [job.result().code for job in jobs] == [0] * 4
        check_settled(two_places, before)

    stage.each(ROTATE, 4, act)


@needs_strace
def test_after_a_kill_a_recovery_code_alone_is_enough(two_places: Home) -> None:
    """Every key file is gone, the waiting ones too."""
    stage = Stage(two_places)
    line = f"key rotate --recovery-file {two_places.directory}/new.code"

    def act(step: Step) -> None:
        killed(two_places, line, step)
        for path in key_texts(two_places):
            path.unlink()
        codes = sorted(two_places.directory.glob("*.code"))
        tried = [two_places.run(f"key restore --recovery-file {path}").code for path in codes]
        assert tried.count(0) == 1, tried
        assert two_places.ok("user get login:ann --json").json["data"] == RECORD
        assert two_places.ok("audit verify --json").json["ok"] is True
        check_recovery(two_places)

    stage.each(line, 8, act)


@needs_strace
@needs_desktop
def test_a_rotation_in_the_keyring_killed_anywhere_is_finished_or_taken_back(bare: Home) -> None:
    with Desktop() as desktop:
        assert log_in(bare, desktop).process("init").code == 0
        assert bare.process("user add", json.dumps(RECORD).encode()).code == 0
        for step in sample(steps(bare, ROTATE), 8):
            before, rotations = header(bare).key_id, check_in_keyring(bare, desktop)
            killed(bare, ROTATE, step)
            got = bare.process("user get login:ann --json")
            assert (got.code, got.out and got.json["data"]) == (0, RECORD), told(step, got)
            now = check_in_keyring(bare, desktop)[len(rotations) :]
            assert ("ok" in now) is (header(bare).key_id != before), told(step, got)
            assert len(now) <= 1, told(step, got)


def check_in_keyring(home: Home, desktop: Desktop) -> list[str]:
    """See that the keyring has one key, which opens the vault; return how its rotations ended."""
    now = header(home)
    assert now.succession is None
    mine = {name: text for name, text in entries(desktop).items() if now.vault_id in name}
    assert list(mine) == [now.vault_id]
    home.key_file.write_bytes(mine[now.vault_id])
    home.key_file.chmod(0o600)
    assert home.ok(f"audit verify --json --key-file {home.key_file}").json["ok"] is True
    listed = home.ok(f"audit list --action key.rotate --json --key-file {home.key_file}").json
    return [event["outcome"] for event in listed]


@needs_desktop
def test_a_rotation_killed_while_the_keyring_is_silent_bars_nobody(home: Home) -> None:
    with Desktop() as desktop:
        home.environment["DBUS_SESSION_BUS_ADDRESS"] = desktop.environment[
            "DBUS_SESSION_BUS_ADDRESS"
        ]
        assert home.process("key enroll keyring").code == 0
        desktop.freeze()
        with home.spawn(f"{ROTATE} --keyring-timeout 2s") as process:
            time.sleep(1)
            process.kill()
            process.communicate(timeout=60)
        assert home.process("user get login:ann").code == 0


# Stopped, and refused by the disk


@needs_strace
@pytest.mark.parametrize("how", ["signal=TERM", "error=ENOSPC", "error=EIO"])
def test_a_rotation_that_is_stopped_says_so_and_leaves_a_vault_that_opens(
    home: Home, how: str
) -> None:
    """A recovery code that opens nothing does not stay behind, and no error says the untrue."""
    stage, before = Stage(home), before_of(home)
    code = home.directory / "new.code"
    line = f"key rotate --json --recovery-file {code}"
    allowed = (0, 143) if how == "signal=TERM" else (0, 9, 16, 74)

    def act(step: Step) -> None:
        result = interfered(home, line, step, how)
        assert result.code in allowed, result
        over = header(home).succession is None
        there = code.exists()
        done = check_settled(home, before)
        assert there is done or not over, result
        assert not (done and "was not made" in result.err), result

    stage.each(line, 12, act)


@needs_strace
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_disk_that_refuses_from_some_write_on_leaves_a_vault_that_opens(
    home: Home, error: str
) -> None:
    stage, before = Stage(home), before_of(home)

    def act(step: Step) -> None:
        result = interfered(home, ROTATE, step, f"error={error}", on=True)
        assert result.code in (0, 9, 16, 74), result
        check_settled(home, before)

    stage.each(ROTATE, 8, act)


@pytest.mark.parametrize("room", [40_000, 60_000])
def test_without_room_for_the_pages_the_old_key_stays(home: Home, room: int) -> None:
    """The limit is above what the other files need, and below the size of the WAL."""
    before = before_of(home)
    limit = (resource.RLIMIT_FSIZE, (room, room))
    code = home.directory / "new.code"
    result = home.process(
        f"key rotate --recovery-file {code}",
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(*limit),
    )
    check_refusal(result, 9)
    assert not code.exists()
    assert header(home).succession is None
    assert waiting(home) == []
    assert check_settled(home, before) is False
    assert outcomes(home) == ["failed"]


def test_a_disk_with_too_little_room_is_told_before_anything_is_written(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if (
        not shutil.which("mount")
        or subprocess.run(words, capture_output=True, check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    try:
        home = made_now(Home(small))
        home.add(**RECORD)
        refused(home, "", 9, "0 MB are needed, 0 MB are free")
        assert outcomes(home) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


# The old key and old copies


def test_what_was_copied_before_opens_with_the_old_key_alone(home: Home) -> None:
    old_key = home.directory / "kept"
    shutil.copy2(home.key_file, old_key)
    old_vault = home.directory / "elsewhere" / "old"
    shutil.copytree(home.vault, old_vault)
    rotated = home.ok(ROTATE)
    assert OLD_COPIES in rotated.err
    copied = ["user", "get", "login:ann", "--json", "--vault", str(old_vault)]
    check_refusal(home.run(copied[:3] + copied[4:]), 12, rotated.json["old_key_id"])
    opened = home.ok([*copied, "--key-file", str(old_key)])
    assert opened.json["data"] == RECORD
    check_refusal(home.run(["status", "--key-file", str(old_key)]), 12, rotated.json["key_id"])
    assert opens(old_vault, old_key.read_bytes())
    assert not opens(home.vault, old_key.read_bytes())


def genuine(vault: Path, key: bytes) -> list[bool]:
    """Tell of each page of a database and its WAL whether it was encrypted under a key.

    A page ends with HMAC-SHA512 over its content, its IV and its number
    (https://www.zetetic.net/sqlcipher/design/).
    """
    database = (vault / "vault.db").read_bytes()
    wal = (vault / "vault.db-wal").read_bytes() if (vault / "vault.db-wal").exists() else b""
    numbered = [
        (at // pages.PAGE + 1, database[at : at + pages.PAGE])
        for at in range(0, len(database), pages.PAGE)
    ]
    step = pages.FRAME_HEADER + pages.PAGE
    numbered += [
        (int.from_bytes(wal[at : at + 4], "big"), wal[at + pages.FRAME_HEADER : at + step])
        for at in range(pages.WAL_HEADER, len(wal), step)
    ]
    salt = bytes(byte ^ 0x3A for byte in database[: pages.SALT])
    hmac_key = hashlib.pbkdf2_hmac("sha512", key, salt, 2, 32)

    def signed_with_it(number: int, page: bytes) -> bool:
        signed = page[pages.SALT if number == 1 else 0 : pages.PAGE - pages.RESERVE + 16]
        mac = hmac.digest(hmac_key, signed + number.to_bytes(4, "little"), "sha512")
        return hmac.compare_digest(mac, page[-64:])

    return [signed_with_it(number, page) for number, page in numbered]


def test_no_page_is_left_under_the_old_key(home: Home) -> None:
    """Pages that are free, too."""
    home.ok("user import -", lines(1500))
    due_people(home, 500)
    home.ok("exp sweep --max-deletes 500")
    old = home.database_key()
    assert set(genuine(home.vault, old)) == {True}
    home.ok(ROTATE)
    db = home.database()  # while it is open the WAL stays
    home.ok("user get login:ann")
    assert (home.vault / "vault.db-wal").stat().st_size
    assert len(list(pages.decrypted(str(home.vault), old))) > 200
    assert set(genuine(home.vault, home.database_key())) == {True}
    assert set(genuine(home.vault, old)) == {False}
    db.close()
    check_whole(home)


def test_what_was_erased_stays_gone_among_many_people(home: Home) -> None:
    home.ok("user import -", lines(3000))
    home.add(login="gone", text="ERASED " * 50)
    assert found(home, b"ERASED")
    home.ok("user forget gone --yes")
    old = home.database_key()
    for _ in range(2):
        home.ok(ROTATE)
        assert home.database_key() != old
        assert found(home, b"ERASED") == []
        assert not any(
            b"ERASED" in content for _, _, content in pages.decrypted(str(home.vault), old)
        )
    assert home.ok("status --json").json["users"] == 3001
    check_whole(home)


# The answer


def test_the_answer_has_every_field(two_places: Home) -> None:
    before = header(two_places)
    new = two_places.directory / "new.code"
    answer = two_places.ok(f"key rotate --json --recovery-file {new}").json
    after = header(two_places)
    assert list(answer) == FIELDS
    assert answer["vault"] == str(two_places.vault)
    assert answer["vault_id"] == before.vault_id == after.vault_id
    assert (answer["old_key_id"], answer["key_id"]) == (before.key_id, after.key_id)
    places = (two_places.key_file, two_places.directory / "copy")
    assert answer["renewed"] == [f"the key file {place}" for place in places]
    assert (answer["stale"], answer["changed"]) == ([], True)
    assert answer["recovery_file"] == str(new)
    verified = two_places.ok(f"key recovery verify --recovery-file {new} --json").json
    assert answer["recovery_at"] == verified["recovery_at"]
    check_settled(two_places, Before(b"0" * 64, before.key_id, 0))


def test_a_vault_can_be_rotated_again_and_again(two_places: Home) -> None:
    ids, texts = [header(two_places).key_id], {two_places.key_file.read_bytes()}
    for _ in range(3):
        answer = two_places.ok(ROTATE).json
        assert answer["old_key_id"] == ids[-1]
        ids.append(answer["key_id"])
        texts.add(two_places.key_file.read_bytes())
    assert len(set(ids)) == len(texts) == 4
    listed = two_places.ok("audit list --action key.rotate -o jsonl").out.splitlines()
    shown = [two_places.ok(f"audit show {json.loads(event)['seq']}").out for event in listed]
    assert [key_id in event for key_id, event in zip(ids[1:], shown, strict=True)] == [True] * 3
    assert answer["recovery_at"] is answer["recovery_file"] is None
    old_code = two_places.directory / "old.code"
    check_refusal(two_places.run(f"key recovery verify --recovery-file {old_code}"), 13)
    check_whole(two_places)


def test_two_ways_to_one_key_file_are_one_place(home: Home) -> None:
    (home.directory / "way").symlink_to(home.directory)
    answer = home.ok(["key", "rotate", "--json", "--key-file", f"{home.directory}/way/key"])
    assert answer.json["stale"] == []
    assert "not renewed" not in answer.err


# Others meanwhile


def test_other_commands_during_rotations_wait_and_lose_nothing(home: Home) -> None:
    over = threading.Event()
    told: list[Result] = []

    def add(worker: int) -> list[str]:
        names: list[str] = []
        while not over.is_set():
            names.append(f"w{worker}n{len(names)}")
            told.append(home.process(f"user add login={names[-1]} {PATIENT}"))
        return names

    def look() -> None:
        while not over.is_set():
            told.append(home.process(f"user get login:ann {PATIENT}"))
            told.append(home.process(f"exp sweep {PATIENT}"))
            hasty = home.process("user get login:ann --lock-wait 0s")
            if hasty.code != 11:
                told.append(hasty)

    turns = 30 if TORTURE else 6
    with ThreadPoolExecutor(3) as pool:
        adding = [pool.submit(add, worker) for worker in range(2)]
        looking = pool.submit(look)
        try:
            for _ in range(turns):
                told.append(home.process(f"{ROTATE} {PATIENT}"))
        finally:
            over.set()
        names = [name for job in adding for name in job.result()]
        looking.result()
    assert {result.code for result in told} == {0}, [one for one in told if one.code]
    assert outcomes(home) == ["ok"] * turns
    listed = home.ok("user list --reveal -o jsonl").out.splitlines()
    kept = {json.loads(line)["data"]["login"] for line in listed}
    assert kept == {"ann", *names}
    check_whole(home)


def test_a_rotation_waits_for_a_long_reader_and_gives_up(home: Home) -> None:
    home.ok("user import -", lines(3000))
    with home.spawn("export --all --yes") as reader:
        assert reader.stdout is not None
        assert select.select([reader.stdout], [], [], 60)[0]
        before = contents(home)
        result = home.run(f"{ROTATE} --lock-wait 0s")
        assert (result.code, result.out, result.error["code"]) == (11, "", "busy")
        check_refusal(home.run(f"key rotate --recovery-file {home.directory}/c --lock-wait 0s"), 11)
        assert contents(home) == before
        with home.spawn(f"{ROTATE} {PATIENT}") as patient:
            out, _ = reader.communicate(timeout=60)
            patient.communicate(timeout=60)
    assert (reader.returncode, len(out.splitlines())) == (0, 3001)
    assert (patient.returncode, outcomes(home)) == (0, ["ok"])


def test_of_two_rotations_at_once_both_are_done(two_places: Home) -> None:
    running = [two_places.spawn(f"{ROTATE} {PATIENT}") for _ in range(3)]
    answers = []
    for process in running:
        with process:
            out, err = process.communicate(timeout=60)
        answers.append(Result(process.returncode, out, err).json)
    ids = {answer["key_id"] for answer in answers}
    assert len(ids | {answer["old_key_id"] for answer in answers}) == 4
    assert header(two_places).key_id in ids
    check_whole(two_places)


# Refused


@pytest.mark.parametrize("source", ["command", "fd", "credential"])
def test_a_key_from_where_none_can_be_put_is_not_rotated(home: Home, source: str) -> None:
    del home.environment["BUNKERCTL_KEY_FILE"]
    if source == "credential":
        folder = home.directory / "credentials"
        folder.mkdir()
        shutil.copy2(home.key_file, folder / "bunkerctl-key")
        home.environment["CREDENTIALS_DIRECTORY"] = str(folder)
        refused(home, "", 2, "source that cannot take a new one")
    elif source == "command":
        refused(home, f"--key-command 'cat {home.key_file}'", 2, "cannot take a new one")
    else:
        with home.key_file.open("rb") as key:
            refused(home, f"--key-fd {key.fileno()}", 2, "cannot take a new one")


@pytest.mark.parametrize("who", ["this", "other"])
@pytest.mark.parametrize("where", ["beside", "elsewhere/vault", "link"])
def test_the_key_file_of_another_vault_stays_as_it_is(home: Home, where: str, who: str) -> None:
    """Until one of the two has a file of its own. This one may be reached by a link, too."""
    mine = home.vault
    if where == "link":
        mine = home.directory / "links" / "vault"
        mine.parent.mkdir()
        mine.symlink_to(home.vault)
    other = home.directory / where.replace("link", "beside")
    home.ok(f"init --vault {other}")
    err = refused(home, f"--vault {mine}", 5, "same file").err
    assert "key enroll" in err.splitlines()[1]
    assert str(other) in err or read_header(str(other)).vault_id in err
    moves = {"this": mine, "other": other}[who]
    home.ok(f"key enroll file {home.directory}/own --default --vault {moves}")
    del home.environment["BUNKERCTL_KEY_FILE"]
    assert home.ok(f"{ROTATE} --vault {mine}").json["stale"] == []
    for vault in (home.vault, other):
        home.ok(f"status --vault {vault}")


def test_a_key_file_is_still_known_to_be_shared_after_an_enrolment_that_failed(home: Home) -> None:
    home.ok(f"init --vault {home.directory}/elsewhere/vault")
    failed = home.run(f"key enroll file {home.key_file}/below --default")
    check_refusal(failed, 13)
    refused(home, f"--vault {home.directory}/elsewhere/vault", 5, "same file")


@pytest.mark.parametrize("line", ["", "--default"])
def test_a_key_file_that_is_enrolled_again_is_still_known_to_be_shared(
    home: Home, line: str
) -> None:
    home.ok(f"init --vault {home.directory}/elsewhere/vault")
    home.ok(f"key enroll file {home.key_file} {line}")
    refused(home, "", 5, "same file")
    refused(home, f"--vault {home.directory}/elsewhere/vault", 5, "same file")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(lambda copy: copy.chmod(0o644), 13), (lambda copy: copy.write_bytes(b"0" * 64), 12)],
    ids=["unreadable", "another key"],
)
def test_a_copy_that_cannot_be_renewed_stops_the_rotation_unless_it_may_be_left(
    two_places: Home, spoil: Callable[[Path], object], code: int
) -> None:
    copy = two_places.directory / "copy"
    spoil(copy)
    spoilt = copy.read_bytes()
    err = refused(two_places, "", code).err
    assert "--skip-unreachable" in err and str(copy) in err
    left = two_places.ok(f"{ROTATE} --skip-unreachable")
    assert left.json["renewed"] == [f"the key file {two_places.key_file}"]
    assert left.json["stale"] == [f"the key file {copy}"]
    assert f"not renewed: the key file {copy}" in left.err
    assert copy.read_bytes() == spoilt
    assert [place.place for place in header(two_places).copies] == [str(copy)]
    assert waiting(two_places) == []


def test_a_copy_that_was_deleted_is_forgotten(two_places: Home) -> None:
    copy = two_places.directory / "copy"
    copy.unlink()
    left = two_places.ok(ROTATE)
    assert left.json["stale"] == []
    assert f"no longer there, and forgotten: the key file {copy}" in left.err
    assert header(two_places).copies == ()
    assert not copy.exists()
    assert "forgotten" not in two_places.ok(ROTATE).err


def test_a_place_that_takes_no_new_key_stops_the_rotation(two_places: Home) -> None:
    """A directory has the name that the new key would wait under."""
    (two_places.directory / "copy.next").mkdir()
    refused(two_places, "", 5, "copy.next")
    assert outcomes(two_places) == []


def test_a_damaged_database_is_not_rotated(home: Home) -> None:
    home.ok("user import -", lines(300))
    path = home.vault / "vault.db"
    content = bytearray(path.read_bytes())
    content[-2000] ^= 1
    path.write_bytes(content)
    before = contents(home)
    check_refusal(home.run("key rotate --no-recovery"), 7, "damaged")
    assert contents(home) == before


def test_a_recovery_file_that_is_there_stays_as_it_is(home: Home) -> None:
    before = contents(home)
    result = home.run(f"key rotate --recovery-file {home.directory}/old.code")
    check_refusal(result, 5, "old.code exists")
    assert contents(home) == before


def test_a_recovery_code_that_is_not_typed_back_stops_the_rotation(home: Home) -> None:
    before = contents(home)
    code, shown = on_terminal(home, "key rotate", 100, b"nonsense\n" * 3)
    assert code == 6
    assert "not typed back: nothing was changed" in shown
    assert outcomes(home) == ["failed"]
    assert contents(home) == before
    check_recovery(home)


def test_a_recovery_code_that_is_typed_back_is_the_new_keys(home: Home) -> None:
    with Terminal(home, "key rotate") as terminal:
        code = terminal.see(CODE)
        terminal.type(f"{code[-4:].lower()}\n")
        assert terminal.end() == 0
    verified = home.ok("key recovery verify --recovery-file - --json", code).json
    assert verified["key_id"] == header(home).key_id
    old = home.run(f"key recovery verify --recovery-file {home.directory}/old.code")
    check_refusal(old, 12)


@pytest.mark.parametrize("leave", ["\x03", "\x04\x04\x04", ""], ids=["ctrl-c", "ctrl-d", "hang-up"])
def test_who_leaves_at_the_recovery_code_changes_nothing(home: Home, leave: str) -> None:
    before = contents(home)
    with Terminal(home, "key rotate") as terminal:
        terminal.see("Type its last group")
        assert waiting(home)
        if leave:
            terminal.type(leave)
            assert terminal.end() == {"\x03": 130}.get(leave, 6)
        else:
            terminal.hang_up()
            assert terminal.process.wait(timeout=60) == 129
    assert contents(home) == before


def test_a_rotation_that_another_bars_leaves_no_recovery_file(home: Home) -> None:
    """A backup may have that lock."""
    new = home.directory / "new.code"
    before = contents(home)
    with files.locked(str(home.vault / "vault.lock"), 0.0):
        check_refusal(home.run(f"key rotate --recovery-file {new} --lock-wait 0s"), 11)
    assert contents(home) == before


def test_what_a_killed_process_of_the_same_number_left_bars_nobody(home: Home) -> None:
    """In a container a command always has the same process number."""
    for place in (home.vault / "vault.json", Path(f"{home.key_file}.next")):
        place.with_name(f".{place.name}.{os.getpid()}.tmp").touch()
    home.ok(ROTATE)


# Places that refuse to be written


def obey_modes() -> None:
    """Let root's new process heed the modes of files: it loses CAP_DAC_OVERRIDE."""
    if IS_ROOT:
        assert ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) == 0


@pytest.fixture
def locked_away(home: Home) -> Iterator[Home]:
    """The key of the vault is in `keys`, whose mode `obey_modes` makes the program heed."""
    folder = home.directory / "keys"
    folder.mkdir(0o700)
    home.key_file = home.key_file.rename(folder / "key")
    home.environment["BUNKERCTL_KEY_FILE"] = str(home.key_file)
    home.ok(f"key enroll file {home.key_file} --default")
    yield home
    folder.chmod(0o700)


@needs_modes
def test_a_key_file_in_a_read_only_directory_is_not_rotated(locked_away: Home) -> None:
    locked_away.key_file.parent.chmod(0o500)
    refused(locked_away, "", 9, str(locked_away.key_file), preexec_fn=obey_modes)
    assert outcomes(locked_away) == ["failed"]


def pass_by(home: Home) -> tuple[bytes, bytes]:
    """Let the key wait at its place, as if it could not be put there; return both, old first."""
    old = home.key_file.read_bytes()
    home.ok(ROTATE)
    new = home.key_file.read_bytes()
    home.key_file.rename(f"{home.key_file}.next")
    home.key_file.write_bytes(old)
    home.key_file.chmod(0o600)
    return old, new


@pytest.mark.parametrize("line", ["user get login:ann", "status", "exp sweep", ROTATE])
def test_a_key_that_could_not_take_its_place_does_so_at_the_next_use(home: Home, line: str) -> None:
    old, new = pass_by(home)
    home.ok(line)
    assert waiting(home) == []
    assert home.key_file.read_bytes() != old
    assert (home.key_file.read_bytes() == new) is (line != ROTATE)
    assert home.ok("user get login:ann --json").json["data"] == RECORD
    check_whole(home)


@needs_modes
def test_a_key_that_waits_in_a_read_only_directory_is_used(locked_away: Home) -> None:
    old, new = pass_by(locked_away)
    locked_away.key_file.parent.chmod(0o500)
    for line in ("user get login:ann", "user add login=bob", "exp sweep"):
        assert locked_away.process(line, preexec_fn=obey_modes).code == 0
    assert locked_away.key_file.read_bytes() == old
    locked_away.key_file.parent.chmod(0o700)
    assert locked_away.process("user get login:bob", preexec_fn=obey_modes).code == 0
    assert (locked_away.key_file.read_bytes(), waiting(locked_away)) == (new, [])


def test_a_key_that_waits_and_is_another_one_is_a_wrong_key(home: Home) -> None:
    pass_by(home)
    Path(f"{home.key_file}.next").write_bytes(b"0" * 64)
    before = contents(home)
    result = home.run("user get login:ann")
    assert (result.code, result.out) == (12, "")
    assert contents(home) == before


# Root


@as_root
@pytest.mark.parametrize("stopped", [False, pytest.param(True, marks=needs_strace)])
def test_what_root_rotates_stays_its_owners(two_places: Home, stopped: bool) -> None:
    mine = [two_places.key_file, two_places.directory / "copy", two_places.vault]
    if stopped:
        half = first(Stage(two_places).steps(ROTATE), "rename", '/copy.next", ')
    modes = {}
    for path in (*mine, *two_places.vault.iterdir()):
        os.chown(path, NOBODY, NOBODY)
        modes[path] = path.stat().st_mode
    if stopped:
        killed(two_places, ROTATE, half)
    else:
        two_places.ok(ROTATE)
    two_places.ok("user get login:ann")
    assert outcomes(two_places)
    assert waiting(two_places) == []
    for path in (*mine, *two_places.vault.iterdir()):
        found = path.stat()
        assert (found.st_uid, found.st_gid, found.st_mode) == (NOBODY, NOBODY, modes[path]), path
