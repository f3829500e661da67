"""From the words of a line to a command and its parameters, by Typer.

The grammar's table is turned into Typer's own classes, one command at a time. Typer's
messages repeat what was typed, which may be personal: ours say the place instead.
"""

from __future__ import annotations

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from bunkerctl.cli import grammar
from bunkerctl.cli.grammar import Line
from bunkerctl.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REST = "words"


def parse(argv: list[str]) -> Line:
    """Parse the words behind the program's name.

    Raises:
        Usage: an unknown command or option, a missing or an extra argument.
    """
    everywhere: dict[str, Any] = {}
    root = _Group((), everywhere)
    try:
        context = root.make_context("bunkerctl", list(argv), obj=everywhere)
        line: Line = root.invoke(context)
    except _Shortcut as wanted:
        return Line(words=wanted.words, command=None, values={}, everywhere=everywhere)
    except typer.TyperException as error:
        raise _usage(error) from None
    return line


class _Shortcut(Exception):
    """`--help` or `--version` was met: nothing else on the line matters."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words


class _Group(TyperGroup):
    """A level of the tree, whose commands are imported when they are asked for."""

    def __init__(self, words: tuple[str, ...], everywhere: dict[str, Any]) -> None:
        super().__init__(
            name=words[-1] if words else "bunkerctl",
            params=_options(words, grammar.GLOBALS, everywhere, shared=True),
            add_help_option=False,
            invoke_without_command=True,
            callback=self._alone,
        )
        self._words = words
        self._everywhere = everywhere

    def _alone(self) -> Line:
        """Answer a line that ends here: with help, as `--help` does."""
        return Line(words=self._words, command=None, values={}, everywhere=self._everywhere)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        words = (*self._words, args[0])
        if " ".join(words) in grammar.GROUPS:
            return args[0], _Group(words, self._everywhere), args[1:]
        command = grammar.find(words)
        if command is None:
            raise _unknown_command(args[0], self._words)
        rest = args[1:]
        place = _first_word(rest, command)
        longer = (*words, rest[place]) if place is not None else ()
        if place is not None and longer in grammar.COMMANDS:
            command = grammar.COMMANDS[longer]
            del rest[place]
        return args[0], _leaf(command, self._everywhere), rest


def _first_word(args: list[str], command: grammar.Command) -> int | None:
    """Return where the first word is that is no option nor a value of one, if there is one.

    It may be the next word of a command's name: `export ID`, and `export verify`.
    """
    options = (*command.options, *grammar.GLOBALS)
    valued = {name for option in options for name in option.names if option.metavar}
    skip = False
    for place, word in enumerate(args):
        if word == "--":
            return None
        if not skip and (word == "-" or not word.startswith("-")):
            return place
        short = f"-{word[-1:]}" if word[:2] != "--" else word  # `-qo json` is `-q -o json`
        skip = not skip and short in valued
    return None


def _leaf(command: grammar.Command, everywhere: dict[str, Any]) -> TyperCommand:
    own = {option.key() for option in command.options}
    shared = tuple(option for option in grammar.GLOBALS if option.key() not in own)

    def finish(**values: Any) -> Line:
        given = values.pop(_REST)
        assigned = grammar.assign(command, given)
        if assigned is None:
            raise Usage(
                f"`{' '.join(command.words)}` takes {_wanted(command)}; {len(given)} given",
                hint=f"bunkerctl {' '.join(command.words)} --help",
            )
        return Line(
            words=command.words,
            command=command,
            values={**values, **assigned},
            everywhere=everywhere,
        )

    return TyperCommand(
        name=command.words[-1],
        callback=finish,
        params=[
            *_options(command.words, command.options, everywhere, shared=False),
            *_options(command.words, shared, everywhere, shared=True),
            TyperArgument(param_decls=[_REST], type=str, nargs=-1),
        ],
        add_help_option=False,
    )


def _options(
    words: tuple[str, ...],
    options: tuple[grammar.Option, ...],
    everywhere: dict[str, Any],
    *,
    shared: bool,
) -> list[TyperOption]:
    choices = {option.key(): option.choices for option in options}

    def keep(_context: Any, parameter: Any, value: Any) -> Any:
        if value in (None, False, ()):
            return value
        for one in value if parameter.multiple else (value,):
            if one == "":
                hint = "is a variable of the shell unset?"
                raise Usage(f"{parameter.opts[-1]} is empty", hint=hint)
            if choices[parameter.name] and one not in choices[parameter.name]:
                raise Usage(f"{parameter.opts[-1]} must be {_either(choices[parameter.name])}")
        if shared:
            everywhere[parameter.name] = value
        if parameter.name in ("help", "version"):
            raise _Shortcut(words)
        return value

    return [
        TyperOption(
            param_decls=[option.key(), *option.names],
            type=bool if option.metavar is None else str,
            is_flag=option.metavar is None,
            multiple=option.many,
            default=option.unsaid(),
            expose_value=not shared,
            callback=keep,
            is_eager=option.key() in ("help", "version"),
        )
        for option in options
    ]


def _either(choices: tuple[str, ...]) -> str:
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


def _wanted(command: grammar.Command) -> str:
    words = [
        {"one": "{}", "optional": "[{}]", "many": "[{}...]"}[argument.count].format(
            argument.metavar
        )
        for argument in command.arguments
    ]
    return " ".join(words) or "no argument"


def _unknown_command(word: str, words: tuple[str, ...]) -> Usage:
    """Name a word that is near, here or, for the last word of a command, elsewhere."""
    path = " ".join(("bunkerctl", *words))
    hint = grammar.nearest(path, word, grammar.below(words))
    if hint is None:
        ends = {found[-1]: found for found in reversed(grammar.load_all()) if len(found) > 1}
        near = ends.get(word)
        hint = f"did you mean `bunkerctl {' '.join(near)}`?" if near else f"{path} --help"
    return Usage("unknown command" + (f" below `{path}`" if words else ""), hint=hint)


def _usage(error: typer.TyperException) -> Usage:
    """Say what is wrong without what was typed: an option's name is ours, if it is near one."""
    name = getattr(error, "option_name", None)
    if name is None:
        return Usage("malformed options", hint="see --help")
    if type(error).__name__ == "NoSuchOption":
        near = getattr(error, "possibilities", None)
        return Usage("unknown option", hint=f"did you mean {near[0]}?" if near else "see --help")
    flag = any(name in option.names and option.metavar is None for option in _known())
    return Usage(f"option {name} takes no value" if flag else f"option {name} needs a value")


def _known() -> list[grammar.Option]:
    return [
        *grammar.GLOBALS,
        *(one for found in grammar.COMMANDS.values() for one in found.options),
    ]
