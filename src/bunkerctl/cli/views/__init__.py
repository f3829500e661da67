"""How answers look to a person: what to show of them, in which words, and in which colours.

A module here stands beside the module of `cli/answers` that has its name: `one` draws an answer,
`many` a list of them. What has no module of its own is drawn by `fields`. Nothing here knows rich.
"""

from __future__ import annotations

import re

from bunkerctl import jsontext, times
from bunkerctl.cli.screen import DOT, TIE, Cell, Piece, piece
from bunkerctl.escapes import cell, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bunkerctl.cli.answers import Answer


STATES = {
    "none": "dim",
    "wait": "cyan",
    "due": "red",
    "overdue": "bold red",
    "held": "magenta",
    "retain": "green",
    "expired": "dim",
}
LEVELS = {"ok": "green", "note": "cyan", "warning": "magenta", "error": "bold red"}
"""Words and their colours: such as can be read on a light and on a dark terminal."""

DAY = 86400
_UNITS = (  # up to so many seconds, so many seconds each
    (90, 1, "second"),
    (90 * 60, 60, "minute"),
    (36 * 3600, 3600, "hour"),
    (60 * DAY, DAY, "day"),
    (24 * 30.44 * DAY, 30.44 * DAY, "month"),
)
_TIMES = ("at", "since", "until", "last_sweep", "next_due", "key_since", "last_backup")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_LOOKS_ELSE = re.compile(r'(?:-?\d[\d.eE+-]*|true|false|null|["{[].*|-|)', re.DOTALL)
"""Strings that would be taken for something else, if they were shown without quotes."""


def relative(instant: int, now: int) -> str:
    """Say how far away an instant is, in one rounded number: in 7 days, 2 hours ago."""
    away = abs(instant - now)
    if away == 0:
        return "now"
    size, unit = next(
        ((size, unit) for most, size, unit in _UNITS if away < most), (365.25 * DAY, "year")
    )
    count = plural(max(1, round(away / size)), unit)
    return f"in {count}" if instant > now else f"{count} ago"


def plural(number: int, noun: str) -> str:
    """Count something: 1 person, 2 people."""
    if number != 1:
        noun = "people" if noun == "person" else f"{noun}s"
    return f"{number:,} {noun}"


def count(number: int, noun: str) -> Cell:
    return [piece(plural(number, noun), "dim")]


def moment(text: str, now: int) -> Cell:
    """Show a time as a day and an hour, in UTC, and how far away that is."""
    return [*_day_and_hour(text), DOT, _away(text, now, "{}")]


def aside(text: str, now: int, word: str = "") -> Cell:
    """Show a time as `moment` does, within a sentence and behind a word."""
    return [*_day_and_hour(text, word), TIE, _away(text, now, "({})")]


def _day_and_hour(text: str, word: str = "") -> Cell:
    said = times.text(times.parse_date(text))
    return [piece(f"{word} {said[:10]} {said[11:16]}Z".lstrip(), whole=True)]


def _away(text: str, now: int, form: str) -> Piece:
    return piece(form.format(relative(times.parse_date(text), now)), "dim", whole=True)


def state(answer: Answer, now: int) -> list[Piece]:
    """Show how a person stands: the status, or that it is due or overdue; and whether held."""
    word = str(answer["expstatus"])
    if answer["due_at"] and times.parse_date(answer["due_at"]) <= now:
        word = "overdue" if answer.get("overdue") else "due"
    words = [piece(word, STATES.get(word, ""), whole=True)]
    return [*words, piece(", "), piece("held", STATES["held"])] if answer["held"] else words


def stands(answer: Answer, now: int, **times: str) -> Cell:
    """Say how a person stands, and since or until when: a word and the name of a field each."""
    nothing = answer["expstatus"] == "none" and not answer["held"]
    said = [piece("no expiration", "dim", whole=True)] if nothing else state(answer, now)
    for word, name in times.items():
        if answer[name]:
            said += [DOT, *aside(answer[name], now, word)]
    if answer.get("changed") is False:
        said += [DOT, piece("nothing changed", whole=True)]
    return said


def value(name: str, found: Any, now: int) -> Cell:
    """Show the value of a field of an answer, by the name of the field."""
    if found is None or found in ("", [], {}):
        return [piece("-", "dim")]
    if isinstance(found, bool):
        return [piece("yes" if found else "no")]
    if isinstance(found, str):
        if (name in _TIMES or name.endswith("_at")) and _TIME.fullmatch(found):
            return moment(found, now)
        styles = {**STATES, **LEVELS} if name in ("expstatus", "level") else {}
        return [piece(safe(found), styles.get(found, ""))]
    if isinstance(found, dict):
        return pairs(found)
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return [piece(safe(", ".join(found)))]
    return [piece(cell(found))]


def pairs(found: dict[str, Any]) -> Cell:
    """Show an object in a line: its names, and their values."""
    shown: Cell = []
    for left, (name, one) in zip(reversed(range(len(found))), found.items(), strict=True):
        comma = ", " if left else ""
        shown += [piece(f"{scalar(name, inline=True)}: ", "dim"), piece(_inline(one) + comma)]
    return shown


def _inline(found: Any) -> str:
    if isinstance(found, dict) and found:
        said = (f"{scalar(name, inline=True)}: {_inline(one)}" for name, one in found.items())
        return f"({', '.join(said)})"
    if isinstance(found, list) and found:
        return f"[{', '.join(map(_inline, found))}]"
    return scalar(found, inline=True)


def scalar(found: Any, *, inline: bool = False) -> str:
    """Show a value of a record: a string bare, where it could be nothing else, or as JSON."""
    if not isinstance(found, str):
        return cell(found) if found is not None else "null"
    odd = _LOOKS_ELSE.fullmatch(found) or found != found.strip()
    if odd or (inline and (", " in found or ": " in found or found.endswith((",", ":")))):
        return jsontext.escaped(jsontext.dumps(found))
    return safe(found)
