"""Erasure: what is gone is gone, from every page of every file, and what remains is a tombstone."""

from __future__ import annotations

import json
import random
import re
from contextlib import suppress
from typing import Any

import pytest

from bunkerctl import erasure, pages, users
from bunkerctl.errors import IntegrityFailure
from bunkerctl.model import Identity, Tombstone
from bunkerctl.store import tombstones
from conftest import DAY, Home
from residue import found
from wholeness import opened, tamper

CANARY = b"CANARY"


def record(number: int, size: int) -> dict[str, str]:
    """A record of about `size` bytes, with a canary all through it."""
    filling = f"{CANARY.decode()}{number:06d}." * (size // 13 + 1)
    return {"email": f"{CANARY.decode()}{number}@example.com", "text": filling}


def import_people(home: Home, records: list[dict[str, str]]) -> list[str]:
    lines = "".join(json.dumps(one) + "\n" for one in records)
    home.ok("user import -", lines)
    return [one["token"] for one in home.ok("user list --json").json]


def test_the_search_finds_what_is_there(home: Home) -> None:
    home.add(**record(1, 100))
    assert found(home, CANARY)


@pytest.mark.parametrize("size", [30, 900, 5_000, 60_000])
def test_nothing_is_left_after_forget(home: Home, size: int) -> None:
    token = home.add(**record(1, size))
    home.ok(f"user update {token} text={CANARY.decode()}again")
    home.ok(["user", "hold", token, "--reason", f"{CANARY.decode()} v. us"])
    home.ok(f"user release {token}")
    home.start(token)
    home.ok(f"user forget {token} --yes")
    assert found(home, CANARY) == []


def test_nothing_is_left_of_what_an_update_replaced(home: Home) -> None:
    token = home.add(**record(1, 3_000))
    home.ok(f"user update {token} email=ann@example.com text=short")
    home.ok("user add login=other")
    home.ok("status")
    with_wal_closed = found(home, CANARY)
    assert with_wal_closed == []


def test_nothing_is_left_of_a_released_hold(home: Home) -> None:
    token = home.add(login="ann")
    home.ok(["user", "hold", token, "--reason", CANARY.decode()])
    assert found(home, CANARY)
    home.ok(f"user release {token}")
    assert found(home, CANARY) == []


def test_nothing_is_left_after_many_updates_and_erasures_in_random_order(home: Home) -> None:
    """Some stay: pages that grow empty are balanced, and B-trees copy cells when they balance.

    With rows that are resized by updates and deleted, as in a plain table, this fails.
    """
    dice = random.Random(7)
    sizes = [dice.choice((20, 60, 150, 400)) for _ in range(1_500)] + [9_000] * 20
    import_people(home, [record(number, size) for number, size in enumerate(sizes)])
    numbers = list(range(len(sizes)))
    for number in dice.sample(numbers, 300):
        home.ok(f"user update {record(number, 1)['email']} text={CANARY.decode()}{number:06d}.")
    gone = dice.sample(numbers, len(numbers) * 9 // 10)
    home.ok(
        "user forget - --yes -o jsonl", "\n".join(record(number, 1)["email"] for number in gone)
    )
    left = {
        int(number)
        for _, _, content in pages.decrypted(str(home.vault), home.database_key())
        for number in re.findall(rb"CANARY(\d{6})\.", content)
    }
    assert left == set(numbers) - set(gone)


def test_nothing_is_left_after_everybody_was_swept(home: Home) -> None:
    dice = random.Random(1)
    tokens = import_people(home, [record(n, dice.choice((40, 1_500, 9_000))) for n in range(100)])
    home.ok("exp start - --in 1d -o jsonl", "\n".join(tokens))
    home.now += 2 * DAY
    home.ok("exp sweep --max-deletes 100 --json")
    assert home.ok("status --json").json["users"] == 0
    assert found(home, CANARY) == []


def test_what_a_living_person_keeps_is_still_there(home: Home) -> None:
    stays = home.add(**record(1, 5_000))
    goes = home.add(**record(2, 5_000))
    home.ok(f"user forget {goes} --yes")
    assert home.ok(f"user get {stays} --json").json["data"] == record(1, 5_000)


def test_a_tombstone_says_no_more_than_it_may(home: Home) -> None:
    token = home.add(email="ann@example.com", phone="+14155550123")
    exptoken = home.start(token)
    home.now += 60
    answer = home.ok(f"user forget {token} --yes --reason asked --json").json
    assert answer == {
        "token": token,
        "erased_at": "2027-01-15T08:01:00Z",
        "reason": "request",
        "erased": {"identities": 2, "expirations": 1, "holds": 0, "records": 1},
        "event": answer["event"],
        "changed": True,
    }
    line = json.loads((home.vault / "erasures.jsonl").read_text())
    assert line == {
        "event": answer["event"],
        "token": token,
        "exptoken": exptoken,
        "created_at": "2027-01-15T08:00:00Z",
        "erased_at": "2027-01-15T08:01:00Z",
        "reason": "request",
        "erased": answer["erased"],
    }
    event = home.ok(f"audit show {answer['event']} --json").json
    assert (event["action"], event["token"], event["reason"]) == ("user.forget", token, "asked")


def test_forget_is_idempotent_by_token_alone(home: Home) -> None:
    token = home.add(email="ann@example.com")
    first = home.ok("user forget email:ann@example.com --yes --json").json
    again = home.ok(f"user forget {token} --yes --json").json
    assert again == {**first, "changed": False}
    assert home.run("user forget email:ann@example.com --yes").code == 4


def test_an_identity_of_an_erased_person_is_free_again(home: Home) -> None:
    first = home.add(email="ann@example.com")
    home.ok(f"user forget {first} --yes")
    assert home.add(email="ANN@example.com") != first


def test_a_hold_bars_every_erasure_until_it_lapses(home: Home) -> None:
    token = home.add(login="ann")
    exptoken = home.start(token, "1d")
    home.ok(f"user hold {token} --reason case --until 2027-02-01")
    home.now += 2 * DAY
    for line in (f"user forget {token} --yes", f"exp delete {exptoken} --yes"):
        refused = home.run(f"{line} --json")
        assert (refused.code, refused.error["code"], refused.out) == (5, "held", "")
    assert home.ok("exp sweep --json").json["held"] == 1
    home.now += 30 * DAY
    assert home.ok("exp sweep --json").json["tokens"] == [token]


def test_erasing_needs_yes_without_a_terminal(home: Home) -> None:
    token = home.add(login="ann")
    exptoken = home.start(token)
    for line in (f"user forget {token}", f"exp delete {exptoken}", "user forget -"):
        refused = home.run(f"{line} --json")
        assert (refused.code, refused.error["code"], refused.out) == (6, "declined", "")
    assert home.run("user get login:ann").code == 0


def test_a_ledger_line_that_a_crash_cut_off_is_written_anew(home: Home) -> None:
    first, second = home.add(login="a"), home.add(login="b")
    home.ok(f"user forget {first} --yes")
    ledger = home.vault / "erasures.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-20])
    home.ok(f"user forget {second} --yes")
    lines = ledger.read_bytes().splitlines(keepends=True)
    assert lines[0] == whole
    assert [json.loads(line)["token"] for line in lines] == [first, second]


def test_the_ledger_is_the_same_whether_tombstones_are_at_hand_or_read(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = home.vault / "erasures.jsonl"
    read: list[list[Tombstone]] = []
    since = tombstones.since

    def counted(*arguments: Any) -> list[Tombstone]:
        read.append(since(*arguments))
        return read[-1]

    monkeypatch.setattr(tombstones, "since", counted)
    tokens = [home.add(login=f"user{number}") for number in range(6)]
    home.start(tokens[1])
    home.ok("user forget - --yes", "\n".join(tokens[:3]))
    home.ok(f"user forget {tokens[3]} --yes")
    assert read == []
    own = ledger.read_text()
    ledger.unlink()
    home.ok("user forget - --yes", "\n".join(tokens[4:]))
    assert sum(map(len, read)) == 6
    assert ledger.read_text().startswith(own)
    assert [json.loads(line)["token"] for line in ledger.read_text().splitlines()] == tokens


def test_what_an_act_that_was_undone_has_erased_is_not_for_the_ledger(home: Home) -> None:
    home.add(login="ann")
    vault = opened(home)
    with vault.transaction() as tx:
        ann = users.find(vault, Identity(kind="login", value="ann"))
        with suppress(IntegrityFailure), tx.attempt("exp.erase"):
            erasure.erase(tx, ann, action="exp.erase", reason="sweep")
            assert len(tx.left) == 1
            raise IntegrityFailure("something else of it is damaged")
        assert tx.left == []
    assert vault.left == []
    vault.close()


def test_the_next_command_finishes_what_a_crash_left_unscrubbed(home: Home) -> None:
    token = home.add(**record(1, 5_000))
    home.ok(f"user forget {token} --yes")
    ledger = home.vault / "erasures.jsonl"
    ledger.write_bytes(b"")
    db = home.database()
    event = db.one("SELECT event FROM tombstones")[0]
    db.run("UPDATE totals SET unscrubbed = ?", event)  # as if killed right after COMMIT
    db.close()
    home.ok("status")
    assert json.loads(ledger.read_text())["token"] == token
    db = home.database()
    assert db.one("SELECT unscrubbed FROM totals") == (0,)
    db.close()


@pytest.mark.parametrize("line", ["user forget - --yes -o jsonl", "user get - -o jsonl"])
def test_of_a_list_those_before_a_damaged_record_are_done(home: Home, line: str) -> None:
    """One record that cannot be read must not bar the others of its group."""
    tokens = [home.add(login=f"u{number}") for number in range(5)]
    tamper(home, "UPDATE drawer SET bytes = zeroblob(length(bytes)) WHERE id = 4")
    done = home.run(line, "\n".join(tokens))
    assert done.code == 7, done
    assert [json.loads(answer)["token"] for answer in done.out.splitlines()] == tokens[:3]
    erased = 3 if "forget" in line else 0
    assert home.ok("status --json").json["erased"] == erased
    action = line.split(" -", maxsplit=1)[0].replace(" ", ".")
    known = home.ok(f"audit list --action {action} --json").json
    assert [event["token"] for event in known] == tokens[:3]
