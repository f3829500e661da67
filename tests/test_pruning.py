"""Pruning the trail leaves its proof, and anchors keep heads of it elsewhere."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import merkle, notes, proofs
from conftest import DAY, Home, Result
from refusals import check_refusal
from wholeness import leaves, reworded, tamper

Head = dict[str, Any]


def days(home: Home, number: int) -> list[Head]:
    """Let that many days pass with an event each; return the head at each day's end."""
    heads = []
    for _ in range(number):
        home.add(login=f"u{home.now}")
        heads.append(home.ok("audit checkpoint --json").json)
        home.now += DAY
    return heads


def events(home: Home) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.ok("audit list --json").json
    return found


def verified(home: Home, against: Head | str | None = None) -> Result:
    if against is None:
        return home.run("audit verify --json")
    text = against if isinstance(against, str) else json.dumps(against)
    return home.run("audit verify --json --against -", text)


def prune(home: Home, before: str) -> dict[str, Any]:
    done: dict[str, Any] = home.ok(f"audit prune --before {before} --yes --json").json
    return done


# Pruning.


def test_the_events_go_and_the_proof_stays(home: Home) -> None:
    heads = days(home, 10)
    before = home.ok("audit head --json").json
    listed = events(home)
    done = prune(home, "4d")
    assert {**done, "checkpoint": None} == {
        "events": 7,
        "pruned": 7,
        "checkpoint": None,
        "changed": True,
    }
    assert events(home)[:-1] == listed[7:]
    assert events(home)[-1]["action"] == "audit.prune"
    assert home.ok("audit show 12 --json").json["counts"] == {"events": 7, "up_to": 7}
    check_refusal(home.run("audit show 7"), 4)
    found = verified(home).json
    assert (found["ok"], found["events"], found["pruned"]) == (True, 12, 7)
    assert verified(home, before).json["ok"] is True
    key = notes.verifier(home.ok("audit key").out)
    kept = notes.open_(done["checkpoint"], key)
    assert (kept.size, kept.root.hex()) == (7, heads[5]["root"])


def test_the_root_is_what_it_would_be_without_pruning(home: Home) -> None:
    days(home, 9)
    leaves = [bytes.fromhex(event["hash"]) for event in events(home)]
    prune(home, "5d")
    home.add(login="later")
    leaves += [bytes.fromhex(event["hash"]) for event in events(home)[-2:]]
    tree = merkle.Tree()
    for leaf in leaves:
        tree.append(leaf)
    head = home.ok("audit head --json").json
    assert (head["size"], head["root"]) == (tree.size, tree.root().hex())


@pytest.mark.parametrize("left", range(1, 10))
def test_heads_from_before_the_point_are_refused_and_later_ones_proven(
    home: Home, left: int
) -> None:
    heads = days(home, 10)
    done = prune(home, f"{left}d")
    days(home, 3)
    now = home.ok("audit head --json").json
    for head in heads:
        for against in (head, head["checkpoint"]):
            result = verified(home, against)
            if head["size"] < done["pruned"]:
                assert (result.code, result.error["code"]) == (5, "conflict")
                continue
            assert result.json["ok"] is True
            proof = [base64.b64decode(node) for node in result.json["consistency"]]
            then, root = bytes.fromhex(head["root"]), bytes.fromhex(now["root"])
            assert proofs.is_consistent(head["size"], now["size"], then, root, proof)


def test_the_checkpoint_that_pruning_left_is_one_to_be_held_against(home: Home) -> None:
    days(home, 5)
    done = prune(home, "3d")
    assert verified(home, done["checkpoint"]).json["ok"] is True
    altered = done["checkpoint"].replace("\n3\n", "\n4\n")
    assert altered != done["checkpoint"]
    assert verified(home, altered).code == 7


def test_a_false_head_from_after_the_point_is_found(home: Home) -> None:
    heads = days(home, 8)
    prune(home, "5d")
    for head in heads[3:]:
        false = {**head, "root": heads[0]["root"], "checkpoint": None}
        assert verified(home, false).code == 7
    longer = {**heads[-1], "size": 99, "checkpoint": None}
    assert verified(home, longer).json["first_bad"] == 11


def test_pruning_twice_goes_on_from_where_it_was(home: Home) -> None:
    heads = days(home, 10)
    assert prune(home, "7d")["events"] == 4
    again = prune(home, "7d")
    assert again == {"events": 0, "pruned": 4, "checkpoint": None, "changed": False}
    size = home.ok("audit head --json").json["size"]
    assert prune(home, "9d")["changed"] is False  # an earlier point than before
    assert home.ok("audit head --json").json["size"] == size
    more = prune(home, "3d")
    assert (more["events"], more["pruned"]) == (4, 8)
    assert verified(home, heads[-1]).json["ok"] is True
    assert verified(home, heads[5]).code == 5


def test_with_nothing_to_prune_nothing_happens(home: Home) -> None:
    before = events(home)
    for when in ("1d", "5y", "2020-01-01"):
        assert prune(home, when) == {
            "events": 0,
            "pruned": 0,
            "checkpoint": None,
            "changed": False,
        }
    assert events(home) == before
    assert verified(home).json["pruned"] == 0


def test_all_can_be_pruned_and_the_trail_goes_on(home: Home) -> None:
    heads = days(home, 6)
    assert prune(home, "2030-01-01")["events"] == 7
    assert [event["action"] for event in events(home)] == ["audit.prune"]
    assert verified(home, heads[-1]).json["ok"] is True
    later = days(home, 3)
    for head in later:
        assert verified(home, head).json["ok"] is True
    assert prune(home, "2030-01-01")["events"] == 4
    assert verified(home).json["ok"] is True
    assert home.ok("audit verify --deep --json").json["unchecked"] == 9


def test_every_command_works_on_a_pruned_trail(home: Home) -> None:
    token = home.add(login="ann")
    home.start(token)
    home.now += 3 * DAY
    prune(home, "1d")
    assert len(home.ok(f"export {token}").json["access_history"]) == 1
    home.ok(f"user update {token} a=b")
    assert home.ok(f"audit list token:{token} --json").json[-1]["action"] == "user.update"
    home.ok(f"user forget {token} --yes")
    home.ok(f"erasure show {token} --json")
    lines = home.ok("audit export -o jsonl").out.splitlines()
    assert json.loads(lines[0])["seq"] == 4
    assert verified(home).json["ok"] is True
    assert home.run("doctor").code == 0


def test_it_is_asked_before_and_a_refusal_is_an_event(home: Home) -> None:
    days(home, 3)
    before = len(events(home))
    check_refusal(home.run("audit prune --before 1d"), 6, "not confirmed")
    assert len(events(home)) == before + 1
    assert (events(home)[-1]["action"], events(home)[-1]["outcome"]) == ("audit.prune", "declined")
    assert verified(home).json["pruned"] == 0


@pytest.mark.parametrize("line", ["", "--before x", "--before 0d", "--before 2027-13-01"])
def test_a_point_is_needed_and_must_be_one(home: Home, line: str) -> None:
    check_refusal(home.run(f"audit prune --yes {line}"), 2)


def test_a_damaged_trail_is_not_pruned(home: Home) -> None:
    days(home, 5)
    tamper(home, *reworded(3, "replace(text, 'user.add', 'user.get')"))
    check_refusal(home.run("audit prune --before 1d --yes"), 7)
    assert len(events(home)) == 6


@pytest.mark.parametrize(
    "statements",
    [
        ("UPDATE pruned SET size = 5",),
        ("UPDATE pruned SET frontier = zeroblob(length(frontier))",),
        ("UPDATE pruned SET size = 3, frontier = substr(frontier, 1, 64)",),
        ("UPDATE pruned SET checkpoint = replace(checkpoint, 'a', 'b')",),
        ("UPDATE pruned SET checkpoint = ''",),
        ("DELETE FROM pruned",),
        ("DELETE FROM audit WHERE seq = 5",),
        reworded(6, "replace(text, 'user.add', 'user.get')"),
        (
            "INSERT INTO audit SELECT 2, wording, at, token, user, commitment, hash "
            "FROM audit WHERE seq = 6",
        ),
    ],
)
def test_what_pruning_left_is_not_altered_unseen(home: Home, statements: tuple[str, ...]) -> None:
    heads = days(home, 8)
    assert prune(home, "5d")["pruned"] == 4
    db = home.database()
    assert [db.run(statement) for statement in statements] == [1] * len(statements)
    db.close()
    assert verified(home).code == 7
    assert verified(home, heads[-1]).code == 7


def test_a_base_made_anew_by_who_has_the_key_is_found_by_a_checkpoint(home: Home) -> None:
    """The signing seed lies in the vault: with it, another past can be signed."""
    heads = days(home, 8)
    prune(home, "5d")
    db = home.database()
    seed = db.one("SELECT value FROM meta WHERE name = 'signing_seed'")[0]
    tree = merkle.Tree()
    for number in range(4):
        tree.append(merkle.leaf_hash(b"another past %d" % number))
    origin = f"bunkerctl/{heads[0]['vault_id']}"
    note = notes.sign(notes.Checkpoint(origin=origin, size=4, root=tree.root()), seed)
    db.run("UPDATE pruned SET frontier = ?, checkpoint = ?", tree.frontier(), note)
    for leaf in leaves(db):
        tree.append(merkle.leaf_hash(leaf.encode()))
    db.run("UPDATE tree SET frontier = ?", tree.frontier())
    db.close()
    assert verified(home).code == 0
    for head in heads[3:]:
        assert verified(home, head).code == 7
        assert verified(home, head["checkpoint"]).code == 7


def test_clocks_that_went_back_let_no_event_go_too_early(home: Home) -> None:
    """Events are pruned up to the first one that is too young, whatever comes behind it."""
    days(home, 3)
    home.now -= 10 * DAY
    home.add(login="back")
    home.now += 11 * DAY
    assert prune(home, "3d")["events"] == 2
    assert {event["at"][:10] for event in events(home)} >= {"2027-01-16", "2027-01-08"}
    assert verified(home).json["ok"] is True


# Anchors.


def anchored(home: Home, setting: str) -> None:
    home.ok(["config", "set", "audit.anchor", setting])


def test_each_sweep_and_each_backup_leaves_a_line_in_the_file(home: Home) -> None:
    path = home.directory / "anchors"
    anchored(home, f"file:{path}")
    home.ok("exp sweep --dry-run")
    assert not path.exists()
    home.ok("exp sweep -q")
    home.add(login="ann")
    home.ok(f"backup create {home.directory}/b")
    home.ok("status")
    lines = path.read_text().splitlines()
    key = notes.verifier(home.ok("audit key").out)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line)["size"] for line in lines] == [3, 5]
    for line in lines:
        said = json.loads(line)
        assert list(said) == ["vault_id", "size", "root", "at", "checkpoint"]
        assert notes.open_(said["checkpoint"], key).size == said["size"]
        assert verified(home, line).json["ok"] is True
    home.ok(f"audit verify --against {path}")


def test_a_file_that_is_there_is_added_to(home: Home) -> None:
    path = home.directory / "anchors"
    path.write_text('{"vault_id":"other"}\n')
    path.chmod(0o640)
    anchored(home, f"file:{path}")
    home.ok("exp sweep")
    assert path.read_text().startswith('{"vault_id":"other"}\n{"vault_id": ')
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_command_reads_the_checkpoint_and_only_that(home: Home) -> None:
    script = home.directory / "script"
    script.write_text(f"#!/bin/sh\ncat > {home.directory}/read\necho loud\nenv > {script}.env\n")
    script.chmod(0o700)
    anchored(home, f"command:{script} a 'b c' ; touch x")
    result = home.ok("exp sweep --json")
    assert "loud" not in result.out
    said = json.loads((home.directory / "read").read_text())
    assert said["checkpoint"] == home.ok("audit checkpoint").out
    assert not Path("x").exists()


def test_syslog_is_no_reason_to_fail(home: Home) -> None:
    anchored(home, "syslog")
    result = home.ok("exp sweep --json")
    assert result.json["erased"] == 0
    assert home.process("exp sweep --json --accept-clock").code == 0


def test_all_three_at_once(home: Home) -> None:
    path = home.directory / "anchors"
    anchored(home, f"file:{path},syslog,command:tee {home.directory}/one,two")
    home.ok("exp sweep")
    assert (home.directory / "one,two").read_text() == path.read_text()


FAILING = [
    ("file:/nonexistent/anchors", "file"),
    ("file:/proc/anchors", "file"),
    ("file:{directory}", "file"),
    ("file:{directory}/link", "file"),
    ("command:false", "command"),
    ("command:/nonexistent", "command"),
    ("command:sh -c 'exec 0<&-; sleep 0.1; exit 3'", "command"),
    ("command:'unclosed", "command"),
    ("command:{directory}/config", "command"),
]


@pytest.mark.parametrize(("setting", "kind"), FAILING)
@pytest.mark.parametrize("line", ["exp sweep -q --json", "backup create {directory}/b --json"])
def test_a_failing_anchor_warns_and_fails_nothing(
    home: Home, line: str, setting: str, kind: str
) -> None:
    (home.directory / "link").symlink_to(home.directory / "elsewhere")
    (home.directory / "config").write_text("")
    anchored(home, setting.format(directory=home.directory))
    token = home.add(login="ann")
    home.start(token, "1d")
    home.now += 2 * DAY
    result = home.run(line.format(directory=home.directory))
    assert result.code == 0, result
    if "sweep" in line:
        assert result.json["tokens"] == [token]
    assert result.err.count("\n") == 1
    assert f"bunkerctl: warning: no anchor by {kind}" in result.err
    assert not (home.directory / "elsewhere").exists()


def test_of_three_anchors_one_that_fails_does_not_bar_the_others(home: Home) -> None:
    script = f"command:tee {home.directory}/out"
    anchored(home, f"file:/nonexistent/a,syslog,{script}")
    result = home.run("exp sweep")
    assert (result.code, "no anchor by file" in result.err) == (0, True)
    assert json.loads((home.directory / "out").read_text())["size"] == 2


def test_a_pipe_without_a_reader_does_not_stop_the_sweep(home: Home) -> None:
    pipe = home.directory / "pipe"
    os.mkfifo(pipe)
    anchored(home, f"file:{pipe}")
    with home.spawn("exp sweep --json --accept-clock") as process:
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    assert process.returncode == 0


NO_ANCHORS = ["", "file", "file:", "file:relative", "syslog:x", "command:", "command: "]
NO_ANCHORS += ["other:/x", "FILE:/a", "syslog,syslog", "file:/a,file:/b", ",", "syslog,,syslog"]


@pytest.mark.parametrize("setting", NO_ANCHORS)
def test_what_is_no_anchor_cannot_be_set(home: Home, setting: str) -> None:
    check_refusal(home.run(["config", "set", "audit.anchor", setting]), 2)


def test_a_bad_anchor_in_the_file_of_settings_is_told_before_anybody_is_erased(home: Home) -> None:
    token = home.add(login="ann")
    home.start(token, "1d")
    home.now += 2 * DAY
    config = home.directory / "config.toml"
    config.write_text('[audit]\nanchor = "nothing"\n')
    check_refusal(home.run(f"exp sweep --config {config}"), 2)
    home.ok(f"user get {token}")


def test_a_refused_sweep_leaves_no_anchor(home: Home) -> None:
    path = home.directory / "anchors"
    anchored(home, f"file:{path}")
    home.now -= DAY
    assert home.run("exp sweep").code == 5
    assert not path.exists()


def test_anchors_from_before_a_pruning_are_old_and_the_newest_holds(home: Home) -> None:
    path = home.directory / "anchors"
    anchored(home, f"file:{path}")
    for _ in range(6):
        home.ok("exp sweep")
        home.now += DAY
    first, *_, last = path.read_text().splitlines()
    prune(home, "3d")
    assert verified(home, first).code == 5
    assert verified(home, last).json["ok"] is True
    home.ok(f"audit verify --against {path}")
