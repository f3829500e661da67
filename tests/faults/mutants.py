"""Mutants: what must never be written, and the check that would find each.

A mutant is a change of the program's text, applied to a copy. A check is a test of the suite, or
one of the functions below, which run as a program: `python mutants.py NAME`. It passes with the
program as it is, and fails, in its own words, with the mutant.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import bunkerctl
from bunkerctl import errors
from bunkerctl.cli import door
from bunkerctl.cli.shell import Shell
from bunkerctl.model import Value
from bunkerctl.store.connection import Database
from conftest import DAY, Home

SOURCE = Path(bunkerctl.__file__).parent
TESTS = Path(__file__).parent.parent
CAUGHT = 3
"""How a check ends that has found something."""


class Patch(Value):
    """`old` is there exactly once in the file, and `new` comes in its place."""

    file: str
    old: str
    new: str


class Mutant(Value):
    """`check` is a test's id or a function below; `says` is in its words when it fails."""

    patches: tuple[Patch, ...]
    check: str
    says: str


class Unpatchable(Exception):
    """The text that a mutant changes is gone, or there twice: the mutant must be written anew."""


def patched(file: str, old: str, new: str = "") -> Patch:
    return Patch(file=file, old=old, new=new)


def mutant(check: str, says: str, *patches: Patch) -> Mutant:
    return Mutant(patches=patches, check=check, says=says)


DURABLE = "test_races.py::test_the_database_is_as_durable_and_as_clean_as_can_be"

MUTANTS = {
    "acknowledge before commit": mutant(
        "acknowledged_once_committed",
        "acknowledged before it was committed",
        patched(
            "store/connection.py",
            "        self.path = path\n",
            "        self.path, self.late = path, False\n",
        ),
        patched(
            "store/connection.py",
            '            self._connection.execute("COMMIT")\n',
            "            self.late = True\n",
        ),
        patched(
            "store/connection.py",
            "        if self.in_transaction():\n",
            "        if self.in_transaction() and not self.late:\n",
        ),
        patched(
            "store/connection.py",
            '        self.run("BEGIN IMMEDIATE"',
            "        if self.late:\n"
            '            self._connection.execute("COMMIT")\n'
            "            self.late = False\n"
            '        self.run("BEGIN IMMEDIATE"',
        ),
        patched(
            "store/connection.py",
            "    def close(self) -> None:\n",
            "    def close(self) -> None:\n"
            "        if self.late:\n"
            '            self._connection.execute("COMMIT")\n',
        ),
        patched(
            "cli/door.py",
            "        call.close()\n        call.output.flush()\n",
            "        call.output.flush()\n        call.close()\n",
        ),
    ),
    "event outside the transaction": mutant(
        "one_commit_an_act",
        "took 2 commits",
        patched(
            "users.py",
            "        return create(tx, record, found, token=uuids.new())\n",
            "        user = create(tx, record, found, token=uuids.new())\n"
            "    with vault.transaction() as tx:\n"
            '        tx.event("user.add", token=user.token, fields=sorted(record))\n'
            "    return user\n",
        ),
        patched(
            "users.py",
            '    tx.event_for_each("user.add", said)\n',
        ),
    ),
    "event of a release outside the transaction": mutant(
        "one_commit_an_act",
        "took 2 commits",
        patched(
            "holds.py",
            '        tx.event("user.release"',
            '    with vault.transaction() as tx:\n        tx.event("user.release"',
        ),
    ),
    "synchronous = NORMAL": mutant(
        DURABLE,
        "'synchronous': 1",
        patched("store/connection.py", '"synchronous = FULL"', '"synchronous = NORMAL"'),
    ),
    "no sync of the emptied WAL": mutant(
        "synced_after_an_erasure",
        "vault.db-wal was not synced",
        patched("erasure.py", '        files.sync(vault.db.path + "-wal")\n'),
    ),
    "no sync of the ledger": mutant(
        "synced_after_an_erasure",
        "erasures.jsonl was not synced",
        patched("ledger.py", "        os.fsync(descriptor)\n"),
    ),
    "secure_delete = FAST": mutant(
        DURABLE,
        "'secure_delete': 2",
        patched(
            "store/connection.py",
            'self.row("PRAGMA secure_delete = ON") != (1,)',
            'self.row("PRAGMA secure_delete = FAST") != (2,)',
        ),
    ),
    "deferred BEGIN": mutant(
        "writers_take_turns",
        "two began to write at once",
        patched("store/connection.py", '"BEGIN IMMEDIATE" if write else "BEGIN"', '"BEGIN"'),
    ),
    "no succession in the header": mutant(
        "rotation_killed_anywhere",
        "does not open",
        patched(
            "header.py",
            "    if header.succession:\n",
            "    if header.succession and header.ending:\n",
        ),
    ),
    "promote before rekey": mutant(
        "rotation_killed_anywhere",
        "does not open",
        patched(
            "rotation.py",
            "            vault.db.rekey(_database_key(begun, plan.new), progress)\n",
            "            keeping.promote(\n"
            "                plan.places, old.vault_id, plan.new, surroundings.session)\n"
            "            vault.db.rekey(_database_key(begun, plan.new), progress)\n",
        ),
        patched(
            "rotation.py",
            "        left = keeping.promote(places, header.vault_id, new, surroundings.session)\n",
            "        left: tuple[Route, ...] = ()\n",
        ),
    ),
    "the new key is the header's before the rekey": mutant(
        "rotation_killed_anywhere",
        "does not open",
        patched(
            "rotation.py",
            "            write_header(vault.directory, begun)\n",
            "            write_header(vault.directory, begun.with_(\n"
            "                key_id=keys.id_of(plan.new, old.vault_id), succession=None))\n",
        ),
    ),
    "no limit in the sweep": mutant(
        "sweeps_within_the_limit",
        "erased 26 at once",
        patched("sweep.py", "    elif due > limit:\n", "    elif due < 0:\n"),
    ),
    "an import that does not see who came since": mutant(
        "test_races.py::test_who_comes_between_the_look_up_of_an_import_and_its_change_is_seen",
        "assert [] == [7]",
        patched("known.py", "if self._written_since(size):", "if size:"),
    ),
    "a run whose number is given again": mutant(
        "test_lookup.py::test_who_is_slow_to_settle_drops_no_run_that_was_begun_since",
        "assert False is True",
        patched("store/schema.py", " AUTOINCREMENT"),
    ),
    "a sweep that leaves the hashes of identities": mutant(
        "test_lookup.py::test_a_large_sweep_leaves_no_hash_of_an_identity",
        "== (0, 2)",
        patched("erasure.py", "taken_out = _take_out(vault, alone)", "taken_out = True"),
    ),
    "a row number that is given again": mutant(
        "test_deep.py::test_a_number_is_not_given_again_and_nobodys_events_are_mixed",
        "assert [(1,)] == [(1,), (2,)]",
        patched("store/users.py", " UNION ALL SELECT max(user) FROM tombstones"),
    ),
    "a delete that nobody is asked about": mutant(
        "deletes_only_who_was_confirmed",
        "erased without a yes",
        patched(
            "cli/exp.py",
            '        batch.confirm(call, expirations.deletable(vault, found), "exp.delete")\n',
            "        pass\n",
        ),
    ),
}


def copy_source(place: Path) -> Path:
    """Copy the program; return what to put on PYTHONPATH."""
    shutil.copytree(SOURCE, place / SOURCE.name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def apply(patches: tuple[Patch, ...], place: Path) -> None:
    """Change a copy of the program; raise Unpatchable unless each patch fits in one place."""
    for patch in patches:
        path = place / SOURCE.name / patch.file
        text = path.read_text(encoding="utf-8")
        found = text.count(patch.old)
        if found != 1:
            raise Unpatchable(f"{patch.file} has the text of the patch {found} times")
        path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")


def run_check(name: str, place: Path) -> tuple[int, str]:
    """Run a check on a copy of the program; return its exit code and its words."""
    test = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", name]
    words = test if "::" in name else [sys.executable, "-m", "faults.mutants", name]
    done = subprocess.run(
        words,
        cwd=TESTS,
        env={
            "HOME": str(place),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{place}{os.pathsep}{TESTS}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode()


# The checks.


def acknowledged_once_committed(home: Home) -> None:
    """A command that cannot write its answer has done its work already."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "bunkerctl", "user", "add", "login=ann"],
        env={**home.environment, "PYTHONPATH": os.environ["PYTHONPATH"]},
        stdin=subprocess.DEVNULL,
        stdout=writing,
    )
    try:
        for idle in _idleness(process.pid):
            if people(home) == 1:
                break
            assert process.poll() is None, "it ended before it could answer"
            assert idle < 2, "acknowledged before it was committed"
    finally:
        os.close(writing)
        os.set_blocking(reading, False)
        while process.poll() is None:
            try:
                os.read(reading, 1 << 16)
            except BlockingIOError:
                time.sleep(0.01)
        os.close(reading)
    assert process.returncode == 0


def _idleness(pid: int) -> Iterator[float]:
    """Yield, again and again, for how many seconds a process has been asleep."""
    state, since = "", time.monotonic()
    while True:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        now = f"{fields[0]} {fields[11]} {fields[12]}"
        if now != state or fields[0] != "S":
            state, since = now, time.monotonic()
        yield time.monotonic() - since
        time.sleep(0.02)


def people(home: Home) -> int:
    db = home.database()
    number: int = db.one("SELECT count(*) FROM users")[0]
    db.close()
    return number


def one_commit_an_act(home: Home) -> None:
    """What an act changes and its event are in one commit of the journal."""
    db = home.database()  # while it is open, the journal stays
    token = home.add(login="ann")
    lines = [
        "user add login=bob",
        f"user update {token} a=b",
        f"user get {token}",
        f"user hold {token} --reason case",
        f"user release {token}",
        f"exp start {token}",
        f"exp cancel {token}",
    ]
    for line in lines:
        before = commits(home)
        home.ok(line)
        number = commits(home) - before
        assert number == 1, f"{line!r} took {number} commits"
    db.close()


def commits(home: Home) -> int:
    """Count the commits in the journal: the frames that say how large the database is then.

    https://sqlite.org/fileformat2.html#the_write_ahead_log
    """
    raw = (home.vault / "vault.db-wal").read_bytes()
    salt = raw[16:24]
    frames = [raw[start : start + 24] for start in range(32, len(raw), 24 + 4096)]
    return sum(struct.unpack(">I", frame[4:8])[0] != 0 for frame in frames if frame[8:16] == salt)


def synced_after_an_erasure(home: Home) -> None:
    """The emptied journal, its directory and the ledger are synced before an erasure is told."""
    token = home.add(login="ann")
    synced: dict[str, int] = {}
    really = os.fsync

    def watched(fd: Any) -> None:
        path = os.readlink(f"/proc/self/fd/{fd}")
        really(fd)
        synced[path] = os.fstat(fd).st_size

    os.fsync = watched
    try:
        home.ok(f"user forget {token} --yes")
    finally:
        os.fsync = really
    for name in ("vault.db-wal", "erasures.jsonl", ""):
        assert str(home.vault / name) in synced, f"{name or 'the directory'} was not synced"
    assert synced[str(home.vault / "vault.db-wal")] == 0, "the journal was not emptied"


def writers_take_turns(home: Home) -> None:
    """A transaction that has begun keeps every other writer out, though it only reads so far."""
    path, key = str(home.vault / "vault.db"), home.database_key()
    first, second = Database(path, key, 0.0), Database(path, key, 0.0)
    first.begin()
    first.one("SELECT count(*) FROM users")
    try:
        second.begin()
    except errors.Busy:
        return
    finally:
        first.rollback()
    raise AssertionError("two began to write at once")


KILLS = [
    ("call", "rekey", 1),
    ("return", "rekey", 1),
    ("return", "write_header", 1),
    ("return", "write_header", 2),
    ("call", "store", 1),
    ("return", "store", 1),
    ("call", "promote", 1),
    ("return", "promote", 1),
    ("return", "write_header", 3),
]
"""Where a rotation is killed: at the Nth call of a function, or when that is over."""


def rotation_killed_anywhere(home: Home) -> None:
    """Whenever a rotation is killed, the next command opens the vault."""
    home.add(login="ann")
    for kill in KILLS:
        _rotate_and_die(home, *kill)
        result = home.run("user get login:ann")
        assert result.code == 0, f"killed at the {kill}, the vault does not open: {result}"


def _rotate_and_die(home: Home, what: str, name: str, number: int) -> None:
    pid = os.fork()
    if not pid:
        left = number

        def hook(frame: FrameType, event: str, _argument: Any) -> None:
            nonlocal left
            if event == what and frame.f_code.co_name == name:
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(hook)
        shell = Shell(io.BytesIO(), io.BytesIO(), io.BytesIO(), home.environment)
        door.run(["key", "rotate", "--no-recovery", "--yes"], shell)
        os._exit(0)
    os.waitpid(pid, 0)


def sweeps_within_the_limit(home: Home) -> None:
    """A sweep with more due than the limit erases nobody."""
    home.ok("user import -", "".join(f'{{"login":"u{n}"}}\n' for n in range(26)))
    home.ok("exp start - --in 1d -o jsonl", "".join(f"login:u{n}\n" for n in range(26)))
    home.now += 2 * DAY
    result = home.run("exp sweep --json")
    left = people(home)
    assert left == 26, f"erased {26 - left} at once"
    assert (result.code, result.error["code"]) == (5, "limit")


def deletes_only_who_was_confirmed(home: Home) -> None:
    """Off a terminal, a delete without --yes is none: whoever fetches a link erases nobody."""
    token = home.add(login="ann")
    for line in (f"exp delete {home.start(token)}", f"user forget {token}"):
        result = home.run(line)
        assert people(home) == 1, f"{line!r}: erased without a yes"
        assert result.code == 6


CHECKS: dict[str, Callable[[Home], None]] = {
    check.__name__: check
    for check in (
        acknowledged_once_committed,
        one_commit_an_act,
        synced_after_an_erasure,
        writers_take_turns,
        rotation_killed_anywhere,
        sweeps_within_the_limit,
        deletes_only_who_was_confirmed,
    )
}


def main(name: str) -> int:
    """Run a check with the program that this process has imported."""
    with tempfile.TemporaryDirectory() as place:
        home = Home(Path(place))
        home.ok("init")
        try:
            CHECKS[name](home)
        except AssertionError as error:
            print(f"caught: {error}")
            return CAUGHT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
