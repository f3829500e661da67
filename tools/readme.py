"""The README's reference: commands and exit codes, between two marks."""

from __future__ import annotations

from bunkerctl.cli import grammar, help

BEGIN = "<!-- reference: made by `make docs`, do not edit -->"
END = "<!-- end of reference -->"


def put_into(readme: str) -> str:
    """Return the README with the reference replaced; raise ValueError if it has no marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the README has no marks for the reference")
    return f"{before}{BEGIN}\n\n{_commands()}\n\n{_exit_codes()}\n\n{END}{after}"


def _commands() -> str:
    rows = [
        f"| `bunkerctl {' '.join(words)}` | {command.summary()} |"
        for words, command in grammar.load_all().items()
    ]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def _exit_codes() -> str:
    rows = [
        f"| {code} | {_names(names)} | {meaning} |" for code, names, meaning in help.exit_codes()
    ]
    return "\n".join(["| exit code | name in JSON | meaning |", "|---|---|---|", *rows])


def _names(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ")) if names else ""
