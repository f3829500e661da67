"""Disks that are full: every command says so and leaves all as it was, and people can be erased.

A limit on the size of files takes the place of a full disk where none can be mounted; it cuts
writes off at a place that can be chosen.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bunkerctl import ballast, jsontext
from bunkerctl.cli import grammar
from conftest import DAY, Home, Result
from faults.conftest import canary, residue
from faults.test_power import TORTURE, View, due_person, house, person, rows, view
from wholeness import check_whole, made_now

DUE = 3
LARGEST = jsontext.MAX_BYTES - 100

COMMANDS = {
    "init": "init --vault {home}/second/vault --key-file {home}/second.key --no-recovery",
    "status": "status",
    "user add": "user add",
    "user get": "user get login:max",
    "user update": "user update login:max text=" + canary("max") + "again",
    "user list": "user list --reveal",
    "user forget": "user forget login:zoe --yes",
    "user import": "user import -",
    "user hold": "user hold login:max --reason case",
    "user release": "user release login:held",
    "exp start": "exp start login:max --in 30d",
    "exp status": "exp status login:max",
    "exp cancel": "exp cancel login:waits",
    "exp retain": "exp retain {kept}",
    "exp delete": "exp delete {leaves} --yes",
    "exp list": "exp list",
    "exp sweep": "exp sweep --receipts {home}/receipts",
    "user check": "user check",
    "export": "export login:max --out {home}/max.json",
    "export verify": "export verify {home}/max.zip",
    "audit list": "audit list",
    "audit show": "audit show 1",
    "audit head": "audit head",
    "audit checkpoint": "audit checkpoint",
    "audit key": "audit key",
    "audit verify": "audit verify --deep",
    "audit export": "audit export --out {home}/audit.jsonl -o jsonl",
    "audit prune": "audit prune --before 2020-01-01 --yes",
    "erasure show": "erasure show {erased}",
    "erasure list": "erasure list",
    "erasure verify": "erasure verify {home}/receipt.json",
    "backup create": "backup create {home}/safe/new.bunker",
    "backup list": "backup list",
    "backup verify": "backup verify {home}/safe/old.bunker",
    "backup restore": "backup restore {home}/safe/old.bunker --vault {home}/third",
    "backup prune": "backup prune",
    "key status": "key status",
    "key test": "key test",
    "key enroll": "key enroll file {home}/copy",
    "key rotate": "key rotate --recovery-file {home}/code.rotated",
    "key recovery create": "key recovery create --recovery-file {home}/code.new",
    "key recovery verify": "key recovery verify --recovery-file {code}",
    "key restore": "key restore --recovery-file {code} --key-file {home}/restored",
    "unlock": "unlock",
    "lock": "lock",
    "help": "help",
    "schema": "schema status",
    "completion": "completion bash",
    "report": "report --out {home}/report.json",
    "doctor": "doctor",
    "destroy": "destroy --confirm {vault_id}",
    "config show": "config show",
    "config get": "config get exp.grace",
    "config set": "config set exp.grace 60d",
    "config path": "config path",
    "demo": "demo",
}
STDIN = {
    "user add": person("ann", 400),
    "user import": "".join(person(f"i{n}", 100) + "\n" for n in range(20)),
}
MANY = ("user import", "exp sweep", "backup prune")
"""What they do, they do one by one: some may be done."""

ERASE = ("user forget", "exp delete", "exp sweep")
NEED_NO_ROOM = (
    *("audit key", "backup verify", "config get", "config path", "config show", "doctor"),
    *("demo", "erasure verify", "key recovery verify", "key status"),
    *("export verify", "lock", "help", "schema", "completion"),
)
"""They do not open the vault, or not to write; `demo` is elsewhere."""


class Furnished:
    """A vault in which every command of the list has something to do."""

    def __init__(self, home: Home) -> None:
        self.home = made_now(home) if not home.vault.exists() else home
        home.ok("user add", person("gone"))
        erased = home.ok("user forget login:gone --yes --json").json["token"]
        (home.directory / "receipt.json").write_text(home.ok(f"erasure show {erased} --json").out)
        for login in ("max", "zoe", "held", "waits", "kept", "leaves"):
            home.ok("user add", person(login))
        home.ok("user hold login:held --reason case")
        tokens = {login: home.start(f"login:{login}") for login in ("waits", "kept", "leaves")}
        people = [due_person(n) for n in range(DUE)]
        home.ok("user import -", "\n".join(people))
        home.ok(f"export login:max --format zip --out {home.directory}/max.zip")
        (home.directory / "safe").mkdir()
        home.now -= 2 * DAY
        home.ok(f"backup create {home.directory}/safe/over.bunker --keep 1d")
        home.ok(f"backup create {home.directory}/safe/old.bunker")
        home.now += 2 * DAY
        home.ok(f"key recovery create --recovery-file {home.directory}/code")
        self.words = {
            "home": str(home.directory),
            "erased": erased,
            "vault_id": home.ok("status --json").json["vault_id"],
            **tokens,
        }

    def line(self, command: str) -> list[str]:
        codes = [self.home.directory / name for name in ("code.new", "code.rotated", "code")]
        code = next(path for path in codes if path.exists())
        line = COMMANDS[command].format(code=code, **self.words)
        return [*shlex.split(line), *([] if " -o " in line else ["--json"])]

    def run(self, command: str) -> Result:
        return self.home.run(self.line(command), STDIN.get(command, ""))


@contextmanager
def files_limited(size: int) -> Iterator[None]:
    """Let no file grow beyond a size."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def named(home: Home) -> set[str]:
    """Return the files of a place, but for those that SQLite makes and removes as it likes."""
    files = (path for path in home.directory.rglob("*") if path.is_file())
    names = (str(path.relative_to(home.directory)) for path in files)
    return {name for name in names if not name.endswith(("-wal", "-shm", ballast.NAME))}


def seen(home: Home) -> View:
    """Return what a vault has, by login: what is made at random is left out."""
    found: View = {}
    for thing, said in view(home, None).items():
        if said[:1] == ("living",):
            found[json.loads(said[1])["login"]] = (*said[:-1], said[-1] is not None)
        elif thing == "key":
            found[thing] = said[2:]
        elif thing == "places":
            found[thing] = tuple(place for place, _ in said)
        else:
            found[thing] = said
    found["backups"] = tuple(sorted(one["path"] for one in rows(home, "backup list")))
    return found


def check_refusal(result: Result) -> str:
    """Check how a failure is told; return its message."""
    assert result.code in (9, 15, 16), result
    assert result.error["exit_code"] == result.code
    assert "Traceback" not in result.err, result
    if result.code == 15:
        assert "erased" in result.error["message"], result
    message: str = result.error["message"]
    return message


def check_things(found: View, before: View, after: View, *, each: bool) -> None:
    """All is as before; or `each` thing is as before or after."""
    for thing in {*found, *before, *after}:
        allowed = [before.get(thing), *([after.get(thing)] if each else [])]
        assert found.get(thing) in allowed, (thing, found.get(thing), allowed)


def test_no_command_is_left_out() -> None:
    assert sorted(COMMANDS) == sorted(" ".join(words) for words in grammar.load_all())


@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "demo"])
def test_a_command_whose_files_cannot_grow_does_all_or_nothing(memory: Path, command: str) -> None:
    home = house(memory)
    furnished = Furnished(home)
    if command == "destroy":
        assert furnished.run("user release").code == 0
    shutil.copytree(home.directory, memory / "before")
    before, files = seen(home), named(home)
    put_back(home, memory / "before")
    size = (home.vault / "vault.db").stat().st_size
    assert furnished.run(command).code == 0
    after = {} if command == "destroy" else seen(home)
    for limit in (0, 512, 30_000, size - 1, size, size + 40_000):
        put_back(home, memory / "before")
        with files_limited(limit):
            result = furnished.run(command)
        if command == "destroy" and result.code == 0:
            assert not home.vault.exists()
            continue
        if command == "doctor":
            assert result.code in (0, 9), result
        elif result.code:
            message = check_refusal(result)
            if result.code == 9 and command not in MANY:
                assert named(home) <= files, (limit, message, named(home) - files)
        if command == "destroy":
            assert furnished.run(command).code == 0
            continue
        found = seen(home)
        if result.code in (0, 15):
            assert found == after, (limit, result)
        else:
            check_things(found, before, after, each=command in MANY or result.code == 16)
        if result.code == 9:
            again = furnished.run(command)
            assert again.code == 0, again
        assert home.ok("audit verify --deep --json").json["ok"]
        assert residue(home.directory) == []
    if command != "destroy":
        check_whole(home)


def put_back(home: Home, copy: Path) -> None:
    shutil.rmtree(home.directory)
    shutil.copytree(copy, home.directory)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk; what is on it at the end is searched like everything else."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=700", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("no disk can be mounted")
    try:
        yield place
        empty(place)
        shutil.copytree(place, tmp_path / "left")
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place: Path, left: int = 0) -> None:
    """Leave no more than some bytes on a disk, to whoever writes."""
    with (place / "filler").open("ab", buffering=0) as filler:
        for size in (1 << 16, 4096):
            while free(place) - size >= left:
                try:
                    filler.write(bytes(size))
                except OSError:
                    break
    assert free(place) <= left + 4096


def free(place: Path) -> int:
    system = os.statvfs(place)
    return system.f_bavail * system.f_frsize


def empty(place: Path) -> None:
    (place / "filler").unlink(missing_ok=True)


@pytest.fixture
def home(disk: Path) -> Home:
    """A vault on the small disk, with its key and all else."""
    home = made_now(Home(disk))
    home.ok("status")
    return home


def elsewhere(home: Home, copy: Path) -> Home:
    """Return a copy of a vault where there is room to look into it."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home.vault, copy / "vault")
    shutil.copy(home.key_file, copy / "key")
    there = Home(copy)
    there.now = home.now
    return there


def ballast_size(home: Home) -> int:
    path = home.vault / ballast.NAME
    return path.stat().st_size if path.exists() else 0


def whole_ballast(home: Home) -> int:
    """Return how large the ballast of a vault is to be."""
    db = home.database()
    living, largest = db.one("SELECT living, largest FROM totals")
    db.close()
    return ballast.size(living, largest)


def check_full(result: Result) -> None:
    assert (result.code, result.out) == (9, ""), result
    assert result.error["message"].startswith("the disk is full"), result


def test_every_command_says_that_the_disk_is_full_and_changes_nothing(
    home: Home, disk: Path, tmp_path: Path
) -> None:
    furnished = Furnished(home)
    fill(disk)
    before, files = seen(elsewhere(home, tmp_path / "copy")), named(home)
    wrong = {}
    for command in COMMANDS:
        if command in ERASE:
            continue
        result = furnished.run(command)
        told = result.error["message"] if result.code else ""
        if command not in NEED_NO_ROOM and (
            result.code != 9 or not told.startswith(("the disk is full", "cannot write"))
        ):
            wrong[command] = (result.code, told)
        assert named(home) == files, command
    assert seen(elsewhere(home, tmp_path / "copy")) == before
    assert wrong == {}


def test_with_room_again_every_command_works_and_the_ballast_is_whole(
    home: Home, disk: Path
) -> None:
    furnished = Furnished(home)
    fill(disk)
    for command in ERASE:
        assert furnished.run(command).code == 0, command
    empty(disk)
    home.ok("status")
    assert ballast_size(home) == whole_ballast(home)
    for command in COMMANDS:
        if command not in ERASE:
            result = furnished.run(command)
            assert result.code == 0, (command, result)
        if command == "backup restore":
            shutil.rmtree(disk / "third")  # it has the same key, which then is not rotated
        if command == "doctor":
            check_whole(home)
            home.ok("user release login:max")


def test_people_are_erased_on_a_full_disk_again_and_again(home: Home, disk: Path) -> None:
    logins = [f"u{n}" for n in range(12)]
    for login in logins:
        home.ok("user add", person(login))
    tokens = {login: home.start(f"login:{login}") for login in logins[6:]}
    for login in logins:
        fill(disk)
        check_full(home.run(f"user get login:{login} --json"))
        exptoken = tokens.get(login)
        line = f"exp delete {exptoken}" if exptoken else f"user forget login:{login}"
        home.ok(f"{line} --yes")
        assert residue(home.directory) == []
        assert ballast_size(home) > 0
    fill(disk)
    check_full(home.run("user add login=ann --json"))
    empty(disk)
    home.ok("status")
    assert ballast_size(home) == whole_ballast(home)
    assert home.ok("status --json").json["erased"] == len(logins)
    check_whole(home)


def test_many_are_erased_at_once_on_a_full_disk(home: Home, disk: Path) -> None:
    for login in ("ann", "bob", "eve"):
        home.ok("user add", person(login))
    fill(disk)
    home.ok("user forget - --yes -o jsonl", "login:ann\nlogin:bob\n")
    empty(disk)
    assert [one["data"]["login"] for one in rows(home, "user list --reveal")] == ["eve"]
    check_whole(home)


@pytest.mark.parametrize("number", [200, 1000, 2500])
def test_a_sweep_of_many_succeeds_on_a_full_disk(home: Home, disk: Path, number: int) -> None:
    home.ok("user import -", "\n".join(due_person(n, 100) for n in range(number)))
    fill(disk)
    swept = home.ok(f"exp sweep --max-deletes {number} --json").json
    assert (swept["erased"], swept["failed"]) == (number, 0)
    assert ballast_size(home) > 0
    fill(disk)
    assert home.ok("exp sweep --json").json["due"] == 0
    empty(disk)
    home.ok("status")
    assert ballast_size(home) == whole_ballast(home)
    check_whole(home)


def test_a_sweep_that_runs_out_of_room_says_what_it_has_done(
    home: Home, disk: Path, tmp_path: Path
) -> None:
    home.ok("user import -", "\n".join(due_person(n, 30) for n in range(3000)))
    os.truncate(home.vault / ballast.NAME, 300_000)
    fill(disk)
    result = home.run("exp sweep --max-deletes 3000 --json")
    erased = elsewhere(home, tmp_path / "copy").ok("status --json").json["erased"]
    assert 0 < erased < 3000
    assert result.code == 15, result
    assert result.error["message"].startswith(f"{erased} of 3000 are erased"), result
    empty(disk)
    swept = home.ok("exp sweep --max-deletes 3000 --json").json
    assert (swept["erased"], swept["finished_earlier"]) == (3000 - erased, erased)
    check_whole(home)


def test_receipts_that_had_no_room_are_written_by_a_later_sweep(home: Home, disk: Path) -> None:
    number = 900
    home.ok("user import -", "\n".join(due_person(n, 2) for n in range(number)))
    line = f"exp sweep --max-deletes {number} --receipts {disk}/receipts --json"
    fill(disk)
    result = home.run(line)
    assert result.code in (9, 15), result
    assert len(list((disk / "receipts").iterdir())) < number
    fill(disk)
    assert home.run(line).code in (9, 15)
    empty(disk)
    assert home.ok("status --json").json["erased"] == number
    assert home.ok(line).json["finished_earlier"] == number
    receipts = sorted((disk / "receipts").iterdir())
    assert len(receipts) == number
    for path in receipts[::90]:
        home.ok(["erasure", "verify", str(path)])
    assert home.ok(line).json["tokens"] == []
    check_whole(home)


def test_as_many_as_a_sweep_may_are_erased_on_a_full_disk(home: Home, disk: Path) -> None:
    """With over 25,000 people those are more than the least ballast has room for."""
    living = 40_000 if TORTURE else 11_000
    due = living // 10
    home.ok("user import -", "".join(f'{{"login":"i{n}"}}\n' for n in range(living - due)))
    home.ok("user import -", "\n".join(due_person(n, 2) for n in range(due)))
    assert ballast_size(home) == whole_ballast(home) > ballast.size(0, 0)
    fill(disk)
    swept = home.ok("exp sweep --json").json
    assert (swept["due"], swept["erased"]) == (due, due)
    assert ballast_size(home) > 0
    empty(disk)
    check_whole(home)


@pytest.mark.parametrize("size", [50_000, 1_000_000, 3_000_000, LARGEST])
def test_a_large_record_is_erased_on_a_full_disk(home: Home, disk: Path, size: int) -> None:
    home.ok("user add", person("ann", size // len(canary("ann"))))
    assert ballast_size(home) == whole_ballast(home)
    fill(disk)
    home.ok("user forget login:ann --yes")
    empty(disk)
    home.ok("status")
    assert ballast_size(home) == whole_ballast(home)
    check_whole(home)


def test_a_record_that_the_ballast_is_too_small_for_stays_whole(
    home: Home, disk: Path, tmp_path: Path
) -> None:
    """SQLite then undoes the transaction by itself, in the middle of it."""
    home.ok("user add", person("ann", 3_000_000 // len(canary("ann"))))
    os.truncate(home.vault / ballast.NAME, 1_000_000)
    fill(disk)
    check_full(home.run("user forget login:ann --yes --json"))
    assert elsewhere(home, tmp_path / "copy").ok("status --json").json["users"] == 1
    empty(disk)
    home.ok("user forget login:ann --yes")
    check_whole(home)


def test_a_sweep_of_large_records_succeeds_on_a_full_disk(home: Home, disk: Path) -> None:
    for number in range(6):
        home.ok("user import -", due_person(number, 2_000_000 // len(canary("d0"))))
    fill(disk)
    assert home.ok("exp sweep --json").json["erased"] == 6
    empty(disk)
    check_whole(home)


def test_a_sweep_of_large_records_needs_little_room_on_a_disk_that_has_some(
    home: Home, disk: Path
) -> None:
    people = [due_person(n, 2_000_000 // len(canary("d0"))) for n in range(20)]
    home.ok("user import -", "\n".join(people))
    fill(disk, 33 << 20)
    assert home.ok("exp sweep --json").json["erased"] == 20
    empty(disk)
    check_whole(home)


def test_a_journal_that_another_command_keeps_bars_no_erasure(home: Home, disk: Path) -> None:
    """Who is in the vault keeps the journal. If it is larger than the ballast, the database cannot
    take it up: the person is erased all the same, and the rest is done when there is room.
    """
    home.ok("user add", person("ann"))
    other = home.database()
    try:
        home.ok("user import -", "".join(person(f"i{n}", 100) + "\n" for n in range(1500)))
        fill(disk)
        result = home.run("user forget login:ann --yes --json")
        assert result.code in (0, 15), result
    finally:
        other.close()
    empty(disk)
    check_whole(home)


def test_a_backup_to_a_full_disk_leaves_nothing_and_the_vault_says_so(
    bare: Home, disk: Path
) -> None:
    home = made_now(bare)
    home.ok("user add", person("ann"))
    for left in (0, 4096, 40_000, 80_000):
        fill(disk, left)
        result = home.run(f"backup create {disk}/new.bunker --json")
        assert result.code == 9, result
        assert "disk" in result.error["message"] or "space" in result.error["message"], result
        assert [path.name for path in disk.iterdir()] == ["filler"]
        assert rows(home, "audit list --action backup.create")[-1]["outcome"] == "failed"
        assert rows(home, "backup list") == []
        empty(disk)
    home.ok(f"backup create {disk}/new.bunker")
    check_whole(home)


def test_a_vault_is_restored_wholly_or_not_at_all_to_a_disk_with_little_room(
    bare: Home, disk: Path
) -> None:
    home = made_now(bare)
    home.ok("user add", person("ann"))
    home.ok(f"backup create {home.directory}/old.bunker")
    codes = set()
    for left in range(0, 200_000, 8192):
        fill(disk, left)
        result = home.run(f"backup restore {home.directory}/old.bunker --vault {disk}/new --json")
        codes.add(result.code)
        if result.code:
            assert [path.name for path in disk.iterdir()] == ["filler"]
        empty(disk)
        if result.code == 0:
            assert home.ok(f"audit verify --deep --json --vault {disk}/new").json["people"] == 1
            shutil.rmtree(disk / "new")
    assert codes == {0, 9}


def test_a_vault_is_not_made_on_a_full_disk(bare: Home, disk: Path) -> None:
    line = f"init --vault {disk}/new/vault --no-recovery --json"
    for left in (0, 4096, 40_000, 100_000):
        fill(disk, left)
        result = bare.run(line)
        assert result.code == 9, result
        assert not bare.key_file.exists()
        assert not [path for path in disk.rglob("*") if path.name not in ("filler", "new")]
        empty(disk)
    bare.ok(line)


@pytest.mark.parametrize("left", [0, 8192, 60_000, 300_000, 1_100_000, 1_250_000, 1_500_000])
def test_a_key_is_rotated_or_stays_on_a_disk_that_is_nearly_full(
    home: Home, disk: Path, tmp_path: Path, left: int
) -> None:
    home.ok("user import -", "".join(person(f"i{n}") + "\n" for n in range(100)))
    before = seen(home)
    master = home.key_file.read_bytes()
    fill(disk, left)
    result = home.run("key rotate --no-recovery --json")
    assert result.code in (0, 9), result
    there = elsewhere(home, tmp_path / "copy")
    assert (home.key_file.read_bytes() == master) is (result.code == 9)
    assert not (disk / "key.next").exists()
    assert seen(there) == before
    empty(disk)
    home.ok("key rotate --no-recovery")
    check_whole(home)
