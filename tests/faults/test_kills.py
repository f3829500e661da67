"""Kill -9 at random moments, with all sorts of commands at once on one vault.

What a command has acknowledged before its death, by a line on standard output or by exit 0, holds
afterwards; what it has not is done or not done, never half. A hundred kills take half a minute;
where BUNKERCTL_TORTURE is set there are ten thousand, a hundred on each of as many vaults (about an
hour). The moments come from a seed that a failure shows; with several processes on a machine that
does other things too, it repeats the plan, not what comes of it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bunkerctl.directory import read_header
from conftest import Home, Result
from residue import found
from wholeness import check_whole, count, made_now

VAULTS = 100 if os.environ.get("BUNKERCTL_TORTURE") else 1
KILLS = 100
SEED = 20270115
CANARY = "CANARY"
PATIENT = "--lock-wait 60s"
KILLED = -9


class Person:
    """Somebody whom a command has added, or may have: what the vault must say.

    `added` and `erased` are True once acknowledged, None if they may be so; `later` is what the
    record may have become, `before` what it was when the commands began.
    """

    def __init__(self, login: str) -> None:
        self.data = {"login": login, "text": f"{CANARY}-{login}-" * 20}
        self.before = self.later = self.data
        self.token: str | None = None
        self.exptoken: str | None = None
        self.added: bool | None = None
        self.erased: bool | None = False
        self.due = False
        self.reads = 0

    def line(self) -> str:
        return json.dumps(self.data)

    def canary(self) -> bytes:
        return f"{CANARY}-{self.data['login']}-".encode()


class Crowd:
    """Everybody who was ever in the vault, and the commands that run upon them."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home = home
        self.dice = random.Random(seed)
        self.people: list[Person] = []
        self.exports: list[Path] = []
        self.backups: list[Path] = []
        self.rotated = False
        self._number = 0

    def new(self) -> Person:
        self._number += 1
        person = Person(f"p{self._number}")
        self.people.append(person)
        return person

    def living(self, most: int) -> list[Person]:
        """Return some who were added for sure, and whom nothing has tried to erase."""
        sure = [one for one in self.people if one.added and one.erased is False and not one.due]
        return self.dice.sample(sure, min(most, len(sure)))

    def settle(self) -> None:
        """Learn from the vault what became of those whose fate was open."""
        listed = map(json.loads, self.home.ok("user list --reveal -o jsonl").out.splitlines())
        there = {one["data"]["login"]: one for one in listed}
        buried = buried_in(self.home)
        for person in self.people:
            found = there.pop(person.data["login"], None)
            if found is not None:
                person.reads += 1
                assert found["data"] in (person.data, person.later), "somebody is half there"
                person.data = person.before = person.later = found["data"]
                assert person.erased is not True, "an acknowledged erasure is undone"
                assert person.token in (None, found["token"])
                if person.exptoken:
                    assert found["expstatus"] == "wait", "an acknowledged expiration is lost"
                person.token, person.added, person.erased = found["token"], True, False
            elif person.added:
                assert person.erased is not False, "an acknowledged person is lost"
                assert person.token in buried, "an erased person has no tombstone"
                person.erased = True
            elif person.added is None:
                person.added = False
        assert not there, "somebody is there whom nobody has added"
        self.people = [one for one in self.people if one.added]


def buried_in(home: Home) -> set[str]:
    listed = home.ok("erasure list -o jsonl").out.splitlines()
    return {json.loads(line)["token"] for line in listed}


class Job:
    """A command that is killed, and what its words mean. `line` is what to run."""

    line = ""
    stdin = ""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.plan()

    def plan(self) -> None:
        """Choose upon whom to act."""

    def heed(self, told: Result) -> None:
        """Take what was acknowledged for certain; `told` has whole lines alone."""


class Add(Job):
    def plan(self) -> None:
        self.person = self.crowd.new()
        self.line, self.stdin = f"user add {PATIENT}", self.person.line()

    def heed(self, told: Result) -> None:
        if told.out:
            self.person.token, self.person.added = told.out.strip(), True
        assert told.code or told.out


class Import(Job):
    """An import of people, some of them due; up to 2000 are one transaction."""

    def plan(self) -> None:
        self.batch = [self.crowd.new() for _ in range(25)]
        dates = dict.fromkeys(("created_at", "updated_at", "due_at"), "2020-01-01T00:00:00Z")
        lines = []
        for person in self.batch:
            person.due = self.crowd.dice.random() < 0.4
            person.erased = None if person.due else False  # a sweep may run at the same time
            person.token = str(uuid.uuid4())
            status = {"expstatus": "wait"} if person.due else {"expstatus": "none", "due_at": None}
            said = {"schema": "bunkerctl.user/1", "version": 1, "held": False, **dates, **status}
            lines.append(json.dumps({**said, "token": person.token, "data": person.data}))
        self.line, self.stdin = f"user import - {PATIENT}", "\n".join(lines)

    def heed(self, told: Result) -> None:
        assert told.code or told.out
        for person in self.batch:
            if told.out:
                person.added = True
        there = {one["token"] for one in map(json.loads, self._now())}
        inside = [one.token in there for one in self.batch]
        assert all(inside) or not any(inside), "half a batch is in"

    def _now(self) -> list[str]:
        home = self.crowd.home
        listed = home.ok("user list -o jsonl").out + home.ok("erasure list -o jsonl").out
        return listed.splitlines()


class Update(Job):
    def plan(self) -> None:
        self.person = next(iter(self.crowd.living(1)), None)
        token = self.person.token if self.person else uuid.uuid4()
        number = str(self.crowd.dice.random())
        if self.person:
            self.person.later = {**self.person.data, "number": number}
        self.line = f"user update {token} number={number} --json {PATIENT}"

    def heed(self, told: Result) -> None:
        if self.person and told.out:
            assert told.json["data"] == self.person.later
            self.person.data = self.person.later


class Forget(Job):
    """Erasures, each acknowledged as it comes."""

    def plan(self) -> None:
        self.whom = {one.token: one for one in self.crowd.living(6)}
        for person in self.whom.values():
            person.erased = None
        self.line = f"user forget - --yes -o jsonl {PATIENT}"
        self.stdin = "".join(f"{token}\n" for token in self.whom)

    def heed(self, told: Result) -> None:
        for line in map(json.loads, told.out.splitlines()):
            self.whom[line["token"]].erased = True
        if told.code == 0:
            assert all(one.erased for one in self.whom.values())


class Delete(Job):
    """An erasure by the link of somebody who waits."""

    def plan(self) -> None:
        waiting = [one for one in self.crowd.people if one.exptoken and one.erased is False]
        self.person = self.crowd.dice.choice(waiting) if waiting else None
        link = self.person.exptoken if self.person else uuid.uuid4()
        if self.person:
            self.person.erased = None
        self.line = f"exp delete {link} --yes --json {PATIENT}"

    def heed(self, told: Result) -> None:
        if self.person and told.out:
            assert told.json["token"] == self.person.token
            self.person.erased = True


class Start(Job):
    """Expirations far ahead, each acknowledged as it comes."""

    def plan(self) -> None:
        self.whom = {one.token: one for one in self.crowd.living(5)}
        self.line = f"exp start - --in 90d -o jsonl {PATIENT}"
        self.stdin = "".join(f"{token}\n" for token in self.whom)

    def heed(self, told: Result) -> None:
        for line in map(json.loads, told.out.splitlines()):
            if "error" not in line:  # else somebody else has erased that person meanwhile
                self.whom[line["token"]].exptoken = line["exptoken"]


class Sweep(Job):
    line = f"exp sweep --json --max-deletes 100000 {PATIENT}"

    def plan(self) -> None:
        for person in self.crowd.people:
            if person.due and person.erased is False:
                person.erased = None

    def heed(self, told: Result) -> None:
        if told.out:
            tokens = told.json["tokens"]
            for person in self.crowd.people:
                if person.token in tokens:
                    person.added = person.erased = True


class Read(Job):
    """A reading of people whom others erase meanwhile: whole, or not at all."""

    def plan(self) -> None:
        self.whom = {one.token: one for one in self.crowd.living(12)}
        self.line = f"user get - -o jsonl {PATIENT}"
        self.stdin = "".join(f"{token}\n" for token in self.whom)

    def heed(self, told: Result) -> None:
        for line in map(json.loads, told.out.splitlines()):
            if "error" not in line:
                person = self.whom[line["token"]]
                assert line["data"] in (person.before, person.data, person.later)
                person.reads += 1


class Export(Job):
    """An export of everybody: a whole file, or none."""

    def plan(self) -> None:
        self.path = self.crowd.home.directory / f"{len(self.crowd.exports)}.jsonl"
        self.crowd.exports.append(self.path)
        self.sure = [one for one in self.crowd.people if one.added and one.erased is False]
        self.line = f"export --all --yes -o jsonl --out {self.path} {PATIENT}"

    def heed(self, told: Result) -> None:
        assert told.code or self.path.exists()
        if self.path.exists():
            known = {one.data["login"]: one for one in self.crowd.people}
            lines = [json.loads(line)["data"] for line in self.path.read_text().splitlines()]
            for one in lines:
                person = known[one["login"]]
                assert one in (person.before, person.data, person.later)
            logins = {one["login"] for one in lines}
            assert logins >= {one.data["login"] for one in self.sure if one.erased is False}
            self.path.unlink()


class Backup(Job):
    """A backup: one that verifies, or none."""

    def plan(self) -> None:
        self.path = self.crowd.home.directory / f"{len(self.crowd.backups)}.bunker"
        self.crowd.backups.append(self.path)
        self.line = f"backup create {self.path} {PATIENT}"

    def heed(self, told: Result) -> None:
        assert told.code or self.path.exists()
        if self.path.exists():
            verified = self.crowd.home.run(f"backup verify {self.path} --json")
            assert verified.code == 0 or (verified.code, self.crowd.rotated) == (12, True), verified
            self.path.unlink()


class Rotate(Job):
    """A new key. Backups from before it cannot be read after it."""

    line = f"key rotate --no-recovery --json {PATIENT}"

    def heed(self, told: Result) -> None:
        if told.out:
            header = read_header(str(self.crowd.home.vault))
            assert (header.key_id, header.succession) == (told.json["key_id"], None)


JOBS: list[type[Job]] = [
    *(Rotate, Add, Import, Update, Forget, Delete, Start, Sweep, Read, Export, Backup)
]


def begun(home: Home, job: Job, place: Path) -> subprocess.Popen[bytes]:
    """Start a job; its words go into files, which a dead process leaves as they were."""
    (place / "in").write_text(job.stdin)
    with (
        (place / "in").open("rb") as stdin,
        (place / "out").open("wb") as out,
        (place / "err").open("wb") as err,
    ):
        return home.spawn(job.line, stdin=stdin, stdout=out, stderr=err)


def told(process: subprocess.Popen[bytes], place: Path) -> Result:
    """Return what a process has acknowledged: its whole lines."""
    out = (place / "out").read_bytes()
    whole = out[: out.rfind(b"\n") + 1]
    return Result(process.returncode, whole, (place / "err").read_bytes())


def round_of(crowd: Crowd, places: list[Path], took: dict[type[Job], float]) -> int:
    """Run some jobs at once, and kill each at a moment of its own; return how many died of it."""
    jobs = [kind(crowd) for kind in crowd.dice.sample(JOBS, len(places))]
    running: list[tuple[float, Job, subprocess.Popen[bytes], Path]] = []
    for job, place in zip(jobs, places, strict=True):
        process = begun(crowd.home, job, place)
        wait = took[type(job)] * crowd.dice.uniform(0.5, 1.1)
        running.append((time.monotonic() + wait, job, process, place))
    for moment, _, process, _ in sorted(running, key=lambda one: one[0]):
        time.sleep(max(0.0, moment - time.monotonic()))
        process.kill()
    for _, _, process, _ in running:
        process.wait(60)
    crowd.rotated = any(isinstance(job, Rotate) for job in jobs)
    for _, job, process, place in running:
        answer = told(process, place)
        assert answer.code in (KILLED, 0) or (answer.code, type(job)) in ALSO, answer
        assert "unexpected" not in answer.err and "Traceback" not in answer.err, answer
        job.heed(answer)
        took[type(job)] *= (
            1.05 if answer.code == KILLED else 0.85
        )  # so that most kills find it busy
    return sum(process.returncode == KILLED for _, _, process, _ in running)


ALSO = {
    (15, Forget),  # another command reads what was erased: the next one finishes it
    (15, Delete),
    (15, Sweep),
    (4, Delete),  # nobody waits: a link that is nobody's
    (4, Update),  # or another command has erased that person meanwhile
    (3, Forget),  # of those whom another command has erased meanwhile
    (3, Start),
    (3, Read),
}


def durations(crowd: Crowd) -> dict[type[Job], float]:
    """Measure how long each job takes among others, on this machine as it is now."""
    took = {}
    for kind in JOBS:
        job = kind(crowd)
        began = time.monotonic()
        answer = crowd.home.process(job.line, job.stdin.encode())
        took[kind] = 2 * (time.monotonic() - began)
        assert answer.code in (0, 4), answer
        job.heed(answer)
    return took


def check(crowd: Crowd) -> None:
    """See that the vault is whole, and everybody as they must be."""
    home = crowd.home
    assert home.process("status").code == 0  # the next command finishes what is left
    crowd.settle()
    check_whole(home)
    deep = home.ok("audit verify --deep --json").json
    assert (deep["ok"], deep["bad"], deep["unchecked"]) == (True, [], 0)
    buried = buried_in(home)
    ledger = (home.vault / "erasures.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["token"] for line in ledger) == sorted(buried)
    assert count(home, "users") == sum(not one.erased for one in crowd.people)
    erased = [one.canary() for one in crowd.people if one.erased]
    assert found(home, *erased) == []
    assert sorted(plain(home)) == []
    reads = reads_of(home)
    for person in crowd.people:
        assert reads.get(str(person.token), 0) >= person.reads, "a reading without its event"


def reads_of(home: Home) -> dict[str, int]:
    read: dict[str, int] = {}
    for line in home.ok("audit list --action user.get -o jsonl").out.splitlines():
        token = json.loads(line)["token"]
        read[token] = read.get(token, 0) + 1
    return read


def plain(home: Home) -> Iterator[str]:
    """Yield the files that have anything of anybody in plain, but for the jobs' own words."""
    for path in home.directory.rglob("*"):
        own = path.parent.parent == home.directory / "jobs"
        if path.is_file() and not own and CANARY.encode() in path.read_bytes():
            yield str(path.relative_to(home.directory))


@pytest.mark.parametrize("number", range(VAULTS))
def test_whoever_is_killed_loses_nothing_and_leaves_no_half(bare: Home, number: int) -> None:
    home, seed = made_now(bare), SEED + number
    crowd, kills = Crowd(home, seed), 0
    took = durations(crowd)
    places = [home.directory / "jobs" / str(turn) for turn in range(5)]
    for place in places:
        place.mkdir(parents=True)
    print(f"seed {seed}")
    while kills < KILLS:
        kills += round_of(crowd, places, took)
        check(crowd)


def test_of_restores_of_one_backup_at_one_place_one_wins(home: Home) -> None:
    home.add(login="ann")
    backup = home.directory / "ann.bunker"
    home.ok(f"backup create {backup}")
    for turn in range(4):
        place = home.directory / f"restored{turn}"
        line = f"backup restore {backup} --vault {place} {PATIENT} --json"
        processes = [home.spawn(line) for _ in range(4)]
        for process in processes:
            with process:
                process.communicate(timeout=60)
        codes = sorted(process.returncode for process in processes)
        assert (codes[0], set(codes[1:]) <= {5, 11}) == (0, True), codes
        assert home.run(f"status --vault {place}").code == 0
