"""The walk over a long trail: shared among processes, it finds what one process finds."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bunkerctl import forks, tallies
from bunkerctl.model import Progress
from conftest import Home
from test_report import report, story
from wholeness import reworded


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trails of a few events be shared among three processes, in subtrees of four events."""
    monkeypatch.setattr(tallies, "HEIGHT", 2)
    monkeypatch.setattr(tallies, "LEAST_PART", 5)
    monkeypatch.setattr(forks, "cores", lambda: 3)


def alone(home: Home, options: str = "") -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forks, "cores", lambda: 1)
        return report(home, options)


@pytest.mark.usefixtures("shared")
def test_shared_or_alone_the_report_is_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Counter[str]()
    start = forks._start
    monkeypatch.setattr(forks, "_start", lambda work: started.update("p") or start(work))
    story(home)
    home.ok("key rotate")
    for options in ("", "--since 2027-02-01 --until 2027-03-07"):
        assert report(home, options) == alone(home, options)
    assert started["p"] == 4
    for _ in range(9):  # whatever the rest behind the last whole subtree
        home.ok("user get b")
        assert report(home) == alone(home)
        assert report(home)["audit"]["ok"]


@pytest.mark.usefixtures("shared")
def test_what_other_processes_count_is_counted_in_the_progress(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    story(home)
    seen: list[Progress] = []

    def walk(*given: Any) -> Any:
        seen.append(given[-1])
        return tallies.walk(*given)

    monkeypatch.setattr("bunkerctl.reports.walk", walk)
    size = report(home)["audit"]["head"]["size"]
    assert (seen[0].come(), seen[0].total) == (size, size)


@pytest.mark.usefixtures("shared")
def test_what_was_pruned_need_not_end_at_a_subtree(home: Home) -> None:
    story(home)
    for before in ("2027-01-16", "2027-02-05", "2027-02-20"):
        home.ok(f"audit prune --before {before} --yes")
        assert report(home) == alone(home)
        assert report(home)["audit"]["ok"]


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("seq", [1, 5, 13, 17, 25, 32])
def test_damage_is_found_in_whatever_part_it_is(home: Home, seq: int) -> None:
    story(home)
    db = home.database()
    for statement in reworded(seq, "replace(text, 'ok', 'OK')"):
        db.run(statement)
    found = home.run("report --json")
    assert (found.code, found.json["audit"]["first_bad"]) == (7, seq)
    db.run("DELETE FROM audit WHERE seq = ?", seq)
    db.close()
    assert home.run("report --json").code == 7


@pytest.mark.usefixtures("shared")
def test_a_part_whose_process_fails_is_counted_here(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    story(home)
    expected, here = report(home), os.getpid()
    walked = tallies._walk

    def failing(*arguments: Any) -> None:
        if os.getpid() != here:
            raise MemoryError
        walked(*arguments)

    monkeypatch.setattr(tallies, "_walk", failing)
    assert report(home) == expected


def test_processes_end_with_the_block(tmp_path: Path) -> None:
    def endless() -> bytes:
        (tmp_path / str(os.getpid())).touch()
        while True:
            time.sleep(1)

    with pytest.raises(KeyError), forks.beside([endless, lambda: b"x" * 300_000]) as answers:
        assert answers[1]() == b"x" * 300_000
        while not list(tmp_path.iterdir()):
            time.sleep(0.01)
        raise KeyError
    (process,) = (int(path.name) for path in tmp_path.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_signal_ends_a_process_beside(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)

    def ended() -> bytes:
        os.kill(os.getpid(), signal.SIGTERM)
        return b"went on"

    try:
        with forks.beside([ended]) as answers:
            assert answers[0]() == b""
    finally:
        signal.signal(signal.SIGTERM, before)
