"""The grammar of the command line: one table, read by the parser, the help and the documents.

A command is a function with a docstring, declared by `@command`. Nothing here knows of Typer.
"""

from __future__ import annotations

from bunkerctl.config import COLORS, FORMS
from bunkerctl.lean import import_module
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from bunkerctl.cli.answers import Shape
    from bunkerctl.errors import BunkerError


class Option(Value):
    """An option; `metavar` None makes it a flag, `environment` names the variable behind it.

    `choices` are the values it takes, if they are fixed; one of `many` may be given again, and its
    values are a tuple.
    """

    names: tuple[str, ...]
    metavar: str | None
    help: str
    environment: str | None
    choices: tuple[str, ...]
    many: bool

    def key(self) -> str:
        longest = max(self.names, key=len)
        return longest.lstrip("-").replace("-", "_")

    def unsaid(self) -> Any:
        """Return what a command gets where a line does not have this option."""
        if self.many:
            return ()
        return None if self.metavar else False


class Argument(Value):
    """A positional argument; `count` is `one`, `optional` or `many`.

    `choices` are the values it takes, if they are fixed.
    """

    key: str
    metavar: str
    help: str
    count: str
    choices: tuple[str, ...]


class Command(Value):
    """A command: `words` as they are typed, `run` its function.

    `answer` is what it answers as JSON; None if it writes text in every form. `fails` are the
    failures of its own, beside those that any command may end with.
    """

    words: tuple[str, ...]
    run: Callable[..., None]
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]
    answer: Shape | None
    fails: tuple[type[BunkerError], ...]

    def summary(self) -> str:
        return self.text()[0]

    def text(self) -> list[str]:
        """Return the lines of the docstring, without its indentation."""
        lines = (self.run.__doc__ or "").strip().splitlines()
        return [line.removeprefix("    ") for line in lines]


class Line(Value):
    """A parsed line: `command` is None where help for `words` or the version is wanted."""

    words: tuple[str, ...]
    command: Command | None
    values: dict[str, Any]
    everywhere: dict[str, Any]


COMMANDS: dict[tuple[str, ...], Command] = {}
"""Every command that has been imported, by its words."""

MODULES = {
    "init": "vault",
    "status": "vault",
    "user": "user",
    "user list": "listings",
    "user forget": "forgetting",
    "user import": "imports",
    "user check": "check",
    "user hold": "holds",
    "user release": "holds",
    "exp": "exp",
    "exp list": "deadlines",
    "exp sweep": "sweep",
    "export": "export",
    "export verify": "export",
    "audit list": "events",
    "audit show": "events",
    "audit": "audit",
    "erasure": "erasure",
    "backup": "backup",
    "key": "key",
    "key recovery": "recovery",
    "key restore": "recovery",
    "unlock": "unlock",
    "lock": "unlock",
    "report": "report",
    "doctor": "doctor",
    "destroy": "vault",
    "config": "config",
    "demo": "demo",
    "help": "reference",
    "schema": "reference",
    "completion": "reference",
}
"""The words of commands, and the module below `cli` that has them: a first word stands for all
commands below it that are not here by themselves."""

GROUPS = {
    "user": "People: add, read, change, list, hold and forget them.",
    "exp": "Expirations: who is to be erased, when, and the sweep that does it.",
    "audit": "The audit trail: read it, and prove that it is whole.",
    "erasure": "Erasures: who was erased, and the receipts that prove it.",
    "backup": "Backups: make, check and restore them, without bringing anybody back.",
    "key": "The master key: look at it, put it elsewhere, recover it, rotate it.",
    "key recovery": "The recovery code: make one, and try it.",
    "config": "Settings: show and change them.",
}
"""The words that have further words below them, and what they are about."""


def option(
    names: str,
    metavar: str | None,
    help: str,
    environment: str | None = None,
    choices: tuple[str, ...] = (),
    *,
    many: bool = False,
) -> Option:
    """Declare an option: `names` like "-o --output"."""
    return Option(
        names=tuple(names.split()),
        metavar=metavar,
        help=help,
        environment=environment,
        choices=choices,
        many=many,
    )


def argument(
    key: str, metavar: str, help: str, count: str = "one", choices: tuple[str, ...] = ()
) -> Argument:
    return Argument(key=key, metavar=metavar, help=help, count=count, choices=choices)


def command(
    words: str,
    *parameters: Argument | Option,
    answer: Shape | None = None,
    fails: tuple[type[BunkerError], ...] = (),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare the function below to be a command; it gets the call and its parameters by name."""

    def declare(run: Callable[..., None]) -> Callable[..., None]:
        path = tuple(words.split())
        COMMANDS[path] = Command(
            words=path,
            run=run,
            arguments=tuple(p for p in parameters if isinstance(p, Argument)),
            options=tuple(p for p in parameters if isinstance(p, Option)),
            answer=answer,
            fails=fails,
        )
        return run

    return declare


def first_words() -> list[str]:
    return [words for words in MODULES if " " not in words]


def load(first: str) -> dict[tuple[str, ...], Command]:
    """Import every command that begins with a word; return them in the order of MODULES."""
    for words, module in MODULES.items():
        if words.split()[0] == first:
            import_module(f"bunkerctl.cli.{module}")
    return {words: found for words, found in COMMANDS.items() if words[0] == first}


def below(words: tuple[str, ...]) -> list[str]:
    """Return the words that may follow."""
    if not words:
        return first_words()
    count = len(words)
    longer = (w for w in load(words[0]) if len(w) > count)
    return list(dict.fromkeys(w[count] for w in longer if w[:count] == words))


def find(words: tuple[str, ...]) -> Command | None:
    """Return a command after importing what it needs, and no more; None if there is none."""
    known = (MODULES.get(" ".join(words[:count])) for count in range(len(words), 0, -1))
    module = next(filter(None, known), None)
    if module is not None:
        import_module(f"bunkerctl.cli.{module}")
    return COMMANDS.get(words)


def named(words: tuple[str, ...]) -> Command:
    """Return a command that there is."""
    find(words)
    return COMMANDS[words]


def nearest(before: str, typed: str, known: Iterable[str]) -> str | None:
    """Return a question for who has mistyped one of the words known, or None."""
    from difflib import get_close_matches

    near = get_close_matches(typed, list(known), 1)
    return f"did you mean `{before} {near[0]}`?" if near else None


def load_all() -> dict[tuple[str, ...], Command]:
    """Import every command, in the order of MODULES."""
    return {words: found for first in first_words() for words, found in load(first).items()}


def assign(command: Command, words: tuple[str, ...]) -> dict[str, Any] | None:
    """Give the words of a line to the arguments of a command; None if their number is wrong."""
    values: dict[str, Any] = {}
    left = list(words)
    for wanted in command.arguments:
        if wanted.count == "many":
            values[wanted.key], left = tuple(left), []
        elif left:
            values[wanted.key] = left.pop(0)
        elif wanted.count == "optional":
            values[wanted.key] = None
        else:
            return None
    return None if left else values


GLOBALS = (
    option("--vault", "DIR", "which vault", "BUNKERCTL_VAULT"),
    option("--config", "FILE", "settings (TOML); must exist when named", "BUNKERCTL_CONFIG"),
    option("-o --output", "FORM", "form of the result", "BUNKERCTL_OUTPUT", FORMS),
    option("--json", None, "the same as -o json"),
    option("--key-file", "FILE", "the master key is in this file", "BUNKERCTL_KEY_FILE"),
    option("--key-command", "CMD", "this command prints the master key", "BUNKERCTL_KEY_COMMAND"),
    option("--key-fd", "N", "the master key comes from this descriptor", "BUNKERCTL_KEY_FD"),
    option(
        "--keyring-timeout",
        "DUR",
        "how long to wait for the keyring (5s; with a person at a terminal 2min)",
        "BUNKERCTL_KEYRING_TIMEOUT",
    ),
    option("--no-input", None, "never prompt: fail, and say what to pass", "BUNKERCTL_NO_INPUT"),
    option("-y --yes", None, "answer this command's own confirmation"),
    option("-q --quiet", None, "less on stderr"),
    option("--debug", None, "more on stderr"),
    option("--actor", "NAME", "who acts, for the audit trail", "BUNKERCTL_ACTOR"),
    option("--reason", "TEXT", "why, for the audit trail: no names here", "BUNKERCTL_REASON"),
    option("--ref", "TICKET", "which ticket, for the audit trail", "BUNKERCTL_REF"),
    option(
        "--lock-wait", "DUR", "how long to wait for another writer (10s)", "BUNKERCTL_LOCK_WAIT"
    ),
    option("--color", "WHEN", "when to use colour", None, COLORS),
    option("-h --help", None, "show this help"),
    option("--version", None, "show the version"),
)
"""The options that hold everywhere: before, between and after the words of a command."""

ID = argument("identity", "ID", "token:UUID, email:…, phone:…, login:… or custom:…")
"""What a command takes that acts on one person."""

IDS = argument("identity", "ID", "whose; `-` reads one a line from standard input")
"""What a command takes that acts on one person, or on many."""

VARIABLES = {option.key(): option.environment for option in GLOBALS}
"""The environment variable behind each of them, if there is one."""
