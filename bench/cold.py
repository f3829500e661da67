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
BASE = "base: python -c pass"
FLOOR_NAME = "floor: import sqlcipher3, open with the raw key, one SELECT"
UNLOCKED = "bunkerctl user get login:ann --json, unlocked"
GOALS = {
    "bunkerctl user get login:ann --json": 3.0,
    "bunkerctl exp start login:ann --json": 3.0,
    "bunkerctl exp status login:ann --json": 3.0,
    "bunkerctl user add": 3.0,
    UNLOCKED: 3.5,
    "bunkerctl status --json": 9,
    "bunkerctl user list --json": 9,
    "bunkerctl audit list --limit 100 --json": 9,
    "bunkerctl exp sweep --json": 9,
    "bunkerctl --help": 7,
    "bunkerctl --version": 1.2,
}
"""What is measured, and how many times the base it may take at most."""

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

    people = (b'{"login":"user%d","name":"Ann Lee"}' % number for number in range(ROUNDS))

    def once(line: list[str], stdin: bytes = b"", variables: dict[str, str] = environment) -> float:
        start = time.perf_counter()
        subprocess.run(
            line,
            input=stdin,
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - start

    once([program, "init", "-q"])
    once([program, "user", "add"], RECORD)
    master = keys.parse(Path(key_file).read_bytes(), "the key file")
    raw = crypto.database_key(master, uuid.UUID(read_header(vault).vault_id).bytes)
    floor = FLOOR.format(path=os.path.join(vault, "vault.db"), key=f"x'{raw.hex()}'")
    lines = {
        BASE: [sys.executable, "-c", "pass"],
        FLOOR_NAME: [sys.executable, "-c", floor],
        **{name: [program, *name.split()[1:]] for name in GOALS if name != UNLOCKED},
    }
    times: dict[str, list[float]] = {name: [] for name in [*lines, UNLOCKED]}
    unlocked = slow_key(environment, home, program)
    for _ in range(ROUNDS):
        for name, line in lines.items():
            stdin = next(people) if name == "bunkerctl user add" else b""
            times[name].append(once(line, stdin))
        times[UNLOCKED].append(once(lines["bunkerctl user get login:ann --json"], b"", unlocked))
    subprocess.run([program, "lock", "-q"], env=unlocked, stdout=subprocess.DEVNULL, check=True)
    return report({name: statistics.median(taken) for name, taken in times.items()})


def slow_key(environment: dict[str, str], home: str, program: str) -> dict[str, str]:
    """Return an environment in which a command has the key, and unlock the vault there."""
    settings = os.path.join(home, "command.toml")
    Path(settings).write_text(f'[key]\ncommand = "cat {environment["BUNKERCTL_KEY_FILE"]}"\n')
    found = {**environment, "BUNKERCTL_CONFIG": settings}
    del found["BUNKERCTL_KEY_FILE"]
    line = [program, "unlock", "--for", "1h", "-q"]
    subprocess.run(line, env=found, stdout=subprocess.DEVNULL, check=True)
    return found


def report(medians: dict[str, float]) -> str:
    base, floor = medians[BASE], medians[FLOOR_NAME]
    rows = [row(name, taken, base, floor) for name, taken in medians.items()]
    return "\n".join(
        [
            "# A cold call",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, Python"
            f" {platform.python_version()}, bunkerctl {metadata.version('bunkerctl')},"
            f" sqlcipher3 {metadata.version('sqlcipher3')}, typer {metadata.version('typer')};"
            f" median of {ROUNDS}, taken in turns; load {os.getloadavg()[0]:.1f}.",
            "",
            "| what | time | × base | × floor | goal, × base |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def row(name: str, taken: float, base: float, floor: float) -> str:
    goal = GOALS.get(name)
    said = ""
    if goal is not None:
        said = f"{goal}: {'reached' if taken <= goal * base else 'missed'}"
    return f"| {name} | {taken * 1000:.1f} ms | {taken / base:.2f} | {taken / floor:.2f} | {said} |"


if __name__ == "__main__":
    main()
