"""The state table of expirations, row by row and column by column."""

from __future__ import annotations

import pytest

from conftest import DAY, Home

EVENTS = ("start", "restart", "retain", "delete", "cancel", "sweep", "forget")

# (from, event) → the expstatus afterwards and the exit code; None: there is no such exptoken.
TABLE = {
    ("none", "start"): ("wait", 0),
    ("none", "restart"): ("wait", 0),
    ("none", "retain"): ("none", 4),
    ("none", "delete"): ("none", 4),
    ("none", "cancel"): ("none", 0),
    ("none", "sweep"): ("none", 0),
    ("none", "forget"): ("expired", 0),
    ("cancelled", "start"): ("wait", 0),
    ("cancelled", "restart"): ("wait", 0),
    ("cancelled", "retain"): ("none", 5),
    ("cancelled", "delete"): ("none", 5),
    ("cancelled", "cancel"): ("none", 0),
    ("cancelled", "sweep"): ("none", 0),
    ("cancelled", "forget"): ("expired", 0),
    ("wait", "start"): ("wait", 0),
    ("wait", "restart"): ("wait", 0),
    ("wait", "retain"): ("retain", 0),
    ("wait", "delete"): ("expired", 0),
    ("wait", "cancel"): ("none", 0),
    ("wait", "sweep"): ("wait", 0),
    ("wait", "forget"): ("expired", 0),
    ("due", "retain"): ("retain", 0),
    ("due", "start"): ("wait", 0),
    ("due", "cancel"): ("none", 0),
    ("due", "delete"): ("expired", 0),
    ("due", "sweep"): ("expired", 0),
    ("due", "forget"): ("expired", 0),
    ("due held", "sweep"): ("wait", 0),
    ("due held", "delete"): ("wait", 5),
    ("due held", "forget"): ("wait", 5),
    ("due held", "retain"): ("retain", 0),
    ("retain", "start"): ("wait", 0),
    ("retain", "restart"): ("wait", 0),
    ("retain", "retain"): ("retain", 0),
    ("retain", "delete"): ("retain", 5),
    ("retain", "cancel"): ("none", 0),
    ("retain", "sweep"): ("retain", 0),
    ("retain", "forget"): ("expired", 0),
    ("expired", "start"): ("expired", 5),
    ("expired", "restart"): ("expired", 5),
    ("expired", "retain"): ("expired", 5),
    ("expired", "delete"): ("expired", 0),
    ("expired", "cancel"): ("expired", 5),
    ("expired", "sweep"): ("expired", 0),
    ("expired", "forget"): ("expired", 0),
}


def put(home: Home, state: str) -> tuple[str, str]:
    """Bring a new person into a state; return its token and exptoken."""
    token = home.add(login="ann")
    exptoken = "00000000-0000-4000-8000-000000000000"
    if state == "none":
        return token, exptoken
    exptoken = home.start(token)
    if state == "cancelled":
        home.ok(f"exp cancel {token}")
    if state == "retain":
        home.ok(f"exp retain {exptoken}")
    if state == "expired":
        home.ok(f"exp delete {exptoken} --yes")
    if state.startswith("due"):
        home.now += 31 * DAY
    if state.endswith("held"):
        home.ok(f"user hold {token} --reason case")
    return token, exptoken


def line_of(event: str, token: str, exptoken: str) -> str:
    return {
        "start": f"exp start {token}",
        "restart": f"exp start {token} --restart",
        "retain": f"exp retain {exptoken}",
        "delete": f"exp delete {exptoken} --yes",
        "cancel": f"exp cancel {token}",
        "sweep": "exp sweep",
        "forget": f"user forget {token} --yes",
    }[event]


@pytest.mark.parametrize(("state", "event"), TABLE)
def test_each_cell_of_the_state_table(home: Home, state: str, event: str) -> None:
    token, exptoken = put(home, state)
    before = home.ok(f"exp status {token} --json").json
    expected, code = TABLE[state, event]

    result = home.run(line_of(event, token, exptoken) + " --json")
    after = home.ok(f"exp status {token} --json").json

    assert result.code == code, result
    assert after["expstatus"] == expected
    if code:
        assert result.out == ""
        assert after == before
    elif event not in ("sweep", "restart"):
        assert result.json["changed"] == (before["expstatus"] != expected)


def test_start_never_moves_a_standing_date(home: Home) -> None:
    token = home.add(login="ann")
    first = home.ok(f"exp start {token} --in 30d --json").json
    second = home.ok(f"exp start {token} --in 60d --json").json
    assert {**first, "changed": False} == second


def test_restart_replaces_date_and_exptoken_and_voids_the_old_one(home: Home) -> None:
    token = home.add(login="ann")
    first = home.ok(f"exp start {token} --in 30d --json").json
    second = home.ok(f"exp start {token} --in 60d --restart --json").json
    assert second["changed"] is True
    assert second["exptime"] - first["exptime"] == 30 * DAY
    assert second["exptoken"] != first["exptoken"]
    assert home.run(f"exp retain {first['exptoken']}").code == 4
    assert home.run(f"exp retain {second['exptoken']}").code == 0


def test_a_cancelled_exptoken_is_remembered_until_the_next_start(home: Home) -> None:
    token = home.add(login="ann")
    exptoken = home.start(token)
    home.ok(f"exp cancel {token}")
    assert home.run(f"exp retain {exptoken}").code == 5
    home.start(token)
    assert home.run(f"exp retain {exptoken}").code == 4


def test_an_overdue_person_who_was_not_swept_can_still_be_kept(home: Home) -> None:
    token = home.add(login="ann")
    exptoken = home.start(token)
    home.now += 40 * DAY
    assert home.ok(f"exp status {token} --json").json["overdue"] is True
    assert home.ok(f"exp retain {exptoken} --json").json["expstatus"] == "retain"
    home.ok("exp sweep")
    assert home.run("user get login:ann").code == 0


def test_due_begins_at_its_second_and_overdue_26_hours_later(home: Home) -> None:
    token = home.add(login="ann")
    home.start(token, "1d")

    def flags() -> tuple[bool, bool]:
        answer = home.ok(f"exp status {token} --json").json
        return answer["due"], answer["overdue"]

    home.now += DAY - 1
    assert flags() == (False, False)
    home.now += 1
    assert flags() == (True, False)
    home.now += 26 * 3600
    assert flags() == (True, False)
    home.now += 1
    assert flags() == (True, True)


def test_fields_that_are_null_unless_waiting(home: Home) -> None:
    token = home.add(login="ann")
    none = home.ok(f"exp status {token} --json").json
    assert [none[name] for name in ("exptime", "due_at", "exptoken", "started_at")] == [None] * 4
    exptoken = home.start(token)
    home.ok(f"exp retain {exptoken}")
    kept = home.ok(f"exp status {token} --json").json
    assert kept["exptoken"] == exptoken
    assert [kept[name] for name in ("exptime", "due_at", "started_at")] == [None] * 3


def test_links_come_from_the_configured_base(home: Home) -> None:
    home.ok("config set links.base https://example.com/privacy/")
    token = home.add(login="ann")
    answer = home.ok(f"exp start {token} --json").json
    base = "https://example.com/privacy/exp"
    assert answer["retain_url"] == f"{base}/retain/{answer['exptoken']}"
    assert answer["delete_url"] == f"{base}/delete/{answer['exptoken']}"


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("--in 30d --on 2030-01-01", 2),
        ("--on 2020-01-01", 2),
        ("--on 2027-01-15T08:00:00Z", 2),
        ("--on 2027-01-15T08:00:01Z", 0),
        ("--in 100y", 0),
        ("--in 101y", 2),
        ("--on 2127-01-15T08:00:01Z", 2),
        ("--in 1m", 2),
        ("--in 0d", 2),
        ("--in 99999999d", 2),
    ],
)
def test_dates_and_durations_of_start(home: Home, option: str, code: int) -> None:
    token = home.add(login="ann")
    result = home.run(f"exp start {token} {option}")
    assert result.code == code, result
    assert home.ok(f"exp status {token} --json").json["expstatus"] == ("none" if code else "wait")


def test_exp_max_is_an_error_and_never_clamps(home: Home) -> None:
    token = home.add(login="ann")
    home.ok("config set exp.max 60d")
    assert home.run(f"exp start {token} --in 61d").code == 2
    assert home.run(f"exp start {token} --in 60d").code == 0
