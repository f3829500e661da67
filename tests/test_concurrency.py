"""Several processes on one vault: nothing is lost, nothing is done twice, nobody sees a half."""

from __future__ import annotations

import fcntl
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Home, Result
from residue import found
from wholeness import (
    CANARY,
    check_erased_once,
    check_whole,
    count,
    due_people,
    made_now,
    reader,
    until,
)

PATIENT = "--lock-wait 60s --json"


@pytest.fixture
def home(bare: Home) -> Home:
    return made_now(bare)


def together(home: Home, *lines: str) -> list[Result]:
    """Run command lines at once, so that they meet at the write lock."""
    writer = home.database()
    writer.begin()
    processes = [home.spawn(line) for line in lines]
    time.sleep(0.5)
    writer.rollback()
    writer.close()
    results = []
    for process in processes:
        with process:
            out, err = process.communicate(timeout=60)
        results.append(Result(process.returncode, out, err))
    return results


def test_of_many_that_add_one_email_one_wins(home: Home) -> None:
    results = together(
        home, *[f"user add email=ann@example.com n:={n} {PATIENT}" for n in range(8)]
    )
    assert sorted(result.code for result in results) == [0] + [5] * 7
    assert {result.error["code"] for result in results if result.code} == {"conflict"}
    assert {result.out for result in results if result.code} == {""}
    assert home.ok("status --json").json["users"] == 1
    winner = next(result.json for result in results if not result.code)
    assert home.ok("user get ann@example.com --json").json["data"] == winner["data"]
    check_whole(home)


def test_many_that_add_different_people_all_get_in(home: Home) -> None:
    results = together(home, *[f"user add email=u{n}@example.com {PATIENT}" for n in range(8)])
    assert [result.code for result in results] == [0] * 8
    tokens = {result.json["token"] for result in results}
    assert {one["token"] for one in home.ok("user list --json").json} == tokens
    assert len(tokens) == 8
    check_whole(home)


def test_no_update_is_lost(home: Home) -> None:
    token = home.add(login="ann")
    results = together(home, *[f"user update {token} field{n}=x {PATIENT}" for n in range(8)])
    assert [result.code for result in results] == [0] * 8
    assert sorted(result.json["version"] for result in results) == list(range(2, 10))
    user = home.ok(f"user get {token} --json").json
    assert user["version"] == 9
    assert user["data"] == {"login": "ann", **{f"field{n}": "x" for n in range(8)}}
    check_whole(home)


def test_if_version_makes_a_counter(home: Home) -> None:
    token = home.add(login="ann", n=0)

    def count_up() -> int:
        tries = 0
        while True:
            tries += 1
            user = home.process(f"user get {token} {PATIENT}").json
            version, n = user["version"], user["data"]["n"] + 1
            done = home.process(f"user update {token} n:={n} --if-version {version} {PATIENT}")
            assert done.code in (0, 5), done
            if done.code == 0:
                return tries

    with ThreadPoolExecutor(4) as pool:
        tries = [job.result() for job in [pool.submit(count_up) for _ in range(12)]]
    user = home.ok(f"user get {token} --json").json
    assert (user["data"]["n"], user["version"]) == (12, 13)
    refused = home.ok("audit list --action user.update --json").json
    assert [one["outcome"] for one in refused].count("refused") == sum(tries) - 12
    check_whole(home)


def test_of_many_that_forget_one_user_one_erases(home: Home) -> None:
    token = home.add(login=CANARY, text=CANARY * 50)
    results = together(home, *[f"user forget {token} --yes {PATIENT}" for _ in range(4)])
    assert [result.code for result in results] == [0] * 4
    assert sorted(result.json["changed"] for result in results) == [False] * 3 + [True]
    assert len({result.json["event"] for result in results}) == 1
    assert count(home, "tombstones") == len((home.vault / "erasures.jsonl").read_text().split())
    assert found(home, CANARY.encode()) == []
    check_whole(home)


@pytest.mark.parametrize("erase", ["user forget", "exp delete"])
def test_what_is_erased_is_not_called_busy(home: Home, erase: str) -> None:
    token = next(iter(due_people(home, 1)))
    exptoken = home.ok(f"exp status {token} --json").json["exptoken"]
    whom = {"user forget": token, "exp delete": exptoken}[erase]
    writer = home.database()
    with (home.vault / "erasures.jsonl").open("rb") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)  # it stops between the erasure and its last step
        process = home.spawn(f"{erase} {whom} --yes --lock-wait 3s --json")
        until(lambda: count(home, "tombstones"))
        time.sleep(0.5)
        writer.begin()
    with process:
        out, err = process.communicate(timeout=60)
    writer.rollback()
    writer.close()
    assert process.returncode in (0, 15), err
    assert (json.loads(out)["token"], json.loads(out)["changed"]) == (token, True)
    assert home.process("status").code == 0
    check_whole(home)


def test_two_sweeps_at_once_erase_each_person_once(home: Home) -> None:
    tokens = due_people(home, 600)
    line = "exp sweep --max-deletes 600"
    results = together(home, *[f"{line} {PATIENT}"] * 2, f"{line} --lock-wait 1s --json")
    assert [result.code for result in results[:2]] == [0, 0]
    assert results[2].code in (0, 11)
    answers = [result.json for result in results if result.code == 0]
    assert sorted(token for answer in answers for token in answer["tokens"]) == sorted(tokens)
    check_erased_once(home, tokens)


def test_a_second_sweep_is_busy_while_one_runs(home: Home) -> None:
    tokens = due_people(home, 4)
    with reader(home):  # the first waits for it, with the sweep's lock in hand
        first = home.spawn(f"exp sweep {PATIENT}")
        until(lambda: count(home, "tombstones"))
        second = home.process("exp sweep --lock-wait 0s --json")
    with first:
        out, _ = first.communicate(timeout=60)
    assert (second.code, second.out, second.error["code"]) == (11, "", "busy")
    assert (first.returncode, set(json.loads(out)["tokens"])) == (0, tokens)
    check_erased_once(home, tokens)


def test_of_two_inits_at_one_place_one_wins(bare: Home) -> None:
    processes = [bare.spawn("init --json") for _ in range(4)]
    for process in processes:
        with process:
            process.communicate(timeout=60)
    assert sorted(process.returncode for process in processes) == [0, 5, 5, 5]
    assert bare.process("status").code == 0
    check_whole(bare)


def test_an_init_that_loses_leaves_the_winner_its_key(bare: Home) -> None:
    with bare.spawn("init --json") as slow:
        while slow.poll() is None and not bare.key_file.exists():
            pass
        slow.send_signal(signal.SIGSTOP)
        with bare.spawn("init --json") as fast:
            time.sleep(1)  # to its end, unless it waits for the other
            slow.send_signal(signal.SIGCONT)
            fast.communicate(timeout=60)
        slow.communicate(timeout=60)
    assert sorted((slow.returncode, fast.returncode)) == [0, 5]
    assert bare.process("status").code == 0
    check_whole(bare)


def test_who_reads_during_a_sweep_sees_whole_people_or_nobody(home: Home) -> None:
    tokens = sorted(due_people(home, 1200))
    stays = home.add(login="stays", text="whole")
    asked = "\n".join([tokens[0], stays, tokens[600], tokens[1199]]).encode()

    def read() -> Result:
        return home.process("user get - -o jsonl --lock-wait 60s", asked)

    assert read().code == 0
    with home.spawn("exp sweep --max-deletes 1200 --lock-wait 60s") as sweep:
        results = [read()]
        while sweep.poll() is None:
            results.append(read())
        sweep.communicate(timeout=60)
    results.append(read())
    for result in results:
        assert result.code in (0, 3)
        for line in map(json.loads, result.out.splitlines()):
            if "error" in line:
                assert (line["error"]["exit_code"], line["line"] != 2) == (4, True)
            else:
                whole = "whole" if line["token"] == stays else CANARY * 50
                assert line["data"]["text"] == whole
    assert len(results[-1].out.splitlines()) == 4
    assert results[-1].out.count('"error"') == 3
    assert sweep.returncode in (0, 15)
    check_erased_once(home, set(tokens))


def test_verify_is_right_while_others_write(home: Home) -> None:
    head = home.directory / "head.json"
    head.write_text(home.ok("audit head --json").out)
    lines = b"".join(b'{"login":"u%d"}\n' % n for n in range(4000))
    with home.spawn("user import -") as writer, ThreadPoolExecutor(1) as pool:
        job = pool.submit(writer.communicate, lines, 60)
        while not job.done():
            verified = home.process(f"audit verify --against {head} --json")
            assert (verified.code, verified.json["ok"]) == (0, True)
    assert writer.returncode == 0
    assert home.ok("status --json").json["users"] == 4000
    check_whole(home)


@pytest.mark.parametrize(
    ("erase", "after"),
    [
        ("user forget", "status"),
        ("user forget", "audit head"),
        ("exp delete", "user list"),
        ("exp sweep", "user add login=bob"),
        ("exp sweep", "exp sweep"),
    ],
)
def test_what_a_reader_keeps_alive_the_next_command_finishes(
    home: Home, erase: str, after: str
) -> None:
    tokens = due_people(home, 1)
    token = next(iter(tokens))
    whom = {"user forget": token, "exp sweep": ""}.get(erase)
    if whom is None:
        whom = home.ok(f"exp status {token} --json").json["exptoken"]
    with reader(home):
        result = home.process(f"{erase} {whom} --yes --lock-wait 1s --json")
        assert (result.code, result.error["code"], result.error["exit_code"]) == (15, "residue", 15)
        told = result.json["tokens"] if erase == "exp sweep" else [result.json["token"]]
        assert told == [token]
        assert home.process(f"user get {token} --json").code == 4  # erased it is
        assert found(home, CANARY.encode())  # but not gone
    assert home.process(after).code == 0
    action = {"exp sweep": "exp.erase"}.get(erase, erase.replace(" ", "."))
    check_erased_once(home, tokens, action)
    assert home.process(f"user forget {token} --yes --json").json["changed"] is False
