"""Man pages: one for the program, one for each command, and the texts of `bunkerctl help`.

They are made from the command table, from prose/ (the program's page) and from what
bunkerctl.cli.manual has. How the prose is written is said there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bunkerctl import __version__
from bunkerctl.cli import grammar, help, manual

DATE = "2026-11-24"
PROSE = Path(__file__).parent / "prose"
NO_VAULT = ("help", "schema", "completion", "demo", "config")
"""First words of commands that open no vault."""


def pages() -> dict[str, str]:
    """Return the text of each page, by its path below man/."""
    commands = grammar.load_all()
    texts = {"man1/bunkerctl.1": _program(commands)}
    for words, command in commands.items():
        texts[f"man1/bunkerctl-{'-'.join(words)}.1"] = _command(command)
    for page in map(manual.page, manual.TOPICS):
        texts[f"man{page.section}/{page.name}.{page.section}"] = _topic(page)
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
    for title in ("durations and dates", "output"):
        lines += [f".SH {title.upper()}", *_prose(title.replace(" ", "-"))]
    lines += [".SH EXIT STATUS", *_exit_codes(), ".SH ENVIRONMENT", *_environment()]
    lines += [".SH FILES", *_prose("files")]
    lines += [".SH EXAMPLES", *_code(help.EXAMPLES.splitlines()), ".SH SEE ALSO"]
    names = sorted(f"bunkerctl-{'-'.join(words)}(1)" for words in commands)
    return _joined([*lines, _see_also([*names, *map(_reference, map(manual.page, manual.TOPICS))])])


def _command(command: grammar.Command) -> str:
    name = f"bunkerctl-{'-'.join(command.words)}"
    summary, *rest = manual.paragraphs(command.text())
    lines = _head(name, re.split(r"[.:]( |$)", summary[0])[0])
    lines += [".SH SYNOPSIS", _synopsis(command), ".SH DESCRIPTION", *map(_text, summary)]
    examples: list[str] = []
    for paragraph in rest:
        if paragraph[0] == "Examples:":
            examples = paragraph[1:]
        else:
            lines += [".PP", *map(_text, paragraph)]
    if command.answer:
        lines += [".PP", _text(help.answer(command.answer)), "The fields are described in"]
        lines += [".BR bunkerctl\\-json (7)."]
    options: list[str] = []
    for argument in command.arguments:
        options += [".TP", f".I {_text(argument.metavar)}", _text(help.meaning(argument)) + "."]
    options += _options(command.options)
    lines += [".SH OPTIONS", *options, *[".PP"][: len(options)]]
    lines += ["The options that hold everywhere are in", ".BR bunkerctl (1)."]
    lines += [".SH EXIT STATUS", *_failures(command), ".SH ENVIRONMENT", *_variables(command)]
    lines += [".SH FILES", *_files(command)]
    if examples:
        lines += [".SH EXAMPLES", *_code(examples)]
    topics = [
        _reference(page)
        for page in map(manual.page, manual.TOPICS)
        if page.name in ("bunkerctl-exit-codes", "bunkerctl-json" if command.answer else "")
        or any(f"{name}(1)" in line for block in page.blocks for line in block.lines)
        or (page.name == "bunkerctl-identities" and _takes_id(command))
    ]
    return _joined([*lines, ".SH SEE ALSO", _see_also(["bunkerctl(1)", *topics])])


def _synopsis(command: grammar.Command) -> str:
    """Return how a command is typed; what stands in brackets is not broken at the end of a line."""
    typed = f"bunkerctl {' '.join(command.words)}"
    rest = _text(help.usage(command).removeprefix(typed))
    rest = re.sub(r"\[[^]]*\]", lambda found: found[0].replace(" ", "\\ "), rest)
    rest = re.sub(r"\b[A-Z]+\b", r"\\fI\g<0>\\fR", rest)
    return f"\\fB{_text(typed)}\\fR" + re.sub(r"(\\-)+[a-z]+(\\-[a-z]+)*", r"\\fB\g<0>\\fR", rest)


def _takes_id(command: grammar.Command) -> bool:
    return any(argument.metavar == "ID" for argument in command.arguments)


def _failures(command: grammar.Command) -> list[str]:
    lines: list[str] = []
    for code, meaning in help.failures(command):
        lines += [".TP", f".B {code}", _text(meaning)]
    anywhere = "What any command may end with besides is in"
    return [*lines, ".PP", anywhere, ".BR bunkerctl\\-exit\\-codes (7)."]


def _variables(command: grammar.Command) -> list[str]:
    if command.words[0] in NO_VAULT:
        return ["BUNKERCTL_CONFIG names the settings. All variables are in", ".BR bunkerctl (1)."]
    named = "BUNKERCTL_VAULT names the vault, BUNKERCTL_KEY_FILE the file with its key."
    return [named, "All variables are in", ".BR bunkerctl (1)."]


def _files(command: grammar.Command) -> list[str]:
    if command.words[0] in NO_VAULT:
        settings = ".I \\(ti/.config/bunkerctl/config.toml"
        return [settings, "has the settings, which are in", ".BR bunkerctl.toml (5)."]
    vault = ".I \\(ti/.local/share/bunkerctl/default"
    return [
        vault,
        "is the vault, if no other is named. What it consists of is in",
        ".BR bunkerctl (1).",
    ]


def _topic(page: manual.Page) -> str:
    lines = _head(page.name, page.about, page.section)
    return _joined([*lines, *_macros(page.blocks)])


def _reference(page: manual.Page) -> str:
    return f"{page.name}({page.section})"


def _head(name: str, what: str, section: int = 1) -> list[str]:
    return [
        '.\\" Made by `make docs` from the command table and prose; do not edit.',
        f'.TH {_text(name.upper())} {section} {DATE} "bunkerctl {__version__}" "bunkerctl"',
        ".nh",  # names of files and variables are to stay whole
        ".ad l",
        ".SH NAME",
        f"{_text(name)} \\- {_text(what[0].lower() + what[1:])}",
    ]


def _options(options: Iterable[grammar.Option]) -> list[str]:
    lines: list[str] = []
    for option in options:
        names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
        value = f" \\fI{_text(option.metavar)}\\fR" if option.metavar else ""
        lines += [".TP", names + value, _text(help.meaning(option)) + "."]
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


def _prose(name: str) -> list[str]:
    return _macros(manual.blocks((PROSE / f"{name}.txt").read_text("utf-8").splitlines()))


def _macros(blocks: Iterable[manual.Block]) -> list[str]:
    """Return hand-written text as man macros."""
    lines: list[str] = []
    for block in blocks:
        apart = [".PP"] if lines and not lines[-1].startswith((".SH", ".SS")) else []
        if block.kind == "heading":
            lines += [f".SH {block.lines[0]}"]
        elif block.kind == "subheading":
            lines += [f".SS {_text(block.lines[0])}"]
        elif lines[-1:] == [".SH SEE ALSO"]:
            lines += [_see_also(" ".join(block.lines).split(", "))]
        elif block.kind == "code":
            lines += [*apart, ".RS 2", *_code(block.lines), ".RE"]
        elif block.kind == "item":
            lines += [".TP", f".B {_text(block.term)}", *map(_text, block.lines)]
        else:
            lines += [*apart, *map(_text, block.lines)]
    return lines


def _code(lines: Iterable[str]) -> list[str]:
    return [".nf", *(_text(line.removeprefix("  ")) for line in lines), ".fi"]


def _see_also(pages: Iterable[str]) -> str:
    """Return references like `name(1)`; no name is broken at the end of a line."""
    return ",\n".join(f".BR \\%{_text(page).replace('(', ' (')}" for page in pages)


def _text(text: str) -> str:
    """Return text as troff shows it, word for word."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    plain = plain.replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    return "\\&" + plain if plain.startswith(".") else plain


def _joined(lines: Iterable[str]) -> str:
    """Return the page; between sentences there is one blank, though a line of it ends there."""
    text = "\n".join(lines) + "\n"
    return re.sub(r"([.?!][)\"]?)\n(?=[^.]|\.(?:BR?|I) )", r"\1\\&\n", text)
