"""Whether what a command wrote is what its schema says: asked of every command that a test runs.

The schemas that are published let new fields come; here they do not, so that no field is there
that has no description.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from bunkerctl import errors
from bunkerctl.cli import parser, schemas, shortcut
from bunkerctl.cli.grammar import Line

MOST = 200
"""How many items of a list are looked at: the first ones."""
TOLD = range(1, 17)
"""The exit codes behind which there is an error on standard error."""
ANYWHERE = {0, *TOLD} - {3, 4, 5, 6, 8, 15}
"""The exit codes that any command may end with; the others are declared with `fails`."""
JSON_BY_THEMSELVES = (("export",), ("audit", "export"))


def check(
    words: list[str], environment: Mapping[str, str], code: int, out: bytes, err: bytes | None
) -> None:
    """Raise AssertionError unless a run wrote what the schemas say; `err` None was not kept."""
    line = _parsed(words)
    if line is None or line.command is None or code not in (0, *TOLD):
        return
    own = {kind.exit_code for kind in line.command.fails}
    assert code in own | ANYWHERE or line.words == ("doctor",), f"{words}: exit {code} is not told"
    said = line.everywhere.get("output") or environment.get("BUNKERCTL_OUTPUT")
    form = "json" if line.everywhere.get("json") and said in (None, "json") else said
    if code and err and form in ("json", "jsonl"):
        _hold(_validator("error", "json"), json.loads(err.splitlines()[-1]), words)
    form = form or ("jsonl" if line.words in JSON_BY_THEMSELVES else None)
    if form not in ("json", "jsonl") or line.command.answer is None or not out:
        return
    name = " ".join(line.words)
    if name == "export" and any(line.values[one] for one in ("fields", "format", "encrypt_to")):
        return  # other fields, or no JSON
    if name == "user get" and line.values["field"] and line.values["identity"] != "-":
        json.loads(out)  # the value of a field may be anything
        return
    validator = _validator(name, form)
    if form == "jsonl":
        for text in out.splitlines()[:MOST]:
            _hold(validator, json.loads(text), words)
        return
    answer = json.loads(out)
    _hold(validator, answer[:MOST] if isinstance(answer, list) else answer, words)


def strict(schema: Any) -> Any:
    """Return a schema that allows no field that it does not name."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items()}
    if "required" in schema:
        found.setdefault("additionalProperties", False)
    return found


def _parsed(words: list[str]) -> Line | None:
    try:
        return shortcut.read(words) or parser.parse(words)
    except errors.BunkerError:
        return None


@functools.cache
def _validator(name: str, form: str) -> Draft202012Validator:
    schema = schemas.of(name)
    assert schema is not None, f"{name} has no schema"
    if form == "jsonl":
        from bunkerctl.cli import grammar

        command = grammar.find(tuple(name.split()))
        assert command is not None and command.answer is not None
        schema = schemas.item(command.answer)
    return Draft202012Validator(strict(schema))


def _hold(validator: Draft202012Validator, answer: Any, words: list[str]) -> None:
    for error in validator.iter_errors(answer):
        raise AssertionError(f"{words}: not as the schema says: {error}")
