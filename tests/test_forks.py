"""Work in other processes: what becomes of it, and of them, when one of the two ends."""

from __future__ import annotations

import errno
import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bunkerctl.audit
from bunkerctl import exports, forks, preparation
from bunkerctl.errors import Invalid
from conftest import Home

PATIENCE_SECONDS = 20


def people(count: int) -> str:
    return "".join(json.dumps({"login": f"u{number}"}) + "\n" for number in range(count))


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few people and few events be enough for another process."""
    monkeypatch.setattr(forks, "cores", lambda: 2)
    monkeypatch.setattr(bunkerctl.audit, "PAGE", 3)
    monkeypatch.setattr(bunkerctl.audit, "LEAST_SHARED", 2)
    monkeypatch.setattr(exports, "PAGE", 3)
    monkeypatch.setattr(preparation, "FIRST_LINES", 3)
    monkeypatch.setattr(preparation, "BATCH_LINES", 3)


@pytest.fixture(params=["killed", "not to be had"])
def without_help(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, shared: None
) -> str:
    """Kill each other process as soon as it begins, or let none be started."""

    def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def refused() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    if request.param == "killed":
        monkeypatch.setattr(forks, "_serve", killed)
    else:
        monkeypatch.setattr(os, "fork", refused)
    return str(request.param)


@pytest.mark.usefixtures("without_help")
def test_who_only_reads_goes_on_alone(home: Home) -> None:
    for number in range(10):
        home.add(login=f"u{number}")
    assert home.ok("audit verify --json").json["events"] == 11
    lines = [json.loads(line) for line in home.ok("export --all --yes").out.splitlines()]
    assert [line["data"]["login"] for line in lines] == [f"u{number}" for number in range(10)]
    assert home.ok("audit verify --json").json["events"] == 22


def test_an_import_says_what_is_in(home: Home, without_help: str) -> None:
    result = home.run("user import - --json", people(10))
    if without_help == "killed":
        assert (result.code, result.error["code"]) == (1, "internal")
        assert result.error["hint"] == "3 added and 0 updated before that are in"
        assert home.ok("status --json").json["users"] == 3
        result = home.run("user import - --json --on-conflict skip", people(2))
    assert result.code == 0
    home.ok("audit verify")


def test_what_another_process_raises_is_raised_here() -> None:
    def things() -> Iterator[int]:
        yield 1
        raise Invalid("that is wrong", hint="make it right", token="t")

    seen: list[int] = []
    with forks.ahead(things()) as found, pytest.raises(Invalid, match="that is wrong") as raised:
        seen += found
    assert (seen, raised.value.hint, raised.value.token) == ([1], "make it right", "t")


@pytest.mark.parametrize(("size", "fit"), [(1, 4), (1 << 20, 4), (2 << 20, 2), (9 << 20, 1)])
def test_what_waits_to_be_taken_is_bounded_in_memory_too(size: int, fit: int) -> None:
    waiting = forks._Waiting(4)
    for _ in range(fit):
        waiting.put_nowait(bytes(size))
    with pytest.raises(queue.Full):
        waiting.put_nowait(bytes(size))
    for _ in range(fit):
        assert len(waiting.get_nowait()) == size
    waiting.put_nowait(b"")
    assert waiting.get_nowait() == b""


def test_a_process_that_is_not_asked_any_more_is_ended() -> None:
    def things() -> Iterator[int]:
        while True:
            yield os.getpid()

    with forks.ahead(things()) as found:
        other = next(found)
        assert other != os.getpid()
    assert gone(other)


SIGNALLED = """
import os, signal
from bunkerctl import forks

def forked(fork=os.fork):
    process = fork()
    if process:
        print(process)
        os.kill(os.getpid(), signal.SIGTERM)
    return process

def stop(*_):
    raise KeyboardInterrupt

os.fork = forked
signal.signal(signal.SIGTERM, stop)
try:
    with forks.ahead(iter(range(3))):
        print("the signal was lost")
except KeyboardInterrupt:
    print(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
"""A process without other threads, to which the signal might go."""


def test_a_signal_behind_the_fork_leaves_no_process() -> None:
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, check=True)
    process, blocked = done.stdout.split()
    assert blocked == b"False"
    assert gone(int(process))


def test_the_reader_of_a_killed_import_ends_though_nothing_more_comes(home: Home) -> None:
    with home.spawn("user import -", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(people(3600).encode())  # three batches, and what never becomes a fourth
        process.stdin.flush()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: bool(children.read_text()) or process.poll() is not None)
        other = int(children.read_text())
        until(lambda: home.run("status --json").json["users"] == 3500)
        process.kill()
        process.wait()
        until(lambda: gone(other))
        home.ok("key rotate --no-recovery --lock-wait 0s")
        process.stdin.close()
    home.ok("audit verify")
