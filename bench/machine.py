"""What the benchmarks share: commands, their cost, and the table of results."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from bunkerctl import crypto, keys
from bunkerctl.directory import read_header

PROGRAM = str(Path(sys.executable).parent / "bunkerctl")
PACKAGES = ("bunkerctl", "sqlcipher3", "typer")


class Row(NamedTuple):
    """A line of the table; `reached` is None where there is no goal."""

    what: str
    figure: str
    floor: str
    ratio: str
    goal: str
    reached: bool | None


class Cost(NamedTuple):
    """What a process has cost: seconds of the clock and of a core, and most memory (MB)."""

    wall: float
    cpu: float
    memory: int


class Place:
    """A vault and its key in a directory that is thrown away."""

    def __init__(self, home: str) -> None:
        os.mkdir(home)
        self.home = home
        self.vault, self.key_file = os.path.join(home, "vault"), os.path.join(home, "key")
        self.environment = {
            "HOME": home,
            "PATH": os.environ["PATH"],
            "BUNKERCTL_VAULT": self.vault,
            "BUNKERCTL_KEY_FILE": self.key_file,
        }
        self.run("init -q")

    @property
    def database(self) -> str:
        return os.path.join(self.vault, "vault.db")

    def raw_key(self) -> bytes:
        """Return the key of the SQLCipher file."""
        master = keys.parse(Path(self.key_file).read_bytes(), "the key file")
        return crypto.database_key(master, uuid.UUID(read_header(self.vault).vault_id).bytes)

    def run(self, line: str, stdin: str = os.devnull) -> Cost:
        """Run a command of bunkerctl; its answers go nowhere."""
        return run([PROGRAM, *line.split()], self.environment, stdin)


def run(line: list[str], environment: dict[str, str], stdin: str = os.devnull) -> Cost:
    """Run a command to its end, which must be a good one; `stdin` is a path."""
    begin = time.perf_counter()
    with open(stdin, "rb") as given:
        process = subprocess.Popen(
            line,
            env=environment,
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(line)}")
    taken = time.perf_counter() - begin
    return Cost(taken, used.ru_utime + used.ru_stime, used.ru_maxrss >> 10)


def table(title: str, about: str, rows: Iterable[Row]) -> str:
    """Return a page with the machine, the versions and the rows."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            f"# {title}",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, Python"
            f" {platform.python_version()}, {versions}; load {os.getloadavg()[0]:.1f}. {about}",
            "",
            "| what | ours | floor | ratio | goal | |",
            "|---|---|---|---|---|---|",
            *map(_line, rows),
            "",
        ]
    )


def _line(row: Row) -> str:
    said = {None: "", True: "reached", False: "missed"}[row.reached]
    return f"| {row.what} | {row.figure} | {row.floor} | {row.ratio} | {row.goal} | {said} |"
