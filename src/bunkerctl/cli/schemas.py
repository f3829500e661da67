"""The JSON Schema (2020-12) of every answer, made from the tables in `answers`.

A schema lets fields come that it does not name, for a later version may add some; but every field
that it names is there. Enumerations are those of this version.
"""

from __future__ import annotations

from bunkerctl.cli import grammar
from bunkerctl.cli.answers import COUNT, TEXT, Fields, Schema, Shape, list_of, object_of, or_null

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ERROR_NAME = "error"
ERROR: Fields = {
    "code": (TEXT, "the name of the error; see bunkerctl-exit-codes(7)"),
    "exit_code": (COUNT, "the exit code"),
    "message": (TEXT, "what is wrong, without a word of a record or an identity"),
    "hint": (or_null(TEXT), "what to do about it"),
}
ERROR_MORE: Fields = {
    "reason": (TEXT, "of key_unavailable: why, in a word; see bunkerctl-keys(7)"),
}
FAILED_LINE: Fields = {
    "line": (COUNT, "the number of the line of standard input that failed"),
    "error": (object_of(ERROR, ERROR_MORE), "why"),
}
TOLD: Fields = {"error": FAILED_LINE["error"]}


def names() -> list[str]:
    """Return what there is a schema of: the words of commands, and `error`."""
    commands = grammar.load_all()
    return [*(" ".join(words) for words, found in commands.items() if found.answer), ERROR_NAME]


def of(name: str) -> Schema | None:
    """Return the schema of what a command answers with --json, or of an error; None if none."""
    if name == ERROR_NAME:
        what = (
            "The last line of standard error, with -o json or -o jsonl, if the exit code is not 0"
        )
        return _document(name, what, object_of(TOLD))
    command = grammar.find(tuple(name.split()))
    if command is None or command.answer is None:
        return None
    return _document(name, command.summary(), _answer(command.answer))


def item(shape: Shape) -> Schema:
    """Return the schema of one thing of an answer: of a line, with -o jsonl."""
    kinds = [object_of(shape.fields, shape.optional)]
    kinds += [object_of(shape.other)] if shape.other else []
    kinds += [object_of(FAILED_LINE)] if shape.count == "each" else []
    return {"anyOf": kinds} if len(kinds) > 1 else kinds[0]


def _answer(shape: Shape) -> Schema:
    if shape.count == "many":
        return list_of(item(shape))
    if shape.count == "each":
        return {"anyOf": [object_of(shape.fields), list_of(item(shape))]}
    return item(shape)


def _document(name: str, about: str, schema: Schema) -> Schema:
    return {
        "$schema": DIALECT,
        "$id": f"urn:bunkerctl:schema:{name.replace(' ', '-')}",
        "title": name if name == ERROR_NAME else f"bunkerctl {name}",
        "description": about,
        **schema,
    }
