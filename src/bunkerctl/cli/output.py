"""How an answer is written: table, plain, JSON, JSON lines or CSV; and how an error is told."""

from __future__ import annotations

from bunkerctl import jsontext
from bunkerctl.errors import BunkerError, KeyUnavailable, OutputFailed
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO

    from bunkerctl.cli.answers import Answer

_CELL_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: f"\\u{code:04x}" for code in jsontext.BIDI_CONTROLS},
    ord("\t"): "\\t",
    ord("\n"): "\\n",
}
_CSV_ESCAPES = {  # a quoted cell may have lines and tabs
    code: escape for code, escape in _CELL_ESCAPES.items() if chr(code) not in "\t\n"
}
GAP = 2
UNBROKEN = 36  # a UUID; times and names are shorter
LEAST = 16
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Failure(Value):
    """A line of standard input that failed, in its place among the answers."""

    line: int
    error: BunkerError


class Output:
    """Standard output in one form; `terminal` says that a person looks at it."""

    def __init__(
        self,
        form: str,
        stdout: BinaryIO,
        stderr: BinaryIO,
        *,
        terminal: bool = False,
        color: bool = False,
        saved: Callable[[], bool] = bool,
    ) -> None:
        self.form = form
        self.terminal = terminal
        self._stdout = stdout
        self._stderr = stderr
        self._color = color
        self._saved = saved

    def one(self, answer: Answer) -> None:
        """Write one thing."""
        if self.form in ("json", "jsonl"):
            self.text(_json(answer) + "\n")
        elif self.form == "csv":
            self.many([answer], tuple(answer))
        elif self.form == "table":
            self._table((), [[name, cell(value)] for name, value in answer.items()])
        else:
            self.text("".join(f"{name}\t{cell(value)}\n" for name, value in answer.items()))

    def many(
        self,
        answers: Iterable[Answer | Failure],
        columns: tuple[str, ...],
        *,
        brief: tuple[str, ...] = (),
        at_once: bool = False,
    ) -> None:
        """Write a list as it comes.

        `brief` are the columns of a table, if not all; `at_once` lets each item out before the
        next is asked for.
        """
        if self.form == "table":
            names = brief or columns
            rows = [row for item in answers if (row := self._row(item)) is not None]
            self._table(names, [[cell(row[name]) for name in names] for row in rows])
            return
        opening, between, closing = {
            "json": ("[\n", ",\n", "\n]\n"),
            "csv": (_csv(columns), "", ""),
        }.get(self.form, ("", "", ""))
        count = 0
        try:
            for item in answers:
                self.text(between if count else opening)
                self._item(item, columns)
                count += 1
                if at_once:
                    self.flush()
        except BunkerError:
            if count:  # a list that breaks off is one document all the same
                self.text(closing)
            raise
        empty = "[]\n" if self.form == "json" else opening
        self.text(closing if count else empty)

    def _item(self, item: Answer | Failure, columns: tuple[str, ...]) -> None:
        if self.form == "json":
            self.text(_json(_told(item)))
        elif self.form == "jsonl":
            self.text(_json(_told(item)) + "\n")
        elif (row := self._row(item)) is not None:
            cells = [row[name] for name in columns]
            line = "\t".join(map(cell, cells)) + "\n"
            self.text(_csv(map(csv_cell, cells)) if self.form == "csv" else line)

    def text(self, text: str) -> None:
        """Write text as it is, in UTF-8.

        Raises:
            OutputFailed: standard output refuses it (a closed pipe is BrokenPipeError).
        """
        try:
            self._stdout.write(_encoded(text))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self.failed() from error

    def flush(self) -> None:
        try:
            self._stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self.failed() from error

    def failed(self) -> OutputFailed:
        what = "the change was saved" if self._saved() else "nothing was changed"
        return OutputFailed(f"standard output could not be written; {what}")

    def _row(self, item: Answer | Failure) -> Answer | None:
        """Return an item's fields; a failed line goes to standard error instead."""
        if isinstance(item, Failure):
            tell(self._stderr, f"error: line {item.line}: {item.error.message}")
            return None
        return item

    def _table(self, names: tuple[str, ...], rows: list[list[str]]) -> None:
        """Draw a table; where it would break what must stay whole, a block of lines an item.

        Without names it has no header.
        """
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(
            force_terminal=self._color,
            no_color=not self._color,
            color_system="standard" if self._color else None,
            width=None if self.terminal else 100_000,
            highlight=False,
        )
        lines = [list(names), *rows] if names else rows
        least = [max(map(_least, cells)) for cells in zip(*lines, strict=True)]
        if names and sum(least) + GAP * len(least) > console.width:
            for number, row in enumerate(rows):
                self.text("\n" if number else "")
                self._table((), [list(pair) for pair in zip(names, row, strict=True)])
            return
        table = Table(show_header=bool(names), box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for width, cells in zip(least, zip(*lines, strict=True), strict=True):
            whole = max(map(len, cells)) <= width
            head = Text(cells[0]) if names else ""
            table.add_column(head, overflow="fold", min_width=width, no_wrap=whole)
        for row in rows:
            table.add_row(*map(Text, row))
        with console.capture() as screen:
            console.print(table)
        self.text("".join(line.rstrip() + "\n" for line in screen.get().splitlines()))


def lines(form: str, answers: Iterable[Answer], columns: tuple[str, ...]) -> Iterator[str]:
    """Yield a list as JSON lines or as CSV, for a file."""
    if form == "csv":
        yield _csv(columns)
    for answer in answers:
        if form == "csv":
            yield _csv(csv_cell(answer[name]) for name in columns)
        else:
            yield _json(answer) + "\n"


def csv_cell(value: Any) -> str:
    """Return a cell that a spreadsheet takes for text, never for a formula."""
    text = value.translate(_CSV_ESCAPES) if isinstance(value, str) else cell(value)
    return "'" + text if text.startswith(_FORMULA) else text


def cell(value: Any) -> str:
    """Return a value as one harmless cell: empty for null, JSON for what has parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return safe(",".join(value))
    return jsontext.escaped(jsontext.dumps(value))


def _least(text: str) -> int:
    """Return the least width of a cell: short words stay whole, long values are folded."""
    return len(text) if len(text) <= UNBROKEN and " " not in text else LEAST


def safe(text: str) -> str:
    """Escape whatever could drive a terminal, or forge a line."""
    return text.translate(_CELL_ESCAPES)


def tell(stderr: BinaryIO, text: str) -> None:
    """Say something on standard error, if there is one."""
    try:
        stderr.write(_encoded(f"bunkerctl: {safe(text)}\n"))
        stderr.flush()
    except OSError:
        pass


def show_error(stderr: BinaryIO, error: BunkerError, form: str) -> None:
    """Tell an error: one JSON object on one line, or two lines of text."""
    if form in ("json", "jsonl"):
        try:
            stderr.write(_encoded(_json({"error": _error(error)}) + "\n"))
            stderr.flush()
        except OSError:
            pass
        return
    tell(stderr, f"error: {error.message}")
    if error.hint:
        tell(stderr, f"hint: {error.hint}")


def _encoded(text: str) -> bytes:
    """Return UTF-8; a byte of a path that is none becomes an escape, which is good JSON too."""
    return text.encode("utf-8", "backslashreplace")


def _told(item: Answer | Failure) -> Answer:
    if isinstance(item, Failure):
        return {"line": item.line, "error": _error(item.error)}
    return item


def _error(error: BunkerError) -> Answer:
    answer = {
        "code": error.code,
        "exit_code": error.exit_code,
        "message": error.message,
        "hint": error.hint,
    }
    return {**answer, "reason": error.reason} if isinstance(error, KeyUnavailable) else answer


def _json(value: Any) -> str:
    return jsontext.escaped(jsontext.dumps(value))


def _csv(cells: Iterable[str]) -> str:
    import csv
    from io import StringIO

    line = StringIO()
    csv.writer(line).writerow(list(cells))  # told to end lines with "\n" it would not quote "\r"
    return line.getvalue().removesuffix("\r\n") + "\n"
