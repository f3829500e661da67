"""A nested JSON value as rows of (name, value), for people and spreadsheets.

`{"a": {"b": 1}, "c": [2, 3]}` is `a.b`, `c.1`, `c.2`: counted from 1, as people do.
"""

from __future__ import annotations

from itertools import islice

from bunkerctl import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MOST_PARTS = 1000
"""What has more parts is one row: nobody would read them."""
MOST_ROWS = 20_000
"""After so many fields the others are one row."""
REST = "(all else)"


def rows(
    value: dict[str, Any] | list[Any], whole: tuple[str, ...] = (), prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield a row for each part that has no parts, or too many; nothing is left out.

    Those named in `whole` are taken apart however many parts they have.
    """
    parts = value.items() if isinstance(value, dict) else enumerate(value, 1)
    for count, (key, part) in enumerate(parts):
        if count == MOST_ROWS and isinstance(value, dict):
            yield f"{prefix}{REST}", dict(islice(value.items(), count, None))
            return
        name = f"{prefix}{key}"
        if not (part and isinstance(part, dict | list)):
            yield name, part
        elif name in whole:
            yield from rows(part, whole, f"{name}.")
        else:
            inner = list(islice(rows(part, whole, f"{name}."), MOST_PARTS + 1))
            yield from inner if len(inner) <= MOST_PARTS else [(name, part)]


def text(value: Any) -> str:
    """Return a value as text: a string as it is, all else as JSON."""
    return value if isinstance(value, str) else jsontext.dumps(value)
