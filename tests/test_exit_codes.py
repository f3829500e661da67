"""Exit codes: each row of the contract's table provoked for real, and which fault goes first."""

from __future__ import annotations

import fcntl
import io
import json
import os
import resource
import signal
import subprocess
import termios
import time

import pytest

from bunkerctl.cli import door, help
from bunkerctl.cli.shell import Shell
from conftest import DAY, EXECUTABLE, Home, Result
from wholeness import heed_signals

NOBODY = "00000000-0000-4000-8000-000000000000"
CONTRACT = {
    **{0: "", 1: "internal", 2: "usage, invalid", 3: "partial", 4: "not_found"},
    **{5: "conflict, held, limit, clock", 6: "declined", 7: "integrity", 8: "overdue", 9: "io"},
    **{10: "no_vault", 11: "busy", 12: "wrong_key", 13: "key_unavailable", 14: "version"},
    **{15: "residue", 16: "outcome_unknown", 74: "output", 129: "", 130: "", 141: "", 143: ""},
}
MALFORMED = (
    "user get token:x | user get email: | user add name=x | user update login:a | "
    "user list --limit 0 | user list --expstatus gone | user import - --on-conflict never | "
    "user hold login:a --reason x --until 2020-01-01 | exp start login:a --in 1m | "
    "exp start login:a --in 1d --on 2027-06-01 | exp retain x | exp list --within 0d | "
    "exp sweep --max-deletes x | export | export --all --format json | "
    "audit list --since x | audit show 0 | audit verify --against - | status --max-age 1 | "
    "status --lock-wait 5 | status -o yaml | status --color maybe | status --key-fd x | "
    "status --key-fd 3 --key-command true"
)
OPENING = (
    "user get login:none | user get - | user add login=ann | user forget login:none | "
    f"user forget - | user import - | exp start - | exp delete {NOBODY} | exp sweep | "
    "export --all | export login:none | audit show 99"
)


def refused(result: Result, exit_code: int, code: str) -> str:
    """Check a refusal that was asked for as JSON: nothing on stdout; return the message."""
    assert (result.code, result.out) == (exit_code, ""), result
    assert len(result.err.splitlines()) == 1, result
    assert (result.error["exit_code"], result.error["code"]) == (exit_code, code)
    message: str = result.error["message"]
    return message


def test_the_table_is_that_of_the_contract() -> None:
    assert [(code, names) for code, names, _ in help.exit_codes()] == list(CONTRACT.items())
    assert all(meaning for _, _, meaning in help.exit_codes())


def test_0_is_done_and_also_nothing_to_do(home: Home) -> None:
    token = home.add(login="ann")
    for line in (f"exp cancel {token} --json", "exp sweep --json", "status --json"):
        result = home.run(line)
        assert (result.code, result.err) == (0, "") and result.json


@pytest.mark.parametrize("options", [[], ["--json"], ["--debug"]])
def test_1_is_a_bug_told_without_traceback_or_value(home: Home, options: list[str]) -> None:
    def clock() -> float:
        raise ValueError("canary@example.com")  # what no command expects of a clock

    out, err = io.BytesIO(), io.BytesIO()
    shell = Shell(io.BytesIO(), out, err, home.environment, clock)
    line = ["user", "get", "login:canary", *options]
    assert door.run_guarded(line, shell, writable=True) == 1
    result = Result(1, out.getvalue(), err.getvalue())
    assert result.out == ""
    assert "unexpected ValueError at test_exit_codes.py:" in result.err
    assert "canary" not in result.err and "Traceback" not in result.err
    assert ("debug: " in result.err) is ("--debug" in options)
    if "--json" in options:
        assert result.error["code"] == "internal"


def test_2_is_usage_or_invalid(home: Home) -> None:
    refused(home.run("user get --json"), 2, "usage")
    refused(home.run("exp start login:ann --in 30 --json"), 2, "invalid")


def test_3_is_a_batch_with_a_failed_item_and_the_result_is_on_stdout(home: Home) -> None:
    result = home.run("user import - --json", '{"login":"a"}\n{}\n')
    assert (result.code, result.error["code"]) == (3, "partial")
    assert (result.json["added"], result.json["rejected"]) == (1, 1)


def test_4_is_no_such_user_exptoken_event(home: Home) -> None:
    for line in ("user get login:ann", f"exp retain {NOBODY}", "audit show 99"):
        refused(home.run(f"{line} --json"), 4, "not_found")


def test_5_has_four_names(home: Home) -> None:
    token = home.add(login="ann")
    refused(home.run("user add login=ann --json"), 5, "conflict")
    home.ok(f"user hold {token} --reason case")
    refused(home.run(f"user forget {token} --yes --json"), 5, "held")
    home.ok("user import -", "".join(f'{{"login":"{n}"}}\n' for n in range(26)))
    home.ok("exp start - --in 1d -o jsonl", "".join(f"{n}\n" for n in range(26)))
    home.now += 2 * DAY
    refused(home.run("exp sweep --json"), 5, "limit")
    home.now += 60 * DAY
    refused(home.run("exp sweep --json"), 5, "clock")


def test_6_is_a_confirmation_that_is_missing(home: Home) -> None:
    token = home.add(login="ann")
    for line in (f"user forget {token}", f"exp delete {home.start(token)}", "export --all"):
        refused(home.run(f"{line} -o jsonl"), 6, "declined")


def test_7_is_a_broken_trail_or_a_damaged_file(home: Home) -> None:
    db = home.database()
    db.run("UPDATE wordings SET text = replace(text, 'vault', 'other')")
    db.close()
    result = home.run("audit verify --json")
    assert (result.code, result.error["code"]) == (7, "integrity")
    assert (result.json["ok"], result.json["first_bad"]) == (False, 1)
    (home.vault / "vault.db").write_bytes(b"x" * 8192)
    refused(home.run("status --json"), 7, "integrity")
    (home.vault / "vault.json").write_text("{}")
    refused(home.run("status --json"), 7, "integrity")


def test_8_is_the_alarm_of_status_check_alone(home: Home) -> None:
    result = home.run("status --check --json")
    assert (result.code, result.error["code"], result.json["users"]) == (8, "overdue", 0)
    home.ok("status")


def test_9_is_what_the_file_system_refuses(home: Home) -> None:
    token = home.add(login="ann")
    for line in (
        "user add --data /nowhere/record.json",
        "user import /nowhere/people.jsonl",
        f"export {token} --out /nowhere/ann.json",
        f"export {token} --out /dev/full --force",
        "audit verify --against /nowhere/head.json",
    ):
        refused(home.run(f"{line} --json"), 9, "io")


def test_10_is_no_vault(bare: Home) -> None:
    assert str(bare.vault) in refused(bare.run("status --json"), 10, "no_vault")


def test_11_is_a_lock_that_another_keeps(home: Home) -> None:
    home.add(login="ann")
    db = home.database()
    db.begin()
    for line in ("user get login:ann", "user add login=bob", "exp sweep"):
        refused(home.run(f"{line} --json --lock-wait 0s", "login:ann"), 11, "busy")
    for line in ("user list", "exp list", "user get -", "user forget - --yes"):
        result = home.run(f"{line} --lock-wait 0s --json", "login:ann")
        assert result.code == 11
        assert result.out == "" or result.json == []  # never half a document
    db.close()


def test_12_is_another_key(home: Home) -> None:
    other = home.directory / "other"
    other.write_text("0" * 64 + "\n")
    other.chmod(0o600)
    message = refused(home.run(f"status --json --key-file {other}"), 12, "wrong_key")
    assert "0" * 16 not in message


def test_13_is_a_key_that_cannot_be_had(home: Home) -> None:
    text = home.key_file.read_text()
    for content, mode, reason in ((text, 0o644, "permissions"), (text[:-2], 0o600, "malformed")):
        home.key_file.write_text(content)
        home.key_file.chmod(mode)
        result = home.run("status --json")
        refused(result, 13, "key_unavailable")
        assert result.error["reason"] == reason
        assert text[:8] not in result.err
    home.key_file.unlink()
    for options in ("", "--key-command false", "--key-fd 999"):
        refused(home.run(f"status --json {options}"), 13, "key_unavailable")


def test_14_is_a_vault_of_a_newer_program(home: Home) -> None:
    path = home.vault / "vault.json"
    header = json.loads(path.read_text())
    path.write_text(json.dumps({**header, "format": header["format"] + 1}))
    refused(home.run("status --json"), 14, "version")


def test_15_is_an_erasure_that_a_reader_keeps_alive(home: Home) -> None:
    token = home.add(login="ann")
    reader = home.database()
    reader.begin(write=False)
    reader.rows("SELECT * FROM totals")
    result = home.run(f"user forget {token} --yes --json --lock-wait 0s")
    assert (result.code, result.error["code"]) == (15, "residue")
    assert (result.json["token"], result.json["changed"]) == (token, True)
    reader.close()
    home.ok("status")


def test_16_is_a_disk_that_fails_at_commit(home: Home) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    record = json.dumps({"login": "ann", "text": "x" * 1_000_000}).encode()
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        result = home.process("user add --json", record)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "may or may not be saved" in refused(result, 16, "outcome_unknown")
    assert home.ok("status --json").json["users"] in (0, 1)
    home.ok("audit verify")


def test_74_is_an_output_that_cannot_be_written(home: Home) -> None:
    for line, outcome in (("status", "nothing was changed"), ("user add login=a", "was saved")):
        with open("/dev/full", "wb") as full:
            result = home.process(f"{line} --json", stdout=full)
        assert outcome in refused(result, 74, "output")
    closed = ["sh", "-c", f'exec "{EXECUTABLE}" user add login=b --json >&-']
    done = subprocess.run(closed, env=home.environment, capture_output=True, check=False)
    assert "nothing was done" in refused(Result(done.returncode, b"", done.stderr), 74, "output")
    assert home.ok("status --json").json["users"] == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_129_130_and_143_are_signals(home: Home, number: signal.Signals, code: int) -> None:
    line = "user add"  # waits for its standard input
    with home.spawn(line, preexec_fn=heed_signals) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(b"{")
        process.stdin.flush()
        for _ in range(1000):  # until it has taken that
            if fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)) == bytes(4):
                break
            time.sleep(0.01)
        os.kill(process.pid, number)
        assert process.stdout.read() == b""
        assert process.stderr.read() == b"bunkerctl: error: interrupted\n"
    assert process.returncode == code


def test_141_is_a_reader_that_went_away(home: Home) -> None:
    with home.spawn("user list --json") as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# Which fault goes first: 2; 10, 12, 13; 4; 5; 6.


@pytest.mark.parametrize("line", MALFORMED.split(" | "))
def test_2_goes_before_a_missing_vault(bare: Home, line: str) -> None:
    result = bare.run(line)
    assert (result.code, result.out) == (2, "")


@pytest.mark.parametrize("line", OPENING.split(" | "))
def test_10_12_and_13_go_before_4_5_and_6(home: Home, line: str) -> None:
    home.add(login="ann")
    home.key_file.write_text("0" * 64 + "\n")
    for code in (12, 13, 10):
        result = home.run(line, "login:none\n")
        assert (result.code, result.out) == (code, ""), result
        if code == 12:
            home.key_file.unlink()
        else:
            (home.vault / "vault.json").unlink(missing_ok=True)


def test_4_goes_before_5_and_6_and_5_before_6(home: Home) -> None:
    token = home.add(login="ann")
    exptoken = home.start(token)
    path = home.directory / "out.jsonl"
    path.write_text("mine")
    for line in (
        "user forget login:none",
        f"exp delete {NOBODY}",
        "user update login:none x=y --if-version 9",
        f"export login:none --out {path}",
    ):
        refused(home.run(f"{line} --json"), 4, "not_found")
    refused(home.run(f"export --all --out {path} -o jsonl"), 5, "conflict")
    home.ok(f"user hold {token} --reason case")
    for line in (f"user forget {token}", f"exp delete {exptoken}"):
        refused(home.run(f"{line} --json"), 5, "held")
    home.ok(f"exp retain {exptoken}")
    refused(home.run(f"exp delete {exptoken} --json"), 5, "conflict")
    assert path.read_text() == "mine"
