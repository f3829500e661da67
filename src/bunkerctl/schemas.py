"""The schema of records: what JSON Schema 2020-12 allows a record to be.

A schema is one document: nothing is ever fetched. Patterns are matched in linear time, so none
can hang a command.
"""

from __future__ import annotations

from bunkerctl import files, jsontext
from bunkerctl.errors import InputOutput, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    import jsonschema_rs

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_BYTES = 1024 * 1024
MOST_TOLD = 5


class Schema:
    """A schema as it was read: `document` is its JSON, `path` its file."""

    def __init__(self, document: dict[str, Any], path: str) -> None:
        self.document = document
        self.path = path
        self._validator: jsonschema_rs.Draft202012Validator | None = None
        self._names: set[str] = set()

    def compiled(self) -> jsonschema_rs.Draft202012Validator:
        """Return what checks records; it is made once, and that takes a while.

        Raises:
            Invalid: it is no schema, refers to another document, or has a pattern that cannot
                be matched in linear time.
        """
        if self._validator is None:
            import jsonschema_rs

            try:
                self._validator = jsonschema_rs.Draft202012Validator(
                    self.document,
                    validate_formats=True,
                    offline=True,
                    pattern_options=jsonschema_rs.RegexOptions(),
                )
            except jsonschema_rs.ValidationError as error:
                raise _no_schema(error, self.path) from None
            self._names = set(_names(self.document))
        return self._validator

    def problems(self, record: dict[str, Any]) -> list[tuple[str, str]]:
        """Return (path, rule) of whatever in a record breaks the schema, in order, each once.

        The path is a JSON Pointer (RFC 6901), the rule a keyword. What `required` misses is named
        by its own path. A name that the schema does not have is a `*`: it may be personal.
        """
        validator = self.compiled()
        if validator.is_valid(record):
            return []
        return sorted(set(map(self._problem, validator.iter_errors(record))))

    def check(self, record: dict[str, Any]) -> None:
        """Raise Invalid, naming paths and rules, if a record breaks the schema."""
        found = [f"{path or '/'}: {rule}" for path, rule in self.problems(record)]
        if found:
            more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
            raise Invalid(f"the record breaks the schema: {', '.join(found[:MOST_TOLD])}{more}")

    def _problem(self, error: jsonschema_rs.ValidationError) -> tuple[str, str]:
        steps: list[str | int] = [*error.instance_path]
        missing = getattr(error.kind, "property", None)
        if error.kind.name == "required" and isinstance(missing, str):
            steps.append(missing)
        shown = (step if isinstance(step, int) or step in self._names else "*" for step in steps)
        return pointer(shown), error.kind.name


def read(path: str) -> Schema:
    """Read a schema from its file; `compiled` judges it.

    Raises:
        Invalid: the file is missing or unreadable, is not JSON, or another dialect.
    """
    try:
        raw = files.read(path, MAX_BYTES)
    except InputOutput as error:
        raise Invalid(error.message, hint="the setting record.schema names it") from None
    if len(raw) > MAX_BYTES:
        raise Invalid(f"{path} is over {MAX_BYTES // 1024 // 1024} MiB")
    document = jsontext.loads(raw, path)
    if not isinstance(document, dict):
        raise Invalid(f"{path} is not a JSON Schema: it must be an object")
    if document.get("$schema", DIALECT) not in (DIALECT, DIALECT + "#"):
        raise Invalid(
            f"{path} is not JSON Schema 2020-12: its $schema is another", hint=f"write {DIALECT}"
        )
    return Schema(document, path)


def pointer(steps: Iterable[str | int]) -> str:
    """Return a path as a JSON Pointer (RFC 6901), "" for the whole document."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _names(schema: Any) -> Iterator[str]:
    """Yield the names of properties that a schema knows, wherever in it."""
    if isinstance(schema, list):
        for item in schema:
            yield from _names(item)
    elif isinstance(schema, dict):
        for keyword, value in schema.items():
            if keyword in ("properties", "dependentRequired", "dependentSchemas"):
                yield from value if isinstance(value, dict) else ()
            if keyword == "required" and isinstance(value, list):
                yield from (name for name in value if isinstance(name, str))
            yield from _names(value)


def _no_schema(error: jsonschema_rs.ValidationError, path: str) -> Invalid:
    where: Sequence[str | int] = error.instance_path
    if error.kind.name == "$ref":
        return Invalid(
            f"{path} refers to what is not in it",
            hint="nothing is fetched: put it into $defs, and refer to #/$defs/NAME",
        )
    if error.kind.name == "format":
        return Invalid(
            f"{path} has a pattern that is not allowed, at {pointer(where)}",
            hint="look-around, back-references and huge patterns are not matched in linear time",
        )
    return Invalid(f"{path} is not a JSON Schema: {pointer(where) or '/'} is wrong")
