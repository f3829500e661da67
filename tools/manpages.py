"""Man pages: one for the program, one for each command; from the command table and prose.

A page of section 7 is prose alone, `prose/NAME.7.txt`: a line `name - what it is`, then sections.
In all prose a line of capitals is a heading, `TERM :: meaning` an item of a list, and indented
lines are shown as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bunkerctl import __version__, config
from bunkerctl.cli import grammar, help

DATE = "2026-11-24"
PROSE = Path(__file__).parent / "prose"
TOPICS = {
    path.name.removesuffix(".7.txt"): path.read_text("utf-8")
    for path in sorted(PROSE.glob("*.7.txt"))
}
"""The pages of section 7: their prose, by their names."""


def pages() -> dict[str, str]:
    """Return the text of each page, by its path below man/."""
    commands = grammar.load_all()
    texts = {"man1/bunkerctl.1": _program(commands)}
    for words, command in commands.items():
        texts[f"man1/bunkerctl-{'-'.join(words)}.1"] = _command(command)
    for name, prose in TOPICS.items():
        texts[f"man7/{name}.7"] = _topic(prose)
    return texts


def _program(commands: dict[tuple[str, ...], grammar.Command]) -> str:
    lines = _head("bunkerctl", "keep personal records, and erase them for good when it is time")
    lines += [".SH SYNOPSIS", "bunkerctl", ".I COMMAND", "[ARGUMENTS]"]
    lines += [".SH DESCRIPTION", *_prose("description")]
    lines += [".SH COMMANDS"]
    for words, command in commands.items():
        lines += [".TP", f".BR bunkerctl\\-{_text('-'.join(words))} (1)", _text(command.summary())]
    lines += [".SH OPTIONS", "These hold for every command, anywhere on the line."]
    lines += _options(grammar.GLOBALS)
    for title in ("identities", "durations and dates", "output"):
        lines += [f".SH {title.upper()}", *_prose(title.replace(" ", "-"))]
    lines += [".SH EXIT STATUS", *_exit_codes(), ".SH ENVIRONMENT", *_environment()]
    lines += [".SH FILES", *_prose("files"), ".SH SETTINGS", *_settings()]
    lines += [".SH EXAMPLES", *_code(help.EXAMPLES.splitlines()), ".SH SEE ALSO"]
    names = sorted(f"bunkerctl-{'-'.join(words)}(1)" for words in commands)
    return _joined([*lines, _see_also([*names, *(f"{topic}(7)" for topic in TOPICS)])])


def _command(command: grammar.Command) -> str:
    name = f"bunkerctl-{'-'.join(command.words)}"
    summary, *rest = _paragraphs(command.text())
    lines = _head(name, re.split(r"[.:]( |$)", summary[0])[0])
    lines += [".SH SYNOPSIS", _text(help.usage(command)), ".SH DESCRIPTION", *map(_text, summary)]
    answer: list[str] = []
    examples: list[str] = []
    for paragraph in rest:
        if paragraph[0].startswith("Answer: "):
            answer = [paragraph[0].removeprefix("Answer: "), *paragraph[1:]]
        elif paragraph[0] == "Examples:":
            examples = paragraph[1:]
        else:
            lines += [".PP", *map(_text, paragraph)]
    if answer:
        lines += [".SS The answer", "Its fields, as JSON names them:", *map(_text, answer)]
    if command.arguments or command.options:
        lines += [".SH OPTIONS"]
        for argument in command.arguments:
            lines += [".TP", f".I {_text(argument.metavar)}", _text(argument.help)]
        lines += _options(command.options)
        lines += [".PP", "The options that hold everywhere are in", ".BR bunkerctl (1)."]
    lines += [".SH EXIT STATUS", "0 when it is done. All codes are in", ".BR bunkerctl (1)."]
    if examples:
        lines += [".SH EXAMPLES", *_code(examples)]
    topics = [f"{topic}(7)" for topic, prose in TOPICS.items() if f"{name}(1)" in prose]
    return _joined([*lines, ".SH SEE ALSO", _see_also(["bunkerctl(1)", *topics])])


def _topic(prose: str) -> str:
    title, *lines = prose.splitlines()
    name, _, what = title.partition(" - ")
    return _joined([*_head(name, what, 7), *_macros(lines)])


def _head(name: str, what: str, section: int = 1) -> list[str]:
    return [
        '.\\" Made by `make docs` from the command table and tools/prose; do not edit.',
        f'.TH {_text(name.upper())} {section} {DATE} "bunkerctl {__version__}" "bunkerctl"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(what[0].lower() + what[1:])}",
    ]


def _options(options: Iterable[grammar.Option]) -> list[str]:
    lines: list[str] = []
    for option in options:
        names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
        value = f" \\fI{_text(option.metavar)}\\fR" if option.metavar else ""
        lines += [".TP", names + value, _text(help.option_help(option)) + "."]
    return lines


def _exit_codes() -> list[str]:
    lines: list[str] = []
    for code, names, meaning in help.exit_codes():
        lines += [".TP", f".B {code}", _text(f"{meaning} ({names})" if names else meaning)]
    return lines


def _environment() -> list[str]:
    lines: list[str] = []
    for option in grammar.GLOBALS:
        if option.environment:
            named = f"As \\fB{_text(max(option.names, key=len))}\\fR, which wins over it."
            lines += [".TP", f".B {option.environment}", named]
    return lines + _prose("environment")


def _settings() -> list[str]:
    lines = _prose("settings")
    for name, setting in config.SETTINGS.items():
        default = f" Default: {setting.default}." if setting.default else ""
        lines += [".TP", f".B {_text(name)}", _text(f"{setting.help}.{default}")]
    return lines


def _prose(name: str) -> list[str]:
    return _macros((PROSE / f"{name}.txt").read_text("utf-8").splitlines())


def _macros(prose: Iterable[str]) -> list[str]:
    """Return hand-written text as man macros."""
    lines: list[str] = []
    for paragraph in _paragraphs(prose):
        first, *more = paragraph
        term, mark, meaning = first.partition(" :: ")
        apart = [".PP"] if lines and not lines[-1].startswith(".SH") else []
        if first.isupper() and not more:
            lines += [f".SH {first}"]
        elif lines[-1:] == [".SH SEE ALSO"]:
            lines += [_see_also(" ".join(paragraph).split(", "))]
        elif first.startswith(" "):
            lines += [*apart, ".RS 2", *_code(paragraph), ".RE"]
        elif mark:
            lines += [".TP", f".B {_text(term)}", *map(_text, [meaning, *more])]
        else:
            lines += [*apart, *map(_text, paragraph)]
    return lines


def _paragraphs(lines: Iterable[str]) -> list[list[str]]:
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line.rstrip())
        elif paragraphs[-1]:
            paragraphs.append([])
    return [paragraph for paragraph in paragraphs if paragraph]


def _code(lines: Iterable[str]) -> list[str]:
    return [".nf", *(_text(line.removeprefix("  ")) for line in lines), ".fi"]


def _see_also(pages: Iterable[str]) -> str:
    """Return references like `name(1)`; no name is broken at the end of a line."""
    return ".ad l\n" + ",\n".join(f".BR \\%{_text(page).replace('(', ' (')}" for page in pages)


def _text(text: str) -> str:
    """Return text as troff shows it, word for word."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    plain = plain.replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    return "\\&" + plain if plain.startswith(".") else plain


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
