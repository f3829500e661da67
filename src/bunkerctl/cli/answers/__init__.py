"""From values to answers: the fields that CLI, scripts and people are promised, in their order.

A module here stands beside the module of `cli` that has its name, so that a command imports no
other answers than its own. A tuple X_BRIEF is what a table of many shows; the other forms have
every field.
"""

from __future__ import annotations

from bunkerctl import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Answer = dict[str, "Any"]


def time_or_null(instant: int | None) -> str | None:
    return None if instant is None else times.text(instant)
