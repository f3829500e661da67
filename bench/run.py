"""Measure what is promised of speed and size, and write one table.

    bench/run.py RESULTS.md [PEOPLE]...

Without numbers: cold calls, and 20,000 people. Run by `make bench` and `make bench-large` with the
Python of a venv that has the wheel alone: as a user has it, compiled.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bulk
import cold
from machine import Place, Row, table

FEW = 20_000
ABOUT = (
    "Cold calls: median of 40, taken in turns, floor `python -c pass`. An import's floor: rows of"
    " one SQLCipher table, as durable. That of `user forget -`: bare SQL that changes the same"
    " pages of a copy, as durable. A look-up's: `user get` among one person. What is done a second"
    " is beside the time that a `status` takes; memory is that of a command's processes."
)


def main() -> None:
    sizes = [int(word) for word in sys.argv[2:]]
    with tempfile.TemporaryDirectory() as home:
        rows = list(measure(Path(home), sizes))
    page = table("What calls and people cost", ABOUT, rows)
    print(page)
    Path(sys.argv[1]).write_text(page, encoding="utf-8")


def measure(home: Path, sizes: list[int]) -> Iterator[Row]:
    small = Place(str(home / "small"))
    if not sizes:
        yield from cold.measure(small)
    bulk.write_people(home / "one", 1)
    small.run("user add", str(home / "one"))
    for people in sizes or [FEW]:
        yield from bulk.measure(Place(str(home / str(people))), small, people)
    if len(sizes) > 1:
        yield bulk.sweep_growth()


if __name__ == "__main__":
    main()
