"""Transcripts: shell sessions written down, run again, and compared line by line.

    # a comment
    @ +30d                      the clock moves, for all that follows
    $ export NAME=VALUE         set for all that follows; so is NAME=$(command)
    $ bunkerctl user get ann    run by `bash -o pipefail`; what follows is its output
    field   <uuid> <time> <hex> and ... for any text within a line
    ...                         any number of lines
    2> bunkerctl: error: ...    a line of standard error
    ! 4                         the exit code, 0 if not said

A UUID that is written out stands for whichever comes in its place, and for the same one each
time that it is written, in commands too.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import answers

FAKETIME = shutil.which("faketime")
START = 1_797_321_600  # 2026-12-15T08:00:00Z: when a session begins whose clock moves
UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HOLES = {
    "...": ".*",
    "<uuid>": UUID.pattern,
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "<hex>": "[0-9a-f]{64}",
}
PARTS = re.compile(rf"({'|'.join(map(re.escape, HOLES))}|{UUID.pattern})")
ASSIGNMENT = re.compile(r"(?:export )?([A-Z_][A-Z_0-9]*)=\S.*")
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Differs(AssertionError):
    """A transcript does not say what the program says."""


@dataclass
class Step:
    """A command, or a move of the clock, and what must come of it; `line` is where it stands."""

    line: int
    command: str
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    code: int = 0


def parse(text: str, first: int = 1) -> list[Step]:
    """Read the steps of a transcript whose first line has the number `first`."""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), first):
        if line.startswith(("$ ", "@ ")):
            steps.append(Step(number, line))
        elif line.startswith("> ") and steps:  # the shell's second line
            steps[-1].command += "\n" + line[2:]
        elif line.startswith("#") or not line:
            continue
        elif not steps or steps[-1].command.startswith("@"):
            raise Differs(f"line {number}: output without a command")
        elif line.startswith("2> "):
            steps[-1].err.append(line[3:])
        elif re.fullmatch(r"! \d+", line):
            steps[-1].code = int(line[2:])
        else:
            steps[-1].out.append(line)
    return steps


def blocks(markdown: str) -> list[Step]:
    """Return the steps of all `console` blocks, as one session."""
    return [
        step
        for block in CONSOLE.finditer(markdown)
        for step in parse(block[1], markdown.count("\n", 0, block.start(1)) + 1)
    ]


def moves_the_clock(steps: list[Step]) -> bool:
    return any(step.command.startswith("@") for step in steps)


class Names:
    """Which real UUID each UUID of a transcript stands for."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def said(self, command: str) -> str:
        """Return a command with real UUIDs; one not met before stands for itself."""
        return UUID.sub(lambda found: self._real.setdefault(found[0], found[0]), command)

    def match(self, wanted: list[str], found: list[str]) -> bool:
        """Tell whether the lines found are those wanted, and learn what UUIDs stand for."""
        met: dict[str, str] = {}
        pattern = "".join(
            r"(?:.*\n)*" if line == "..." else self._pattern(line, met) + "\n" for line in wanted
        )
        fits = re.fullmatch(pattern, "".join(f"{line}\n" for line in found))
        if fits is None:
            return False
        learnt = {written: fits[group] for written, group in met.items()}
        taken = [*self._real.values(), *learnt.values()]
        if len(set(taken)) != len(taken):
            return False
        self._real |= learnt
        return True

    def _pattern(self, line: str, met: dict[str, str]) -> str:
        return "".join(self._part(part, met) for part in PARTS.split(line))

    def _part(self, part: str, met: dict[str, str]) -> str:
        if part in HOLES:
            return HOLES[part]
        if not UUID.fullmatch(part) or part in self._real:
            return re.escape(self._real.get(part, part))
        if part in met:
            return f"(?P={met[part]})"
        met[part] = f"uuid{len(met)}"
        return f"(?P<{met[part]}>{UUID.pattern})"


class Session:
    """A shell in a home of its own, from one step to the next."""

    def __init__(self, name: str, home: Path, *, faked: bool) -> None:
        self.name = name
        self._home = home
        self._later = 0
        self._faked = faked
        self._names = Names()
        self._environment = {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TZ": "UTC",
        }

    def run(self, steps: list[Step]) -> None:
        """Run the steps; raise Differs at the first that is not as it is written."""
        for step in steps:
            if step.command.startswith("@"):
                self._move(step)
            else:
                self._compare(step, self._shell(self._names.said(step.command[2:])))

    def _shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line; what it assigns is there for the next ones."""
        assigned = ASSIGNMENT.fullmatch(line)
        script = f'{line} && printf %s "${assigned[1]}"' if assigned else line
        done = subprocess.run(
            [*self._clock(), "bash", "-o", "pipefail", "-c", script],
            env=self._environment,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        if assigned and done.returncode == 0:
            self._environment[assigned[1]] = done.stdout
            done.stdout = ""
        return done

    def _clock(self) -> list[str]:
        """Return what stands before the shell, so that its processes see the session's time.

        The library alone would do, but a process then fails when the one that made the clock
        that they share has ended and an old clock of its own number lies about. The wrapper
        waits for all of them, and clears up; it fails too where one of its number was left.
        """
        if not self._faked:
            return []
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(START + self._later))
        run = 'rm -f /dev/shm/*faketime_*_$$; exec faketime --exclude-monotonic -f "$0" "$@"'
        return ["sh", "-c", run, at]

    def _move(self, step: Step) -> None:
        found = re.fullmatch(r"@ ([+-])(\d+)(s|min|h|d)", step.command)
        if found is None:
            raise Differs(f"{self.name}:{step.line}: {step.command!r} is not like `@ +30d`")
        seconds = int(found[2]) * UNITS[found[3]]
        self._later += seconds if found[1] == "+" else -seconds

    def _compare(self, step: Step, done: subprocess.CompletedProcess[str]) -> None:
        self._check_answer(step.command[2:], done)
        out, err = done.stdout.splitlines(), done.stderr.splitlines()
        wrong = [
            f"{what}:\n{self._beside(wanted, found)}"
            for what, wanted, found in (("output", step.out, out), ("errors", step.err, err))
            if not self._names.match(wanted, found)
        ]
        if done.returncode != step.code:
            wrong.append(f"exit code: {done.returncode}, expected {step.code}")
        if wrong:
            raise Differs("\n".join([f"{self.name}:{step.line}: {step.command}", *wrong]))

    def _check_answer(self, line: str, done: subprocess.CompletedProcess[str]) -> None:
        """Hold a command that runs by itself, and whose output is seen, against its schema."""
        if line.startswith("bunkerctl ") and not set(line) & set("|&;<>$`\n"):
            words = shlex.split(line)[1:]
            out, err = done.stdout.encode(), done.stderr.encode()
            answers.check(words, self._environment, done.returncode, out, err)

    def _beside(self, wanted: list[str], found: list[str]) -> str:
        """Show what was wanted (-) and what was found (+), as a diff does."""
        lines: list[str] = []
        for want, have in zip_longest(wanted, found):
            if want is not None and have is not None and self._names.match([want], [have]):
                lines.append(f"    {have}")
                continue
            lines += [f"  - {want}"] * (want is not None) + [f"  + {have}"] * (have is not None)
        return "\n".join(lines)
