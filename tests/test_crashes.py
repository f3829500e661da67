"""Signals and kills at any moment: what was done stays done, and nothing is half there."""

from __future__ import annotations

import glob
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import Home
from wholeness import (
    CANARY,
    check_erased_once,
    check_whole,
    count,
    due_people,
    heed_signals,
    lines,
    made_now,
    reader,
    until,
)

FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
INTERRUPTED = b"bunkerctl: error: interrupted\n"


@pytest.fixture
def home(bare: Home) -> Home:
    return made_now(bare)


def begin_import(process: subprocess.Popen[bytes], home: Home, number: int, start: int = 0) -> None:
    """Hand over people, and wait until the first batch (500) of them is in."""
    before = count(home, "users")
    assert process.stdin is not None
    process.stdin.write(lines(number, start))
    process.stdin.flush()
    until(lambda: count(home, "users") > before)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_waiting_command_in_order(
    home: Home, number: signal.Signals, code: int
) -> None:
    with home.spawn("user import -", preexec_fn=heed_signals) as process:
        begin_import(process, home, 510)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, b"")
    assert err.decode().splitlines() == [
        "bunkerctl: error: interrupted: 500 added and 0 updated, of the first 500 lines",
        "bunkerctl: hint: run it again with --on-conflict skip: who is in by then is passed over",
    ]
    assert count(home, "users") == 500
    check_whole(home)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_sweep_that_a_signal_ends_is_finished_by_the_next(
    home: Home, number: signal.Signals, code: int
) -> None:
    tokens = due_people(home, 2400)
    line = "exp sweep --max-deletes 2400 --json"
    with reader(home):  # so that the sweep can't end before
        process = home.spawn(f"{line} --lock-wait 60s", preexec_fn=heed_signals)
        until(lambda: count(home, "tombstones"))
        process.send_signal(number)
    with process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, b"")
    error = json.loads(err)["error"]
    assert (error["code"], error["exit_code"]) == ("interrupted", code)
    came = re.fullmatch(r"interrupted: (\d+) of 2400 people erased", error["message"])
    assert error["hint"] == "the next sweep tells who is erased, and goes on"
    swept = home.process(line).json
    assert came and swept["finished_earlier"] >= max(200, int(came[1]))
    assert swept["finished_earlier"] + swept["erased"] == len(swept["tokens"]) == len(tokens)
    check_erased_once(home, tokens)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_a_signal_ends_a_command_that_waits_for_the_lock(home: Home) -> None:
    writer = home.database()
    writer.begin()
    with home.spawn("user add login=ann --lock-wait 20s", preexec_fn=heed_signals) as process:
        files = Path(f"/proc/{process.pid}/fd")
        until(lambda: any("vault.db-wal" in os.path.realpath(path) for path in files.iterdir()))
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, err = process.communicate(timeout=90)
    writer.rollback()
    writer.close()
    assert (process.returncode, err) == (143, INTERRUPTED)
    assert time.monotonic() - began < 10


def test_an_ignored_hangup_stays_ignored(home: Home) -> None:
    with home.spawn(
        "user import -", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ) as process:  # as nohup does
        begin_import(process, home, 500)
        process.send_signal(signal.SIGHUP)
        process.communicate(lines(10, start=500), timeout=60)
    assert (process.returncode, count(home, "users")) == (0, 510)


def test_a_sweep_killed_anywhere_loses_and_repeats_nothing(home: Home) -> None:
    tokens = due_people(home, 4000)
    line = "exp sweep --max-deletes 4000 --json"
    began = time.monotonic()
    home.process("status")
    start_up = time.monotonic() - began
    reported: list[str] = []
    for turn in range(10):
        with home.spawn(line) as process:
            time.sleep(start_up * (0.5 + 0.2 * turn))
            process.kill()
            out, _ = process.communicate(timeout=60)
        if process.returncode == 0:
            reported += json.loads(out)["tokens"]
    swept = home.process(line).json
    assert len(swept["tokens"]) == swept["finished_earlier"] + swept["erased"]
    assert sorted([*reported, *swept["tokens"]]) == sorted(tokens)
    check_erased_once(home, tokens)


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not installed")
def test_a_killed_sweep_is_finished_by_tomorrows(home: Home) -> None:
    home.ok("user import -", lines(1200))
    tokens = {row.split("\t")[0] for row in home.ok("user list").out.splitlines()}
    home.ok("exp start - --in 30d", "\n".join(tokens))
    line = "exp sweep --max-deletes 1200 --json"
    day = [{"LD_PRELOAD": FAKETIME[0], "FAKETIME": f"+{31 + n}d"} for n in range(3)]
    assert home.process(line).json["due"] == 0
    with reader(home), home.spawn(line, environment=day[0]) as process:
        until(lambda: count(home, "tombstones"))  # the reader keeps it from its end
        process.kill()
        process.communicate(timeout=60)
    for clock in Path("/dev/shm").glob(f"*faketime_*_{process.pid}"):
        clock.unlink()  # or another process of that number some day has none
    swept = home.process(line, environment=day[1]).json
    assert (swept["finished_earlier"] >= 200, set(swept["tokens"])) == (True, tokens)
    assert home.process(line, environment=day[2]).json["tokens"] == []
    check_erased_once(home, tokens)


def test_whom_a_sweep_could_not_name_the_next_one_names_once(home: Home) -> None:
    tokens, line = due_people(home, 3), "exp sweep --json"
    with open("/dev/full", "wb") as full:
        assert home.process(line, stdout=full).code == 74
    swept = home.process(line).json
    assert (swept["erased"], swept["finished_earlier"], set(swept["tokens"])) == (0, 3, tokens)
    assert home.process(line).json["tokens"] == []
    check_erased_once(home, tokens)


def test_a_killed_import_leaves_whole_people_only(home: Home) -> None:
    begun = 0
    for turn in range(6):
        with home.spawn("user import -") as process:
            if turn % 2:
                assert process.stdin is not None
                process.stdin.write(lines(600, begun))
                process.stdin.flush()
                time.sleep(0.05 * turn)
            else:
                begin_import(process, home, 600, begun)
            process.kill()
            process.communicate(timeout=60)
        listed = home.ok("user list --reveal -o jsonl").out.splitlines()
        people = [json.loads(line)["data"] for line in listed]
        assert len(people) in (begun, begun + 500)
        begun = len(people)
        assert {one["login"] for one in people} == {f"u{n}" for n in range(begun)}
        assert {one["text"] for one in people} <= {CANARY * 9}
    check_whole(home)
