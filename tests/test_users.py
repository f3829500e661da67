"""People: add, get, update, list, hold, and the identities by which they are found."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunkerctl import users
from conftest import DAY, Home

NOBODY = "00000000-0000-4000-8000-000000000000"
USER = [
    "token",
    "created_at",
    "updated_at",
    "version",
    "identities",
    "data",
    "expstatus",
    "exptime",
    "due_at",
    "held",
]


def test_add_answers_with_the_user_and_its_fields_in_order(home: Home) -> None:
    record = {"phone": "+14155550123", "email": "Ann@Example.com", "nested": {"a": [1, None]}}
    answer = home.ok("user add --json", json.dumps(record)).json
    assert list(answer) == [*USER, "changed"]
    assert answer == {
        "token": answer["token"],
        "created_at": "2027-01-15T08:00:00Z",
        "updated_at": "2027-01-15T08:00:00Z",
        "version": 1,
        "identities": ["email", "phone"],
        "data": record,
        "expstatus": "none",
        "exptime": None,
        "due_at": None,
        "held": False,
        "changed": True,
    }


def test_add_prints_the_token_alone(home: Home) -> None:
    out = home.ok("user add login=ann").out
    assert len(out) == 37
    assert home.ok(f"user get {out.strip()} --field login").out == "ann\n"


def test_add_takes_fields_a_file_or_standard_input(home: Home) -> None:
    (home.directory / "ann.json").write_text('{"login":"c"}')
    home.ok("user add login=a age:=41 tags:='[1,2]' note=x=y empty=")
    home.ok("user add --data -", '{"login":"b"}')
    home.ok(f"user add --data {home.directory}/ann.json")
    home.ok("user add", '{"login":"d"}')
    data = home.ok("user get login:a --json").json["data"]
    assert data == {"login": "a", "age": 41, "tags": [1, 2], "note": "x=y", "empty": ""}
    assert home.ok("status --json").json["users"] == 4


@pytest.mark.parametrize(
    ("line", "stdin"),
    [
        ("user add", ""),
        ("user add", "[]"),
        ("user add", '"text"'),
        ("user add", "{}"),
        ("user add", '{"name":"no identity"}'),
        ("user add", '{"login":null}'),
        ("user add", '{"login":true}'),
        ("user add", '{"login":1.5}'),
        ("user add", '{"login":["a"]}'),
        ("user add", '{"login":""}'),
        ("user add", '{"login":"  "}'),
        ("user add", '{"login":"a\\u0007"}'),
        ("user add", '{"email":"not an address"}'),
        ("user add", '{"phone":"4155550123"}'),
        ("user add", '{"login":"a","login":"b"}'),
        ("user add", '{"login":"a","n":NaN}'),
        ("user add", '{"login":"a","n":1e999}'),
        ("user add", '{"login":"a"} {"login":"b"}'),
        ("user add", '{"login":"\\ud800"}'),
        ("user add", '\ufeff{"login":"a"}'),
        ("user add", b'{"login":"\xff"}'),
        ("user add", b'{"login":"a\x00"}'),
        ("user add", "[" * 100_000),
        ("user add", '{"login":"a","x":' + "[" * 100 + "]" * 100 + "}"),
        ("user add", b" " * (10 * 1024 * 1024 + 1)),
        ("user add login", ""),
        ("user add =x", ""),
        ("user add :=1", ""),
        ("user add login=a login=b", ""),
        ("user add login=a n:=x", ""),
        ("user add login=a --data -", '{"login":"b"}'),
    ],
)
def test_what_is_no_record_is_refused_and_nothing_is_added(
    home: Home, line: str, stdin: str | bytes
) -> None:
    result = home.run(line + " --json", stdin)
    assert result.code == 2, result
    assert result.out == ""
    assert result.error["exit_code"] == 2
    assert len(result.err.splitlines()) == 1
    assert home.ok("status --json").json["users"] == 0


@pytest.mark.parametrize(
    ("stored", "looked_up"),
    [
        ({"email": " John.Doe+x@EXAMPLE.com "}, "email:john.doe+X@example.COM"),
        ({"email": "jo\u0308rg@example.com"}, "j\u00f6rg@example.com"),
        ({"email": "john@corp.local"}, "john@corp.local"),
        ({"phone": "+1 (415) 555-2671"}, "+14155552671"),
        ({"phone": "+14155552671"}, "phone:+1.415.555.2671"),
        ({"phone": "+39 06 1234 5678"}, "phone:+390612345678"),
        ({"login": " John "}, "login:John"),
        ({"login": "john"}, "john"),
        ({"login": "X:1"}, "X:1"),
        ({"login": 7}, "7"),
        ({"custom": "X-17"}, "custom:X-17"),
        ({"custom": 12345678901234567890}, "custom:12345678901234567890"),
    ],
)
def test_an_identity_is_normalised_alike_for_storing_and_looking_up(
    home: Home, stored: dict[str, object], looked_up: str
) -> None:
    home.add(**stored)
    answer = home.ok(["user", "get", looked_up, "--json"]).json
    assert answer["data"] == stored  # the record itself is as given


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("token:abc", 2),
        ("phone:+44 x", 2),
        ("email:john", 2),
        ("email:", 2),
        ("", 2),
        ("login:", 2),
        ("@", 2),
        ("+999123456", 2),
        ("phone:112", 2),
        ("login:a\x07", 2),
        (NOBODY, 4),
        (f"token:{NOBODY.upper()}", 4),
        ("nobody", 4),
        ("X:nobody", 4),
        ("nobody@example.com", 4),
        ("+14155552671", 4),
        ("login:JOHN", 4),
        ("custom:john", 4),
    ],
)
def test_a_malformed_identity_is_2_and_an_unknown_one_4(home: Home, text: str, code: int) -> None:
    home.add(login="john")
    result = home.run(["user", "get", text, "--json"])
    assert (result.code, result.out) == (code, "")


def test_a_region_lets_national_numbers_in(home: Home) -> None:
    assert home.run("user add phone=020-7946-0958").code == 2
    home.ok("config set phone.region GB")
    home.ok("user add phone=020-7946-0958")
    assert home.run("user get +442079460958").code == 0
    assert home.run("user get phone:02079460958").code == 0
    home.ok("config set phone.region US")  # what is stored stays found, and can be erased
    home.ok("user forget +442079460958 --yes")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"email": "ann@example.com"}, {"email": "ANN@example.com"}),
        ({"phone": "+14155552671"}, {"phone": "+1 415 555 2671"}),
        ({"login": "7"}, {"login": 7}),
        ({"custom": "a"}, {"login": "b", "custom": "a"}),
    ],
)
def test_an_identity_is_unique_among_the_living(
    home: Home, first: dict[str, object], second: dict[str, object]
) -> None:
    token = home.add(**first)
    taken = home.run("user add --json", json.dumps(second))
    assert (taken.code, taken.error["code"]) == (5, "conflict")
    assert token in taken.error["message"]
    other = home.add(login="other")
    moved = home.run(f"user update {other} --json", json.dumps(second))
    assert (moved.code, moved.error["code"]) == (5, "conflict")
    assert home.ok("user get login:other --json").json["version"] == 1


def test_kinds_do_not_share_their_values(home: Home) -> None:
    assert home.add(login="same") != home.add(custom="same")


MERGES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("record", "patch", "expected"), MERGES)
def test_a_merge_patch(
    home: Home, record: dict[str, object], patch: dict[str, object], expected: dict[str, object]
) -> None:
    token = home.add(login="ann", **record)
    home.now += 60
    answer = home.ok(f"user update {token} --json", json.dumps(patch)).json
    assert answer["data"] == {"login": "ann", **expected}
    assert (answer["changed"], answer["version"]) == (True, 2)
    assert answer["updated_at"] == "2027-01-15T08:01:00Z"
    event = home.ok("audit list --limit 1 --json").json[0]
    assert event["fields"] == sorted(patch)


def test_a_json_patch_is_all_or_nothing(home: Home) -> None:
    token = home.add(login="ann", tags=["x"])
    patch = [{"op": "add", "path": "/tags/-", "value": "y"}, {"op": "remove", "path": "/none"}]
    refused = home.run(f"user update {token} --json", json.dumps(patch))
    assert (refused.code, refused.error["code"]) == (5, "conflict")
    assert home.ok(f"user get {token} --json").json["data"]["tags"] == ["x"]
    home.ok(f"user update {token} --data -", json.dumps(patch[:1]))
    assert home.ok(f"user get {token} --json").json["data"]["tags"] == ["x", "y"]


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ("{}", 2),
        ("[]", 2),
        ('"text"', 2),
        ("null", 2),
        ('[{"op":"fly"}]', 2),
        ("[1]", 2),
        ('{"login":null}', 2),
        ('{"login":true}', 2),
        ('[{"op":"replace","path":"","value":1}]', 2),
        ('[{"op":"test","path":"/login","value":"bob"}]', 5),
    ],
)
def test_a_patch_that_cannot_be_leaves_the_record(home: Home, patch: str, code: int) -> None:
    home.add(login="ann")
    assert home.run("user update login:ann", patch).code == code
    assert home.ok("user get login:ann --json").json["version"] == 1


def test_a_patch_that_changes_nothing_leaves_the_version(home: Home) -> None:
    home.add(login="ann", n=1)
    for patch in ('{"n":1}', '{"none":null}', '[{"op":"test","path":"/n","value":1}]'):
        answer = home.ok("user update login:ann --json", patch).json
        assert (answer["changed"], answer["version"]) == (False, 1)
    answer = home.ok("user update login:ann n:=1.0 --json").json
    assert (answer["changed"], answer["version"]) == (True, 2)


def test_if_version_lets_nobody_overwrite_what_he_has_not_seen(home: Home) -> None:
    home.add(login="ann")
    assert home.run("user update login:ann a=1 --if-version 2").code == 5
    home.ok("user update login:ann a=1 --if-version 1")
    assert home.run("user update login:ann a=2 --if-version 1").code == 5
    assert home.run("user update login:ann a=2 --if-version x").code == 2


def test_an_update_moves_the_identities(home: Home) -> None:
    token = home.add(login="ann", email="ann@example.com")
    home.ok(f"user update {token}", '{"login":null,"email":"new@example.com"}')
    assert home.run("user get login:ann").code == 4
    assert home.run("user get ann@example.com").code == 4
    assert home.ok("user get new@example.com --json").json["identities"] == ["email"]
    assert home.add(login="ann") != token


def test_get_field_is_raw_in_a_pipe_and_json_when_asked(home: Home) -> None:
    home.add(login="ann", note="a\tb\n\x1b[2J", n=1.50, deep={"x": [1]}, nothing=None)
    assert home.ok("user get login:ann --field note").out == "a\tb\n\x1b[2J\n"
    assert home.ok("user get login:ann --field n").out == "1.5\n"
    assert home.ok("user get login:ann --field deep").out == '{"x":[1]}\n'
    assert home.ok("user get login:ann --field nothing").out == "\n"
    assert home.ok("user get login:ann --field note --json").json == "a\tb\n\x1b[2J"
    assert home.run("user get login:ann --field none").code == 4


def test_identities_from_standard_input_answer_in_order_and_fail_alone(home: Home) -> None:
    home.add(login="a")
    home.add(login="b")
    lines = "login:b\nlogin:none\ntoken:x\nlogin:a\n"
    result = home.run("user get - --json", lines)
    assert (result.code, result.error["code"]) == (3, "partial")
    answers = result.json
    assert [one.get("data", {}).get("login") for one in answers] == ["b", None, None, "a"]
    assert answers[1]["line"] == 2
    assert (answers[1]["error"]["code"], answers[1]["error"]["exit_code"]) == ("not_found", 4)
    assert (answers[2]["line"], answers[2]["error"]["exit_code"]) == (3, 2)

    streamed = home.run("user get - -o jsonl", lines)
    assert [json.loads(line) for line in streamed.out.splitlines()] == answers
    plain = home.run("user get -", lines)
    assert len(plain.out.splitlines()) == 2
    assert "line 2" in plain.err and "line 3" in plain.err
    assert home.ok("user get - --json", "").json == []


@pytest.mark.parametrize("command", ["user forget - --yes", "exp start -", "exp status -"])
def test_other_commands_take_many_too(home: Home, command: str) -> None:
    home.add(login="a")
    home.add(login="b")
    result = home.run(f"{command} --json", b"login:a\n\xff\nlogin:b\r\nlogin:none")
    assert result.code == 3
    assert ["error" in one for one in result.json] == [False, True, False, True]


def test_list_masks_unless_revealed(home: Home) -> None:
    home.add(email="john@example.com", name="John", n=41, ok=True, no=None, tags=["abc"])
    masked = home.ok("user list --json").json[0]
    assert masked["data"] == {
        "email": "j***@e***.com",
        "name": "J***",
        "n": "***",
        "ok": "***",
        "no": None,
        "tags": ["a***"],
    }
    assert list(masked) == USER
    for form in ("plain", "csv", "jsonl", "table"):
        assert "example" not in home.ok(f"user list -o {form}").out
        assert "john@example.com" in home.ok(f"user list -o {form} --reveal").out


def test_list_filters_and_pages_by_token(home: Home) -> None:
    waits, stays, held, plain = (home.add(login=name) for name in "abcd")
    home.start(waits)
    home.ok(f"exp retain {home.start(stays)}")
    home.ok(f"user hold {held} --reason case")
    home.now += DAY
    late = home.add(login="e")
    home.ok(f"user update {plain} x=y")

    def listed(options: str) -> list[str]:
        return [one["token"] for one in home.ok(f"user list {options} --json").json]

    everyone = sorted([waits, stays, held, plain, late])
    assert listed("") == everyone
    assert listed("--expstatus wait") == [waits]
    assert listed("--expstatus retain") == [stays]
    assert listed("--expstatus none") == sorted([held, plain, late])
    assert listed("--expstatus expired") == []
    assert listed("--held") == [held]
    assert listed("--created-before 1h") == sorted([waits, stays, held, plain])
    assert listed("--updated-before 1h") == sorted([waits, stays, held])
    assert listed("--created-before 2027-01-15") == []
    assert listed("--limit 2") == everyone[:2]
    assert listed(f"--limit 2 --after {everyone[1]}") == everyone[2:4]
    assert home.run("user list --expstatus gone").code == 2
    assert home.run("user list --limit 0").code == 2
    assert home.run("user list --created-before 1m").code == 2


def test_hold_and_release_answer_with_the_hold(home: Home) -> None:
    token = home.add(login="ann")
    assert home.run(f"user hold {token}").code == 2
    assert home.run(f"user hold {token} --reason x --until 2020-01-01").code == 2
    line = f"user hold {token} --reason 'court case' --until 2027-06-30 --actor carol --json"
    answer = home.ok(line).json
    assert answer["hold"] == {
        "reason": "court case",
        "since": "2027-01-15T08:00:00Z",
        "until": "2027-06-30T00:00:00Z",
        "by": "carol",
    }
    assert (answer["held"], answer["changed"]) == (True, True)
    assert home.ok(line).json["changed"] is False
    assert "court" not in home.ok("audit list --json").out
    lifted = home.ok(f"user release {token} --json").json
    assert (lifted["hold"], lifted["held"], lifted["changed"]) == (None, False, True)
    assert home.ok(f"user release {token} --json").json["changed"] is False


def test_a_reason_before_the_words_is_the_holds_reason(home: Home) -> None:
    home.add(login="ann")
    answer = home.ok("--reason secret user hold login:ann --json").json
    assert answer["hold"]["reason"] == "secret"
    assert "secret" not in home.ok("audit list --json").out


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=5))
def test_any_record_comes_back_as_it_was_given(home: Home, record: dict[str, object]) -> None:
    record = {**record, "custom": "X", "email": None, "phone": None, "login": None}
    token = home.ok("user add", json.dumps(record)).out.strip()
    assert home.ok(f"user get {token} --json").json["data"] == record
    home.ok(f"user forget {token} --yes")


@pytest.mark.parametrize("most", [users.NEAR_BYTES, 1])
def test_a_line_sees_what_one_before_it_has_done(
    home: Home, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """People of a batch are looked up together, and somebody may be in it under several names."""
    monkeypatch.setattr(users, "NEAR_BYTES", most)
    ann, bob = home.add(login="ann", email="ann@example.com"), home.add(login="bob")
    lines = f"login:ann\nlogin:bob\nann@example.com\n{ann}\n{ann}\nlogin:nobody\nlogin:bob\n"
    result = home.run("exp start - --in 30d -o jsonl", lines)
    assert result.code == 3
    done = [json.loads(line) for line in result.out.splitlines()]
    assert [one.get("token") for one in done] == [ann, bob, ann, ann, ann, None, bob]
    assert len({one["exptoken"] for one in done if "token" in one}) == 2
    for mine, count in ((ann, 4), (bob, 2)):
        events = home.ok(f"audit list {mine} --json").json
        assert [one["action"] for one in events].count("exp.start") == count
    result = home.run("exp cancel - -o jsonl", lines)
    assert result.code == 3
    left = [json.loads(line).get("expstatus") for line in result.out.splitlines()]
    assert left == ["none"] * 5 + [None, "none"]
    forgotten = home.ok("user forget - --yes -o jsonl", f"{ann}\nlogin:ann\n{ann}\n").out
    assert [json.loads(line)["token"] for line in forgotten.splitlines()] == [ann] * 3
