"""`help`, `schema` and `completion`: the program about itself, without vault or key."""

from __future__ import annotations

from bunkerctl import errors
from bunkerctl.cli import grammar
from bunkerctl.cli.call import Call
from bunkerctl.cli.grammar import argument, command

SHELLS = ("bash", "zsh", "fish")


@command("help", argument("words", "TOPIC|COMMAND", "a topic, or the words of a command", "many"))
def help_(call: Call, words: tuple[str, ...]) -> None:
    """Show a text of the manual, or the help of a command; alone, the list of topics.

    The topics are identities, import, keys, config, json and exit-codes: the texts of the man pages
    bunkerctl-identities(7) and so on.

    Examples:
      bunkerctl help
      bunkerctl help exit-codes
      bunkerctl help user add
    """
    from bunkerctl.cli import help, manual

    if not words:
        call.output.text(manual.topics())
    elif len(words) == 1 and words[0] in manual.TOPICS:
        call.output.text(manual.text(words[0]))
    elif " ".join(words) in grammar.GROUPS or grammar.find(words):
        call.output.text(help.text(words))
    else:
        known = [*manual.TOPICS, *map(" ".join, grammar.load_all()), *grammar.GROUPS]
        raise errors.Usage(
            "no such topic and no such command",
            hint=grammar.nearest("bunkerctl help", " ".join(words), known) or "bunkerctl help",
        )


@command("schema", argument("words", "COMMAND", "the words of a command, or `error`", "many"))
def schema(call: Call, words: tuple[str, ...]) -> None:
    """Print the JSON Schema (2020-12) of what a command answers with --json.

    `bunkerctl schema error` has that of an error; alone it lists what there is a schema of. A
    schema lets fields come that it does not name: a later version may add some.

    Examples:
      bunkerctl schema
      bunkerctl schema user get
      bunkerctl schema error
    """
    from bunkerctl import jsontext
    from bunkerctl.cli import schemas

    if not words:
        call.output.text("".join(f"{name}\n" for name in schemas.names()))
        return
    found = schemas.of(" ".join(words))
    if found is None:
        raise errors.Usage(
            "there is no schema of that",
            hint=grammar.nearest("bunkerctl schema", " ".join(words), schemas.names())
            or "`bunkerctl schema` lists what there is",
        )
    call.output.text(jsontext.dumps(found) + "\n")


@command("completion", argument("shell", "SHELL", "which one", choices=SHELLS))
def completion(call: Call, shell: str) -> None:
    """Print the script that completes command lines in a shell.

    The wheel installs them where shells look; this is for all other cases.

    Examples:
      bunkerctl completion bash > bunkerctl.bash
      bunkerctl completion fish > bunkerctl.fish
    """
    if shell not in SHELLS:
        raise errors.Usage(f"there are completions for {', '.join(SHELLS)}")
    from bunkerctl.cli import completions

    call.output.text(completions.script(shell))
