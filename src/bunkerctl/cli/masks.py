"""Personal values as a listing shows them: enough to recognise, not enough to use.

The schema of records can say for a field how: `"x-mask": "hidden"` beside its type.
"""

from __future__ import annotations

from bunkerctl.errors import Invalid
from bunkerctl.identities import is_plain_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from bunkerctl.schemas import Schema

    Show = Callable[[Any], Any]
    Path = tuple[str | int, ...]

HIDDEN = "***"
KEYWORD = "x-mask"
LAST = 4
_NO_SCHEMAS = ("const", "enum", "default", "examples")
_BY_NAME = ("properties", "patternProperties", "$defs", "dependentSchemas")


class Mask:
    """How a value is shown, and the values within it, if they have no mask of their own."""

    def __init__(self, show: Show | None = None) -> None:
        self._show = show or _default
        self._fields: dict[str, Mask] = {}
        self._items: Mask | None = None
        self._others: Mask = self

    def of(self, value: Any) -> Any:
        """Return a value of the same shape: names of fields stay, what they hold does not.

        By itself `john@example.com` becomes `j***@e***.com`, other text keeps its first
        character, numbers and truth values nothing.
        """
        if value is None:
            return None
        if self._show is _hidden:
            return HIDDEN
        if isinstance(value, dict):
            return {
                name: self._fields.get(name, self._others).of(item) for name, item in value.items()
            }
        if isinstance(value, list):
            below = self._items or self._others
            return [below.of(item) for item in value]
        return self._show(value)

    def take(self, schema: Any, path: Path) -> Iterator[Path]:
        """Take over what a schema says of its properties and items; yield the places of it."""
        if not isinstance(schema, dict):
            return
        properties = schema.get("properties")
        for name, below in properties.items() if isinstance(properties, dict) else ():
            self._fields[name] = yield from self._taken(below, (*path, "properties", name))
        if "items" in schema:
            self._items = yield from self._taken(schema["items"], (*path, "items"))
        if self._fields or self._items:
            self._others = Mask(self._show)

    def _taken(self, schema: Any, path: Path) -> Any:
        show = self._show
        if isinstance(schema, dict) and KEYWORD in schema:
            show = WORDS[schema[KEYWORD]]
            yield path
        below = Mask(show)
        yield from below.take(schema, path)
        return below


def of_schema(schema: Schema) -> Mask:
    """Return how a listing shows the records of a schema.

    Raises:
        Invalid: an `x-mask` of an unknown word, or at a place where it would mean nothing.
    """
    from bunkerctl.schemas import pointer

    found = dict(_masks(schema.document, ()))
    for path, word in found.items():
        if not isinstance(word, str) or word not in WORDS:
            raise Invalid(
                f"{schema.path} has an unknown {KEYWORD}, at {pointer(path)}",
                hint=f"one of {', '.join(WORDS)}",
            )
    mask = Mask()
    for path in found.keys() - set(mask.take(schema.document, ())):
        raise Invalid(
            f"{schema.path} has an {KEYWORD} where it means nothing, at {pointer(path) or '/'}",
            hint="it stands in the properties and items of the schema, not in what they refer to",
        )
    return mask


def _masks(schema: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the place and the word of every mask, wherever in a schema."""
    if isinstance(schema, list):
        for number, item in enumerate(schema):
            yield from _masks(item, (*path, number))
    if not isinstance(schema, dict):
        return
    if KEYWORD in schema:
        yield path, schema[KEYWORD]
    for keyword, value in schema.items():
        if keyword in _BY_NAME and isinstance(value, dict):
            for name, below in value.items():
                yield from _masks(below, (*path, keyword, name))
        elif keyword not in _NO_SCHEMAS:
            yield from _masks(value, (*path, keyword))


def _default(value: Any) -> Any:
    if not isinstance(value, str):
        return HIDDEN
    return _address(value) if is_plain_address(value) else _first(value)


def _hidden(_value: Any) -> Any:
    return HIDDEN


def _shown(value: Any) -> Any:
    return value


def _first(value: Any) -> Any:
    text = _text(value)
    return text[0] + HIDDEN if len(text) > 2 else HIDDEN


def _last(value: Any) -> Any:
    text = _text(value)
    return HIDDEN + text[-LAST:] if len(text) >= 2 * LAST else HIDDEN


def _text(value: Any) -> str:
    """Return what of a value is there to be shown in part: nothing of true and false."""
    return "" if isinstance(value, bool) else str(value)


def _address(value: str) -> str:
    local, _, domain = value.rpartition("@")
    name, dot, top = domain.rpartition(".")
    end = dot + top if dot and top.isalpha() and len(top) <= 6 else ""
    return f"{local[:1]}{HIDDEN}@{(name or domain)[:1]}{HIDDEN}{end}"


WORDS: dict[str, Show] = {"hidden": _hidden, "first": _first, "last4": _last, "shown": _shown}
