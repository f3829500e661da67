"""What a record says can drive neither the admin's terminal nor his spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunkerctl.cli.screen import WIDEST_NAME
from bunkerctl.escapes import cell
from conftest import Home, Result

FIELDS = 10  # of a user: token to held
ESC = "\x1b"
DRIVERS = {
    "clear screen": f"{ESC}[2J{ESC}[H",
    "window title": f"{ESC}]0;owned\x07",
    "hyperlink": f"{ESC}]8;;https://evil.example{ESC}\\click{ESC}]8;;{ESC}\\",
    "clipboard": f"{ESC}]52;c;cm0gLXJmIH4K\x07",
    "C1 introducer": "\x9b2J\x9d0;owned\x9c\x85",
    "carriage return": "anna\rroot",
    "backspaces": "anna\x08\x08\x08\x08root\x7f",
    "bidi override": "\u202egnp.exe\u202c \u2066x\u2069\u061c\u200e\u200f",
    "line separators": "a\u2028b\u2029c",
    "rich style": "[bold red]owned[/bold red] [link=file:///]x[/link] :boom:",
    "rich closing tag": "[/x] [/] \\[bold]",
    "forged line": "x\nOK: erased 500\n00000000-0000-4000-8000-000000000000\twait\n",
    "forged cell": "x\texpired\ttrue",
    "null and bell": "a\0b\x07c\x0b\x0c\x1c\x1d\x1e\x1f",
}
ALL = "".join(DRIVERS.values())
RAW = frozenset(
    chr(code)
    for spans in ((0, 0x20), (0x7F, 0xA0), (0x200E, 0x2010), (0x2028, 0x202F), (0x2066, 0x206A))
    for code in range(*spans)
) | {"\u061c"}
FORMS = ["plain", "table", "csv", "json", "jsonl"]


def harmless(result: Result) -> str:
    """Return what came out, after making sure that nothing but line ends and tabs is control."""
    assert not RAW & set(result.out) - {"\n", "\t"}, result.raw
    return result.out


def hostile(home: Home) -> dict[str, Any]:
    """Add a person for each value, who has it in every place there is; return the records."""
    records = {}
    for number, value in enumerate([*DRIVERS.values(), ALL]):
        login = f"u{number}"
        records[login] = {
            "login": login,
            "note": value,
            value: 1,
            "deep": {"list": [{value: [value]}]},
        }
        home.add(**records[login])
    return records


def documents(form: str, out: str) -> list[Any]:
    """Return the answers of a list in JSON, JSON lines, plain or CSV."""
    if form == "json":
        found: list[Any] = json.loads(out)
        return found
    if form == "jsonl":
        return [json.loads(line) for line in out.split("\n")[:-1]]
    if form == "csv":
        return list(csv.reader(io.StringIO(out, newline="")))[1:]
    return [line.split("\t") for line in out.split("\n")[:-1]]


@pytest.mark.parametrize("form", FORMS)
def test_no_list_lets_a_record_drive_the_terminal_or_forge_a_line(home: Home, form: str) -> None:
    records = hostile(home)
    harmless(home.ok(f"user list -o {form}"))
    out = harmless(home.ok(f"user list --reveal -o {form}"))
    assert "\t" not in out or form == "plain"
    if form == "table":
        assert len(out.split("\n")) == len(records) + 3  # header, count, and the last line's end
        return
    found = documents(form, out)
    assert {len(one) for one in found} == {FIELDS}
    kept = [json.loads(one[5]) if isinstance(one, list) else one["data"] for one in found]
    assert {one["login"]: one for one in kept} == records


@pytest.mark.parametrize("form", FORMS)
def test_no_record_drives_the_terminal_when_it_is_shown_alone(home: Home, form: str) -> None:
    for login, record in hostile(home).items():
        out = harmless(home.ok(f"user get {login} -o {form}"))
        if form in ("json", "jsonl"):
            assert json.loads(out)["data"] == record
            exported = json.loads(harmless(home.ok(f"export {login}")))
            assert exported["user"]["data"] == record
        elif form == "plain":
            lines = out.split("\n")
            assert len(lines) == FIELDS + 1
            assert [line.count("\t") for line in lines[:-1]] == [1] * FIELDS
        elif form == "table":
            name = cell(record["note"])  # a long one stands above its value, in both places
            assert len(out.splitlines()) == 11 + 2 * (len(name) > WIDEST_NAME)
            assert out.count(name) >= 2
            assert "\t" not in out


def test_a_single_value_is_raw_in_a_pipe_and_decodes_from_json(home: Home) -> None:
    for login, record in hostile(home).items():
        raw = home.ok(f"user get {login} --field note").raw
        assert raw == f"{record['note']}\n".encode()
        shown = harmless(home.ok(f"user get {login} --field note --json"))
        assert json.loads(shown) == record["note"]


@pytest.mark.parametrize("form", FORMS)
def test_a_column_of_single_values_has_a_line_a_person(home: Home, form: str) -> None:
    records = hostile(home)
    result = home.ok(f"user get - --field note -o {form}", "\n".join(records))
    harmless(result)
    if form == "table":
        assert len(result.out.splitlines()) == len(records) + 2  # header and count
        return
    found = documents(form, result.out)
    assert len(found) == len(records)
    values = [one[2] if isinstance(one, list) else one["value"] for one in found]
    if form in ("json", "jsonl"):
        assert values == [record["note"] for record in records.values()]


def test_plain_writes_tab_and_newline_as_letters(home: Home) -> None:
    token = home.add(login="ann", note=f"a\tb\nc\r{ESC}\x9b\u202e[bold]")
    out = home.ok("user get - --field note", "login:ann").out
    assert out == f"{token}\tnote\ta\\tb\\nc\\x0d\\x1b\\x9b\\u202e[bold]\n"


@pytest.mark.parametrize("form", FORMS)
def test_what_the_caller_says_of_himself_is_escaped_too(home: Home, form: str) -> None:
    home.ok(["--reason", ALL, "--actor", "a\tb\x9b", "user", "add", "login=ann"])
    result = home.ok(f"audit list -o {form}")
    harmless(result)
    if form != "table":
        event = documents(form, result.out)[-1]
        assert len(event) == 12
        assert form in ("plain", "csv") or ALL in event.values()


def test_an_error_repeats_nothing_that_was_given(home: Home) -> None:
    for value in DRIVERS.values():
        for line in ("user get - --json", "user get -"):
            result = home.run(line, f"login:{value}\nemail:{value}".encode())
            assert result.code == 3
            assert not RAW & set(result.err) - {"\n"}
            assert "owned" not in result.err and "erased 500" not in result.err


FORMULAS = {
    "=1+1": "'=1+1",
    "+441234": "'+441234",
    "-2+3": "'-2+3",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t=1",
    "\r=1": "\\x0d=1",
    "x\r=1": "x\\x0d=1",
    "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
    "=": "'=",
    "1+1": "1+1",
    "ann@example.com": "ann@example.com",
    " =1": " =1",
    "'=1": "'=1",
    'say "hi", ann\nbye': 'say "hi", ann\nbye',
    "": "",
}


def test_a_csv_cell_is_text_to_a_spreadsheet(home: Home) -> None:
    for number, value in enumerate(FORMULAS):
        home.add(login=f"u{number}", note=value)
    ids = "\n".join(f"login:u{number}" for number in range(len(FORMULAS)))
    out = home.ok("user get - --field note -o csv", ids).out
    assert out.startswith("token,field,value\n")
    assert [row[2:] for row in documents("csv", out)] == [[cell] for cell in FORMULAS.values()]
    named = home.ok("user get - --field note --json", ids).json
    assert [one["value"] for one in named] == list(FORMULAS)


def test_a_formula_in_the_name_of_a_field_is_text_too(home: Home) -> None:
    home.add(login="ann", **{"=1+1": "x"})
    out = home.ok("user get - --field =1+1 -o csv", "login:ann").out
    assert out.splitlines()[1].endswith(",'=1+1,x")


SECRET = "Zanzibar"


@pytest.mark.parametrize(
    "place",
    [
        {"note": SECRET},
        {"a": {"b": {"c": SECRET}}},
        {"a": [[SECRET], {"b": SECRET}]},
        {"mail": f"{SECRET}@{SECRET}.example.com"},
        {"text": f"write to {SECRET}@x.org or call {SECRET}"},
        {"handle": f"@{SECRET[:2]}.{SECRET[2:]}"},
        {"handle": f"@ann.{SECRET[:6]}"},
        {"note": f"meet me @ the.{SECRET[:6]}"},
        {"n": 8_675_309, "x": 8_675_309.5, "l": [8_675_309]},
    ],
    ids=str,
)
def test_an_unrevealed_list_shows_no_personal_value(home: Home, place: dict[str, Any]) -> None:
    home.add(login="ann", email="john@example.com", **place)
    for form in FORMS:
        out = home.ok(f"user list -o {form}").out
        for secret in (SECRET[2:], SECRET[:6], "8675309", "john", "example"):
            assert secret not in out


def test_masking_keeps_names_shapes_and_nulls(home: Home) -> None:
    home.add(
        login="ann",
        email="john@example.com",
        deep={"name": "Anna", "list": [1, None, True, {"mail": "x@y.co.uk"}], "empty": {}},
        short="ab",
        phone="+14155550123",
        none="",
    )
    assert home.ok("user list --json").json[0]["data"] == {
        "login": "a***",
        "email": "j***@e***.com",
        "deep": {
            "name": "A***",
            "list": ["***", None, "***", {"mail": "x***@y***.uk"}],
            "empty": {},
        },
        "short": "***",
        "phone": "+***",
        "none": "***",
    }


@pytest.mark.parametrize("form", ["plain", "table", "csv"])
def test_nothing_is_cut_short(home: Home, form: str) -> None:
    long = "x" * 20_000 + " \U0001f600 " + "\u8a9e" * 5_000
    home.add(login="ann", note=long)
    for command in ("user get login:ann", "user list --reveal"):
        out = home.ok(f"{command} -o {form}").out
        assert long in out
        assert "\u2026" not in out
    assert len(home.ok("user list --reveal -o table").out.splitlines()) == 3


def on_terminal(home: Home, line: str) -> str:
    """Return what a command writes to a terminal of 80 columns."""
    master, slave = os.openpty()
    try:
        with home.spawn(line, stdout=slave, environment={"TERM": "xterm", "COLUMNS": "80"}) as run:
            os.close(slave)
            out = b""
            while not out.endswith(b"(end)"):
                try:
                    chunk = os.read(master, 65536)
                except OSError:  # the other side is closed: all is read
                    break
                out += chunk
            assert run.wait(timeout=60) == 0
    finally:
        os.close(master)
    return out.decode().replace("\r\n", "\n")


def test_on_a_terminal_a_value_is_escaped_and_folded_but_whole(home: Home) -> None:
    home.add(login="ann", note=ALL, long="y" * 300)
    shown = on_terminal(home, "user get login:ann --field note --color never")
    assert shown.count("\n") == 1 and not RAW & set(shown.removesuffix("\n"))
    assert "\\x1b]52;c;cm0gLXJmIH4K\\x07" in shown and "[bold red]owned[/bold red]" in shown
    table = on_terminal(home, "user get login:ann --color never")
    assert not RAW & set(table.replace("\n", ""))
    assert table.count("y") >= 300
    assert max(map(len, table.splitlines())) <= 80
    assert {"login", "note", "long"} <= set(table.split())
    assert "no expiration" in table


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_is_harmless_in_every_form(home: Home, value: str) -> None:
    token = home.ok("user add", json.dumps({"custom": "X", "note": value})).out.strip()
    for form in FORMS:
        out = harmless(home.ok(f"user get {token} -o {form}"))
        assert form != "jsonl" or json.loads(out)["data"]["note"] == value
    home.ok(f"user forget {token} --yes")
