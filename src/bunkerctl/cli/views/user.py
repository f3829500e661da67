"""A person's record as one would want to read it, and a list of people."""

from __future__ import annotations

from bunkerctl.cli.screen import DOT, Cell, Piece, Row, Screen, piece
from bunkerctl.cli.views import aside, count, moment, pairs, scalar, stands, state
from bunkerctl.escapes import safe
from bunkerctl.model import IDENTITY_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.output import Seen


def one(screen: Screen, answer: Answer, seen: Seen) -> None:
    """Draw token, state and dates in a line each, and the record: its identities first."""
    now = seen.now
    screen.line([piece(answer["token"], "bold")])
    screen.line(stands(answer, now, due="due_at"))
    dates = [piece(f"version {answer['version']}", whole=True)]
    dates += [DOT, *aside(answer["created_at"], now, "added")]
    if answer["updated_at"] != answer["created_at"]:
        dates += [DOT, *aside(answer["updated_at"], now, "changed")]
    screen.line(dates)
    if hold := answer.get("hold"):
        screen.line(_hold(hold, now))
    screen.blank()
    screen.outline(_rows(_in_order(answer["data"])))


def many(screen: Screen, answers: list[Answer], seen: Seen) -> None:
    names = ("token", "record", "state", "due")
    rows = [
        [
            [piece(answer["token"])],
            pairs(_in_order(answer["data"])),
            state(answer, seen.now),
            moment(answer["due_at"], seen.now) if answer["due_at"] else [piece("-", "dim")],
        ]
        for answer in answers
    ]
    screen.table(names, rows)
    screen.line(count(len(answers), "person"))


def _hold(hold: dict[str, Any], now: int) -> Cell:
    until = [piece(" "), *aside(hold["until"], now, "until")] if hold["until"] else []
    return [
        *(piece("held", "magenta"), piece(" "), *aside(hold["since"], now, "since"), *until),
        piece(f" by {safe(hold['by'])}: {safe(hold['reason'])}"),
    ]


def _in_order(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record with its identities first."""
    first = [name for name in IDENTITY_KINDS if name in data]
    return {name: data[name] for name in [*first, *data]}


def _rows(found: Any, depth: int = 0) -> Iterator[Row]:
    """Yield the lines of an object or a list, nested values below their names."""
    if isinstance(found, dict):
        for name, one in found.items():
            style = "bold" if depth == 0 and name in IDENTITY_KINDS else ""
            yield from _named(piece(safe(name), style), one, depth)
    else:
        for one in found:
            yield from _named(piece("-", "dim"), one, depth)


def _named(name: Piece, one: Any, depth: int) -> Iterator[Row]:
    if isinstance(one, list) and one and not any(isinstance(part, dict | list) for part in one):
        said = ", ".join(scalar(part, inline=True) for part in one)
        yield Row(depth=depth, name=name, value=[piece(said)])
    elif isinstance(one, dict | list) and one:
        yield Row(depth=depth, name=name, value=[])
        yield from _rows(one, depth + 1)
    else:
        yield Row(depth=depth, name=name, value=[piece(scalar(one))])
