"""A disk that fails at any call: a command ends in order, and the vault stays whole.

`shim.c` is preloaded into each command that writes. At its Nth call that changes a file it lets
that call fail, cuts it short or kills the process; here each act is then seen to be done or not
done, never half, never told falsely, and to be possible again. Each N of each act and mode is tried
where BUNKERCTL_TORTURE is set (about 9000 runs, 40 minutes), else some spread over the range.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bunkerctl.directory import Header, read_header
from conftest import DAY, Home, Result
from residue import found
from wholeness import CANARY, check_whole, due_people

EVERY = bool(os.environ.get("BUNKERCTL_TORTURE"))
SOURCE = Path(__file__).with_name("shim.c")
COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
KILLED = -9
SAMPLES = {"eio": 2, "enospc": 1, "short": 1, "kill": 2, "torn": 1, "full": 1, "dead": 1}
"""The modes of shim.c, and how many calls to try of each act without BUNKERCTL_TORTURE."""

EDGES = {"eio": "stdout", "short": "anchors", "torn": "anchors"}
"""Files that are written with one call, in a mode that has shown something there."""

CODES = {
    0,
    9,  # the file system refused
    15,  # erased, to be finished by the next command
    16,  # failed at COMMIT
    74,  # standard output lies on the failing disk, too
}
UNDONE = re.compile(r"nothing was (changed|done|erased|pruned|exported)|change was not made")
DONE = re.compile(r"the change was saved|erased, but|is rotated, but|is written anew")

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="no C compiler (cc) for shim.c"),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="shim.c needs /proc and glibc"),
]


class Scene:
    """A vault with people, put back as it was before each run."""

    def __init__(self, home: Home, shim: Path, kept: Path) -> None:
        self.home = home
        self.shim = shim
        self._kept = kept
        home.now = int(datetime.now(UTC).timestamp()) - 10 * DAY
        home.ok(f"init --recovery-file {home.directory}/first.code")
        self.ann = home.add(login="ann", text="stays")
        self.carl = home.add(login="carl", text="held")
        self.hal = home.add(login="hal", text=CANARY * 40)
        self.ian = home.add(login="ian", text=CANARY * 40)
        home.ok("user hold login:carl --reason lawsuit")
        home.ok("user forget login:hal --yes")
        home.ok(f"config set audit.anchor file:{home.directory}/anchors")
        home.ok(f"backup create {home.directory}/old.bunker --keep 1d")
        home.ok(f"backup create {home.directory}/first.bunker")
        home.ok("user forget login:ian --yes")
        home.now += 10 * DAY
        self.bob = home.add(login="bob", text=CANARY * 90)
        self.dora = home.add(login="dora", text=CANARY * 90)
        self.link = home.start("login:dora", "5d")
        self.due = due_people(home, 3)
        self.old_key = home.key_file.read_bytes()
        (home.vault / "vault.ballast").unlink(missing_ok=True)
        shutil.copytree(home.directory, kept)
        self.people = people(home)
        self.vault_id = header(self).vault_id
        self._calls: dict[str, list[str]] = {}

    def calls(self, act: Act) -> list[str]:
        """Return the calls of an act that nothing disturbs."""
        if act.line not in self._calls:
            told, self._calls[act.line] = self.run(act, "", 0)
            assert told.code in act.ends, told
        return self._calls[act.line]

    def reset(self) -> None:
        shutil.rmtree(self.home.directory)
        shutil.copytree(self._kept, self.home.directory)
        self.home.now = int(datetime.now(UTC).timestamp())

    def run(self, act: Act, mode: str, number: int) -> tuple[Result, list[str]]:
        """Run an act on a fresh scene with one fault; return what it gave and its calls."""
        self.reset()
        if act.before:
            self.home.ok(act.before)
        log = self._kept.with_suffix(".log")
        log.unlink(missing_ok=True)
        fault = {
            "LD_PRELOAD": str(self.shim),
            "FAULT_BELOW": str(self.home.directory),
            "FAULT_MODE": mode,
            "FAULT_AT": str(number),
            "FAULT_LOG": str(log),
        }
        answer = self.home.directory / "stdout"
        with answer.open("wb") as out:
            result = self.home.process(
                act.words(self), act.stdin(self), environment=fault, stdout=out
            )
        calls = log.read_text().splitlines() if log.exists() else []
        told = Result(result.code, answer.read_bytes(), result.err.encode())
        answer.unlink()
        return told, calls


class Act(NamedTuple):
    """A command, and how to see that it is done, or not done at all.

    `line` and `data` (standard input) may name what a scene has. `whom` are those that it is
    about. Where `again` is set, doing it again is refused with that code, once it is done. `before`
    is a command to prepare it, `ends` are the codes that it ends with on a disk that works.
    """

    line: str
    done: Callable[[Scene], bool]
    undone: Callable[[Scene], bool]
    whom: Callable[[Scene], set[str]] = lambda _: set()
    data: str = ""
    again: int = 0
    before: str = ""
    ends: tuple[int, ...] = (0,)

    def words(self, scene: Scene) -> str:
        return self.line.format(s=scene, d=scene.home.directory)

    def stdin(self, scene: Scene) -> bytes:
        return self.data.encode()


Check = Callable[[Scene, Act, Result], Iterator[str]]


def people(home: Home) -> dict[str, Any]:
    """Return everybody as they are now, by token."""
    listed = home.ok("user list --reveal -o jsonl").out.splitlines()
    return {one["token"]: one for one in map(json.loads, listed)}


def by_login(home: Home) -> dict[str, Any]:
    return {one["data"]["login"]: one for one in people(home).values()}


def buried(home: Home, vault: str = "vault") -> set[str]:
    place = home.directory / vault
    listed = home.ok(f"erasure list -o jsonl --vault {place}").out.splitlines()
    return {json.loads(line)["token"] for line in listed}


def header(scene: Scene, vault: str = "vault") -> Header:
    return read_header(str(scene.home.directory / vault))


def gone(scene: Scene, tokens: set[str]) -> bool:
    return tokens <= buried(scene.home) and not tokens & people(scene.home).keys()


def alive(scene: Scene, tokens: set[str]) -> bool:
    now = people(scene.home)
    return not tokens & buried(scene.home) and all(now[one] == scene.people[one] for one in tokens)


def recovers(scene: Scene, name: str, vault: str = "vault") -> bool:
    """Tell whether a file has the recovery code of a vault."""
    home = scene.home
    if not (home.directory / name).exists():
        return False
    line = f"key recovery verify --recovery-file {home.directory / name} --vault"
    return home.run(f"{line} {home.directory / vault}").code == 0


def keys_at(scene: Scene, name: str) -> bool:
    """Tell whether a file has the vault's key, and the vault knows of it."""
    place = scene.home.directory / name
    known = [route.place for route in header(scene).places()]
    return str(place) in known and place.read_bytes() == scene.home.key_file.read_bytes()


def is_listed(scene: Scene, name: str) -> bool:
    listed = json.loads(scene.home.ok("backup list --json").out)
    return str(scene.home.directory / name) in [one["path"] for one in listed]


def is_known_backup(scene: Scene, name: str) -> bool:
    """Tell whether a file is a backup that verifies, and the vault lists it."""
    path = scene.home.directory / name
    return is_listed(scene, name) and scene.home.run(f"backup verify {path}").code == 0


def restored(scene: Scene) -> bool:
    home, place = scene.home, scene.home.directory / "restored"
    status = home.ok(f"status --json --vault {place}").json
    assert home.ok(f"audit verify --deep --json --vault {place}").json["ok"]
    listed = home.ok(f"user list --reveal -o jsonl --vault {place}").out
    logins = {json.loads(line)["data"]["login"] for line in listed.splitlines()}
    assert (status["users"], logins) == (2, {"ann", "carl"})
    return {scene.hal, scene.ian} <= buried(home, "restored")


def has_setting(scene: Scene) -> bool:
    return scene.home.ok("config get exp.grace").out == "45d\n"


def pruned(scene: Scene) -> bool:
    return bool(scene.home.ok("audit verify --json").json["pruned"])


def is_receipt(scene: Scene, token: str) -> bool:
    path = scene.home.directory / "receipts" / f"{token}.json"
    return path.exists() and scene.home.run(f"erasure verify {path}").code == 0


def nobody_else(scene: Scene, names: set[str]) -> bool:
    return not names & by_login(scene.home).keys()


NEW = {"u1", "u2", "u3"}
LINES = "".join(f'{{"login":"{name}","text":"new"}}\n' for name in sorted(NEW)) + '{"bad":1}\n'
ACTS = {
    "init": Act(
        "init --vault {d}/fresh --key-file {d}/fresh.key --recovery-file {d}/fresh.code",
        done=lambda s: (
            s.home.run(
                f"status --vault {s.home.directory}/fresh --key-file {s.home.directory}/fresh.key"
            ).code
            == 0
            and recovers(s, "fresh.code", "fresh")
        ),
        undone=lambda s: not (s.home.directory / "fresh").exists(),
        again=5,
    ),
    "user add": Act(
        "user add",
        data='{"login":"new","text":"whole"}',
        done=lambda s: (
            by_login(s.home).get("new", {}).get("data") == {"login": "new", "text": "whole"}
        ),
        undone=lambda s: nobody_else(s, {"new"}),
        again=5,
    ),
    "user update": Act(
        "user update {s.ann} text=changed",
        done=lambda s: (
            (one := people(s.home)[s.ann])["version"] == 2
            and one["data"] == {"login": "ann", "text": "changed"}
        ),
        undone=lambda s: alive(s, {s.ann}),
        whom=lambda s: {s.ann},
    ),
    "user forget": Act(
        "user forget {s.bob} --yes",
        done=lambda s: gone(s, {s.bob}),
        undone=lambda s: alive(s, {s.bob}),
        whom=lambda s: {s.bob},
    ),
    "user import": Act(
        "user import - --rejects {d}/rejects --on-conflict skip",
        data=LINES,
        done=lambda s: by_login(s.home).keys() >= NEW,
        undone=lambda s: nobody_else(s, NEW),
        ends=(3,),  # one of the lines is bad
    ),
    "user hold": Act(
        "user hold {s.ann} --reason audit",
        done=lambda s: bool(people(s.home)[s.ann]["held"]),
        undone=lambda s: alive(s, {s.ann}),
        whom=lambda s: {s.ann},
    ),
    "exp start": Act(
        "exp start {s.ann} --in 7d",
        done=lambda s: people(s.home)[s.ann]["expstatus"] == "wait",
        undone=lambda s: alive(s, {s.ann}),
        whom=lambda s: {s.ann},
    ),
    "exp delete": Act(
        "exp delete {s.link} --yes",
        done=lambda s: gone(s, {s.dora}),
        undone=lambda s: alive(s, {s.dora}),
        whom=lambda s: {s.dora},
    ),
    "exp sweep": Act(
        "exp sweep --json --receipts {d}/receipts",
        done=lambda s: gone(s, s.due),
        undone=lambda s: alive(s, s.due),
        whom=lambda s: s.due,
    ),
    "key rotate": Act(
        "key rotate --recovery-file {d}/next.code",
        done=lambda s: s.home.key_file.read_bytes() != s.old_key and recovers(s, "next.code"),
        undone=lambda s: s.home.key_file.read_bytes() == s.old_key and recovers(s, "first.code"),
    ),
    "key enroll": Act(
        "key enroll file {d}/job/copy.key",
        done=lambda s: keys_at(s, "job/copy.key"),
        undone=lambda s: len(header(s).places()) == 1,
    ),
    "key recovery create": Act(
        "key recovery create --recovery-file {d}/next.code",
        done=lambda s: recovers(s, "next.code"),
        undone=lambda s: recovers(s, "first.code"),
        again=5,
    ),
    "backup create": Act(
        "backup create {d}/next.bunker --keep 90d",
        done=lambda s: is_known_backup(s, "next.bunker"),
        undone=lambda s: not (s.home.directory / "next.bunker").exists(),
        again=5,
    ),
    "backup restore": Act(
        "backup restore {d}/first.bunker --vault {d}/restored",
        done=restored,
        undone=lambda s: not (s.home.directory / "restored").exists(),
        again=5,
    ),
    "backup prune": Act(
        "backup prune",
        done=lambda s: (
            not is_listed(s, "old.bunker") and not (s.home.directory / "old.bunker").exists()
        ),
        undone=lambda s: is_known_backup(s, "old.bunker"),
    ),
    "audit prune": Act(
        "audit prune --before 5d --yes", done=pruned, undone=lambda s: not pruned(s)
    ),
    "config set": Act(
        "config set exp.grace 45d", done=has_setting, undone=lambda s: not has_setting(s)
    ),
    "export": Act(
        "export --all --yes --out {d}/people.jsonl --force",
        done=lambda s: (
            len((s.home.directory / "people.jsonl").read_text().splitlines()) == len(s.people)
        ),
        undone=lambda s: not (s.home.directory / "people.jsonl").exists(),
    ),
}


DESTROY = Act(
    "destroy --confirm {s.vault_id}",
    done=lambda s: not any(s.home.vault.glob("*")) and not s.home.key_file.exists(),
    undone=lambda s: s.home.run("status").code == 0,
    before="user release login:carl",
)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Each run syncs many times: in memory, where there is such a place, that takes no time."""
    memory = Path("/dev/shm")
    in_memory = memory.is_dir() and os.access(memory, os.W_OK)
    with tempfile.TemporaryDirectory(dir=memory if in_memory else None) as name:
        place = Path(name)
        shim = place / "shim.so"
        line = [str(COMPILER), "-shared", "-fPIC", "-O1", "-o", str(shim)]
        subprocess.run([*line, str(SOURCE), "-ldl"], check=True)
        home = place / "home"
        home.mkdir()
        yield Scene(Home(home), shim, place / "kept")


def wrong(scene: Scene, act: Act, told: Result) -> Iterator[str]:
    """Yield whatever is wrong after a run, first as it left things, then after another try."""
    if told.code not in {*CODES, *act.ends, KILLED}:
        yield f"exit {told.code}"
    if "Traceback" in told.err or "unexpected" in told.err:
        yield "the message is not clean"
    if any(not line.startswith(("bunkerctl: ", "{")) for line in told.err.splitlines()):
        yield "standard error has a line that is not the program's own"
    status = scene.home.run("status")
    if status.code:
        yield f"the vault does not open: {status}"
        return
    check_trail(scene.home)
    undone = act.undone(scene)
    done = not undone and act.done(scene)
    yield from untrue(told, done=done, undone=undone)
    codes = [name for name in ("next.code", "fresh.code") if (scene.home.directory / name).exists()]
    owned_up = "cannot remove" in told.err or "opens nothing" in status.err
    if codes and not done and told.code != KILLED and not owned_up:
        yield "a recovery code that opens nothing is left, and nobody says so"
    yield from lost(scene, act)
    again = tried_again(scene, act)
    if again.code not in act.ends and not (done and again.code == act.again):
        yield f"cannot be done again: {again}"
    elif not act.done(scene):
        yield "not done after another try"
    yield from lost(scene, act)
    if "cannot remove" not in told.err:
        yield from left(scene)
    if act.line.startswith("exp sweep"):
        yield from unreported(scene, told, again)
    anchors = scene.home.directory / "anchors"
    against = scene.home.run(f"audit verify --against {anchors}")
    if against.code and not pruned(scene):  # or an anchor is older than what is left
        yield f"the trail cannot be held against its anchors: {against}"
    check_trail(scene.home)


def untrue(told: Result, *, done: bool, undone: bool) -> Iterator[str]:
    """What a command has said is true of what it has done."""
    if told.code == KILLED:
        return
    if not done and not undone:
        yield "it is half done"
    if told.code == 0 and not done:
        yield "exit 0, and not done"
    if told.out and not done:
        yield "it answered, and is not done"
    if UNDONE.search(told.err) and not undone:
        yield "it says that nothing was done, but something was"
    if DONE.search(told.err) and not done:
        yield "it says that it was done, but it was not"


def tried_again(scene: Scene, act: Act) -> Result:
    """Do an act again; into another file, if it says that a killed one has left the first."""
    line, data = act.words(scene), act.stdin(scene)
    again = scene.home.run(line, data)
    for name in ("next.code", "fresh.code", "rejects"):
        if f"{name} exists" in again.err:
            (scene.home.directory / name).rename(scene.home.directory / f"{name}.before")
            return scene.home.run(line, data)
    return again


def check_trail(home: Home) -> None:
    """As `check_whole`, for a trail that was pruned, too."""
    verified = home.ok("audit verify --json").json
    if not verified["pruned"]:
        check_whole(home)
        return
    events = [json.loads(line) for line in home.ok("audit list -o jsonl").out.splitlines()]
    assert verified["ok"] is True
    assert [one["seq"] for one in events] == list(
        range(verified["pruned"] + 1, verified["events"] + 1)
    )


def lost(scene: Scene, act: Act) -> Iterator[str]:
    """Everybody else is as before, and the erased stay erased, in any vault that opens."""
    now, whom = people(scene.home), act.whom(scene)
    for token, person in scene.people.items():
        if token not in whom and now.get(token) != person:
            yield "somebody else was changed"
    deep = scene.home.run("audit verify --deep --json")
    if deep.code or not deep.json["ok"] or deep.json["bad"]:
        yield f"audit verify --deep: {deep}"
    erased = buried(scene.home)
    if not {scene.hal, scene.ian} <= erased:
        yield "an erasure is undone"
    ledger = (scene.home.vault / "erasures.jsonl").read_text().splitlines()
    if sorted(json.loads(line)["token"] for line in ledger) != sorted(erased):
        yield "the ledger is not that of the tombstones"
    for path in scene.home.directory.glob(".restored.*.tmp"):
        opens = scene.home.run(f"status --vault {path}").code == 0
        if opens and not {scene.hal, scene.ian} <= buried(scene.home, path.name):
            yield "a vault that opens has somebody who was erased"


def left(scene: Scene) -> Iterator[str]:
    """Nothing that is personal or secret stays behind in a file that no command removes."""
    home = scene.home
    secrets = [scene.old_key.strip(), home.key_file.read_bytes().strip()]
    for path in home.directory.rglob("*"):
        if not path.is_file() or not path.name.endswith((".tmp", ".next")):
            continue
        content = path.read_bytes()
        if CANARY.encode() in content:
            yield f"people are left in {path.name}"
        if any(secret in content for secret in secrets):
            yield f"the key is left in {path.name}"
        if home.run(f"backup verify {path}").code == 0:
            home.ok("backup prune")
            if path.exists():
                yield f"a backup that `backup prune` does not know of is left in {path.name}"
    for path in home.directory.glob(".restored.*.tmp"):
        yield f"people are left in {path.name}"
    if scene.bob in buried(home) and scene.due <= buried(home) and found(home, CANARY.encode()):
        yield "the erased are left in the vault"


def unreported(scene: Scene, told: Result, again: Result) -> Iterator[str]:
    """Whom a sweep erased it names, or else the next one does; and there is a receipt of each."""
    named = [one for result in (told, again) for one in reported(result)]
    if not set(named) >= scene.due:
        yield "somebody was erased whom no sweep names"
    if not all(is_receipt(scene, token) for token in scene.due):
        yield "an erasure has no receipt"


def reported(told: Result) -> list[str]:
    """Return the tokens that a sweep names; a killed one may have named half."""
    try:
        tokens: list[str] = told.json["tokens"] if told.out else []
    except ValueError:
        assert told.code == KILLED
        return []
    return tokens


def chosen(calls: list[str], mode: str) -> list[int]:
    """Return the numbers of the calls to try: each, or some.

    Those are spread over the groups of like calls: a transaction writes one file many times, and
    renames another once. The writes of EDGES are among them.
    """
    groups: list[list[int]] = []
    for _, group in itertools.groupby(enumerate(calls, 1), key=lambda one: one[1].split()[1:]):
        numbers = [number for number, _ in group]
        if "write" in calls[numbers[0] - 1] or mode not in ("short", "torn"):
            groups.append(numbers)
    if EVERY:
        return list(itertools.chain(*groups))
    count = min(SAMPLES[mode], len(groups))
    begin = sorted(SAMPLES).index(mode) / len(SAMPLES)
    some = [groups[int((turn + begin) * len(groups) / count)] for turn in range(count)]
    edges = [
        number
        for number, call in enumerate(calls, 1)
        if mode in EDGES and call.split()[1] == "write" and call.endswith(f"/{EDGES[mode]}")
    ]
    return sorted({one[len(one) // 2] for one in some} | set(edges))


def tried(scene: Scene, act: Act, mode: str, check: Check) -> list[str]:
    """Let an act fail in one way at the calls to try; return what is wrong, and where."""
    problems = []
    for number in chosen(scene.calls(act), mode):
        told, calls = scene.run(act, mode, number)
        said: list[str] = []
        try:
            said += check(scene, act, told)
        except AssertionError as error:
            said.append(f"not whole: {error!r}")
        if said:
            where = calls[number - 1] if number <= len(calls) else f"{number} (not reached)"
            problems.append("\n  ".join([f"{act.line}, {mode} at {where}", *said, told.err]))
    return problems


def undestroyed(scene: Scene, act: Act, told: Result) -> Iterator[str]:
    """Yield what is wrong with a destruction: it is not begun, or the next call ends it."""
    if told.code not in {*CODES, KILLED}:
        yield f"exit {told.code}"
    if told.code == 0 and not act.done(scene):
        if "cannot remove" not in told.out:  # what could not be removed is named as what remains
            yield "exit 0, and not done"
        return
    undone = act.undone(scene)
    if not undone and scene.home.run("status").code != 10:
        yield "neither a vault nor one that is being destroyed"
    if UNDONE.search(told.err) and not undone:
        yield "it says that nothing was done, but something was"
    again = scene.home.run(act.words(scene))
    if again.code not in (0, 10) or not act.done(scene):
        yield f"the next call does not end it: {again}"
    for path in scene.home.directory.rglob("*"):
        if path.is_file() and scene.old_key.strip() in path.read_bytes():
            yield f"the key is left in {path.name}"


def test_the_shim_sees_what_a_command_writes_and_else_changes_nothing(scene: Scene) -> None:
    told, calls = scene.run(ACTS["user add"], "", 0)
    assert (told.code, told.err) == (0, "")
    names = {line.split()[1] for line in calls}
    assert names >= {"write", "pwrite64", "fsync", "ftruncate", "unlink"}
    assert [int(line.split()[0]) for line in calls] == list(range(1, len(calls) + 1))
    assert scene.run(ACTS["user add"], "kill", 5)[0].code == KILLED


@pytest.mark.parametrize("mode", SAMPLES)
@pytest.mark.parametrize("name", ACTS)
def test_an_act_on_a_failing_disk_is_done_or_not_done(scene: Scene, name: str, mode: str) -> None:
    problems = tried(scene, ACTS[name], mode, wrong)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("mode", SAMPLES)
def test_a_destruction_on_a_failing_disk_is_not_begun_or_can_be_ended(
    scene: Scene, mode: str
) -> None:
    problems = tried(scene, DESTROY, mode, undestroyed)
    assert not problems, "\n".join(problems)
