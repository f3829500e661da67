"""Moving people in and out: JSON lines, conflicts, rejects, and a person's own export."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from pathlib import Path

import pytest

from conftest import DAY, Home

COUNTS = ("read", "added", "updated", "skipped", "rejected", "duplicates")


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def counts(answer: dict[str, int]) -> tuple[int, ...]:
    """Return the counts of an import, but the duplicates: test_tabular_import.py has them."""
    assert tuple(answer) == COUNTS
    return tuple(answer.values())[:-1]


def test_a_bad_line_fails_alone_and_the_good_ones_are_in(home: Home) -> None:
    rejects = home.directory / "rejects"
    bad = [
        b"not json",
        b'{"name":"no identity"}',
        b'{"login":"a"}',  # taken by the first line
        b"\xff\xfe",
        b'{"login":"x","login":"y"}',
        b"[1]",
        b'{"schema":"bunkerctl.user/2","login":"z"}',
        b'{"schema":"bunkerctl.user/1","token":"x"}',
    ]
    given = b'{"login":"a"}\n' + b"\n".join(bad) + b'\n\n  \n{"login":"b"}\r\n{"login":"c"}'
    result = home.run(f"user import - --rejects {rejects} --json", given)
    assert (result.code, result.error["code"]) == (3, "partial")
    assert counts(result.json) == (11, 3, 0, 0, 8)
    assert rejects.read_bytes().splitlines() == bad
    assert [f"line {n}:" in result.err for n in range(1, 14)] == [False] + [True] * 8 + [False] * 4
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    assert home.ok("status --json").json["users"] == 3


@pytest.mark.parametrize(
    ("policy", "expected", "code", "data"),
    [
        ("error", (2, 1, 0, 0, 1), 3, {"login": "a", "x": 1}),
        ("skip", (2, 1, 0, 1, 0), 0, {"login": "a", "x": 1}),
        ("update", (2, 1, 1, 0, 0), 0, {"login": "a", "x": 1, "y": 2}),
    ],
)
def test_on_conflict(
    home: Home, policy: str, expected: tuple[int, ...], code: int, data: dict[str, object]
) -> None:
    home.add(login="a", x=1)
    given = lines({"login": "a", "y": 2}, {"login": "b"})
    result = home.run(f"user import - --on-conflict {policy} --json", given)
    assert result.code == code
    assert counts(result.json) == expected
    assert home.ok("user get login:a --json").json["data"] == data


def test_a_line_about_two_people_is_rejected(home: Home) -> None:
    home.add(login="a")
    home.add(custom="b")
    result = home.run(
        "user import - --on-conflict update --json", lines({"login": "a", "custom": "b"})
    )
    assert (result.code, counts(result.json)) == (3, (1, 0, 0, 0, 1))


def test_a_dry_run_reports_what_a_real_run_does_and_does_nothing(home: Home) -> None:
    home.add(login="a")
    given = lines({"login": "a"}, {"login": "b"}, {"login": "b"}, {"x": 1}, {"login": "c"})
    head = home.ok("audit head --json").json["size"]
    dry = home.run("user import - --dry-run --json", given)
    assert home.ok("status --json").json["users"] == 1
    assert home.ok("audit head --json").json["size"] == head + 1
    real = home.run("user import - --json", given)
    assert (dry.code, dry.json) == (real.code, real.json)
    assert counts(real.json) == (5, 2, 0, 0, 3)


def test_a_missing_file_or_option_is_refused(home: Home) -> None:
    assert home.run("user import /nonexistent").code == 9
    assert home.run("user import - --on-conflict never").code == 2
    assert home.run("user import - --format xml").code == 2
    existing = home.directory / "rejects"
    existing.write_text("mine")
    assert home.run(f"user import - --rejects {existing}", lines({"x": 1})).code == 5
    assert existing.read_text() == "mine"


def test_a_line_of_over_10_mib_is_rejected_alone(home: Home) -> None:
    given = b'{"login":"' + b"x" * (11 * 1024 * 1024) + b'"}\n{"login":"a"}\n'
    result = home.run("user import - --json", given)
    assert (result.code, counts(result.json)) == (3, (2, 1, 0, 0, 1))


def test_export_all_and_import_into_a_new_vault_keep_everything(home: Home, tmp_path: Path) -> None:
    home.add(email="ann@example.com", n=1, deep={"x": [None, "\u202e\x1b"]})
    waits, stays, held = (home.add(login=name) for name in "abc")
    home.start(waits, "10d")
    home.ok(f"exp retain {home.start(stays)}")
    home.ok(f"user hold {held} --reason case")
    home.now += DAY
    home.ok(f"user update {held} more=1")
    exported = home.ok("export --all -o jsonl --yes").out
    assert all(json.loads(line)["schema"] == "bunkerctl.user/1" for line in exported.splitlines())

    (tmp_path / "other").mkdir()
    other = Home(tmp_path / "other")
    other.now = home.now
    other.ok("init")
    assert counts(other.ok("user import - --json", exported).json) == (4, 4, 0, 0, 0)
    assert other.ok("export --all -o jsonl --yes").out == exported
    again = other.run("user import - --json", exported)
    assert counts(again.json) == (4, 0, 0, 0, 4)
    other.now += 10 * DAY
    assert other.ok("exp sweep --json").json["tokens"] == [waits]
    back = other.run("user import - --on-conflict update --json", exported)
    assert (back.code, back.json["rejected"]) == (3, 1)  # the forgotten person does not come back
    assert other.run("user get login:a").code == 4


def test_export_all_needs_yes_and_json_lines(home: Home) -> None:
    assert home.run("export --all").code == 6
    assert home.run("export --all --yes --json").code == 2
    assert home.run("export").code == 2
    assert home.run("export login:a --all --yes").code == 2
    assert home.ok("export --all --yes").out == ""


def test_a_persons_export_has_everything_about_it(home: Home) -> None:
    home.ok("config set links.base https://example.com")
    token = home.add(login="ann", name="Ann")
    exptoken = home.start(token)
    home.ok(f"user hold {token} --reason case")
    home.ok(f"user get {token} --reason 'asked on the phone'")
    export = home.ok(f"export {token}").json
    assert ",".join(export) == (
        "schema,vault_id,exported_at,user,expiration,hold,lapsed_hold,cancelled_expiration,"
        "access_history"
    )
    assert export["schema"] == "bunkerctl.export/1"
    assert export["user"]["data"] == {"login": "ann", "name": "Ann"}
    assert export["expiration"]["exptoken"] == exptoken
    assert export["hold"]["reason"] == "case"
    assert [event["action"] for event in export["access_history"]] == [
        "user.add",
        "exp.start",
        "user.hold",
        "user.get",
        "export.user",
    ]
    assert export["access_history"][3]["reason"] == "asked on the phone"


def test_an_export_file_is_private_and_never_overwritten(home: Home) -> None:
    home.add(login="ann")
    path = home.directory / "ann.json"
    result = home.ok(f"export login:ann --out {path}")
    assert result.out == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["user"]["data"] == {"login": "ann"}
    path.write_text("mine")
    assert home.run(f"export login:ann --out {path}").code == 5
    assert path.read_text() == "mine"
    home.ok(f"export login:ann --out {path} --force")
    assert "ann" in path.read_text()
    assert home.ok("export login:ann --out -").json["user"]["data"] == {"login": "ann"}


def test_what_a_killed_export_left_goes_and_what_another_is_writing_stays(home: Home) -> None:
    home.add(login="ann")
    path, dead, held = (
        home.directory / name
        for name in (
            "people.jsonl",
            f".people.jsonl.{'0' * 12}.tmp",
            f".people.jsonl.{'1' * 12}.tmp",
        )
    )
    others = [home.directory / name for name in (".people.jsonl.tmp", f".other.{'0' * 12}.tmp")]
    for left in (path, dead, held, *others):
        left.write_text("ann\n")
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        home.ok(f"export --all --yes --out {path} --force")
    assert not dead.exists()
    assert all(left.exists() for left in (held, *others))
    assert len(path.read_text().splitlines()) == 1
    home.ok(f"export --all --yes --out {path} --force")
    assert not held.exists()


def test_an_export_goes_to_a_regular_file_alone(home: Home) -> None:
    home.add(login="ann")
    target, link, fifo = (home.directory / name for name in ("target", "link", "fifo"))
    link.symlink_to(target)
    os.mkfifo(fifo)
    for path in (home.directory, link, fifo, "/nonexistent/x"):
        assert home.run(f"export login:ann --force --out {path}").code == 9
    assert not target.exists()
    assert [p.name for p in home.directory.iterdir() if p.name.endswith(".tmp")] == []


def test_an_erased_or_unknown_person_is_not_exported(home: Home) -> None:
    token = home.add(login="ann")
    home.ok(f"user forget {token} --yes")
    assert home.run(f"export {token}").code == 4
    assert home.run("export login:ann").code == 4
