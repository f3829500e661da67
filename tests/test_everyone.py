"""Everybody's export: each line is what a list would show, and moves a person as it is."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunkerctl import exports, forks, keys, model
from bunkerctl.cli.answers import export as answers
from bunkerctl.directory import read_header
from bunkerctl.store.records import Stored
from bunkerctl.vault import Surroundings, Vault, open_vault
from conftest import DAY, EXECUTABLE, Home

MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A process between, for what a process takes counts that from which it was forked."""
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: float(f"{d:.6g}")),
    st.text(max_size=20),
    st.sampled_from(["\u202e\x1b[2J", "\u2028", "\x7f\x9b", '"', '\\",\\"', "a\nb\r\tc", "=1+1"]),
)
RECORDS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=5,
)


def finite(record: dict[str, Any]) -> bool:
    text = json.dumps(record)
    return "Infinity" not in text and "NaN" not in text


def imported(home: Home, *records: dict[str, Any]) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    home.ok("user import -", lines)


def again(home: Home) -> Vault:
    surroundings = Surroundings(
        origin=model.Origin(actor="bob", os_user="root", uid=0, host="here", reason=None, ref=None),
        session=None,  # type: ignore[arg-type]  # nobody asks a keyring here
        lock_wait=10.0,
        clock=lambda: home.now,
    )
    master = keys.parse(home.key_file.read_bytes(), "the key file")
    return open_vault(str(home.vault), read_header(str(home.vault)), master, surroundings)


@contextmanager
def opened(home: Home) -> Iterator[Vault]:
    vault = again(home)
    try:
        yield vault
    finally:
        vault.close()


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(records=st.lists(RECORDS.filter(finite), min_size=1, max_size=8))
def test_a_line_put_together_is_what_a_list_shows(bare: Home, records: list[Any]) -> None:
    """`user list --reveal` parses each record and writes it again, one by one."""
    home = Home(bare.directory / os.urandom(4).hex())
    home.directory.mkdir()
    home.ok("init")
    kinds: tuple[dict[str, str], ...] = (
        {},
        {"email": "a{}@example.com"},
        {"phone": "+1415555{:04}"},
        {"custom": '"{}",'},
    )
    imported(
        home,
        *(
            {
                **{k: v for k, v in record.items() if k not in ("email", "phone", "custom")},
                **{k: v.format(n) for k, v in kinds[n % 4].items()},
                "login": f"u{n}",
            }
            for n, record in enumerate(records)
        ),
    )
    for number in range(0, len(records), 3):
        home.start(f"u{number}", "10d")
    for number in range(0, len(records), 4):
        home.ok(f"user hold u{number} --reason x --until 2027-01-20")
    for number in range(0, len(records), 6):
        home.ok(f"exp retain {home.ok(f'exp status u{number} --json').json['exptoken']}")
    for _ in range(2):
        listed = home.ok("user list --reveal -o jsonl").out.split("\n")
        lines = home.ok("export --all --yes").out.split("\n")
        schema = '{"schema":"bunkerctl.user/1",'
        assert sorted(lines) == sorted(line and schema + line[1:] for line in listed)
        table = rows(home.ok("export --all --yes -o csv").out)
        plain = rows(home.ok("user list --reveal -o csv").out)
        assert table[0] == ["schema", *plain[0]]
        assert sorted(table[1:]) == sorted(["bunkerctl.user/1", *row] for row in plain[1:])
        home.now += 6 * DAY  # then the holds are over


def test_people_come_in_the_order_in_which_they_were_added(home: Home) -> None:
    records = [{"login": f"u{number}", "x": "y" * 20_000} for number in range(1000)]
    imported(home, *records)  # of two pages and a half
    home.ok("user forget u3 --yes")
    lines = [json.loads(line) for line in home.ok("export --all --yes").out.splitlines()]
    numbers = [int(line["data"]["login"][1:]) for line in lines]
    assert numbers == [number for number in range(1000) if number != 3]


@pytest.fixture(params=["by one process", "by two"])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let pages have three people, and be read by one process or two; tell whether it is two."""
    two: bool = request.param == "by two"
    monkeypatch.setattr(exports, "PAGE", 3)
    monkeypatch.setattr(forks, "cores", lambda: 1 + two)
    return two


CHANGES: dict[str, tuple[str, set[str]]] = {
    "somebody of the next page is erased": ("user forget u4 --yes", {"u4"}),
    "all of the next page are erased": ("user forget - --yes", {"u3", "u4", "u5"}),
    "somebody of the page behind it is erased": ("user forget u7 --yes", {"u7"}),
    "the last one is erased": ("user forget u9 --yes", {"u9"}),
    "somebody is changed": ("user update u4 x=new", set()),
    "somebody is read": ("user get u4", set()),
    "somebody is added": ("user add login=u10", set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_shown_that_was_over_when_its_event_was_written(
    home: Home, shared: bool, change: str
) -> None:
    imported(home, *({"login": f"u{number}", "x": "old"} for number in range(10)))
    line, gone = CHANGES[change]
    shown: list[tuple[str, str]] = []
    with opened(home) as vault:

        def show(page: list[Stored]) -> list[tuple[str, str]]:
            found = [json.loads(one.body) for one in page]
            return [(one["login"], one.get("x", "")) for one in found]

        pages = exports.everyone(vault, lambda: again(home), None, show)
        shown += next(pages)[1]
        if shared:
            time.sleep(0.2)  # the other process has read the next page, or else reads it late
        home.ok(line, "\n".join(sorted(gone)))
        for count, page in pages:
            assert count == len(page)
            shown += page
    added = [f"u{number}" for number in range(10 + ("add" in line))]
    assert [login for login, _ in shown] == [login for login in added if login not in gone]
    assert ("u4", "new" if "update" in line else "old") in shown or "u4" in gone
    events = [json.loads(one) for one in home.ok("audit list -o jsonl").out.splitlines()]
    assert sum(event["action"] == "export.user" for event in events) == len(shown)
    assert home.ok("audit verify --deep --json").json["ok"]


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("options", ["", "-o csv", "--fields login,x", "--fields x -o csv"])
@pytest.mark.parametrize("people", [0, 2, 3, 4, 9, 10])
def test_pages_make_one_whole(home: Home, options: str, people: int) -> None:
    imported(home, *({"login": f"u{number}", "x": "y"} for number in range(people)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "PAGE", 16_000)
        patch.setattr(forks, "cores", lambda: 1)
        wanted = home.ok(f"export --all --yes {options}")
    assert home.ok(f"export --all --yes {options}").out == wanted.out


def test_of_many_people_another_process_reads_the_pages(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PAGE", 3)
    monkeypatch.setattr(forks, "cores", lambda: 2)
    started = Counter[str]()
    start = forks._start
    monkeypatch.setattr(forks, "_start", lambda work: started.update("p") or start(work))
    imported(home, *({"login": f"u{number}"} for number in range(7)))
    assert len(home.ok("export --all --yes").out.splitlines()) == 7
    assert started["p"] == 1


@pytest.mark.parametrize("options", ["", "-o csv", "--fields email"])
def test_each_person_has_an_event_of_it(home: Home, options: str) -> None:
    imported(home, *({"login": f"u{number}"} for number in range(5)))
    home.ok(f"export --all --yes {options} --reason moving")
    events = home.ok("audit list -o jsonl").out.splitlines()
    found = [json.loads(line) for line in events][-6:]
    assert [event["action"] for event in found] == ["export.all", *["export.user"] * 5]
    tokens = {json.loads(line)["token"] for line in home.ok("export --all --yes").out.splitlines()}
    assert {event["token"] for event in found} == {None, *tokens}
    wanted = ["email"] if "fields" in options else None
    assert all(event["fields"] == wanted and event["reason"] == "moving" for event in found)
    assert home.ok("audit verify --deep --json").json["ok"]


def test_some_fields_alone(home: Home) -> None:
    imported(
        home,
        {"login": "ann", "name": "=Ann", "token": "mine", "n": 1.10, "deep": {"x": [1]}},
        {"login": "bob", "held": "no"},
    )
    line = "export --all --yes --fields login,name,deep,data.token,data.held,held"
    result = home.ok(f"{line} -o csv")
    assert rows(result.out) == [
        ["login", "name", "deep", "data.token", "data.held", "held"],
        ["ann", "'=Ann", '{"x":[1]}', "mine", "", "false"],
        ["bob", "", "", "", "no", "false"],
    ]
    ann, bob = map(json.loads, home.ok(line).out.splitlines())
    assert ann["deep"] == {"x": [1]}
    assert bob == {
        "login": "bob",
        "name": None,
        "deep": None,
        "data.token": None,
        "data.held": "no",
        "held": False,
    }
    told = home.ok("export --all --yes --fields login,nmae")
    assert "nobody has the field number 2 of --fields" in told.err
    for names in (",", "a,,b", "a,a"):
        assert home.run(["export", "--all", "--yes", "--fields", names]).code == 2
    assert home.run("export login:ann --fields name").code == 2
    assert home.run("export --all --yes -o table").code == 2


def test_what_is_stored_must_be_a_record(home: Home) -> None:
    imported(home, *({"login": f"u{number}"} for number in range(3)))
    db = home.database()
    for damage in (
        b"",
        b"\n",
        b"{}\n",
        b"{}\n{",
        b'{}\n{"a":1}{"b":2}',
        b"{}\n[]",
        b"x\n{}",
        b"{}\n\0",
    ):
        db.begin()
        db.run("UPDATE drawer SET bytes = ? WHERE id = 2", b"\n" * 16 + damage)
        db.commit()
        result = home.run("export --all --yes")
        assert (result.code, result.out) == (7, ""), damage
    db.close()


def test_memory_stays_flat_however_large_the_records_are(home: Home) -> None:
    imported(home, *({"login": f"u{number}", "x": "y" * (1 << 20)} for number in range(80)))
    path = home.directory / "all"
    line = [EXECUTABLE, "export", "--all", "--yes", "--out", str(path)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *line],
        env=home.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert path.stat().st_size > 80 << 20
    assert int(done.stdout) < 100 << 10  # KiB: the interpreter, and a few pages of records


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_everybody_moves_into_another_vault(home: Home, tmp_path: Path, form: str) -> None:
    imported(home, *({"login": f"u{number}", "n": number} for number in range(300)))
    odd = {'"': ["a\nb", {"\u202e\x1b": None}], "f": "=1+1", "t": "'=1", "e": "", "n": 1.5}
    imported(home, {"login": "=ann", "email": "ann@example.com", **odd})
    home.start("u7", "10d")
    home.ok(f"exp retain {home.start('u9')}")
    home.ok("user hold u8 --reason case")
    home.now += DAY
    home.ok("user update u8 more=1")
    exported = home.ok(f"export --all --yes -o {form}").out
    (tmp_path / "other").mkdir()
    other = Home(tmp_path / "other")
    other.now = home.now
    other.ok("init")
    answer = other.ok(f"user import - --format {form} --json", exported).json
    assert (answer["added"], answer["rejected"]) == (301, 0)
    for line in ("export --all --yes -o csv", "user list --reveal -o jsonl"):
        assert other.ok(line).out == home.ok(line).out


def test_a_row_that_no_export_wrote_is_rejected_alone(home: Home) -> None:
    imported(home, {"login": "ann"}, {"login": "bob"}, {"login": "eve"}, {"login": "joe"})
    lines = home.ok("export --all --yes -o csv").out.splitlines()
    for name in ("ann", "bob", "eve", "joe"):
        home.ok(f"user forget {name} --yes")
    header, ann, bob, eve, joe = (line for line in lines)
    changed = [
        ann.replace(",1,login,", ",one,login,"),
        bob.replace(",false", ",maybe"),
        eve.replace('}"', ']"'),
        joe.replace("bunkerctl.user/1", "bunkerctl.user/2"),
    ]
    assert len({*changed, *lines}) == 9
    result = home.run("user import - --format csv --json", "\n".join([header, *changed]))
    assert (result.code, result.json["rejected"]) == (3, 4)


def test_the_columns_of_an_export_are_the_fields_of_its_lines() -> None:
    assert model.USER_LINE == answers.LINE
