"""Processes that end, or whose disk refuses, at a chosen system call: strace comes between.

A signal arrives before the call is made. Only the process itself is watched, none that it forks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from conftest import EXECUTABLE, Home, Result

TORTURE = "BUNKERCTL_TORTURE" in os.environ
"""Whether every call is tried, and not a sample: `make torture` sets it."""

STEPS = (
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"),
    *("write", "pwrite64", "ftruncate", "fsync", "fdatasync", "kill"),
)
"""The calls that change something outside of the process; kill ends one that asks a keyring."""

NAMING = ("rename", "link", "unlink")


class Step(NamedTuple):
    """The `number`th call of that name, counted from 1; `does` is how strace shows it."""

    name: str
    number: int
    does: str


def _unfit() -> str:
    """Say why strace cannot be used here; nothing if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    words = ["strace", "-qq", "-o", os.devnull, "true"]
    done = subprocess.run(words, capture_output=True, check=False)
    return "strace may not trace processes here" if done.returncode else ""


needs_strace = pytest.mark.skipif(bool(why := _unfit()), reason=why)


def steps(home: Home, line: str, calls: Iterable[str] = STEPS) -> list[Step]:
    """Let a command run to its end; return its calls in order."""
    watched = ",".join(f"?{name}" for name in calls)  # with ? those that a machine has not may pass
    with tempfile.NamedTemporaryFile("r") as trace:
        done = _run(home, line, ["-o", trace.name, "-e", f"trace={watched}", "-e", "signal=none"])
        assert done.code == 0, done
        seen: Counter[str] = Counter()
        found = []
        for call in trace:
            name = call.partition("(")[0]
            seen[name] += 1
            found.append(Step(name, seen[name], call.rpartition(" = ")[0].rstrip()))
    return found


def first(found: list[Step], *words: str) -> Step:
    """Return the first step whose call shows all these words."""
    return next(step for step in found if all(word in step.does for word in words))


def sample(found: list[Step], number: int) -> list[Step]:
    """Return all the steps, or so many: two of three follow a change of names.

    Of writes of pages in a row one counts.
    """
    if TORTURE:
        return found
    telling, rest = [], []
    for before, step in zip([None, *found], found, strict=False):
        if before is not None and before.name.startswith(NAMING):
            telling.append(step)
        elif before is None or {before.name, step.name} != {"pwrite64"}:
            rest.append(step)
    chosen = _spread(telling, 2 * number // 3)
    chosen += _spread(rest, number - len(chosen))
    return [step for step in found if step in chosen]


def _spread(found: list[Step], number: int) -> list[Step]:
    """Return so many of the steps, from the first to the last; at most all."""
    if number < 2:
        return found[: max(0, number)]
    number = min(number, len(found))
    return [found[round(n * (len(found) - 1) / (number - 1))] for n in range(number)]


def killed(home: Home, line: str, step: Step) -> None:
    """Kill a command before a call."""
    done = interfered(home, line, step, "signal=KILL")
    assert done.code == -9, (step, done)


def interfered(home: Home, line: str, step: Step, how: str, *, on: bool = False) -> Result:
    """Run a command with signal=NAME or error=NAME in place of a call; of those after it if `on`.

    It may end in another way than before, and not come as far as that call.
    """
    when = f"when={step.number}{'+' if on else ''}"
    inject = f"inject={step.name}:{how}:{when}"
    return _run(home, line, ["-o", os.devnull, "-e", f"trace={step.name}", "-e", inject])


def _run(home: Home, line: str, options: list[str]) -> Result:
    done = subprocess.run(
        ["strace", "-qq", *options, EXECUTABLE, *line.split()],
        env={**home.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)
