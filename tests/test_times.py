"""Times: the grammar of durations and dates, month arithmetic, the horizon, the text written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import times
from bunkerctl.errors import Invalid
from bunkerctl.times import Duration
from conftest import START, Home

DURATIONS = {
    # text: (months, seconds)
    "90s": (0, 90),
    "45min": (0, 2700),
    "12h": (0, 43_200),
    "30d": (0, 2_592_000),
    "2w": (0, 1_209_600),
    "6mo": (6, 0),
    "1y": (12, 0),
    "1y6mo": (18, 0),
    "6mo1y": (18, 0),
    "1h1d": (0, 90_000),
    "1s2min3h4d5w6mo7y": (90, 3_380_521),
    "0d1h": (0, 3600),
    "01d": (0, 86_400),
    "000000000001d": (0, 86_400),
    "999999999999s": (0, 999_999_999_999),
    "99999999d": (0, 8_639_999_913_600),
    "P30D": (0, 2_592_000),
    "P1M": (1, 0),
    "PT1M": (0, 60),
    "PT12H": (0, 43_200),
    "P1W": (0, 604_800),
    "P1Y6M": (18, 0),
    "P1Y2M3W4DT5H6M7S": (14, 2_178_367),
    "P1WT1S": (0, 604_801),
}

UNIT = "a duration needs a unit"
EMPTY = "an empty duration"
FORM = "malformed duration"
UNKNOWN = "malformed duration: unknown unit"
TWICE = "malformed duration: a unit given twice"
ISO = "malformed ISO 8601 duration"
MONTH_OR_MINUTE = "`m` could be minutes or months"
ZERO = "a duration of zero"
FAR = "due more than 100 years from now"

NO_DURATIONS = [
    ("", EMPTY),
    ("0", UNIT),
    ("1", UNIT),
    ("30", UNIT),
    ("10d5", UNIT),
    ("P1", UNIT),
    ("P1DT1", UNIT),
    ("1" * 10_000, UNIT),
    ("0d", ZERO),
    ("0y0s", ZERO),
    ("P0D", ZERO),
    ("PT0S", ZERO),
    ("1m", MONTH_OR_MINUTE),
    ("30m", MONTH_OR_MINUTE),
    ("1y5m", MONTH_OR_MINUTE),
    ("-1d", FORM),
    ("+1d", FORM),
    ("d", FORM),
    ("1.5d", FORM),
    ("1,5d", FORM),
    ("1 d", FORM),
    (" 1d", FORM),
    ("1d ", FORM),
    ("1d\n", FORM),
    ("1d\0", FORM),
    ("1y 6mo", FORM),
    ("1_0d", FORM),
    ("\uff11d", FORM),
    ("\u0663d", FORM),
    ("\u00b2d", FORM),
    ("1\uff44", FORM),
    ("1\u00b5", FORM),
    ("NaN", FORM),
    ("inf", FORM),
    ("p30d", FORM),
    ("P-1D", FORM),
    ("P1.5D", FORM),
    ("P\u0661D", FORM),
    ("1e3d", UNKNOWN),
    ("1D", UNKNOWN),
    ("1M", UNKNOWN),
    ("1MIN", UNKNOWN),
    ("1mO", UNKNOWN),
    ("1mon", UNKNOWN),
    ("1ms", UNKNOWN),
    ("1dd", UNKNOWN),
    ("1d" + "x" * 10_000, UNKNOWN),
    ("1d1d", TWICE),
    ("1d" * 5000, TWICE),
    ("1y2mo3y", TWICE),
    ("P1Y1Y", TWICE),
    ("PT1H1H", TWICE),
    ("P", ISO),
    ("PT", ISO),
    ("P1DT", ISO),
    ("P1D1Y", ISO),
    ("P30d", ISO),
    ("P1H", ISO),
    ("PT1D", ISO),
    ("P1DP1D", ISO),
    ("1234567890123d", FAR),
    ("1" * 10_000 + "d", FAR),
    ("P" + "9" * 13 + "Y", FAR),
]


def refusal(function: object, *arguments: object) -> Invalid:
    """Return what a function refuses its arguments with."""
    assert callable(function)
    with pytest.raises(Invalid) as refused:
        function(*arguments)
    return refused.value


def seconds(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("text", DURATIONS)
def test_a_duration_is_calendar_months_and_seconds(text: str) -> None:
    months, rest = DURATIONS[text]
    assert times.parse_duration(text) == Duration(months=months, seconds=rest)


@pytest.mark.parametrize(("text", "message"), NO_DURATIONS, ids=lambda text: ascii(text)[:20])
def test_what_is_not_a_duration_is_refused(text: str, message: str) -> None:
    assert refusal(times.parse_duration, text).message == message


def test_an_ambiguous_duration_is_refused_with_what_to_write_instead() -> None:
    assert refusal(times.parse_duration, "1m").hint == "write 5min or 5mo"
    hint = refusal(times.parse_duration, "30").hint
    assert hint is not None and "30d" in hint and "45min" in hint


def test_zero_is_a_duration_where_it_is_asked_for() -> None:
    assert times.parse_duration("0s", zero=True) == Duration(months=0, seconds=0)
    with pytest.raises(Invalid):
        times.parse_duration("0", zero=True)


@given(st.text("0123456789smindhwoyPTYMDHS .-", max_size=12))
def test_any_text_is_a_duration_or_is_refused(text: str) -> None:
    try:
        duration = times.parse_duration(text)
    except Invalid as refused:
        assert refused.exit_code == 2
    else:
        assert duration.months + duration.seconds > 0


MONTHS_AFTER = [
    ((2026, 1, 31), 1, (2026, 2, 28)),
    ((2028, 1, 31), 1, (2028, 2, 29)),
    ((2100, 1, 31), 1, (2100, 2, 28)),
    ((2000, 1, 30), 1, (2000, 2, 29)),
    ((2027, 1, 29), 1, (2027, 2, 28)),
    ((2027, 1, 28), 1, (2027, 2, 28)),
    ((2026, 3, 31), 1, (2026, 4, 30)),
    ((2026, 1, 31), 2, (2026, 3, 31)),
    ((2026, 12, 31), 2, (2027, 2, 28)),
    ((2026, 12, 15), 1, (2027, 1, 15)),
    ((2028, 2, 29), 12, (2029, 2, 28)),
    ((2028, 2, 29), 48, (2032, 2, 29)),
    ((2026, 8, 31), 18, (2028, 2, 29)),
]


@pytest.mark.parametrize(("start", "months", "end"), MONTHS_AFTER)
def test_months_end_on_the_same_day_or_the_last_of_the_month(
    start: tuple[int, int, int], months: int, end: tuple[int, int, int]
) -> None:
    duration = Duration(months=months, seconds=0)
    assert times.after(seconds(*start, 13, 45), duration) == seconds(*end, 13, 45)


def test_months_are_added_before_seconds() -> None:
    duration = Duration(months=1, seconds=86_400)
    assert times.after(seconds(2026, 1, 31), duration) == seconds(2026, 3, 1)
    assert times.before(seconds(2026, 3, 31), duration) == seconds(2026, 2, 27)


def test_the_horizon_is_a_hundred_calendar_years() -> None:
    horizon = 4_955_673_600  # 2127-01-15T08:00:00Z
    assert times.after(START, Duration(months=1200, seconds=0)) == horizon
    times.check_horizon(START, horizon)
    for months, rest in ((1200, 1), (1201, 0), (10**13, 0), (0, 10**13), (0, horizon - START + 1)):
        assert refusal(times.after, START, Duration(months=months, seconds=rest)).message == FAR
    assert refusal(times.check_horizon, START, horizon + 1).message == FAR
    assert times.after(seconds(2028, 2, 29), Duration(months=1200, seconds=0)) == seconds(
        2128, 2, 29
    )


DATES = {
    "1970-01-01": 0,
    "2026-12-31": 1_798_675_200,
    "2024-02-29": 1_709_164_800,
    "2026-12-31T23:00:00Z": 1_798_758_000,
    "2026-12-31t23:00:00z": 1_798_758_000,
    "2026-12-31T23:00:00+02:00": 1_798_750_800,
    "2026-12-31T23:00:00-05:30": 1_798_777_800,
    "2026-12-31T23:00:00-00:00": 1_798_758_000,
    "2026-12-31T23:00:00+23:59": 1_798_671_660,
    "2038-01-19T03:14:08Z": 2_147_483_648,
    "1969-12-31T23:59:59Z": -1,
    "0001-01-01": -62_135_596_800,
    "9999-12-31T23:59:59Z": 253_402_300_799,
}

# fmt: off
NO_DATES = [
    "2026-02-30", "2026-13-01", "2026-00-10", "2026-01-00", "2023-02-29", "2100-02-29",
    "0000-01-01", "10000-01-01", "-2026-01-01", "26-12-31", "20261231", "2026-W01-1",
    "2026-365", "2026-1-1", "2026/12/31", "31.12.2026", "today", "2026-12-31T", "2026-12-31Z",
    "2026-12-31T23:00:00", "2026-12-31T23:00Z", "2026-12-31T23Z", "2026-12-31T230000Z",
    "2026-12-31T24:00:00Z", "2026-12-31T23:60:00Z", "2026-12-31T23:59:60Z",
    "2016-12-31T23:59:60Z", "2026-12-31T23:59:59.5Z", "2026-12-31T23:59:59,5Z",
    "2026-12-31T23:00:00Zx", "2026-12-31T23:00:00+02:00Z", "2026-12-31T23:00:00+2",
    "2026-12-31T23:00:00+02", "2026-12-31T23:00:00+0200", "2026-12-31T23:00:00+24:00",
    "2026-12-31T23:00:00+02:60", "2026-12-31T23:00:00+99:99", "2026-12-31T23:00:00*02:00",
    "9999-12-31T23:00:00-02:00", "0001-01-01T00:00:00+01:00",
    "", " 2026-12-31", "2026-12-31 ", "2026-12-31\n", "2026-12-31 23:00:00Z", "\uff12026-12-31",
    "2026-12-31T\u0662\u0663:00:00Z", "9" * 10_000,
]
# fmt: on


@pytest.mark.parametrize("text", DATES)
def test_a_date_is_an_instant(text: str) -> None:
    assert times.parse_date(text) == DATES[text]


@pytest.mark.parametrize("text", NO_DATES, ids=lambda text: ascii(text)[:30])
def test_what_is_not_a_date_is_refused_with_an_example(text: str) -> None:
    hint = refusal(times.parse_date, text).hint
    assert hint == "write it like 2026-12-31 or 2026-12-31T23:00:00Z"


MOMENTS = {
    "2026-12-31": 1_798_675_200,
    "2026-12-31T23:00:00Z": 1_798_758_000,
    "1h": 1_799_996_400,
    "1mo": 1_797_321_600,  # 2026-12-15T08:00:00Z
    "P30D": 1_797_408_000,
    "100y": -1_355_760_000,  # 1927-01-15T08:00:00Z
    "2026y": -62_134_358_400,
}


@pytest.mark.parametrize("text", MOMENTS)
def test_a_moment_is_a_date_or_that_long_ago(text: str) -> None:
    assert times.parse_moment(text, START) == MOMENTS[text]


@pytest.mark.parametrize(
    "text", ["", "0d", "1m", "2027", "202-", "-1d", "1234-", "2027y", "9999y", "123456789012mo"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    refusal(times.parse_moment, text, START)


@given(st.integers(DATES["0001-01-01"], DATES["9999-12-31T23:59:59Z"]))
def test_an_instant_reads_back_as_it_was_written(instant: int) -> None:
    written = times.text(instant)
    assert len(written) == 20 and written.endswith("Z")
    assert times.parse_date(written) == instant


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "9999-12-31T23:00:00-02:00"])
def test_a_hold_until_the_end_of_time_can_be_shown_or_is_refused(home: Home, moment: str) -> None:
    home.add(login="ann")
    assert home.run(f"user hold login:ann --reason case --until {moment}").code in (0, 2)
    home.ok("export login:ann")
