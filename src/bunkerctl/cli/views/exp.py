"""Expirations: how one person stands, who waits, and what falls due in the coming weeks."""

from __future__ import annotations

from bunkerctl import times
from bunkerctl.cli.screen import Row, Screen, piece
from bunkerctl.cli.views import count, moment, stands, state, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.answers import Answer
    from bunkerctl.cli.output import Seen
    from bunkerctl.deadlines import Ahead

BAR = 40
SHOWN = ("exptoken", "retain_url", "delete_url")


def one(screen: Screen, answer: Answer, seen: Seen) -> None:
    screen.line([piece(answer["token"], "bold")])
    screen.line(stands(answer, seen.now, due="due_at", since="started_at"))
    screen.outline(
        Row(depth=0, name=piece(name), value=value(name, answer[name], seen.now))
        for name in SHOWN
        if answer[name]
    )


def many(screen: Screen, answers: list[Answer], seen: Seen) -> None:
    """Draw who waits, and if `beside` is an Ahead, how many fall due when."""
    due = [answer["due_at"] and moment(answer["due_at"], seen.now) for answer in answers]
    rows = [
        [[piece(answer["token"])], state(answer, seen.now), when or [piece("-", "dim")]]
        for answer, when in zip(answers, due, strict=True)
    ]
    screen.table(("token", "state", "due"), rows)
    screen.line(count(len(answers), "person"))
    if seen.beside is not None:
        ahead(screen, seen.beside, seen.now)


def ahead(screen: Screen, found: Ahead, now: int) -> None:
    """Draw how many fall due now, week by week, and later: a bar each. Nothing if nobody does."""
    last = max((week for week, number in enumerate(found.weeks, 1) if number), default=0)
    bars = [("now", found.now, "red")] if found.now else []
    for week, number in enumerate(found.weeks[:last], 1):
        bars.append((f"by {times.text(now + week * times.WEEK)[:10]}", number, "cyan"))
    if found.later:
        bars.append(("later", found.later, "dim"))
    if not bars:
        return
    screen.blank()
    screen.line([piece("falls due, if not held", "bold")])
    most = max(number for _, number, _ in bars)
    digits = len(f"{most:,}")
    longest = max(1, min(BAR, screen.room() - len("by 2027-01-15  ") - digits - 2))
    for name, number, style in bars:
        length = number if most <= longest else -(-number * longest // most)
        text = f"{name:13}  {number:{digits},}"
        screen.line([piece(text, whole=True), piece("  "), piece("█" * length, style)])
