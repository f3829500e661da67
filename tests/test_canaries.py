"""What is said when a command fails: its form, its place, and nothing personal in it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from bunkerctl.cli import grammar
from conftest import Home

COMMANDS = grammar.load_all()
NOBODY = "00000000-0000-4000-8000-000000000000"
PERSON = {
    "email": "canary@example.com",
    "phone": "+14155552671",
    "login": "canary-login",
    "custom": "canary-custom",
    "note": "canary-value",
    "nested": {"list": ["canary-value"]},
}
PERSONAL = re.compile(r"canary|415\W*555\W*2671|Traceback", re.IGNORECASE)
MALFORMED = [
    b'{"login":"canary",}',
    b'{"login":"canary","canary":1,"canary":2}',
    b'{"login":"canary"} {"login":"canary"}',
    b'{"login":"canary\xff"}',
    b'{"login":"canary\\ud800"}',
    b'{"login":"canary\\u0007"}',
    b'{"login":{"canary":1}}',
    b'{"email":"canary"}',
    b'{"email":"canary @example.com"}',
    b'{"phone":"canary"}',
    b'{"phone":"4155552671"}',
    b'{"phone":"+4155552671415555"}',
    b'{"canary":"canary"}',
    b'["canary"]',
    b'"canary"',
    b"canary",
]
TABLES = [
    b"",
    b"canary\n",
    b"canary,canary,login,age\n",
    b"canary,login,age\ncanary,canary,canary\n",
    b"canary,login,age\ncanary,canary\n",
    b'canary,login,age\ncanary,"canary"canary,7\n',
    b'canary,login,age\ncanary,"canary\n',
    b"canary,login,age\ncanary,canary\xff,7\n",
    b"canary,login,age\ncanary,canary\0,7\n",
    b"canary,email,age\ncanary,canary,7\n",
    b"canary,email,age,x\ncanary,canary,7,canary\n",
    b"canary;login,age\ncanary,7\n",
    b'"canary\ncanary,login',
]
LINE = {
    **{"schema": "bunkerctl.user/1", "token": NOBODY, "created_at": "2027-01-01"},
    **{"updated_at": "2027-01-01", "version": 1, "data": PERSON, "expstatus": "none"},
    **{"due_at": None, "held": False},
}
EXPORTED = [{**LINE, name: "canary"} for name in LINE if name != "schema"]
PATCHES = [
    '[{"op":"canary"}]',
    '[{"op":1,"path":"/canary"}]',
    '["canary"]',
    '[["canary"]]',
    '[{"op":"add","path":"canary","value":"canary"}]',
    '[{"op":"add","path":7,"value":"canary"}]',
    '[{"op":"add","path":"/canary"}]',
    '[{"op":"add","path":"/~2canary","value":"canary"}]',
    '[{"op":"add","path":"/note/canary","value":"canary"}]',
    '[{"op":"add","path":"/nested/list/99","value":"canary"}]',
    '[{"op":"add","path":"/nested/list/canary","value":"canary"}]',
    '[{"op":"remove","path":"/canary"}]',
    '[{"op":"remove","path":""}]',
    '[{"op":"move","from":"/canary","path":"/note"}]',
    '[{"op":"copy","from":"/nested/list/canary","path":"/note"}]',
    '[{"op":"test","path":"/note","value":"canary"}]',
    '[{"op":"test","path":"/nested/list/-","value":"canary"}]',
    '[{"op":"replace","path":"/login","value":["canary"]}]',
    '[{"op":"replace","path":"","value":"canary"}]',
    '{"login":"canary\\u0007"}',
    '{"email":"canary"}',
    '{"login":"other"}',
    "{}",
]
UNKNOWN = ("canary", "none@canary.example", "phone:+14155552672", "custom:canary")
WRONG = ("token:canary", "email:canary", "phone:canary", "phone:4155552671", "canary@", "login:")
LISTED = "\n".join((*UNKNOWN, *WRONG))
IDENTITIES = [*UNKNOWN, *WRONG, "canary canary", "--canary canary"]


def each(words: str, *endings: str, stdin: object = b"") -> list[tuple[str, bytes]]:
    given = stdin if isinstance(stdin, bytes) else str(stdin).encode()
    return [(f"{words} {ending}", given) for ending in endings]


FAILING = {
    "init": each("init", "", "canary", "--key-fd canary"),
    "status": each("status", "canary", "--max-age canary", "--lock-wait canary", "-o canary")
    + each(
        "status", "--color canary", "--key-fd canary", "--key-command 'false canary'", "--check"
    ),
    "user add": [("user add", raw) for raw in [*MALFORMED, json.dumps(PERSON).encode()]]
    + each("user add", "canary", "n:=canary", "email=canary", "login=canary login=canary")
    + each("user add", "login=canary --data -", "login=canary-login", "--canary=canary"),
    "user get": each("user get", *IDENTITIES, "{held} --field canary")
    + each("user get", "-", "- --field canary", stdin=LISTED),
    "user update": [
        (f"user update {{held}} {how}", patch.encode())
        for how in ("", "--data -")
        for patch in PATCHES
    ]
    + [("user update {held}", raw) for raw in MALFORMED if b'"canary":"canary"' not in raw]
    + each("user update", *(f"{one} a=canary" for one in IDENTITIES))
    + each("user update {held}", "a=canary --if-version 9", "a=canary --if-version canary"),
    "user list": each("user list", "canary", "--expstatus canary", "--after canary")
    + each("user list", "--limit canary", "--created-before canary", "--updated-before canary"),
    "user forget": each("user forget", *(f"{one} --yes" for one in IDENTITIES))
    + each("user forget", "canary@example.com --yes", "login:other", "-")
    + each("user forget", "- --yes", stdin=LISTED),
    "user import": [
        *each("user import", "- --on-conflict canary", "- --format canary", "canary -"),
        ("user import -", b"\n".join([*MALFORMED, json.dumps(PERSON).encode()])),
        ("user import -", "\n".join(map(json.dumps, EXPORTED)).encode()),
        ("user import - --on-conflict update", b'{"login":"other","email":"canary@example.com"}'),
        *each("user import", "- --encoding canary", "- --format csv --delimiter canary"),
        *each("user import", "- --map canary", "- --type canary=canary", "- --set canary:=canary"),
        *(("user import - --format csv --map nobody=canary", raw) for raw in TABLES),
        *(("user import - --format csv --type age=int", raw) for raw in TABLES if b"7" not in raw),
        *(("user import - --format csv --type canary=int", raw) for raw in TABLES),
    ],
    "user check": each("user check", "canary", "--canary"),
    "user hold": each("user hold", *(f"{one} --reason canary" for one in IDENTITIES))
    + each("user hold {held}", "", "--reason canary --until canary")
    + each("user hold {held}", "--reason canary --until 2020-01-01"),
    "user release": each("user release", *IDENTITIES),
    "exp start": each("exp start", *IDENTITIES, "{held} --in canary", "{held} --on canary")
    + each("exp start", "{held} --in 1d --on canary", "{held} --on 2020-01-01", "{held} --in 101y")
    + each("exp start", "-", stdin=LISTED),
    "exp status": each("exp status", *IDENTITIES) + each("exp status", "-", stdin=LISTED),
    "exp cancel": each("exp cancel", *IDENTITIES) + each("exp cancel", "-", stdin=LISTED),
    "exp retain": each("exp retain", "canary", "{gone}", NOBODY, "{waits} canary"),
    "exp delete": each("exp delete", "canary", "{gone}", NOBODY, "{waits}", "{waits} --yes"),
    "exp list": each("exp list", "canary", "--within canary", "--limit canary"),
    "exp sweep": each("exp sweep", "canary", "--limit canary", "--max-deletes canary"),
    "export": each("export", *IDENTITIES, "", "--all", "{held} --format canary", "{held} --all")
    + each("export", "{held} --out /dev/full --force", "{held} --out /nowhere/x"),
    "export verify": each("export verify", "/nowhere/x", "/nowhere/x canary", "/dev/null")
    + [("export verify -", raw) for raw in MALFORMED],
    "audit list": each("audit list", *IDENTITIES, "--since canary", "--until canary")
    + each("audit list", "--limit canary"),
    "audit show": each("audit show", "canary", "999"),
    "audit head": each("audit head", "canary"),
    "audit checkpoint": each("audit checkpoint", "canary"),
    "audit key": each("audit key", "canary"),
    "audit verify": each("audit verify", "canary", "--against /nowhere/x")
    + [("audit verify --against -", raw) for raw in MALFORMED]
    + each("audit verify", "--against -", stdin='{"vault_id":"canary","size":"canary"}')
    + each(
        "audit verify",
        "--against -",
        stdin='{"vault_id":"canary","size":1,"root":"canary","at":"2027-01-15"}',
    ),
    "audit export": each("audit export", "canary", "--since canary", "-o json", "--out /dev/full"),
    "audit prune": each("audit prune", "", "canary", "--before canary", "--before 1y"),
    "erasure show": each("erasure show", "canary", NOBODY, "{held}"),
    "erasure list": each("erasure list", "canary", "--limit canary"),
    "erasure verify": [("erasure verify -", raw) for raw in MALFORMED]
    + each(
        "erasure verify", "- --key bunkerctl/canary+x", "/nowhere/x", stdin='{"schema":"canary"}'
    ),
    "backup create": each("backup create", "", "/dev/null", "/nowhere/x", "x --keep canary"),
    "backup list": each("backup list", "canary"),
    "backup verify": each("backup verify", "", "/nowhere/x", "/dev/null"),
    "backup restore": each("backup restore", "/nowhere/x", "/dev/null", "x --no-ledger"),
    "backup prune": each("backup prune", "canary"),
    "key status": each("key status", "canary"),
    "key test": each("key test", "canary", "--key-fd canary"),
    "key enroll": each("key enroll", "canary", "canary canary", "file", "keyring canary")
    + each("key enroll", "file /nowhere/x --default canary", "keyring"),
    "key rotate": each("key rotate", "canary", "--recovery-file /dev/null"),
    "key recovery create": each("key recovery create", "", "canary", "--recovery-file /dev/null"),
    "key recovery verify": each("key recovery verify", "", "canary")
    + each("key recovery verify", "--recovery-file -", stdin="CANARY-canary"),
    "key restore": each("key restore", "", "canary", "--key-fd canary")
    + each("key restore", "--recovery-file -", stdin="canary" * 1000),
    "unlock": each("unlock", "canary", "--for canary", "--for 2d"),
    "lock": each("lock", "canary"),
    "report": each("report", "canary", "--since canary", "--until canary", "--out /dev/null")
    + each("report", "--out /nowhere/x", "--out - -o csv", "--since 2030-01-01"),
    "doctor": each("doctor", "canary", "--key-fd canary"),
    "destroy": each("destroy", "", "canary", "--confirm canary"),
    "config show": each("config show", "canary"),
    "config get": each("config get", "canary", "exp.grace canary"),
    "config set": each("config set", "canary canary", "exp.grace canary", "links.base canary")
    + each("config set", "phone.region canary", "output canary", "lock_wait canary"),
    "config path": each("config path", "canary"),
    "demo": each("demo", "canary"),
    "help": each("help", "canary"),
    "schema": each("schema", "canary"),
    "completion": each("completion", "canary"),
}


def test_no_command_is_left_out() -> None:
    assert sorted(FAILING) == sorted(" ".join(words) for words in COMMANDS)


@pytest.fixture
def people(home: Home) -> dict[str, str]:
    """A held person made of canaries, who waits, and another, whose expiration is cancelled."""
    held, other = home.add(**PERSON), home.add(login="other")
    waits, gone = home.start(held), home.start(other)
    home.ok(f"exp cancel {other}")
    home.ok(f"user hold {held} --reason 'canary v. us'")
    return {"held": held, "waits": waits, "gone": gone}


@pytest.mark.parametrize("mode", ["", "--json", "--debug"])
@pytest.mark.parametrize("words", FAILING)
def test_no_failure_says_anything_personal(
    home: Home, people: dict[str, str], words: str, mode: str
) -> None:
    for line, stdin in FAILING[words]:
        result = home.run(f"{mode} {line.format(**people)}", stdin)
        assert result.code not in (0, 1) and result.err, (line, stdin, result)
        assert not PERSONAL.search(result.err + result.out), (line, stdin, result)
        assert result.code in (3, 8) or result.out == "", (line, result)
    events = home.ok("audit list --json").out
    assert not PERSONAL.search(events)
    for event in json.loads(events)[:100]:
        assert not PERSONAL.search(home.ok(f"audit show {event['seq']}").out)


def test_nothing_personal_is_left_beside_the_vault(home: Home, people: dict[str, str]) -> None:
    home.ok(f"user release {people['held']}")
    home.ok(f"user update {people['held']} note=canary-2 email=canary2@example.com")
    home.ok(f"export {people['held']}")
    home.ok("user forget canary2@example.com --yes")
    again = home.add(**PERSON)
    home.ok(f"exp delete {home.start(again)} --yes")
    ledger = (home.vault / "erasures.jsonl").read_text()
    assert people["held"] in ledger and again in ledger
    assert not PERSONAL.search(ledger)
    assert not PERSONAL.search(home.ok("audit list --json").out)
    assert not any(b"canary" in path.read_bytes() for path in home.vault.iterdir())


def test_a_process_shows_nothing_that_came_by_standard_input(home: Home) -> None:
    db = home.database()
    db.begin()
    with home.spawn("user add --lock-wait 30s") as process:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(PERSON).encode())
        process.stdin.close()
        place = Path(f"/proc/{process.pid}")
        for _ in range(500):
            if "vault.db-shm" in (place / "maps").read_text():
                break  # the record is read, and it waits for the lock
            time.sleep(0.01)
        shown = [(place / name).read_bytes() for name in ("cmdline", "comm", "environ")]
        db.rollback()
        assert len(process.stdout.read()) == 37
    db.close()
    assert not any(PERSONAL.search(one.decode()) for one in shown)


# The form of an error.


@pytest.mark.parametrize(
    ("options", "variable", "setting"),
    [
        ("--json", "", ""),
        ("-o json", "csv", ""),
        ("-ojson", "", "plain"),
        ("--output json", "", ""),
        ("--output=jsonl", "", ""),
        ("-o jsonl", "", ""),
        ("-qojson", "", ""),
        ("", "json", "plain"),
        ("", "jsonl", ""),
        ("", "", "json"),
        ("", "", "jsonl"),
    ],
)
def test_an_error_is_json_however_json_was_asked_for(
    home: Home, options: str, variable: str, setting: str
) -> None:
    home.environment["BUNKERCTL_OUTPUT"] = variable
    if setting:
        file = home.directory / ".config/bunkerctl/config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f'output = "{setting}"')
    for line, code in (
        ("user get login:none", 4),
        ("user get", 2),
        ("usr get login:none", 2),
        ("user get login:none --feild x", 2),
        ("status --lock-wait 5", 2),
        ("exp start login:none --in 1m", 2),
        ("status --vault /nowhere", 10),
    ):
        for whole in (f"{options} {line}", f"{line} {options}"):
            result = home.run(whole)
            assert (result.code, result.out, result.err[-1]) == (code, "", "\n"), result
            last = json.loads(result.err.splitlines()[-1])
            assert list(last) == ["error"]
            assert list(last["error"]) == ["code", "exit_code", "message", "hint"]
            assert last["error"]["exit_code"] == code


@pytest.mark.parametrize("options", ["", "-o plain", "-o table", "--output=csv", "-ocsv"])
def test_an_error_is_otherwise_one_or_two_lines_of_text(home: Home, options: str) -> None:
    home.environment["BUNKERCTL_OUTPUT"] = "json" if options else ""
    for line in ("user get login:none", "user get", "usr", "status --lock-wait 5"):
        result = home.run(f"{line} {options}")
        assert (result.code in (2, 4), result.out) == (True, "")
        text = r"bunkerctl: error: [^A-Z.\n][^\n]*[^.\n]\n(bunkerctl: hint: [^\n]*[^.\n]\n)?"
        assert re.fullmatch(text, result.err), result


# Batches: `-` reads identities, one a line; a failed one is told in its place.


@pytest.mark.parametrize("form", ["json", "jsonl", "plain", "csv", "table"])
@pytest.mark.parametrize(
    "command", ["user get -", "exp start -", "exp status -", "exp cancel -", "user forget - --yes"]
)
def test_a_batch_keeps_its_order_and_a_failed_line_its_place(
    home: Home, command: str, form: str
) -> None:
    assert home.ok(f"{command} --json", "").json == []
    tokens = [home.add(login=name) for name in "ba"]
    result = home.run(f"{command} -o {form}", b"login:b\nlogin:none\ntoken:x\n\xff\r\nlogin:a")
    assert result.code == 3
    if form in ("json", "jsonl"):
        lines = f"[{','.join(result.out.splitlines())}]"
        answers = result.json if form == "json" else json.loads(lines)
        assert [answers[0]["token"], answers[4]["token"]] == tokens
        assert all(list(one) == ["line", "error"] for one in answers[1:4])
        told = [(one["line"], one["error"]["code"]) for one in answers[1:4]]
        assert told == [(2, "not_found"), (3, "invalid"), (4, "invalid")]
        assert (result.error["code"], result.err.count("\n")) == ("partial", 1)
    else:
        rows = result.out.splitlines()[form != "plain" :]
        if form == "table":
            assert rows.pop() == "2 people"
        assert [row[:36] for row in rows] == tokens
        numbers = re.findall(r"^bunkerctl: error: line (\d): ", result.err, re.MULTILINE)
        assert numbers == ["2", "3", "4"]
        assert result.err.endswith("\nbunkerctl: error: 3 of 5 lines failed\n")
