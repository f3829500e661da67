"""What `doctor` found, a line each, and below it what to do."""

from __future__ import annotations

from bunkerctl.cli.screen import Screen, piece
from bunkerctl.cli.views import LEVELS, count
from bunkerctl.escapes import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.output import Seen


def many(screen: Screen, answers: list[Answer], seen: Seen) -> None:
    names = [max((len(answer[name]) for answer in answers), default=0) for name in seen.names[:2]]
    for answer in answers:
        check, level = (answer[name] for name in seen.names[:2])
        told = (piece(f"{check:{names[0]}}  "), piece(f"{level:{names[1]}}  ", LEVELS[level]))
        screen.line([piece(safe(answer["message"]))], head=told)
        if answer["hint"]:
            screen.line([piece(f"→ {safe(answer['hint'])}")], indent=sum(names) + 4)
    screen.line(count(len(answers), seen.noun))
