"""The sweep: it erases only what is due, never early, never too much, never on a wrong clock."""

from __future__ import annotations

import json

import pytest

from conftest import DAY, START, Home


def people(home: Home, count: int, duration: str | None = "30d", prefix: str = "u") -> list[str]:
    """Add people in one go, waiting if a duration is given; return their tokens."""
    before = {one["token"] for one in home.ok("user list --json").json}
    lines = "".join(json.dumps({"login": f"{prefix}{n}"}) + "\n" for n in range(count))
    home.ok("user import -", lines)
    tokens = [one["token"] for one in home.ok("user list --json").json]
    new = [token for token in tokens if token not in before]
    if duration is not None:
        home.ok(f"exp start - --in {duration} -o jsonl", "\n".join(new))
    return new


def actions(home: Home) -> list[str]:
    return [one["action"] for one in home.ok("audit list --json").json]


def test_sweep_erases_only_what_is_due(home: Home) -> None:
    due = people(home, 3, "10d", "a")
    later = people(home, 3, "20d", "b")
    never = people(home, 3, None, "c")
    home.now += 10 * DAY
    swept = home.ok("exp sweep --json").json
    assert sorted(swept["tokens"]) == sorted(due)
    assert (swept["due"], swept["erased"], swept["held"], swept["failed"]) == (3, 3, 0, 0)
    assert swept["guard"] is None
    living = {one["token"] for one in home.ok("user list --json").json}
    assert living == {*later, *never}


def test_a_sweep_answers_with_every_documented_field(home: Home) -> None:
    assert home.ok("exp sweep --json").json == {
        "dry_run": False,
        "guard": None,
        "due": 0,
        "erased": 0,
        "held": 0,
        "failed": 0,
        "finished_earlier": 0,
        "tokens": [],
        "started_at": "2027-01-15T08:00:00Z",
        "finished_at": "2027-01-15T08:00:00Z",
    }


def test_plain_output_is_one_token_a_line_and_quiet_silences_the_note(home: Home) -> None:
    due = people(home, 2, "1d")
    home.now += 2 * DAY
    assert "would erase 2" in home.ok("exp sweep --dry-run").err
    result = home.ok("exp sweep -q")
    assert sorted(result.out.split()) == sorted(due)
    assert result.err == ""
    again = home.ok("exp sweep")
    assert (again.out, again.err) == ("", "bunkerctl: nothing was due\n")


def test_the_longest_due_go_first(home: Home) -> None:
    second = people(home, 1, "2d", "a")
    first = people(home, 1, "1d", "b")
    home.now += 3 * DAY
    assert home.ok("exp sweep --limit 1 --json").json["tokens"] == first
    assert home.ok("exp sweep --limit 1 --json").json["tokens"] == second


def test_a_dry_run_selects_the_same_and_changes_nothing(home: Home) -> None:
    due = people(home, 4, "1d")
    home.now += 2 * DAY
    preview = home.ok("exp sweep --dry-run --limit 3 --json").json
    assert (preview["dry_run"], preview["erased"], preview["due"]) == (True, 0, 4)
    assert len(home.ok("user list --json").json) == 4
    assert home.ok("exp sweep --limit 3 --json").json["tokens"] == preview["tokens"]
    assert set(preview["tokens"]) < set(due)


@pytest.mark.parametrize(("living", "due", "code"), [(25, 25, 0), (26, 26, 5), (300, 30, 0)])
def test_limit_is_the_larger_of_25_and_a_tenth(
    home: Home, living: int, due: int, code: int
) -> None:
    people(home, due, "1d", "due")
    if living > due:
        people(home, living - due, None, "stays")
    home.now += 2 * DAY
    result = home.run("exp sweep --json")
    assert result.code == code
    if code:
        assert result.error["code"] == "limit"
        assert "--max-deletes 26" in result.error["hint"]
        assert home.ok("status --json").json["users"] == living


def test_a_tenth_is_not_rounded_up(home: Home) -> None:
    people(home, 31, "1d", "due")
    people(home, 278, None, "stays")  # 309 living: a tenth is 30.9
    home.now += 2 * DAY
    assert home.run("exp sweep").code == 5
    assert home.ok("exp sweep --dry-run --json").json["guard"] == "limit"
    assert home.run("exp sweep --max-deletes 30").code == 5
    assert home.ok("exp sweep --max-deletes 31 --json").json["erased"] == 31


def test_limit_is_judged_before_limit_option(home: Home) -> None:
    people(home, 26, "1d")
    home.now += 2 * DAY
    assert home.run("exp sweep --limit 5").code == 5


def test_held_people_do_not_count_towards_the_limit(home: Home) -> None:
    tokens = people(home, 26, "1d")
    home.ok(f"user hold {tokens[0]} --reason case")
    home.now += 2 * DAY
    swept = home.ok("exp sweep --json").json
    assert (swept["due"], swept["erased"], swept["held"]) == (25, 25, 1)


@pytest.mark.parametrize(
    ("moved", "due", "code", "guard"),
    [
        (-5 * 60, False, 0, None),
        (-5 * 60 - 1, False, 5, "clock"),
        (45 * DAY, True, 0, None),
        (45 * DAY + 1, True, 5, "clock"),
        (45 * DAY + 1, False, 0, "clock"),
    ],
)
def test_the_clock_guard(home: Home, moved: int, due: bool, code: int, guard: str | None) -> None:
    if due:
        people(home, 1, "1d")
    home.now = START + moved
    assert home.ok("exp sweep --dry-run --json").json["guard"] == guard
    for _ in range(2):  # a second try on the same wrong clock is judged like the first
        result = home.run("exp sweep --json")
        assert result.code == code
        if code:
            assert (result.out, result.error["code"]) == ("", "clock")
        elif guard:
            assert result.json["guard"] == guard
            assert "clock" in result.err
    if guard:
        assert home.ok("status --json").json["last_sweep"] is None
        accepted = home.ok("exp sweep --accept-clock --json").json
        assert (accepted["guard"], accepted["erased"]) == (None, int(due))
        home.ok("exp sweep --json")


def test_the_reference_is_the_last_completed_sweep(home: Home) -> None:
    people(home, 1, "100d")
    for _ in range(3):
        home.now += 40 * DAY
        home.ok("exp sweep")
    assert home.ok("status --json").json["users"] == 0


def test_clock_is_judged_before_limit(home: Home) -> None:
    people(home, 26, "1d")
    home.now += 46 * DAY
    assert home.run("exp sweep --json").error["code"] == "clock"
    assert home.run("exp sweep --accept-clock --json").error["code"] == "limit"


def test_refusals_are_events_and_erase_nobody(home: Home) -> None:
    people(home, 26, "1d")
    home.now += 2 * DAY
    home.run("exp sweep")
    newest = home.ok("audit list --limit 1 --json").json[0]
    assert (newest["action"], newest["outcome"]) == ("exp.sweep", "refused")
    assert "exp.erase" not in actions(home)


def test_one_event_for_each_person_and_one_for_the_sweep(home: Home) -> None:
    people(home, 3, "1d")
    home.now += 2 * DAY
    home.ok("exp sweep")
    assert actions(home)[-4:] == ["exp.erase"] * 3 + ["exp.sweep"]


def test_a_damaged_record_fails_alone_and_stays_due(home: Home) -> None:
    tokens = people(home, 3, "1d")
    db = home.database()
    place = db.one("SELECT record FROM users LIMIT 1")[0]
    db.run("UPDATE drawer SET bytes = zeroblob(length(bytes)) WHERE id = ?", place)
    db.close()
    home.now += 2 * DAY
    result = home.run("exp sweep --json")
    assert result.code == 3
    assert (result.json["erased"], result.json["failed"]) == (2, 1)
    assert result.error["code"] == "partial"
    assert set(result.json["tokens"]) < set(tokens)
    assert home.ok("status --json").json["due"] == 1


def test_a_sweep_of_more_than_a_batch_is_whole(home: Home) -> None:
    people(home, 450, "1d")
    home.now += 2 * DAY
    swept = home.ok("exp sweep --max-deletes 450 --json").json
    assert swept["erased"] == len(set(swept["tokens"])) == 450
    assert home.ok("status --json").json["erased"] == 450
    assert len((home.vault / "erasures.jsonl").read_text().splitlines()) == 450


def test_status_check_tells_a_monitor(home: Home) -> None:
    assert home.run("status --check").code == 8  # no sweep has completed
    home.ok("exp sweep")
    home.ok("status --check")
    home.now += 26 * 3600
    home.ok("status --check")
    home.now += 1
    stale = home.run("status --check --json")
    assert (stale.code, stale.error["code"]) == (8, "overdue")
    assert stale.json["last_sweep"] == "2027-01-15T08:00:00Z"
    home.ok("status --check --max-age 27h")


def test_status_check_sees_who_is_overdue_and_not_held(home: Home) -> None:
    token = people(home, 1, "1d")[0]
    home.now += 3 * DAY
    home.ok("exp sweep --dry-run")
    answer = home.run("status --check --max-age 10d --json")
    assert (answer.code, answer.json["overdue"]) == (8, 1)
    home.ok(f"user hold {token} --reason case")
    home.ok("exp sweep")
    assert home.ok("status --check --json").json["overdue"] == 0
