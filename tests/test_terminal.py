"""What a person sees: tables that cut nothing, and questions before what is final."""

from __future__ import annotations

import re

import pytest

from conftest import Home
from terminal import on_terminal

WORDS = "word " * 40
STYLES = re.compile(r"\x1b\[[0-9;]*m")


def lines(shown: str) -> list[str]:
    return STYLES.sub("", shown).splitlines()


@pytest.mark.parametrize("columns", [50, 60, 80, 100, 200])
def test_tables_fit_the_terminal_and_cut_no_token_and_no_time(home: Home, columns: int) -> None:
    token = home.add(email="ann@example.com", text=WORDS, x="x" * 500)
    home.start(token)
    due_at = home.ok(f"exp status {token} --json").json["due_at"]
    minute = f"{due_at[:16].replace('T', ' ')}Z"
    for command in ("user list", "user list --reveal", "exp list", f"user get {token}"):
        code, shown = on_terminal(home, command, columns)
        assert code == 0
        assert max(map(len, lines(shown))) <= columns
        assert token in shown
        assert minute in shown
    assert "".join(shown.split()).count("word") == 40
    assert shown.count("x") >= 500


def test_colour_is_for_terminals_that_want_it(home: Home) -> None:
    home.add(login="ann")
    assert "\x1b[" in on_terminal(home, "user list", 100)[1]
    assert "\x1b[" not in on_terminal(home, "user list --color never", 100)[1]
    home.environment["NO_COLOR"] = "1"
    assert "\x1b[" not in on_terminal(home, "user list", 100)[1]


@pytest.mark.parametrize(("typed", "code"), [("{start}\n", 0), ("wrong\n", 6), ("\x04", 6)])
def test_an_erasure_is_confirmed_by_typing_the_token(home: Home, typed: str, code: int) -> None:
    token = home.add(login="ann")
    given = typed.format(start=token[:8]).encode()
    found, shown = on_terminal(home, "user forget ann", 100, given)
    assert found == code
    assert f"Erase {token} for good?" in shown
    assert home.run("user get ann").code == (4 if code == 0 else 0)


def test_with_no_input_nothing_is_asked(home: Home) -> None:
    home.add(login="ann")
    code, shown = on_terminal(home, "user forget ann --no-input", 100)
    assert (code, "Erase" in shown) == (6, False)


def test_a_single_value_is_harmless_on_a_terminal_and_raw_elsewhere(home: Home) -> None:
    home.add(login="ann", note="\x1b]0;gone\x07\u202e")
    _, shown = on_terminal(home, "user get ann --field note", 100)
    assert shown == "\\x1b]0;gone\\x07\\u202e\n"
    assert home.ok("user get ann --field note").out == "\x1b]0;gone\x07\u202e\n"
