"""What `doctor` finds: each fault by its name, and nothing wrong with a good vault."""

from __future__ import annotations

import csv
import fcntl
import io
import itertools
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import diagnosis, errors, pages
from conftest import DAY, EXECUTABLE, Home, Result
from desktop import Desktop, needs_desktop
from wholeness import made_now, reader, reworded

CHECKS = [
    *("environment", "vault", "place", "permissions", "disk", "recovery"),
    *("key", "database", "clock", "audit", "erasures", "sweep"),
]
FIELDS = ["check", "level", "message", "hint", "code", "exit_code"]
CANARY = "canary"
RECORD = {
    "email": f"{CANARY}@example.com",
    "name": f"{CANARY.title()} Miller",
    "notes": f"{CANARY} " * 2_000,
}
NOBODY = 65534
PAGE = 4096
OTHER_KEY = "0123456789abcdef" * 4 + "\n"
SIDE_FILES = ("vault.db-wal", "vault.db-shm")

Finding = dict[str, Any]
Damage = Callable[[Home], object]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")


@pytest.fixture(autouse=True)
def private_files() -> Iterator[None]:
    """Files are the owner's alone, as the program's own process has it."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def filled(home: Home) -> Home:
    """Give a new vault what it needs for nothing to be wrong with it, and one person."""
    home.ok(f"key recovery create --recovery-file {home.directory}/code")
    home.add(**RECORD)
    home.ok("exp sweep")
    return home


@pytest.fixture
def good(home: Home) -> Home:
    return filled(home)


@pytest.fixture
def present(bare: Home) -> Home:
    """As `good`, with the clock that processes read."""
    return filled(made_now(bare))


def examined(result: Result, code: int) -> list[Finding]:
    """Check what holds of every `doctor --json`; return what it found."""
    assert result.code == code, result
    findings: list[Finding] = result.json
    assert CANARY not in (result.out + result.err).lower()
    for one in findings:
        assert list(one) == FIELDS
        assert one["level"] in ("ok", "note", "warning", "error")
        assert one["check"] in (*CHECKS, "keyring")
        assert one["message"]
        assert (one["code"] is None) == (one["exit_code"] is None) == (one["level"] != "error")
    codes = [one["exit_code"] for one in findings if one["level"] == "error"]
    if code == 0:
        notes = [line for line in result.err.splitlines() if "a rotation of the key" not in line]
        assert (codes, notes) == ([], [])
    else:
        assert code == min(codes, key=diagnosis.GRAVITY.index), result
        assert len(result.err.splitlines()) == 1, result
        told = [(one["exit_code"], one["message"], one["hint"]) for one in findings]
        assert (code, result.error["message"], result.error["hint"]) in told, result
    return findings


def doctor(home: Home, code: int = 0, options: str = "") -> list[Finding]:
    return examined(home.run(f"doctor --json {options}"), code)


def of(findings: list[Finding], check: str) -> list[Finding]:
    return [one for one in findings if one["check"] == check]


def wrong(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one["level"] in ("warning", "error")]


def levels(findings: list[Finding]) -> dict[str, str]:
    """Return the checks that found something, and how grave."""
    return {one["check"]: one["level"] for one in wrong(findings)}


def state(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of every file, but for what SQLite has beside its own."""
    modes = {path: path.lstat().st_mode for path in (directory, *directory.rglob("*"))}
    return {
        str(path): (mode, path.read_bytes() if stat.S_ISREG(mode) else b"")
        for path, mode in modes.items()
        if path.name not in SIDE_FILES
    }


# A good vault


def test_a_good_vault_passes_every_check(good: Home) -> None:
    findings = doctor(good)
    assert [one["check"] for one in findings] == CHECKS
    assert {one["level"] for one in findings} == {"ok"}


def test_what_is_no_fault_is_a_warning_and_leaves_the_exit_code(home: Home) -> None:
    """A new vault has no recovery code, and no sweep has been there."""
    assert levels(doctor(home)) == {"recovery": "warning", "sweep": "warning"}


def test_every_form_shows_the_same(good: Home) -> None:
    (good.vault / "vault.db").chmod(0o644)  # something with a hint

    def rows(findings: list[list[str]]) -> list[list[str]]:
        return [row for row in findings if row[0] != "disk"]  # which others write to meanwhile

    as_json = [[one[name] or "" for name in FIELDS] for one in doctor(good)]
    as_csv = list(csv.reader(io.StringIO(good.ok("doctor -o csv").out)))
    assert as_csv[0] == FIELDS
    assert rows(as_csv[1:]) == rows(as_json)
    as_plain = [line.split("\t") for line in good.ok("doctor").out.splitlines()]
    assert rows(as_plain) == rows(as_json)
    as_lines = [json.loads(line) for line in good.ok("doctor -o jsonl").out.splitlines()]
    assert rows([[one[name] or "" for name in FIELDS] for one in as_lines]) == rows(as_json)
    table = good.ok("doctor -o table").out.splitlines()
    told = [line.split()[:2] for line in table[:-1] if not line.startswith(" ")]
    assert told == [row[:2] for row in as_json]
    assert table[-1] == f"{len(as_json)} findings"
    for row in as_json:
        assert any(row[3] in line for line in table)


@pytest.mark.parametrize("form", ["table", "plain", "csv", "json", "jsonl"])
def test_in_every_form_the_list_is_on_stdout_and_one_error_on_stderr(good: Home, form: str) -> None:
    good.key_file.unlink()
    result = good.run(f"doctor -o {form}")
    assert result.code == 13
    assert "environment" in result.out and "is missing" in result.out
    lines = result.err.splitlines()
    if form.startswith("json"):
        assert (len(lines), result.error["code"]) == (1, "key_unavailable")
    else:
        assert [line.split()[1] for line in lines] == ["error:", "hint:"]


def test_nothing_personal_is_shown_even_when_it_is_asked_for_more(good: Home) -> None:
    good.ok(f"user hold {RECORD['email']} --reason '{CANARY} case'")
    for form in ("table", "plain", "csv", "json", "jsonl"):
        result = good.ok(f"doctor -o {form} --debug")
        assert CANARY not in (result.out + result.err).lower()
        assert good.key_file.read_text().strip() not in result.out + result.err


def test_nothing_is_changed_and_no_event_written(good: Home) -> None:
    head = good.ok("audit head --json").json
    before = state(good.directory)
    for _ in range(2):
        doctor(good)
    assert state(good.directory) == before
    assert good.ok("audit head --json").json == head


def test_of_a_killed_command_only_the_wal_is_put_in_its_place(good: Home) -> None:
    copy = good.directory / "copy"
    with reader(good):
        good.add(login="late")
        shutil.copytree(good.vault, copy)
    assert (copy / "vault.db-wal").stat().st_size
    good.environment["BUNKERCTL_VAULT"] = str(copy)
    kept = [copy / "vault.json", good.key_file]
    before = [path.read_bytes() for path in kept]
    doctor(good)
    assert [path.read_bytes() for path in kept] == before
    wal = copy / "vault.db-wal"
    assert not wal.exists() or wal.stat().st_size == 0
    events = good.ok("audit list -o jsonl").out.splitlines()
    assert json.loads(events[-1])["action"] == "user.add"
    good.ok("user get login:late")


# No vault


@pytest.mark.parametrize("place", ["nowhere", "file", "empty"])
def test_without_a_vault_the_machine_is_examined_and_its_keyrings(bare: Home, place: str) -> None:
    (bare.directory / "file").write_text(CANARY)
    (bare.directory / "empty").mkdir()
    bare.environment["BUNKERCTL_VAULT"] = str(bare.directory / place)
    before = state(bare.directory)
    findings = doctor(bare, 10)
    checks = [one["check"] for one in findings]
    assert (checks[0], checks[-1], set(checks[1:-1])) == ("environment", "vault", {"keyring"})
    assert {one["level"] for one in of(findings, "keyring")} == {"note"}
    assert "bunkerctl init" in findings[-1]["hint"]
    assert state(bare.directory) == before


# Faults


class Fault:
    """What is done to a good vault, and what must come of it: in which check, with which words."""

    def __init__(self, code: int, check: str, damage: Damage, *words: str) -> None:
        self.code = code
        self.check = check
        self.damage = damage
        self.words = words


def mode(name: str, bits: int) -> Damage:
    return lambda home: (home.vault / name).chmod(bits)


def linked(home: Home) -> None:
    database = home.vault / "vault.db"
    database.symlink_to(database.rename(home.directory / "elsewhere"))


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def flipped(page: int) -> Damage:
    return lambda home: flip(home.vault / "vault.db", page * PAGE - 2_000)


def page_of_the_record(home: Home) -> int:
    """Return the number of a page that nothing but the record is on."""
    written = pages.decrypted(str(home.vault), home.database_key())
    return max(number for _, number, content in written if content.count(CANARY.encode()) > 99)


def in_the_record(home: Home) -> None:
    flipped(page_of_the_record(home))(home)


def cut(size: int) -> Damage:
    """Leave the first bytes of the database, or all but the last ones."""

    def shortened(home: Home) -> None:
        content = (home.vault / "vault.db").read_bytes()
        (home.vault / "vault.db").write_bytes(content[:size])

    return shortened


def cut_in_a_record(home: Home) -> None:
    home.add(login="long", text="x" * 3 * PAGE)
    cut(-100)(home)


def appended(extra: bytes) -> Damage:
    def longer(home: Home) -> None:
        with (home.vault / "vault.db").open("ab") as file:
            file.write(extra)

    return longer


def written(name: str, content: bytes) -> Damage:
    return lambda home: (home.vault / name).write_bytes(content)


def sql(*statements: str) -> Damage:
    def run(home: Home) -> None:
        with closing(home.database()) as db:
            for statement in statements:
                db.run(statement)

    return run


def header(**changes: object) -> Damage:
    def altered(home: Home) -> None:
        path = home.vault / "vault.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))

    return altered


def later(seconds: int) -> Damage:
    def moved(home: Home) -> None:
        home.now += seconds

    return moved


def back_from_tomorrow(home: Home) -> None:
    home.now += DAY
    home.add(login="late")
    home.now -= DAY


def other_key(home: Home) -> None:
    home.key_file.write_text(OTHER_KEY)


def enrolled(then: Callable[[Path], object]) -> Damage:
    def done(home: Home) -> None:
        path = home.directory / "sweep.key"
        home.ok(f"key enroll file {path}")
        then(path)

    return done


def erased(then: Callable[[Path], object]) -> Damage:
    def done(home: Home) -> None:
        home.ok(f"user forget {RECORD['email']} --yes")
        then(home.vault / "erasures.jsonl")

    return done


ALTERED = reworded(2, "replace(text, '.', '-')")
NEWEST = "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)"
FAULTS: dict[str, Fault] = {
    # The key
    "key missing": Fault(13, "key", lambda home: home.key_file.unlink(), "key is missing"),
    "key readable": Fault(13, "key", lambda home: home.key_file.chmod(0o644), "read by others"),
    "key malformed": Fault(13, "key", lambda h: h.key_file.write_text("x"), "not a master key"),
    "key of another": Fault(12, "key", other_key, "not this vault's"),
    "copy missing": Fault(0, "key", enrolled(Path.unlink), "sweep.key", "missing"),
    "copy of another": Fault(
        0, "key", enrolled(lambda path: path.write_text(OTHER_KEY)), "sweep.key", "not this vault's"
    ),
    # Permissions
    "directory 0755": Fault(0, "permissions", mode("", 0o755), "vault can be read by others"),
    "directory 0777": Fault(9, "permissions", mode("", 0o777), "vault can be written by others"),
    "database 0644": Fault(0, "permissions", mode("vault.db", 0o644), "vault.db", "read by"),
    "database 0666": Fault(9, "permissions", mode("vault.db", 0o666), "vault.db", "written by"),
    "header 0660": Fault(9, "permissions", mode("vault.json", 0o660), "vault.json", "written by"),
    "database linked": Fault(9, "permissions", linked, "vault.db is a symbolic link"),
    "place for all": Fault(
        0, "permissions", lambda home: home.directory.chmod(0o777), "directory above", "written by"
    ),
    # The database
    "a bit": Fault(7, "database", in_the_record, "page"),
    "salt": Fault(7, "database", flipped(1), "vault.db is damaged"),
    "five pages": Fault(7, "database", cut(5 * PAGE)),
    "one page short": Fault(7, "database", cut(-PAGE)),
    "within a page": Fault(7, "database", cut(5 * PAGE + 100)),
    "within the last page": Fault(7, "database", cut_in_a_record, "page"),
    "a page appended": Fault(0, "database", appended(b"x" * PAGE), f"{PAGE} bytes are appended"),
    "some bytes appended": Fault(0, "database", appended(b"x" * 100), "100 bytes are appended"),
    "many bytes appended": Fault(0, "database", appended(b"x" * 9_000), "9000 bytes are appended"),
    "plain SQLite": Fault(
        7, "database", written("vault.db", b"SQLite format 3\0" + bytes(8_176)), "plain SQLite file"
    ),
    "empty": Fault(7, "database", written("vault.db", b""), "vault.db is empty"),
    "no database": Fault(
        10, "database", lambda home: (home.vault / "vault.db").unlink(), "vault.db", "missing"
    ),
    "newer database": Fault(14, "database", sql("PRAGMA user_version = 99"), "version 99"),
    "foreign database": Fault(7, "database", sql("PRAGMA application_id = 5"), "not a bunkerctl"),
    # The header
    "damaged header": Fault(7, "vault", written("vault.json", b"{"), "vault.json is damaged"),
    "newer header": Fault(14, "vault", header(format=2), "format 2"),
    "no recovery code": Fault(0, "recovery", header(recovery=None), "no recovery code"),
    "being destroyed": Fault(10, "vault", header(ending=True), "is being destroyed"),
    # The audit trail
    "altered event": Fault(7, "audit", sql(*ALTERED), "altered"),
    "removed event": Fault(7, "audit", sql("DELETE FROM audit WHERE seq = 2"), "missing"),
    "removed newest event": Fault(7, "audit", sql(NEWEST), "missing"),
    # The clock
    "clock behind": Fault(5, "clock", later(-400), "last sweep", "sweeps are refused"),
    "clock ahead": Fault(0, "clock", later(46 * DAY), "ahead of the last sweep"),
    "clock before the trail": Fault(0, "clock", back_from_tomorrow, "audit trail"),
    "no sweep today": Fault(0, "sweep", later(2 * DAY), "last sweep"),
    # Erasures
    "damaged ledger": Fault(
        7, "erasures", erased(lambda ledger: ledger.write_text("{}\n")), "ledger has a line"
    ),
    "shortened ledger": Fault(
        0, "erasures", erased(lambda ledger: ledger.write_text("")), "0 of 1 erasures"
    ),
    "removed ledger": Fault(0, "erasures", erased(Path.unlink), "0 of 1 erasures"),
}
each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@each_fault
def test_a_fault_is_found_by_its_check_and_the_vault_left_as_it_is(
    good: Home, fault: Fault
) -> None:
    fault.damage(good)
    before = state(good.directory)
    findings = of(wrong(doctor(good, fault.code)), fault.check)
    texts = [one["message"] for one in findings]
    assert any(all(word in text for word in fault.words) for text in texts), texts
    assert {one["level"] for one in findings} == {"error" if fault.code else "warning"}
    assert state(good.directory) == before


@each_fault
def test_every_warning_and_every_error_says_what_to_do(good: Home, fault: Fault) -> None:
    fault.damage(good)
    silent = [one["message"] for one in wrong(doctor(good, fault.code)) if not one["hint"]]
    assert silent == []


@each_fault
def test_one_fault_is_one_finding(good: Home, fault: Fault) -> None:
    """Of a clock far off the sweep is told as well: it did not run."""
    fault.damage(good)
    checks = [one["check"] for one in wrong(doctor(good, fault.code)) if one["check"] != "sweep"]
    assert len(checks) == (0 if fault.check == "sweep" else 1), checks


@pytest.mark.parametrize("then", [Path.unlink, lambda path: path.write_text(OTHER_KEY)])
def test_the_hint_about_an_enrolled_copy_is_a_command_that_mends_it(
    good: Home, then: Callable[[Path], object]
) -> None:
    enrolled(then)(good)
    hint = next(one["hint"] for one in doctor(good) if one["level"] == "warning")
    command = re.search("`bunkerctl (.*?)`", hint)
    assert command
    (good.directory / "sweep.key").unlink(missing_ok=True)
    good.ok(command[1])
    assert wrong(doctor(good)) == []


def test_a_mode_that_is_mended_as_the_hint_says_is_no_more_a_fault(good: Home) -> None:
    for path, bits in ((good.vault, 0o775), (good.vault / "vault.db", 0o666)):
        path.chmod(bits)
    hints = [one["hint"] for one in wrong(doctor(good, 9))]
    for hint in hints:
        subprocess.run(["sh", "-c", hint], check=True)
    assert len(hints) == 2
    assert wrong(doctor(good)) == []


@as_root
@pytest.mark.parametrize("name", ["vault.db", "vault.json", "erasures.jsonl"])
def test_a_file_of_another_owner_is_named(good: Home, name: str) -> None:
    (good.vault / name).touch()
    os.chown(good.vault / name, NOBODY, NOBODY)
    (finding,) = wrong(doctor(good))
    assert (finding["check"], finding["level"]) == ("permissions", "warning")
    assert str(good.vault / name) in finding["message"]
    assert finding["hint"]


def test_a_place_for_all_with_the_sticky_bit_is_no_fault(good: Home) -> None:
    good.directory.chmod(0o1777)
    assert wrong(doctor(good)) == []


# Pages

CIPHER_CHECK = """
import sys, sqlcipher3
db = sqlcipher3.connect(sys.argv[1])
db.set_key(f"x'{sys.argv[2]}'")
print(db.execute("PRAGMA cipher_integrity_check").fetchall())
"""


def test_a_file_cut_at_the_end_of_a_page_is_found_though_each_page_is_whole(good: Home) -> None:
    cut(-PAGE)(good)
    script = [sys.executable, "-c", CIPHER_CHECK, str(good.vault / "vault.db")]
    done = subprocess.run(
        [*script, good.database_key().hex()], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    doctor(good, 7)


def damaged_pages(home: Home) -> Iterator[int]:
    """Damage one page after the other, the first excepted: with it the file has no key."""
    whole = (home.vault / "vault.db").read_bytes()
    for number in range(2, len(whole) // PAGE + 1):
        (home.vault / "vault.db").write_bytes(whole)
        flipped(number)(home)
        yield number


def test_a_damaged_page_is_named_whichever_it_is(good: Home) -> None:
    unnamed = []
    for number in damaged_pages(good):
        result = good.run("doctor --json")
        assert result.code == 7
        told = [one["message"] for one in of(result.json, "database")]
        if not any(re.search(rf"page {number}\b", text) for text in told):
            unnamed.append(number)
    assert unnamed == []


def test_damage_does_not_end_the_examination(good: Home) -> None:
    """Every check is there, or the vault could not be opened at all; and the gravest is told."""
    broken_off = []
    for number in damaged_pages(good):
        result = good.run("doctor --json")
        checks = [one["check"] for one in result.json]
        if checks != CHECKS and checks[-1] != "database":
            broken_off.append((number, checks[-1]))
        else:
            examined(result, 7)
    assert broken_off == []


# An old file


def replayed(home: Home, then: Callable[[], object]) -> Result:
    """Put back the database of before `then`; return what held against a head of after it."""
    old = (home.vault / "vault.db").read_bytes()
    then()
    head = home.ok("audit head --json").out
    (home.vault / "vault.db").write_bytes(old)
    return home.run("audit verify --against -", head)


def test_an_old_file_is_whole_to_the_doctor_and_found_by_a_head_kept_elsewhere(good: Home) -> None:
    verified = replayed(good, lambda: good.add(login="late"))
    assert wrong(doctor(good)) == []
    assert verified.code == 7
    hint = next(one["message"] for one in of(doctor(good), "audit"))
    assert "audit verify --against" in hint


def test_an_old_file_from_before_an_erasure_is_told_by_the_ledger(good: Home) -> None:
    """The ledger lies beside it, and knows of somebody who is erased no more."""
    verified = replayed(good, lambda: good.ok(f"user forget {RECORD['email']} --yes"))
    assert verified.code == 7
    good.ok(f"user get {RECORD['email']}")
    assert levels(doctor(good, 7)).get("erasures") == "error"


# Erasures


def test_a_reader_that_keeps_erased_pages_is_told_until_it_ends(good: Home) -> None:
    with reader(good):
        assert good.run(f"user forget {RECORD['email']} --yes --lock-wait 0s").code == 15
        (finding,) = wrong(doctor(good))
        assert (finding["check"], finding["level"]) == ("erasures", "warning")
        assert "reader" in finding["hint"]
    assert wrong(doctor(good)) == []


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.symlink_to(path.rename(path.parent.parent / "elsewhere"))


@pytest.mark.parametrize("damage", [directory, fifo, link])
def test_a_ledger_that_is_no_file_is_told(present: Home, damage: Callable[[Path], object]) -> None:
    (present.vault / "erasures.jsonl").touch()
    damage(present.vault / "erasures.jsonl")
    with present.spawn("doctor --json") as process:
        try:
            out, err = process.communicate(timeout=10)
        finally:
            process.kill()
    findings = examined(Result(process.returncode, out, err), 9)
    assert any("erasures.jsonl" in one["message"] for one in findings if one["level"] == "error")


def test_an_erasure_that_the_ledger_keeps_from_its_end_is_told_as_that(good: Home) -> None:
    (good.vault / "erasures.jsonl").unlink(missing_ok=True)
    (good.vault / "erasures.jsonl").symlink_to(good.directory / "elsewhere")
    assert good.run(f"user forget {RECORD['email']} --yes").code == 15
    found = of(doctor(good, 9), "erasures")
    assert found and all("ledger" in one["message"] or ".jsonl" in one["message"] for one in found)


# Several at once


def test_the_exit_code_is_that_of_the_gravest_finding(good: Home) -> None:
    (good.vault / "vault.db").chmod(0o666)
    doctor(good, 9)
    good.now -= DAY
    doctor(good, 9)
    in_the_record(good)
    assert levels(doctor(good, 7)) == {
        **{"permissions": "error", "clock": "error", "database": "error", "sweep": "warning"}
    }
    key = good.key_file.read_text()
    good.key_file.unlink()
    doctor(good, 13)
    other_key(good)
    good.key_file.chmod(0o600)
    doctor(good, 12)
    good.key_file.write_text(key)
    doctor(good, 7)


def test_the_order_of_gravity_has_every_code_that_a_finding_can_have() -> None:
    kinds = [
        errors.IntegrityFailure,
        errors.WrongKey,
        errors.UnsupportedVersion,
        errors.OutcomeUnknown,
        errors.NoVault,
        errors.InputOutput,
        errors.ClockSuspect,
        errors.Busy,
        errors.Usage,
        errors.Internal,
    ]
    for graver, lighter in itertools.combinations(kinds, 2):
        findings = [diagnosis.broken("x", kind("y")) for kind in (lighter, graver)]
        assert type(diagnosis.gravest(findings)) is graver
    assert len(set(diagnosis.GRAVITY)) == len(diagnosis.GRAVITY)


# Others in the vault


def test_a_writer_does_not_keep_the_doctor_waiting(good: Home) -> None:
    with closing(good.database()) as db:
        db.begin()
        began = time.monotonic()
        assert wrong(doctor(good)) == []
        assert time.monotonic() - began < 5
        db.rollback()


def test_a_rotation_that_goes_on_is_told(good: Home) -> None:
    descriptor = os.open(good.vault, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        (finding,) = wrong(doctor(good, 11, "--lock-wait 0s"))
    finally:
        os.close(descriptor)
    assert "alone" in finding["message"]


# A rotation that was cut off


def rotate(home: Home, call: str, when: int) -> bool:
    """Rotate the key, killed at the nth such system call; tell whether it was."""
    traced = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
    killed = ["-e", f"inject={call}:signal=KILL:when={when}"]
    line = ["key", "rotate", "--recovery-file", str(home.directory / "next.code")]
    done = subprocess.run(
        [*traced, *killed, EXECUTABLE, *line],
        env=home.environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, -9, 137), done
    return done.returncode != 0


@needs_strace
@pytest.mark.parametrize(("call", "step"), [("fsync", 1), ("rename", 1), ("pwrite64", 17)])
def test_a_rotation_that_was_killed_anywhere_is_finished(
    present: Home, tmp_path_factory: pytest.TempPathFactory, call: str, step: int
) -> None:
    home, whole = present, tmp_path_factory.mktemp("whole")
    home.ok(f"key enroll file {home.directory}/sweep.key")
    shutil.copytree(home.directory, whole, dirs_exist_ok=True)
    rotating, stuck = set(), []
    for when in itertools.count(1, step):
        if not rotate(home, call, when):
            break
        rotating.add(home.ok("key status --json").json["rotating"])
        result = home.run("doctor --json")
        if result.code == 0:
            assert wrong(examined(result, 0)) == []
            assert home.ok("key status --json").json["rotating"] is False
            assert home.ok(f"user get {RECORD['email']} --json").json["data"] == RECORD
        else:
            stuck.append((when, result.error["message"]))
        shutil.rmtree(home.directory)
        shutil.copytree(whole, home.directory)
    assert stuck == []
    assert rotating == {True, False}


@needs_strace
def test_a_rotation_that_cannot_be_finished_here_says_where_it_can(present: Home) -> None:
    home, key = present, present.key_file.read_text()
    assert rotate(home, "ftruncate", 2)  # encrypted anew, and not checkpointed
    assert home.ok("key status --json").json["rotating"] is True
    (home.directory / "key.next").unlink()
    (home.directory / "copy").write_text(key)
    for options in ("", f"--key-file {home.directory}/copy"):
        (finding,) = [one for one in doctor(home, 13, options) if one["level"] == "error"]
        assert finding["check"] == "key"
        assert "rotation" in finding["message"] and str(home.key_file) in finding["hint"]


# The disk


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """Mount a small file system, where that is allowed."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"cannot mount: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as place:
        home = Home(place)
        home.ok("init")
        filled(home)
        assert levels(doctor(home)) == {"disk": "warning"}
        with (place / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(bytes(PAGE))
        before = state(home.vault)
        findings = doctor(home, 9)
        (finding,) = of(findings, "disk")
        assert finding["message"].startswith("the disk is full: 0 MB free")
        assert "make room" in finding["hint"]
        assert state(home.vault) == before
        (place / "filler").unlink()
        assert levels(doctor(home)) == {"disk": "warning"}


# The keyring


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    with Desktop() as running:
        yield running


@pytest.fixture
def seat(bare: Home, desktop: Desktop) -> Home:
    """A place with a vault whose key is in the keyring."""
    bare.environment.pop("BUNKERCTL_KEY_FILE")
    bare.environment["DBUS_SESSION_BUS_ADDRESS"] = desktop.environment["DBUS_SESSION_BUS_ADDRESS"]
    assert bare.process("init").code == 0
    return bare


@needs_desktop
def test_a_key_in_the_keyring_is_found_and_the_keyrings_are_told(seat: Home) -> None:
    findings = examined(seat.process("doctor --json"), 0)
    assert "from the keyring" in of(findings, "key")[0]["message"]
    assert any("SecretService" in one["message"] for one in of(findings, "keyring"))


@needs_desktop
def test_a_locked_keyring_is_told_at_once_and_opens_no_dialog(seat: Home, desktop: Desktop) -> None:
    desktop.lock()
    desktop.leave_alone()
    began = time.monotonic()
    findings = examined(seat.process("doctor --json"), 13)
    assert time.monotonic() - began < 5
    (finding,) = of(findings, "key")
    assert "locked" in finding["message"] and "--key-file" in finding["hint"]


@needs_desktop
def test_a_frozen_keyring_is_given_up(seat: Home, desktop: Desktop) -> None:
    desktop.freeze()
    began = time.monotonic()
    findings = examined(seat.process("doctor --json --keyring-timeout 1s"), 13)
    assert time.monotonic() - began < 8
    (finding,) = of(findings, "key")
    assert "did not answer" in finding["message"]
