"""`unlock` and `lock`: the key in the kernel's keyring, for a while, for one user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bunkerctl.directory import read_header
from bunkerctl.errors import KeyUnavailable
from bunkerctl.keys import kernel
from conftest import EXECUTABLE, Home


def usable() -> bool:
    try:
        kernel.keep("test", b"secret", 1)
    except KeyUnavailable:
        return False
    return kernel.forget("test")


pytestmark = pytest.mark.skipif(not usable(), reason="no kernel keyring here")


@pytest.fixture
def slow(home: Home) -> Iterator[Home]:
    """A vault whose key a command prints, which notes that it was asked."""
    script = home.directory / "print-key"
    script.write_text(f"#!/bin/sh\necho >> {home.directory}/asked\ncat {home.key_file}\n")
    script.chmod(0o700)
    config = home.directory / ".config" / "bunkerctl" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[key]\ncommand = "{script}"\n')
    del home.environment["BUNKERCTL_KEY_FILE"]
    yield home
    kernel.forget(vault_id(home))


def vault_id(home: Home) -> str:
    return read_header(str(home.vault)).vault_id


def asked(home: Home) -> int:
    """Return how often the key command was asked since the last time."""
    notes = home.directory / "asked"
    count = len(notes.read_text()) if notes.exists() else 0
    notes.unlink(missing_ok=True)
    return count


def test_unlocked_calls_do_not_ask_the_key_command(slow: Home) -> None:
    slow.add(login="ann")
    assert asked(slow) == 1
    answer = slow.ok("unlock --for 15m --json").json
    assert answer["until"] == "2027-01-15T08:15:00Z"
    assert (answer["changed"], asked(slow)) == (True, 1)
    for _ in range(3):
        assert slow.process("user get login:ann --json").code == 0
    assert asked(slow) == 0
    assert slow.ok("lock --json").json == {
        "vault": str(slow.vault),
        "vault_id": vault_id(slow),
        "changed": True,
    }
    slow.ok("user get login:ann --json")
    assert asked(slow) == 1


def test_it_is_an_event_that_says_until_when(slow: Home) -> None:
    slow.ok("unlock --for 8h")
    event = slow.ok("audit list --action key.unlock --json").json[-1]
    shown = slow.ok(f"audit show {event['seq']} --json").json
    assert shown["until"] == "2027-01-15T16:00:00Z"


def test_the_kernel_forgets_by_itself(slow: Home) -> None:
    slow.ok("unlock --for 1s")
    assert asked(slow) == 1
    time.sleep(1.5)
    slow.ok("status")
    assert asked(slow) == 1


def test_locking_what_is_locked_changes_nothing(slow: Home) -> None:
    done = slow.ok("lock --json")
    assert (done.json["changed"], done.err) == (False, "bunkerctl: it was locked already\n")


def test_a_source_that_a_call_names_is_used_instead(slow: Home) -> None:
    slow.ok("unlock")
    wrong = slow.directory / "wrong"
    wrong.write_text("0" * 64 + "\n")
    wrong.chmod(0o600)
    assert slow.run(["status", "--key-file", str(wrong)]).code == 12


def test_key_test_tries_the_source_itself(slow: Home) -> None:
    slow.ok("unlock")
    asked(slow)
    slow.ok("key test")
    assert asked(slow) == 1


def test_unlocking_again_asks_again_and_counts_from_now(slow: Home) -> None:
    slow.ok("unlock --for 1s")
    slow.ok("unlock --for 1h")
    assert asked(slow) == 2
    time.sleep(1.5)
    slow.ok("status")
    assert asked(slow) == 0


def test_a_key_from_before_a_rotation_is_not_used(slow: Home) -> None:
    slow.add(login="ann")
    kernel.keep(vault_id(slow), b"1" * 64 + b"\n", 60)
    slow.ok("user get login:ann")
    assert kernel.find(vault_id(slow)) is None


def test_destroying_the_vault_forgets_the_key(slow: Home) -> None:
    slow.ok("unlock")
    identifier = vault_id(slow)
    slow.ok(f"destroy --confirm {identifier}")
    assert kernel.find(identifier) is None
    slow.vault.mkdir(exist_ok=True)  # for the fixture's end
    shutil.rmtree(slow.vault)
    slow.environment["BUNKERCTL_KEY_FILE"] = str(slow.directory / "new")
    slow.ok("init -q")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_gets_nothing(slow: Home) -> None:
    slow.ok("unlock")
    identifier = vault_id(slow)
    assert kernel.find(identifier) is not None
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65534)
        os._exit(kernel.find(identifier) is not None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("time_given", ["2d", "1mo", "1y", "0s", "0m", "5", "x"])
def test_a_time_that_is_none_or_too_long_is_refused(slow: Home, time_given: str) -> None:
    refused = slow.run(["unlock", "--for", time_given])
    assert (refused.code, refused.out, asked(slow)) == (2, "", 0)


def test_a_key_file_needs_no_unlocking(home: Home) -> None:
    told = home.ok("unlock --json")
    assert (told.json["changed"], told.json["until"]) == (False, None)
    assert "needs no unlocking" in told.err
    assert home.ok("audit list --action key.unlock --json").json == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_where_the_kernel_refuses_it_says_so_and_nothing_is_noted(slow: Home) -> None:
    """As in a container whose seccomp profile bars the calls."""
    inject = ["strace", "-f", "-o", "/dev/null", "-e", "inject=add_key,keyctl:error=ENOSYS"]
    refused = subprocess.run(
        [*inject, EXECUTABLE, "unlock", "--json"],
        env=slow.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 13, refused
    error = json.loads(refused.stderr.splitlines()[-1])["error"]
    assert (error["code"], error["reason"]) == ("key_unavailable", "unsupported")
    assert slow.ok("audit list --action key.unlock --json").json == []
    fine = subprocess.run(
        [*inject, EXECUTABLE, "status", "--json"],
        env=slow.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert fine.returncode == 0, fine


def test_nothing_of_the_key_is_shown_or_written(slow: Home, tmp_path: Path) -> None:
    shown = slow.ok("unlock --json --debug")
    key = slow.key_file.read_text().strip()
    assert key not in shown.out + shown.err
    for path in slow.vault.iterdir():
        assert key.encode() not in path.read_bytes()
