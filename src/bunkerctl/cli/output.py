"""How an answer is written: table, plain, JSON, JSON lines or CSV; and how an error is told."""

from __future__ import annotations

from bunkerctl import jsontext
from bunkerctl.errors import BunkerError, KeyUnavailable, OutputFailed
from bunkerctl.escapes import cell, csv_cell, csv_row, safe
from bunkerctl.lean import import_module, nullcontext
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    from bunkerctl.cli.answers import Answer


class Failure(Value):
    """A line of standard input that failed, in its place among the answers."""

    line: int
    error: BunkerError


class Seen(Value):
    """What a view is told besides the answers: the time, and of a list its columns and its noun.

    `beside` is shown with them, and in no answer.
    """

    now: int
    names: tuple[str, ...]
    noun: str
    beside: Any


class Output:
    """Standard output in one form; `terminal` says that a person looks at it.

    `columns` is the width of the terminal, if it is one; `now` tells the time; `aside` returns a
    block in which no progress is drawn.
    """

    def __init__(
        self,
        form: str,
        stdout: BinaryIO,
        stderr: BinaryIO,
        *,
        terminal: bool = False,
        color: bool = False,
        columns: int | None = None,
        now: Callable[[], int] = int,
        saved: Callable[[], bool] = bool,
        aside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.form = form
        self.terminal = terminal
        self._stdout = stdout
        self._stderr = stderr
        self._aside = aside
        self._color = color
        self._columns = columns
        self._now = now
        self._saved = saved

    def one(
        self, answer: Answer, view: str = "fields", beside: Callable[[], Any] | None = None
    ) -> None:
        """Write one thing; a table of it is drawn by that module of `views`.

        `beside` is called for what only a table shows.
        """
        if self.form in ("json", "jsonl"):
            self.text(_json(answer) + "\n")
        elif self.form == "csv":
            self.many([answer], tuple(answer), noun="")
        elif self.form == "table":
            seen = Seen(now=self._now(), names=(), noun="", beside=beside and beside())
            self._draw(view, "one", answer, seen)
        else:
            self.text("".join(f"{name}\t{cell(value)}\n" for name, value in answer.items()))

    def many(
        self,
        answers: Iterable[Answer | Failure],
        columns: Collection[str],
        *,
        noun: str,
        view: str = "fields",
        brief: tuple[str, ...] = (),
        beside: Callable[[], Any] | None = None,
        at_once: bool = False,
    ) -> None:
        """Write a list as it comes; a table of it is drawn by that module of `views`.

        `noun` is what there is a list of, `brief` are the columns of a table, if not all, `beside`
        is called for what only a table shows; `at_once` lets each item out before the next is
        asked for.
        """
        if self.form == "table":
            rows = [row for item in answers if (row := self._row(item)) is not None]
            found = beside and beside()
            seen = Seen(now=self._now(), names=brief or tuple(columns), noun=noun, beside=found)
            self._draw(view, "many", rows, seen)
            return
        opening, between, closing = ("[\n", ",\n", "\n]\n") if self.form == "json" else ("", "", "")
        if self.form == "csv":
            opening = csv_row(columns)
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

    def _item(self, item: Answer | Failure, columns: Collection[str]) -> None:
        if self.form == "json":
            self.text(_json(_told(item)))
        elif self.form == "jsonl":
            self.text(_json(_told(item)) + "\n")
        elif (row := self._row(item)) is not None:
            cells = [row[name] for name in columns]
            line = "\t".join(map(cell, cells)) + "\n"
            self.text(csv_row(map(csv_cell, cells)) if self.form == "csv" else line)

    def text(self, text: str) -> None:
        """Write text as it is, in UTF-8.

        Raises:
            OutputFailed: standard output refuses it (a closed pipe is BrokenPipeError).
        """
        self.raw(_encoded(text))

    def raw(self, data: bytes) -> None:
        """Write bytes as they are; raises as `text` does."""
        try:
            self._stdout.write(data)
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

    def _draw(self, view: str, shape: str, found: Any, seen: Seen) -> None:
        """Draw an answer (`one`) or a list (`many`) for a person, as a module of views does."""
        from bunkerctl.cli.screen import Screen

        module = import_module(f"bunkerctl.cli.views.{view}")
        screen = Screen(self._columns, color=self._color)
        getattr(module, shape)(screen, found, seen)
        with self._aside():
            self.text(screen.text())
            self.flush()


def lines(
    form: str, answers: Iterable[Answer], columns: Collection[str], *, header: bool = True
) -> Iterator[str]:
    """Yield a list as JSON lines or as CSV, for a file."""
    if form == "csv" and header:
        yield csv_row(columns)
    for answer in answers:
        if form == "csv":
            yield csv_row(csv_cell(answer[name]) for name in columns)
        else:
            yield _json(answer) + "\n"


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
