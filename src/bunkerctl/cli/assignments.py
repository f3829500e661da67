"""Fields as they are typed: FIELD=TEXT and FIELD:=JSON."""

from __future__ import annotations

from bunkerctl import errors, jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def read(words: Sequence[str], what: str = "field") -> dict[str, jsontext.Json]:
    """Return the values of typed fields, by their names; `what` is how a word is called.

    Raises:
        Usage: a word of another form, or a name for the second time.
        Invalid: malformed JSON.
    """
    found: dict[str, jsontext.Json] = {}
    for position, word in enumerate(words, 1):
        name, mark, text = word.partition("=")
        if not mark or name in ("", ":"):
            raise errors.Usage(f"{what} {position} is not FIELD=TEXT or FIELD:=JSON")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        if name in found:
            raise errors.Usage(f"{what} {position} is given twice")
        found[name] = (
            jsontext.loads(text.encode(), f"the value of {what} {position}") if is_json else text
        )
    return found
