"""CSV as spreadsheets and databases write it: a header line, then a row a person.

Strict: a row that is not beyond doubt is refused, and no row is ever guessed from within
another's quotes.

Source: RFC 4180, and besides `;`, tab or | between cells, and any end of a line.
"""

from __future__ import annotations

import csv
import io

from bunkerctl.errors import Invalid
from bunkerctl.jsontext import MAX_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from bunkerctl.decoding import Text

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
"""What may stand between cells, by its name."""

_CHUNK = 1 << 16


class Table:
    """A CSV file whose header has been read: `names` are the columns, `header` the line itself."""

    def __init__(self, text: Text, lines: _Lines, header: bytes, names: list[str], mark: str):
        self.header = header
        self.names = names
        self._text = text
        self._lines = lines
        self._reader = csv.reader(lines, delimiter=mark, strict=True)

    def rows(self) -> Iterator[tuple[int, bytes | None, list[str] | Invalid]]:
        """Yield (line that a row begins at, its bytes, its cells or what is wrong with it).

        The bytes are UTF-8, and None if they are too many to keep. Rows without any text are
        left out.
        """
        while True:
            begin = self._lines.begin()
            cells: list[str] | Invalid
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except _TooLong:
                yield (
                    begin,
                    None,
                    Invalid(
                        f"the row is over {MAX_BYTES // 1024 // 1024} MiB",
                        hint="is a quote not closed?",
                    ),
                )
                continue
            except csv.Error:
                cells = self._fault(begin)
            row = "".join(self._lines.row)
            raw, no_text = self._text.encoded(row, "the row")
            if isinstance(cells, list) and not any(map(str.strip, cells)):
                continue
            yield begin, raw, no_text or self._judged(cells, row)

    def _judged(self, cells: list[str] | Invalid, row: str) -> list[str] | Invalid:
        if isinstance(cells, Invalid):
            return cells
        if "\0" in row:
            return Invalid("the row has a NUL character", hint="is it UTF-16?")
        if len(cells) != len(self.names):
            return Invalid(f"the row has {len(cells)} cells, and the header {len(self.names)}")
        return cells

    def _fault(self, begin: int) -> Invalid:
        end = self._lines.number
        where = "" if end == begin else f" (it is read to line {end})"
        if self._lines.ended:
            return Invalid(f"a quote is not closed{where}")
        return Invalid(f"there is text behind a closing quote{where}")


def open_(text: Text, delimiter: str | None) -> Table:
    """Read the header of a CSV file; without a `delimiter` the header tells it.

    Raises:
        Invalid: there is no header, its delimiter is in doubt, or a column has no name, or
            the name of another.
    """
    csv.field_size_limit(MAX_BYTES)
    lines = _Lines(text.stream(""))
    row = lines.header()
    raw, no_text = text.encoded(row, "the header line")
    if no_text is not None:
        raise no_text
    if "\0" in row:
        raise Invalid("the header line has a NUL character", hint="try --encoding utf-16")
    if not row.strip():
        raise Invalid("there is no header line", hint="the first line names the columns")
    mark = delimiter or _delimiter(row)
    names = [" ".join(name.split()) for name in _cells(row, mark)]
    for position, name in enumerate(names, 1):
        if not name:
            raise Invalid(f"column {position} of the header has no name")
        if name in names[: position - 1]:
            first = names.index(name) + 1
            raise Invalid(f"columns {first} and {position} of the header have the same name")
    return Table(text, lines, raw, names, mark)


def _delimiter(header: str) -> str:
    """Return what parts a header into the most columns; raise Invalid if that is in doubt."""
    counts = {mark: len(_cells(header, mark)) for mark in DELIMITERS.values()}
    most = max(counts.values())
    best = [mark for mark, count in counts.items() if count == most]
    if most > 1 and len(best) > 1:
        raise Invalid("the header line does not tell the delimiter", hint="name it: --delimiter")
    return best[0]


def _cells(header: str, mark: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(header, newline=""), delimiter=mark, strict=True))
    except csv.Error:
        raise Invalid("the header line has a quote out of place") from None


class _TooLong(Exception):
    pass


class _Lines:
    """The lines of a text as the CSV reader asks for them; `row` are those of this row so far."""

    def __init__(self, stream: TextIO) -> None:
        self.number = 0
        self.row: list[str] = []
        self.ended = False
        self._stream = stream
        self._left = MAX_BYTES

    def begin(self) -> int:
        """Begin a row; return the number of its first line."""
        self.row = []
        self._left = MAX_BYTES
        return self.number + 1

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(self._left + 1)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        self._left -= len(line)
        self.row.append(line)
        if self._left < 0:
            self._skip()
            raise _TooLong
        return line

    def header(self) -> str:
        """Return the first row: lines up to the first where every quote is closed."""
        odd = 0
        try:
            for line in self:
                odd ^= line.count('"') & 1
                if not odd:
                    break
        except _TooLong:
            raise Invalid("the header line is too long") from None
        return "".join(self.row)

    def _skip(self) -> None:
        """Go on to the end of a row that is too long: of a line where every quote is closed."""
        line = self.row[-1]
        odd = sum(part.count('"') for part in self.row) & 1
        self.row = []
        while line and (odd or line[-1] not in "\r\n"):
            self.number += line[-1] in "\r\n"
            line = self._stream.readline(_CHUNK)
            odd ^= line.count('"') & 1
