"""What the benchmarks share: commands, their cost, and the table of results."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from bunkerctl import crypto, keys
from bunkerctl.directory import read_header

PROGRAM = str(Path(sys.executable).parent / "bunkerctl")
LOOK_SECONDS = 0.1
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
    """What a process has cost: seconds of the clock and of a core, and most memory (MB).

    The memory is that of its children too, if it was watched.
    """

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

    def run(self, line: str, stdin: str = os.devnull, *, watch: bool = False) -> Cost:
        """Run a command of bunkerctl; its answers go nowhere."""
        return run([PROGRAM, *line.split()], self.environment, stdin, watch=watch)


def run(
    line: list[str], environment: dict[str, str], stdin: str = os.devnull, *, watch: bool = False
) -> Cost:
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
        with _Watch(process.pid) if watch else nullcontext() as watched:
            _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(line)}")
    taken = time.perf_counter() - begin
    most = max(used.ru_maxrss, watched.most if watched else 0)
    return Cost(taken, used.ru_utime + used.ru_stime, most >> 10)


class _Watch(threading.Thread):
    """Looks now and then how much memory a process and its children have together.

    What they share counts once. `most` is in KiB.
    """

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.most = 0
        self._pid, self._over = pid, threading.Event()

    def __enter__(self) -> _Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.most = max(self.most, self._memory())

    def _memory(self) -> int:
        found = 0
        with suppress(OSError):
            children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
            for pid in (str(self._pid), *children):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                found += sum(int(one.split()[1]) for one in lines if one.startswith("Pss:"))
        return found


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
