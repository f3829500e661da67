"""Settings."""

from __future__ import annotations

from bunkerctl.cli.answers import CHANGED, TEXT, Fields, or_null

SETTING: Fields = {
    "name": (TEXT, "the setting, like exp.grace"),
    "value": (or_null(TEXT), "its value; null if it has none"),
    "source": (TEXT, "the file that it comes from, or default"),
}
SET: Fields = {
    "name": (TEXT, "the setting"),
    "value": (TEXT, "its new value"),
    "path": (TEXT, "the file that it was written into"),
    **CHANGED,
}
PATH: Fields = {"path": (TEXT, "the file that `config set` writes")}
