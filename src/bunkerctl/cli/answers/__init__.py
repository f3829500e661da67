"""From values to answers: the fields that CLI, scripts and people are promised, in their order.

A module here stands beside the module of `cli` that has its name, so that a command imports no
other answers than its own. Its tables say once what each field is: the JSON Schemas, the help and
bunkerctl-json(7) are made of them. X_BRIEF is what a table of many shows; the other forms have
every field.
"""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Answer = dict[str, "Any"]
Schema = dict[str, "Any"]
"""A JSON Schema, or a part of one."""
Fields = dict[str, tuple[Schema, str]]
"""The fields of an object by their names, in order: what each one is, and what it means."""

TEXT: Schema = {"type": "string"}
UUID: Schema = {"type": "string", "format": "uuid", "pattern": "^[0-9a-f-]{36}$"}
TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
}
HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
KEY_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
COUNTS: Schema = {"type": "object", "additionalProperties": {"type": "integer"}}

CHANGED: Fields = {"changed": (FLAG, "false if it was so already")}


class Shape(Value):
    """What a command answers: an object with these fields, and perhaps the `optional` ones.

    `count` is `one`, `many` (a list), or `each`: one for an ID on the line, a list for those of
    standard input. `other` is the object that comes in its place with some option.
    """

    fields: Fields
    optional: Fields
    count: str
    other: Fields


def single(fields: Fields, *, optional: Fields | None = None, other: Fields | None = None) -> Shape:
    return Shape(fields=fields, optional=optional or {}, count="one", other=other or {})


def several(fields: Fields, *, optional: Fields | None = None) -> Shape:
    return Shape(fields=fields, optional=optional or {}, count="many", other={})


def single_or_each(fields: Fields, *, other: Fields | None = None) -> Shape:
    return Shape(fields=fields, optional={}, count="each", other=other or {})


def or_null(schema: Schema) -> Schema:
    """Return the schema of a value that may be absent."""
    found = {**schema, "type": [schema["type"], "null"]}
    return {**found, "enum": [*schema["enum"], None]} if "enum" in schema else found


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def object_of(fields: Fields, optional: Fields | None = None) -> Schema:
    """Return the schema of an object that has all these fields, and perhaps the optional ones."""
    return {
        "type": "object",
        "properties": {
            name: {"description": meaning, **schema}
            for name, (schema, meaning) in {**fields, **(optional or {})}.items()
        },
        "required": list(fields),
    }


def time_or_null(instant: int | None) -> str | None:
    return None if instant is None else times.text(instant)
