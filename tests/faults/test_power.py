"""Power cuts: at any moment of a command, and whatever of its writes was on the disk by then.

Each command is recorded, the disks that a cut could leave are built, and the real program goes on
with each. By default a sample of them is tried; with the variable BUNKERCTL_TORTURE set, every one.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import bunkerctl
from bunkerctl import keys, pages
from bunkerctl.directory import read_header
from conftest import DAY, Home
from faults.conftest import canary, residue
from faults.recording import Cut, Done, Recording, Said, can_record
from wholeness import check_whole, made_now, reader, until

TORTURE = "BUNKERCTL_TORTURE" in os.environ
SAMPLE = 25
MOST = 500
"""So many cuts must do to find a weakness."""

BATCH = 20

pytestmark = pytest.mark.skipif(not can_record(), reason="strace is not here, or may not trace")

View = dict[str, tuple[Any, ...]]
"""What a vault has, thing by thing: each is as it was, or as it was to be, and nothing else."""


@dataclass(frozen=True)
class Course:
    """Commands to be cut off: `prepare` fills the vault, `lines` are recorded with their input.

    In `company` another process has the vault open, so that nobody is the last to close it; if
    it is `reading`, too, no erasure can be finished.
    """

    prepare: Callable[[Home], object]
    lines: list[tuple[str, str]]
    company: bool = False
    reading: bool = False
    backup: str | None = None


def person(login: str, size: int = 40) -> str:
    return json.dumps({"login": login, "text": canary(login) * size})


def three(home: Home) -> None:
    for login in ("zoe", "max", "eve"):
        home.ok("user add", person(login))


def due_person(number: int, size: int = 40) -> str:
    """Return a line to import: somebody whose time has come."""
    said = {"schema": "bunkerctl.user/1", "version": 1, "expstatus": "wait", "held": False}
    said |= dict.fromkeys(("created_at", "updated_at", "due_at"), "2020-01-01T00:00:00Z")
    token = f"00000000-0000-4000-8000-{number:012d}"
    return json.dumps({**said, "token": token, "data": json.loads(person(f"due{number}", size))})


def many(home: Home) -> None:
    """Add people whose time has come, and some who stay."""
    three(home)
    home.ok("user import -", "\n".join(map(due_person, range(BATCH))))


def with_places(home: Home) -> None:
    three(home)
    (home.directory / "keys").mkdir()
    home.ok(f"key enroll file {home.directory}/keys/second")


def with_a_safe(home: Home) -> None:
    three(home)
    (home.directory / "safe").mkdir()


def without_ledger(home: Home) -> None:
    three(home)
    home.ok("user forget login:max --yes")
    (home.vault / "erasures.jsonl").unlink()


LIFE = [
    ("user add", person("ann", 400)),
    (f"user update login:ann text={canary('ann')}", ""),
    (f"user hold login:ann --reason {canary('ann')}", ""),
    ("user release login:ann", ""),
    ("exp start login:ann --in 30d", ""),
    ("user forget login:ann --yes --json", ""),
    ("user add", person("bob")),
]
BATCHES = [
    ("exp start - --in 30d -o jsonl", "login:zoe\nlogin:max\nlogin:eve\n"),
    ("user forget - --yes -o jsonl", "login:zoe\nlogin:eve\n"),
]
SWEEP = [(f"exp sweep --max-deletes {BATCH} --json --lock-wait 0s", "")]
FORGET = [("user forget login:zoe --yes --json --lock-wait 0s", "")]
ROTATE = [("key rotate --recovery-file {home}/code", "")]
ENROLL = [
    ("key enroll file {home}/keys/third", ""),
    ("key enroll file {home}/fourth --default", ""),
    ("key enroll file {home}/new/fifth --default", ""),
]
RECOVER = [("key recovery create --recovery-file {home}/code", "")]
BACKUP = [
    ("backup create {home}/safe/one.bunker", ""),
    ("user forget login:max --yes", ""),
    ("backup create --force {home}/safe/one.bunker", ""),
]

COURSES = {
    "a life": Course(three, LIFE),
    "a life in company": Course(three, LIFE, company=True),
    "batches": Course(three, BATCHES),
    "batches in company": Course(three, BATCHES, company=True),
    "a sweep": Course(many, SWEEP),
    "a sweep in company": Course(many, SWEEP, company=True),
    "a sweep while somebody reads": Course(many, SWEEP, company=True, reading=True),
    "an erasure": Course(three, FORGET),
    "an erasure while somebody reads": Course(three, FORGET, company=True, reading=True),
    "an erasure whose ledger was moved away": Course(without_ledger, FORGET),
    "a rotation": Course(with_places, ROTATE),
    "a recovery code": Course(three, RECOVER),
    "enrolments": Course(with_places, ENROLL),
    "backups": Course(with_a_safe, BACKUP, backup="safe/one.bunker"),
}


@dataclass
class Run:
    """A course that was recorded: what the vault had after each command, and its key by then."""

    course: Course
    home: Home
    recording: Recording
    views: list[View] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    logins: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[tuple[list[str], bytes]]:
        return [
            (shlex.split(line.format(home=self.home.directory)), stdin.encode())
            for line, stdin in self.course.lines
        ]


def house(place: Path) -> Home:
    """Return a place of its own, all of which is recorded."""
    (place / "house").mkdir()
    return Home(place / "house")


def recorded(place: Path, course: Course, program: str | None = None) -> Run:
    """Run a course, recorded; `program` is another source tree to run it from."""
    home = made_now(house(place))
    course.prepare(home)
    with ExitStack() as stack:
        if course.company:
            stack.callback(home.database().close)
        run = Run(course, home, Recording(home.directory, place))
        if course.reading:
            stack.enter_context(reader(home))
        ends = [run.recording.live()]
        for line, stdin in run.lines():
            result = run.recording.run(home, line, stdin, program=program)
            assert result.code == (15 if course.reading else 0), result
            ends.append(run.recording.live())
    for end in ends:
        end.put(home.directory)
        run.keys.append(home.database_key())
        run.views.append(view(home, course.backup))
    for token, said in (pair for one in run.views for pair in one.items()):
        if said[:1] == ("living",):
            run.logins[token] = json.loads(said[1])["login"]
    return run


def view(home: Home, backup: str | None) -> View:
    """Look at everything that a command may change."""
    found: View = {}
    tokens = {one["token"]: one["exptoken"] for one in rows(home, "exp list")}
    for one in rows(home, "user list --reveal"):
        data = json.dumps(one["data"], sort_keys=True)
        stands = (one["expstatus"], one["due_at"], one["version"], one["held"])
        found[one["token"]] = ("living", data, *stands, tokens.get(one["token"]))
    for one in rows(home, "erasure list"):
        assert one["token"] not in found, "living and erased"
        found[one["token"]] = ("erased",)
    key = home.ok("key status --json").json
    found["key"] = (key["key_id"], key["found_key_id"], key["match"], key["rotating"])
    header = read_header(str(home.vault))
    found["places"] = tuple(
        (place.place, keys.id_of(keys.parse(Path(place.place).read_bytes(), ""), header.vault_id))
        for place in header.places()
    )
    if backup is not None and (home.directory / backup).exists():
        found["backup"] = (home.ok(f"backup verify {home.directory}/{backup} --json").json["id"],)
    return found


def rows(home: Home, line: str) -> list[Any]:
    return [json.loads(text) for text in home.ok(f"{line} -o jsonl").out.splitlines()]


def sample(cuts: Iterable[Cut], most: int = SAMPLE) -> list[Cut]:
    found = list(dict.fromkeys(cuts))
    random.Random(7).shuffle(found)
    return found if TORTURE else found[:most]


def problems(cuts: Iterable[Cut], check: Callable[[Cut], None]) -> Iterator[str]:
    """Yield what is wrong with the disks that cuts leave; `check` builds and looks at one."""
    for cut in cuts:
        try:
            check(cut)
        except (AssertionError, ValueError, OSError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            yield f"{cut}: {str(error) or where.line}"


def check_none(found: Iterator[str]) -> None:
    told = list(found)
    assert not told, f"{len(told)} of the disks are bad:\n" + "\n".join(told[:5])


def check(run: Run, cut: Cut) -> None:
    """Check the disk that a cut leaves."""
    run.recording.disk(cut).put(run.home.directory)
    step, told, whole = acknowledged(run.recording, cut)
    check_before(run, step + whole, told)
    check_after(run, step, told, whole, by_header=len(cut.kept) % 2 == 1)


def check_before(run: Run, steps: int, told: set[str]) -> None:
    """Check the files themselves: whoever was told to be erased, and a replaced key, are gone."""
    if not run.course.reading:
        gone = {token for token, said in run.views[steps].items() if said == ("erased",)}
        gone |= {token for token in told if run.views[steps + 1][token] == ("erased",)}
        check_gone(run, gone, "before any command")
    if steps and run.keys[steps] != run.keys[steps - 1]:
        assert not list(marked(run, [run.keys[steps - 1]], [b"CANARY"])), "the old key opens pages"


def check_after(
    run: Run, step: int, told: set[str], whole: bool, *, by_header: bool = False
) -> None:
    """Go on with the real program: nothing is lost or half done, and nothing comes back.

    `told` are the tokens that the command under way had told by then, or it had told the `whole`.
    The first command finds the key `by_header`, or by its variable.
    """
    home = run.home
    old, new = run.views[step], run.views[min(step + 1, len(run.views) - 1)]
    usual = dict(home.environment)
    if by_header:
        del home.environment["BUNKERCTL_KEY_FILE"]
    try:
        home.ok("status")
    finally:
        home.environment = usual
    found = view(home, run.course.backup)
    for thing in {*found, *old, *new}:
        allowed = [new.get(thing)] if whole or thing in told else [old.get(thing), new.get(thing)]
        assert found.get(thing) in allowed, f"{thing} is {found.get(thing)}, not {allowed}"
    assert home.ok("audit verify --deep --json").json["ok"]
    check_whole(home)
    erased = {token for token, said in found.items() if said == ("erased",)}
    check_gone(run, erased, "after the next command")
    check_told_once(run, erased)
    if whole and run.course.lines in (ROTATE, RECOVER):
        home.ok(f"key recovery verify --recovery-file {home.directory}/code")
    if run.course.lines is ROTATE:
        home.ok("key rotate --no-recovery")
    elif not whole and step < len(run.course.lines):
        line, stdin = run.lines()[step]
        again = home.run(line, stdin)
        assert again.code in (0, 3, 4, 5), f"cannot be repeated: {again}"


def acknowledged(recording: Recording, cut: Cut) -> tuple[int, set[str], bool]:
    """Return how many commands had ended, and the tokens that the one under way had told by then,
    or whether it had told all.
    """
    before, after = recording.events[: cut.at], recording.events[cut.at :]
    steps = sum(isinstance(event, Done) for event in before)
    start = max((at for at, event in enumerate(before) if isinstance(event, Done)), default=-1)
    said = b"".join(event.data for event in before[start + 1 :] if isinstance(event, Said))
    end = next((event.result.raw for event in after if isinstance(event, Done)), None)
    tokens = re.findall(rb'^\{"token": ?"([0-9a-f-]{36})".*\n', said, re.MULTILINE)
    if end is not None and said == end:
        return steps, set(), True
    return steps, {token.decode() for token in tokens}, False


def check_gone(run: Run, tokens: set[str], when: str) -> None:
    words = [canary(run.logins[token]).encode() for token in tokens if token in run.logins]
    left = list(marked(run, run.keys, words))
    assert not left, f"erased bytes {when}: {left}"


def marked(run: Run, keys: list[bytes], words: list[bytes]) -> Iterator[str]:
    """Yield the pages of the vault that hold any of the words under any of the keys."""
    if not words:
        return
    wanted = re.compile(b"|".join(map(re.escape, words)))
    for key in set(keys):
        for name, number, content in pages.decrypted(str(run.home.vault), key):
            if wanted.search(content):
                yield f"{name} page {number}"


def check_told_once(run: Run, erased: set[str]) -> None:
    """Each erasure has one event, and one line of the ledger."""
    forgotten = rows(run.home, "audit list --action user.forget")
    events = [*forgotten, *rows(run.home, "audit list --action exp.erase")]
    tokens = sorted(one["token"] for one in events if one["token"] and one["outcome"] == "ok")
    assert tokens == sorted(erased), "the events are not those of the erasures"
    if run.course.prepare is without_ledger and len(erased) == 1:
        return  # it is written anew at the next erasure
    try:
        ledger = (run.home.vault / "erasures.jsonl").read_text().splitlines()
        lines = sorted(json.loads(line)["token"] for line in ledger)
    except (OSError, ValueError) as error:
        raise AssertionError(f"the ledger cannot be read: {error}") from error
    assert lines == sorted(erased), "the ledger has not each erasure once"


@pytest.mark.parametrize("name", COURSES)
def test_a_power_cut_loses_nothing_and_brings_nothing_back(memory: Path, name: str) -> None:
    run = recorded(memory, COURSES[name])
    check_none(problems(sample(run.recording.cuts()), lambda cut: check(run, cut)))


def test_whatever_of_the_ledger_a_power_cut_swallowed_is_written_anew(memory: Path) -> None:
    run = recorded(memory, COURSES["a sweep"])
    recording = run.recording
    ledger = recording.inode("vault/erasures.jsonl")
    torn = [
        cut for cut in recording.cuts() if cut.torn and recording.change(cut.torn).inode == ledger
    ]
    assert torn
    check_none(problems(sample(torn), lambda cut: check(run, cut)))


@pytest.mark.parametrize("name", ["a life", "a sweep in company", "a rotation"])
def test_a_second_power_cut_in_the_repair_does_no_harm(memory: Path, name: str) -> None:
    run = recorded(memory, COURSES[name])
    for first in random.Random(3).sample(list(run.recording.cuts()), 50 if TORTURE else 4):
        check_none(f"after the {first}: {one}" for one in bad_repairs(run, first, memory))


def bad_repairs(run: Run, first: Cut, logs: Path) -> Iterator[str]:
    """Let the command after a cut be cut off, too."""
    run.recording.disk(first).put(run.home.directory)
    step, told, whole = acknowledged(run.recording, first)
    repair = Recording(run.home.directory, logs)
    result = repair.run(run.home, ["status"])
    assert result.code == 0, result

    def check_repair(second: Cut) -> None:
        repair.disk(second).put(run.home.directory)
        check_after(run, step, told, whole, by_header=len(second.kept) % 2 == 1)

    return problems(sample(repair.cuts(), 5), check_repair)


@pytest.mark.parametrize("place", ["vault", "share/bunkerctl/vault"])
def test_a_power_cut_leaves_a_whole_new_vault_or_room_for_one(memory: Path, place: str) -> None:
    home = house(memory)
    home.vault = home.directory / place
    home.environment["BUNKERCTL_VAULT"] = str(home.vault)
    recording = Recording(home.directory, memory)
    recording.run(home, ["init", "--no-recovery"])

    def check_new(cut: Cut) -> None:
        recording.disk(cut).put(home.directory)
        first = home.run("status")
        assert first.code in ((0,) if acknowledged(recording, cut)[2] else (0, 10)), first
        if first.code == 10:
            home.ok("init --no-recovery")
        home.ok("user add", person("ann"))
        check_whole(home)

    check_none(problems(sample(recording.cuts(), 2 * SAMPLE), check_new))


def test_a_destruction_that_a_power_cut_ends_can_be_ended(memory: Path) -> None:
    home = made_now(house(memory))
    with_places(home)
    vault_id = home.ok("status --json").json["vault_id"]
    recording = Recording(home.directory, memory)
    line = f"destroy --confirm {vault_id}"
    assert recording.run(home, line.split()).code == 0

    def check_end(cut: Cut) -> None:
        recording.disk(cut).put(home.directory)
        if not acknowledged(recording, cut)[2]:
            if home.run("status").code == 0:
                assert len(rows(home, "user list")) == 3
                check_whole(home)
            assert home.run(line).code in (0, 10)
        left = {path.name for path in home.directory.rglob("*")}
        assert left in ({"keys"}, {"keys", "vault"}), left  # an empty directory

    check_none(problems(sample(recording.cuts(), 2 * SAMPLE), check_end))


def test_what_a_power_cut_leaves_of_a_backup_goes_when_its_time_is_over(memory: Path) -> None:
    """Also what has another name: it opens with the vault's key, and holds who was erased since."""
    home = made_now(house(memory))
    with_a_safe(home)
    recording = Recording(home.directory, memory)
    line = ["backup", "create", "--keep", "1d", f"{home.directory}/safe/one.bunker"]
    assert recording.run(home, line).code == 0

    def has_a_whole_one(cut: Cut) -> bool:
        tree = recording.disk(cut).tree()
        return any(
            path.startswith("safe/") and data and data.endswith(b"bunkrbk1") for path, data in tree
        )

    def check_gone_in_time(cut: Cut) -> None:
        recording.disk(cut).put(home.directory)
        home.ok("status")
        home.now += 2 * DAY
        home.ok("backup prune")
        home.now -= 2 * DAY
        safe = (home.directory / "safe").iterdir()
        opens = [path.name for path in safe if home.run(f"backup verify {path}").code == 0]
        assert opens == [], f"left for ever: {opens}"

    check_none(problems(sample(filter(has_a_whole_one, recording.cuts())), check_gone_in_time))


@pytest.mark.parametrize("name", ["one.bunker --force", "one.bunker.new"])
def test_a_backup_that_is_being_made_is_no_leftover(memory: Path, name: str) -> None:
    home = made_now(house(memory))
    with_a_safe(home)
    home.ok("user import -", "".join(person(f"i{n}", 300) + "\n" for n in range(1500)))
    home.now -= 2 * DAY
    home.ok(f"backup create {home.directory}/safe/one.bunker --keep 1d")
    home.now += 2 * DAY
    with home.spawn(f"backup create {home.directory}/safe/{name}") as process:
        until(lambda: list((home.directory / "safe").glob("*.tmp")) or process.poll() is not None)
        home.ok("backup prune")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    home.ok(f"backup verify {home.directory}/safe/{name.split(maxsplit=1)[0]}")


def test_a_restore_that_a_power_cut_ends_brings_nobody_back(memory: Path) -> None:
    """It can be repeated, and then nothing is left of the first attempt."""
    home = made_now(house(memory))
    three(home)
    home.ok(f"backup create {home.directory}/one.bunker")
    home.ok("user forget login:zoe --yes")
    recording = Recording(home.directory, memory)
    line = f"backup restore {home.directory}/one.bunker --vault {home.directory}/restored"
    assert recording.run(home, line.split()).code == 0
    key = home.database_key()

    def check_restored(cut: Cut) -> None:
        recording.disk(cut).put(home.directory)
        whole = (home.directory / "restored/vault.json").exists()
        assert whole or not acknowledged(recording, cut)[2], "the restored vault is lost"
        if not whole:
            home.ok(line)
        restored = rows(home, f"user list --reveal --vault {home.directory}/restored")
        assert {one["data"]["login"] for one in restored} == {"max", "eve"}
        home.ok(f"audit verify --deep --vault {home.directory}/restored")
        for path in home.directory.rglob("vault.db"):
            for name, number, content in pages.decrypted(str(path.parent), key):
                assert canary("zoe").encode() not in content, f"{path.parent}/{name}, {number}"

    check_none(problems(sample(recording.cuts(), 2 * SAMPLE), check_restored))


WEAKNESSES = {
    "a commit is not synced": (
        "batches in company",
        "store/connection.py",
        ("synchronous = FULL", "synchronous = NORMAL"),
        "is .* not ",
    ),
    "the journal keeps what was erased": (
        "a life in company",
        "erasure.py",
        (r"vault\.db\.truncate_wal\(wait\)", "True"),
        "erased bytes before any command",
    ),
    "the ledger is not synced": (
        "an erasure",
        "ledger.py",
        (r"        os\.fsync\(descriptor\)\n", ""),
        "the ledger has not each erasure once",
    ),
    "names are not synced": (
        "a rotation",
        "files.py",
        (r"    descriptor = os\.open\(path, os\.O_RDONLY \| os\.O_DIRECTORY\)\n", "    return\n"),
        "exit 1[23]",
    ),
    "a file has its name before it is synced": (
        "a rotation",
        "placement.py",
        (r"            os\.fsync\(descriptor\)\n(?=            if not)", ""),
        "exit (7|13)",
    ),
    "the header does not say that a rotation begins": (
        "a rotation",
        "rotation.py",
        (r"\bwrite_header\(vault\.directory, (plan\.)?begun\)", "pass"),
        "exit 7",
    ),
}


@pytest.mark.parametrize("name", WEAKNESSES)
def test_a_weakness_would_be_found(memory: Path, name: str) -> None:
    """The same search, with a copy of the program that lacks one thing."""
    course, module, (strong, weak), expected = WEAKNESSES[name]
    copy = memory / "weak" / "bunkerctl"
    shutil.copytree(Path(bunkerctl.__file__).parent, copy)
    source, count = re.subn(strong, weak, (copy / module).read_text())
    assert count, f"{module} has changed: make it weak in another way"
    (copy / module).write_text(source)
    run = recorded(memory, COURSES[course], program=str(copy.parent))
    cuts = list(dict.fromkeys(run.recording.cuts()))
    random.Random(7).shuffle(cuts)
    found = problems(cuts[:MOST], lambda cut: check(run, cut))
    assert any(re.search(expected, one) for one in found)


def test_the_search_after_each_test_finds_what_is_left(home: Home) -> None:
    for login in ("ann", "bob"):
        home.ok("user add", person(login))
    home.ok("user forget login:ann --yes")
    assert residue(home.directory) == []
    stray = home.vault / "stray"
    stray.write_text(canary("ann") + canary("bob"))
    assert residue(home.directory) == [f"{stray}: ann"]
    stray.unlink()
