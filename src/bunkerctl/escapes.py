"""Stored text made harmless where it is shown: on a terminal, in a spreadsheet, on a page."""

from __future__ import annotations

from bunkerctl import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_CELL_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: f"\\u{code:04x}" for code in jsontext.BIDI_CONTROLS},
    ord("\t"): "\\t",
    ord("\n"): "\\n",
}
_WITH_LINES = {  # a quoted cell, and a page, may have lines and tabs
    code: escape for code, escape in _CELL_ESCAPES.items() if chr(code) not in "\t\n"
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet may run
(https://owasp.org/www-community/attacks/CSV_Injection)."""


def safe(text: str) -> str:
    """Escape whatever could drive a terminal, or forge a line."""
    return text.translate(_CELL_ESCAPES)


def cell(value: Any) -> str:
    """Return a value as one harmless cell: empty for null, JSON for what has parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return safe(",".join(value))
    return jsontext.escaped(jsontext.dumps(value))


def csv_cell(value: Any) -> str:
    """Return a cell that a spreadsheet takes for text, never for a formula."""
    text = value.translate(_WITH_LINES) if isinstance(value, str) else cell(value)
    return "'" + text if text.startswith(_FORMULA) else text


def csv_row(cells: Iterable[str]) -> str:
    """Return a line of CSV (RFC 4180, but for the end of a line, which is "\\n")."""
    import csv
    from io import StringIO

    line = StringIO()
    csv.writer(line).writerow(list(cells))  # told to end lines with "\n" it would not quote "\r"
    return line.getvalue().removesuffix("\r\n") + "\n"


def html(text: str) -> str:
    """Return text for a page, between tags or in a quoted attribute: shown, never obeyed."""
    import html

    return html.escape(text.translate(_WITH_LINES), quote=True)
