"""What a person sees of a command that lasts, and what Ctrl-C leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from pathlib import Path

import pytest

from bunkerctl.cli.progress import drawn
from bunkerctl.model import Progress
from conftest import EXECUTABLE, Home
from killing import needs_strace
from terminal import Terminal
from wholeness import check_whole, made_now

ERASE = "\r\x1b[K"
PEOPLE = 1500
CTRL_C = "\x03"


def people(home: Home) -> Path:
    """Write people who are due, as lines for `user import`."""
    line = {
        "schema": "bunkerctl.user/1",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "version": 1,
        "expstatus": "wait",
        "due_at": "2026-02-01T00:00:00Z",
        "held": False,
    }
    path = home.directory / "people.jsonl"
    with path.open("w") as file:
        for number in range(PEOPLE):
            data = {"login": f"u{number}", "note": "x" * 900}
            file.write(json.dumps({**line, "token": str(uuid.uuid4()), "data": data}) + "\n")
    return path


@pytest.fixture
def home(bare: Home) -> Home:
    """A vault made by the real clock, which the processes go by."""
    return made_now(bare)


@pytest.fixture
def full(home: Home) -> Home:
    home.ok("user import -", people(home).read_bytes())
    home.ok(f"backup create {home.directory}/old.bunker")
    return home


def slowly(home: Home, line: str, delay: int) -> Terminal:
    """Start a command in a terminal, on a disk that takes so many milliseconds a call."""
    calls = "pread64,pwrite64,fsync,fdatasync,read"
    slow = f"-qq -o {os.devnull} -e trace={calls} -e inject={calls}:delay_enter={delay}ms"
    words = [*slow.split(), EXECUTABLE, *line.split()]
    return Terminal(home, words, executable=shutil.which("strace"))


def frames(shown: str) -> list[str]:
    return shown.split(ERASE)[1:]


@pytest.fixture
def pipe(home: Home) -> str:
    path = str(home.directory / "pipe")
    os.mkfifo(path)
    return path


def test_a_line_tells_how_far_it_is_and_leaves_nothing_behind(home: Home, pipe: str) -> None:
    with Terminal(home, f"user import {pipe}") as terminal:
        with open(pipe, "wb", buffering=0) as source:
            source.write(b'{"login":"ann"}\nnothing\n{"login":"bob"}\n')
            terminal.see(r"3 lines  [\d.]+/s")
        assert terminal.end() == 3
    assert frames(terminal.shown)[-1].count("lines") == 1  # the error, and no progress behind it
    lines = [frame for frame in frames(terminal.shown) if re.search(r"lines.*/s", frame)]
    assert not any("\n" in line for line in lines)
    told = terminal.shown.index("error: line 2: ")
    assert terminal.shown[:told].endswith(f"{ERASE}bunkerctl: ")  # not behind half a line


def test_what_is_over_soon_shows_nothing(home: Home) -> None:
    home.add(login="ann")
    for line in ("audit verify", "exp sweep", f"backup create {home.directory}/ann.bunker"):
        with Terminal(home, line) as terminal:
            assert terminal.end() == 0
        assert "/s" not in terminal.shown


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        ("--quiet", {}),
        ("", {"TERM": "dumb"}),
        ("", {"CI": "true"}),
        ("", {"CI": ""}),  # here it is: the others could not fail else
    ],
    ids=str,
)
def test_there_is_none_where_it_is_not_wanted(
    home: Home, pipe: str, options: str, variables: dict[str, str]
) -> None:
    with Terminal(home, f"user import {options} {pipe}", environment=variables) as terminal:
        with open(pipe, "wb", buffering=0) as source:
            source.write(b'{"login":"ann"}\n')
            time.sleep(1.5)
        assert terminal.end() == 0
    assert (ERASE in terminal.shown) == (variables == {"CI": ""})


def test_there_is_none_in_a_pipe(home: Home, pipe: str) -> None:
    with home.spawn(f"user import {pipe}") as process:
        with open(pipe, "wb", buffering=0) as source:
            source.write(b'{"login":"ann"}\n')
            time.sleep(1.5)
        assert process.communicate(timeout=60)[1] == b""


RATE = r"[1-9][\d,]* {}  [\d,.]+/s  \d+ s left"
LASTING = {
    "user import {dir}/people.jsonl --on-conflict update": (
        *(3, "lines  ", r": \d+ added and \d+ updated, of the first \d+ lines", None),
    ),
    "export --all --yes --out {dir}/all.jsonl": (
        *(10, "people exported", rf": \d+ of {PEOPLE} people exported", "all.jsonl"),
    ),
    "audit verify": (20, RATE.format("events checked"), r": \d+ of \d+ events checked", None),
    "audit verify --deep": (
        10,
        RATE.format("records checked"),
        r": \d+ of \d+ records checked",
        None,
    ),
    "audit export --out {dir}/trail.jsonl": (
        *(30, RATE.format("events exported"), r": \d+ of \d+ events exported", "trail.jsonl"),
    ),
    "audit prune --before 1d --yes": (
        *(10, RATE.format("events checked"), r": \d+ of \d+ events checked", None),
    ),
    "user check": (
        *(10, RATE.format("people checked"), rf": \d+ of {PEOPLE} people checked", None),
    ),
    "doctor": (10, RATE.format("pages compared"), r": \d+( of \d+)? (pages|events) \w+", None),
    "report --out {dir}/report.html": (
        *(10, RATE.format("events counted"), r": \d+ of \d+ events counted", "report.html"),
    ),
    "backup create {dir}/new.bunker": (5, "% ", "", "new.bunker"),
    "backup verify {dir}/old.bunker": (5, RATE.format("pages checked"), "", None),
    "backup restore {dir}/old.bunker --vault {dir}/new": (
        *(5, RATE.format("pages copied"), "", "new"),
    ),
    "key rotate --no-recovery": (
        5,
        RATE.format("pages encrypted anew"),
        ": the key is (rotated|the old one), and whole",
        None,
    ),
}
"""Commands, by how many ms to delay their calls, what to wait for, what is said, what they make."""


@needs_strace
@pytest.mark.parametrize("line", LASTING)
def test_ctrl_c_leaves_whole_work_and_says_how_far_it_came(full: Home, line: str) -> None:
    delay, seen, said, made = LASTING[line]
    line = line.format(dir=full.directory)
    before = {path.name for path in full.directory.iterdir()}
    with slowly(full, line, delay) as terminal:
        terminal.see(seen)
        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert re.search(f"bunkerctl: error: interrupted{said}.*\nbunkerctl: hint: ", terminal.shown)
    assert not frames(terminal.shown)[-1].startswith(" ")
    assert {path.name for path in full.directory.iterdir()} == before
    check_whole(full)
    assert full.process(line).code == 0
    assert made is None or (full.directory / made).exists()


@needs_strace
@pytest.mark.parametrize(("line", "ends"), [("doctor", "findings"), ("user check", "findings")])
def test_a_table_is_not_drawn_behind_half_a_line(full: Home, line: str, ends: str) -> None:
    with slowly(full, line, 5) as terminal:
        terminal.see("(pages|people) checked  ")
        assert terminal.end() == 0
    before, found, _ = terminal.shown.rpartition(ends)
    assert found
    assert all("/s" not in frame for frame in frames(before) if "\n" in frame)


@needs_strace
def test_a_sweep_that_was_interrupted_is_finished_by_the_next(full: Home) -> None:
    line = f"exp sweep --max-deletes {PEOPLE}"
    with slowly(full, line, 3) as terminal:
        terminal.see(RATE.format("people erased"))
        terminal.type(CTRL_C)
        assert terminal.end() == 130
    found = re.search(rf"error: interrupted: (\d+) of {PEOPLE} people erased\n", terminal.shown)
    assert found and 0 < int(found[1]) < PEOPLE
    assert "bunkerctl: hint: the next sweep tells who is erased" in terminal.shown
    assert int(found[1]) == full.ok("status --json").json["erased"]
    check_whole(full)
    done = full.process(f"{line} --json").json
    assert (done["finished_earlier"], len(done["tokens"])) == (int(found[1]), PEOPLE)


def test_a_dry_run_that_is_interrupted_has_changed_nothing(home: Home, pipe: str) -> None:
    with (
        Terminal(home, f"user import --dry-run {pipe}") as terminal,
        open(pipe, "wb", buffering=0) as source,
    ):
        source.write(b'{"login":"ann"}\n')
        terminal.see(r"1 lines  ")
        terminal.type(CTRL_C)
        assert terminal.end() == 130
    assert "interrupted: nothing was changed\nbunkerctl: hint: run it again\n" in terminal.shown
    assert home.ok("status --json").json["users"] == 0


@pytest.mark.parametrize(
    ("done", "total", "seconds", "columns", "line"),
    [
        (0, None, 3, 80, "people erased: 3 s"),
        (12_000, None, 4, 80, "12,000 people erased  3,000/s"),
        (0, 40, 0, 60, "  0% ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  people erased: 0 s"),
        (10, 40, 30, 30, " 25% 10 people erased  0.3/s "),
        (
            *(10_000, 40_000, 600, 80),
            " 25% ━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  10,000 people erased  17/s  30 min 0 s left",
        ),
        (50, 40, 4_000, 80, "100% ━━━━━━━━━━━━━━━━━━━━━━━━  50 people erased  0.0/s  0 s left"),
    ],
)
def test_the_line_fits_and_says_rate_and_time_left(
    done: int, total: int | None, seconds: float, columns: int, line: str
) -> None:
    progress = Progress()
    progress.begin("people erased", total)
    progress.done = done
    assert drawn(progress, seconds, columns) == line
    assert len(line) < columns
