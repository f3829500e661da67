"""Durations, dates and instants: strict grammar in, RFC 3339 out. All in UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bunkerctl.errors import Invalid
from bunkerctl.lean import lru_cache
from bunkerctl.model import Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86400
WEEK = 7 * DAY
HORIZON_YEARS = 100
MAX_DIGITS = 12

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MONTHS = {"mo": 1, "y": 12}
_ISO_DATE = {"Y": "y", "M": "mo", "W": "w", "D": "d"}
_ISO_TIME = {"H": "h", "M": "min", "S": "s"}
_DIGITS = frozenset("0123456789")
_HINT = "write it like 90s, 45min, 12h, 30d, 2w, 6mo, 1y, 1y6mo or P30D"


class Duration(Value):
    """Calendar months and seconds: a month is not a number of seconds."""

    months: int
    seconds: int


@lru_cache
def parse_duration(text: str, *, zero: bool = False) -> Duration:
    """Parse `90s 45min 12h 30d 2w 6mo 1y`, a sum such as `1y6mo`, or ISO 8601 (`P1Y6M`, `PT12H`).

    Raises:
        Invalid: anything else; zero too, unless `zero` is true.
    """
    amounts = _iso_amounts(text) if text[:1] == "P" else _plain_amounts(text)
    duration = Duration(
        months=sum(n * _MONTHS[unit] for unit, n in amounts.items() if unit in _MONTHS),
        seconds=sum(n * _SECONDS[unit] for unit, n in amounts.items() if unit in _SECONDS),
    )
    if not (zero or duration.months or duration.seconds):
        raise Invalid("a duration of zero", hint=_HINT)
    return duration


def parse_date(text: str) -> int:
    """Parse `2026-12-31` (its start, UTC) or RFC 3339 (`2026-12-31T23:00:00Z`) to Unix seconds.

    Raises:
        Invalid: anything else; a time without a zone, a fraction of a second, a leap second.
    """
    hint = "write it like 2026-12-31 or 2026-12-31T23:00:00Z"
    day, mark, clock = text[:10], text[10:11], text[11:]
    if not _matches(day, "dddd-dd-dd") or mark not in ("", "T", "t") or (mark and not clock):
        raise Invalid("malformed date", hint=hint)
    if not mark:
        clock = "00:00:00Z"
    zone = clock[8:]
    if not _matches(clock[:8], "dd:dd:dd") or not (zone in ("Z", "z") or _is_offset(zone)):
        raise Invalid("malformed time of day, or no time zone", hint=hint)
    offset = zone.replace("Z", "+00:00").replace("z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock[:8]}{offset}").astimezone(UTC)
        return int((moment - EPOCH).total_seconds())
    except (ValueError, OverflowError):
        raise Invalid("no such date", hint=hint) from None


def parse_moment(text: str, now: int) -> int:
    """Parse a date, or a duration that means that long before `now`."""
    if text[4:5] == "-":
        return parse_date(text)
    return before(now, parse_duration(text))


def after(now: int, duration: Duration) -> int:
    """Return the instant that lies `duration` after `now`: months first, then seconds.

    A day that the month lacks becomes its last (31 January + 1mo = 28 February).

    Raises:
        Invalid: more than 100 years away.
    """
    if duration.months > HORIZON_YEARS * 12:
        raise _too_far()
    horizon = _horizon(now)
    due = _plus_months(now, duration.months) + duration.seconds
    if due > horizon:
        raise _too_far()
    return due


def check_horizon(now: int, due_at: int) -> None:
    """Raise Invalid if `due_at` is more than 100 years after `now`."""
    if due_at > _horizon(now):
        raise _too_far()


def before(now: int, duration: Duration) -> int:
    """Return the instant that lies `duration` before `now`, as far back as year 1."""
    try:
        return _plus_months(now, -duration.months) - duration.seconds
    except (ValueError, OverflowError):
        raise Invalid("a duration that reaches before year 1") from None


@lru_cache(maxsize=4096)
def text(instant: int) -> str:
    """Write Unix seconds as RFC 3339, in UTC with `Z`."""
    day, second = divmod(instant, DAY)
    return f"{_date(day)}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


@lru_cache
def _date(day: int) -> str:
    return (EPOCH + timedelta(days=day)).strftime("%Y-%m-%d").rjust(10, "0")


def week(instant: int) -> str:
    """Return the week of an instant, as ISO 8601 has it: `2027-W03`."""
    year, number, _ = (EPOCH + timedelta(seconds=instant)).isocalendar()
    return f"{year:04}-W{number:02}"


def _horizon(now: int) -> int:
    try:
        return _plus_months(now, HORIZON_YEARS * 12)
    except (ValueError, OverflowError):  # a clock near the year 10000
        raise _too_far() from None


def _too_far() -> Invalid:
    return Invalid(f"due more than {HORIZON_YEARS} years from now")


def _plus_months(instant: int, months: int) -> int:
    moment = EPOCH + timedelta(seconds=instant)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in range(moment.day, 27, -1):
        try:
            return int(
                (moment.replace(year=year, month=month + 1, day=day) - EPOCH).total_seconds()
            )
        except ValueError:
            if day == 28:
                raise
    return int((moment.replace(year=year, month=month + 1) - EPOCH).total_seconds())


def _plain_amounts(text: str) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for digits, unit in _tokens(text):
        if unit == "m":
            raise Invalid("`m` could be minutes or months", hint="write 5min or 5mo")
        if unit not in _SECONDS and unit not in _MONTHS:
            raise Invalid("malformed duration: unknown unit", hint=_HINT)
        _put(amounts, unit, digits)
    return amounts


def _iso_amounts(text: str) -> dict[str, int]:
    date, mark, clock = text[1:].partition("T")
    if not (date or clock) or (mark and not clock):
        raise Invalid("malformed ISO 8601 duration", hint=_HINT)
    amounts: dict[str, int] = {}
    for part, units in ((date, _ISO_DATE), (clock, _ISO_TIME)):
        last = -1
        for digits, letter in _tokens(part) if part else ():
            if letter not in units or list(units).index(letter) < last:
                raise Invalid("malformed ISO 8601 duration", hint=_HINT)
            last = list(units).index(letter)
            _put(amounts, units[letter], digits)
    return amounts


def _tokens(text: str) -> list[tuple[str, str]]:
    """Split `1y6mo` into ("1", "y"), ("6", "mo")."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        start = position
        while position < len(text) and text[position] in _DIGITS:
            position += 1
        middle = position
        while position < len(text) and text[position].isascii() and text[position].isalpha():
            position += 1
        if middle == start or (position == middle and position < len(text)):
            raise Invalid("malformed duration", hint=_HINT)
        if position == middle:
            raise Invalid("a duration needs a unit", hint=_HINT)
        tokens.append((text[start:middle], text[middle:position]))
    if not tokens:
        raise Invalid("an empty duration", hint=_HINT)
    return tokens


def _put(amounts: dict[str, int], unit: str, digits: str) -> None:
    if unit in amounts:
        raise Invalid("malformed duration: a unit given twice", hint=_HINT)
    if len(digits) > MAX_DIGITS:
        raise _too_far()
    amounts[unit] = int(digits)


def _matches(text: str, shape: str) -> bool:
    return len(text) == len(shape) and all(
        char in _DIGITS if want == "d" else char == want
        for char, want in zip(text, shape, strict=True)
    )


def _is_offset(zone: str) -> bool:
    return _matches(zone[1:], "dd:dd") and zone[0] in "+-" and zone[4] < "6"
