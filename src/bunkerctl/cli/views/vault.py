"""The state of a vault, and what falls due in the coming weeks."""

from __future__ import annotations

from bunkerctl.cli.views import exp, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.output import Seen
    from bunkerctl.cli.screen import Screen


def one(screen: Screen, answer: Answer, seen: Seen) -> None:
    fields.one(screen, answer, seen)
    exp.ahead(screen, seen.beside, seen.now)
