"""Personal values as a listing shows them: enough to recognise, not enough to use."""

from __future__ import annotations

from bunkerctl.identities import is_plain_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HIDDEN = "***"


def mask(value: Any) -> Any:
    """Return a value of the same shape: names of fields stay, what they hold does not.

    `john@example.com` becomes `j***@e***.com`, other text keeps its first character,
    numbers and truth values nothing.
    """
    if isinstance(value, dict):
        return {name: mask(item) for name, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    if isinstance(value, str):
        return _address(value) if is_plain_address(value) else _text(value)
    return None if value is None else HIDDEN


def _text(value: str) -> str:
    return value[0] + HIDDEN if len(value) > 2 else HIDDEN


def _address(value: str) -> str:
    local, _, domain = value.rpartition("@")
    name, dot, top = domain.rpartition(".")
    end = dot + top if dot and top.isalpha() and len(top) <= 6 else ""
    return f"{local[:1]}{HIDDEN}@{(name or domain)[:1]}{HIDDEN}{end}"
