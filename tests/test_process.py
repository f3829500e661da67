"""bunkerctl as a process among others: streams, signals, crashes, the environment it is given."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import EXECUTABLE, Home, Result
from wholeness import (
    check_whole,
    count,
    lines,
    made_now,
    until,
)

LOCALES = [
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},  # really ASCII, as of old
    {"LANG": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"},
]


@pytest.fixture
def home(bare: Home) -> Home:
    return made_now(bare)


@pytest.fixture(params=LOCALES, ids=["C", "ascii", "latin-1"])
def locale(request: pytest.FixtureRequest, bare: Home) -> dict[str, str]:
    """The variables of a locale; the last is made here, for few systems have it."""
    sh(bare, "localedef -i de_DE -f ISO-8859-1 $HOME/de_DE.ISO-8859-1")
    return {**request.param, "LOCPATH": str(bare.directory)}


def sh(home: Home, script: str) -> Result:
    """Run a script; `$b` is bunkerctl."""
    environment = {**home.environment, "b": EXECUTABLE}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, env=environment, timeout=60, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("line", ["user add login=ann", "user get login:bob", "status"])
def test_a_closed_stdout_is_refused_before_any_work(home: Home, line: str) -> None:
    home.add(login="bob")
    before = home.ok("audit head --json").json["size"]
    result = sh(home, f"exec $b {line} >&-")
    assert (result.code, result.out) == (74, "")
    assert result.err == "bunkerctl: error: standard output is closed; nothing was done\n"
    assert sh(home, f"exec $b {line} --json >&-").error["code"] == "output"
    assert home.ok("audit head --json").json["size"] == before
    assert home.ok("status --json").json["users"] == 1


def test_a_full_stdout_says_whether_the_change_was_saved(home: Home) -> None:
    added = sh(home, "exec $b user add login=ann >/dev/full")
    assert (added.code, "the change was saved" in added.err) == (74, True)
    assert home.ok("user get login:ann --field login").out == "ann\n"
    for line in ("status", "audit list", "--version"):
        result = sh(home, f"exec $b {line} >/dev/full")
        assert (result.code, "nothing was changed" in result.err) == (74, True), line
    read = sh(home, "exec $b user get login:ann --json >/dev/full")
    assert (read.code, read.error["code"], read.error["exit_code"]) == (74, "output", 74)
    assert home.ok("audit list --limit 1 --json").json[0]["action"] == "user.get"
    check_whole(home)


@pytest.mark.parametrize("form", ["plain", "csv", "json", "jsonl"])
def test_a_closed_pipe_is_quiet(home: Home, form: str) -> None:
    home.ok("user import -", lines(1500))
    for line in ("user list", "user list --reveal", "audit list"):
        result = sh(home, f"$b {line} -o {form} | head -1; exit ${{PIPESTATUS[0]}}")
        assert (result.code, len(result.out.splitlines()), result.err) == (141, 1, ""), line
    check_whole(home)


def test_a_closed_stdin_is_empty_and_a_closed_stderr_is_no_file(home: Home) -> None:
    nothing = sh(home, "exec $b user add --json <&-")
    assert (nothing.code, nothing.out, nothing.error["code"]) == (2, "", "invalid")
    assert sh(home, "exec $b user get login:ann 2>&-").code == 4
    assert sh(home, "exec $b user add login=ann <&- 2>&-").code == 0
    check_whole(home)


def test_nothing_but_the_vault_and_the_key_is_needed_from_outside(home: Home) -> None:
    script = f"exec env -i $b --vault {home.vault} --key-file {home.key_file} user add login=ann"
    assert (sh(home, script).code, count(home, "users")) == (0, 1)


def test_utf_8_goes_in_and_out_whatever_the_locale(home: Home, locale: dict[str, str]) -> None:
    login, name = "Åke-čáp", "Žluťoučký 🐎"
    added = home.process(["user", "add", f"login={login}", f"name={name}"], environment=locale)
    assert added.code == 0
    got = home.process(["user", "get", f"login:{login}", "--field", "name"], environment=locale)
    assert (got.code, got.out, got.err) == (0, f"{name}\n", "")
    record = {"login": "Œ", "name": name}
    given = json.dumps(record, ensure_ascii=False).encode()
    assert home.process("user add", given, environment=locale).code == 0
    assert home.ok("user get login:Œ --json").json["data"] == record


def test_paths_are_utf_8_whatever_the_locale(bare: Home, locale: dict[str, str]) -> None:
    place, key = str(bare.directory / "Bücher"), str(bare.directory / "schlüssel")
    named = ["--vault", place, "--json"]
    absent = bare.process(["status", *named], environment=locale)
    assert (absent.code, place in absent.error["message"]) == (10, True), absent
    made = bare.process(["init", *named, "--key-file", key], environment=locale)
    assert (made.code, made.json["vault"], os.path.isdir(place)) == (0, place, True), made
    for environment in (locale, {}):  # the key's place is in the header
        unset = {**environment, "BUNKERCTL_KEY_FILE": ""}
        opened = bare.process(["status", *named], environment=unset)
        assert (opened.code, opened.json["vault"]) == (0, place), opened


def test_bytes_that_are_not_utf_8_are_refused_and_not_shown(home: Home) -> None:
    raw = os.fsdecode(b"login=b\xe4r")
    for result in (
        home.process(["user", "add", raw]),
        home.process(["user", "get", "--json", raw]),
        home.process("user add", b'{"login":"b\xe4r"}'),
        home.process("status", environment={"BUNKERCTL_ACTOR": raw}),
    ):
        assert (result.code, result.out) == (2, "")
        assert not any(word in result.err for word in ("b\\", "xe4", "udce4", "Traceback"))


def test_files_are_private_whatever_the_umask(bare: Home) -> None:
    sh(bare, "umask 000; $b init; $b user add login=ann; $b export login:ann --out $HOME/ann.json")
    for path in (bare.key_file, bare.directory / "ann.json", *bare.vault.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert stat.S_IMODE(bare.vault.stat().st_mode) == 0o700


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="no /proc")
def test_no_core_is_dumped(home: Home) -> None:
    def allow_cores() -> None:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    def limits() -> list[str]:
        text = Path(f"/proc/{process.pid}/limits").read_text()
        return next(line.split()[4:6] for line in text.splitlines() if "core" in line)

    with home.spawn("user add", preexec_fn=allow_cores) as process:
        until(lambda: limits() == ["0", "0"])
        process.communicate(b'{"login":"ann"}', timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("line", "variable", "least"),
    [
        ("user add login=bob --lock-wait 0s", "10s", 0.0),
        ("user get login:ann --lock-wait 1s", "1h", 1.0),
        ("exp sweep", "1s", 1.0),
        ("exp sweep", "0s", 0.0),
    ],
)
def test_a_locked_vault_is_waited_for_and_then_busy(
    home: Home, line: str, variable: str, least: float
) -> None:
    home.add(login="ann")
    writer = home.database()
    writer.begin()
    began = time.monotonic()
    result = home.process(f"{line} --json", environment={"BUNKERCTL_LOCK_WAIT": variable})
    lasted = time.monotonic() - began
    assert home.process("status").code == 0  # it is no event, so it needs no lock
    writer.rollback()
    writer.close()
    assert (result.code, result.out, result.error["code"]) == (11, "", "busy")
    assert least <= lasted < least + 30
    assert count(home, "users") == 1


def test_it_runs_as_a_module(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bunkerctl", "--version"], capture_output=True, check=True
    )
    assert done.stdout == home.process("--version").raw


def test_nothing_is_written_outside_the_vault(home: Home) -> None:
    places = [home.directory / name for name in ("home", "tmp", "cwd")]
    for place in places:
        place.mkdir()
    environment = {"HOME": str(places[0]), "TMPDIR": str(places[1])}
    before = set(home.directory.iterdir())
    for line in (
        "user import -",
        "user list --reveal -o table",
        "exp start login:u1",
        "exp sweep",
        "export login:u1",
        "user forget login:u1 --yes",
        "audit verify",
        "user get login:nobody --debug",
    ):
        home.process(line, lines(20), environment=environment, cwd=places[2])
    assert count(home, "users") == 19
    assert [list(place.iterdir()) for place in places] == [[], [], []]
    assert set(home.directory.iterdir()) == before
    names = {"vault.db", "vault.json", "vault.lock", "vault.ballast", "erasures.jsonl"}
    assert {path.name for path in home.vault.iterdir()} == names
