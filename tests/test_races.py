"""What another process, a signal or a copied file does in the wrong moment."""

from __future__ import annotations

import io
import json
import signal
import time
from collections.abc import Callable
from contextlib import _GeneratorContextManager
from typing import Any

import pytest

from bunkerctl import forks, imports, preparation, sweep, users
from bunkerctl.cli import door
from bunkerctl.cli.shell import Shell
from bunkerctl.vault import Transaction, Vault
from conftest import DAY, Home
from residue import found
from wholeness import check_whole, heed_signals, opened


class Terminal(io.BytesIO):
    """A terminal; before a line is typed, something else happens."""

    def __init__(self, typed: bytes = b"", before: Callable[[], object] = bool) -> None:
        super().__init__(typed)
        self.before = before

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> bytes:
        self.before()
        return super().readline(size)


class Slow(Vault):
    """A vault of a process that is slow: something happens before its second transaction."""

    between: Callable[[], object]
    begun = 0

    def transaction(self, *, keep: bool = True) -> _GeneratorContextManager[Transaction]:
        self.begun += 1
        if self.begun == 2:
            self.between()
        return super().transaction(keep=keep)


def slow(home: Home, between: Callable[[], object]) -> Vault:
    vault = opened(home)
    vault.__class__ = Slow
    vault.between = between  # type: ignore[attr-defined]
    return vault


def run_sweep(vault: Vault) -> sweep.Sweep:
    try:
        return sweep.run(vault, limit=None, max_deletes=None, accept_clock=False)
    finally:
        vault.close()


def test_who_was_confirmed_is_erased_though_the_identity_is_anothers_by_then(home: Home) -> None:
    ann = home.add(email="a@example.com")

    def swap() -> None:
        home.ok(f"user update {ann} email=old@example.com")
        home.add(email="a@example.com", login="bob")

    out = io.BytesIO()
    terminal = Terminal(f"{ann[:8]}\n".encode(), swap)
    shell = Shell(terminal, out, Terminal(), home.environment, lambda: home.now)
    assert door.run(["user", "forget", "a@example.com", "--json"], shell) == 0
    assert json.loads(out.getvalue())["token"] == ann
    home.ok("user get login:bob")


@pytest.mark.parametrize("login", ["u3", "u7", "other"])
def test_who_comes_between_the_look_up_of_an_import_and_its_change_is_seen(
    home: Home, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    monkeypatch.setattr(forks, "cores", lambda: 2)
    monkeypatch.setattr(preparation, "FIRST_LINES", 2)
    monkeypatch.setattr(preparation, "BATCH_LINES", 2)
    vault = slow(home, lambda: home.add(login=login))
    rules = users.Rules(region=None, schema=None)
    terms = preparation.Terms(rules=rules, keep=False, verbatim=False)
    options = imports.Options(on_conflict="error", dry_run=False, terms=terms)
    records = [(number, None, {"login": f"u{number}"}) for number in range(1, 9)]
    tally = imports.Tally()
    rejected = list(imports.run(vault, iter(records), options, tally))
    vault.close()
    taken = {"u3": [3], "u7": [7]}.get(login, [])
    assert [one.line for one in rejected] == taken
    assert tally.added == 8 - len(taken)
    assert home.ok("status --json").json["users"] == tally.added + 1
    home.ok("audit verify --deep")
    check_whole(home)


def test_what_is_committed_is_counted_before_a_signal_is_heeded(home: Home) -> None:
    vault, counted = slow(home, bool), []

    def count() -> None:
        signal.raise_signal(signal.SIGTERM)  # to this thread
        counted.append(True)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(KeyboardInterrupt), vault.transaction() as tx:
            tx.event("user.list")
            tx.on_commit = count
    finally:
        signal.signal(signal.SIGTERM, before)
    vault.close()
    assert counted == [True]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert home.ok("audit list --json").json[-1]["action"] == "user.list"


def test_people_who_fall_due_during_a_sweep_wait_for_the_next(home: Home) -> None:
    first, held = home.add(login="first"), [home.add(login=f"u{n}") for n in range(30)]
    for token in (first, *held):
        home.start(token, "1d")
    for token in held:
        home.ok(f"user hold {token} --reason case")
    home.now += 2 * DAY
    done = run_sweep(slow(home, lambda: [home.ok(f"user release {token}") for token in held]))
    assert (done.due, done.erased) == (1, 1)
    assert home.run("exp sweep --json").error["code"] == "limit"


def test_a_clock_that_goes_back_over_a_hold_stops_no_sweep(home: Home) -> None:
    held, free = home.add(login="held"), home.add(login="free")
    for token in (held, free):
        home.start(token, "1d")
    home.ok(f"user hold {held} --reason case --until 2027-01-17T08:00:00Z")
    home.now += 2 * DAY

    def back() -> None:
        home.now -= 60

    assert run_sweep(slow(home, back)).tokens == [free]
    home.ok(f"user get {held}")


@pytest.mark.parametrize("source", ["command", "fd", "credential"])
def test_a_header_runs_no_command(home: Home, source: str) -> None:
    del home.environment["BUNKERCTL_KEY_FILE"]
    path = home.vault / "vault.json"
    said: dict[str, Any] = json.loads(path.read_text())
    trace = home.directory / "trace"
    path.write_text(json.dumps({**said, "key": {"source": source, "place": f"touch {trace}"}}))
    assert home.run("status").code == 7
    assert not trace.exists()


def test_a_signal_never_leaves_a_vault_without_its_key(bare: Home) -> None:
    made = 0
    for turn in range(12):
        bare.vault = bare.directory / f"vault{turn}"
        bare.key_file = bare.directory / f"key{turn}"
        bare.environment["BUNKERCTL_VAULT"] = str(bare.vault)
        bare.environment["BUNKERCTL_KEY_FILE"] = str(bare.key_file)
        with bare.spawn("init", preexec_fn=heed_signals) as process:
            deadline = time.monotonic() + 60
            while not bare.vault.exists() and time.monotonic() < deadline:
                pass
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        if bare.vault.exists():
            made += 1
            bare.ok("status")
    assert made


def test_a_vault_that_was_migrated_meanwhile_is_left_alone(home: Home) -> None:
    home.add(login="ann")
    with home.spawn("user forget - --yes --json") as process:
        time.sleep(1)
        db = home.database()
        db.run("PRAGMA user_version = 99")
        db.close()
        process.communicate(b"login:ann\n", timeout=60)
    assert process.returncode == 14
    db = home.database()
    assert db.one("SELECT living FROM totals") == (1,)
    db.close()


def test_a_hold_that_has_lapsed_leaves_no_word_after_erasure(home: Home) -> None:
    token = home.add(login="ann")
    home.ok(f"user hold {token} --reason CANARY --until 2027-01-20")
    home.now += 30 * DAY
    assert found(home, b"CANARY")
    home.ok(f"user forget {token} --yes")
    assert found(home, b"CANARY") == []


def test_the_database_is_as_durable_and_as_clean_as_can_be(home: Home) -> None:
    db = home.database()
    wanted = {"synchronous": 2, "secure_delete": 1, "foreign_keys": 1, "temp_store": 2}
    assert {name: db.one(f"PRAGMA {name}")[0] for name in wanted} == wanted
    db.close()


def test_equal_records_have_different_commitments(home: Home) -> None:
    token = home.add(login="ann", n=1)
    for n in (2, 1):
        home.ok(f"user update {token} n:={n}")
    events = home.ok(f"export {token}").json["access_history"]
    commitments = [event["commitment"] for event in events if "commitment" in event]
    assert len(commitments) == len(set(commitments)) == 3
