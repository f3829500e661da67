"""What a person's terminal shows: tables and outlines that fit its width and cut nothing short.

The only module that knows rich. What it is given is harmless already: see `output.safe`.
"""

from __future__ import annotations

import re
from itertools import groupby
from operator import itemgetter

from rich.cells import cell_len, chop_cells
from rich.color import ColorSystem
from rich.style import Style

from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAP = 2
UNBROKEN = 36  # a UUID; times and most words are shorter
LEAST = 16
MOST_LINES = 5  # of a cell, before a table becomes an outline
WIDEST_NAME = 24
UNLIMITED = 100_000
_UUID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class Piece(Value):
    """A text of one style; one that is `whole` is a single word, whatever blanks it has."""

    text: str
    style: str
    whole: bool


Cell = list[Piece]
_Line = list[tuple[str, str]]  # texts and their styles


def piece(text: str, style: str = "", *, whole: bool = False) -> Piece:
    return Piece(text=text, style=style, whole=whole)


DOT = piece(" · ", "dim", whole=True)
"""What stands between two things that are said in one line."""

TIE = piece(" ", whole=True)
"""What stands between two things that are not parted at the end of a line, if it has room."""


def width(text: str) -> int:
    """Return how many columns a text takes."""
    return cell_len(text)


class Row(Value):
    """A line of an outline: a name and its value, so many levels below the first."""

    depth: int
    name: Piece
    value: Cell


class Screen:
    """Text for a terminal of so many columns; None is as wide as it takes."""

    def __init__(self, columns: int | None, *, color: bool) -> None:
        self._columns = columns or UNLIMITED
        self._color = color
        self._styles: dict[str, Style] = {}
        self._lines: list[str] = []

    def text(self) -> str:
        """Return all that was drawn."""
        return "".join(f"{line}\n" for line in self._lines)

    def is_narrow(self, columns: int) -> bool:
        return self._columns < columns

    def room(self) -> int:
        return self._columns

    def line(self, cell: Cell, indent: int = 0, head: Sequence[Piece] = ()) -> None:
        """Draw one paragraph, all of it to the right of its head."""
        begin = indent + _length(head)
        before = " " * indent + self._painted([(one.text, one.style) for one in head])
        for number, part in enumerate(_folded(cell, max(1, self._columns - begin))):
            self._lines.append(((" " * begin if number else before) + self._painted(part)).rstrip())

    def blank(self) -> None:
        self._lines.append("")

    def table(self, names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Draw a table; where it would break what must stay whole, an outline a row.

        Without rows it is nothing; columns of numbers are aligned to the right.
        """
        if not rows:
            return
        heads = [[[piece(name, "bold", whole=True)] for name in names]] if names else []
        columns = list(zip(*heads, *rows, strict=True))
        wanted = [max(map(_length, cells)) for cells in columns]
        least = [
            min(max(map(_least, cells)), most) for cells, most in zip(columns, wanted, strict=True)
        ]
        room = self._columns - GAP * (len(columns) - 1)
        if names and sum(least) > room:
            for row in rows:
                pairs = zip(names, row, strict=True)
                self.outline([Row(depth=0, name=piece(name), value=cell) for name, cell in pairs])
                self.blank()
            return
        widths = _shared(wanted, least, room)
        right = [all(map(_is_number, cells[len(heads) :])) for cells in columns]
        for row in (*heads, *rows):
            self._row(row, widths, right)

    def outline(self, rows: Iterable[Row]) -> None:
        """Draw names with their values beside them, nested ones further in."""
        rows = list(rows)
        widths: dict[int, int] = {}
        for row in rows:
            size = cell_len(row.name.text)
            if row.value and size <= WIDEST_NAME:
                widths[row.depth] = max(size, widths.get(row.depth, 0))
        for row in rows:
            indent = min(2 * row.depth, self._columns // 3)
            blank = widths.get(row.depth, 0) - cell_len(row.name.text)
            room = self._columns - indent - widths.get(row.depth, 0) - GAP
            if row.value and blank >= 0 and room >= LEAST:
                self.line(row.value, indent, (row.name, piece(" " * (blank + GAP))))
            else:
                self.line([row.name], indent)
                self.line(row.value, indent + 2 * GAP)

    def _row(self, row: Sequence[Cell], widths: list[int], right: list[bool]) -> None:
        """Draw a row of a table, of as many lines as its highest cell."""
        cells = [_folded(cell, width) for cell, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, cells))):
            line, used, begin = "", 0, 0
            for lines, width, flush in zip(cells, widths, right, strict=True):
                part = lines[number] if number < len(lines) else []
                size = sum(cell_len(text) for text, _ in part)
                at = begin + (width - size if flush else 0)
                if part:
                    line += " " * (at - used) + self._painted(part)
                    used = at + size
                begin += width + GAP
            self._lines.append(line)

    def _painted(self, line: _Line) -> str:
        """Return a line with its colours, and no more changes of them than it needs."""
        if not self._color:
            return "".join(text for text, _ in line)
        painted = ""
        for name, run in groupby(line, key=itemgetter(1)):
            text = "".join(part for part, _ in run)
            style = self._styles.setdefault(name, Style.parse(name))
            painted += style.render(text, color_system=ColorSystem.STANDARD)
        return painted


def _shared(wanted: list[int], least: list[int], room: int) -> list[int]:
    """Give each column what it needs at least, and what is left to those that want more."""
    widths = least[:]
    left = room - sum(least)
    while left > 0 and (short := [n for n, width in enumerate(widths) if width < wanted[n]]):
        for number in short:
            share = min(wanted[number] - widths[number], max(1, left // len(short)), left)
            widths[number] += share
            left -= share
    return widths


def _length(cell: Iterable[Piece]) -> int:
    return sum(cell_len(one.text) for one in cell)


def _least(cell: Cell) -> int:
    """Return the least width: words stay whole up to a UUID's length, and it is no mere strip."""
    sizes = [cell_len(word) for one in cell for word in _words(one)]
    broken = any(_UUID.search(one.text) for one in cell) and max(sizes) > UNBROKEN
    longest = (
        UNBROKEN if broken else max((size for size in sizes if size <= UNBROKEN), default=LEAST)
    )
    return max(longest, min(UNBROKEN, _length(cell) // MOST_LINES))


def _words(one: Piece) -> list[str]:
    return [one.text] if one.whole else re.findall(r"\s+|\S+", one.text)


def _is_number(cell: Cell) -> bool:
    text = "".join(one.text for one in cell)
    return text.isdecimal() or not text


def _folded(cell: Cell, width: int) -> list[_Line]:
    """Break a cell into lines: between words, before a UUID, and within a word only if it must.

    Blanks and dots between two words vanish where the line ends.
    """
    lines: list[_Line] = [[]] if cell else []
    used = 0
    between: _Line = []
    for number, one in enumerate(cell):
        tied = _tied(cell[number + 1 : number + 3])
        for word in _words(one):
            if one == DOT or word.isspace():
                between.append((word, one.style))
                continue
            for part in [word] if cell_len(word) <= width else _parts(word, width):
                blank = sum(cell_len(text) for text, _ in between) if used else 0
                whole = cell_len(part) + tied
                needed = whole if whole <= width else cell_len(part)
                if used and used + blank + needed > width:
                    lines.append([])
                    used = blank = 0
                lines[-1] += [*(between if blank else []), (part, one.style)]
                used += blank + cell_len(part)
                between = []
    return lines


def _tied(following: Cell) -> int:
    """Return the columns of what goes with the piece before: a tie and the next one, or nothing."""
    return _length(following) if following[:1] == [TIE] else 0


def _parts(word: str, width: int) -> list[str]:
    """Break a word that is too long for a line; a UUID in it stays whole."""
    return [
        part
        for whole in _UUID.split(word)
        for part in ([whole] if _UUID.fullmatch(whole) else chop_cells(whole, width))
    ]
