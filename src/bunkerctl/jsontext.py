"""JSON as this program accepts and writes it: strict in, faithful and harmless out.

Source: RFC 8259, with the choices that it leaves open taken the safe way.

The work is done by the C half of the standard library's `json`, taken without the package around
it: that imports `re` and `enum`, which takes longer than to open the vault. Where that half is
another one than is known here, the package is asked.
"""

from __future__ import annotations

from bunkerctl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 100

Json = object
"""None, bool, int, Decimal (a number with a fraction or an exponent), str, list or dict."""

BIDI_CONTROLS = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Bidirectional controls, and the separators of lines and paragraphs."""

# With DEL and C1, as JSON escapes: they would reach the terminal of whoever looks at the answer.
_BLANKS = " \t\n\r"

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
        value, end = _scan_whole(text, len(text) - len(text.lstrip(_BLANKS)))
    except RecursionError:
        raise Invalid(f"{what} is nested deeper than {MAX_DEPTH}") from None
    except _Fault as fault:
        raise Invalid(f"{what} has {fault}") from None
    except StopIteration as nothing:  # no value begins here
        raise Invalid(f"{what} has malformed JSON {_place(text, nothing.value)}") from None
    except ValueError as error:
        if hasattr(error, "pos"):  # json.JSONDecodeError
            raise Invalid(f"{what} has malformed JSON {_place(text, error.pos)}") from None
        # CPython refuses to convert integers of more than 4,300 digits.
        raise Invalid(f"{what} has an integer that is too long") from None
    end = len(text) - len(text[end:].lstrip(_BLANKS))
    if end < len(text):
        raise Invalid(f"{what} has a second document {_place(text, end)}")
    if "\\u" in text and _has_surrogate(value):
        raise Invalid(f"{what} has a lone surrogate")
    _check_depth(value, raw, what)
    return value


def _scan_whole(text: str, start: int) -> tuple[Json, int]:
    try:
        return _scan(text, start)
    except SystemError:  # its error is the package's, which it does not import
        import json  # noqa: F401

        return _scan(text, start)


def is_compact(raw: bytes) -> bool:
    """Tell, of good JSON, that it is beyond doubt just what `dumps` would write.

    Without a backslash, every second quotation mark ends a string. Between the strings there must
    be no blank and no number but integers without a sign; false means no more than: write it anew.
    """
    if b"\\" in raw:
        return False
    return not b"".join(raw.split(b'"')[::2]).strip(b"{}[]:,0123456789")


def check(value: Json, what: str) -> None:
    """Raise Invalid for what `loads` would refuse of this value: too long, nested too deep."""
    check_written(value, dumps(value).encode(), what)


def check_written(value: Json, written: bytes, what: str) -> None:
    """As `check`, of a value that has been written already, perhaps with something before it."""
    if len(written) > MAX_BYTES:
        raise Invalid(f"{what} is over {MAX_BYTES // 1024 // 1024} MiB")
    _check_depth(value, written, what)


def _check_depth(value: Json, written: bytes, what: str) -> None:
    """Raise Invalid if arrays and objects are nested deeper than 100."""
    if written.count(b"[") + written.count(b"{") <= MAX_DEPTH:
        return
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
        return "".join((_encode_sorted if sort_keys else _encode)(value, 0))
    except _HasDecimal:
        return _write(value, sort_keys)


def escaped(text: str) -> str:
    """Escape what could drive a terminal in JSON text that is about to be shown."""
    return text if text.isascii() and "\x7f" not in text else text.translate(_ESCAPES)


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"(line {line}, column {position - text.rfind(chr(10), 0, position)})"


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
    return "".join(_encode(value, 0))


class _Rules:
    """How to read, as the C scanner asks for it (`json.JSONDecoder` has the same attributes)."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    array_hook = None
    parse_float = staticmethod(_number)
    parse_int = int
    parse_constant = staticmethod(_constant)


def _scanner() -> Callable[[str, int], tuple[Json, int]]:
    """Return what reads one value of a text from a place on; StopIteration says there is none."""
    rules: Any = _Rules
    try:
        from _json import make_scanner

        return make_scanner(rules)
    except (ImportError, AttributeError, TypeError):
        import json

        rules = json.JSONDecoder(
            object_pairs_hook=_object, parse_float=_number, parse_constant=_constant
        )
        scanner: Callable[[str, int], tuple[Json, int]] = rules.scan_once
        return scanner


def _encoder(*, sort_keys: bool) -> Callable[[Json, int], Iterable[str]]:
    """Return what writes a value, in parts; its second argument is the depth it begins at."""
    try:
        from _json import make_encoder

        encoder: Callable[[Json, int], Iterable[str]] = make_encoder(
            None, _unknown, _quote, None, ":", ",", sort_keys, False, False
        )
    except (ImportError, TypeError):
        import json

        package = json.JSONEncoder(
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            sort_keys=sort_keys,
            default=_unknown,
        )
        return lambda value, _depth: package.iterencode(value)
    return encoder


def _quoter() -> Callable[[str], str]:
    try:
        from _json import encode_basestring
    except ImportError:
        from json.encoder import encode_basestring
    quoter: Callable[[str], str] = encode_basestring
    return quoter


_quote = _quoter()
_scan = _scanner()
_encode, _encode_sorted = _encoder(sort_keys=False), _encoder(sort_keys=True)
