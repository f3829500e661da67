"""The audit trail: one event an act, nothing personal in it, and any tampering found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bunkerctl.audit
from bunkerctl import forks, merkle, times, uuids
from bunkerctl.store import audit, trail
from conftest import DAY, Home
from wholeness import leaves, make_older, put_leaf, reworded, tamper

EVENT = [
    "seq",
    "at",
    "action",
    "outcome",
    "actor",
    "os_user",
    "host",
    "token",
    "fields",
    "reason",
    "ref",
    "hash",
]
NOBODY = "00000000-0000-4000-8000-000000000000"


def events(home: Home, options: str = "") -> list[dict[str, object]]:
    listed: list[dict[str, object]] = home.ok(f"audit list {options} --json").json
    return listed


def newest(home: Home) -> tuple[object, object, object]:
    event = events(home, "--limit 1")[0]
    return event["action"], event["outcome"], event["token"]


def test_a_change_of_expstatus_says_what_it_was(home: Home) -> None:
    token = home.add(login="ann")
    home.start(token)
    for line in (
        f"exp start {token}",
        f"exp start {token} --restart",
        f"exp cancel {token}",
        f"exp cancel {token}",
    ):
        home.ok(line)
    exptoken = home.start(token)
    home.ok(f"exp retain {exptoken}")
    home.ok(f"exp retain {exptoken}")
    home.ok(f"user forget {token} --yes")
    home.ok(f"user forget {token} --yes")
    count = len(events(home))
    said = [home.ok(f"audit show {seq} --json").json for seq in range(3, count + 1)]
    assert [(one["action"], one.get("was")) for one in said] == [
        ("exp.start", "none"),
        ("exp.start", None),
        ("exp.start", "wait"),
        ("exp.cancel", "wait"),
        ("exp.cancel", None),
        ("exp.start", "none"),
        ("exp.retain", "wait"),
        ("exp.retain", None),
        ("user.forget", "retain"),
        ("user.forget", None),
    ]


def test_every_act_is_one_event_with_its_action_and_token(home: Home) -> None:
    token = home.add(login="ann")
    exptoken = home.start(token)
    for line, action in (
        (f"user get {token}", "user.get"),
        (f"user update {token} a=b", "user.update"),
        (f"user hold {token} --reason case", "user.hold"),
        (f"user release {token}", "user.release"),
        (f"exp status {token}", "exp.status"),
        (f"exp start {token}", "exp.start"),
        (f"exp retain {exptoken}", "exp.retain"),
        (f"exp cancel {token}", "exp.cancel"),
        (f"export {token}", "export.user"),
        (f"user forget {token} --yes", "user.forget"),
    ):
        before = len(events(home))
        home.ok(line)
        assert len(events(home)) == before + 1, line
        assert newest(home) == (action, "ok", token)


def test_lists_and_batches_are_events_too(home: Home) -> None:
    added = [home.add(login="a"), home.add(login="b")]
    first, second = sorted(added)
    for line, expected in (
        ("user list", [("user.list", None)]),
        ("user check", [("user.check", None)]),
        ("exp list", [("exp.list", None)]),
        ("user list --reveal", [("user.list", None), ("user.get", first), ("user.get", second)]),
        (
            "export --all --yes",
            [("export.all", None), *(("export.user", token) for token in added)],
        ),
    ):
        before = len(events(home))
        home.ok(line)
        assert [(one["action"], one["token"]) for one in events(home)[before:]] == expected
    home.ok("user import -", '{"login":"c"}\n{"login":"d"}\n')
    assert [one["action"] for one in events(home)[-3:]] == ["user.add", "user.add", "user.import"]


@pytest.mark.parametrize("line", ["status", "config show", "audit list", "audit head", "--version"])
def test_what_shows_nobody_is_no_event(home: Home, line: str) -> None:
    before = len(events(home))
    home.ok(line)
    assert len(events(home)) == before


@pytest.mark.parametrize(
    ("line", "action", "outcome"),
    [
        ("user get login:nobody", "user.get", "not_found"),
        (f"user update {NOBODY} a=b", "user.update", "not_found"),
        (f"exp retain {NOBODY}", "exp.retain", "not_found"),
        (f"exp delete {NOBODY} --yes", "exp.delete", "not_found"),
        ("exp start login:nobody", "exp.start", "not_found"),
        ("export login:nobody", "export.user", "not_found"),
        ("user add login=ann", "user.add", "refused"),
        ("user update login:ann a=b --if-version 9", "user.update", "refused"),
        ("user forget login:ann", "user.forget", "declined"),
        ("export --all", "export.all", "declined"),
    ],
)
def test_refused_and_failed_attempts_are_events(
    home: Home, line: str, action: str, outcome: str
) -> None:
    home.add(login="ann")
    before = len(events(home))
    assert home.run(line).code in (4, 5, 6)
    assert len(events(home)) == before + 1
    assert newest(home)[:2] == (action, outcome)


@pytest.mark.parametrize(
    "line", ["user get token:x", "user add a=b", "exp start login:ann --in 1m"]
)
def test_invalid_arguments_are_no_events(home: Home, line: str) -> None:
    home.add(login="ann")
    before = len(events(home))
    assert home.run(line).code == 2
    assert len(events(home)) == before


def test_an_event_has_every_documented_field(home: Home) -> None:
    home.ok("user add login=ann b=c --actor carol --reason 'wants it' --ref T-1")
    event = events(home)[-1]
    assert list(event) == EVENT
    assert event["seq"] == 2
    assert event["at"] == "2027-01-15T08:00:00Z"
    assert event["fields"] == ["b", "login"]
    assert (event["actor"], event["reason"], event["ref"]) == ("carol", "wants it", "T-1")
    assert event["os_user"] and event["host"]
    shown = home.ok("audit show 2 --json").json
    assert {name: shown[name] for name in EVENT} == event
    assert isinstance(shown["uid"], int)
    assert len(shown["commitment"]) == 64
    assert home.run("audit show 99").code == 4


def test_the_hash_is_that_of_the_stored_leaf(home: Home) -> None:
    db = home.database()
    leaf = leaves(db)[0]
    db.close()
    assert events(home)[0]["hash"] == merkle.leaf_hash(leaf.encode()).hex()
    assert leaf == json.dumps(
        json.loads(leaf), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def test_filters(home: Home) -> None:
    ann = home.add(login="ann")
    home.now += DAY
    bob = home.add(login="bob")
    home.ok("user get login:ann --actor carol")
    home.ok(f"user forget {bob} --yes")

    def seqs(options: str) -> list[object]:
        return [one["seq"] for one in events(home, options)]

    assert seqs("") == [1, 2, 3, 4, 5]
    assert seqs("--limit 2") == [4, 5]
    assert seqs(f"token:{ann}") == [2, 4]
    assert seqs("login:ann --limit 1") == [4]
    assert seqs(bob) == [3, 5]  # an erased person, by token
    assert seqs("--action user.add") == [2, 3]
    assert seqs("--actor carol") == [4]
    assert seqs("--since 1h") == [3, 4, 5]
    assert seqs("--until 2027-01-16") == [1, 2]
    assert home.run("audit list login:bob").code == 4


def test_verify_and_head_agree(home: Home) -> None:
    for number in range(20):
        home.add(login=f"u{number}")
        head = home.ok("audit head --json").json
        verified = home.ok("audit verify --json").json
        found = {"ok": True, "events": number + 2, "head": head, "first_bad": None}
        assert verified == {**dict.fromkeys(verified), **found, "pruned": 0}


@pytest.fixture(params=["by one process", "by two"])
def walked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a trail of a few events be walked over in pages of three, by one process or two."""
    monkeypatch.setattr(bunkerctl.audit, "PAGE", 3)
    monkeypatch.setattr(bunkerctl.audit, "LEAST_SHARED", 2)
    monkeypatch.setattr(forks, "cores", lambda: 1 + (request.param == "by two"))


def test_a_long_trail_is_walked_over_by_two_processes(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bunkerctl.audit, "PAGE", 3)
    monkeypatch.setattr(forks, "cores", lambda: 2)
    started = Counter[str]()
    start = forks._start
    monkeypatch.setattr(forks, "_start", lambda work: started.update("p") or start(work))
    for number in range(10):
        home.add(login=f"u{number}")
    assert home.ok("audit verify --json").json["events"] == 11
    assert started["p"] == 1


@pytest.mark.usefixtures("walked")
@pytest.mark.parametrize(
    "line", ["audit list --json", "audit show 2", "audit export", "export ann"]
)
def test_an_event_that_is_no_json_any_more_is_damaged(home: Home, line: str) -> None:
    token = home.add(login="ann")
    tamper(home, *reworded(2, """replace(text, '"action"', 'action')"""))
    done = home.run(line.replace("ann", token))
    assert (done.code, done.err.count("damaged")) == (7, 1)


def test_a_trail_continues_every_earlier_head(home: Home) -> None:
    heads = []
    for number in range(9):
        heads.append(home.ok("audit head --json").out)
        home.add(login=f"u{number}")
    for head in heads:
        home.ok("audit verify --against -", head)


@pytest.mark.parametrize(
    ("statements", "first_bad"),
    [
        (reworded(6, "replace(text, 'user.add', 'user.get')"), (6, 6)),
        (reworded(3, "replace(text, 'token', 'taken')"), (3, 3)),
        (reworded(3, "replace(text, 'commitment', 'commitments')"), (3, 3)),
        (reworded(3, """replace(text, '"seq":0', '"seq":4')"""), (3, 3)),
        (reworded(3, "text || ' '"), (3, 3)),
        (reworded(3, "'garbage'"), (3, 3)),
        (reworded(3, "''"), (3, 3)),
        (("DELETE FROM audit WHERE seq = 4",), (4, 4)),
        (("DELETE FROM audit WHERE seq = 11",), (11, 11)),
        (("DELETE FROM wordings WHERE id > 1",), (2, 2)),
        (("UPDATE wordings SET text = replace(text, 'user.add', 'user.get')",), (2, 2)),
        (("UPDATE audit SET wording = 99 WHERE seq = 3",), (3, 3)),
        (("UPDATE audit SET at = at + 1 WHERE seq = 3",), (3, 3)),
        (("UPDATE audit SET at = 1 << 60 WHERE seq = 3",), (3, 3)),
        (("UPDATE audit SET token = NULL WHERE seq = 3",), (3, 3)),
        (("UPDATE audit SET token = zeroblob(16) WHERE seq = 3",), (3, 3)),
        (("UPDATE audit SET token = zeroblob(16) WHERE seq = 1",), (1, 1)),
        (("UPDATE audit SET commitment = NULL WHERE seq = 3",), (3, 3)),
        (("UPDATE audit SET commitment = zeroblob(32) WHERE seq = 3",), (3, 3)),
        (("UPDATE audit SET commitment = zeroblob(32) WHERE seq = 1",), (1, 1)),
        (
            (
                "INSERT INTO audit SELECT 12, wording, at, token, user, commitment, hash "
                "FROM audit WHERE seq = 11",
            ),
            (12, 12),
        ),
        (("UPDATE tree SET size = 10, frontier = substr(frontier, 1, 64)",), (1, 12)),
        (("UPDATE tree SET frontier = zeroblob(length(frontier))",), (1, 1)),
    ],
)
@pytest.mark.usefixtures("walked")
def test_tampering_is_found(
    home: Home, statements: tuple[str, ...], first_bad: tuple[int, int]
) -> None:
    for number in range(10):
        home.add(login=f"u{number}")
    tamper(home, *statements)
    result = home.run("audit verify --json")
    assert (result.code, result.error["code"]) == (7, "integrity")
    assert result.json["ok"] is False
    assert first_bad[0] <= result.json["first_bad"] <= first_bad[1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET event = replace(event, 'user.add', 'user.get') WHERE seq = 3",
        "UPDATE audit SET event = 'garbage' WHERE seq = 3",
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET token = NULL WHERE seq = 3",
        "UPDATE audit SET hash = zeroblob(32) WHERE seq = 3",
    ],
)
def test_what_was_altered_before_an_upgrade_is_found_behind_it(home: Home, statement: str) -> None:
    for number in range(10):
        home.add(login=f"u{number}")
    db = home.database()
    make_older(db)
    assert db.run(statement) == 1
    db.close()
    result = home.run("audit verify --json")
    assert (result.code, result.json["first_bad"]) == (7, 3)


SAID = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ('"at":""', '\\"token\\":\\"\\"', "%s %(at)s %%", '{"seq":0,"commitment":""}', "")
)


@given(
    what=st.fixed_dictionaries({}, optional={"ref": SAID, "reason": SAID, "was": SAID}),
    fields=st.none() | st.lists(SAID, max_size=3),
    counts=st.none() | st.dictionaries(st.sampled_from(("due", "held")), st.integers(0, 9)),
    token=st.none() | st.uuids().map(str),
    commitment=st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
    at=st.integers(0, 253402300799),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_event_is_put_together_as_it_was_taken_apart(
    home: Home,
    what: dict[str, str],
    fields: list[str] | None,
    counts: dict[str, int] | None,
    token: str | None,
    commitment: str | None,
    at: int,
) -> None:
    said = {
        "v": 1,
        "action": "user.get",
        **{"fields": fields, "counts": counts, "token": token, "commitment": commitment},
        **what,
    }
    db = home.database()
    db.begin()
    try:
        tree = audit.tree(db)
        raw = None if token is None else uuids.to_bytes(token)
        audit.append(db, tree, [(audit.wording(said), raw, None, commitment)], at)
        event = leaves(db)[-1]
        assert trail.leaves(db, tree.size - 1, 1) == [
            (tree.size, event, merkle.leaf_hash(event.encode()))
        ]
    finally:
        db.rollback()
        db.close()
    whole = {**said, "seq": tree.size, "at": times.text(at)}
    known = {name: value for name, value in whole.items() if value is not None}
    assert event == json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_size_that_does_not_fit_its_frontier_is_found(home: Home) -> None:
    home.add(login="ann")
    tamper(home, "UPDATE tree SET size = 7")
    assert home.run("audit verify").code == 7
    assert home.run("user get login:ann").code == 7


def roll_back(home: Home) -> None:
    """Put an older copy of the database in the place of the newer one."""
    saved = (home.vault / "vault.db").read_bytes()
    home.add(login="later")
    head = home.ok("audit head --json").out
    (home.vault / "vault.db").write_bytes(saved)
    (home.directory / "head").write_text(head)


def rebuild(home: Home) -> None:
    """As a key holder would: another history, with a tree that fits it."""
    (home.directory / "head").write_text(home.ok("audit head --json").out)
    db = home.database()
    tree = merkle.Tree()
    put_leaf(db, leaves(db)[1].replace("user.add", "user.get"))
    for leaf in leaves(db):
        tree.append(merkle.leaf_hash(leaf.encode()))
    db.run("UPDATE tree SET frontier = ?", tree.frontier())
    db.close()


@pytest.mark.parametrize(("attack", "first_bad"), [(roll_back, 3), (rebuild, None)])
def test_only_a_head_kept_elsewhere_shows_a_rollback_or_a_rebuilt_trail(
    home: Home, attack: Callable[[Home], None], first_bad: int | None
) -> None:
    home.add(login="ann")
    attack(home)
    home.ok("audit verify")
    result = home.run(f"audit verify --against {home.directory}/head --json")
    assert (result.code, result.error["code"]) == (7, "integrity")
    assert (result.json["ok"], result.json["first_bad"]) == (False, first_bad)


@pytest.mark.parametrize("head", ["", "{}", "[]", "1", '{"vault_id":1}', "not json"])
def test_a_malformed_head_is_refused(home: Home, head: str) -> None:
    assert home.run("audit verify --against -", head).code == 2


def test_another_vaults_head_is_refused(home: Home) -> None:
    head = home.ok("audit head --json").json
    other = json.dumps({**head, "vault_id": NOBODY})
    result = home.run("audit verify --against - --json", other)
    assert (result.code, result.error["code"]) == (2, "invalid")
