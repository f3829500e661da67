"""Slips that must cost nothing: damaged copies, misplaced keys, other settings."""

from __future__ import annotations

import json
import resource
import shutil

import pytest

from conftest import DAY, Home

EXPORTED = {
    "schema": "bunkerctl.user/1",
    "token": "8d7f3f0e-3c0f-4d52-9a77-0a4b7a3d2c11",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "version": 1,
    "expstatus": "none",
    "due_at": None,
    "held": False,
    "data": {"login": "ann"},
}


def ledger(home: Home) -> list[str]:
    lines = (home.vault / "erasures.jsonl").read_text().split()
    return [json.loads(line)["token"] for line in lines]


def test_a_blank_line_in_the_ledger_is_nothing(home: Home) -> None:
    first, second = home.add(login="a"), home.add(login="b")
    home.ok(f"user forget {first} --yes")
    with (home.vault / "erasures.jsonl").open("a") as file:
        file.write("\n")
    home.ok(f"user forget {second} --yes")
    assert ledger(home) == [first, second]


@pytest.mark.parametrize("line", ["garbage", '{"event":"x"}', "[]", "1"])
def test_a_damaged_ledger_bars_no_command_and_is_told(home: Home, line: str) -> None:
    tokens = [home.add(login=name) for name in "ab"]
    (home.vault / "erasures.jsonl").write_text(f"{line}\n")
    told = home.run(f"user forget {tokens[0]} --yes --json")
    assert (told.code, told.error["code"], told.json["changed"]) == (15, "residue", True)
    home.ok("audit verify")
    (home.vault / "erasures.jsonl").unlink()
    home.ok(f"user forget {tokens[1]} --yes")
    assert ledger(home) == tokens


def test_the_ledger_has_every_erasure_though_the_database_was_rolled_back(home: Home) -> None:
    tokens = [home.add(login=name) for name in "abc"]
    shutil.copy(home.vault / "vault.db", home.directory / "old.db")
    home.ok("user list")
    home.ok(f"user forget {tokens[0]} --yes")
    for name in ("vault.db-wal", "vault.db-shm"):
        (home.vault / name).unlink(missing_ok=True)
    shutil.copy(home.directory / "old.db", home.vault / "vault.db")
    for token in tokens[1:]:
        home.ok(f"user forget {token} --yes")
    assert ledger(home) == tokens


def test_another_region_moves_no_phone_that_is_not_updated(home: Home) -> None:
    home.ok("config set phone.region DE")
    token = home.add(login="ann", phone="030 901820")
    for setting in ("IT", "US"):
        home.ok(f"config set phone.region {setting}")
        home.ok(f"user update {token} seen={setting}")
        assert home.ok("user get phone:+4930901820 --json").json["token"] == token


def test_a_key_or_a_record_in_place_of_a_path_is_not_repeated(home: Home) -> None:
    key = home.key_file.read_text().strip()
    for line in (["status", "--key-file", key], ["init", "--key-file", key]):
        refused = home.run(line)
        assert (refused.code, key in refused.err) == (2, False)
    record = '{"email":"canary@example.com"}'
    for line in (["user", "add", "--data", record], ["user", "import", record]):
        refused = home.run(line)
        assert (refused.code, "canary" in refused.err) == (2, False)


@pytest.mark.parametrize(
    "odd",
    [
        {"version": 1 << 63},
        {"version": (1 << 63) - 1},
        {"created_at": "3000-01-01T00:00:00Z"},
        {"expstatus": "wait", "due_at": "9999-12-31T00:00:00Z"},
    ],
)
def test_an_odd_line_of_an_import_is_rejected_alone(home: Home, odd: dict[str, object]) -> None:
    lines = [{"login": "a"}, {**EXPORTED, **odd}, {"login": "b"}]
    result = home.run("user import - --json", "\n".join(map(json.dumps, lines)))
    assert (result.code, result.json["added"], result.json["rejected"]) == (3, 2, 1)


def test_an_import_that_updates_brings_a_hold_along(home: Home) -> None:
    home.add(login="ann")
    line = json.dumps({**EXPORTED, "held": True})
    answer = home.ok("user import - --on-conflict update --json", line).json
    assert answer["updated"] == 1
    assert home.run("user forget login:ann --yes").code == 5


def test_a_monitor_sees_that_the_last_sweep_lies_ahead(home: Home) -> None:
    home.now += 40 * DAY
    home.ok("exp sweep")
    home.now -= 40 * DAY
    assert home.run("exp sweep").code == 5
    assert home.run("status --check").code == 8


def test_init_refuses_a_configured_command_and_a_key_inside_the_vault(bare: Home) -> None:
    del bare.environment["BUNKERCTL_KEY_FILE"]
    assert bare.run(f"init --key-file {bare.vault}/key").code == 2
    bare.ok(["config", "set", "key.command", "cat other"])
    assert bare.run("init").code == 2
    assert not bare.vault.exists()


@pytest.mark.parametrize("option", ["--in", "--on"])
def test_an_empty_value_is_no_default(home: Home, option: str) -> None:
    home.add(login="ann")
    assert home.run(["exp", "start", "login:ann", option, ""]).code == 2
    assert home.ok("exp status login:ann --json").json["expstatus"] == "none"


def test_an_export_into_a_file_that_exists_is_a_refused_attempt(home: Home) -> None:
    token = home.add(login="ann")
    path = home.directory / "out.json"
    path.write_text("mine")
    assert home.run(f"export {token} --out {path}").code == 5
    newest = home.ok("audit list --limit 1 --json").json[0]
    assert (newest["action"], newest["outcome"], path.read_text()) == (
        "export.user",
        "refused",
        "mine",
    )


def test_an_export_tells_of_what_has_lapsed_or_was_cancelled(home: Home) -> None:
    token = home.add(login="ann")
    exptoken = home.start(token)
    home.ok(f"exp cancel {token}")
    home.ok(f"user hold {token} --reason case --until 2027-01-20")
    home.now += 30 * DAY
    exported = home.ok(f"export {token}").json
    assert exported["hold"] is None
    assert exported["lapsed_hold"]["reason"] == "case"
    assert exported["cancelled_expiration"]["exptoken"] == exptoken


@pytest.mark.parametrize(
    "change", [{"size": -1}, {"size": True}, {"size": "1"}, {"root": "ab"}, {"vault_id": 7}]
)
def test_a_head_that_is_none_is_bad_input(home: Home, change: dict[str, object]) -> None:
    head = home.ok("audit head --json").json
    path = home.directory / "head.json"
    path.write_text(json.dumps({**head, **change}))
    assert home.run(f"audit verify --against {path}").code == 2
    shouted = {"root": head["root"].upper(), "vault_id": head["vault_id"].upper()}
    path.write_text(json.dumps({**head, **shouted}))
    home.ok(f"audit verify --against {path}")


def test_an_event_with_an_absurd_time_is_named(home: Home) -> None:
    home.add(login="ann")
    db = home.database()
    db.run("UPDATE audit SET at = ? WHERE seq = 2", 1 << 60)
    db.close()
    result = home.run("audit verify --json")
    assert (result.code, result.json["first_bad"]) == (7, 2)


def test_a_patch_that_copies_itself_too_deep_is_bad_input(home: Home) -> None:
    token = home.add(login="ann")
    patch = [{"op": "copy", "from": "", "path": "/x" * (1 << n)} for n in range(12)]
    assert home.run(f"user update {token}", json.dumps(patch)).code == 2
    assert home.ok(f"user get {token} --json").json["version"] == 1


def test_a_sweep_that_leaves_residue_says_no_empty_line(home: Home) -> None:
    home.start(home.add(login="ann"), "1d")
    home.now += 2 * DAY
    db = home.database()
    db.begin(write=False)
    db.one("SELECT count(*) FROM users")
    swept = home.run("exp sweep --lock-wait 0s")
    db.rollback()
    db.close()
    assert swept.code == 15
    assert "bunkerctl: \n" not in swept.err


def test_an_import_that_is_cut_off_says_how_far_it_came(home: Home) -> None:
    lines = b"".join(b'{"login":"u%d","text":"%s"}\n' % (n, b"x" * 900) for n in range(4000))
    limit = (resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
    cut = home.process(
        "user import - --json",
        lines,
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(*limit),
    )
    users = home.ok("status --json").json["users"]
    assert cut.code in (9, 16), cut
    assert f"{users} added" in cut.error["hint"] and "nothing was changed" not in cut.err
    home.ok("audit verify")
