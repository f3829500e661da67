"""What a person's terminal shows: tables and outlines that fit its width and cut nothing short.

The only module that knows rich. What it is given is harmless already: see `output.safe`.
"""

from __future__ import annotations

import re
from itertools import groupby
from operator import itemgetter

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

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


def piece(text: str, style: str = "", *, whole: bool = False) -> Piece:
    return Piece(text=text, style=style, whole=whole)


DOT = piece(" · ", "dim", whole=True)
"""What stands between two things that are said in one line."""


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
        self._console = Console(
            force_terminal=color,
            no_color=not color,
            color_system="standard" if color else None,
            width=self._columns,
            highlight=False,
            legacy_windows=False,
        )
        self._drawn: list[str] = []

    def text(self) -> str:
        """Return all that was drawn."""
        return "".join(self._drawn)

    def is_narrow(self, columns: int) -> bool:
        return self._columns < columns

    def room(self) -> int:
        return self._columns

    def line(self, cell: Cell, indent: int = 0, head: Sequence[Piece] = ()) -> None:
        """Draw one paragraph, all of it to the right of its head."""
        begin = indent + _length(head)
        before = Text(" " * indent).append_text(_joined([(one.text, one.style) for one in head]))
        for number, part in enumerate(_folded(cell, max(1, self._columns - begin))):
            self._put((Text(" " * begin) if number else before).append_text(part))

    def blank(self) -> None:
        self._drawn.append("\n")

    def table(self, names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Draw a table; where it would break what must stay whole, an outline a row.

        Without rows it is nothing; columns of numbers are aligned to the right.
        """
        if not rows:
            return
        heads = [[piece(name, "bold", whole=True)] for name in names]
        columns = list(zip(*([heads] if names else []), *rows, strict=True))
        wanted = [max(map(_length, cells)) for cells in columns]
        least = [
            min(want, max(map(_least, cells))) for want, cells in zip(wanted, columns, strict=True)
        ]
        room = self._columns - GAP * (len(columns) - 1)
        if names and sum(least) > room:
            for number, row in enumerate(rows):
                if number:
                    self.blank()
                self.outline(
                    Row(depth=0, name=piece(name), value=cell)
                    for name, cell in zip(names, row, strict=True)
                )
            self.blank()
            return
        table = Table(show_header=False, box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        widths = _shared(wanted, least, room)
        for width, cells in zip(widths, columns, strict=True):
            number = all(_is_number(cell) for cell in cells[bool(names) :])
            table.add_column(width=width, no_wrap=True, justify="right" if number else "left")
        for row in [heads, *rows] if names else rows:
            table.add_row(
                *(
                    Text("\n").join(_folded(cell, width))
                    for cell, width in zip(row, widths, strict=True)
                )
            )
        self._put(table)

    def outline(self, rows: Iterable[Row]) -> None:
        """Draw names with their values beside them, nested ones further in."""
        rows = list(rows)
        deepest = self._columns // 3
        for row in rows:
            level = [one for one in rows if one.depth == row.depth and one.value]
            names = [cell_len(one.name.text) for one in level]
            width = max((size for size in names if size <= WIDEST_NAME), default=0)
            indent = min(2 * row.depth, deepest)
            begin = indent + width + GAP
            beside = cell_len(row.name.text) <= width and self._columns - begin >= LEAST
            if beside and row.value:
                name = row.name.text + " " * (width + GAP - cell_len(row.name.text))
                for number, part in enumerate(_folded(row.value, self._columns - begin)):
                    head = Text(" " * indent).append(name, row.name.style)
                    self._put((Text(" " * begin) if number else head).append_text(part))
            else:
                self.line([row.name], indent)
                if row.value:
                    self.line(row.value, indent + 2 * GAP)

    def _put(self, drawn: Text | Table) -> None:
        with self._console.capture() as screen:
            self._console.print(drawn, no_wrap=True, overflow="ignore", crop=False)
        self._drawn += [line.rstrip() + "\n" for line in screen.get().splitlines()]


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


def _folded(cell: Cell, width: int) -> list[Text]:
    """Break a cell into lines: between words, before a UUID, and within a word only if it must.

    Blanks and dots between two words vanish where the line ends.
    """
    lines: list[list[tuple[str, str]]] = [[]]
    used = 0
    between: list[tuple[str, str]] = []
    for one in cell:
        for word in _words(one):
            if one == DOT or word.isspace():
                between.append((word, one.style))
                continue
            for part in [word] if cell_len(word) <= width else _parts(word, width):
                blank = sum(cell_len(text) for text, _ in between)
                if used and used + blank + cell_len(part) > width:
                    lines.append([])
                    used = blank = 0
                    between = []
                lines[-1] += [*(between if used else []), (part, one.style)]
                used += (blank if used else 0) + cell_len(part)
                between = []
    return [_joined(line) for line in lines]


def _joined(line: list[tuple[str, str]]) -> Text:
    """Return a line as one text, with no more changes of style than it needs."""
    text = Text()
    for style, run in groupby(line, key=itemgetter(1)):
        text.append("".join(part for part, _ in run), style)
    return text


def _parts(word: str, width: int) -> list[str]:
    """Break a word that is too long for a line; a UUID in it stays whole."""
    return [
        part
        for whole in _UUID.split(word)
        for part in ([whole] if _UUID.fullmatch(whole) else chop_cells(whole, width))
    ]
