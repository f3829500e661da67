"""Write what is made from the command table: man pages, completions, schemas, the README's
reference and its picture of a session.

`python tools/generate.py` writes the files, `--check` only says which are stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import manpages
import readme
import session
from bunkerctl.cli import completions, schemas

ROOT = Path(__file__).parent.parent


def generated() -> dict[str, str]:
    """Return the content of every generated file, by its path in the repository."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return {
        **{f"man/{name}": text for name, text in manpages.pages().items()},
        **{f"completions/{name}": completions.script(sh) for sh, name in completions.FILES.items()},
        **{f"schemas/{name.replace(' ', '-')}.json": _schema(name) for name in schemas.names()},
        "README.md": readme.put_into(text),
        session.PATH: session.picture(),
    }


def stale() -> list[str]:
    """Return the files that differ from what they should be, and those that should not be."""
    wanted = generated()
    there = {
        str(path.relative_to(ROOT))
        for folder in ("man", "completions", "schemas")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    odd = there - wanted.keys()
    return sorted(odd) + [name for name, text in wanted.items() if _read(name) != text]


def write() -> None:
    wanted = generated()
    for name in stale():
        if name in wanted:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(wanted[name], encoding="utf-8")
        else:
            (ROOT / name).unlink()


def _schema(name: str) -> str:
    return json.dumps(schemas.of(name), indent=2, ensure_ascii=False) + "\n"


def _read(name: str) -> str | None:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> int:
    if sys.argv[1:] != ["--check"]:
        write()
    found = stale()
    for name in found:
        print(f"stale: {name} (run `make docs`)", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
