"""Measure what a long audit trail costs, and write one table.

    bench/trail.py TRAIL.md [EVENTS]

Run by `make bench-trail` with the Python of a venv that has the wheel alone.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from machine import PROGRAM, Cost, Row, run, table
from report import Filling, apart

EVENTS = 10_000_000
PEOPLE = 100_000
BATCH = 5_000
COLD_ROUNDS = 25
ABOUT = (
    "Each event is a read of one of 100,000 people, in turns; a look-up's floor is `user get` of"
    " the same vault, and both are the median of 25, taken in turns."
)


def fill(filling: Filling, events: int) -> None:
    vault = filling.opened()
    vault.db.run("PRAGMA synchronous = OFF")
    vault.db.run("PRAGMA cache_size = -200000")
    tokens = [filling.token() for _ in range(PEOPLE)]
    for start in range(0, events, BATCH):
        with vault.transaction() as tx:
            for number in range(start, min(start + BATCH, events)):
                user = number % PEOPLE
                tx.event("user.get", token=tokens[user], user=user + 1)
    vault.db.truncate_wal(10)
    vault.close()


def measure(home: str, events: int) -> Iterator[Row]:
    filling = Filling(home)
    filling.now = filling.end
    one = Path(home) / "one"
    one.write_text('{"login": "ann"}')
    command(filling, "user add", str(one))
    apart(lambda: fill(filling, events))
    lines = ["user get login:ann --json", "audit list --limit 100 --json", "audit head --json"]
    costs: dict[str, list[float]] = {line: [] for line in lines}
    for _ in range(COLD_ROUNDS):
        for line in lines:
            costs[line].append(command(filling, line).wall)
    least, *taken = (statistics.median(costs[line]) for line in lines)
    for line, took in zip(lines[1:], taken, strict=True):
        yield Row(
            f"`{line}` of {events:,} events",
            f"{took * 1000:.1f} ms",
            f"{least * 1000:.1f} ms",
            f"{took / least:.2f}",
            "≤ 1.5 × a get",
            took <= 1.5 * least,
        )
    cost = command(filling, "audit verify", watch=True)
    rate = events / cost.wall
    yield Row(
        f"`audit verify` of {events:,} events",
        f"{rate:,.0f}/s",
        "",
        "",
        "≥ 200,000/s",
        rate >= 200_000,
    )
    yield Row("its most memory", f"{cost.memory} MB", "", "", "", None)
    size = Path(filling.directory, "vault.db").stat().st_size / events
    yield Row("database", f"{size:,.0f} bytes an event", "", "", "", None)


def command(filling: Filling, line: str, *stdin: str, watch: bool = False) -> Cost:
    return run([PROGRAM, *line.split()], filling.environment, *stdin, watch=watch)


def main() -> None:
    events = int(sys.argv[2]) if len(sys.argv) > 2 else EVENTS
    with tempfile.TemporaryDirectory() as home:
        page = table("What a long audit trail costs", ABOUT, measure(home, events))
    print(page)
    Path(sys.argv[1]).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
