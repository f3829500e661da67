"""The short way and Typer read a line alike: what the short way takes, Typer takes the same way."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunkerctl.cli import grammar, parser, shortcut

COMMANDS = list(grammar.load_all().values())
OPTIONS = [*grammar.GLOBALS, *(one for command in COMMANDS for one in command.options)]
NAMES = sorted({name for option in OPTIONS for name in option.names})
CHOICES = sorted({choice for option in OPTIONS for choice in option.choices})
PLAIN = ["x", "", "-", "=", "a=b", "1", "ann@example.com", "é"]
VALUES = [*PLAIN, "--", "-x", *CHOICES]

plain = st.sampled_from(PLAIN)
values = st.sampled_from(VALUES)
names = st.sampled_from(NAMES)
words = st.one_of(
    values,
    names,
    st.tuples(names, values).map("=".join),
    st.tuples(names, values).map("".join),
    names.map(lambda name: name[:-1]),
    st.sampled_from([word for command in COMMANDS for word in command.words]),
)


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Return a command with some options of its own or of all, in some order, and some junk."""
    command = draw(st.sampled_from(COMMANDS))
    line = [*command.words, *(draw(plain) for _ in command.arguments)]
    repeatable = [option for option in command.options if option.many]
    offered = [*command.options, *repeatable, *repeatable, *grammar.GLOBALS]
    for option in draw(st.lists(st.sampled_from(offered), max_size=4)):
        place = draw(st.integers(len(command.words), len(line)))
        name = draw(st.sampled_from(option.names))
        value = draw(st.sampled_from(option.choices or PLAIN))
        joined = [f"{name}={value}"] if draw(st.booleans()) else [name, value]
        line[place:place] = [name] if option.metavar is None else joined
    for word in draw(st.sampled_from([[], [draw(words)]])):
        line.insert(draw(st.integers(0, len(line))), word)
    return line


@settings(max_examples=3000, deadline=None, derandomize=True)
@given(line=st.one_of(lines(), st.lists(words, max_size=6)))
def test_what_the_short_way_reads_typer_reads_too(line: list[str]) -> None:
    short = shortcut.read(line)
    if short is not None:
        assert parser.parse(line) == short


@pytest.mark.parametrize(
    "line",
    [
        "user get ann --json",
        "--vault v --key-file=k user get token:x -o json",
        "user add --json",
        "exp start ann --in 30d --restart",
        "-q exp --no-input sweep --max-deletes 30",
        "user hold ann --reason case",
        "--reason why user hold ann",
        "user get -",
        "export --all -o jsonl --yes",
        "export verify x.zip",
        "export -q verify x.zip --json",
        "export ann --encrypt-to a --encrypt-to=b",
        "user list --expstatus wait",
        "user import f --map a=b --set x=y --map c=d",
        "--version",
        "--help",
        "-h",
        "key recovery --help",
        "export -h",
        "export verify --help",
    ],
)
def test_a_plain_line_is_read_the_short_way(line: str) -> None:
    assert shortcut.read(shlex.split(line)) == parser.parse(shlex.split(line))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "user",
        "user get",
        "user get a b",
        "user gte a",
        "user get a --hlep",
        "user get a --field",
        "user get a --field -x",
        "user get a --json --json",
        "user get a --json=1",
        "user get -- a",
        "user get a -ojson",
        "user get a --help",
        "user --help get",
        "usr --help",
        "--help --help",
        "user list --expstatus gone",
        "user --field x get a",
        "export --force verify x.zip",
        "user import f --map a=b --map=",
        "user import f --format csv --format csv",
    ],
)
def test_a_line_with_a_doubt_goes_to_typer(line: str) -> None:
    assert shortcut.read(shlex.split(line)) is None
