"""The short way to read settings: a TOML file whose lines leave no doubt what they say.

Importing the TOML reader takes a call a third as long as all else that it does, and every call
reads the settings. So a file is read here that has only tables with bare names, strings without an
escape, and comments, as `config set` writes them; every other file, a wrong one above all, goes to
`tomllib`, which has the last word. A property test holds the two together.
"""

from __future__ import annotations

_BLANK = " \t"
_MOST_PARTS = 2


def read(content: str) -> dict[str, str] | None:
    """Return the strings of a file by their dotted names; None if `tomllib` must be asked."""
    found: dict[str, str] = {}
    tables: list[str] = []
    before = ""
    for raw in content.split("\n"):
        line = raw.strip(_BLANK)
        if not line or (line[0] == "#" and line.isprintable()):
            continue
        if line[0] == "[" and line[-1] == "]":
            parts = line[1:-1].split(".")
            before = ".".join(parts) + "."
            if not all(map(_is_bare, parts)) or len(parts) > _MOST_PARTS or before in tables:
                return None
            tables.append(before)
            continue
        key, _, value = line.partition("=")
        name = before + key.rstrip(_BLANK)
        text = _string(value.lstrip(_BLANK))
        if text is None or name in found or not _is_bare(key.rstrip(_BLANK)):
            return None
        found[name] = text
    return found if _fit(found, tables) else None


def _is_bare(key: str) -> bool:
    return key.isascii() and key.replace("_", "0").replace("-", "0").isalnum()


def _string(value: str) -> str | None:
    """Return what a basic string without an escape says, None if it is something else."""
    text = value[1:-1]
    plain = value == f'"{text}"' and text.isprintable() and '"' not in text and "\\" not in text
    return text if plain else None


def _fit(found: dict[str, str], tables: list[str]) -> bool:
    """Tell whether each table has something in it, and none has the name of a string."""
    return all(any(name.startswith(table) for name in found) for table in tables) and not any(
        table.startswith(f"{name}.") for table in tables for name in found
    )
