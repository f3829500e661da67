"""How long a cold call takes, beside the least that any program must do: its floor.

Run by `make bench` with the Python of a venv that has the wheel alone: as a user has it,
compiled. Floor and command take turns, so that a busy machine slows both; what counts is the
ratio of the medians. Writes a table to the file named.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bunkerctl import crypto, keys
from bunkerctl.directory import read_header

ROUNDS = 40
GOAL = 4.5
FLOOR = """
import sqlcipher3
db = sqlcipher3.connect({path!r})
db.set_key({key!r})
print(db.execute("SELECT bytes FROM drawer WHERE id = 1").fetchone())
"""
RECORD = b'{"login":"ann","email":"ann@example.com","name":"Ann Lee","age":41}'


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        table = measure(home)
    print(table)
    Path(sys.argv[1]).write_text(table, encoding="utf-8")


def measure(home: str) -> str:
    program = str(Path(sys.executable).parent / "bunkerctl")
    key_file, vault = os.path.join(home, "key"), os.path.join(home, "vault")
    environment = {
        "HOME": home,
        "PATH": os.environ["PATH"],
        "BUNKERCTL_VAULT": vault,
        "BUNKERCTL_KEY_FILE": key_file,
    }

    def once(line: list[str], stdin: bytes = b"") -> float:
        start = time.perf_counter()
        subprocess.run(line, input=stdin, env=environment, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start

    once([program, "init", "-q"])
    once([program, "user", "add"], RECORD)
    master = keys.parse(Path(key_file).read_bytes(), "the key file")
    raw = crypto.database_key(master, uuid.UUID(read_header(vault).vault_id).bytes)
    floor = FLOOR.format(path=os.path.join(vault, "vault.db"), key=f"x'{raw.hex()}'")
    lines = {
        "base: python -c pass": [sys.executable, "-c", "pass"],
        "floor: import sqlcipher3, open with the raw key, one SELECT": [
            sys.executable,
            "-c",
            floor,
        ],
        "bunkerctl user get login:ann --json": [program, "user", "get", "login:ann", "--json"],
        "bunkerctl exp status login:ann --json": [program, "exp", "status", "login:ann", "--json"],
        "bunkerctl status --json": [program, "status", "--json"],
        "bunkerctl --version": [program, "--version"],
    }
    times: dict[str, list[float]] = {name: [] for name in lines}
    for _ in range(ROUNDS):
        for name, line in lines.items():
            times[name].append(once(line))
    return report({name: statistics.median(taken) for name, taken in times.items()})


def report(medians: dict[str, float]) -> str:
    base, floor = list(medians.values())[:2]
    rows = [
        f"| {name} | {taken * 1000:.1f} ms | {taken / base:.1f} | {taken / floor:.2f} |"
        for name, taken in medians.items()
    ]
    get = medians["bunkerctl user get login:ann --json"] / floor
    return "\n".join(
        [
            "# A cold call",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, Python"
            f" {platform.python_version()}, bunkerctl {metadata.version('bunkerctl')},"
            f" sqlcipher3 {metadata.version('sqlcipher3')}, typer {metadata.version('typer')};"
            f" median of {ROUNDS}, taken in turns.",
            "",
            "| what | time | × base | × floor |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Goal: `user get` in at most {GOAL} × the floor; measured {get:.2f}:"
            f" {'reached' if get <= GOAL else 'missed'}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
