"""How long a cold call takes, beside the least that any Python program takes: its base.

Base, floor and commands take turns, so that a busy machine slows all of them; what counts is the
ratio of the medians.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from machine import PROGRAM, Cost, Place, Row, run

ROUNDS = 40
BASE = "base: python -c pass"
FLOOR = "floor: import sqlcipher3, open with the raw key, one SELECT"
GET = "user get login:ann --json"
UNLOCKED = f"{GET}, unlocked"
KEYRING = f"{GET}, key in a gnome-keyring"
GOALS = {
    GET: 3.0,
    "exp start login:ann --json": 3.0,
    "exp status login:ann --json": 3.0,
    "exp retain TOKEN --json": 3.0,
    "user add": 3.0,
    UNLOCKED: 3.5,
    KEYRING: 14.0,
    "status --json": 9.0,
    "user list --json": 9.0,
    "audit list --limit 100 --json": 9.0,
    "exp sweep --json": 9.0,
    "--help": 7.0,
    "--version": 1.2,
}
"""What is measured, and how many times the base it may take at most."""

SELECT = """
import sqlcipher3
db = sqlcipher3.connect({path!r})
db.set_key({key!r})
print(db.execute("SELECT bytes FROM drawer WHERE id = 1").fetchone())
"""
RECORD = '{{"login":"{login}","email":"{login}@example.com","name":"Ann Lee","age":41}}'


def measure(place: Place) -> Iterator[Row]:
    """Yield a row for each command, in a small vault."""
    home = Path(place.home)
    _given("ann", home / "ann")
    place.run("user add", str(home / "ann"))
    select = SELECT.format(path=place.database, key=f"x'{place.raw_key().hex()}'")
    lines = {BASE: [sys.executable, "-c", "pass"], FLOOR: [sys.executable, "-c", select]}
    lines |= {name: [PROGRAM, *name.partition(",")[0].split()] for name in GOALS}
    environments = dict.fromkeys(lines, place.environment)
    environments[UNLOCKED] = _slow_key(place)
    with _keyring(place) as desktop:
        if desktop is None:
            del lines[KEYRING]
        else:
            environments[KEYRING] = desktop
        costs = _in_turns(place, lines, environments)
    run([PROGRAM, "lock", "-q"], environments[UNLOCKED])
    medians = {
        name: statistics.median(cost.wall for cost in taken) for name, taken in costs.items()
    }
    yield from _rows(medians)


def _in_turns(
    place: Place, lines: dict[str, list[str]], environments: dict[str, dict[str, str]]
) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in lines}
    given = Path(place.home) / "given"
    for number in range(ROUNDS):
        _given(f"cold{number}", given)
        for name, line in lines.items():
            stdin = str(given) if name == "user add" else os.devnull
            words = [_waiting(place) if word == "TOKEN" else word for word in line]
            costs[name].append(run(words, environments[name], stdin))
    return costs


def _given(login: str, path: Path) -> None:
    path.write_text(RECORD.format(login=login))


def _waiting(place: Place) -> str:
    """Return the exptoken of somebody who waits."""
    answer = subprocess.run(
        [PROGRAM, "exp", "start", "login:ann", "--restart", "--json"],
        env=place.environment,
        capture_output=True,
        check=True,
    )
    return str(json.loads(answer.stdout)["exptoken"])


def _rows(medians: dict[str, float]) -> Iterable[Row]:
    base = medians[BASE]
    for name, taken in medians.items():
        goal = GOALS.get(name)
        yield Row(
            name if goal is None else f"`bunkerctl {name}`",
            f"{taken * 1000:.1f} ms",
            f"{base * 1000:.1f} ms",
            f"{taken / base:.2f}",
            "" if goal is None else f"≤ {goal:g} × base",
            None if goal is None else taken <= goal * base,
        )


def _slow_key(place: Place) -> dict[str, str]:
    """Return an environment in which a command has the key, and unlock the vault there."""
    settings = os.path.join(place.home, "command.toml")
    Path(settings).write_text(f'[key]\ncommand = "cat {place.key_file}"\n')
    found = {**place.environment, "BUNKERCTL_CONFIG": settings}
    del found["BUNKERCTL_KEY_FILE"]
    run([PROGRAM, "unlock", "--for", "1h", "-q"], found)
    return found


@contextmanager
def _keyring(place: Place) -> Iterator[dict[str, str] | None]:
    """Yield an environment with a D-Bus of its own, and a vault whose key a gnome-keyring has.

    None if the two are not installed.
    """
    if None in (shutil.which("dbus-daemon"), shutil.which("gnome-keyring-daemon")):
        yield None
        return
    home = os.path.join(place.home, "desktop")
    os.mkdir(home)
    found = {**place.environment, "HOME": home, "BUNKERCTL_VAULT": os.path.join(home, "vault")}
    del found["BUNKERCTL_KEY_FILE"]
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        env=found,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert bus.stdout is not None
    found["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    daemon = subprocess.Popen(
        ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
        env=found,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert daemon.stdin is not None
        with daemon.stdin as stdin:
            stdin.write(b"password")
        _until_it_opens(found)
        run([PROGRAM, "user", "add"], found, os.path.join(place.home, "ann"))
        yield found
    finally:
        for process in (daemon, bus):
            process.kill()
            process.wait()


def _until_it_opens(environment: dict[str, str]) -> None:
    for _ in range(50):
        time.sleep(0.1)
        try:
            run([PROGRAM, "init", "-q", "--no-recovery"], environment)
            return
        except RuntimeError:
            continue
    raise RuntimeError("gnome-keyring-daemon did not start")
