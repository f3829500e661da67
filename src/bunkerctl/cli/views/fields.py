"""Answers that have no view of their own: their fields, in order."""

from __future__ import annotations

from bunkerctl.cli.screen import Row, Screen, piece
from bunkerctl.cli.views import count, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.output import Seen


def one(screen: Screen, answer: Answer, seen: Seen) -> None:
    screen.outline(
        Row(depth=0, name=piece(name), value=value(name, found, seen.now))
        for name, found in answer.items()
    )


def many(screen: Screen, answers: list[Answer], seen: Seen) -> None:
    now, names = seen.now, seen.names
    screen.table(names, [[value(name, answer[name], now) for name in names] for answer in answers])
    screen.line(count(len(answers), seen.noun))
