"""JSON as this program accepts and writes it: strict in, faithful and harmless out.

Source: RFC 8259, with the choices that it leaves open taken the safe way.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring as _quote

from bunkerctl.errors import Invalid

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 100

Json = object
"""None, bool, int, Decimal (a number with a fraction or an exponent), str, list or dict."""

BIDI_CONTROLS = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Bidirectional controls, and the separators of lines and paragraphs."""

# With DEL and C1, as JSON escapes: they would reach the terminal of whoever looks at the answer.
_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *BIDI_CONTROLS)}


def loads(raw: bytes, what: str = "the JSON") -> Json:
    """Parse one JSON document.

    Numbers with a fraction come back as `Decimal`, so that `1.10` is still `1.10` when
    it is written again.

    Raises:
        Invalid: not UTF-8, a BOM, malformed, a second document, a duplicate key, NaN or
            Infinity, a number beyond a double, a lone surrogate, deeper than 100, over 10 MiB.
    """
    if len(raw) > MAX_BYTES:
        raise Invalid(f"{what} is over {MAX_BYTES // 1024 // 1024} MiB")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Invalid(f"{what} begins with a byte order mark", hint="save it as UTF-8 without BOM")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{what} is not UTF-8 (byte {error.start + 1})") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_number,
            parse_constant=_constant,
        )
    except RecursionError:
        raise Invalid(f"{what} is nested deeper than {MAX_DEPTH}") from None
    except _Fault as fault:
        raise Invalid(f"{what} has {fault}") from None
    except json.JSONDecodeError as error:
        problem = "a second document" if error.msg == "Extra data" else "malformed JSON"
        raise Invalid(f"{what} has {problem} (line {error.lineno}, column {error.colno})") from None
    except ValueError:  # CPython refuses to convert integers of more than 4,300 digits
        raise Invalid(f"{what} has an integer that is too long") from None
    if "\\u" in text and _has_surrogate(value):
        raise Invalid(f"{what} has a lone surrogate")
    check_depth(value, what)
    return value


def check_depth(value: Json, what: str) -> None:
    """Raise Invalid if arrays and objects are nested deeper than 100."""
    level, depth = [value], 0
    while level:
        containers = [item for item in level if isinstance(item, dict | list)]
        depth += bool(containers)
        if depth > MAX_DEPTH:
            raise Invalid(f"{what} is nested deeper than {MAX_DEPTH}")
        level = [
            child
            for item in containers
            for child in (item.values() if isinstance(item, dict) else item)
        ]


def dumps(value: Json, *, sort_keys: bool = False) -> str:
    """Write compact JSON: keys as they came, or sorted (RFC 8785 for our own events)."""
    try:
        return json.dumps(
            value,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            sort_keys=sort_keys,
            default=_unknown,
        )
    except _HasDecimal:
        return _write(value, sort_keys)


def escaped(text: str) -> str:
    """Escape what could drive a terminal in JSON text that is about to be shown."""
    return text if text.isascii() and "\x7f" not in text else text.translate(_ESCAPES)


class _Fault(Exception):
    pass


class _HasDecimal(Exception):
    pass


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Fault("a duplicate key")
    return value


def _number(text: str) -> Json:
    from decimal import Decimal, InvalidOperation  # few records need it, and it is slow to load

    if float(text) in (float("inf"), float("-inf")):
        raise _Fault("a number that overflows")
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent below what even Decimal holds
        raise _Fault("a number that overflows") from None


def _is_decimal(value: Json) -> bool:
    return type(value).__name__ == "Decimal"


def _constant(_text: str) -> Json:
    raise _Fault("NaN or Infinity")


def _has_surrogate(value: Json) -> bool:
    try:
        dumps(value).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _unknown(value: Json) -> Json:
    if _is_decimal(value):
        raise _HasDecimal
    raise TypeError(f"no JSON for {type(value).__name__}")


def _write(value: Json, sort_keys: bool) -> str:
    """As json.dumps, which has no way to write a number's own digits."""
    if _is_decimal(value):
        return str(value)
    if isinstance(value, dict):
        items = sorted(value.items()) if sort_keys else value.items()
        return "{" + ",".join(f"{_quote(k)}:{_write(v, sort_keys)}" for k, v in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_write(item, sort_keys) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
