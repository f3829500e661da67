"""What a file says of people, row by row: the stage in front of an import.

It knows of files, names of fields and types; not of the vault, nor of what makes a record good.
"""

from __future__ import annotations

import re

from bunkerctl import decoding, files, jsontext, tabular
from bunkerctl.errors import Invalid
from bunkerctl.model import IDENTITY_KINDS, USER_LINE, USER_SCHEMA, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from io import BufferedIOBase
    from typing import Any

FORMATS = ("jsonl", "csv")

_TOO_LONG = Invalid(f"the line is over {jsontext.MAX_BYTES // 1024 // 1024} MiB")

Row = tuple[int, "bytes | None", "jsontext.Json | Invalid"]
"""The line that a row begins at, its bytes in UTF-8 (None if they are too many to keep), and
what it says, or what is wrong with it."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")


class Format(Value):
    """How to read a file; `encoding` and `delimiter` are None where the file is to tell."""

    form: str
    encoding: str | None
    delimiter: str | None


class Shape(Value):
    """How a row becomes a record.

    `names` gives columns (of JSON lines: root-level keys) another name, or "" to leave them out;
    `types` says what the cells of a field are; `constants` are in each record, whatever the
    row says.
    """

    names: dict[str, str]
    types: dict[str, str]
    constants: dict[str, jsontext.Json]


class Source:
    """A file whose begin has been read: what is left to do is to go through its `rows`."""

    def __init__(self, text: decoding.Text, header: bytes, rows: Iterator[Row]) -> None:
        self._text = text
        self._header = header
        self._rows = rows

    def rows(self) -> Iterator[Row]:
        return self._rows

    def again(self, raws: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes of some rows as a file that is read with the same options.

        It is UTF-8. A mark says so where that was not told of the first file, and wins over
        what is told.
        """
        mark = b"" if self._text.plain else decoding.MARK
        if self._header:
            yield mark + _ended(self._header)
            yield from map(_ended, raws)
            return
        for raw in raws:
            yield mark + raw + b"\n"
            mark = b""


def open_(file: BufferedIOBase, wanted: Format, shape: Shape) -> Source:
    """Read the begin of a file.

    Raises:
        Invalid: a CSV file has no good header, or `shape` does not fit it.
    """
    text = decoding.open_(file, wanted.encoding)
    if wanted.form == "jsonl":
        return Source(text, b"", _json_rows(text, shape))
    table = tabular.open_(text, wanted.delimiter)
    return Source(text, table.header, _table_rows(table, shape))


def _ended(raw: bytes) -> bytes:
    """Return a row of CSV with an end: only the last of a file may lack it."""
    return raw if not raw or raw.endswith((b"\n", b"\r")) else raw + b"\n"


# JSON lines.


def _json_rows(text: decoding.Text, shape: Shape) -> Iterator[Row]:
    as_given = not shape.names and not shape.constants
    for number, raw, wrong in _lines(text):
        if raw is not None and not raw.strip():
            continue
        if raw is None or wrong is not None:
            yield number, raw, wrong or _TOO_LONG
            continue
        try:
            said = jsontext.loads(raw, "the line")
            yield number, raw, said if as_given else _shaped(said, shape)
        except Invalid as error:
            yield number, raw, error


def _lines(text: decoding.Text) -> Iterator[tuple[int, bytes | None, Invalid | None]]:
    if text.codec == "utf-8":
        for number, raw in files.lines(text.file, jsontext.MAX_BYTES):
            yield number, raw, None
        return
    for number, line in text.lines(jsontext.MAX_BYTES):
        if line is None:
            yield number, None, None
        else:
            yield number, *text.encoded(line.rstrip("\r\n"), "the line")


def _shaped(said: jsontext.Json, shape: Shape) -> jsontext.Json:
    """Return a line with the record that it is, or that an export has in it, as wanted."""
    if isinstance(said, dict) and said.get("schema") == USER_SCHEMA and "data" in said:
        return {**said, "data": _shaped_record(said["data"], shape)}
    return _shaped_record(said, shape)


def _shaped_record(said: jsontext.Json, shape: Shape) -> jsontext.Json:
    if not isinstance(said, dict):
        return said
    record: dict[str, jsontext.Json] = {}
    for name, value in said.items():
        field = shape.names.get(name, name)
        if field in record:
            raise Invalid("two keys of the line become one field")
        if field:
            record[field] = value
    return {**record, **shape.constants}


# CSV.


def _table_rows(table: tabular.Table, shape: Shape) -> Iterator[Row]:
    if tuple(table.names) == USER_LINE and not shape.names and not shape.types:
        return _exported(table, shape)
    wanted = _columns(table.names, shape)
    return _records(table, wanted, shape.constants)


def _records(
    table: tabular.Table,
    wanted: Sequence[tuple[int, str, Any]],
    constants: dict[str, jsontext.Json],
) -> Iterator[Row]:
    for number, raw, cells in table.rows():
        said: jsontext.Json = cells
        if isinstance(cells, list):
            try:
                said = {**_record(cells, wanted), **constants}
            except Invalid as error:
                said = error
        yield number, raw, said


def _exported(table: tabular.Table, shape: Shape) -> Iterator[Row]:
    """Yield what `export --all -o csv` wrote: as its JSON lines would be, so nothing is lost."""
    for number, raw, cells in table.rows():
        said: jsontext.Json = cells
        if isinstance(cells, list):
            try:
                said = _shaped(_exported_line(cells), shape)
            except Invalid as error:
                said = error
        yield number, raw, said


def _exported_line(cells: list[str]) -> dict[str, jsontext.Json]:
    line: dict[str, Any] = dict(zip(USER_LINE, cells, strict=True))
    if not (_INTEGER.fullmatch(line["version"]) and line["held"] in ("true", "false")):
        raise Invalid("the row is not as `export --all -o csv` writes it")
    return {
        **line,
        "version": jsontext.loads(line["version"].encode(), "the version"),
        "data": jsontext.loads(line["data"].encode(), "the record"),
        "due_at": line["due_at"] or None,
        "held": line["held"] == "true",
    }


def _record(cells: list[str], wanted: Sequence[tuple[int, str, Any]]) -> dict[str, jsontext.Json]:
    record: dict[str, jsontext.Json] = {}
    for place, field, convert in wanted:
        cell = cells[place]
        if not cell or cell.isspace():
            continue
        if cell.startswith(_FORMULA):  # as spreadsheets, and our own lists, mark text
            cell = cell[1:]
        record[field] = cell if convert is None else _converted(cell.strip(), place, convert)
    return record


def _columns(names: list[str], shape: Shape) -> list[tuple[int, str, Any]]:
    """Return (place, field, how to convert its cells) of the columns that are wanted.

    Raises:
        Invalid: a column that is not there is renamed, a field that is not there has a type,
            two columns become one field, or none becomes an identity.
    """
    for position, column in enumerate(shape.names, 1):
        if column not in names:
            raise Invalid(f"the header has no column as --map number {position} names it")
    fields = [shape.names.get(name, name) for name in names]
    for position, field in enumerate(fields, 1):
        if field and field in fields[: position - 1]:
            first = fields.index(field) + 1
            raise Invalid(f"columns {first} and {position} become one field")
    for position, field in enumerate(shape.types, 1):
        if field not in fields:
            raise Invalid(f"no column becomes the field of --type number {position}")
    if not set(IDENTITY_KINDS) & {*fields, *shape.constants}:
        raise Invalid(
            f"no column is called {', '.join(IDENTITY_KINDS)}: nobody could be found",
            hint='name one, as with --map "E-mail=email"; is the first line the header?',
        )
    return [
        (place, field, TYPES[shape.types[field]] if field in shape.types else None)
        for place, field in enumerate(fields)
        if field
    ]


def _converted(cell: str, place: int, convert: Callable[[str], jsontext.Json]) -> jsontext.Json:
    try:
        return convert(cell)
    except Invalid as error:
        raise Invalid(f"column {place + 1} {error.message}") from None


def _integer(cell: str) -> jsontext.Json:
    return _parsed(cell if _INTEGER.fullmatch(cell) else "", "an integer")


def _number(cell: str) -> jsontext.Json:
    return _parsed(cell if _NUMBER.fullmatch(cell) else "", "a number")


def _truth(cell: str) -> jsontext.Json:
    if cell.lower() not in _TRUTHS:
        raise Invalid("is not one of true, false, yes, no, 1 and 0")
    return _TRUTHS[cell.lower()]


def _json(cell: str) -> jsontext.Json:
    return _parsed(cell, "JSON")


def _parsed(text: str, what: str) -> jsontext.Json:
    try:
        return jsontext.loads(text.encode(), what)
    except Invalid:
        raise Invalid(f"is not {what}") from None


TYPES: dict[str, Any] = {
    "int": _integer,
    "number": _number,
    "bool": _truth,
    "json": _json,
    "text": None,
}
"""What the cells of a field can be: numbers as JSON writes them."""
