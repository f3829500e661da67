"""JSON: strict in, faithful and harmless out."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunkerctl import jsontext
from bunkerctl.errors import Invalid

CANARY = "canary"
MIB = 1024 * 1024


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]", core: bytes = b"") -> bytes:
    return opening * depth + core + closing * depth


FAULTS = {
    # what the message says: documents that have the fault
    "malformed JSON (line 1, column": [
        b"",
        b" ",
        b"[1,]",
        b'{"canary":1,}',
        b'{"canary"}',
        b"{canary:1}",
        b"'canary'",
        b'"canary',
        b"nul",
        b"True",
        b"+1",
        b".5",
        b"[1,2",
        b'"\x00canary"',
        b'"\x1f"',
        b'"\\x41"',
        b'"\\u12"',
        b"\xc2\xa0{}",
        b"// canary",
        b"canary",
    ],
    "malformed JSON (line 2, column": [b"\n", b'{"a":1,\n"canary" 2}'],
    "a second document (line 1, column": [
        b'{} {"canary":1}',
        b'{}{"canary":1}',
        b"1 2",
        b"01",
        b"0x1",
        b"1.",
        b"1e",
        b"[1]\x00",
        b"[1]]",
    ],
    "a second document (line 2, column 1)": [b'{"canary":1}\n{"canary":2}'],
    "a duplicate key": [
        b'{"canary":1,"canary":1}',
        b'{"a":1,"\\u0061":"canary"}',
        b'[{"b":{"canary":1,"x":2,"canary":3}}]',
        b'{"":1,"":2}',
    ],
    "NaN or Infinity": [b"NaN", b"[Infinity]", b'{"canary":-Infinity}'],
    "a number that overflows": [
        b"1e999",
        b"[-1e999]",
        b"1e309",
        b"1.7976931348623159e308",
        b"1e309999999999999999999",
        b"1e-99999999999999999999",
        b"9" * 400 + b".5",
    ],
    "an integer that is too long": [b"9" * 5000, b'{"canary":-' + b"1" * 4301 + b"}"],
    "a lone surrogate": [
        b'"canary\\ud800"',
        b'"\\udfff"',
        b'"\\ude00\\ud83d"',
        b'{"canary\\ud800":1}',
        b'[1.5,["canary\\uDBFF"]]',
    ],
    "is not UTF-8 (byte 1)": ['{"canary":1}'.encode("utf-16"), b"\xffcanary", b"\xa0{}"],
    "is not UTF-8 (byte 2)": [
        '"\u00e9canary"'.encode("latin-1"),
        b'"\xed\xa0\x80canary"',
        b'"\xc0\x80"',
        b'"\xf4\x90\x80\x80"',
        b"[" + '"canary"]'.encode("utf-16"),
    ],
    "begins with a byte order mark": [b'\xef\xbb\xbf{"canary":1}', b"\xef\xbb\xbf"],
    "is nested deeper than 100": [
        nested(101),
        nested(101, b'{"canary":', b"}", b"1"),
        nested(101, core=b"1.5"),
        nested(51, b'[{"a":', b"}]", b"1"),
        nested(100_000),
    ],
    "is over 10 MiB": [b'"' + b"a" * (10 * MIB - 1) + b'"', b"\xff" * (10 * MIB + 1)],
}
CASES = [(fault, raw) for fault, documents in FAULTS.items() for raw in documents]


def refusal(raw: bytes) -> str:
    with pytest.raises(Invalid) as refused:
        jsontext.loads(raw, "the record")
    assert refused.value.__cause__ is None  # a traceback would show the document
    return refused.value.message


@pytest.mark.parametrize(("fault", "raw"), CASES, ids=lambda part: f"{part[:20]!a}-{len(part)}")
def test_what_is_not_strict_json_is_refused_without_showing_it(fault: str, raw: bytes) -> None:
    message = refusal(raw)
    assert message.startswith("the record ") and fault in message
    assert CANARY not in message


@given(st.binary(max_size=40) | st.text('{}[]",:\\u0d18eE+-.ntf ', max_size=25).map(str.encode))
def test_whatever_is_accepted_is_json_to_others_too(raw: bytes) -> None:
    try:
        value = jsontext.loads(raw)
    except Invalid as refused:
        assert refused.message.startswith("the JSON ")
    else:
        assert json.loads(raw) == json.loads(jsontext.dumps(value))


ACCEPTED = [
    (b" [1, 2]\r\n", [1, 2]),
    (b"null", None),
    (b"true", True),
    (b'"text"', "text"),
    (b'"a\\u0000b"', "a\0b"),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    ('"\U0001f600"'.encode(), "\U0001f600"),
    (b'"\\\\ud800"', "\\ud800"),
    (b'"\\u001b\x7f\xc2\x9b"', "\x1b\x7f\x9b"),
    ('"A\u0301 \u202e"'.encode(), "A\u0301 \u202e"),
    (b'{"":{"":[]},"B":1,"a":2}', {"": {"": []}, "B": 1, "a": 2}),
    (b"9" * 4300, 10**4300 - 1),
    (b"-9223372036854775809", -(2**63) - 1),
]


@pytest.mark.parametrize(("raw", "value"), ACCEPTED, ids=lambda part: ascii(part)[:20])
def test_strict_json_is_accepted_as_it_stands(raw: bytes, value: object) -> None:
    parsed = jsontext.loads(raw)
    assert parsed == value and type(parsed) is type(value)
    again = jsontext.loads(jsontext.dumps(parsed).encode())
    assert jsontext.dumps(again) == jsontext.dumps(value)


def test_a_hundred_levels_and_ten_mebibytes_are_accepted() -> None:
    for raw in (
        nested(100),
        nested(100, b'{"a":', b"}", b"1.5"),
        nested(50, b'[{"a":', b"}]", b"1"),
    ):
        assert jsontext.dumps(jsontext.loads(raw)).encode() == raw
    largest = b'"' + b"a" * (10 * MIB - 2) + b'"'
    assert jsontext.loads(largest) == "a" * (10 * MIB - 2)


def test_depth_is_checked_of_values_that_were_never_text() -> None:
    value: jsontext.Json = "x"
    for _ in range(100):
        value = [value, {}] if isinstance(value, dict) else {"a": value}
    jsontext.check(value, "the record")
    with pytest.raises(Invalid, match="the record is nested deeper than 100"):
        jsontext.check([value], "the record")


NUMBERS = {
    # what comes in: what goes out
    "0": "0",
    "-1": "-1",
    "12345678901234567890123": "12345678901234567890123",
    "1.10": "1.10",
    "1.0": "1.0",
    "-0.0": "-0.0",
    "0.10000000000000000000001": "0.10000000000000000000001",
    "3.141592653589793238462643": "3.141592653589793238462643",
    "1E5": "1E+5",
    "1e5": "1E+5",
    "1.50e-7": "1.50E-7",
    "1e308": "1E+308",
    "1e-400": "1E-400",
}


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_keeps_its_digits(number: str) -> None:
    for before, after in (("", ""), ("[", "]"), ('{"a":[{"b":', "}]}")):
        value = jsontext.loads(f"{before}{number}{after}".encode())
        assert jsontext.dumps(value) == f"{before}{NUMBERS[number]}{after}"
    assert Decimal(number).as_tuple() == Decimal(NUMBERS[number]).as_tuple()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda number: Decimal(repr(number)))
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(VALUES)
def test_any_value_comes_back_as_it_was_written(value: object) -> None:
    written = jsontext.dumps(value)
    again = jsontext.loads(written.encode())
    assert again == value
    assert jsontext.dumps(again) == written
    assert jsontext.loads(jsontext.escaped(written).encode()) == value
    assert jsontext.loads(jsontext.dumps(value, sort_keys=True).encode()) == value


@pytest.mark.parametrize("number", [1, Decimal("1.0")])
def test_keys_come_out_as_they_came_or_sorted(number: object) -> None:
    value = {"b": number, "a": {"d": [], "c": {}}}
    digits = str(number)
    assert jsontext.dumps(value) == f'{{"b":{digits},"a":{{"d":[],"c":{{}}}}}}'
    assert jsontext.dumps(value, sort_keys=True) == f'{{"a":{{"c":{{}},"d":[]}},"b":{digits}}}'


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, [object()], float("nan"), float("inf")])
def test_what_json_has_no_word_for_is_never_written(value: object) -> None:
    for mixed in (value, [value, Decimal("1.0")], [Decimal("1.0"), value]):
        with pytest.raises((TypeError, ValueError)):
            jsontext.dumps(mixed)


DRIVERS = [
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
]


def test_c1_and_bidi_are_written_as_escapes_that_read_back() -> None:
    text = "".join(DRIVERS)
    shown = jsontext.escaped(jsontext.dumps({text: text}))
    assert shown.isascii() and shown.isprintable()
    assert shown.startswith('{"\\u007f\\u0080')
    assert json.loads(shown) == {text: text}


@pytest.mark.parametrize(
    "text", ["", "ann", "\u00e6\u00f8\u00e5 \U0001f600 \u05d0\u0628", "\\u202e"]
)
def test_what_is_harmless_is_not_escaped(text: str) -> None:
    assert jsontext.escaped(text) == text


@given(TEXT)
def test_nothing_that_is_shown_can_drive_a_terminal(text: str) -> None:
    shown = jsontext.escaped(jsontext.dumps([text]))
    assert not any(char < " " or char in DRIVERS for char in shown)


@pytest.mark.parametrize(
    "raw", [b'"a', b'{"a"', b"[1,", b'{"a":}', b"[1 2]", b'"\\x"', b"nul", b"-"]
)
def test_what_is_malformed_is_told_before_the_json_package_is_imported(raw: bytes) -> None:
    """The C half raises an error of the package, and does not import it."""
    code = (
        "import sys\nfrom bunkerctl import errors, jsontext\n"
        "assert 'json' not in sys.modules\n"
        f"try:\n    jsontext.loads({raw!r})\n"
        "except errors.Invalid as error:\n    print(error.message)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}
    )
    assert "malformed JSON (line 1, column" in done.stdout


NEARLY_COMPACT = st.lists(
    st.sampled_from(['{"a":', "}", "[", "]", ",", '"', " ", "-0", "0.10", "1"])
)
WITH_A_BLANK = st.builds(
    lambda value, at: jsontext.dumps(value)[:at] + " " + jsontext.dumps(value)[at:],
    VALUES,
    st.integers(min_value=0, max_value=30),
)


@given(NEARLY_COMPACT.map("".join) | WITH_A_BLANK | VALUES.map(jsontext.dumps))
def test_what_is_compact_is_what_would_be_written(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    try:
        value = jsontext.loads(raw)
    except Invalid:
        return
    if jsontext.is_compact(raw):
        assert jsontext.dumps(value).encode() == raw


def test_a_plain_record_is_compact() -> None:
    assert jsontext.is_compact('{"login":"ann","name":"Ann Ä: [1]","tags":[1,20],"in":{}}'.encode())
    for text in ('{"a": 1}', '{"a":1}\n', '{"a":"\\u0041"}', '{"a":-0}', '{"a":1.0}', '{"a":1e5}'):
        assert not jsontext.is_compact(text.encode())
