"""The key delivered, or not: keyrings that ask, hang or are not there, and commands that never end.

Whatever happens, a command ends in time, leaves no process behind, and says why.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import EXECUTABLE, Home, Result
from desktop import Desktop, log_in, log_out, needs_desktop
from terminal import Terminal

SECRET_SERVICE = "keyring.backends.SecretService.Keyring"
KWALLET = "keyring.backends.kwallet.DBusKeyring"
NOTE = r"the keyring is locked: its dialog may be open on (.*), behind another window; Ctrl-C"
SECRET = "5ec4e7" * 10


class Running:
    """A command without a terminal, in a session of its own."""

    def __init__(self, home: Home, line: str | list[str], **options: Any) -> None:
        self.start = time.monotonic()
        self.process = home.spawn(line, stdin=subprocess.DEVNULL, start_new_session=True, **options)

    def end(self, seconds: float = 60) -> tuple[Result, float]:
        """Wait for it; return what it gave, and how long it took."""
        with self.process:
            try:
                out, err = self.process.communicate(timeout=seconds)
            finally:
                self.process.kill()
        took = time.monotonic() - self.start
        assert left_behind(self.process.pid) == []
        return Result(self.process.returncode, out, err), took

    def stop(self) -> None:
        with self.process:
            self.process.terminate()


def left_behind(session: int) -> list[str]:
    """Return the processes of a session, also those that ended and that nobody waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:  # it has ended meanwhile
            continue
        if int(rest.split()[3]) == session:
            found.append(f"{name}) {rest[1]}")
    return found


def end_all(running: dict[str, Running]) -> dict[str, tuple[Result, float]]:
    """Wait for commands that run side by side."""
    ended: dict[str, tuple[Result, float]] = {}
    while len(ended) < len(running):
        for line, command in running.items():
            if line not in ended and command.process.poll() is not None:
                ended[line] = command.end()
            assert time.monotonic() < command.start + 60, line
        time.sleep(0.01)
    return ended


def check_refused(result: Result, reason: str, *words: str) -> None:
    """Check a refusal of `--json`: for this reason, in one line with these words."""
    assert (result.code, result.out) == (13, ""), result
    assert (result.error["code"], result.error["reason"]) == ("key_unavailable", reason), result
    assert all(word in result.error["message"] for word in words), result
    assert len(result.err.splitlines()) == 1, result


def in_keyring(home: Home, desktop: Desktop) -> Home:
    """Let a vault's header say that its key is in the keyring, and log in."""
    path = home.vault / "vault.json"
    header = json.loads(path.read_bytes())
    path.write_text(json.dumps({**header, "key": {"source": "keyring", "place": SECRET_SERVICE}}))
    return log_in(home, desktop)


def until(condition: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """A keyring that is unlocked."""
    with Desktop() as running:
        yield running


@pytest.fixture
def bus() -> Iterator[Desktop]:
    """A desktop for a keyring of our own."""
    with Desktop(keyring=False) as running:
        yield running


@pytest.fixture
def frozen(bus: Desktop) -> Desktop:
    """A keyring that is there, and answers nothing."""
    bus.serve("locked")
    bus.freeze()
    return bus


@pytest.fixture
def heeded() -> Iterator[None]:
    """Signals are heard though the test runner was started with some of them ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module", autouse=True)
def endless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """What takes 30 seconds to be given up, while other tests run."""
    home = Home(tmp_path_factory.mktemp("endless"))
    assert home.process("init").code == 0
    del home.environment["BUNKERCTL_KEY_FILE"]
    nobody, writes = os.pipe()
    command = ["status", "--key-command", "sleep 100", "--json"]
    descriptor = ["status", "--key-fd", str(nobody), "--json"]
    running = {
        "the key command": Running(home, command),
        f"descriptor {nobody}": Running(home, descriptor, pass_fds=(nobody,)),
    }
    yield running
    for command_line in running.values():
        command_line.stop()
    os.close(nobody)
    os.close(writes)


# A dialog that nobody answers


@needs_desktop
def test_with_nobody_there_a_locked_keyring_is_told_at_once_and_not_asked_to_unlock(
    home: Home, bus: Desktop
) -> None:
    bus.serve("locked")
    in_keyring(home, bus)
    for line in ("status", "user get login:ann", f"init --vault {home.directory}/other"):
        result, took = Running(home, f"{line} --json").end()
        check_refused(result, "locked")
        assert "--key-file" in result.error["hint"]
        assert took < 2
    with Terminal(home, "status --no-input --json") as terminal:
        assert terminal.end() == 13
        assert json.loads(terminal.shown)["error"]["reason"] == "locked"
    assert bus.calls() == {"Get"}


@needs_desktop
def test_with_nobody_there_an_entry_that_is_locked_by_itself_is_not_asked_for_either(
    home: Home, bus: Desktop
) -> None:
    """As in KeePassXC, where each program that asks is a question to the person."""
    bus.serve("guarded", str(home.key_file))
    result, took = Running(in_keyring(home, bus), "status --no-input --json").end()
    check_refused(result, "locked")
    assert took < 2
    assert not bus.calls() & {"Unlock", "Prompt"}


@needs_desktop
@pytest.mark.parametrize(
    ("displays", "place"),
    [
        ({}, "the desktop that this session belongs to"),
        ({"DISPLAY": ":7"}, "the desktop (:7)"),
        ({"DISPLAY": ":7", "WAYLAND_DISPLAY": "wayland-7"}, "the desktop (wayland-7)"),
    ],
    ids=["unknown", "x", "wayland"],
)
def test_after_a_second_the_terminal_says_where_the_dialog_may_be_and_ctrl_c_gives_up(
    home: Home, bus: Desktop, heeded: None, displays: dict[str, str], place: str
) -> None:
    bus.serve("locked")
    in_keyring(home, bus).environment.update(displays)
    start = time.monotonic()
    with Terminal(home, "status") as terminal:
        assert terminal.see(NOTE) == place
        assert 1 <= time.monotonic() - start < 4
        start = time.monotonic()
        terminal.type(b"\x03")
        assert terminal.end() == 130
        assert time.monotonic() - start < 1
        assert left_behind(terminal.process.pid) == []
        assert terminal.shown.endswith("bunkerctl: error: interrupted\n")
    assert {"Unlock", "Prompt"} <= bus.calls()


@needs_desktop
def test_a_dialog_that_nobody_answers_is_given_up_in_the_time_that_was_asked_for(
    home: Home, bus: Desktop
) -> None:
    bus.serve("locked")
    start = time.monotonic()
    line = "status --keyring-timeout 3s --json"
    with Terminal(in_keyring(home, bus), line) as terminal:
        assert terminal.end() == 13
        assert 3 <= time.monotonic() - start < 6
        assert left_behind(terminal.process.pid) == []
    note, error = terminal.shown.splitlines()
    assert "its dialog may be open" in note
    assert json.loads(error)["error"]["reason"] == "timeout"


@needs_desktop
def test_a_dialog_that_is_answered_opens_the_vault(home: Home, bus: Desktop) -> None:
    bus.serve("answered", str(home.key_file))
    with Terminal(in_keyring(home, bus), "status") as terminal:
        terminal.see(NOTE)
        assert terminal.end() == 0
    assert "key_source  keyring" in terminal.shown


@needs_desktop
def test_a_terminal_that_is_closed_ends_the_wait_for_its_dialog(
    home: Home, bus: Desktop, heeded: None
) -> None:
    bus.serve("locked")
    with Terminal(in_keyring(home, bus), "status") as terminal:
        terminal.see(NOTE)
        terminal.hang_up()
        assert terminal.process.wait(timeout=2) == 129
        assert left_behind(terminal.process.pid) == []


# A keyring that answers nothing


@needs_desktop
@pytest.mark.parametrize("said_by", ["option", "variable", "setting"])
def test_a_frozen_keyring_is_waited_for_as_long_as_is_said(
    home: Home, frozen: Desktop, said_by: str
) -> None:
    """The option goes before the variable, and that before the setting."""
    line = "status --json"
    in_keyring(home, frozen)
    home.ok(f"config set key.keyring_timeout {'1s' if said_by == 'setting' else '40s'}")
    if said_by != "setting":
        home.environment["BUNKERCTL_KEYRING_TIMEOUT"] = "1s" if said_by == "variable" else "40s"
    if said_by == "option":
        line += " --keyring-timeout 1s"
    result, took = Running(home, line).end()
    check_refused(result, "timeout", "within 1 seconds")
    assert 1 <= took < 4


@needs_desktop
def test_no_command_waits_for_a_frozen_keyring_longer_than_five_seconds(
    home: Home, tmp_path: Path, frozen: Desktop
) -> None:
    enrolling, rotating = (Home(tmp_path / name) for name in ("enrolling", "rotating"))
    for other in (enrolling, rotating):
        other.directory.mkdir()
        other.ok("init")
    log_in(enrolling, frozen)
    lines = {
        "status": home,
        "user get login:ann": home,
        f"init --vault {tmp_path}/new": home,
        "key status": home,
        "key test": home,
        "doctor": home,
        "key rotate": in_keyring(rotating, frozen),
        f"key enroll keyring --key-file {enrolling.key_file}": enrolling,
    }
    in_keyring(home, frozen)
    ended = end_all({line: Running(where, f"{line} --json") for line, where in lines.items()})
    found, took = ended.pop("key status")
    assert (found.code, found.json["problem"], found.json["locked"]) == (0, "timeout", None)
    assert (found.json["available"], 5 <= took < 8) == (False, True)
    tested, took = ended.pop("key test")
    check_refused(tested, "no_backend")  # a job has no session bus to ask on
    examined, took = ended.pop("doctor")
    assert (examined.code, examined.error["reason"]) == (13, "timeout")
    assert 5 <= took < 8
    for result, took in ended.values():
        check_refused(result, "timeout", "within 5 seconds")
        assert 5 <= took < 8
    assert not (tmp_path / "new").exists()
    assert enrolling.process(["status", "--key-file", str(enrolling.key_file)]).code == 0


@needs_desktop
def test_ctrl_c_ends_the_wait_for_a_frozen_keyring(
    home: Home, frozen: Desktop, heeded: None
) -> None:
    with Terminal(in_keyring(home, frozen), "status") as terminal:
        until(lambda: len(left_behind(terminal.process.pid)) == 2, 10)
        terminal.type(b"\x03")
        assert terminal.end() == 130
        assert left_behind(terminal.process.pid) == []


@needs_desktop
def test_two_signals_at_once_end_the_wait_once(home: Home, frozen: Desktop, heeded: None) -> None:
    """systemd sends SIGHUP after SIGTERM, where SendSIGHUP= is set."""
    running = Running(in_keyring(home, frozen), "status").process
    with running:
        until(lambda: len(left_behind(running.pid)) == 2, 10)
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT):
            running.send_signal(number)
        _, err = running.communicate(timeout=10)
    assert running.returncode in (129, 143)
    assert err == b"bunkerctl: error: interrupted\n"


SWALLOWED = """
import os, signal, sys, time
from bunkerctl.cli import shell
from bunkerctl.errors import Interrupted

class Going:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

shell.prepare()
try:
    Going()
    time.sleep(5)
except Interrupted:
    print("heard")
"""


def test_a_signal_that_comes_where_python_ignores_exceptions_is_heard() -> None:
    """In a finalizer, say, or when the import system drops a lock; no other is listened to then."""
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED], capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"heard\n", b"")


@needs_desktop
def test_what_asks_the_keyring_outlives_a_kill_no_longer_than_it_would_have_waited(
    home: Home, frozen: Desktop
) -> None:
    """Else it keeps the lock that `key enroll` had on the vault, and no command gets in."""
    log_in(home, frozen)
    line = f"key enroll keyring --keyring-timeout 2s --key-file {home.key_file}"
    enrolling = Running(home, line).process
    with enrolling:
        until(lambda: len(left_behind(enrolling.pid)) == 2, 10)
        enrolling.kill()
    try:
        until(lambda: not left_behind(enrolling.pid), 6)
        assert home.process(["status", "--key-file", str(home.key_file)]).code == 0
    finally:
        for process in left_behind(enrolling.pid):
            os.kill(int(process.split()[0]), signal.SIGKILL)


@needs_desktop
@pytest.mark.parametrize("wait", ["100y", "300y", "999999999999d"])
def test_a_very_long_wait_is_no_bug(home: Home, bus: Desktop, wait: str) -> None:
    bus.serve("locked")
    result, _ = Running(in_keyring(home, bus), f"status --keyring-timeout {wait} --json").end()
    assert (result.code, result.out) == (2, "")
    result, _ = Running(in_keyring(home, bus), "status --keyring-timeout 1d --json").end()
    check_refused(result, "locked")


@needs_desktop
def test_the_keyring_is_asked_though_the_caller_ignores_the_end_of_children(
    home: Home, bus: Desktop
) -> None:
    """`trap '' CHLD` in a shell, or a daemon that starts programs and forgets them."""
    bus.serve("locked")
    in_keyring(home, bus)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        running = Running(home, "status --json")
    finally:
        signal.signal(signal.SIGCHLD, before)
    check_refused(running.end()[0], "locked")


# No keyring


@needs_desktop
def test_without_a_home_the_vault_is_named_and_the_keyring_asked(
    bare: Home, desktop: Desktop
) -> None:
    log_in(bare, desktop)
    del bare.environment["HOME"]
    del bare.environment["BUNKERCTL_VAULT"]
    vault = f"--vault {bare.vault}"
    assert bare.process(f"init {vault}").code == 0
    assert bare.process(f"status {vault} --json").json["key_source"] == "keyring"
    log_out(bare)
    check_refused(bare.process(f"status {vault} --json"), "no_backend", "no session bus")
    other = f"init --vault {bare.directory}/other --json"
    check_refused(bare.process(other), "no_backend", "no session bus")


@needs_desktop
@pytest.mark.parametrize("password", ["password", "wrong"])
def test_a_wrong_password_at_the_login_leaves_the_keyring_locked(bare: Home, password: str) -> None:
    with Desktop() as session:
        log_in(bare, session)
        assert bare.process("init").code == 0
        session.log_in_anew(password.encode())
        result = bare.process("status --json")
        if password == "wrong":
            check_refused(result, "locked")
        else:
            assert result.code == 0


@needs_desktop
@pytest.mark.parametrize("name", ["secretstorage", "jeepney"])
def test_a_package_that_is_missing_is_named(home: Home, desktop: Desktop, name: str) -> None:
    missing = home.directory / "missing"
    missing.mkdir()
    (missing / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})")
    in_keyring(home, desktop).environment["PYTHONPATH"] = str(missing)
    check_refused(home.process("status --json"), "no_backend", name, "not installed")


@needs_desktop
def test_a_kwallet_that_is_closed_is_told_and_not_asked_to_open(home: Home, bus: Desktop) -> None:
    bus.serve("wallet")
    in_keyring(home, bus).environment["PYTHON_KEYRING_BACKEND"] = KWALLET
    result, took = Running(home, "status --json").end()
    check_refused(result, "locked")
    assert took < 2
    found = home.process("key status --json").json
    assert (found["locked"], found["problem"]) == (True, "locked")
    assert bus.calls() == {"networkWallet", "isOpen"}


# What a keyring's code may do in its process

ASIDE = """
import os, signal, sys, time
from bunkerctl.errors import KeyUnavailable
from bunkerctl.keys import aside

SECRET = {secret!r}
{before}
def work(asking):
{body}

try:
    answer = aside.run(work, {environment!r}, 3.0, lambda _: print("told"))
    print("answer", answer)
except KeyUnavailable as error:
    print(error.reason, error.message, error.hint)
except aside.Silent:
    print("silent")
except BaseException as error:
    print(type(error).__name__.lower())
print(sys.stdin.read(), end="")
"""


def beside(
    body: str, environment: dict[str, str] | None = None, *, before: str = ""
) -> tuple[str, float]:
    """Run a function in a process of its own, with this body; return what its caller prints."""
    script = ASIDE.format(
        secret=SECRET,
        before=before,
        body=textwrap.indent(body, "    "),
        environment=environment or {},
    )
    start = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        out, err = process.communicate(b"mine\n", timeout=20)
    assert (process.returncode, err, left_behind(process.pid)) == (0, b"", [])
    lines = out.decode().splitlines()
    assert lines.pop() == "mine"  # what is for the caller is not read by anybody else
    return "\n".join(lines), time.monotonic() - start


@pytest.mark.parametrize("answer", [None, "", "k\u00e9y\n"])
def test_an_answer_comes_back(answer: str | None) -> None:
    said, _ = beside(f"return {answer!r}")
    assert said == f"answer {answer}"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise ValueError(SECRET)", "no_backend the keyring failed (ValueError) None"),
        ("class E(BaseException): pass\nraise E(SECRET)", "no_backend the keyring failed (E) None"),
        ("raise KeyboardInterrupt", "no_backend the keyring failed (KeyboardInterrupt) None"),
        ("sys.exit(SECRET)", "no_backend the keyring failed (SystemExit) None"),
        ("return input()", "no_backend the keyring failed (EOFError) None"),
        ("raise KeyUnavailable('no', reason='why', hint='so')", "why no so"),
    ],
)
def test_an_error_is_told_by_its_name_and_never_by_its_text(body: str, error: str) -> None:
    said, took = beside(body)
    assert said == error
    assert took < 2


@pytest.mark.parametrize(
    "body",
    [
        "os._exit(0)",
        "os._exit(3)",
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "import ctypes\nctypes.string_at(0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.closerange(0, 100)\nreturn SECRET",
        "os.closerange(0, 100)\ntime.sleep(60)",
        "return SECRET * 10_000",
        "return SECRET.encode()",
    ],
)
def test_code_that_crashes_or_exits_is_an_end_without_an_answer(body: str) -> None:
    said, took = beside(body)
    assert said == "no_backend the keyring failed (it ended without an answer) None"
    assert took < 2


@pytest.mark.parametrize(
    "body",
    [
        "print('out', flush=True)\nprint('err', file=sys.stderr, flush=True)",
        "os.write(1, b'out')\nos.write(2, b'err')",
        "sys.stdin.read()\nos.read(0, 100)",
        "os.system('echo out; echo err >&2; cat')",
        "os.chdir('/'), os.umask(0), os.environ.clear()",
        "sys.stdout.write('left in a buffer')",
    ],
)
def test_nothing_of_its_input_and_output_reaches_the_caller(body: str) -> None:
    said, took = beside(f"{body}\nreturn SECRET")
    assert said == f"answer {SECRET}"
    assert took < 2


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(60)",
        "signal.pthread_sigmask(signal.SIG_SETMASK, range(1, 65))\ntime.sleep(60)",
        "while True: pass",
        "os.kill(os.getpid(), signal.SIGSTOP)",
    ],
    ids=["sleeps", "hears-no-signal", "spins", "stops"],
)
def test_code_that_does_not_end_is_killed(body: str) -> None:
    said, took = beside(body)
    assert said == "told\nsilent"
    assert 3 <= took < 6


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "answer yes"), (1.5, "told\nanswer yes"), (60, "told\nsilent")]
)
def test_the_caller_is_told_once_of_a_question_that_takes_a_second(
    seconds: float, said: str
) -> None:
    assert beside(f"asking()\ntime.sleep({seconds})\nreturn 'yes'")[0] == said


def test_it_has_the_environment_of_the_call_and_no_other() -> None:
    said, _ = beside("return repr(dict(os.environ))", {"HOME": "/h"})
    assert said == "answer {'HOME': '/h'}"


INTERRUPTED_FORK = """
from bunkerctl.errors import Interrupted

fork = os.fork

def interrupted_fork():
    child = fork()
    if bool(child) == {parent}:
        os.kill(os.getpid(), signal.SIGTERM)
    return child

def stop(number, frame):
    raise Interrupted(number)

os.fork = interrupted_fork
signal.signal(signal.SIGTERM, stop)
"""


@pytest.mark.parametrize("parent", [True, False], ids=["here", "there"])
def test_a_signal_at_the_moment_of_the_fork_leaves_one_process_and_no_second_caller(
    parent: bool,
) -> None:
    said, _ = beside("time.sleep(60)", before=INTERRUPTED_FORK.format(parent=parent))
    assert "\n" not in said
    assert (said == "interrupted") is parent


# Where the key is, and whether a job would get it


@pytest.mark.parametrize("source", ["file", "command", "fd", "credential"])
@pytest.mark.parametrize("options", ["", "--debug", "-o table"])
def test_key_status_shows_the_source_and_never_the_key(
    home: Home, source: str, options: str
) -> None:
    key = home.key_file.read_bytes()
    del home.environment["BUNKERCTL_KEY_FILE"]
    credential = home.directory / "bunkerctl-key"
    with home.key_file.open("rb") as file:
        given = {
            "file": [],
            "command": ["--key-command", f"cat {home.key_file}"],
            "fd": ["--key-fd", str(file.fileno())],
            "credential": [],
        }[source]
        if source == "credential":
            home.key_file.rename(credential)
            home.environment["CREDENTIALS_DIRECTORY"] = str(home.directory)
        line = ["key", "status", *given, *options.split()]
        result = home.process(line, pass_fds=(file.fileno(),))
    assert result.code == 0
    assert any(words.split()[:2] == ["key_source", source] for words in result.out.splitlines())
    yes = "yes" if "table" in options else "true"
    assert any(words.split()[:2] == ["match", yes] for words in result.out.splitlines())
    for said in (result.out, result.err):
        assert key.decode().strip() not in said.lower()


@needs_desktop
def test_key_status_shows_a_key_in_the_keyring_and_never_the_key(
    bare: Home, desktop: Desktop
) -> None:
    key = Path(bare.directory / "copy")
    assert log_in(bare, desktop).process("init").code == 0
    assert bare.process(f"key enroll file {key}").code == 0
    result = bare.process("key status --json --debug")
    found = result.json
    assert (found["key_source"], found["place"]) == ("keyring", SECRET_SERVICE)
    assert (found["locked"], found["available"], found["match"]) == (False, True, True)
    assert found["problem"] is None
    assert key.read_text().strip() not in result.out + result.err


@needs_desktop
def test_key_status_tells_a_locked_keyring_on_a_terminal_too_without_a_dialog(
    home: Home, bus: Desktop
) -> None:
    bus.serve("locked")
    in_keyring(home, bus)
    with Terminal(home, "key status --json", stdout=subprocess.PIPE) as terminal:
        assert terminal.process.stdout is not None
        found = json.loads(terminal.process.stdout.read())
        assert terminal.end() == 0
    assert (found["locked"], found["available"], found["problem"]) == (True, False, "locked")
    assert (found["found_key_id"], found["match"]) == (None, None)
    assert bus.calls() == {"Get"}


@needs_desktop
def test_key_test_fails_at_the_desktop_as_the_job_would(bare: Home, desktop: Desktop) -> None:
    assert log_in(bare, desktop).process("init").code == 0
    assert bare.process("status").code == 0
    result = bare.process("key test --json")
    check_refused(result, "no_backend", "no session bus")
    assert "--key-file" in result.error["hint"] and "key enroll" in result.error["hint"]
    own = bare.directory / "job.key"
    assert bare.process(f"key enroll file {own}").code == 0
    result = bare.process(f"key test --key-file {own} --json")
    assert (result.code, result.json["key_source"]) == (0, "file")
    assert (result.json["place"], result.json["variables"]) == (str(own), ["BUNKERCTL_VAULT"])


def test_key_test_names_the_variables_that_a_job_needs_too(home: Home) -> None:
    home.environment["BUNKERCTL_ACTOR"] = "ann"
    result = home.process("key test --json")
    names = ["BUNKERCTL_ACTOR", "BUNKERCTL_KEY_FILE", "BUNKERCTL_VAULT"]
    assert (result.code, sorted(result.json["variables"])) == (0, names)
    assert ", ".join(names) in result.err


def test_key_test_does_not_find_a_command_that_only_this_shell_finds(home: Home) -> None:
    program = home.directory / "give-key"
    program.write_text(f"#!/bin/sh\nexec cat {home.key_file}\n")
    program.chmod(0o700)
    del home.environment["BUNKERCTL_KEY_FILE"]
    home.environment["PATH"] += f":{home.directory}"
    assert home.process("status --key-command give-key").code == 0
    check_refused(home.process("key test --key-command give-key --json"), "command_failed")
    assert home.process(["key", "test", "--key-command", str(program)]).code == 0


def test_key_test_has_no_credential_of_a_unit(home: Home) -> None:
    credential = home.directory / "bunkerctl-key"
    home.key_file.rename(credential)
    del home.environment["BUNKERCTL_KEY_FILE"]
    home.environment["CREDENTIALS_DIRECTORY"] = str(home.directory)
    assert home.process("status").code == 0
    check_refused(home.process("key test --json"), "missing", str(home.key_file))


# What never ends, and what was never open


@pytest.mark.parametrize("number", [30, 987, 5000])
def test_a_descriptor_that_is_not_open_is_told_at_once(home: Home, number: int) -> None:
    """select(2) passes over one that is beyond the process's table."""
    del home.environment["BUNKERCTL_KEY_FILE"]
    result, took = Running(home, f"status --key-fd {number} --json").end()
    check_refused(result, "unreadable", f"descriptor {number}")
    assert took < 2


CROWD = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (1300, 1300))
for number in range(3, 1200):
    os.dup2(0, number)
os.dup2(os.open(sys.argv[1], os.O_RDONLY), 1250)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("source", ["command", "fd", "keyring"])
def test_a_caller_with_over_a_thousand_open_files_is_served(home: Home, source: str) -> None:
    """select(2) takes no descriptor from 1024 on."""
    key_file = home.environment.pop("BUNKERCTL_KEY_FILE")
    line = {
        "command": ["status", "--key-command", f"cat {key_file}"],
        "fd": ["status", "--key-fd", "1250"],
        "keyring": ["init", "--vault", f"{home.directory}/other"],
    }[source]
    done = subprocess.run(
        [sys.executable, "-c", CROWD, key_file, EXECUTABLE, *line, "--json"],
        env=home.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    result = Result(done.returncode, done.stdout, done.stderr)
    if source == "keyring":
        check_refused(result, "no_backend", "no session bus")
    else:
        assert (result.code, result.json["key_source"]) == (0, source)


def test_a_command_and_a_descriptor_that_never_end_are_given_up(
    endless: dict[str, Running],
) -> None:
    for what, running in endless.items():
        left = max(1.0, running.start + 40 - time.monotonic())
        result, _ = running.end(left)
        check_refused(result, "timeout", what, "30 seconds")
