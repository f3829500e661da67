"""Receipts: whoever has one and the vault's public key can check it, without the vault."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import crypto, merkle, notes, proofs
from conftest import DAY, EXECUTABLE, Home, Result
from refusals import check_refusal
from wholeness import count, due_people, leaves, made_now, reader, until

FIELDS = [
    "schema",
    "vault_id",
    "token",
    "reason",
    "ref",
    "requested_at",
    "due_at",
    "erased_at",
    "actor",
    "erased",
    "scrubbed",
    "backups",
    "leaf",
    "index",
    "proof",
    "checkpoint",
    "key",
]
NOT_PROVEN = {"scrubbed", "backups"}
"""What the vault says besides: no event has it, so nothing in the tree proves it."""
NOBODY = "00000000-0000-4000-8000-000000000000"
RECORD = {"email": "ann@example.com", "phone": "+14155550123", "login": "ann", "note": "CANARY"}

Receipt = dict[str, Any]


def receipt_of(home: Home, token: str) -> Receipt:
    receipt: Receipt = home.ok(f"erasure show {token} --json").json
    return receipt


def key_of(home: Home) -> str:
    return home.ok("audit key").out.strip()


def verified(home: Home, receipt: Receipt, key: str | None = None) -> Result:
    """Check a receipt as its holder does: by the key alone."""
    given = ["--key", key] if key else []
    line = ["erasure", "verify", "-", "--json", "--vault", "/nonexistent", *given]
    return home.run(line, json.dumps(receipt))


def forgotten(home: Home) -> str:
    token = home.add(**RECORD)
    home.ok(f"user forget {token} --yes")
    return token


def deleted(home: Home) -> str:
    token = home.add(**RECORD)
    home.ok(f"exp delete {home.start(token)} --yes")
    return token


def swept(home: Home) -> str:
    token = home.add(**RECORD)
    home.start(token, "1d")
    home.now += 2 * DAY
    home.ok("exp sweep")
    return token


def restored(home: Home) -> str:
    """Erase, and erase again in a vault that was made from an older backup."""
    token = home.add(**RECORD)
    home.ok(f"backup create {home.directory}/b.bunker")
    home.ok(f"user forget {token} --yes")
    new = home.directory / "restored"
    home.ok(f"backup restore {home.directory}/b.bunker --vault {new}")
    home.vault = new
    home.environment["BUNKERCTL_VAULT"] = str(new)
    return token


WAYS = [(forgotten, "request"), (deleted, "link"), (swept, "sweep"), (restored, "restore")]


@pytest.mark.parametrize(("erase", "reason"), WAYS)
def test_each_erasure_has_a_receipt_that_the_key_alone_proves(
    home: Home, erase: Callable[[Home], str], reason: str
) -> None:
    token = erase(home)
    home.add(login="later")
    receipt = receipt_of(home, token)
    assert list(receipt) == FIELDS
    assert (receipt["token"], receipt["reason"]) == (token, reason)
    key = key_of(home)
    head = home.ok("audit head --json").json
    assert verified(home, receipt, key).json == {
        "ok": True,
        "token": token,
        "vault_id": head["vault_id"],
        "erased_at": receipt["erased_at"],
        "event": receipt["index"] + 1,
        "size": head["size"],
        "key": key,
        "trusted": True,
    }


def test_a_receipt_says_what_the_help_promises(home: Home) -> None:
    token = home.add(**RECORD)
    home.now += 60
    home.start(token, "30d")
    home.now += 60
    home.ok(["user", "hold", token, "--reason", "case", "--until", "2027-01-16"])
    home.now += 2 * DAY
    answer = home.ok(f"user forget {token} --yes --actor carol --ref T-1 --json").json
    receipt = receipt_of(home, f"token:{token}")
    event = home.ok(f"audit show {answer['event']} --json").json
    note = home.ok("audit checkpoint").out
    leaf = receipt["leaf"]
    assert {**receipt, "proof": None} == {
        "schema": "bunkerctl.receipt/1",
        "vault_id": home.ok("audit head --json").json["vault_id"],
        "token": token,
        "reason": "request",
        "ref": "T-1",
        "requested_at": "2027-01-15T08:01:00Z",
        "due_at": "2027-02-14T08:01:00Z",
        "erased_at": "2027-01-17T08:02:00Z",
        "actor": "carol",
        "erased": {"records": 1, "identities": 3, "expirations": 1, "holds": 1},
        "scrubbed": receipt["scrubbed"],
        "backups": [],
        "leaf": leaf,
        "index": answer["event"] - 1,
        "proof": None,
        "checkpoint": note,
        "key": key_of(home),
    }
    assert "overwritten" in receipt["scrubbed"]
    assert merkle.leaf_hash(leaf.encode()).hex() == event["hash"]
    assert json.loads(leaf).items() <= event.items()
    head = notes.open_(note, notes.verifier(receipt["key"]))
    proof = [base64.b64decode(node) for node in receipt["proof"]]
    leaf_hash = merkle.leaf_hash(leaf.encode())
    assert proofs.root_of_inclusion(leaf_hash, receipt["index"], head.size, proof) == head.root


def test_a_request_without_a_plan_has_no_dates_of_one(home: Home) -> None:
    receipt = receipt_of(home, forgotten(home))
    assert (receipt["requested_at"], receipt["due_at"], receipt["ref"]) == (None, None, None)
    assert receipt["erased_at"] == "2027-01-15T08:00:00Z"


def test_all_receipts_of_a_large_trail_hold_whatever_their_place(home: Home) -> None:
    lines = "".join(json.dumps({"login": f"u{n}"}) + "\n" for n in range(70))
    home.ok("user import -", lines)
    tokens = [one["token"] for one in home.ok("user list --json").json]
    home.ok("user forget - --yes -o jsonl", "\n".join(tokens[:40]))
    key = key_of(home)
    for token in tokens[:40]:
        assert verified(home, receipt_of(home, token), key).json["token"] == token
    for token in tokens[40:]:
        check_refusal(home.run(f"erasure show {token}"), 4)


def test_who_was_never_erased_has_no_receipt(home: Home) -> None:
    living = home.add(login="ann")
    for whom, code in ((living, 4), (NOBODY, 4), ("x", 2), ("login:ann", 2), ("", 2)):
        check_refusal(home.run(["erasure", "show", whom]), code)


def test_the_list_of_erasures_has_them_all_oldest_first(home: Home) -> None:
    first = home.add(login="ann")
    home.ok(f"user forget {first} --yes")
    home.now += 60
    second = swept(home)
    rows = home.ok("erasure list --json").json
    assert [(row["token"], row["reason"]) for row in rows] == [
        (first, "request"),
        (second, "sweep"),
    ]
    assert list(rows[0]) == ["token", "erased_at", "reason", "erased", "event"]
    assert home.ok("erasure list --limit 1 --json").json == rows[:1]
    for row in rows:
        receipt = receipt_of(home, row["token"])
        assert (receipt["erased_at"], receipt["erased"]) == (row["erased_at"], row["erased"])


# Without the vault.


def offline(home: Home, *words: str, stdin: bytes = b"") -> Result:
    """Run in an empty environment, in a place with no vault and no key."""
    done = subprocess.run(
        [EXECUTABLE, "erasure", "verify", *words],
        input=stdin,
        env={},
        cwd=home.directory,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_a_receipt_is_checked_offline_with_the_key_alone(home: Home) -> None:
    token = forgotten(home)
    key, receipt = key_of(home), home.ok(f"erasure show {token} --json").out
    home.ok(f"user forget {home.add(login='other')} --yes")
    shutil.rmtree(home.vault)
    home.key_file.unlink()
    (home.directory / "receipt.json").write_text(receipt)
    (home.directory / "people.pub").write_text(key + "\n")
    for words in (
        ("receipt.json", "--key", key),
        ("receipt.json", "--key", "people.pub"),
        ("-", "--key", "people.pub"),
    ):
        done = offline(home, *words, "--json", stdin=receipt.encode())
        assert (done.code, done.json["ok"], done.json["trusted"]) == (0, True, True), done
        assert done.err == ""
    own = offline(home, "receipt.json", "--json")
    assert (own.code, own.json["ok"], own.json["trusted"]) == (0, True, False)
    assert "compare it with the published one" in own.err
    wrong = receipt.replace('"reason":"request"', '"reason":"link"')
    assert wrong != receipt
    check_refusal(offline(home, "-", "--key", key, stdin=wrong.encode()), 7)
    assert sorted(os.listdir(home.directory)) == ["people.pub", "receipt.json"]


def test_another_key_does_not_prove_it(home: Home) -> None:
    receipt = receipt_of(home, forgotten(home))
    key = notes.verifier(receipt["key"])
    name = key.name
    forged = notes.Verifier(name=name, public=crypto.public_key(bytes(32))).text()
    other = notes.Verifier(name="bunkerctl/other", public=key.public).text()
    for wrong in (forged, other):
        check_refusal(verified_plain(home, receipt, wrong), 7)
    peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    (home.directory / "peter").write_text(peter)
    check_refusal(verified_plain(home, receipt, str(home.directory / "peter")), 7)


def verified_plain(home: Home, receipt: Receipt, key: str) -> Result:
    line = ["erasure", "verify", "-", "--vault", "/nonexistent", "--key", key]
    return home.run(line, json.dumps(receipt))


def test_what_is_no_key_is_told_from_a_wrong_one(home: Home) -> None:
    receipt = receipt_of(home, forgotten(home))
    garbage = home.directory / "garbage"
    garbage.write_bytes(b"\xff\xfe")
    key: str = receipt["key"]
    for wrong, code in (
        (str(garbage), 2),
        (str(home.key_file), 2),
        (key[:-4], 2),
        (key.replace("+0", "+1") if "+0" in key else key.replace("+", "+0", 1), 2),
        ("/nonexistent", 9),
        (str(home.directory), 9),
    ):
        check_refusal(verified_plain(home, receipt, wrong), code)


def test_a_receipt_of_another_vault_is_not_proven_by_this_ones_key(
    home: Home, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Home(tmp_path / "other")
    other.ok("init")
    receipt, foreign = receipt_of(home, forgotten(home)), receipt_of(other, forgotten(other))
    assert verified(home, foreign, key_of(other)).json["ok"] is True
    assert verified(home, foreign, key_of(home)).code == 7
    for name in ("checkpoint", "vault_id", "key", "proof", "leaf"):
        mixed = {**receipt, name: foreign[name]}
        assert verified(home, mixed, key_of(home)).code == 7, name


def test_a_receipt_still_holds_after_the_key_was_rotated_and_the_trail_went_on(home: Home) -> None:
    receipt = receipt_of(home, forgotten(home))
    home.ok("key rotate --no-recovery --yes")
    for number in range(9):
        home.add(login=f"u{number}")
    assert verified(home, receipt, key_of(home)).json["ok"] is True


# Altered.

OTHER: dict[str, Any] = {
    "vault_id": NOBODY,
    "token": NOBODY,
    "reason": "sweep",
    "ref": "T-2",
    "requested_at": "2027-01-15T08:02:00Z",
    "due_at": "2027-02-14T08:02:00Z",
    "erased_at": "2027-01-15T08:02:00Z",
    "actor": "dave",
    "erased": {"records": 1, "identities": 2, "expirations": 1, "holds": 0},
    "leaf": "{}",
    "index": 0,
    "proof": [],
    "checkpoint": None,  # made below
    "key": notes.Verifier(name="bunkerctl/x", public=crypto.public_key(bytes(32))).text(),
    "scrubbed": "never",
    "backups": [{"id": NOBODY, "created_at": "2027-01-15T08:00:00Z", "until": None}],
}


def rich(home: Home) -> Receipt:
    """A receipt in which no field is null."""
    token = home.add(**RECORD)
    home.start(token, "30d")
    home.ok(f"user forget {token} --yes --ref T-1 --actor carol")
    for number in range(4):
        home.add(login=f"u{number}")
    receipt = receipt_of(home, token)
    assert None not in receipt.values()
    return receipt


@pytest.mark.parametrize("name", sorted(OTHER))
def test_an_altered_field_is_found_but_for_two_that_nothing_proves(home: Home, name: str) -> None:
    receipt = rich(home)
    value = OTHER[name]
    if name == "checkpoint":
        value = receipt["checkpoint"].replace("\n8\n", "\n9\n")
    assert value != receipt[name]
    result = verified(home, {**receipt, name: value}, key_of(home))
    assert result.code == (0 if name in NOT_PROVEN else 7), result
    result = verified(home, {**receipt, name: value})
    assert result.code == (0 if name in NOT_PROVEN else 7), result


def test_the_altered_fields_are_all_that_a_receipt_has() -> None:
    assert {"schema", *OTHER} == set(FIELDS)


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in NOT_PROVEN])
def test_a_field_that_is_missing_is_found(home: Home, name: str) -> None:
    receipt = rich(home)
    del receipt[name]
    assert verified(home, receipt, key_of(home)).code in (2, 7)


STRANGE: list[Any] = [None, True, 0, -1, 10**30, 1.5, "", "x", "{}", "[]", [], [1], [[]], {}]
STRANGE += [{"a": 1}, "[" * 100_000, '{"a":' * 100_000, "\0", "9" * 5000, "\ud7ff", [""], [None]]


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in NOT_PROVEN])
def test_a_field_of_another_kind_is_refused(home: Home, name: str) -> None:
    receipt = rich(home)
    key = key_of(home)
    for value in STRANGE:
        if type(value) is type(receipt[name]) and value == receipt[name]:
            continue
        for given in (key, None):
            result = verified(home, {**receipt, name: value}, given)
            assert result.code in (2, 7), (name, value, result)
            assert result.out == ""


@pytest.mark.parametrize(
    "raw",
    ["", "{}", "[]", "1", "null", '{"schema":"bunkerctl.receipt/1"}', "{", "\xff", "[" * 5000],
)
def test_what_is_no_receipt_is_refused(home: Home, raw: str) -> None:
    check_refusal(home.run("erasure verify -", raw.encode("latin-1")), 2)
    check_refusal(home.run("erasure verify /nonexistent"), 9)


def test_a_receipt_of_another_schema_is_none(home: Home) -> None:
    receipt = receipt_of(home, forgotten(home))
    for schema in ("bunkerctl.receipt/2", "bunkerctl.user/1", "", None):
        assert verified(home, {**receipt, "schema": schema}).code == 2


def test_every_node_of_the_proof_counts_and_their_order(home: Home) -> None:
    receipt = rich(home)
    key, proof = key_of(home), receipt["proof"]
    assert len(proof) > 2
    wrong = [proof[::-1], proof[:-1], proof[1:], [*proof, proof[0]], [proof[0], *proof]]
    for at, node in enumerate(proof):
        raw = bytearray(base64.b64decode(node))
        raw[at] ^= 1
        wrong.append([*proof[:at], base64.b64encode(bytes(raw)).decode(), *proof[at + 1 :]])
        wrong.append([*proof[:at], node[:-4], *proof[at + 1 :]])
    for one in wrong:
        assert verified(home, {**receipt, "proof": one}, key).code in (2, 7)
    for index in set(range(-1, 20)) - {receipt["index"]}:
        assert verified(home, {**receipt, "index": index}, key).code in (2, 7)


def test_every_character_of_the_event_counts(home: Home) -> None:
    receipt = rich(home)
    key, leaf = key_of(home), receipt["leaf"]
    for at in range(len(leaf)):
        wrong = leaf[:at] + chr(ord(leaf[at]) ^ 1) + leaf[at + 1 :]
        assert verified(home, {**receipt, "leaf": wrong}, key).code in (2, 7)
    for wrong in (leaf + " ", " " + leaf, leaf.replace(",", ", ", 1)):
        assert verified(home, {**receipt, "leaf": wrong}, key).code == 7


def test_lines_of_witnesses_do_not_disturb(home: Home) -> None:
    receipt = receipt_of(home, forgotten(home))
    checkpoint = notes.open_(receipt["checkpoint"], notes.verifier(receipt["key"]))
    line = notes.sign(checkpoint.with_(origin="witness"), bytes(32)).splitlines()[-1] + "\n"
    witnessed = {**receipt, "checkpoint": receipt["checkpoint"] + line}
    assert verified(home, witnessed, key_of(home)).json["ok"] is True


# Forged from what is really in the trail.


def forged(home: Home, seq: int, **said: Any) -> Receipt:
    """Make a receipt of any event, with a true proof under a true checkpoint."""
    db = home.database()
    events = leaves(db)
    db.close()
    nodes = proofs.Nodes(
        one for span in proofs.inclusion_spans(seq - 1, len(events)) for one in proofs.perfect(span)
    )
    tree = merkle.Tree()
    for leaf in events:
        nodes.append(tree, merkle.leaf_hash(leaf.encode()))
    proof = proofs.inclusion_proof(seq - 1, len(events), nodes.head)
    event = json.loads(events[seq - 1])
    head = home.ok("audit checkpoint --json").json
    return {
        "schema": "bunkerctl.receipt/1",
        "vault_id": head["vault_id"],
        "token": event.get("token"),
        "reason": "request",
        "ref": event.get("ref"),
        "requested_at": event.get("requested_at"),
        "due_at": event.get("due_at"),
        "erased_at": event["at"],
        "actor": event["actor"],
        "erased": event.get("counts"),
        "scrubbed": "all",
        "backups": [],
        "leaf": events[seq - 1],
        "index": seq - 1,
        "proof": [base64.b64encode(node).decode() for node in proof],
        "checkpoint": head["checkpoint"],
        "key": key_of(home),
        **said,
    }


def seq_of(home: Home, action: str, outcome: str = "ok") -> int:
    events = home.ok(f"audit list --action {action} --json").json
    return next(int(one["seq"]) for one in events[::-1] if one["outcome"] == outcome)


def test_a_receipt_put_together_by_hand_is_like_the_real_one(home: Home) -> None:
    token = forgotten(home)
    real = receipt_of(home, token)
    made = forged(home, real["index"] + 1)
    assert {**made, "scrubbed": None} == {**real, "scrubbed": None}


@pytest.mark.parametrize("reason", ["", "request", "sweep", None])
@pytest.mark.parametrize("action", ["user.add", "user.get", "user.update", "exp.start"])
def test_an_event_that_erased_nobody_proves_no_erasure(
    home: Home, action: str, reason: str | None
) -> None:
    token = home.add(login="ann")
    home.ok(f"user get {token}")
    home.ok(f"user update {token} a=b")
    home.start(token)
    made = forged(home, seq_of(home, action), reason=reason)
    assert made["token"] == token
    result = verified(home, made, key_of(home))
    assert result.code == 7, result


@pytest.mark.parametrize("reason", ["", "request"])
def test_an_erasure_that_was_refused_proves_none(home: Home, reason: str) -> None:
    token = home.add(login="ann")
    home.ok(f"user hold {token} --reason case")
    assert home.run(f"user forget {token} --yes").code == 5
    made = forged(home, seq_of(home, "user.forget", "refused"), reason=reason)
    assert (made["token"], verified(home, made, key_of(home)).code) == (token, 7)


def test_the_event_of_a_batch_or_a_restore_names_nobody_and_proves_nothing(home: Home) -> None:
    token = home.add(login="ann")
    home.ok("user forget - --yes -o jsonl", token)
    made = forged(home, seq_of(home, "user.forget"))
    assert made["token"] is None
    without = {name: value for name, value in made.items() if name != "token"}
    assert verified(home, made, key_of(home)).code == 7
    assert verified(home, without, key_of(home)).code in (2, 7)


# What is not in it.


def texts_of(receipt: Receipt) -> str:
    """Everything in a receipt as text, what is base64 as hexadecimal too."""
    nodes = "".join(base64.b64decode(node).hex() for node in receipt["proof"])
    return json.dumps(receipt, ensure_ascii=False) + nodes


def test_neither_the_person_nor_a_hash_of_what_was_erased_is_in_it(home: Home) -> None:
    token = home.add(**RECORD)
    home.ok(f"user update {token} note=again")
    home.ok(["user", "hold", token, "--reason", "CANARY v. us"])
    home.ok(f"user release {token}")
    db = home.database()
    drawer = [row[0] for row in db.rows("SELECT bytes FROM drawer")]
    db.close()
    home.ok(f"user forget {token} --yes")
    text = texts_of(receipt_of(home, token))
    exported = home.ok("audit export -o jsonl").out.splitlines()
    commitments = [json.loads(line).get("commitment") for line in exported]
    assert len([one for one in commitments if one]) == 2
    values = [str(value) for value in RECORD.values()]
    erased = [value.encode() for value in values] + drawer
    erased += [value.partition(b"\n")[2] for value in drawer] + [json.dumps(RECORD).encode()]
    hashes = [name(value) for value in erased for name in (sha256, sha1, md5, merkle.leaf_hash)]
    digests = [one.hex() for one in hashes] + [base64.b64encode(one).decode() for one in hashes]
    for word in [*filter(None, commitments), *values, *digests]:
        assert word not in text
        for one in (word.encode(),):
            assert base64.b64encode(one).decode() not in text


def sha256(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def sha1(value: bytes) -> bytes:
    return hashlib.sha1(value).digest()


def md5(value: bytes) -> bytes:
    return hashlib.md5(value).digest()


# Backups and scrubbing.


def test_a_receipt_names_the_backups_that_have_the_person_until_they_are_gone(home: Home) -> None:
    def backup(name: str, *options: str) -> str:
        home.now += 60
        line = ["backup", "create", str(home.directory / name), "--json", *options]
        made: str = home.ok(line).json["id"]
        home.now += 60
        return made

    backup("before")
    token = home.add(login="ann")
    short, long, for_ever = backup("a", "--keep", "1d"), backup("b", "--keep", "9d"), backup("c")
    home.ok(f"user forget {token} --yes")
    backup("after")
    listed = receipt_of(home, token)["backups"]
    assert [one["id"] for one in listed] == [short, long, for_ever]
    assert listed[0] == {
        "id": short,
        "created_at": "2027-01-15T08:03:00Z",
        "until": "2027-01-16T08:03:00Z",
    }
    assert listed[2]["until"] is None
    home.now += 2 * DAY
    assert len(receipt_of(home, token)["backups"]) == 3  # the file is still there
    home.ok("backup prune")
    assert [one["id"] for one in receipt_of(home, token)["backups"]] == [long, for_ever]
    home.now += 20 * DAY
    (home.directory / "b").rename(home.directory / "moved")
    assert home.ok("backup prune --json").json["missing"] == [str(home.directory / "b")]
    assert [one["id"] for one in receipt_of(home, token)["backups"]] == [long, for_ever]


def test_a_backup_that_failed_is_not_one_that_has_the_person(home: Home) -> None:
    token = home.add(login="ann")
    assert home.run("backup create /proc/nothing/b").code == 9
    home.ok(f"user forget {token} --yes")
    assert receipt_of(home, token)["backups"] == []


def test_a_receipt_does_not_say_scrubbed_while_a_reader_keeps_old_pages(home: Home) -> None:
    first, second = home.add(login="ann"), home.add(login="bob")
    with reader(home):
        for token in (first, second):
            assert home.run(f"user forget {token} --yes --lock-wait 0s").code == 15
            assert receipt_of(home, token)["scrubbed"] is None
        said = [receipt_of(home, token)["scrubbed"] for token in (first, second)]
        assert said == [None, None]
    home.ok("status")
    for token in (first, second):
        assert "overwritten" in receipt_of(home, token)["scrubbed"]


# The sweep's.


def waiting(home: Home, number: int) -> list[str]:
    lines = "".join(json.dumps({"login": f"u{n}"}) + "\n" for n in range(number))
    home.ok("user import -", lines)
    tokens = [one["token"] for one in home.ok("user list --json").json]
    home.ok("exp start - --in 1d -o jsonl", "\n".join(tokens))
    home.now += 2 * DAY
    return tokens


def test_a_sweep_writes_a_receipt_of_each_erasure(home: Home) -> None:
    tokens = waiting(home, 20)
    folder = home.directory / "new" / "receipts"
    home.ok(f"exp sweep --dry-run --receipts {folder}")
    assert not folder.exists()
    home.ok(f"exp sweep --receipts {folder} --ref night")
    assert sorted(os.listdir(folder)) == sorted(f"{token}.json" for token in tokens)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    key = key_of(home)
    checkpoints = set()
    for token in tokens:
        path = folder / f"{token}.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        receipt = json.loads(path.read_text())
        assert list(receipt) == FIELDS
        assert (receipt["reason"], receipt["ref"]) == ("sweep", "night")
        assert (receipt["requested_at"], receipt["due_at"]) == (
            "2027-01-15T08:00:00Z",
            "2027-01-16T08:00:00Z",
        )
        assert "overwritten" in receipt["scrubbed"]
        line = ["erasure", "verify", str(path), "--key", key, "--json"]
        assert home.ok(line).json["token"] == token
        checkpoints.add(receipt["checkpoint"])
    assert len(checkpoints) == 1
    home.ok(f"exp sweep --receipts {folder}")
    assert len(os.listdir(folder)) == 20


def test_a_receipt_that_is_there_already_stays_as_it_is(home: Home) -> None:
    first, _ = waiting(home, 2)
    folder = home.directory / "receipts"
    folder.mkdir()
    (folder / f"{first}.json").write_text("mine")
    home.ok(f"exp sweep --receipts {folder}")
    assert (folder / f"{first}.json").read_text() == "mine"
    assert len(os.listdir(folder)) == 2


def test_who_is_swept_is_told_of_though_the_receipts_cannot_be_written(home: Home) -> None:
    tokens = waiting(home, 2)
    result = home.run(f"exp sweep --json --receipts {home.key_file}/receipts")
    assert result.code == 9
    erased = {one["token"] for one in home.ok("erasure list --json").json}
    told = set(result.json["tokens"]) if result.out else set()
    told |= set(home.ok("exp sweep --json").json["tokens"])
    assert erased <= told <= set(tokens)


def test_the_next_sweep_writes_the_receipts_that_could_not_be_written(home: Home) -> None:
    tokens = waiting(home, 2)
    folder = home.directory / "receipts"
    folder.write_text("in the way")
    assert home.run(f"exp sweep --receipts {folder}").code == 9
    assert home.run(f"exp sweep --receipts {folder}").code == 9
    folder.unlink()
    done = home.ok(f"exp sweep --receipts {folder} --json").json
    assert (done["erased"], done["finished_earlier"]) == (0, 2)
    assert sorted(os.listdir(folder)) == sorted(f"{token}.json" for token in tokens)
    assert home.ok(f"exp sweep --receipts {folder} --json").json["tokens"] == []


def test_the_next_sweep_writes_the_receipts_that_a_killed_one_did_not(bare: Home) -> None:
    home = made_now(bare)
    tokens = due_people(home, 300)
    folder = home.directory / "receipts"
    line = f"exp sweep --max-deletes 300 --receipts {folder} --json"
    with reader(home), home.spawn(line) as process:  # the reader keeps it from its end
        until(lambda: count(home, "tombstones"))
        process.kill()
        process.communicate(timeout=60)
    assert not folder.exists()
    done = home.process(line).json
    assert done["finished_earlier"] >= 200
    assert {name.removesuffix(".json") for name in os.listdir(folder)} == tokens
    key = key_of(home)
    for path in sorted(folder.iterdir())[::30]:
        home.ok(["erasure", "verify", str(path), "--key", key])


# Pruned, and restored.


def test_an_erasure_whose_event_was_pruned_has_no_receipt_any_more(home: Home) -> None:
    token = forgotten(home)
    kept = receipt_of(home, token)
    home.now += 2 * DAY
    later = forgotten(home)
    before = receipt_of(home, later)
    home.ok("audit prune --before 1d --yes")
    check_refusal(home.run(f"erasure show {token}"), 4, "pruned")
    assert token in [one["token"] for one in home.ok("erasure list --json").json]
    key = key_of(home)
    assert verified(home, kept, key).json["ok"] is True
    after = receipt_of(home, later)
    assert after["leaf"] == before["leaf"]
    for receipt in (before, after):
        assert verified(home, receipt, key).json["token"] == later


def test_a_receipt_from_before_a_restore_still_holds_beside_the_new_one(home: Home) -> None:
    token = home.add(**RECORD)
    home.ok(f"backup create {home.directory}/b.bunker")
    home.now += 60
    home.ok(f"user forget {token} --yes --ref T-1")
    old, key = receipt_of(home, token), key_of(home)
    new_place = home.directory / "restored"
    home.now += DAY
    home.ok(f"backup restore {home.directory}/b.bunker --vault {new_place}")
    shutil.rmtree(home.vault)
    home.environment["BUNKERCTL_VAULT"] = str(new_place)
    new = receipt_of(home, token)
    assert key_of(home) == key
    assert (old["reason"], new["reason"]) == ("request", "restore")
    assert new["erased_at"] == "2027-01-16T08:01:00Z"
    for receipt in (old, new):
        assert verified(home, receipt, key).json["token"] == token
