"""The report: its figures are what was done, and it says nothing personal."""

from __future__ import annotations

import json
import random
import stat
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import figures, merkle, reports, times
from conftest import DAY, START, Home
from terminal import Terminal
from test_canaries import PERSON, PERSONAL
from wholeness import leaves, put_leaf, reworded, tamper

JANUARY, FEBRUARY, MARCH = "2027-01", "2027-02", "2027-03"


def report(home: Home, options: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = home.ok(f"report {options} --json").json
    return answer


def story(home: Home) -> dict[str, str]:
    """Do a bit of everything in three months; return the tokens by name."""
    people = {name: home.add(login=name, email=f"{name}@example.com") for name in "abcdefg"}
    links = {name: home.start(people[name], "30d") for name in "abc"}
    home.ok("user hold f --reason case")
    home.ok("--actor alice user get -", "a\na\nb")
    home.ok("--actor bob export c")
    home.ok("--actor bob user list")
    assert home.run("--actor bob user get nobody").code == 4

    home.now = START + 20 * DAY  # 4 February
    home.ok(f"exp retain {links['b']}")
    home.ok(f"exp retain {links['b']}")
    home.ok(f"exp delete {links['c']} --yes")
    assert home.run("user forget f --yes").code == 5
    home.now = START + 31 * DAY
    home.ok("exp sweep")

    home.now = START + 50 * DAY  # 6 March
    home.ok("exp start b --in 30d")
    home.ok("exp start b --in 40d --restart")
    home.ok("exp start e --in 5d")
    home.ok("exp start f --in 1d")
    home.ok("exp start g --in 10d")
    home.ok("exp cancel g")
    home.ok("user forget d --yes")
    home.ok(f"user forget {people['d']} --yes")
    home.now = START + 57 * DAY
    return people


def test_the_months_are_what_was_done(home: Home) -> None:
    story(home)
    found = report(home)
    months = {one["month"]: one for one in found["months"]}
    assert list(months) == [JANUARY, FEBRUARY, MARCH]
    done = {
        month: {name: one[name] for name in figures.MOVES if one[name]}
        for month, one in months.items()
    }
    assert done == {
        JANUARY: {"added": 7, "started": 3, "held": 1, "reads": 5},
        FEBRUARY: {"kept": 1, "removed": 1, "swept": 1},
        MARCH: {"started": 4, "restarted": 1, "cancelled": 1, "forgotten": 1},
    }
    assert [one["standing"] for one in months.values()] == [
        {"users": 7, "none": 4, "wait": 3, "retain": 0, "expired": 0},
        {"users": 5, "none": 4, "wait": 0, "retain": 1, "expired": 2},
        {"users": 4, "none": 1, "wait": 3, "retain": 0, "expired": 3},
    ]
    assert found["totals"] == {
        name: sum(one[name] for one in months.values()) for name in figures.MOVES
    }
    assert found["unsuccessful"] == [
        {"action": "user.forget", "outcome": "refused", "count": 1},
        {"action": "user.get", "outcome": "not_found", "count": 1},
    ]


def test_what_is_so_now_is_what_status_and_the_lists_say(home: Home) -> None:
    people = story(home)
    found, status = report(home), home.ok("status --json").json
    now = found["people"]
    assert {name: status[name] for name in ("users", "waiting", "due", "overdue", "held")} == {
        name: now[name] for name in ("users", "waiting", "due", "overdue", "held")
    }
    assert (now["due"], now["overdue"], now["due_held"], now["held"]) == (1, 1, 1, 1)
    assert found["overdue"]["oldest"] == [
        {"token": people["e"], "due_at": "2027-03-11T08:00:00Z", "days": 2}
    ]
    assert found["held"]["oldest"] == [
        {"token": people["f"], "since": "2027-01-15T08:00:00Z", "until": None, "days": 57}
    ]
    ages = {one["days_from"]: one["people"] for one in found["held"]["ages"]}
    assert ages == {0: 0, 7: 0, 30: 1, 90: 0, 365: 0}
    assert [one["people"] for one in found["overdue"]["ages"]] == [1, 0, 0, 0, 0]
    weeks = {one["week"]: one for one in found["due"]["weeks"]}
    assert len(weeks) == reports.WEEKS and next(iter(weeks)) == "2027-W10"
    assert [week for week, one in weeks.items() if one["people"]] == ["2027-W15"]  # b, 15 April
    assert weeks["2027-W15"]["begins"] == "2027-04-12"
    home.ok("exp start g --in 1y")
    home.ok("user hold g --reason case")
    assert report(home)["due"]["later"] == {"people": 1, "held": 1}


def test_erasures_have_receipts_that_hold(home: Home, tmp_path: Path) -> None:
    people = story(home)
    erasures = report(home)["erasures"]
    assert erasures["reasons"] == {"request": 1, "link": 1, "sweep": 1, "restore": 0}
    assert [one["token"] for one in erasures["newest"]] == [people["d"], people["a"], people["c"]]
    for one in erasures["newest"]:
        receipt = home.ok(f"erasure show {one['token']} --json")
        assert (one["event"], one["reason"]) == (receipt.json["index"] + 1, receipt.json["reason"])
        assert home.ok(f"audit show {one['event']} --json").json["hash"] == one["leaf"]
        (tmp_path / "receipt").write_text(receipt.out)
        home.ok(f"erasure verify {tmp_path}/receipt --key {report(home)['audit']['key']}")


def test_reads_are_told_by_actor_and_by_person(home: Home) -> None:
    story(home)
    reads = report(home)["reads"]
    told = {one["actor"]: (one["reads"], one["actions"]) for one in reads["actors"]}
    none = dict.fromkeys(figures.READS, 0)
    assert told == {
        "alice": (3, {**none, "user.get": 3}),
        "bob": (2, {**none, "export.user": 1, "user.list": 1}),
    }
    assert reads["reads"] == 5


def test_who_was_read_over_ten_times_the_median_is_named(home: Home) -> None:
    people = [home.add(login=f"p{number}") for number in range(7)]
    for number, often in enumerate([1, 2, 2, 2, 20, 21, 40]):
        home.ok("user get -", f"{people[number]}\n" * often)
    home.ok(f"user forget {people[5]} --yes")
    found = report(home)["read_often"]
    assert (found["people_read"], found["median"], found["limit"], found["people"]) == (7, 2, 20, 2)
    assert found["most"] == [
        {"token": people[6], "reads": 40, "erased": False},
        {"token": people[5], "reads": 21, "erased": True},
    ]
    page = home.ok("report --out -").out
    assert "read more than 10 times as often as the median person" in page
    assert f'{people[6]}</code></td><td class="n">40</td><td>in the vault' in page


def test_the_period_bounds_what_is_counted(home: Home) -> None:
    story(home)
    found = report(home, "--since 2027-02-01 --until 2027-03-01")
    assert [one["month"] for one in found["months"]] == [FEBRUARY]
    assert (found["since"], found["until"]) == ("2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z")
    assert found["months"][0]["standing"] == report(home)["months"][1]["standing"]
    assert (found["totals"]["added"], found["reads"]["reads"]) == (0, 0)
    assert found["erasures"]["people"] == 2
    assert found["people"] == report(home)["people"]
    assert report(home, "--since 100y") == report(home)
    assert report(home, "--until 2100-01-01") == report(home)
    first = report(home, "--until 2027-01-20")
    assert (first["totals"]["added"], first["reads"]["reads"]) == (7, 5)
    for line in ("--since 2027-03-01 --until 2027-03-01", "--since 2030-01-01"):
        assert home.run(f"report {line}").code == 2
    assert home.run("report --since 5").code == 2


def test_an_empty_vault_has_a_report(home: Home) -> None:
    found = report(home)
    assert [one["month"] for one in found["months"]] == [JANUARY]
    assert not any(found["totals"].values()) and not any(found["people"].values())
    assert found["read_often"]["most"] == found["erasures"]["newest"] == []
    assert found["audit"]["ok"] and found["audit"]["head"]["size"] == 1
    assert found["backup"]["last"] is None and found["last_sweep"] is None
    assert "<svg" in home.ok("report --out -").out


@pytest.mark.parametrize("seed", range(4))
def test_the_standing_of_each_month_is_what_it_was_then(home: Home, seed: int) -> None:
    """Random months: what the vault said at their ends, the report says of them later."""
    chance = random.Random(seed)
    tokens: list[str] = []
    then = []
    for _ in range(5):
        end = home.now + 31 * DAY
        for _ in range(chance.randrange(18)):
            home.now += chance.randrange(DAY)
            _random_act(home, chance, tokens)
        home.now = end
        then.append((home.now, _standing(home)))
    home.now += 1
    for at, standing in then:
        until = f"--until {_text(at + 1)}"
        assert report(home, until)["months"][-1]["standing"] == standing
    assert report(home)["audit"]["untold"] == 0


def _random_act(home: Home, chance: random.Random, tokens: list[str]) -> None:
    if not tokens or chance.random() < 0.4:
        tokens.append(home.add(login=f"u{len(tokens)}"))
        return
    one = chance.choice(tokens)
    line = chance.choice(
        [
            f"exp start {one} --in {chance.randrange(1, 20)}d",
            f"exp start {one} --in 9d --restart",
            f"exp cancel {one}",
            f"user forget {one} --yes",
            f"user hold {one} --reason case",
            f"user release {one}",
            "exp sweep --accept-clock",
            "retain",
            "delete",
        ]
    )
    if line in ("retain", "delete"):
        exptoken = home.ok(f"exp status {one} --json").json["exptoken"]
        line = f"exp {line} {exptoken} --yes" if exptoken else "status"
    assert home.run(line).code in (0, 4, 5), line


def _standing(home: Home) -> dict[str, int]:
    people = home.ok("user list --json").json
    counted = {
        state: sum(one["expstatus"] == state for one in people)
        for state in ("none", "wait", "retain")
    }
    erased = home.ok("status --json").json["erased"]
    return {"users": len(people), **counted, "expired": erased}


def _text(at: int) -> str:
    return times.text(at)


def test_what_was_pruned_is_said_to_be_missing_and_the_rest_stays(home: Home) -> None:
    story(home)
    before = report(home)
    home.ok("audit prune --before 2027-02-10 --yes")
    found = report(home)
    assert (found["audit"]["ok"], before["audit"]["pruned"]) == (True, 0)
    assert found["audit"]["pruned"] + found["audit"]["counted"] == found["audit"]["head"]["size"]
    kept = {one["month"]: one for one in found["months"]}
    assert list(kept) == [FEBRUARY, MARCH]
    assert kept[MARCH] == before["months"][2]
    assert kept[FEBRUARY]["standing"] == before["months"][1]["standing"]
    assert kept[FEBRUARY]["kept"] == 0
    assert found["key"]["since"] is None
    every = report(home, "--since 2027-01-01")
    assert every["since"] == found["since"] == "2027-02-15T08:00:00Z"
    page = home.ok("report --out -").out
    assert "Not covered:" in page and "Not covered:" not in home.ok("report").out
    assert found["erasures"]["without_receipt"] == 0  # the link's erasure is from before
    assert found["erasures"]["people"] == 2


def test_events_that_do_not_say_what_was_before_are_counted_and_told(home: Home) -> None:
    story(home)
    before = report(home)
    db = home.database()
    tree = merkle.Tree()
    db.begin()
    for event in leaves(db):
        said = {name: value for name, value in json.loads(event).items() if name != "was"}
        old = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        tree.append(put_leaf(db, old))
    db.run("UPDATE tree SET frontier = ?", tree.frontier())
    db.commit()
    db.close()
    found = report(home)
    assert (found["audit"]["ok"], found["audit"]["untold"]) == (True, 13)
    assert "Assumed:" in home.ok("report --out -").out
    for name in ("started", "kept", "cancelled", "removed", "swept", "forgotten"):
        assert found["totals"][name] == before["totals"][name] + (name == "started"), name


@pytest.mark.parametrize(
    "damage",
    [
        ("UPDATE wordings SET text = replace(text, 'alice', 'malice')",),
        reworded(5, "'{'"),
        reworded(5, "'[1]'"),
        ("DELETE FROM audit WHERE seq = 7",),
        ("DELETE FROM audit WHERE seq > 20",),
    ],
)
def test_a_damaged_trail_is_exit_7_and_the_report_says_so(
    home: Home, tmp_path: Path, damage: tuple[str, ...]
) -> None:
    story(home)
    tamper(home, *damage)
    result = home.run("report --json")
    assert (result.code, result.json["audit"]["ok"]) == (7, False)
    assert result.error["code"] == "integrity"
    assert result.json["audit"]["problem"]
    assert home.run(f"report --out {tmp_path}/page.html").code == 7
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "NOT whole" in page and ">whole<" not in page


def test_the_head_in_the_report_can_be_held_against_the_trail(home: Home, tmp_path: Path) -> None:
    story(home)
    found, page = report(home), home.ok("report --out -").out
    shown = [unescape(one.split("</pre>")[0]) for one in page.split("<pre>")[1:]]
    assert found["audit"]["key"] in shown
    size = found["audit"]["head"]["size"]
    heads = [one for one in shown if one == found["audit"]["checkpoint"] or one[0] == "{"]
    assert len(heads) == 2
    home.ok("user add login=later")
    for head in heads:
        (tmp_path / "head").write_text(head)
        home.ok(f"audit verify --against {tmp_path}/head")
        (tmp_path / "head").write_text(head.replace(str(size), str(size - 1)))
        assert home.run(f"audit verify --against {tmp_path}/head").code in (2, 7)


def test_key_backup_and_sweep_have_their_ages(home: Home, tmp_path: Path) -> None:
    story(home)
    home.ok("key rotate")
    home.ok(f"backup create {tmp_path}/one.bunker --keep 1d")
    home.now += 3 * DAY
    found = report(home)
    assert (found["key"]["since"], found["key"]["days"]) == ("2027-03-13T08:00:00Z", 3)
    assert found["key"]["key_id"] == home.ok("key status --json").json["key_id"]
    assert found["backup"] == {
        "last": "2027-03-13T08:00:00Z",
        "days": 3,
        "standing": 1,
        "past_their_time": 1,
    }
    assert found["last_sweep"] == "2027-02-15T08:00:00Z"
    levels = {one["check"]: one["level"] for one in found["checks"]}
    assert levels == {
        "clock": "ok",
        "sweep": "warning",
        "erasures": "ok",
        "recovery": "warning",
    }


def test_a_restored_vault_tells_of_those_erased_again(home: Home, tmp_path: Path) -> None:
    story(home)
    home.ok(f"backup create {tmp_path}/one.bunker")
    home.now += DAY
    new = home.add(login="new")
    home.ok(f"user forget {new} --yes")
    home.ok("user forget e --yes")
    home.ok(f"backup restore {tmp_path}/one.bunker --vault {tmp_path}/again")
    home.environment["BUNKERCTL_VAULT"] = str(tmp_path / "again")
    found = report(home)
    assert found["erasures"]["reasons"]["restore"] == 2
    assert found["totals"]["restored"] == 2
    assert found["months"][-1]["standing"] == {
        "users": 3,
        "none": 1,
        "wait": 2,
        "retain": 0,
        "expired": 5,
    }
    assert found["months"][0]["standing"]["users"] == 7


def test_an_imported_state_is_counted_where_it_goes(home: Home) -> None:
    line = {
        "schema": "bunkerctl.user/1",
        "token": "11111111-1111-4111-8111-111111111111",
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "version": 3,
        "data": {"login": "ann"},
        "expstatus": "retain",
        "due_at": None,
        "held": True,
    }
    home.ok("user import -", json.dumps(line))
    month = report(home)["months"][-1]
    assert month["standing"] == {"users": 1, "none": 0, "wait": 0, "retain": 1, "expired": 0}
    assert (month["added"], month["kept"], month["held"]) == (1, 1, 1)


def test_a_clock_that_was_wrong_once_hides_nothing(bare: Home) -> None:
    bare.now = START + 400 * DAY
    bare.ok("init")
    bare.now = START
    bare.add(login="ann")
    found = report(bare)
    assert [one["month"] for one in found["months"]] == [JANUARY]
    assert found["totals"]["added"] == 1
    assert found["months"][0]["standing"]["users"] == 1


# What it must not say, and where it goes.


def test_nothing_personal_is_in_any_form_of_it(home: Home, tmp_path: Path) -> None:
    held, gone = home.add(**PERSON), home.add(**{**PERSON, "email": "canary2@example.com"} | OTHER)
    home.start(held, "1d")
    home.ok(f"user hold {held} --reason 'canary v. us'")
    home.ok(["--reason", "canary asked", "--ref", "canary-1", "user", "get", held])
    home.ok(["user", "update", held, "canary-field=1"])
    home.ok(f"user forget {gone} --yes")
    home.now += 5 * DAY
    outs = [home.ok(f"report -o {form}").out for form in ("json", "jsonl", "csv", "plain", "table")]
    outs.append(home.ok("report --out -").out)
    assert all(held in out for out in (outs[0], outs[-1]))
    for out in outs:
        assert not PERSONAL.search(out)
        for value in PERSON.values():
            assert str(value) not in out


OTHER = {"phone": "+14155552672", "login": "canary-2", "custom": "canary-2"}


def test_it_is_no_event(home: Home) -> None:
    story(home)
    head = home.ok("audit head --json").json
    home.ok("report")
    home.ok("report --out -")
    assert home.ok("audit head --json").json == head


def test_a_file_is_private_and_never_replaced_unasked(home: Home, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = home.ok(f"report --out {page}")
    assert (result.out, result.err) == ("", "bunkerctl: written\n")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    page.write_text("mine")
    assert home.run(f"report --out {page}").code == 5
    assert page.read_text("utf-8") == "mine"
    home.ok(f"report --out {page} --force")
    assert page.read_text("utf-8") == home.ok("report --out -").out
    (tmp_path / "link.html").symlink_to(page)
    assert home.run(f"report --out {tmp_path}/link.html --force").code == 9
    assert home.run(f"report --out {tmp_path}/none/page.html").code == 9
    assert sorted(one.name for one in tmp_path.iterdir() if "." in one.name) == [
        "link.html",
        "page.html",
    ]


def test_json_goes_into_a_file_too_and_other_forms_do_not(home: Home, tmp_path: Path) -> None:
    home.ok(f"report --json --out {tmp_path}/report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == report(home)
    home.environment["BUNKERCTL_OUTPUT"] = "json"  # a page was asked for by name
    home.ok(f"report --out {tmp_path}/page.html")
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    for form in ("csv", "plain", "table", "jsonl"):
        assert home.run(f"report -o {form} --out {tmp_path}/no").code == 2
    assert not (tmp_path / "no").exists()


def test_without_a_file_the_main_figures_are_told(home: Home) -> None:
    story(home)
    found = report(home)
    rows = dict(line.split("\t") for line in home.ok("report").out.splitlines())
    assert {name: rows[name] for name in ("users", "erased", "swept", "audit_ok")} == {
        "users": "4",
        "erased": "3",
        "swept": "1",
        "audit_ok": "true",
    }
    for name in ("users", "waiting", "retained", "due", "overdue", "held", "erased"):
        assert rows[name] == str(found["people"][name])


def test_a_page_is_not_thrown_at_a_terminal_unless_asked(home: Home) -> None:
    with Terminal(home, "report --out -") as terminal:
        assert terminal.end() == 2
    assert "--force" in terminal.shown and "<html" not in terminal.shown
    for line, shown in (("report --out - --force", "<html"), ("report", "audit_ok")):
        with Terminal(home, line) as terminal:
            assert terminal.end() == 0
        assert shown in terminal.shown
