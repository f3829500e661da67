"""How long `report` takes on a vault of many people, beside its floor: one scan of the events.

    bench/report.py REPORT.md [PEOPLE EVENTS]...

The vault is filled through the program's own transactions, its clock moved over five years. Floor
and command take turns; what counts is the ratio, for a busy machine slows both. Writes a table.
"""

from __future__ import annotations

import io
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bunkerctl import crypto, keys, uuids
from bunkerctl import users as people
from bunkerctl.cli import door
from bunkerctl.cli.shell import Shell
from bunkerctl.directory import read_header
from bunkerctl.model import Expiration, Origin, Tombstone
from bunkerctl.store import expirations, state, tombstones, users
from bunkerctl.store.connection import Database
from bunkerctl.vault import Surroundings, Transaction, Vault, open_vault

ROUNDS = 3
MONTHS = 60
BATCH = 500
GOAL_SECONDS = 10
SIZES = (1_000_000, 1_000_000, 1_000_000, 3_000_000)
ACTORS = ("crm", "support", "ann", "bob", "nightly")
COUNTS = {"records": 1, "identities": 2, "expirations": 1, "holds": 0}


class Filling:
    """A vault that is being filled; its clock goes from five years ago to now."""

    def __init__(self, home: str) -> None:
        self.directory, self.key_file = os.path.join(home, "vault"), os.path.join(home, "key")
        self.environment = {
            "HOME": home,
            "PATH": os.environ["PATH"],
            "BUNKERCTL_VAULT": self.directory,
            "BUNKERCTL_KEY_FILE": self.key_file,
        }
        self.end = time.clock_gettime(time.CLOCK_REALTIME)
        self.now = self.end - MONTHS * 30 * 86400
        shell = Shell(io.BytesIO(), io.BytesIO(), io.BytesIO(), self.environment, lambda: self.now)
        assert door.run(["init", "-q"], shell) == 0
        self.chance = random.Random(1)
        self.living: list[tuple[int, str]] = []

    def opened(self) -> Vault:
        surroundings = Surroundings(
            origin=self.origin("crm"),
            session=None,  # type: ignore[arg-type]  # nobody asks a keyring here
            lock_wait=1.0,
            clock=lambda: self.now,
        )
        header = read_header(self.directory)
        return open_vault(self.directory, header, self.master(), surroundings)

    def master(self) -> bytes:
        return keys.parse(Path(self.key_file).read_bytes(), "the key file")

    def origin(self, actor: str) -> Origin:
        return Origin(
            actor=actor, os_user="root", uid=0, host="vault.example.com", reason=None, ref="T-1"
        )

    def fill(self, people: int, events: int) -> None:
        """Add people; the events that are left are reads, expirations and erasures."""
        vault, done = self.opened(), 0
        vault.db.run("PRAGMA synchronous = OFF")
        vault.db.run("PRAGMA cache_size = -200000")
        more = (events - people) / people
        start, span = self.now, self.end - self.now
        while done < people:
            self.now = start + span * done / people
            vault.origin = self.origin(self.chance.choice(ACTORS))
            with vault.transaction() as tx:
                for _ in range(min(BATCH, people - done)):
                    self._add(tx)
                    done += 1
                for _ in range(int(BATCH * more)):
                    self._act(tx)
        with vault.transaction() as tx:
            state.set_scrubbed(tx.db, 1 << 60)
        vault.db.truncate_wal(10)
        vault.close()

    def token(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def _add(self, tx: Transaction) -> None:
        token = self.token()
        identities = {"email": f"{token[:13]}@example.com", "login": token[:8]}
        record = {**identities, "name": "Ann Lee", "street": "1 Long Street", "born": "1980-01-01"}
        fresh = users.Fresh()
        people.prepare(
            tx.vault,
            fresh,
            record,
            identities,
            token=uuids.to_bytes(token),
            salt=crypto.salts(1)[0],
        )
        key = people.put_in(tx, fresh)
        self.living.append((key, token))

    def _act(self, tx: Transaction) -> None:
        kind = self.chance.random()
        key, token = self.living[int(self.chance.random() ** 3 * len(self.living))]
        if kind < 0.7:
            tx.event(self.chance.choice(("user.get", "user.get", "exp.status")), token=token)
        elif kind < 0.8:
            gone, counts = self.token(), dict(COUNTS)
            event = tx.event("exp.erase", token=gone, counts=counts, was="expired")
            stone = Tombstone(
                token=gone,
                exptoken=None,
                created_at=tx.now,
                erased_at=tx.now,
                reason="sweep",
                counts=counts,
                event=event,
            )
            tombstones.put(tx.db, {users.reserve(tx.db, gone): stone})
            state.add_erased(tx.db, event, living=0)
        else:
            plan = Expiration(
                exptoken=self.token(), status="wait", started_at=tx.now, due_at=tx.now + 10**7
            )
            known = users.by_id(tx.db, key)
            assert known is not None
            expirations.put(tx.db, key, plan, known.expiration)
            tx.event("exp.start", token=token, fields=["expstatus"], was=known.expstatus())


def measure(people: int, events: int) -> str:
    """Return a row of the table."""
    with tempfile.TemporaryDirectory() as home:
        filling = Filling(home)
        apart(lambda: filling.fill(people, events))
        database = os.path.join(filling.directory, "vault.db")
        raw = crypto.database_key(
            filling.master(), uuid.UUID(read_header(filling.directory).vault_id).bytes
        )
        program = str(Path(sys.executable).parent / "bunkerctl")
        line = [program, "report", "--out", os.path.join(home, "report.html"), "--force", "-q"]
        floors, taken, worked, rooms = [], [], [], []
        for _ in range(ROUNDS):
            floors.append(scan(database, raw))
            begin = time.perf_counter()
            process = subprocess.Popen(line, env=filling.environment)
            _, status, used = os.wait4(process.pid, 0)
            assert status == 0
            taken.append(time.perf_counter() - begin)
            worked.append(used.ru_utime + used.ru_stime)
            rooms.append(used.ru_maxrss >> 10)
        events = scanned(database, raw)
        memory = max(rooms)
        size = os.path.getsize(database) / 1e6
    floor, report, cpu = map(statistics.median, (floors, taken, worked))
    load = os.getloadavg()[0]
    reached = "reached" if report <= GOAL_SECONDS else "missed"
    return (
        f"| {people:,} | {events:,} | {size:,.0f} MB | {floor:.1f} s | {report:.1f} s"
        f" | {report / floor:.1f} | {cpu:.1f} s | {memory} MB | {load:.1f} | {reached} |"
    )


def apart(work: Callable[[], None]) -> None:
    """Do something in a process of its own, whose memory is not there any more when it ends."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0


def scan(database: str, key: bytes) -> float:
    """Return how long one scan takes."""
    begin = time.perf_counter()
    scanned(database, key)
    return time.perf_counter() - begin


def scanned(database: str, key: bytes) -> int:
    """Read every event; return how many there are."""
    db = Database(database, key, 1.0)
    events, _ = db.one("SELECT count(*), sum(length(hash)) FROM audit")
    db.close()
    return int(events)


def main() -> None:
    sizes = [int(word) for word in sys.argv[2:]] or SIZES
    head = (
        f"# A report\n\n{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores,"
        f" {platform.machine()}, Python {platform.python_version()}; median of {ROUNDS}, taken in"
        " turns. Floor: one scan of the events. Load: how many processes wanted a core.\n\n"
        "| people | events | database | floor | report | × floor | CPU | memory | load | goal:"
        f" {GOAL_SECONDS} s |\n|---|---|---|---|---|---|---|---|---|---|\n"
    )
    rows = [measure(*pair) for pair in zip(sizes[::2], sizes[1::2], strict=True)]
    table = head + "\n".join(rows) + "\n"
    print(table)
    Path(sys.argv[1]).write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
