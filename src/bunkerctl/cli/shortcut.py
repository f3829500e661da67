"""The short way from the words of a line to a command, for lines that leave no doubt.

Importing Typer takes longer than all else that `user get` does, and scripts make thousands
of calls. So a line made only of known words, exact options and their values is read here,
from the same table; every other line, a wrong one above all, goes to Typer, which has the
last word. A property test holds the two together.
"""

from __future__ import annotations

from bunkerctl.cli import grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_ELSEWHERE = ("help", "version")
_HELP = ("-h", "--help")


def read(line: list[str]) -> grammar.Line | None:
    """Return what a line says, or None if Typer must be asked."""
    if line == ["--version"]:
        return grammar.Line(words=(), command=None, values={}, everywhere={"version": True})
    if line[-1:] and line[-1] in _HELP:
        return _help(tuple(line[:-1]))
    everywhere: dict[str, Any] = {}
    own: dict[str, Any] = {}
    words: tuple[str, ...] = ()
    given: list[str] = []
    command = None
    left = iter(line)
    for word in left:
        if not word.startswith("-") or word == "-":
            if command is not None and (given or (*words, word) not in grammar.COMMANDS):
                given.append(word)
                continue
            if own:
                return None
            words = (*words, word)
            if " ".join(words) in grammar.GROUPS:
                continue
            command = grammar.find(words)
            if command is None:
                return None
            continue
        options = command.options if command else ()
        option = _option(word, options) or _option(word, grammar.GLOBALS)
        if option is None or option.key() in _ELSEWHERE:
            return None
        said = own if option in options else everywhere
        value = _value(word, option, left)
        key = option.key()
        if value is None or (key in said and not option.many):
            return None
        said[key] = (*said.get(key, ()), value) if option.many else value
    return _line(command, given, own, everywhere)


def _help(words: tuple[str, ...]) -> grammar.Line | None:
    """Return the wish for help on the program, a group or a command that is named exactly."""
    if words and " ".join(words) not in grammar.GROUPS and grammar.find(words) is None:
        return None
    return grammar.Line(words=words, command=None, values={}, everywhere={"help": True})


def _option(word: str, options: tuple[grammar.Option, ...]) -> grammar.Option | None:
    name = word.partition("=")[0] if word.startswith("--") else word
    for option in options:
        if name in option.names:
            return option
    return None


def _value(word: str, option: grammar.Option, left: Iterator[str]) -> Any:
    """Return the value of an option, from its own word or the next; None if in doubt."""
    _, mark, value = word.partition("=")
    if option.metavar is None:
        return None if mark else True
    if not mark:
        value = next(left, "-")
    doubtful = value[:1] in ("", "-") or (option.choices and value not in option.choices)
    return None if doubtful else value


def _line(
    command: grammar.Command | None,
    given: list[str],
    own: dict[str, Any],
    everywhere: dict[str, Any],
) -> grammar.Line | None:
    if command is None:
        return None
    assigned = grammar.assign(command, tuple(given))
    if assigned is None:
        return None
    unsaid = {option.key(): option.unsaid() for option in command.options}
    return grammar.Line(
        words=command.words,
        command=command,
        values={**unsaid, **own, **assigned},
        everywhere=everywhere,
    )
