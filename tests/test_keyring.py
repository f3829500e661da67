"""The key in the keyring: a real gnome-keyring on a private bus, asked by real processes."""

from __future__ import annotations

import base64
import json
import os
import pty
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bunkerctl import crypto
from conftest import Home, Result
from desktop import Desktop, log_in, log_out, needs_desktop

pytestmark = needs_desktop

SECRET_SERVICE = "keyring.backends.SecretService.Keyring"
NO_SECRET_KEPT = (
    "keyring.backends.null.Keyring",
    "keyring.backends.fail.Keyring",
    "keyring.backends.chainer.ChainerBackend",
    "keyrings.alt.file.PlaintextKeyring",
    "no_such_package.Keyring",
    "nonsense",
)
ENTRIES = """
import json, sys, secretstorage
with secretstorage.dbus_init() as bus:
    found = secretstorage.search_items(bus, {"service": "bunkerctl"})
    print(json.dumps({i.get_attributes()["username"]: i.get_secret().hex() for i in found}))
"""
REPLACE = """
import sys, secretstorage
with secretstorage.dbus_init() as bus:
    asked = {"service": "bunkerctl", "username": sys.argv[1]}
    for item in list(secretstorage.search_items(bus, asked)):
        item.set_secret(bytes.fromhex(sys.argv[2])) if sys.argv[2:] else item.delete()
"""


def entries(desktop: Desktop) -> dict[str, bytes]:
    """Return what the keyring has of bunkerctl: the secret of each vault id."""
    found: dict[str, str] = json.loads(desktop.ask(ENTRIES))
    return {user: bytes.fromhex(secret) for user, secret in found.items()}


def vault_id(home: Home) -> str:
    return str(header(home)["vault_id"])


def header(home: Home) -> dict[str, object]:
    found: dict[str, object] = json.loads((home.vault / "vault.json").read_bytes())
    return found


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() if path.is_file() else b"" for path in directory.rglob("*")
    }


def check_refused(result: Result, reason: str) -> None:
    """Check a refusal of `--json`: for this reason, one line, and it says the way out."""
    assert (result.code, result.out) == (13, ""), result
    assert (result.error["code"], result.error["reason"]) == ("key_unavailable", reason), result
    assert "--key-file" in result.error["hint"]
    assert len(result.err.splitlines()) == 1, result


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with Desktop() as running:
        yield running


@pytest.fixture
def own_desktop() -> Iterator[Desktop]:
    """One to lock or freeze."""
    with Desktop() as running:
        yield running


@pytest.fixture
def seat(bare: Home, desktop: Desktop) -> Home:
    """A place without a vault, at the desktop."""
    return log_in(bare, desktop)


@pytest.fixture
def kept(seat: Home) -> Home:
    """A place with a vault whose key is in the keyring."""
    assert seat.process("init").code == 0
    return seat


def test_init_stores_the_key_under_the_id_of_the_vault(seat: Home, desktop: Desktop) -> None:
    answer = seat.process("init --json").json
    key = bytes.fromhex(entries(desktop)[answer["vault_id"]].decode())
    assert len(key) == 32
    assert crypto.key_id(key, uuid.UUID(answer["vault_id"]).bytes) == answer["key_id"]
    assert answer["key_source"] == "keyring"
    assert header(seat)["key"] == {"source": "keyring", "place": SECRET_SERVICE}


def test_another_process_opens_the_vault(kept: Home) -> None:
    added = kept.process("user add", b'{"login":"ann"}')
    found = kept.process("user get login:ann --json")
    assert (found.code, found.json["token"]) == (0, added.out.strip())
    assert kept.process("status --json").json["key_source"] == "keyring"


def test_two_vaults_have_two_entries(kept: Home, desktop: Desktop) -> None:
    other = str(kept.directory / "other")
    answer = kept.process(["init", "--vault", other, "--json"]).json
    found = entries(desktop)
    assert found[answer["vault_id"]] != found[vault_id(kept)]
    for place in (other, str(kept.vault)):
        assert kept.process(["status", "--vault", place]).code == 0


def test_the_key_is_shown_nowhere(seat: Home, desktop: Desktop) -> None:
    results = [seat.process(line) for line in ("init --debug", "user list --debug", "status")]
    key = bytes.fromhex(entries(desktop)[vault_id(seat)].decode())
    forms = (key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key))
    said = [result.raw + result.err.encode() for result in results]
    for text in (*said, *files(seat.directory).values()):
        assert not any(form in text for form in forms)


def test_a_missing_entry_is_told(kept: Home, desktop: Desktop) -> None:
    desktop.ask(REPLACE, vault_id(kept))
    check_refused(kept.process("status --json"), "entry_missing")


@pytest.mark.parametrize(
    "secret",
    [b"", b"a" * 63, b"a" * 65, b"aaag" * 16, b"\xff" * 64],
    ids=["empty", "short", "long", "not-hex", "not-utf-8"],
)
def test_a_malformed_entry_is_told_and_not_shown(
    kept: Home, desktop: Desktop, secret: bytes
) -> None:
    desktop.ask(REPLACE, vault_id(kept), secret.hex())
    result = kept.process("status --json")
    assert (result.code, result.out, result.error["reason"]) == (13, "", "malformed"), result
    assert "aaa" not in result.err


def test_the_key_of_another_vault_is_a_wrong_key(kept: Home, desktop: Desktop) -> None:
    other = os.urandom(32)
    desktop.ask(REPLACE, vault_id(kept), other.hex().encode().hex())
    result = kept.process("status --json")
    assert (result.code, result.out, result.error["code"]) == (12, "", "wrong_key")
    ids = str(header(kept)["key_id"]), crypto.key_id(other, uuid.UUID(vault_id(kept)).bytes)
    assert all(key_id in result.error["message"] for key_id in ids)
    assert other.hex() not in result.err


def test_a_locked_keyring_is_told_at_once(bare: Home, own_desktop: Desktop) -> None:
    log_in(bare, own_desktop)
    assert bare.process("init").code == 0
    before = files(bare.directory)
    own_desktop.lock()
    own_desktop.leave_alone()
    start = time.monotonic()
    for line in ("status", "user get login:ann", f"init --vault {bare.directory}/other"):
        check_refused(bare.process(f"{line} --json"), "locked")
    assert time.monotonic() - start < 4
    assert files(bare.directory) == before


@pytest.mark.parametrize("option", ["", "--no-input"])
def test_on_a_terminal_too_a_keyring_that_stays_locked_is_told(
    bare: Home, own_desktop: Desktop, option: str
) -> None:
    log_in(bare, own_desktop)
    assert bare.process("init").code == 0
    own_desktop.lock()
    if option:
        own_desktop.leave_alone()
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, os.fdopen(theirs, "rb") as terminal:
        with bare.spawn(f"status --json {option}", stdin=terminal, stderr=terminal) as process:
            assert process.stdout is not None
            assert (process.stdout.read(), process.wait(timeout=5)) == (b"", 13)
        assert json.loads(screen.read(10_000))["error"]["reason"] == "locked"


def test_a_keyring_that_does_not_answer_is_given_up(bare: Home, own_desktop: Desktop) -> None:
    log_in(bare, own_desktop)
    assert bare.process("init").code == 0
    before = files(bare.directory)
    own_desktop.freeze()
    start = time.monotonic()
    lines = ("status --json", f"init --vault {bare.directory}/other --json")
    running = [bare.spawn(line) for line in lines]
    for process in running:
        with process:
            out, err = process.communicate(timeout=30)
        check_refused(Result(process.returncode, out, err), "timeout")
    assert time.monotonic() - start < 8
    assert files(bare.directory) == before


@pytest.mark.parametrize("address", [None, "unix:path=/nonexistent/bus", "nonsense", "silent"])
def test_without_a_bus_the_key_file_is_named_as_the_way_out(
    kept: Home, tmp_path: Path, address: str | None
) -> None:
    log_out(kept)
    before = files(kept.vault)
    with socket.socket(socket.AF_UNIX) as silent:
        place = os.path.relpath(tmp_path / "bus")  # the name of a socket must be short
        silent.bind(place)
        silent.listen()
        if address == "silent":
            kept.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={place}"
        elif address:
            kept.environment["DBUS_SESSION_BUS_ADDRESS"] = address
        check_refused(kept.process("status --json"), "no_backend")
        check_refused(kept.process(f"init --vault {tmp_path}/other --json"), "no_backend")
    assert files(kept.vault) == before
    assert not (tmp_path / "other").exists()


def test_a_bus_without_a_keyring_is_told(bare: Home) -> None:
    with Desktop(keyring=False) as nobody:
        check_refused(log_in(bare, nobody).process("init --json"), "no_backend")
    assert files(bare.directory) == {}


def test_init_refuses_a_backend_that_keeps_no_secret(seat: Home, desktop: Desktop) -> None:
    before = entries(desktop)
    for backend in NO_SECRET_KEPT:
        refused = seat.process("init --json", environment={"PYTHON_KEYRING_BACKEND": backend})
        check_refused(refused, "backend_refused")
    assert files(seat.directory) == {}
    assert entries(desktop) == before


def test_init_takes_an_allowed_backend_and_tells_when_it_does_not_work(seat: Home) -> None:
    chosen = {"PYTHON_KEYRING_BACKEND": "keyring.backends.macOS.Keyring"}
    check_refused(seat.process("init --json", environment=chosen), "no_backend")
    assert files(seat.directory) == {}
    chosen = {"PYTHON_KEYRING_BACKEND": SECRET_SERVICE}
    assert seat.process("init", environment=chosen).code == 0


@pytest.mark.parametrize("backend", NO_SECRET_KEPT)
@pytest.mark.parametrize("by", ["environment", "keyringrc"])
def test_a_backend_that_keeps_no_secret_is_named_whoever_asks_for_it(
    kept: Home, backend: str, by: str
) -> None:
    """`keyring --disable` writes such a file. Nothing else is tried in its place."""
    if by == "environment":
        said_by = "PYTHON_KEYRING_BACKEND"
        kept.environment[said_by] = backend
    else:
        rc = kept.directory / ".config" / "python_keyring" / "keyringrc.cfg"
        said_by = str(rc)
        rc.parent.mkdir(parents=True)
        rc.write_text(f"[backend]\ndefault-keyring={backend}\n")
    for line in ("status", f"init --vault {kept.directory}/other"):
        refused = kept.process(f"{line} --json")
        check_refused(refused, "backend_refused")
        assert said_by in refused.error["message"] and backend in refused.error["message"]
    assert not (kept.directory / "other").exists()


def test_an_allowed_backend_that_is_asked_for_is_taken_whatever_is_recorded(kept: Home) -> None:
    chosen = {"PYTHON_KEYRING_BACKEND": "keyring.backends.kwallet.DBusKeyring"}
    refused = kept.process("status --json", environment=chosen)
    check_refused(refused, "no_backend")
    assert "KWallet" in refused.error["message"]


def test_a_header_that_names_another_backend_is_not_followed(kept: Home) -> None:
    altered = {**header(kept), "key": {"source": "keyring", "place": "os.path.join"}}
    (kept.vault / "vault.json").write_text(json.dumps(altered))
    check_refused(kept.process("status --json"), "backend_refused")


def test_the_same_key_in_a_file_opens_the_vault_without_a_keyring(
    kept: Home, desktop: Desktop
) -> None:
    kept.key_file.write_bytes(entries(desktop)[vault_id(kept)])
    kept.key_file.chmod(0o600)
    result = log_out(kept).process(["status", "--key-file", str(kept.key_file), "--json"])
    assert (result.code, result.json["key_source"]) == (0, "file")


@pytest.mark.parametrize("name", ["v" * 250, "file/vault", "file/below/vault"])
def test_an_init_that_fails_leaves_no_entry(seat: Home, desktop: Desktop, name: str) -> None:
    """The long name is free, but the temporary one beside it cannot be made."""
    (seat.directory / "file").touch()
    before = entries(desktop), files(seat.directory)
    result = seat.process(["init", "--vault", str(seat.directory / name), "--json"])
    assert (result.code, result.out, result.error["code"]) == (9, "", "io"), result
    assert (entries(desktop), files(seat.directory)) == before
