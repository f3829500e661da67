"""What `--help` prints, made from the grammar's table and the commands' docstrings."""

from __future__ import annotations

import re
import textwrap

from bunkerctl import errors
from bunkerctl.cli import grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bunkerctl.cli.answers import Shape

WIDTH = 79
INTRO = """\
bunkerctl keeps personal records in one encrypted local file. Applications keep
a random token; the vault keeps the person, until the person is to be erased:
then it is gone, and the audit trail shows it."""
KEPT = "\xa0"
"""A blank at which no line ends: an option is not parted from its value."""

EXAMPLES = """\
  bunkerctl init                        make a vault, its key in the keyring
  echo '{"email":"ann@example.com"}' | bunkerctl user add
  bunkerctl exp start email:ann@example.com --in 30d
  bunkerctl exp sweep                   from cron: erase who is due
  bunkerctl audit verify"""


def text(words: tuple[str, ...]) -> str:
    """Return the help of a command, of a group, or for () of the program."""
    if not words:
        return _of_program()
    commands = grammar.load(words[0])
    if words in commands:
        return _of_command(commands[words])
    below = {path: found for path, found in commands.items() if path[: len(words)] == words}
    return _of_group(words, below)


def exit_codes() -> list[tuple[int, str, str]]:
    """Return (exit code, names, meaning), in order, from the classes of errors."""
    table: dict[int, list[type[errors.BunkerError]]] = {}
    todo = [errors.BunkerError]
    while todo:
        kind = todo.pop(0)
        todo += kind.__subclasses__()
        if kind.meaning and "meaning" in vars(kind):
            table.setdefault(kind.exit_code, []).append(kind)
    rows = [(0, "", "done; also: nothing was due, it was so already")]
    for code, kinds in table.items():
        names = ", ".join(dict.fromkeys(kind.code for kind in kinds))
        rows.append((code, names, "; ".join(dict.fromkeys(kind.meaning for kind in kinds))))
    rows.append((129, "", "hung up"))
    rows.append((130, "", "interrupted"))
    rows.append((141, "", "whoever read the output went away"))
    rows.append((143, "", "terminated"))
    return sorted(rows)


def failures(command: grammar.Command) -> list[tuple[str, str]]:
    """Return (exit code, meaning) of what a command may fail with by itself, in order."""
    found: dict[int, list[str]] = {}
    for kind in command.fails:
        found.setdefault(kind.exit_code, []).append(kind.meaning)
    return [("0", "done"), *((str(code), "; ".join(found[code])) for code in sorted(found))]


def answer(shape: Shape) -> str:
    """Return the names of the fields of an answer, as a sentence."""
    names = ", ".join(shape.fields)
    whole = {"one": "{}", "many": "a list of {}", "each": "{}; for `-` a list of such"}
    return f"Answer in JSON: {whole[shape.count].format(names)}."


def usage(command: grammar.Command) -> str:
    """Return the line that shows how a command is typed."""
    words = ["bunkerctl", *command.words]
    words += [_option_usage(option) for option in command.options]
    for argument in command.arguments:
        shape = {"one": "{}", "optional": "[{}]", "many": "[{}]..."}[argument.count]
        words.append(shape.format(argument.metavar))
    return " ".join(words)


def option_name(option: grammar.Option) -> str:
    names = ", ".join(option.names)
    return names if option.metavar is None else f"{names} {option.metavar}"


def meaning(one: grammar.Option | grammar.Argument) -> str:
    return f"{one.help}: {', '.join(one.choices)}" if one.choices else one.help


def _of_program() -> str:
    listed = [
        (first, grammar.GROUPS.get(first) or grammar.named((first,)).summary())
        for first in grammar.first_words()
    ]
    codes = [(str(code), meaning) for code, _, meaning in exit_codes()]
    return _join(
        "Usage: bunkerctl COMMAND [ARGUMENTS]",
        INTRO,
        "Commands:\n" + rows(listed),
        "Options, anywhere on the line:\n" + rows(map(_global_row, grammar.GLOBALS)),
        "Examples:\n" + EXAMPLES,
        "Exit status:\n" + rows(codes),
        "An ID is KIND:VALUE (token, email, phone, login or custom), or a value whose\n"
        "form tells its kind. `bunkerctl COMMAND --help` says more, and `bunkerctl help`\n"
        "has texts about identities, imports, keys, settings, JSON and exit codes.",
    )


def _of_group(group: tuple[str, ...], commands: dict[tuple[str, ...], grammar.Command]) -> str:
    listed = [(" ".join(words[len(group) :]), found.summary()) for words, found in commands.items()]
    name = " ".join(group)
    return _join(
        f"Usage: bunkerctl {name} COMMAND [ARGUMENTS]",
        grammar.GROUPS[name],
        "Commands:\n" + rows(listed),
        f"`bunkerctl {name} COMMAND --help` says more.",
    )


def _of_command(command: grammar.Command) -> str:
    whole = re.sub(r"\[[^]]*\]", lambda found: found[0].replace(" ", KEPT), usage(command))
    line = textwrap.fill(
        whole,
        WIDTH,
        initial_indent="Usage: ",
        subsequent_indent="       ",
        break_on_hyphens=False,
        break_long_words=False,
    ).replace(KEPT, " ")
    arguments = [(one.metavar, meaning(one)) for one in command.arguments]
    options = [(option_name(one), meaning(one)) for one in command.options]
    everywhere = textwrap.fill(
        ", ".join(option_name(one).replace(" ", KEPT) for one in grammar.GLOBALS)
        + ": see `bunkerctl --help`.",
        WIDTH - 2,
        break_on_hyphens=False,
    ).replace(KEPT, " ")
    return _join(
        line,
        "\n\n".join(map(_paragraph, "\n".join(command.text()).split("\n\n"))),
        _paragraph(answer(command.answer)) if command.answer else "",
        "Arguments:\n" + rows(arguments) if arguments else "",
        "Options:\n" + rows(options) if options else "",
        "Options that hold everywhere:\n" + textwrap.indent(everywhere, "  "),
        "Exit status (`bunkerctl help exit-codes` lists what any command may end with):\n"
        + rows(failures(command)),
    )


def _global_row(option: grammar.Option) -> tuple[str, str]:
    behind = f" [{option.environment}]" if option.environment else ""
    return option_name(option), meaning(option) + behind


def _option_usage(option: grammar.Option) -> str:
    name = max(option.names, key=len)
    once = f"[{name}]" if option.metavar is None else f"[{name} {option.metavar}]"
    return f"{once}..." if option.many else once


def _paragraph(text: str) -> str:
    """Return a paragraph of a docstring as wide as a terminal; examples stay as they are."""
    if text.startswith("Examples:"):
        return text
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def rows(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and what they mean, side by side."""
    listed = list(pairs)
    width = max(len(name) for name, _ in listed) + 2
    return "\n".join(_row(name, meaning, width) for name, meaning in listed)


def _row(name: str, meaning: str, width: int) -> str:
    return textwrap.fill(
        meaning,
        WIDTH,
        initial_indent=f"  {name:<{width}}",
        subsequent_indent=" " * (width + 2),
        break_on_hyphens=False,
    )


def _join(*parts: str) -> str:
    return "\n\n".join(_present(parts)) + "\n"


def _present(parts: Iterable[str]) -> Iterator[str]:
    return (part for part in parts if part)
